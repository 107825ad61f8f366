//! The HTTP interface and the page.

#[expect(unused_qualifications, reason = "the macro of utoipa writes them")]
mod blobs;
mod caller;
mod description;
mod form;
#[expect(unused_qualifications, reason = "the macro of utoipa writes them")]
mod jobs;
mod login;
mod lookup;
mod operations;
mod page;
mod problem;
mod reports;
mod sent;
mod submission;
mod uploads;
mod view;
mod watchers;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::{Notify, watch};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::caller::Rates;
use self::description::{Description, put_right};
use self::problem::Problem;
pub(crate) use self::view::view;
pub(crate) use self::watchers::Watchers;
use crate::config::Config;
use crate::identity::Identities;
use crate::roots::Roots;
use crate::store::Store;

/// What the answers need.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) roots: Arc<Roots>,
    pub(crate) store: Store,
    /// The program, which explains its codes.
    pub(crate) program: PathBuf,
    pub(crate) rates: Arc<Rates>,
    /// Places for those who wait for jobs.
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) identities: Arc<Identities>,
    /// Wakes the workers of this process.
    pub(crate) wake: Arc<Notify>,
    /// True once the process is to end.
    pub(crate) stop: watch::Receiver<bool>,
    /// Whether the program found all damage of its self-test; none before the first.
    pub(crate) tested: watch::Receiver<Option<bool>>,
}

/// Bytes of a request that is no upload.
const BODY: usize = 1 << 20;

/// Everything that is answered.
pub(crate) fn router(app: App) -> Router {
    let uploads = OpenApiRouter::new()
        .routes(routes!(uploads::begin))
        .routes(routes!(uploads::standing, uploads::part))
        .layer(from_fn_with_state(app.clone(), uploads::as_tus_has_it));
    let (router, mut description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(jobs::list, jobs::submit))
        .routes(routes!(jobs::one, jobs::cancel))
        .routes(routes!(jobs::events))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(webhooks::test))
        .routes(routes!(reports::report))
        .routes(routes!(reports::artifact))
        .routes(routes!(reports::model))
        .routes(routes!(operations::metadata))
        .routes(routes!(operations::healthz))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
        .merge(page::router())
        .merge(login::router())
        .merge(lookup::router())
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(app.clone(), caller::prompt))
        .routes(routes!(blobs::put))
        .merge(uploads)
        .merge(form::router())
        .split_for_parts();
    put_right(&mut description);
    router
        .route(
            "/openapi.json",
            get(move || std::future::ready(Json(description))),
        )
        .fallback(|| std::future::ready(Problem::not_found("page")))
        .layer(from_fn_with_state(app.clone(), caller::guard))
        .with_state(app)
}
