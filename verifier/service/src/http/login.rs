//! The token of a browser: entered, kept in a cookie, and forgotten.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use super::App;
use super::caller::COOKIE;
use super::page::{Page, rendered, version};
use super::problem::{Code, Problem};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/login", get(login).post(enter))
        .route("/logout", post(leave))
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    needs_tokens: bool,
    refused: Option<&'static str>,
}

impl Login {
    fn version(&self) -> &'static str {
        version()
    }
}

#[derive(Deserialize)]
struct Refused {
    refused: Option<String>,
}

async fn login(
    State(app): State<App>,
    Query(refused): Query<Refused>,
) -> Result<Html<String>, Page> {
    let refused = match refused.refused.as_deref() {
        Some("token-unknown") => Some("there is no such token"),
        Some("token-expired") => Some("the token has expired: ask for another"),
        _ => None,
    };
    let needs_tokens = app.config.needs_tokens();
    rendered(&Login {
        needs_tokens,
        refused,
    })
}

/// Makes the browser forget the token.
async fn leave() -> impl IntoResponse {
    let cookie = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/login"))
}

#[derive(Deserialize)]
struct Entered {
    token: String,
}

async fn enter(Form(entered): Form<Entered>) -> Result<Response, Page> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let token = entered.token.trim();
    if !token.bytes().all(is_token) {
        return Err(Problem::new(Code::BadRequest, "that is no token").into());
    }
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict");
    let cookie = HeaderValue::try_from(cookie).map_err(|error| Problem::internal(&error))?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}
