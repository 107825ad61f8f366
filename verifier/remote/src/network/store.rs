//! Objects of S3, Google Cloud Storage and Azure, with the environment variables that each of them is known by.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3CopyIfNotExists};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpError, HttpErrorKind};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, Error, GetOptions, GetRange, ObjectStore, RetryConfig};
use reach::{Sources, is_bucket};
use reqwest::Url;

use super::failure::{Failure, in_words};
use super::http::{collect, of_status};
use super::limited::{Connector, Refused};
use super::pinned::{Pinned, Reply};
use super::{Object, Reading};

/// The stores.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    S3,
    Google,
    Azure,
}

/// Its client tries nothing again: whoever reads does, on the condition and when the store says.
const READING: RetryConfig = RetryConfig {
    backoff: BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(15),
        base: 2.0,
    },
    max_retries: 0,
    retry_timeout: Duration::from_secs(60),
};
/// Whoever puts something there leaves that to the client.
pub(super) const WRITING: RetryConfig = RetryConfig {
    max_retries: 7,
    ..READING
};

struct StoredObject {
    store: Arc<dyn ObjectStore>,
    key: Path,
    /// The version that the address names.
    version: Option<String>,
}

/// The object that an address names: `BUCKET/KEY`, and `?versionId=` where a version is meant.
pub(super) fn object(
    kind: Kind,
    rest: &str,
    limit: Option<&Sources>,
) -> Result<Box<dyn Object>, Failure> {
    let expected =
        || Failure::Lasting("expected BUCKET/KEY, or BUCKET/KEY?versionId=ID".to_owned());
    let (place, version) = match rest.split_once('?') {
        None => (rest, None),
        Some((place, query)) => {
            let version = query.strip_prefix("versionId=").ok_or_else(expected)?;
            (place, Some(version.to_owned()))
        }
    };
    let (bucket, key) = place.split_once('/').ok_or_else(expected)?;
    if bucket.is_empty() || key.is_empty() {
        return Err(expected());
    }
    Ok(Box::new(StoredObject {
        store: store(kind, bucket, limit, READING)?,
        key: Path::parse(key).map_err(|why| Failure::Lasting(in_words(&why)))?,
        version,
    }))
}

pub(super) fn store(
    kind: Kind,
    bucket: &str,
    limit: Option<&Sources>,
    retry: RetryConfig,
) -> Result<Arc<dyn ObjectStore>, Failure> {
    if !is_bucket(bucket) {
        let why = "a bucket has letters, digits, `.`, `-` and `_`, and nothing else";
        return Err(Failure::Lasting(why.to_owned()));
    }
    let connector = Connector(limit.map(Sources::reach));
    build(kind, bucket, connector, retry).map_err(failure)
}

fn build(
    kind: Kind,
    bucket: &str,
    connector: Connector,
    retry: RetryConfig,
) -> Result<Arc<dyn ObjectStore>, Error> {
    Ok(match kind {
        Kind::S3 => {
            let builder = AmazonS3Builder::from_env();
            let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
            if let Some(endpoint) = &endpoint {
                // Its client ends the program over one that is none.
                Url::parse(endpoint).map_err(|source| Error::Generic {
                    store: "AWS_ENDPOINT_URL",
                    source: source.into(),
                })?;
            }
            let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
            let builder = builder
                .with_bucket_name(bucket)
                .with_retry(retry)
                .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
                .with_http_connector(connector);
            let builder = if is_plain {
                builder.with_allow_http(true)
            } else {
                builder
            };
            Arc::new(builder.build()?)
        }
        Kind::Google => {
            let builder = GoogleCloudStorageBuilder::from_env();
            let builder = builder
                .with_bucket_name(bucket)
                .with_retry(retry)
                .with_http_connector(connector);
            Arc::new(builder.build()?)
        }
        Kind::Azure => {
            let builder = MicrosoftAzureBuilder::from_env();
            Arc::new(
                builder
                    .with_container_name(bucket)
                    .with_retry(retry)
                    .with_http_connector(connector)
                    .build()?,
            )
        }
    })
}

impl Object for StoredObject {
    fn get<'a>(&'a self, range: Range<u64>, pinned: Option<&'a Pinned>) -> Reading<'a, Reply> {
        Box::pin(async move {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                if_match: pinned.and_then(Pinned::strong_etag).map(str::to_owned),
                version: self.version.clone(),
                ..GetOptions::default()
            };
            let result = self.store.get_opts(&self.key, options).await;
            let result = result.map_err(|why| reading(why, pinned.is_some()))?;
            let now = Pinned {
                length: result.meta.size,
                etag: result.meta.e_tag.clone(),
                last_modified: Some(result.meta.last_modified.to_rfc3339()),
                version: result.meta.version.clone(),
                ..Pinned::default()
            };
            if let Some(pinned) = pinned {
                pinned.hold(&now)?;
            }
            // The library has held the range of the reply against the one that was asked for.
            let wanted = now.within(&range);
            let chunks = result.into_stream().map_err(|why| reading(why, true));
            let bytes = collect(chunks, wanted.end.saturating_sub(wanted.start)).await?;
            Ok(Reply { pinned: now, bytes })
        })
    }
}

/// Why a range was not read, of an object that was read before or not.
fn reading(error: Error, is_pinned: bool) -> Failure {
    if let Some(&Refused { status, wait }) = cause(&error)
        && !status.is_redirection()
        && let Some(failure) = of_status(status, wait, is_pinned)
    {
        return failure;
    }
    let passes = cause(&error).is_some_and(|error: &HttpError| match error.kind() {
        // Where nothing was read yet, the address is wrong more often than the network.
        HttpErrorKind::Connect => is_pinned,
        kind => kind != HttpErrorKind::Unknown,
    });
    match failure(error) {
        Failure::Absent(_) if is_pinned => Failure::Changed("it is not there any more".to_owned()),
        Failure::Lasting(why) if passes => Failure::Passing(why, None),
        other => other,
    }
}

/// What an error comes of, where that is of this kind.
fn cause<T: std::error::Error + 'static>(error: &Error) -> Option<&T> {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    loop {
        match cause.downcast_ref() {
            Some(found) => return Some(found),
            None => cause = cause.source()?,
        }
    }
}

pub(super) fn failure(error: Error) -> Failure {
    let text = without_time(&in_words(&error));
    match error {
        Error::NotFound { .. } => Failure::Absent("its store has no such object".to_owned()),
        Error::Precondition { .. } => {
            Failure::Changed("its store has another version now".to_owned())
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Failure::Refused(text),
        _ => Failure::Lasting(text),
    }
}

/// The library says how long it took, which is another time in each report: `GET URL in 1.2ms, after 3 retries - WHY`.
fn without_time(text: &str) -> String {
    let parts = text.split_once(" in ").and_then(|(asked, rest)| {
        let (_, why) = rest.split_once(" - ")?;
        Some(format!("{asked}: {why}"))
    });
    let text = parts.unwrap_or_else(|| text.to_owned());
    text.trim_end_matches([' ', ':']).to_owned()
}

#[cfg(test)]
pub(super) mod tests;
