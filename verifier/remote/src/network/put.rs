//! A model and its manifest, put into the folder of a store: the model first, the manifest last, so that what has a manifest is
//! whole.
//!
//! What is there already and is byte for byte what would be put stays: a run that was killed is finished by the next one.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path as LocalPath;

use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMode,
    PutOptions, PutPayload,
};

use super::attempts::attempts;
use super::failure::{Failure, in_words};
use super::store::failure;

/// Bytes that are sent at a time: a store takes 10,000 of them.
const PART: u64 = 16 << 20;

/// What is put where.
#[derive(Clone, Copy)]
pub(super) struct Put<'a> {
    pub(super) store: &'a dyn ObjectStore,
    pub(super) folder: &'a str,
    pub(super) data: &'a LocalPath,
    pub(super) manifest: &'a LocalPath,
    /// Whether what is there may be replaced.
    pub(super) overwrite: bool,
}

/// What a store has under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    Nothing,
    /// What would be put there.
    Same,
    Other,
}

impl Put<'_> {
    pub(super) async fn all(&self) -> Result<(), Failure> {
        if self.overwrite {
            return self.replace().await;
        }
        self.refuse_other(self.manifest).await?;
        if self.refuse_other(self.data).await? == There::Nothing {
            self.name(&self.pend().await?).await?;
        }
        self.put_manifest(PutMode::Create).await
    }

    /// Puts the model where nobody looks for one: a store takes parts unconditionally, and a copy only where there is nothing. No
    /// other run has the name.
    async fn pend(&self) -> Result<Path, Failure> {
        let run = RandomState::new().hash_one(std::process::id());
        let pending = self.key(self.data, &format!(".{run:016x}.pending"))?;
        let mut upload = self.store.put_multipart(&pending).await.map_err(failure)?;
        send(&mut *upload, self.data).await?;
        upload.complete().await.map_err(failure)?;
        Ok(pending)
    }

    /// Gives it its name, where nothing has it.
    async fn name(&self, pending: &Path) -> Result<(), Failure> {
        let data = self.key(self.data, "")?;
        let named = self.store.copy_if_not_exists(pending, &data).await;
        if named.is_ok() {
            attempts(|| self.is_whole(&data)).await?;
        }
        let tidied = self.store.delete(pending).await;
        self.unless_same(named, self.data).await?;
        tidied.map_err(failure)
    }

    /// Azure may say that it copies before it has: without its source nothing would come of that.
    async fn is_whole(&self, data: &Path) -> Result<(), Failure> {
        let there = self.store.head(data).await.map_err(failure)?;
        let ours = std::fs::metadata(self.data).map_err(|why| local(self.data, &why))?;
        if there.size == ours.len() {
            return Ok(());
        }
        let why = format!("{data} is not copied yet: it has {} bytes", there.size);
        Err(Failure::Passing(why, None))
    }

    /// A store replaces an object at once, when all parts of the new one are there.
    async fn replace(&self) -> Result<(), Failure> {
        let (data, manifest) = (self.key(self.data, "")?, self.key(self.manifest, "")?);
        let mut upload = self.store.put_multipart(&data).await.map_err(failure)?;
        send(&mut *upload, self.data).await?;
        // An old manifest must not vouch for new bytes.
        found(self.store.delete(&manifest).await)?;
        let put = upload.complete().await.map_err(failure)?;
        self.put_manifest(PutMode::Overwrite).await?;
        let now = self.store.head(&data).await.map_err(failure)?;
        // Google's answer about parts need not have the ETag that the object has, but its generation.
        let is_version = |version: &String| put.version.as_ref() == Some(version);
        let version = now.version.filter(|version| version != "null");
        if now.e_tag == put.e_tag || version.as_ref().is_some_and(is_version) {
            return Ok(());
        }
        // Nor may ours vouch for what another run has put there since.
        found(self.store.delete(&manifest).await)?;
        Err(there(&data))
    }

    fn key(&self, file: &LocalPath, ending: &str) -> Result<Path, Failure> {
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Failure::Lasting("it has no name in UTF-8".to_owned()))?;
        let folder = self.folder.trim_matches('/');
        let key = format!("{folder}/{name}{ending}");
        Path::parse(key.trim_start_matches('/')).map_err(|why| Failure::Lasting(in_words(&why)))
    }

    async fn put_manifest(&self, mode: PutMode) -> Result<(), Failure> {
        let key = self.key(self.manifest, "")?;
        let bytes = std::fs::read(self.manifest).map_err(|why| local(self.manifest, &why))?;
        let options = PutOptions::from(mode);
        let put = self.store.put_opts(&key, bytes.into(), options).await;
        self.unless_same(put.map(drop), self.manifest).await
    }

    /// What was refused since something is there is done where that is the same.
    async fn unless_same(&self, done: Result<(), Error>, file: &LocalPath) -> Result<(), Failure> {
        match done {
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                self.refuse_other(file).await.map(drop)
            }
            done => done.map_err(failure),
        }
    }

    async fn refuse_other(&self, file: &LocalPath) -> Result<There, Failure> {
        let key = self.key(file, "")?;
        match self.what_is_at(&key, file).await? {
            There::Other => Err(there(&key)),
            other => Ok(other),
        }
    }

    async fn what_is_at(&self, key: &Path, file: &LocalPath) -> Result<There, Failure> {
        let wrong = |why: io::Error| local(file, &why);
        let Some(object) = found(self.store.head(key).await)? else {
            return Ok(There::Nothing);
        };
        let ours = File::open(file).map_err(wrong)?;
        if object.size != ours.metadata().map_err(wrong)?.len() {
            return Ok(There::Other);
        }
        let mut offset = 0;
        while offset < object.size {
            let end = object.size.min(offset.saturating_add(PART));
            let options = GetOptions {
                range: Some(GetRange::Bounded(offset..end)),
                if_match: object.e_tag.clone(),
                ..GetOptions::default()
            };
            let part = self.store.get_opts(key, options).await.map_err(failure)?;
            let part = part.bytes().await.map_err(failure)?;
            let mut same = vec![0; part.len()];
            ours.read_exact_at(&mut same, offset).map_err(wrong)?;
            if part.is_empty() || part != same {
                return Ok(There::Other);
            }
            offset = offset.saturating_add(part.len() as u64);
        }
        Ok(There::Same)
    }
}

