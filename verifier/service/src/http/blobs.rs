//! Uploads: checked before a byte moves, hashed while they arrive.

use std::io;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::caller::Caller;
use super::problem::{Code, Problem, ProblemBody};
use crate::job::hex;
use crate::store::tokens::Scope;

/// How long an upload may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// What an upload is called from now on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Blob {
    /// `sha256:HEX` of its bytes
    pub(crate) digest: String,
    pub(crate) size: u64,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    /// The digest that the bytes must have, `sha256:HEX`
    pub(crate) digest: Option<String>,
}

/// Uploads a file. Its length must be said; the same bytes again are the same upload.
#[utoipa::path(put, path = "/v1/blobs", params(Expected), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Blob), (status = "4XX", body = ProblemBody)))]
pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(expected): Query<Expected>,
    body: Body,
) -> Result<(StatusCode, Json<Blob>), Problem> {
    let length = admitted(&app, &caller, &headers).await?;
    let blob = receive(&app, body.into_data_stream(), length, expected.digest).await?;
    Ok((StatusCode::CREATED, Json(blob)))
}

/// The length of a body that may be sent, before it is.
pub(crate) async fn admitted(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<u64, Problem> {
    caller.needs(Scope::Submit)?;
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let Some(length) = length else {
        let detail = "send `Content-Length`: an upload is admitted by its length";
        return Err(Problem::new(Code::LengthRequired, detail));
    };
    admit(app, caller, length).await?;
    Ok(length)
}

/// Refuses an upload of this length, or takes it off what the token may upload.
pub(crate) async fn admit(app: &App, caller: &Caller, length: u64) -> Result<(), Problem> {
    caller.needs(Scope::Submit)?;
    if length > app.config.max_upload {
        let detail = format!(
            "{length} bytes; an upload may have {} (`max_upload`)",
            app.config.max_upload
        );
        return Err(Problem::new(Code::TooLarge, detail));
    }
    let status = rustix::fs::statvfs(&app.config.data).map_err(io::Error::from)?;
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    if free < app.config.min_free_disk.saturating_add(length) {
        let detail = "the disk of the service has no room for it";
        return Err(Problem::new(Code::DiskFull, detail));
    }
    let size = i64::try_from(length).unwrap_or(i64::MAX);
    let quota = caller.upload_quota();
    if !app
        .store
        .reserve_upload(caller.owner(), size, quota)
        .await?
    {
        let detail = "this token has uploaded what it may in 24 hours";
        return Err(Problem::new(Code::UploadQuota, detail));
    }
    Ok(())
}

/// Takes the bytes, and gives them their name once all are on disk.
pub(crate) async fn receive<E: std::fmt::Display>(
    app: &App,
    mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
    at_most: u64,
    expected: Option<String>,
) -> Result<Blob, Problem> {
    let file = NamedTempFile::new_in(app.config.uploads())?;
    let mut out = tokio::fs::File::from_std(file.reopen()?);
    let mut hash = Sha256::new();
    let mut size: u64 = 0;
    while let Some(piece) = next_piece(&mut bytes).await? {
        size = size.saturating_add(piece.len() as u64);
        if size > at_most {
            let detail = format!("more than the {at_most} bytes that may arrive");
            return Err(Problem::new(Code::TooLarge, detail));
        }
        hash.update(&piece);
        out.write_all(&piece).await?;
    }
    out.flush().await?;
    out.sync_all().await?;
    let hex = hex(&hash.finalize());
    check_digest(&hex, expected.as_deref())?;
    file.persist(app.config.blobs().join(&hex))
        .map_err(|error| error.error)?;
    place(app, &hex, size).await
}

/// The next bytes of a body; none after its end.
pub(crate) async fn next_piece<E: std::fmt::Display>(
    bytes: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
) -> Result<Option<Bytes>, Problem> {
    let incomplete = |detail: &str| Problem::new(Code::BodyIncomplete, detail);
    let next = timeout(SILENCE, bytes.next()).await;
    let next = next.map_err(|_| incomplete("nothing arrived for 30 seconds"))?;
    next.transpose()
        .map_err(|error| incomplete(&format!("it ended early: {error}")))
}

/// Holds what arrived against what was announced.
pub(crate) fn check_digest(hex: &str, expected: Option<&str>) -> Result<(), Problem> {
    let digest = format!("sha256:{hex}");
    if expected.is_some_and(|expected| expected != digest) {
        let detail = format!("the bytes that arrived have {digest}");
        return Err(Problem::new(Code::DigestMismatch, detail));
    }
    Ok(())
}

/// Remembers a file that was given its place among the blobs.
pub(crate) async fn place(app: &App, hex: &str, size: u64) -> Result<Blob, Problem> {
    std::fs::File::open(app.config.blobs())?.sync_all()?;
    let known = i64::try_from(size).unwrap_or(i64::MAX);
    app.store.use_blob(hex, known).await?;
    Ok(Blob {
        digest: format!("sha256:{hex}"),
        size,
    })
}
