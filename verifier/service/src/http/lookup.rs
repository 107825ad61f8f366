//! Pages that are looked things up in: what a code means, the versions of a model, who is told of verdicts.

use std::process::Stdio;

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::response::Html;
use axum::routing::get;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use super::App;
use super::caller::Caller;
use super::page::{Page, age, rendered, version};
use super::problem::{Code, Problem};
use super::webhooks::send_test;
use crate::child::confined;
use crate::job::Reason;
use crate::store::deliveries::Told;
use crate::store::read::Version;
use crate::store::tokens::Scope;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/codes", get(codes))
        .route("/models", get(model))
        .route("/webhooks", get(webhooks).post(test))
}

#[derive(Template)]
#[template(path = "codes.html")]
struct Codes {
    codes: Vec<Explained>,
    reasons: Vec<(String, &'static str)>,
}

/// A code as the program explains it.
#[derive(Deserialize)]
struct Explained {
    code: String,
    title: String,
    meaning: String,
    usual_cause: String,
    action: String,
    verdict: String,
}

#[derive(Deserialize)]
struct Explanations {
    codes: Vec<Explained>,
}

#[derive(Template)]
#[template(path = "model.html")]
struct Model {
    name: String,
    /// Each with whether the job before it read something else.
    versions: Vec<(Version, bool)>,
}

#[derive(Template)]
#[template(path = "webhooks.html")]
struct Webhooks {
    allow: Vec<String>,
    may_test: bool,
    told: Vec<Told>,
    tested: Option<(bool, String)>,
}

macro_rules! with_version {
    ($($page:ident)*) => { $( impl $page { fn version(&self) -> &'static str { version() } } )* };
}
with_version! { Codes Model Webhooks }

/// The program explains its codes itself: the service knows none.
async fn codes(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
) -> Result<Html<String>, Page> {
    caller?.needs(Scope::Read)?;
    let said = confined(&app.config, &app.program)
        .args(["explain", "--format", "json"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let said = said.map_err(|error| Problem::internal(&error))?;
    let explained: Explanations =
        serde_json::from_slice(&said.stdout).map_err(|error| Problem::internal(&error))?;
    let reasons = Reason::ALL.map(|reason| (reason.to_string(), reason.sentence()));
    rendered(&Codes {
        codes: explained.codes,
        reasons: reasons.into(),
    })
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn model(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Query(named): Query<Named>,
) -> Result<Html<String>, Page> {
    let caller = caller?;
    caller.needs(Scope::Read)?;
    let seen = app.store.versions(&named.name, caller.sees()).await?;
    let before = seen.iter().skip(1).map(|row| Some(&row.digest));
    let is_new = seen.iter().zip(before.chain([None]));
    let is_new: Vec<bool> = is_new
        .map(|(row, before)| before != Some(&row.digest))
        .collect();
    rendered(&Model {
        versions: seen.into_iter().zip(is_new).collect(),
        name: named.name,
    })
}

async fn webhooks(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
) -> Result<Html<String>, Page> {
    shown(&app, &caller?, None).await
}

#[derive(Deserialize)]
struct Where {
    url: String,
}

/// Sends a test, and shows what came back above the list.
async fn test(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Form(to): Form<Where>,
) -> Result<Html<String>, Page> {
    let caller = caller?;
    let tested = match send_test(&app, &caller, to.url.trim()).await {
        Ok(tested) => (tested.is_delivered, tested.answer),
        Err(refused) if refused.code == Code::Webhook => (false, refused.detail),
        Err(refused) => return Err(refused.into()),
    };
    shown(&app, &caller, Some(tested)).await
}

async fn shown(
    app: &App,
    caller: &Caller,
    tested: Option<(bool, String)>,
) -> Result<Html<String>, Page> {
    caller.needs(Scope::Read)?;
    rendered(&Webhooks {
        allow: app.config.webhooks.allow.clone(),
        may_test: caller.needs(Scope::Submit).is_ok(),
        told: app.store.told(caller.sees()).await?,
        tested,
    })
}
