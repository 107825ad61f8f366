//! The connections of stores: to what the process may ask, and nowhere that a store leads to, since what gives access goes along.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpService,
};
use object_store::{ClientOptions, Error, Result};
use reach::Reach;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, StatusCode, Url};

use super::failure::Failure;
use super::http::{of_status, retry_after};

/// Connects as far as this allows, or anywhere where there is no limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connector(pub(super) Option<Reach>);

#[derive(Debug)]
struct Limited {
    client: Client,
    reach: Option<Reach>,
}

/// What a store answers where that is no error of the library by itself. What else it writes, nobody reads: that may be anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) wait: Option<Duration>,
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, .. } = self;
        if status.is_redirection() {
            return write!(
                out,
                "it redirects ({status}), and is not followed: name its region or endpoint"
            );
        }
        write!(out, "it answers {status}")
    }
}

impl std::error::Error for Refused {}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        let Self(reach) = *self;
        let is_plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let client = reach.map_or_else(ClientBuilder::new, Reach::client);
        let client = super::http::timed(client.redirect(Policy::none()))
            .https_only(is_plain.as_deref() != Some("true"))
            .build();
        let client = client.map_err(|why| Error::Generic {
            store: "network",
            source: Box::new(why),
        })?;
        Ok(HttpClient::new(Limited { client, reach }))
    }
}

impl HttpService for Limited {
    fn call<'own, 'call>(
        &'own self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'call>>
    where
        'own: 'call,
        Self: 'call,
    {
        Box::pin(async move {
            if let Some(reach) = self.reach {
                let refused = |why| HttpError::new(HttpErrorKind::Unknown, why);
                let url: Url = request
                    .uri()
                    .to_string()
                    .parse()
                    .map_err(|why| HttpError::new(HttpErrorKind::Unknown, why))?;
                reach.check(&url).map_err(refused)?;
            }
            read(self.client.call(request).await?)
        })
    }
}

/// An answer, without the body of a refusal.
fn read(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let wait = retry_after(response.headers());
    let refused = Refused { status, wait };
    if let Some(Failure::Passing(..)) = of_status(status, wait, false) {
        // The library tries these again, whatever the request was.
        return Err(HttpError::new(HttpErrorKind::Request, refused));
    }
    if status.is_redirection() || status == StatusCode::RANGE_NOT_SATISFIABLE {
        return Err(HttpError::new(HttpErrorKind::Unknown, refused));
    }
    let (head, _) = response.into_parts();
    Ok(HttpResponse::from_parts(head, Vec::new().into()))
}
