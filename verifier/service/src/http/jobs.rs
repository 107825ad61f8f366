//! Jobs: submitted, listed, watched and cancelled.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tracing::info;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::caller::Caller;
use super::problem::{Code, Problem, Refusals};
use super::submission::{Submission, accept, named};
use super::view::{JobView, view};
use crate::job::{State as JobState, Verdict};
use crate::store::queue::JobQueue as _;
use crate::store::read::{Filter, Row};
use crate::store::tokens::Scope;

/// How often a job is looked at for somebody who waits.
const LOOK: Duration = Duration::from_millis(200);
/// The longest wait.
const WAIT: u64 = 60;
/// Jobs of one answer.
const PAGE: i64 = 100;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    /// Seconds to wait for the verdict, at most 60
    #[serde(default)]
    wait: u64,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
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
    responses((status = 202, body = JobView, headers(("Location" = String), ("Retry-After" = u64))),
        (status = 200, body = JobView, headers(("Location" = String))), Refusals))]
pub(crate) async fn submit(
    State(app): State<App>,
    caller: Caller,
    Query(wait): Query<Wait>,
    headers: HeaderMap,
    Json(submission): Json<Submission>,
) -> Result<Response, Problem> {
    let named = named(&headers, &submission)?;
    let id = accept(&app, &caller, submission, named).await?;
    answer(&app, &caller, &id, wait.wait).await
}

/// One job.
#[utoipa::path(get, path = "/v1/jobs/{id}", params(("id" = String, Path), Wait),
    responses((status = 200, body = JobView), Refusals))]
pub(crate) async fn one(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(wait): Query<Wait>,
) -> Result<Json<JobView>, Problem> {
    let row = waited(&app, &caller, &id, wait.wait).await?;
    Ok(Json(view(&row)?))
}

/// Cancels a job that is not done: it ends as undecided, with the reason `cancelled`, for all that submitted it with this
/// token, unless what it wrote is just being put to its `output` (then it may still be verified).
#[utoipa::path(delete, path = "/v1/jobs/{id}", params(("id" = String, Path)),
    responses((status = 202, body = JobView), (status = 200, body = JobView), Refusals))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    cancelled(&app, &caller, &id).await?;
    answer(&app, &caller, &id, 0).await
}

/// Cancels a job, over HTTP and on the page.
pub(crate) async fn cancelled(app: &App, caller: &Caller, id: &str) -> Result<(), Problem> {
    caller.needs(Scope::Submit)?;
    let row = caller.visible(app.store.job(id).await?)?;
    if row.state != JobState::Done {
        info!(target: "audit", token = caller.owner(), job = id, "cancelled");
    }
    Ok(app.store.cancel(id).await?)
}

/// Jobs, newest first.
#[utoipa::path(get, path = "/v1/jobs", params(Listing), responses((status = 200, body = JobList), Refusals))]
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
    responses((status = 200, content_type = "text/event-stream", body = JobView), Refusals))]
pub(crate) async fn events(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    caller.needs_sight(app.store.job(&id).await?)?;
    let place = app.watchers.place(caller.owner()).ok_or_else(|| {
        let detail =
            "too many wait for jobs, here or of this token: ask for the job itself, or again in a while";
        Problem::new(Code::RateLimit, detail)
    })?;
    let begin = (app, id, None::<JobView>, place);
    let events = stream::unfold(begin, |(app, id, last, place)| async move {
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
                return Some((Ok(event), (app, id, Some(now), place)));
            }
            if *app.stop.borrow() {
                return None;
            }
            sleep(LOOK).await;
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
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
    let place = app.watchers.place(caller.owner());
    // Where too many wait, it is answered as it stands.
    let seconds = place.as_ref().map_or(0, |_| seconds.min(WAIT));
    let (begun, wait) = (Instant::now(), Duration::from_secs(seconds));
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
