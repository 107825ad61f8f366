//! What a job left behind: its reports, its artifact, and what they say of each file.

use std::path::{Path as FilePath, PathBuf};
use std::{fs, io};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::App;
use super::caller::Caller;
use super::problem::{Code, Problem, Refusals};
use super::sent::{disposition, file};
use crate::child::ARTIFACT;
use crate::job::{FORMS, State as JobState, Verdict};
use crate::store::read::{Row, Seen};
use crate::store::tokens::Scope;

/// A report, as `aprove verify --report` writes it.
#[utoipa::path(get, path = "/v1/jobs/{id}/{report}",
    params(("id" = String, Path), ("report" = String, Path, description = "report.json, report.html, report.junit, report.sarif or report.intoto")),
    responses(
        (status = 200, headers(("ETag" = String)), content(
            (Value = "application/json"), (String = "text/html"), (String = "application/xml"),
            (Value = "application/sarif+json"), (Value = "application/vnd.in-toto+json"))),
        (status = 206, description = "a part of it (`Range`)"),
        (status = 304, description = "the client has it (`If-None-Match`)"), Refusals))]
pub(crate) async fn report(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Path((id, report)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let form = report.strip_prefix("report.");
    let Some(form) = form.filter(|form| FORMS.contains(form)) else {
        return Err(Problem::not_found("report of this form"));
    };
    let row = caller.needs_sight(app.store.job(&id).await?)?;
    let folder = folder(&row)?;
    let path = app.config.job_folders().join(folder).join(&report);
    let kind = match form {
        "html" => "text/html; charset=utf-8",
        "junit" => "application/xml",
        "sarif" => "application/sarif+json",
        "intoto" => "application/vnd.in-toto+json",
        _ => "application/json",
    };
    let mut response = file(&headers, path, kind, &format!("{folder}/{report}")).await?;
    if form == "html" {
        // It has its style in it, and runs and loads nothing.
        let policy =
            "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'";
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(policy),
        );
    }
    Ok(response)
}

/// The model that a job wrote, which was verified; also a part of it (`Range`), and only if it is still the same (`If-Range`).
#[utoipa::path(get, path = "/v1/jobs/{id}/artifact", params(("id" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream", headers(("ETag" = String))),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream", headers(("ETag" = String))),
        (status = 304, description = "the client has it (`If-None-Match`)"), Refusals))]
pub(crate) async fn artifact(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = caller.needs_sight(app.store.job(&id).await?)?;
    let folder = folder(&row)?;
    let is_verified = matches!(row.ended(), Some((Verdict::Verified, _)));
    let path = artifact_of(&app.config.job_folders().join(folder))?
        .filter(|_| is_verified)
        .ok_or_else(|| {
            Problem::new(
                Code::NoReport,
                "this job wrote no artifact, or it was not verified",
            )
        })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let disposition = HeaderValue::try_from(disposition(&name));
    let disposition = disposition.map_err(|error| Problem::internal(&error))?;
    let tag = format!("{folder}/{ARTIFACT}");
    let mut response = file(&headers, path, "application/octet-stream", &tag).await?;
    response
        .headers_mut()
        .insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

/// What is known of a file: the jobs whose reports name it, newest first.
#[utoipa::path(get, path = "/v1/models/{digest}", params(("digest" = String, Path, description = "sha256:HEX or blake3:HEX of the whole file")),
    responses((status = 200, body = Vec<Seen>), Refusals))]
pub(crate) async fn model(
    State(app): State<App>,
    caller: Caller,
    Path(digest): Path<String>,
) -> Result<Json<Vec<Seen>>, Problem> {
    caller.needs(Scope::Read)?;
    let seen = app.store.model(&digest, caller.sees()).await?;
    if seen.is_empty() {
        return Err(Problem::not_found("report about a file of this digest"));
    }
    Ok(Json(seen))
}

/// The folder of what a job left behind, which nobody writes to any more.
fn folder(row: &Row) -> Result<&str, Problem> {
    if row.state != JobState::Done {
        return Err(Problem::new(Code::NotDone, "the job has no verdict yet"));
    }
    row.folder.as_deref().ok_or_else(|| {
        let detail = "the job ended without a report: its `reason` says why";
        Problem::new(Code::NoReport, detail)
    })
}

/// The artifact of a job, in its folder.
fn artifact_of(folder: &FilePath) -> io::Result<Option<PathBuf>> {
    let mut found = None;
    for entry in fs::read_dir(folder.join(ARTIFACT))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|end| end == "apr" || end == "gguf")
        {
            // A split model has several: there is not one artifact.
            if found.replace(path).is_some() {
                return Ok(None);
            }
        }
    }
    Ok(found)
}