/// Sends all parts, or none: what is left of an upload is of no use, and costs.
async fn send(upload: &mut dyn MultipartUpload, file: &LocalPath) -> Result<(), Failure> {
    let sent = send_parts(upload, file).await;
    if sent.is_err() {
        drop(upload.abort().await);
    }
    sent
}

async fn send_parts(upload: &mut dyn MultipartUpload, file: &LocalPath) -> Result<(), Failure> {
    let wrong = |why: &io::Error| local(file, why);
    let mut reader = File::open(file).map_err(|why| wrong(&why))?;
    loop {
        let mut part = Vec::new();
        let read = (&mut reader).take(PART).read_to_end(&mut part);
        if read.map_err(|why| wrong(&why))? == 0 {
            return Ok(());
        }
        upload
            .put_part(PutPayload::from(part))
            .await
            .map_err(failure)?;
    }
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

fn there(key: &Path) -> Failure {
    Failure::Lasting(format!("{key} is there already, and is not replaced"))
}

#[cfg(test)]
mod served;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use object_store::memory::InMemory;

    use super::*;
    use crate::network::runtime;

    /// What a store has of the two, by name.
    fn names(store: &InMemory) -> Vec<(String, Vec<u8>)> {
        let names = ["f/m.apr", "f/m.apr.manifest.json"];
        let read = |name: &&str| {
            let object = runtime::wait(async {
                let object = store.get(&Path::from(*name)).await.ok()?;
                object.bytes().await.ok()
            });
            Some(((*name).to_owned(), object.unwrap()?.to_vec()))
        };
        names.iter().filter_map(read).collect()
    }

    fn put_there(store: &InMemory, name: &str, bytes: &[u8]) {
        let name = Path::from(name);
        let put = async { store.put(&name, bytes.to_vec().into()).await };
        runtime::wait(put).unwrap().unwrap();
    }

    /// A model and its manifest on this machine.
    pub(super) fn model(folder: &LocalPath, bytes: &[u8]) -> [std::path::PathBuf; 2] {
        let files = ["m.apr", "m.apr.manifest.json"].map(|name| folder.join(name));
        let manifest = [b"manifest of ", bytes].concat();
        for (path, bytes) in files.iter().zip([bytes, &manifest]) {
            let mut open = File::options();
            let file = open.write(true).create(true).truncate(true).open(path);
            file.unwrap().write_all(bytes).unwrap();
        }
        files
    }

    fn put<'a>(store: &'a InMemory, [data, manifest]: &'a [std::path::PathBuf; 2]) -> Put<'a> {
        Put {
            store,
            folder: "f/",
            data,
            manifest,
            overwrite: false,
        }
    }

    fn all(put: Put<'_>) -> Result<(), Failure> {
        runtime::wait(async { put.all().await }).unwrap()
    }

    #[test]
    fn a_killed_run_is_finished_by_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let files = model(folder.path(), b"one");
        for (there, is_done) in [
            (&[][..], true),
            (&[("f/m.apr", "one")], true),
            (&[("f/m.apr.manifest.json", "manifest of one")], true),
            (
                &[
                    ("f/m.apr", "one"),
                    ("f/m.apr.manifest.json", "manifest of one"),
                ],
                true,
            ),
            (&[("f/m.apr", "two")], false),
            (&[("f/m.apr", "longer")], false),
            (&[("f/m.apr.manifest.json", "manifest of two")], false),
            (
                &[
                    ("f/m.apr", "one"),
                    ("f/m.apr.manifest.json", "manifest of two"),
                ],
                false,
            ),
        ] {
            let store = InMemory::new();
            for (name, bytes) in there {
                put_there(&store, name, bytes.as_bytes());
            }
            let before = names(&store);
            let done = all(put(&store, &files));
            assert_eq!(done.is_ok(), is_done, "{there:?}: {done:?}");
            if is_done {
                assert_eq!(names(&store).len(), 2, "{there:?}");
            } else {
                assert_eq!(names(&store), before, "{there:?}");
            }
        }
    }

    #[test]
    fn a_manifest_stands_beside_the_model_of_its_own_run() {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let one = model(folders[0].path(), b"one");
        let two = model(folders[1].path(), b"two");
        let store = InMemory::new();
        let (first, second) = (put(&store, &one), put(&store, &two));
        let pend = |put: Put<'_>| runtime::wait(async { put.pend().await }).unwrap().unwrap();
        let name = |put: Put<'_>, of: &Path| runtime::wait(async { put.name(of).await }).unwrap();
        // Both are uploaded before either has its name.
        let (of_first, of_second) = (pend(first), pend(second));
        name(second, &of_second).unwrap();
        name(first, &of_first).unwrap_err();
        all(first).unwrap_err();
        all(second).unwrap();
        let both = names(&store);
        assert_eq!(
            (&*both[0].1, &*both[1].1),
            (&b"two"[..], &b"manifest of two"[..])
        );

        let replaced = all(Put {
            overwrite: true,
            ..first
        });
        assert_eq!(replaced, Ok(()));
        let both = names(&store);
        assert_eq!(
            (&*both[0].1, &*both[1].1),
            (&b"one"[..], &b"manifest of one"[..])
        );
    }
}
