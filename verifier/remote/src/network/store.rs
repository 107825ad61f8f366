//! Objects of S3, Google Cloud Storage and Azure, with the environment variables that each of them is known by.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3CopyIfNotExists};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, RetryConfig};
use reach::{Sources, is_bucket};
use reqwest::Url;

use super::failure::{Failure, in_words};
use super::limited::Connector;
use super::pinned::{Pinned, Reply};
use super::{Object, Reading};

/// The stores.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    S3,
    Google,
    Azure,
}

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
        store: store(kind, bucket, limit)?,
        key: Path::parse(key).map_err(|why| Failure::Lasting(in_words(&why)))?,
        version,
    }))
}

pub(super) fn store(
    kind: Kind,
    bucket: &str,
    limit: Option<&Sources>,
) -> Result<Arc<dyn ObjectStore>, Failure> {
    if !is_bucket(bucket) {
        let why = "a bucket has letters, digits, `.`, `-` and `_`, and nothing else";
        return Err(Failure::Lasting(why.to_owned()));
    }
    build(kind, bucket, limit).map_err(failure)
}

fn build(kind: Kind, bucket: &str, limit: Option<&Sources>) -> Result<Arc<dyn ObjectStore>, Error> {
    let connector = Connector(limit.map(Sources::reach));
    let retry = RetryConfig {
        max_retries: 7,
        retry_timeout: Duration::from_secs(60),
        ..RetryConfig::default()
    };
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
            let result = result.map_err(|why| match failure(why) {
                Failure::Absent(_) if pinned.is_some() => {
                    Failure::Changed("it is not there any more".to_owned())
                }
                other => other,
            })?;
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
            let (wanted, given) = (now.within(&range), result.range.clone());
            let bytes = result.bytes().await.map_err(failure)?;
            let length = wanted.end.saturating_sub(wanted.start);
            if given != wanted || bytes.len() as u64 != length {
                let why = format!("its store gives {} of {length} bytes", bytes.len());
                return Err(Failure::Passing(why, None));
            }
            Ok(Reply {
                pinned: now,
                bytes: bytes.into(),
            })
        })
    }
}

pub(super) fn failure(error: Error) -> Failure {
    let text = in_words(&error);
    // What follows the first line is the document of the store.
    let text = text.lines().next().unwrap_or_default().to_owned();
    match error {
        Error::NotFound { .. } => Failure::Absent("its store has no such object".to_owned()),
        Error::Precondition { .. } => {
            Failure::Changed("its store has another version now".to_owned())
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Failure::Refused(text),
        _ => Failure::Lasting(text),
    }
}
