//! The page: for people, rendered here, complete without a script.

use std::time::{SystemTime, UNIX_EPOCH};

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::App;
use super::caller::Caller;
use super::jobs::cancelled;
use super::problem::{Code, Problem};
use super::view::{InputView, JobView, view};
use crate::job::{State as JobState, Verdict};
use crate::store::queue::Depth;
use crate::store::read::Filter;
use crate::store::tokens::Scope;

/// Jobs of one page.
const ROWS: i64 = 50;
/// The look of the reports, and what only these pages have.
const STYLE: &str = concat!(
    include_str!("../../../render/templates/style.css"),
    include_str!("../../templates/service.css")
);

/// Shows what changes; without it each page says how to look again.
const LIVE: &str = include_str!("../../templates/live.js");

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/", get(home))
        .route("/jobs/{id}", get(job))
        .route("/jobs/{id}/cancel", post(cancel))
        .route("/style.css", get(style))
        .route("/live.js", get(live))
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    keep_hours: u32,
    sides: [(&'static str, &'static str, &'static str); 2],
    roots: Vec<String>,
    sources: Vec<String>,
    depth: Depth,
    jobs: Vec<Shown>,
    older: Option<i64>,
    is_newest: bool,
    has_room: bool,
}

#[derive(Template)]
#[template(path = "job.html")]
struct Job {
    job: Shown,
    is_done: bool,
    phase: Option<Phase>,
    took: Option<String>,
    curl: String,
    links: Vec<(String, String)>,
    report: Option<String>,
    origins: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    code: String,
    detail: String,
}

/// A job in words.
struct Shown {
    view: JobView,
    /// What it came to, or its state.
    word: String,
    /// Why.
    meaning: Option<String>,
    class: &'static str,
    age: String,
}

struct Phase {
    name: String,
    done: u64,
    total: u64,
    unit: &'static str,
}

/// A refusal as a page.
pub(crate) struct Page(Problem);

impl<P: Into<Problem>> From<P> for Page {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let problem = self.0;
        match problem.code {
            Code::TokenMissing => return Redirect::to("/login").into_response(),
            Code::TokenUnknown | Code::TokenExpired => {
                let login = format!("/login?refused={}", problem.code);
                return Redirect::to(&login).into_response();
            }
            _ => {}
        }
        let page = RefusedPage {
            code: problem.code.to_string(),
            detail: problem.detail.clone(),
        };
        let status = problem.into_response().status();
        match page.render() {
            Ok(text) => (status, Html(text)).into_response(),
            Err(_) => status.into_response(),
        }
    }
}

pub(crate) fn rendered(page: &impl Template) -> Result<Html<String>, Page> {
    let text = page.render().map_err(|error| Problem::internal(&error))?;
    Ok(Html(text))
}

/// The version, in the head of each page.
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

