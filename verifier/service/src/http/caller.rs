//! Who asks, and what they may.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;
use tracing::{Instrument as _, info_span};

use super::App;
use super::page::Page;
use super::problem::{Code, Problem};
use crate::identity;
use crate::listen::FIELDS;
use crate::store::queue::Limits;
use crate::store::read::Row;
use crate::store::tokens::{Refused, Scope, Token};

/// Bytes of an address.
const ADDRESS: usize = 8 << 10;
/// Bytes of the fields of a head.
const HEAD: usize = 32 << 10;

/// The name under which a browser keeps a token.
pub(crate) const COOKIE: &str = "aprove_token";

/// Who asks. Without tokens, on a loopback address, everybody is `local` and may do everything.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    token: Option<Token>,
}

impl Caller {
    /// Whose jobs theirs are.
    pub(crate) fn owner(&self) -> &str {
        self.token
            .as_ref()
            .map_or("local", |token| token.id.as_str())
    }

    /// The owner whose jobs they may see; none for all.
    pub(crate) fn sees(&self) -> Option<&str> {
        let token = self.token.as_ref()?;
        (!token.may(Scope::Admin)).then_some(token.id.as_str())
    }

    pub(crate) fn needs(&self, scope: Scope) -> Result<(), Problem> {
        match &self.token {
            Some(token) if !token.may(scope) => Err(Problem::new(
                Code::ScopeMissing,
                format!(
                    "this token has no scope `{}`: `aprove token new` takes `--scope` several times",
                    scope.word()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// A job that they may not see does not exist.
    pub(crate) fn needs_sight(&self, row: Option<Row>) -> Result<Row, Problem> {
        self.needs(Scope::Read)?;
        self.visible(row)
    }

    /// The same of a job that they may cancel: who may submit need not be one who may read.
    pub(crate) fn visible(&self, row: Option<Row>) -> Result<Row, Problem> {
        row.filter(|row| self.sees().is_none_or(|owner| owner == row.owner))
            .ok_or_else(|| Problem::not_found("job"))
    }

    pub(crate) fn limits(&self, app: &App) -> Limits {
        let of_token = self.token.as_ref().and_then(|token| token.jobs);
        Limits {
            queued: i64::from(app.config.max_queued),
            of_owner: of_token.unwrap_or_else(|| i64::from(app.config.max_jobs_of_token)),
        }
    }

    pub(crate) fn upload_quota(&self) -> Option<i64> {
        self.token.as_ref()?.bytes
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if !app.config.needs_tokens() {
            return Ok(Self { token: None });
        }
        let presented = presented(&parts.headers).ok_or_else(|| {
            Problem::new(
                Code::TokenMissing,
                "send `Authorization: Bearer TOKEN`; `aprove token new` makes one",
            )
        })?;
        // Tokens of ours have no dot in them, and signed ones have two.
        let token = if presented.contains('.') {
            let token = app.identities.token(presented).await;
            token.map_err(refused_identity)?
        } else {
            let token = app.store.token(presented).await?;
            token.map_err(|refused| match refused {
                Refused::Unknown => Problem::new(Code::TokenUnknown, "there is no such token"),
                Refused::Expired => Problem::new(
                    Code::TokenExpired,
                    "the token has expired; `aprove token new` makes another",
                ),
            })?
        };
        let allowed = token
            .rate
            .unwrap_or_else(|| i64::from(app.config.max_rate_of_token));
        if !app.rates.is_within(&token.id, allowed) {
            let detail = format!("this token may make {allowed} requests in a minute");
            return Err(Problem::new(Code::RateLimit, detail));
        }
        Ok(Self { token: Some(token) })
    }
}

fn refused_identity(refused: identity::Refused) -> Problem {
    let (code, detail) = match refused {
        identity::Refused::Signature => (
            Code::TokenUnknown,
            "no key of its issuer signed this token with RS256 or ES256",
        ),
        identity::Refused::Issuer => (
            Code::TokenIssuer,
            "no identity has the issuer of this token",
        ),
        identity::Refused::Audience => (
            Code::TokenAudience,
            "this token was made for another audience: ask for one with the `audience` of this service",
        ),
        identity::Refused::Expired => (
            Code::TokenExpired,
            "this token is no longer valid, or not yet: ask for another",
        ),
        identity::Refused::Claim => (
            Code::TokenClaim,
            "a claim of this token, its repository for example, is not what this service asks for",
        ),
    };
    Problem::new(code, detail)
}

fn presented(headers: &HeaderMap) -> Option<&str> {
    // Of another scheme it is for a proxy in front, which also hands on the cookie.
    let value = headers.get(header::AUTHORIZATION);
    if let Some((scheme, token)) = value.and_then(|value| value.to_str().ok()?.split_once(' '))
        && scheme.eq_ignore_ascii_case("Bearer")
    {
        return Some(token.trim());
    }
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let mut cookies = cookies
        .split("; ")
        .filter_map(|cookie| cookie.split_once('='));
    cookies.find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// How many requests each token made in this minute of its own.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    minutes: Mutex<HashMap<String, (Instant, i64)>>,
}

impl Rates {
    fn is_within(&self, token: &str, allowed: i64) -> bool {
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        minutes.retain(|_, (begun, _)| now.duration_since(*begun) < Duration::from_secs(60));
        let (_, count) = minutes.entry(token.to_owned()).or_insert((now, 0));
        *count = count.saturating_add(1);
        *count <= allowed
    }
}

/// Keeps pages of other sites out, which a browser on this machine may show, and tells browsers what our pages may do.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let accepts = request.headers().get(header::ACCEPT);
    let is_page = accepts
        .and_then(|kinds| kinds.to_str().ok())
        .is_some_and(|kinds| kinds.contains("text/html"));
    let refused = match foreign(&app, &request) {
        Some(detail) => Some(Problem::new(Code::Origin, detail)),
        None => long(&request),
    };
    let mut response = match refused {
        Some(problem) => problem.into_response(),
        None => {
            let (method, path) = (request.method(), request.uri().path());
            let span = info_span!("request", %method, path);
            next.run(request).instrument(span).await
        }
    };
    if is_bare(&response) {
        let allow = response.headers_mut().remove(header::ALLOW);
        let problem = Problem::of(response).await;
        response = if is_page {
            Page::from(problem).into_response()
        } else {
            problem.into_response()
        };
        response
            .headers_mut()
            .extend(allow.map(|allow| (header::ALLOW, allow)));
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with it a browser sends `Origin: null` with our own forms, too.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Cuts off the body of a request that is no upload where it does not come in time.
pub(crate) async fn prompt(State(app): State<App>, request: Request, next: Next) -> Response {
    let late = sleep(app.config.patience());
    next.run(request.map(|body| {
        let begin = (body.into_data_stream(), Box::pin(late));
        Body::from_stream(stream::try_unfold(begin, async |(mut body, mut late)| {
            tokio::select! {
                piece = body.next() => Ok(piece.transpose()?.map(|piece| (piece, (body, late)))),
                () = &mut late => Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut))),
            }
        }))
    }))
    .await
}

/// Whether a refusal is neither a page nor has a code.
fn is_bare(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_told = kind.contains("json") || kind.starts_with("text/html");
    response.status().is_client_error() && !is_told
}

/// One script of ours, nothing from elsewhere, no frame of others.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'self'";

/// A head that says more than anybody needs. What is longer still the library refuses by itself, without a body.
fn long(request: &Request) -> Option<Problem> {
    if request.uri().to_string().len() > ADDRESS {
        let detail = format!("the address has more than {ADDRESS} bytes");
        return Some(Problem::new(Code::AddressTooLong, detail));
    }
    let fields = request.headers();
    let bytes = fields
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    (fields.len() > FIELDS || bytes.sum::<usize>() > HEAD).then(|| {
        let detail = format!("the head has more than {FIELDS} fields or {HEAD} bytes");
        Problem::new(Code::HeadTooLarge, detail)
    })
}

fn foreign(app: &App, request: &Request) -> Option<&'static str> {
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let host = header(header::HOST).or_else(|| request.uri().authority().map(|host| host.as_str()));
    if !app.config.needs_tokens() && !host.is_some_and(is_loopback) {
        // A name of another site that leads to this machine: its pages would be ours for the browser.
        return Some(
            "without tokens the service answers to `localhost` and loopback addresses only",
        );
    }
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let origin = header(header::ORIGIN);
    let is_own =
        origin.is_none_or(|origin| origin.split_once("://").map(|(_, origin)| origin) == host);
    (!is_safe && !is_own).then_some("the request comes from a page of another site")
}

/// Whether a `Host` names this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
