//! The connections of stores, where a process is limited to what a list names.

use std::future::Future;
use std::pin::Pin;

use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpService, ReqwestConnector,
};
use object_store::{ClientOptions, Error, Result};
use reach::Reach;
use reqwest::{Client, Url};

/// Connects as far as this allows, or as the library does where there is no limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connector(pub(super) Option<Reach>);

#[derive(Debug)]
struct Limited {
    client: Client,
    reach: Reach,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        let Some(reach) = self.0 else {
            return ReqwestConnector::default().connect(options);
        };
        let is_plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let client = super::http::timed(reach.client())
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
            let refused = |why| HttpError::new(HttpErrorKind::Unknown, why);
            let url: Url = request
                .uri()
                .to_string()
                .parse()
                .map_err(|why| HttpError::new(HttpErrorKind::Unknown, why))?;
            self.reach.check(&url).map_err(refused)?;
            self.client.call(request).await
        })
    }
}
