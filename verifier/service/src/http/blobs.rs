//! Uploads: checked before a byte moves, hashed while they arrive.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::{Stream, StreamExt as _};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::caller::Caller;
use super::problem::{Code, Problem, Refusals};
use crate::job::hex;
use crate::roots::hex_of;
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
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    /// The digest that the bytes must have, `sha256:HEX`
    pub(crate) digest: Option<String>,
}

impl Expected {
    /// Refuses what no bytes can have, before they are sent.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        self.digest
            .as_deref()
            .map_or(Ok(()), |digest| Ok(hex_of(digest).map(drop)?))
    }
}

/// Uploads a file. Its length must be said; the same bytes again are the same upload.
#[utoipa::path(put, path = "/v1/blobs", params(Expected), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Blob), Refusals))]
pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(expected): Query<Expected>,
    body: Body,
) -> Result<(StatusCode, Json<Blob>), Problem> {
    expected.check()?;
    let length = admitted(&app, &caller, &headers).await?;
    let blob = receive(
        &app,
        &caller,
        body.into_data_stream(),
        length,
        expected.digest,
    )
    .await?;
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
    let size = i64::try_from(length).unwrap_or(i64::MAX);
    let quota = caller.upload_quota().unwrap_or(i64::MAX);
    // To wait would never help.
    if size > quota {
        let detail = format!("{length} bytes; this token may upload {quota} in 24 hours");
        return Err(Problem::new(Code::TooLarge, detail));
    }
    has_room(app, length).await?;
    let uploads = app.store.reserve_upload(caller.owner(), size, quota);
    if !uploads.await? {
        let detail = format!(
            "with these {length} bytes this token would have uploaded more than the {quota} that it may in 24 hours"
        );
        return Err(Problem::new(Code::UploadQuota, detail));
    }
    Ok(())
}

/// Refuses what the disk has no room for beside what must stay free and what running jobs may write.
async fn has_room(app: &App, length: u64) -> Result<(), Problem> {
    let reserved = app.store.reserved(None).await?;
    if app.config.room()? < length as f64 + reserved {
        return Err(io::Error::from(io::ErrorKind::StorageFull).into());
    }
    Ok(())
}

/// Takes room on the disk for what is to arrive, so that uploads which fit one by one do not fail all together.
pub(crate) async fn reserve(app: &App, file: impl AsFd, length: u64) -> Result<(), Problem> {
    let keep = FallocateFlags::KEEP_SIZE;
    match fallocate(file, keep, 0, length) {
        // There is nothing to take, or a file system that cannot.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(io::Error::from(error).into()),
        Ok(()) => has_room(app, 0).await,
    }
}

/// Takes the bytes, and gives them their name once all are on disk.
pub(crate) async fn receive<E: std::fmt::Display>(
    app: &App,
    caller: &Caller,
    mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
    at_most: u64,
    expected: Option<String>,
) -> Result<Blob, Problem> {
    let file = NamedTempFile::new_in(app.config.uploads())?;
    reserve(app, file.as_file(), at_most).await?;
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
    // What was reserved beyond it is free again.
    out.set_len(size).await?;
    out.sync_all().await?;
    let hex = hex(&hash.finalize());
    check_digest(&hex, expected.as_deref())?;
    place(app, caller, file.into_temp_path(), &hex, size).await
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

/// Gives a file its place among the blobs, and remembers whose it is. One that is there stays: jobs may be reading it.
pub(crate) async fn place(
    app: &App,
    caller: &Caller,
    file: TempPath,
    hex: &str,
    size: u64,
) -> Result<Blob, Problem> {
    let target = app.config.blobs().join(hex);
    let known = i64::try_from(size).unwrap_or(i64::MAX);
    // First: from now on one that is there is not taken away as unused.
    app.store.use_blob(hex, known).await?;
    if let Err(error) = file.persist_noclobber(&target)
        && !target.exists()
    {
        return Err(error.error.into());
    }
    std::fs::File::open(app.config.blobs())?.sync_all()?;
    app.store.own_blob(hex, caller.owner()).await?;
    Ok(Blob {
        digest: format!("sha256:{hex}"),
        size,
    })
}
