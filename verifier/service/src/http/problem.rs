//! What a refusal looks like: `application/problem+json`, with a stable code and a sentence.

use std::collections::BTreeMap;
use std::fmt;

use axum::Json;
use axum::body::to_bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::{error, warn};
use utoipa::openapi as schema;
use utoipa::{IntoResponses, ToSchema};

use crate::roots::Refused;
use crate::sources;
use crate::store::StoreError;

/// Why a request is refused. Codes are added, never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    /// The request is not what is expected.
    BadRequest,
    /// There is nothing that is done in this way.
    MethodNotAllowed,
    /// The body is of another kind.
    MediaType,
    /// An input is no file that may be read.
    Input,
    /// An address that jobs may not name.
    Source,
    /// The `Idempotency-Key` was sent with another body.
    KeyReused,
    /// There is no token.
    TokenMissing,
    /// The token is unknown.
    TokenUnknown,
    /// The token was valid.
    TokenExpired,
    /// The identity is of an issuer that the service does not know.
    TokenIssuer,
    /// The identity was made for somebody else.
    TokenAudience,
    /// A claim of the identity is not what the service asks for.
    TokenClaim,
    /// The token may not do this.
    ScopeMissing,
    /// The request comes from a page of another site.
    Origin,
    /// There is nothing, or nothing that this token may see.
    NotFound,
    /// The job has no verdict yet.
    NotDone,
    /// The job has its verdict, and none of these.
    NoReport,
    /// The client holds another version of it.
    PreconditionFailed,
    /// There is nothing where the range begins.
    Range,
    /// The service may not send there.
    Webhook,
    /// The length must be said first.
    LengthRequired,
    /// The address is too long.
    AddressTooLong,
    /// The head is too large.
    HeadTooLarge,
    /// The body is too large.
    TooLarge,
    /// The body came too slowly, or ended early.
    BodyIncomplete,
    /// The bytes have another digest.
    DigestMismatch,
    /// The part does not begin where the upload ends.
    UploadOffset,
    /// Another part of the upload is arriving.
    UploadBusy,
    /// The token has uploaded what it may in 24 hours.
    UploadQuota,
    /// Too many jobs wait.
    QueueFull,
    /// The token has too many jobs.
    JobLimit,
    /// The token makes too many requests.
    RateLimit,
    /// The disk has no room.
    DiskFull,
    /// The service is about to end.
    Stopping,
    /// The database does not answer.
    DatabaseAway,
    /// A fault of the service.
    Internal,
}

impl Code {
    const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Input | Self::Source | Self::DigestMismatch | Self::KeyReused | Self::Webhook => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::TokenMissing
            | Self::TokenUnknown
            | Self::TokenExpired
            | Self::TokenIssuer
            | Self::TokenAudience
            | Self::TokenClaim => StatusCode::UNAUTHORIZED,
            Self::ScopeMissing | Self::Origin => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoReport => StatusCode::NOT_FOUND,
            Self::NotDone | Self::UploadOffset => StatusCode::CONFLICT,
            Self::UploadBusy => StatusCode::LOCKED,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::Range => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::AddressTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyIncomplete => StatusCode::REQUEST_TIMEOUT,
            Self::UploadQuota | Self::QueueFull | Self::JobLimit | Self::RateLimit => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Stopping | Self::DatabaseAway => StatusCode::SERVICE_UNAVAILABLE,
            Self::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds after which it makes sense to try again.
    const fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::NotDone | Self::UploadBusy => Some("1"),
            Self::QueueFull
            | Self::JobLimit
            | Self::RateLimit
            | Self::Stopping
            | Self::DatabaseAway => Some("10"),
            Self::UploadQuota | Self::DiskFull => Some("3600"),
            _ => None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(out)
    }
}

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) detail: String,
}

/// How a refusal is told from an answer.
const KIND: &str = "application/problem+json";

/// Any refusal, in the description of the interface.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, schema::RefOr<schema::Response>> {
        let content = schema::Content::new(Some(schema::Ref::from_schema_name("ProblemBody")));
        let refusal = |why: &str| {
            let response = schema::Response::builder();
            let response = response.description(why).content(KIND, content.clone());
            schema::RefOr::T(response.build())
        };
        [
            ("4XX", "refused: `code` says why"),
            ("5XX", "the service cannot do it now: `code` says why"),
        ]
        .map(|(status, why)| (status.to_owned(), refusal(why)))
        .into()
    }
}

/// The body of a refusal.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// The number of the answer.
    status: u16,
    /// The words of that number.
    title: String,
    code: Code,
    /// What, where, and what next.
    detail: String,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// A fault of ours: the log has it, the client does not.
    pub(crate) fn internal(fault: &dyn std::error::Error) -> Self {
        error!(%fault, "a request failed");
        Self::new(
            Code::Internal,
            "the service failed; its log says why. Nothing follows about the files",
        )
    }

    /// What stands for a refusal that has no code: the framework's own, of a query, a body or a method that is not expected.
    pub(crate) async fn of(refusal: Response) -> Self {
        let status = refusal.status();
        let said = to_bytes(refusal.into_body(), 4096)
            .await
            .unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        let code = match status {
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::MediaType,
            _ if said.starts_with("Failed to buffer") => Code::BodyIncomplete,
            _ => Code::BadRequest,
        };
        let detail = if said.is_empty() {
            "nothing is done here in this way: /openapi.json has what is".to_owned()
        } else {
            said
        };
        Self::new(code, detail)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            Code::NotFound,
            format!("there is no {what} here that you may see"),
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_away() {
            warn!(%error, "a request was not answered");
            let detail = "the database of the service does not answer: try again";
            return Self::new(Code::DatabaseAway, detail);
        }
        Self::internal(&error)
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded) {
            return Self::new(Code::DiskFull, "the disk of the service has no room for it");
        }
        Self::internal(&error)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::new(Code::Input, refused.to_string())
    }
}

impl From<sources::Refused> for Problem {
    fn from(refused: sources::Refused) -> Self {
        match refused {
            sources::Refused::Random(error) => Self::internal(&error),
            refused => Self::new(Code::Source, refused.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let body = ProblemBody {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            code: self.code,
            detail: self.detail,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static(KIND);
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(seconds) = self.code.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
