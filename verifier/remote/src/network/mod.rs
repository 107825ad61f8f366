//! Objects of a network: one identity from the first byte to the last, parts that are fetched once, and no mixture.

mod attempts;
mod failure;
mod http;
mod hub;
mod limited;
mod parts;
mod pinned;
mod put;
mod runtime;
mod source;
mod store;

pub(crate) use source::RemoteSource;

use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;

use reach::{Refused, Sources};

use self::failure::Failure;
use self::pinned::{Pinned, Reply};
use self::store::Kind;
use crate::location::{Address, Location, Scheme};

/// An object that is read by ranges.
trait Object: Send + Sync {
    /// Reads a range, which the object may end before the end of. What is pinned holds for the reply, or it is a failure.
    fn get<'a>(&'a self, range: Range<u64>, pinned: Option<&'a Pinned>) -> Reading<'a, Reply>;
}

type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// Opens an address of a network.
pub(crate) fn open(address: Address<'_>, limit: Option<&Sources>) -> io::Result<RemoteSource> {
    let shown = Location::Address(address).to_string();
    let object = runtime::wait(async {
        match address.scheme {
            Scheme::Http | Scheme::Https => http::object(address, limit),
            Scheme::Hub => hub::object(address.rest, limit).await,
            Scheme::S3 => store::object(Kind::S3, address.rest, limit),
            Scheme::Google => store::object(Kind::Google, address.rest, limit),
            Scheme::Azure => store::object(Kind::Azure, address.rest, limit),
            Scheme::Ollama => unreachable!("the store of Ollama is on this machine"),
        }
    })?;
    RemoteSource::open(object?, shown)
}

/// Puts a model and its manifest into the folder of a store.
pub(crate) fn put(
    folder: Address<'_>,
    data: &Path,
    manifest: &Path,
    overwrite: bool,
) -> io::Result<()> {
    let limit = allowed(folder)?;
    let kind = match folder.scheme {
        Scheme::S3 => Kind::S3,
        Scheme::Google => Kind::Google,
        Scheme::Azure => Kind::Azure,
        Scheme::Http | Scheme::Https | Scheme::Hub | Scheme::Ollama => {
            let why = "models are put into s3://, gs:// and az:// only";
            return Err(Failure::Lasting(why.to_owned()).into());
        }
    };
    let (bucket, key) = folder.rest.split_once('/').unwrap_or((folder.rest, ""));
    let done = runtime::wait(async {
        let store = store::store(kind, bucket, limit.as_ref(), store::WRITING)?;
        let put = put::Put {
            store: &*store,
            folder: key,
            data,
            manifest,
            overwrite,
        };
        put.all().await
    });
    Ok(done??)
}

/// Refuses what the process may not read or write (`APROVE_SOURCES`), on a network or in the store of Ollama; else what limits it.
pub(crate) fn allowed(address: Address<'_>) -> io::Result<Option<Sources>> {
    let limit = Sources::of_environment();
    if let Some(limit) = &limit {
        limit.allowed(&address.whole()).map_err(refused)?;
    }
    Ok(limit)
}

fn refused(refused: Refused) -> Failure {
    Failure::Refused(refused.to_string())
}
