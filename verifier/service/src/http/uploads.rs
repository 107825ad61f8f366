//! Uploads that come in parts and survive a cut connection, as <https://tus.io> 1.0.0 has them (core and creation).

use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt as _;
use utoipa::ToSchema;

use super::App;
use super::blobs::{Blob, Expected, admit, check_digest, next_piece, place, reserve};
use super::caller::Caller;
use super::problem::{Code, Problem, Refusals};
use crate::job::{hex, random};
use crate::store::blobs::Partial;
use crate::store::tokens::Scope;

const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");

const TUS: HeaderName = HeaderName::from_static("tus-resumable");
const PART: &str = "application/offset+octet-stream";
const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");

/// What tus asks of every request and answer: the version, and what is spoken.
pub(super) async fn as_tus_has_it(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let versions = HeaderName::from_static("tus-version");
    if request.method() == Method::OPTIONS {
        let creation = HeaderValue::from_static("creation");
        let extension = HeaderName::from_static("tus-extension");
        let size = HeaderName::from_static("tus-max-size");
        let spoken = [
            (versions, VERSION),
            (extension, creation),
            (size, app.config.max_upload.into()),
        ];
        return (StatusCode::NO_CONTENT, spoken).into_response();
    }
    let asked = request.headers().get(TUS);
    let mut response = if asked.is_some_and(|asked| asked != VERSION) {
        let refused = Problem::new(Code::PreconditionFailed, "this is tus 1.0.0");
        ([(versions, VERSION)], refused).into_response()
    } else {
        next.run(request).await
    };
    response.headers_mut().insert(TUS, VERSION);
    response
}

/// How far an upload is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Standing {
    id: String,
    /// Bytes that arrived: the next part begins here
    offset: u64,
    /// Bytes of the whole
    length: u64,
    /// `sha256:HEX` of the whole, once it arrived
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

/// Begins an upload in parts. `Location` is where they go.
#[utoipa::path(post, path = "/v1/uploads",
    params(Expected, ("Upload-Length" = u64, Header, description = "bytes of the whole")),
    responses((status = 201, body = Standing, headers(("Location" = String), ("Upload-Offset" = u64))), Refusals))]
pub(crate) async fn begin(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(expected): Query<Expected>,
) -> Result<Response, Problem> {
    expected.check()?;
    let length = number(
        &headers,
        &LENGTH,
        "send `Upload-Length`: the bytes of the whole",
    )?;
    admit(&app, &caller, length).await?;
    let id = random::<12>().map_err(|error| Problem::internal(&error))?;
    let partial = Partial {
        id,
        owner: caller.owner().to_owned(),
        size: i64::try_from(length).unwrap_or(i64::MAX),
        expected: expected.digest,
        digest: None,
    };
    let file = TempPath::try_from_path(path(&app, &partial))?;
    reserve(&app, File::create_new(&file)?, length).await?;
    app.store.begin_partial(&partial).await?;
    file.keep().map_err(|error| error.error)?;
    let place = HeaderValue::try_from(format!("/v1/uploads/{}", partial.id));
    let place = place.map_err(|error| Problem::internal(&error))?;
    let answer = answered(StatusCode::CREATED, &partial, 0, None)?;
    Ok(([(header::LOCATION, place)], answer).into_response())
}

/// How far an upload is; `HEAD` says it in `Upload-Offset`.
#[utoipa::path(method(get, head), path = "/v1/uploads/{id}", params(("id" = String, Path)),
    responses((status = 200, body = Standing, headers(("Upload-Offset" = u64), ("Upload-Length" = u64), ("Upload-Digest" = String))), Refusals))]
pub(crate) async fn standing(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let partial = found(&app, &caller, &id).await?;
    let (offset, digest) = match &partial.digest {
        Some(digest) => (length(&partial)?, Some(digest.clone())),
        None => {
            let file = opened(&app, &partial)?;
            ended(&app, &caller, &partial, file).await?
        }
    };
    answered(StatusCode::OK, &partial, offset, digest)
}

/// Sends a part, from `Upload-Offset` on, which must be what has arrived. What arrives before a connection is cut stays.
#[utoipa::path(patch, path = "/v1/uploads/{id}",
    params(("id" = String, Path), ("Upload-Offset" = u64, Header, description = "where the part begins")),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 204, headers(("Upload-Offset" = u64), ("Upload-Digest" = String))), Refusals))]
