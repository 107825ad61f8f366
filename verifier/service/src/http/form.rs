//! The form of the page, which sends files or names them.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use utoipa_axum::router::OpenApiRouter;

use super::App;
use super::blobs::{admitted, receive};
use super::caller::Caller;
use super::page::Page;
use super::problem::{Code, Problem};
use super::submission::{InputRef, Submission, accept};
use crate::job::{Op, Options};

/// Bytes of a field that is no file.
const FIELD: usize = 4096;

/// The form that sends files, whose length is checked by itself.
pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/submit", post(submit))
        .layer(DefaultBodyLimit::disable())
}

/// What the form said.
#[derive(Default)]
struct Entries {
    op: String,
    bytes_only: bool,
    inputs: [Option<InputRef>; 2],
}

async fn submit(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    headers: HeaderMap,
    mut form: Multipart,
) -> Result<Response, Page> {
    let caller = caller?;
    let length = admitted(&app, &caller, &headers).await?;
    let mut entries = Entries::default();
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "op" => entries.op = short(field).await?,
            "bytes_only" => entries.bytes_only = short(field).await? == "yes",
            _ => {
                let input = input(&app, &caller, field, &name, length).await?;
                let [a, b] = &mut entries.inputs;
                let slot = if name.starts_with("a_") { a } else { b };
                if slot.is_some() && input.is_some() {
                    let detail = "one model was given twice: give a file, a path or an address, and leave the others empty";
                    return Err(bad(detail).into());
                }
                *slot = slot.take().or(input);
            }
        }
    }
    let op = Op::try_from(entries.op).map_err(|_| bad("choose what to do"))?;
    let inputs: Vec<InputRef> = entries.inputs.into_iter().flatten().collect();
    match (op, inputs.len()) {
        (Op::Verify, 2) | (Op::Convert | Op::Check | Op::Restore, 1) => {}
        (Op::Verify, _) => return Err(bad("choose two models: the artifact and the GGUF").into()),
        _ => return Err(bad("choose one model, and leave the other one empty").into()),
    }
    let id = accept(
        &app,
        &caller,
        Submission {
            op,
            inputs,
            options: Options {
                forward: (op == Op::Verify && entries.bytes_only).then_some(false),
                ..Options::default()
            },
            policy: None,
            output: None,
            webhook: None,
        },
        None,
    )
    .await?;
    Ok((
        StatusCode::SEE_OTHER,
        [(header::LOCATION, format!("/jobs/{id}"))],
    )
        .into_response())
}

fn bad(detail: &str) -> Problem {
    Problem::new(Code::BadRequest, detail)
}

fn broken(error: MultipartError) -> Problem {
    Problem::new(Code::BadRequest, error.body_text())
}

/// An input of the form; none where it was left empty.
async fn input(
    app: &App,
    caller: &Caller,
    field: Field<'_>,
    name: &str,
    length: u64,
) -> Result<Option<InputRef>, Problem> {
    if name.ends_with("_path") || name.ends_with("_url") {
        let given = short(field).await?;
        if given.is_empty() {
            return Ok(None);
        }
        let mut input = InputRef::default();
        let is_path = name.ends_with("_path");
        *(if is_path {
            &mut input.path
        } else {
            &mut input.url
        }) = Some(given);
        return Ok(Some(input));
    }
    let file = field.file_name().unwrap_or_default().to_owned();
    if file.is_empty() {
        return Ok(None);
    }
    let blob = receive(app, caller, field, length, None).await?;
    Ok(Some(InputRef {
        digest: Some(blob.digest),
        name: Some(file),
        ..InputRef::default()
    }))
}

async fn short(mut field: Field<'_>) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        if bytes.len().saturating_add(piece.len()) > FIELD {
            return Err(bad("a field of the form is too long"));
        }
        bytes.extend_from_slice(&piece);
    }
    let text = String::from_utf8(bytes).map_err(|_| bad("a field of the form is no text"))?;
    Ok(text.trim().to_owned())
}
