//! For those who operate the service, and for programs that look before they call.

use std::fmt::Write as _;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::caller::Caller;
use super::problem::{Problem, Refusals};
use crate::job::{FORMS, Op};
use crate::store::Store;
use crate::store::read::{Counted, Tally};
use crate::store::tokens::Scope;

/// How long the database may take to be ready.
const READY: Duration = Duration::from_secs(2);

/// What the service can do.
#[derive(Serialize, ToSchema)]
pub(crate) struct Metadata {
    name: &'static str,
    version: &'static str,
    operations: [Op; 4],
    /// The forms of a report
    reports: [&'static str; 5],
    /// The first parts of paths
    roots: Vec<String>,
    /// The addresses that jobs may name, by their beginnings
    sources: Vec<String>,
    /// The folders of stores that jobs may put artifacts into, by their beginnings
    destinations: Vec<String>,
    /// Bytes of one upload
    max_upload: u64,
    /// Hours that jobs, reports and unused uploads are kept
    keep_hours: u32,
}

/// What is ready and what is not.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    database: bool,
    /// The disk has room for jobs and uploads; else they wait (`min_free_disk`), and what there is can be read
    room: bool,
    /// A worker was heard of in the last minute
    worker: bool,
    /// The program found all damage of its self-test
    self_test: bool,
    /// The service is not about to end
    running: bool,
}

/// What the service can do.
#[utoipa::path(get, path = "/metadata", responses((status = 200, body = Metadata), Refusals))]
pub(crate) async fn metadata(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Metadata>, Problem> {
    caller.needs(Scope::Read)?;
    Ok(Json(Metadata {
        name: "aprove",
        version: env!("CARGO_PKG_VERSION"),
        operations: [Op::Verify, Op::Convert, Op::Check, Op::Restore],
        reports: FORMS,
        roots: app.roots.names().map(str::to_owned).collect(),
        sources: app.config.sources.allow.clone(),
        destinations: app.config.destinations.allow.clone(),
        max_upload: app.config.max_upload,
        keep_hours: app.config.keep_hours,
    }))
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String), Refusals))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether jobs are taken and done.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Ready), (status = 503, body = Ready), Refusals))]
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Ready>) {
    let workers = Store::within(READY, app.store.workers()).await;
    let ready = Ready {
        room: app.config.room().is_ok_and(|room| room >= 0.0),
        database: workers.is_ok(),
        worker: workers.is_ok_and(|count| count > 0),
        self_test: *app.tested.borrow() == Some(true),
        running: !*app.stop.borrow(),
    };
    let status = if ready.database && ready.worker && ready.self_test && ready.running {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(ready))
}

/// Numbers for Prometheus; of all processes on one database.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String), Refusals))]
pub(crate) async fn metrics(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::Read)?;
    let depth = app.store.depth().await?;
    let workers = app.store.workers().await?;
    let tallies = app.store.tallies().await?;
    let (alarms, ended): (Vec<_>, Vec<_>) = tallies
        .iter()
        .partition(|tally| tally.verdict == Counted::Alarm);
    let sum = |tallies: &[&Tally], value: fn(&Tally) -> i64| {
        let values = tallies.iter().map(|tally| value(tally));
        values.fold(0, i64::saturating_add)
    };
    let mut text = String::new();
    for (name, kind, help, value) in [
        (
            "aprove_jobs_queued",
            "gauge",
            "Jobs that wait.",
            depth.queued,
        ),
        (
            "aprove_jobs_running",
            "gauge",
            "Jobs that run.",
            depth.running,
        ),
        (
            "aprove_workers",
            "gauge",
            "Workers heard of in the last minute.",
            workers,
        ),
        (
            "aprove_disk_room_bytes",
            "gauge",
            "Bytes of the disk beside `min_free_disk`; negative: jobs wait.",
            app.config.room_bytes()?,
        ),
        (
            "aprove_bytes_total",
            "counter",
            "Bytes of the inputs of ended jobs.",
            sum(&ended, |tally| tally.bytes),
        ),
        (
            "aprove_job_milliseconds_total",
            "counter",
            "How long jobs ran.",
            sum(&ended, |tally| tally.milliseconds),
        ),
        (
            "aprove_reports_disagree_total",
            "counter",
            "Runs over the same content with different reports: alarm.",
            sum(&alarms, |tally| tally.jobs),
        ),
    ] {
        line(
            &mut text,
            format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"),
        );
    }
    let name = "aprove_jobs_total";
    line(
        &mut text,
        format_args!("# HELP {name} Ended jobs.\n# TYPE {name} counter"),
    );
    for tally in ended {
        let (Counted::Ended(verdict), reason) = (tally.verdict, tally.reason) else {
            continue;
        };
        line(
            &mut text,
            format_args!(
                "{name}{{verdict=\"{verdict}\",reason=\"{reason}\"}} {}",
                tally.jobs
            ),
        );
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    #[expect(clippy::expect_used, reason = "writing to a string cannot fail")]
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}
