//! Jobs: submitted, listed, watched and cancelled.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};
use tracing::info;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::caller::Caller;
use super::problem::{Code, Problem, ProblemBody};
use super::webhooks::allowed;
use crate::child::FORMS;
use crate::job::{Op, Options, Reason, Spec, State as JobState, Verdict, hex};
use crate::roots::Place;
use crate::store::StoreError;
use crate::store::queue::{JobQueue as _, Limits, Submitted};
use crate::store::read::{Filter, Row};
use crate::store::submissions::{Besides, Named};
use crate::store::tokens::Scope;

/// How often a job is looked at for somebody who waits.
const LOOK: Duration = Duration::from_millis(200);
/// The longest wait.
const WAIT: u64 = 60;
/// Jobs of one answer.
const PAGE: i64 = 100;

/// What to do.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    pub(crate) op: Op,
    /// Two for `verify` (one with the option `digest`), one for the others
    pub(crate) inputs: Vec<InputRef>,
    #[serde(default)]
    pub(crate) options: Options,
    /// The text of a policy file
    pub(crate) policy: Option<String>,
    /// Who is told of the verdict: an address that the service may send to
    pub(crate) webhook: Option<String>,
}

/// A model: an upload, or a file below a root of the service.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputRef {
    /// `sha256:HEX` of an upload
    pub(crate) digest: Option<String>,
    /// `ROOT/PATH`; of a split model any of its files
    pub(crate) path: Option<String>,
    /// Of an upload: the name that the report gives it
    pub(crate) name: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    /// Seconds to wait for the verdict, at most 60
    #[serde(default)]
    wait: u64,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listing {
    #[param(inline)]
    state: Option<JobState>,
    #[param(inline)]
    verdict: Option<Verdict>,
    /// Older than the job with this `number`
    before: Option<i64>,
    /// At most so many, up to 100
    limit: Option<i64>,
}

/// A job.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct JobView {
    pub(crate) id: String,
    /// In the order of submission
    pub(crate) number: i64,
    /// Equal for jobs about the same content, which share one result
    pub(crate) key: String,
    pub(crate) op: Op,
    pub(crate) state: JobState,
    pub(crate) inputs: Vec<InputView>,
    pub(crate) options: Options,
    /// Absent until the job is done; `undecided` is never good
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    /// The same for a person
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sentence: Option<String>,
    /// What the program said besides
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// The last line of `--progress json`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) progress: Option<Value>,
    /// How often a worker began it
    pub(crate) attempt: i64,
    /// Milliseconds since 1970
    pub(crate) created: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) finished: Option<i64>,
    /// The addresses of what there is
    pub(crate) links: Vec<String>,
}

/// An input as it was bound.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct InputView {
    pub(crate) name: String,
    /// `sha256:HEX` of an upload, or `ROOT/PATH`
    pub(crate) from: String,
    /// Bytes of all its files
    pub(crate) size: u64,
}

/// Jobs, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobList {
    pub(crate) jobs: Vec<JobView>,
    /// The address of older ones
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// Submits a job. Answered by 202 and where it is, or by 200 if it is done already, since an equal one was or `wait` sufficed.
#[utoipa::path(post, path = "/v1/jobs",
    params(Wait, ("Idempotency-Key" = Option<String>, Header, description = "the same key and body again are the same job")), request_body = Submission,
    responses((status = 202, body = JobView), (status = 200, body = JobView), (status = "4XX", body = ProblemBody)))]
pub(crate) async fn submit(
    State(app): State<App>,
    caller: Caller,
    Query(wait): Query<Wait>,
    headers: HeaderMap,
    submission: Result<Json<Submission>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(submission) =
        submission.map_err(|error| Problem::new(Code::BadRequest, error.body_text()))?;
    let named = named(&headers, &submission)?;
    let id = accept(&app, &caller, submission, named).await?;
    answer(&app, &caller, &id, wait.wait).await
}

