//! A model and its manifest, put into the folder of a store: the model first, the manifest last, so that what has a manifest is
//! whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path as LocalPath;

use object_store::path::Path;
use object_store::{
    Error, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
};

use super::failure::{Failure, in_words};
use super::store::failure;

/// Bytes that are sent at a time: a store takes 10,000 of them.
const PART: u64 = 16 << 20;

/// What is put where.
pub(super) struct Put<'a> {
    pub(super) store: &'a dyn ObjectStore,
    pub(super) folder: &'a str,
    pub(super) data: &'a LocalPath,
    pub(super) manifest: &'a LocalPath,
    /// Whether what is there may be replaced.
    pub(super) overwrite: bool,
}

impl Put<'_> {
    pub(super) async fn all(&self) -> Result<(), Failure> {
        let (data, manifest) = (self.key(self.data, "")?, self.key(self.manifest, "")?);
        if self.overwrite {
            // An old manifest must not vouch for new bytes.
            found(self.store.delete(&manifest).await)?;
        } else {
            for key in [&data, &manifest] {
                if found(self.store.head(key).await)?.is_some() {
                    return Err(there(key));
                }
            }
        }
        // Under another name until it is whole: a store takes parts unconditionally, and a copy only where there is nothing.
        let pending = self.key(self.data, ".pending")?;
        self.upload(&pending).await?;
        let named = if self.overwrite {
            self.store.copy(&pending, &data).await
        } else {
            self.store.copy_if_not_exists(&pending, &data).await
        };
        let tidied = self.store.delete(&pending).await;
        named.map_err(|why| taken(why, &data))?;
        if let Err(why) = self.put_manifest(&manifest).await {
            if !self.overwrite {
                // It is ours; without a manifest it is nothing.
                found(self.store.delete(&data).await)?;
            }
            return Err(why);
        }
        tidied.map_err(failure)
    }

    fn key(&self, file: &LocalPath, ending: &str) -> Result<Path, Failure> {
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Failure::Lasting("it has no name in UTF-8".to_owned()))?;
        let folder = self.folder.trim_matches('/');
        let key = format!("{folder}/{name}{ending}");
        Path::parse(key.trim_start_matches('/')).map_err(|why| Failure::Lasting(in_words(&why)))
    }

    async fn upload(&self, key: &Path) -> Result<(), Failure> {
        let mut upload = self.store.put_multipart(key).await.map_err(failure)?;
        let sent = send(&mut *upload, self.data).await;
        if sent.is_err() {
            // What is left of it is of no use, and costs.
            drop(upload.abort().await);
        }
        sent
    }

    async fn put_manifest(&self, key: &Path) -> Result<(), Failure> {
        let bytes = std::fs::read(self.manifest).map_err(|why| local(self.manifest, &why))?;
        let mode = if self.overwrite {
            PutMode::Overwrite
        } else {
            PutMode::Create
        };
        let options = PutOptions::from(mode);
        let put = self.store.put_opts(key, bytes.into(), options).await;
        put.map(drop).map_err(|why| taken(why, key))
    }
}

async fn send(upload: &mut dyn MultipartUpload, file: &LocalPath) -> Result<(), Failure> {
    let wrong = |why: &io::Error| local(file, why);
    let mut reader = File::open(file).map_err(|why| wrong(&why))?;
    loop {
        let mut part = Vec::new();
        let read = (&mut reader).take(PART).read_to_end(&mut part);
        if read.map_err(|why| wrong(&why))? == 0 {
            break;
        }
        upload
            .put_part(PutPayload::from(part))
            .await
            .map_err(failure)?;
    }
    upload.complete().await.map(drop).map_err(failure)
}

fn local(file: &LocalPath, why: &io::Error) -> Failure {
    Failure::Lasting(format!("{}: {why}", file.display()))
}

/// Nothing where the store has no such object.
fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Failure> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(why) => Err(failure(why)),
    }
}

fn taken(why: Error, key: &Path) -> Failure {
    match why {
        Error::AlreadyExists { .. } | Error::Precondition { .. } => there(key),
        why => failure(why),
    }
}

fn there(key: &Path) -> Failure {
    Failure::Lasting(format!("{key} is there already, and is not replaced"))
}
