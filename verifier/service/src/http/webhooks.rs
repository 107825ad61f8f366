//! Webhooks: how they went, and a test.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::App;
use super::caller::Caller;
use super::problem::{Code, Problem, Refusals};
use crate::job::random;
use crate::store::deliveries::Delivery;
use crate::store::tokens::Scope;

/// Where a test is sent to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    url: String,
}

/// What came back.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tested {
    /// `webhook-id`
    id: String,
    pub(crate) is_delivered: bool,
    /// A status, or why there was none
    pub(crate) answer: String,
}

/// Who is told of the end of a job, and how that went.
#[utoipa::path(get, path = "/v1/jobs/{id}/deliveries", params(("id" = String, Path)),
    responses((status = 200, body = [Delivery]), Refusals))]
pub(crate) async fn deliveries(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Vec<Delivery>>, Problem> {
    caller.needs_sight(app.store.job(&id).await?)?;
    Ok(Json(app.store.deliveries(&id).await?))
}

/// Sends a signed event of the type `test` once, now.
#[utoipa::path(post, path = "/v1/webhooks/test", request_body = Test,
    responses((status = 200, body = Tested), Refusals))]
pub(crate) async fn test(
    State(app): State<App>,
    caller: Caller,
    Json(test): Json<Test>,
) -> Result<Json<Tested>, Problem> {
    Ok(Json(send_test(&app, &caller, &test.url).await?))
}

/// Sends a test, for whoever may submit jobs that are told of.
pub(crate) async fn send_test(app: &App, caller: &Caller, url: &str) -> Result<Tested, Problem> {
    caller.needs(Scope::Submit)?;
    allowed(app, url)?;
    let id = random::<12>().map_err(|error| Problem::internal(&error))?;
    let body = json!({"id": id, "type": "test", "data": {}}).to_string();
    let answer = app.config.webhooks.send(&id, url, &body).await;
    Ok(Tested {
        id,
        is_delivered: matches!(answer, Ok(200..300)),
        answer: answer.map_or_else(|why| why, |status| status.to_string()),
    })
}

/// Refuses an address that the service may not send to.
pub(crate) fn allowed(app: &App, address: &str) -> Result<(), Problem> {
    let url = app.config.webhooks.allowed(address);
    url.map(drop).map_err(|why| {
        let detail = format!("the webhook is refused: {why}");
        Problem::new(Code::Webhook, detail)
    })
}