/// One job.
#[utoipa::path(get, path = "/v1/jobs/{id}", params(("id" = String, Path), Wait),
    responses((status = 200, body = JobView), (status = 404, body = ProblemBody)))]
pub(crate) async fn one(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(wait): Query<Wait>,
) -> Result<Json<JobView>, Problem> {
    let row = waited(&app, &caller, &id, wait.wait).await?;
    Ok(Json(view(&row)?))
}

/// Cancels a job that is not done: it ends as undecided, with the reason `cancelled`.
#[utoipa::path(delete, path = "/v1/jobs/{id}", params(("id" = String, Path)),
    responses((status = 202, body = JobView), (status = 200, body = JobView), (status = 404, body = ProblemBody)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Submit)?;
    caller.needs_sight(app.store.job(&id).await?)?;
    info!(target: "audit", token = caller.owner(), job = id, "cancelled");
    app.store.cancel(&id).await?;
    answer(&app, &caller, &id, 0).await
}

/// Jobs, newest first.
#[utoipa::path(get, path = "/v1/jobs", params(Listing), responses((status = 200, body = JobList)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(listing): Query<Listing>,
) -> Result<Json<JobList>, Problem> {
    caller.needs(Scope::Read)?;
    let limit = listing.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let filter = Filter {
        owner: caller.sees().map(str::to_owned),
        state: listing.state,
        verdict: listing.verdict,
        before: listing.before,
        limit,
    };
    let rows = app.store.jobs(&filter).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let last = rows.last().filter(|_| full);
    let next = last.map(|row| {
        let mut next = format!("/v1/jobs?before={}&limit={limit}", row.seq);
        if let Some(state) = listing.state {
            next.push_str(&format!("&state={state}"));
        }
        if let Some(verdict) = listing.verdict {
            next.push_str(&format!("&verdict={verdict}"));
        }
        next
    });
    let jobs = rows.iter().map(view).collect::<Result<_, _>>()?;
    Ok(Json(JobList { jobs, next }))
}