pub(crate) async fn part(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind != PART) {
        let detail = format!("a part is `Content-Type: {PART}`, or says no type");
        return Err(Problem::new(Code::MediaType, detail));
    }
    let begin = number(
        &headers,
        &OFFSET,
        "send `Upload-Offset`: where the part begins",
    )?;
    let partial = found(&app, &caller, &id).await?;
    if let Some(digest) = &partial.digest {
        let whole = length(&partial)?;
        return answered(
            StatusCode::NO_CONTENT,
            &partial,
            whole,
            Some(digest.clone()),
        );
    }
    let file = opened(&app, &partial)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let detail = "another part of it is arriving; ask how far it is in a while";
        return Err(Problem::new(Code::UploadBusy, detail));
    }
    let offset = file.metadata()?.len();
    if begin != offset {
        let detail = format!("{offset} bytes have arrived, and the part begins at {begin}");
        return Err(Problem::new(Code::UploadOffset, detail));
    }
    let mut out = tokio::fs::File::from_std(file.try_clone()?);
    let received = receive(&mut out, body, length(&partial)?.saturating_sub(offset)).await;
    // Also of a part that was cut off: what arrived is not sent again.
    out.flush().await?;
    out.sync_data().await?;
    received?;
    let (offset, digest) = ended(&app, &caller, &partial, file).await?;
    answered(StatusCode::NO_CONTENT, &partial, offset, digest)
}

async fn receive(out: &mut tokio::fs::File, body: Body, at_most: u64) -> Result<(), Problem> {
    let mut bytes = body.into_data_stream();
    let mut left = at_most;
    while let Some(piece) = next_piece(&mut bytes).await? {
        left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
            let detail = "more than the bytes of the whole (`Upload-Length`)";
            Problem::new(Code::TooLarge, detail)
        })?;
        out.write_all(&piece).await?;
    }
    Ok(())
}

/// How much of it arrived; its digest, over all bytes as they lie on the disk, and its place among the blobs where that is all.
async fn ended(
    app: &App,
    caller: &Caller,
    partial: &Partial,
    mut file: File,
) -> Result<(u64, Option<String>), Problem> {
    let offset = file.metadata()?.len();
    if offset != length(partial)? {
        return Ok((offset, None));
    }
    let hashed = tokio::task::spawn_blocking(move || {
        flock(&file, FlockOperation::LockExclusive)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        io::Seek::rewind(&mut file)?;
        loop {
            let count = io::Read::read(&mut file, &mut buffer)?;
            if count == 0 {
                break;
            }
            hash.update(buffer.get(..count).unwrap_or_default());
        }
        file.sync_all()?;
        io::Result::Ok(hex(&hash.finalize()))
    });
    let hex = hashed.await.map_err(|error| Problem::internal(&error))??;
    // Gone where it is not placed.
    let file = TempPath::try_from_path(path(app, partial))?;
    check_digest(&hex, partial.expected.as_deref())?;
    let Blob { digest, .. } = place(app, caller, file, &hex, offset).await?;
    app.store.end_partial(partial, &digest).await?;
    Ok((offset, Some(digest)))
}

/// An upload of this token.
async fn found(app: &App, caller: &Caller, id: &str) -> Result<Partial, Problem> {
    caller.needs(Scope::Submit)?;
    let partial = app.store.partial(id).await?;
    partial
        .filter(|partial| partial.owner == caller.owner())
        .ok_or_else(|| Problem::not_found("upload"))
}

fn path(app: &App, partial: &Partial) -> PathBuf {
    app.config.uploads().join(&partial.id)
}

/// The bytes that arrived; one that was not finished in time is gone.
fn opened(app: &App, partial: &Partial) -> Result<File, Problem> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .open(path(app, partial));
    file.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Problem::not_found("upload"),
        _ => error.into(),
    })
}

fn length(partial: &Partial) -> Result<u64, Problem> {
    u64::try_from(partial.size).map_err(|error| Problem::internal(&error))
}

fn number(headers: &HeaderMap, name: &HeaderName, detail: &str) -> Result<u64, Problem> {
    let value = headers
        .get(name)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    value.ok_or_else(|| Problem::new(Code::BadRequest, detail))
}

fn answered(
    status: StatusCode,
    partial: &Partial,
    offset: u64,
    digest: Option<String>,
) -> Result<Response, Problem> {
    let length = length(partial)?;
    let mut headers = HeaderMap::new();
    headers.insert(OFFSET, offset.into());
    headers.insert(LENGTH, length.into());
    let sent = digest.as_deref().map(HeaderValue::try_from);
    if let Some(Ok(digest)) = sent {
        headers.insert("upload-digest", digest);
    }
    if status == StatusCode::NO_CONTENT {
        return Ok((status, headers).into_response());
    }
    let standing = Standing {
        id: partial.id.clone(),
        offset,
        length,
        digest,
    };
    Ok((status, headers, Json(standing)).into_response())
}
