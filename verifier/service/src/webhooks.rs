//! Webhooks: the end of a job, told to whoever asked for it, signed as <https://www.standardwebhooks.com> has it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reach::{Reach, is_origin, names, parse};
use reqwest::Url;
use ring::hmac;
use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::config::ConfigError;
use crate::http::view;
use crate::outgoing::client;
use crate::store::deliveries::{Due, Sent};
use crate::store::{Store, StoreError};
use crate::worker::Worker;

/// How often it is looked for what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Nobody else sends the same for so many milliseconds: longer than a receiver may take.
const LEASE: i64 = 60_000;
/// Milliseconds until the second attempt; four times as many until each later one, so that the last comes after 15 hours.
const PAUSE: i64 = 10_000;
const ATTEMPTS: i64 = 8;
/// Senders of one process: a slow receiver does not hold up the others.
const SENDERS: usize = 4;
/// Letters of an address.
const LONGEST: usize = 2048;

/// Which addresses are told of the end of jobs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// `https://HOST` or `https://HOST:PORT`, each.
    pub allow: Vec<String>,
    /// `whsec_BASE64`, the key of the signatures.
    pub secret: String,
    /// Whether those may be addresses of this machine and of private networks.
    pub private: bool,
}

impl Webhooks {
    /// Refuses what could only fail later.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.allow.is_empty() {
            return Ok(());
        }
        if let Some(entry) = self.allow.iter().find(|entry| !is_origin(entry)) {
            let expected = "https://HOST or https://HOST:PORT as an address has it, without a path";
            return Err(ConfigError::Entry(
                "webhooks.allow",
                entry.clone(),
                expected,
            ));
        }
        if self.key().is_none() {
            let expected = "not `whsec_` and base64 of 24 bytes or more, which `webhooks.allow` needs (openssl rand -base64 32)";
            return Err(ConfigError::Value("webhooks.secret", expected));
        }
        Ok(())
    }

    fn key(&self) -> Option<hmac::Key> {
        let secret = STANDARD.decode(self.secret.strip_prefix("whsec_")?).ok()?;
        (secret.len() >= 24).then(|| hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    fn reach(&self) -> Reach {
        if self.private {
            Reach::Private
        } else {
            Reach::Public
        }
    }

    /// An address that may be told; else why not.
    pub(crate) fn allowed(&self, address: &str) -> Result<Url, String> {
        if address.len() > LONGEST {
            return Err(format!("it has more than {LONGEST} letters"));
        }
        let url = parse(address).map_err(|why| why.to_string())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it has a name or password in it".to_owned());
        }
        if !names(&self.allow, &url) {
            return Err("the service may not send there (`webhooks.allow`)".to_owned());
        }
        self.reach().check(&url).map_err(|why| why.to_string())?;
        Ok(url)
    }

    /// Sends one event; the status of the answer, or why there is none.
    pub(crate) async fn send(&self, id: &str, address: &str, body: &str) -> Result<u16, String> {
        let url = self.allowed(address)?;
        let key = self.key().ok_or("there is no key (`webhooks.secret`)")?;
        let client = client(&url, self.reach())?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let signature = hmac::sign(&key, format!("{id}.{now}.{body}").as_bytes());
        let signature = STANDARD.encode(signature.as_ref());
        let answer = client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", format!("v1,{signature}"))
            .body(body.to_owned())
            .send()
            .await;
        // What the receiver says is not read: a status is enough.
        answer
            .map(|answer| answer.status().as_u16())
            .map_err(|error| told(&error))
    }
}

/// An error with its causes, without the address, which may have a secret in its path.
fn told(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    let mut text = "there was no answer".to_owned();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

/// Sends what is due, until the process is to end.
pub(crate) async fn send_all(mut worker: Worker) {
    while !*worker.stop.borrow() {
        match worker.answered(worker.store.claim_delivery(LEASE)).await {
            Ok(Some(due)) => {
                if let Err(error) = send(&worker, &due).await {
                    warn!(job = due.job, %error, "what became of a webhook cannot be written down");
                }
                continue;
            }
            Ok(None) => {}
            Err(error) => warn!(%error, "no webhook can be looked for"),
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = worker.stop.changed() => {}
        }
    }
}

/// Starts the senders, where there is anything to send.
pub(crate) const fn senders(webhooks: &Webhooks) -> usize {
    if webhooks.allow.is_empty() {
        0
    } else {
        SENDERS
    }
}

async fn send(worker: &Worker, due: &Due) -> Result<(), StoreError> {
    let answer = match body(&worker.store, due).await? {
        Some(body) => worker.config.webhooks.send(&due.id, &due.url, &body).await,
        None => Err("the job is gone".to_owned()),
    };
    let (sent, answer) = match answer {
        Ok(status @ 200..300) => (Sent::Delivered, status.to_string()),
        Ok(status) => (again(due.attempt), status.to_string()),
        Err(why) => (again(due.attempt), why),
    };
    info!(job = due.job, webhook = due.id, %sent, answer, "told");
    worker.store.sent(due, sent, &answer).await
}

async fn body(store: &Store, due: &Due) -> Result<Option<String>, StoreError> {
    let Some(row) = store.job(&due.job).await? else {
        return Ok(None);
    };
    let data = view(&row)?;
    Ok(Some(
        json!({"id": due.id, "type": "job.done", "data": data}).to_string(),
    ))
}

/// What follows from an attempt that failed.
fn again(attempt: i64) -> Sent {
    if attempt >= ATTEMPTS {
        return Sent::GivenUp;
    }
    let power = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0);
    Sent::Again(PAUSE.saturating_mul(4_i64.saturating_pow(power)))
}