/// The same job again and again, as server-sent events of the name `job`, until it is done.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/event-stream", body = JobView), (status = 404, body = ProblemBody)))]
pub(crate) async fn events(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    caller.needs_sight(app.store.job(&id).await?)?;
    let begin = (app, id, None::<JobView>);
    let events = stream::unfold(begin, |(app, id, last)| async move {
        if last
            .as_ref()
            .is_some_and(|last| last.state == JobState::Done)
        {
            return None;
        }
        loop {
            // A client that is cut off asks again, and so does one of a service that stops.
            let row = app.store.job(&id).await.ok()??;
            let now = view(&row).ok()?;
            if last.as_ref() != Some(&now) {
                let event = Event::default().event("job").json_data(&now).ok()?;
                return Some((Ok(event), (app, id, Some(now))));
            }
            if *app.stop.borrow() {
                return None;
            }
            sleep(LOOK).await;
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Letters of an `Idempotency-Key`.
const KEY: usize = 255;

/// What the client calls its submission, where it does: a second one with the same key is the first one, sent again.
fn named(headers: &HeaderMap, submission: &Submission) -> Result<Option<Named>, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > KEY {
        return Err(bad(&format!(
            "`Idempotency-Key` is 1 to {KEY} letters of ASCII"
        )));
    }
    let body = serde_json::to_vec(submission).map_err(|error| Problem::internal(&error))?;
    Ok(Some(Named {
        key: key.to_owned(),
        body: hex(&Sha256::digest(body)),
    }))
}

/// Binds the inputs of a submission and gives it to the queue.
pub(crate) async fn accept(
    app: &App,
    caller: &Caller,
    submission: Submission,
    named: Option<Named>,
) -> Result<String, Problem> {
    caller.needs(Scope::Submit)?;
    // Before anything is looked at: since it was sent first, an input may have changed.
    if let Some(named) = &named
        && let Some(earlier) = app.store.submission(caller.owner(), named).await?
    {
        return taken(earlier, caller.limits(app));
    }
    check(&submission)?;
    if let Some(webhook) = &submission.webhook {
        allowed(app, webhook)?;
    }
    let besides = Besides {
        named,
        webhook: submission.webhook.clone(),
    };
    let roots = app.roots.clone();
    let spec =
        tokio::task::spawn_blocking(move || {
            let inputs = submission.inputs.iter().map(|input| {
                match (&input.digest, &input.path, &input.name) {
                    (Some(digest), None, name) => {
                        let name = name.as_deref().unwrap_or("model");
                        Ok(roots.blob(digest, name)?)
                    }
                    (None, Some(path), None) => Ok(roots.path(path, submission.op)?),
                    _ => Err(bad(
                        "an input has a `digest` and may have a `name`, or has a `path`",
                    )),
                }
            });
            Ok::<_, Problem>(Spec {
                op: submission.op,
                inputs: inputs.collect::<Result<_, _>>()?,
                options: submission.options,
                policy: submission.policy,
            })
        });
    let spec = spec.await.map_err(|error| Problem::internal(&error))??;
    for file in spec.inputs.iter().flat_map(|input| &input.files) {
        if let Place::Blob(hex) = &file.place {
            let size = i64::try_from(file.size).unwrap_or(i64::MAX);
            app.store.use_blob(hex, size).await?;
        }
    }
    let limits = caller.limits(app);
    let submitted = app.store.submit(&spec, caller.owner(), limits, &besides);
    let submitted = submitted.await?;
    if let Submitted::New(id) = &submitted {
        info!(target: "audit", token = caller.owner(), job = id, op = %spec.op, "submitted");
        app.wake.notify_one();
    }
    taken(submitted, limits)
}

/// The job that answers a submission.
fn taken(submitted: Submitted, limits: Limits) -> Result<String, Problem> {
    match submitted {
        Submitted::New(id) | Submitted::Existing(id) => Ok(id),
        Submitted::NameTaken => {
            let detail =
                "this `Idempotency-Key` was sent with another body: take a new one for each job";
            Err(Problem::new(Code::KeyReused, detail))
        }
        Submitted::QueueFull => {
            let detail = format!("{} jobs wait; submit it again later", limits.queued);
            Err(Problem::new(Code::QueueFull, detail))
        }
        Submitted::OwnerFull => {
            let detail = format!("{} jobs of this token are not done", limits.of_owner);
            Err(Problem::new(Code::JobLimit, detail))
        }
    }
}

fn bad(detail: &str) -> Problem {
    Problem::new(Code::BadRequest, detail)
}

fn check(submission: &Submission) -> Result<(), Problem> {
    let options = &submission.options;
    let (op, count) = (submission.op, submission.inputs.len());
    let expected = match op {
        Op::Verify if options.digest.is_none() => 2,
        _ => 1,
    };
    if count != expected {
        return Err(bad(&format!(
            "`{op}` takes {expected} of `inputs`, not {count}"
        )));
    }
    for (name, is_given, of) in [
        ("digest", options.digest.is_some(), &[Op::Verify][..]),
        (
            "forward",
            options.forward.is_some(),
            &[Op::Verify, Op::Convert],
        ),
        ("unsupported", options.unsupported.is_some(), &[Op::Convert]),
    ] {
        if is_given && !of.contains(&op) {
            return Err(bad(&format!("`{op}` has no option `{name}`")));
        }
    }
    if options.forward.is_some() && options.digest.is_some() {
        return Err(bad("with `digest` there is nothing to run beside it"));
    }
    let is_digest = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b':')
    };
    if !options.digest.as_deref().is_none_or(is_digest) {
        return Err(bad("`digest` is sha256:HEX, blake3:HEX, or HEX"));
    }
    if submission.policy.is_some() && !matches!(op, Op::Verify | Op::Check) {
        return Err(bad(&format!("`{op}` takes no policy")));
    }
    Ok(())
}

/// A job for the one who submitted or cancelled it.
async fn answer(app: &App, caller: &Caller, id: &str, wait: u64) -> Result<Response, Problem> {
    let row = waited_for(app, caller, id, wait, false).await?;
    let view = view(&row)?;
    let status = if view.state == JobState::Done {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let mut headers = HeaderMap::new();
    let place = HeaderValue::try_from(format!("/v1/jobs/{id}"));
    headers.insert(
        header::LOCATION,
        place.map_err(|error| Problem::internal(&error))?,
    );
    if status == StatusCode::ACCEPTED {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok((status, headers, Json(view)).into_response())
}

async fn waited(app: &App, caller: &Caller, id: &str, seconds: u64) -> Result<Row, Problem> {
    waited_for(app, caller, id, seconds, true).await
}

/// A job, once it is done or so many seconds are over.
async fn waited_for(
    app: &App,
    caller: &Caller,
    id: &str,
    seconds: u64,
    must_see: bool,
) -> Result<Row, Problem> {
    let (begun, wait) = (Instant::now(), Duration::from_secs(seconds.min(WAIT)));
    loop {
        let row = app.store.job(id).await?;
        let row = if must_see {
            caller.needs_sight(row)?
        } else {
            row.ok_or_else(|| Problem::not_found("job"))?
        };
        if row.state == JobState::Done || begun.elapsed() >= wait || *app.stop.borrow() {
            return Ok(row);
        }
        sleep(LOOK).await;
    }
}

/// A job as it is shown.
pub(crate) fn view(row: &Row) -> Result<JobView, StoreError> {
    let spec = row.spec()?;
    let ended = row.ended()?;
    let mut links = vec![format!("/v1/jobs/{}/events", row.id)];
    if row.folder.is_some() {
        if row.op != Op::Restore {
            links.extend(FORMS.map(|form| format!("/v1/jobs/{}/report.{form}", row.id)));
        }
        let writes = matches!(row.op, Op::Convert | Op::Restore);
        if writes && matches!(ended, Some((Verdict::Verified, _))) {
            links.push(format!("/v1/jobs/{}/artifact", row.id));
        }
    }
    let inputs = spec.inputs.iter().map(|input| InputView {
        name: input.name.clone(),
        from: input
            .files
            .first()
            .map_or_else(String::new, |file| match &file.place {
                Place::Blob(hex) => format!("sha256:{hex}"),
                Place::Root { root, path } => format!("{root}/{path}"),
            }),
        size: input
            .files
            .iter()
            .fold(0, |sum: u64, file| sum.saturating_add(file.size)),
    });
    let progress = row.progress.as_deref();
    Ok(JobView {
        id: row.id.clone(),
        number: row.seq,
        key: row.key.clone(),
        op: row.op,
        state: row.state,
        inputs: inputs.collect(),
        verdict: ended.map(|(verdict, _)| verdict),
        reason: ended.map(|(_, reason)| reason),
        sentence: ended.map(|(verdict, reason)| sentence(row.op, verdict, reason)),
        message: row.message.clone(),
        progress: progress.and_then(|line| serde_json::from_str(line).ok()),
        attempt: row.attempt,
        created: row.created,
        started: row.started,
        finished: row.finished,
        links,
        options: spec.options,
    })
}

/// The verdict in words.
fn sentence(op: Op, verdict: Verdict, reason: Reason) -> String {
    let meaning = match (verdict, op) {
        (Verdict::Verified, Op::Verify) => "every byte was accounted for and nothing differs",
        (Verdict::Verified, Op::Convert) => "converted, and nothing differs from the source",
        (Verdict::Verified, Op::Check) => "nothing is wrong with it",
        (Verdict::Verified, Op::Restore) => "restored, with the digest that the artifact records",
        (Verdict::Different, Op::Check) => "it is not what was written, or breaks its format",
        (Verdict::Different, _) => "something differs",
        (Verdict::Undecided, _) => "nothing was proven",
    };
    match verdict {
        Verdict::Verified => format!("Verified: {meaning}"),
        Verdict::Different => format!("Different: {meaning}; {}", reason.sentence()),
        Verdict::Undecided => format!("Undecided: {meaning}; {}", reason.sentence()),
    }
}
