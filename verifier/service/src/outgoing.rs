//! Requests that leave the service: as far as `reach` lets them, with an end to patience.

use std::error::Error as _;
use std::time::Duration;

use reach::Reach;
use reqwest::{Client, Url};

/// How long a receiver may take for everything.
const PATIENCE: Duration = Duration::from_secs(15);

/// A client for one address; else why it is not asked.
pub(crate) fn client(url: &Url, reach: Reach) -> Result<Client, String> {
    reach.check(url).map_err(|refused| refused.to_string())?;
    let client = reach.client().timeout(PATIENCE).build();
    client.map_err(|error| {
        let mut causes: Vec<String> = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        causes.join(": ")
    })
}