macro_rules! with_version {
    ($($page:ident)*) => { $( impl $page { fn version(&self) -> &'static str { version() } } )* };
}
with_version! { Home Job RefusedPage }

#[derive(Deserialize)]
struct Older {
    before: Option<i64>,
}

async fn home(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Query(older): Query<Older>,
) -> Result<Html<String>, Page> {
    let caller = caller?;
    caller.needs(Scope::Read)?;
    let is_first = older.before.is_none();
    let filter = Filter {
        owner: caller.sees().map(str::to_owned),
        before: older.before,
        limit: ROWS,
        ..Filter::default()
    };
    let rows = app.store.jobs(&filter).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == ROWS);
    let older = rows.last().filter(|_| is_full).map(|row| row.seq);
    let jobs = rows.iter().map(|row| view(row).map(shown));
    rendered(&Home {
        is_newest: is_first,
        has_room: app.config.room().is_ok_and(|room| room >= 0.0),
        keep_hours: app.config.keep_hours,
        sides: [
            ("a", "Model", "the artifact or the GGUF"),
            (
                "b",
                "Other model",
                "for verify only: what the first one is compared with",
            ),
        ],
        roots: app.roots.names().map(str::to_owned).collect(),
        sources: app.config.sources.allow.clone(),
        depth: app.store.depth().await?,
        jobs: jobs.collect::<Result<_, _>>()?,
        older,
    })
}

async fn job(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Html<String>, Page> {
    let row = caller?.needs_sight(app.store.job(&id).await?)?;
    let policy = row.spec()?.policy;
    let job = shown(view(&row)?);
    let service = outer(&app, &headers);
    let name = |link: &String| {
        link.rsplit_once('/')
            .map_or(String::new(), |(_, name)| name.to_owned())
    };
    let took = job.view.started.zip(job.view.finished);
    rendered(&Job {
        is_done: job.view.state == JobState::Done,
        phase: phase(&job.view),
        took: took.map(|(from, to)| format!("{:.1} s", to.saturating_sub(from) as f64 / 1000.0)),
        curl: curl(
            &job.view,
            policy.as_deref(),
            &service,
            app.config.needs_tokens(),
        ),
        links: job
            .view
            .links
            .iter()
            .map(|link| (name(link), link.clone()))
            .collect(),
        report: job
            .view
            .links
            .iter()
            .find(|link| link.ends_with("/report.html"))
            .cloned(),
        origins: job.view.origins.iter().map(origin).collect(),
        job,
    })
}

async fn cancel(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Path(id): Path<String>,
) -> Result<Redirect, Page> {
    cancelled(&app, &caller?, &id).await?;
    Ok(Redirect::to(&format!("/jobs/{id}")))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

async fn live() -> impl IntoResponse {
    let kind = "text/javascript; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], LIVE)
}

fn shown(view: JobView) -> Shown {
    let class = match view.verdict {
        Some(Verdict::Verified) => "good",
        Some(Verdict::Different) => "bad",
        Some(Verdict::Undecided) => "open",
        None => "panel",
    };
    // A sentence begins with the verdict, and with what a policy let pass.
    let said = view.sentence.as_deref().unwrap_or_default();
    let (word, meaning) = match said.split_once(": ") {
        Some((word, meaning)) => (word.to_owned(), Some(meaning.to_owned())),
        None => (view.state.to_string(), None),
    };
    Shown {
        word,
        meaning,
        class,
        age: age(view.created),
        view,
    }
}

/// Where the versions of a model are.
fn versions(name: &str) -> String {
    let query = Url::parse_with_params("http://any", [("name", name)]);
    let query = query.ok().and_then(|url| url.query().map(str::to_owned));
    format!("/models?{}", query.unwrap_or_default())
}

/// A file that was read at an address, and what its server called it.
fn origin(row: &Value) -> (String, String) {
    let word = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let of = |row: &Value, name: &str| row.get(name).map(word);
    let size = of(row, "size").map(|size| format!("{size} bytes"));
    let origin = row.get("origin").unwrap_or(&Value::Null);
    let known = [
        ("etag", "ETag"),
        ("last_modified", "last modified"),
        ("revision", "commit"),
        ("version", "version"),
    ];
    let known = known
        .into_iter()
        .filter_map(|(field, word)| Some(format!("{word} {}", of(origin, field)?)));
    let said: Vec<String> = size.into_iter().chain(known).collect();
    (of(row, "name").unwrap_or_default(), said.join(", "))
}

pub(crate) fn age(created: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    });
    let seconds = now.saturating_sub(created.div_euclid(1000)).max(0);
    let (count, unit) = match seconds {
        0..60 => return "less than a minute ago".to_owned(),
        60..3600 => (seconds.div_euclid(60), "minute"),
        3600..86_400 => (seconds.div_euclid(3600), "hour"),
        _ => (seconds.div_euclid(86_400), "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

fn phase(view: &JobView) -> Option<Phase> {
    let progress = view.progress.as_ref()?;
    let number = |name: &str| progress.get(name).and_then(Value::as_u64);
    let (done, unit) = match number("bytes") {
        Some(bytes) => (bytes, "bytes"),
        None => (number("steps")?, "steps"),
    };
    Some(Phase {
        name: progress.get("phase")?.as_str()?.to_owned(),
        done,
        total: number("total")?,
        unit,
    })
}

/// Where a shell finds the service. A request does not say by which way it came: a token is sent to no guessed address.
fn outer(app: &App, headers: &HeaderMap) -> String {
    match &app.config.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None if app.config.needs_tokens() => "$APROVE_URL".to_owned(),
        // It was checked to be one of this machine.
        None => {
            let host = headers
                .get(header::HOST)
                .and_then(|host| host.to_str().ok());
            format!("http://{}", host.unwrap_or("localhost"))
        }
    }
}

/// A line for a shell that submits the same again.
fn curl(view: &JobView, policy: Option<&str>, service: &str, needs_token: bool) -> String {
    let input = |input: &InputView| {
        if input.from.starts_with("sha256:") {
            json!({"digest": input.from, "name": input.name})
        } else if input.from.contains("://") {
            json!({"url": input.from})
        } else {
            json!({"path": input.from})
        }
    };
    let inputs: Vec<_> = view.inputs.iter().map(input).collect();
    let mut body = json!({"op": view.op, "inputs": inputs, "options": view.options});
    if let (Some(policy), Some(body)) = (policy, body.as_object_mut()) {
        body.insert("policy".to_owned(), policy.into());
    }
    let body = body.to_string().replace('\'', r"'\''");
    let token = if needs_token {
        "-H \"Authorization: Bearer $APROVE_TOKEN\" "
    } else {
        ""
    };
    format!(
        "curl {token}-H 'Content-Type: application/json' -d '{body}' \"{service}/v1/jobs?wait=60\""
    )
}
