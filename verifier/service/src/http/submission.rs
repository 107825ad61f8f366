//! Submissions: what a client may ask for, and what becomes of it.

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::info;
use utoipa::ToSchema;

use super::App;
use super::caller::Caller;
use super::problem::{Code, Problem};
use super::webhooks::allowed;
use crate::job::{Op, Options, Output, Place, Spec, hex, random};
use crate::roots::Refused;
use crate::sources;
use crate::store::queue::{JobQueue as _, Limits, Submitted};
use crate::store::submissions::{Besides, Named};
use crate::store::tokens::Scope;

/// What to do.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    pub(crate) op: Op,
    /// Two for `verify` (one with the option `digest`), one for the others
    pub(crate) inputs: Vec<InputRef>,
    #[serde(default)]
    pub(crate) options: Options,
    /// The text of a policy file
    pub(crate) policy: Option<String>,
    /// convert: where the artifact and its manifest are put once it is verified
    pub(crate) output: Option<Output>,
    /// Who is told of the verdict: an address that the service may send to
    pub(crate) webhook: Option<String>,
}

/// A model: an upload, a file below a root of the service, or an address that the service lets jobs read.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputRef {
    /// `sha256:HEX` of an upload
    pub(crate) digest: Option<String>,
    /// `ROOT/PATH`; of a split model any of its files
    pub(crate) path: Option<String>,
    /// `https://...`, `s3://...`, `gs://...`, `az://...`, `hf://...` or `ollama://...`, for `verify` and `check`
    pub(crate) url: Option<String>,
    /// Of an upload: the name that the report gives it
    pub(crate) name: Option<String>,
}

/// Letters of an `Idempotency-Key`.
const KEY: usize = 255;

/// What the client calls its submission, where it does: a second one with the same key is the first one, sent again.
pub(crate) fn named(
    headers: &HeaderMap,
    submission: &Submission,
) -> Result<Option<Named>, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > KEY {
        return Err(bad(&format!(
            "`Idempotency-Key` is 1 to {KEY} letters of ASCII"
        )));
    }
    let body = serde_json::to_vec(submission).map_err(|error| Problem::internal(&error))?;
    Ok(Some(Named {
        key: key.to_owned(),
        body: hex(&Sha256::digest(body)),
    }))
}

/// Binds the inputs of a submission and gives it to the queue.
pub(crate) async fn accept(
    app: &App,
    caller: &Caller,
    submission: Submission,
    named: Option<Named>,
) -> Result<String, Problem> {
    caller.needs(Scope::Submit)?;
    if *app.stop.borrow() {
        let detail = "the service is about to end: submit it to the next one";
        return Err(Problem::new(Code::Stopping, detail));
    }
    // Before anything is looked at: since it was sent first, an input may have changed.
    if let Some(named) = &named
        && let Some(earlier) = app.store.submission(caller.owner(), named).await?
    {
        return taken(earlier, caller.limits(app));
    }
    check(&submission)?;
    if let Some(webhook) = &submission.webhook {
        allowed(app, webhook)?;
    }
    if let Some(output) = &submission.output {
        sources::destination(&app.config.destinations, &output.url)?;
    }
    let is_dated = match &submission.policy {
        Some(policy) => is_dated(policy)?,
        None => false,
    };
    let once = if is_dated || submission.output.is_some() {
        random::<12>().map_err(|error| Problem::internal(&error))?
    } else {
        String::new()
    };
    let besides = Besides {
        named,
        webhook: submission.webhook.clone(),
    };
    let (roots, config) = (app.roots.clone(), app.config.clone());
    let spec = tokio::task::spawn_blocking(move || {
        // Not one name for two uploads: a report tells them apart by it.
        let named = submission.inputs.iter().zip(["model", "other"]);
        let inputs = named.map(|(input, default)| {
            match (&input.digest, &input.path, &input.url, &input.name) {
                (Some(digest), None, None, name) => {
                    let name = name.as_deref().unwrap_or(default);
                    Ok(roots.blob(digest, name)?)
                }
                (None, Some(path), None, None) => Ok(roots.path(path, submission.op)?),
                (None, None, Some(url), None) => Ok(sources::bind(&config.sources, url)?),
                _ => Err(bad(
                    "an input has a `digest` and may have a `name`, or has a `path` or a `url`",
                )),
            }
        });
        Ok::<_, Problem>(Spec {
            op: submission.op,
            inputs: inputs.collect::<Result<_, _>>()?,
            options: submission.options,
            policy: submission.policy,
            once,
            output: submission.output,
        })
    });
    let spec = spec.await.map_err(|error| Problem::internal(&error))??;
    for file in spec.inputs.iter().flat_map(|input| &input.files) {
        if let Place::Blob(hex) = &file.place {
            if let Some(owner) = caller.sees()
                && !app.store.owns_blob(hex, owner).await?
            {
                // As if it were not there: who may not read it does not hear of it either.
                return Err(Refused::Absent(format!("sha256:{hex}")).into());
            }
            let size = i64::try_from(file.size).unwrap_or(i64::MAX);
            app.store.use_blob(hex, size).await?;
            // It may have been taken away as unused just before.
            app.roots.is_unchanged(file)?;
        }
    }
    let limits = caller.limits(app);
    let submitted = app.store.submit(&spec, caller.owner(), limits, &besides);
    let submitted = submitted.await?;
    if let Submitted::New(id) = &submitted {
        info!(target: "audit", token = caller.owner(), job = id, op = %spec.op, "submitted");
        app.wake.notify_one();
    }
    taken(submitted, limits)
}

/// The job that answers a submission.
fn taken(submitted: Submitted, limits: Limits) -> Result<String, Problem> {
    match submitted {
        Submitted::New(id) | Submitted::Existing(id) => Ok(id),
        Submitted::NameTaken => {
            let detail =
                "this `Idempotency-Key` was sent with another body: take a new one for each job";
            Err(Problem::new(Code::KeyReused, detail))
        }
        Submitted::QueueFull => {
            let detail = format!("{} jobs wait; submit it again later", limits.queued);
            Err(Problem::new(Code::QueueFull, detail))
        }
        Submitted::OwnerFull => {
            let detail = format!("{} jobs of this token are not done", limits.of_owner);
            Err(Problem::new(Code::JobLimit, detail))
        }
    }
}

fn bad(detail: &str) -> Problem {
    Problem::new(Code::BadRequest, detail)
}

/// Whether a policy allows something until a day only: then the same job can end in another way on another one.
fn is_dated(policy: &str) -> Result<bool, Problem> {
    let policy: toml::Table = policy
        .parse()
        .map_err(|error| bad(&format!("`policy` is no TOML: {error}")))?;
    let rules = policy.get("allow").and_then(toml::Value::as_array);
    let mut rules = rules.into_iter().flatten();
    Ok(rules.any(|rule| rule.get("expires").is_some()))
}

fn check(submission: &Submission) -> Result<(), Problem> {
    let options = &submission.options;
    let (op, count) = (submission.op, submission.inputs.len());
    let (expected, takes) = match op {
        Op::Verify if options.digest.is_none() => (2, "two models, or one and the option `digest`"),
        _ => (1, "one model"),
    };
    if count != expected {
        return Err(bad(&format!("`{op}` takes {takes}: `inputs` has {count}")));
    }
    let has_url = submission.inputs.iter().any(|input| input.url.is_some());
    if has_url && !matches!(op, Op::Verify | Op::Check) {
        return Err(bad(&format!("`{op}` reads files, not addresses")));
    }
    for (name, is_given, of) in [
        ("digest", options.digest.is_some(), &[Op::Verify][..]),
        (
            "forward",
            options.forward.is_some(),
            &[Op::Verify, Op::Convert],
        ),
        ("unsupported", options.unsupported.is_some(), &[Op::Convert]),
    ] {
        if is_given && !of.contains(&op) {
            return Err(bad(&format!("`{op}` has no option `{name}`")));
        }
    }
    if options.forward.is_some() && options.digest.is_some() {
        return Err(bad("with `digest` there is nothing to run beside it"));
    }
    let is_digest = |text: &str| {
        let hex = ["sha256:", "blake3:"]
            .into_iter()
            .find_map(|kind| text.strip_prefix(kind));
        let hex = hex.unwrap_or(text);
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if !options.digest.as_deref().is_none_or(is_digest) {
        return Err(bad("`digest` is sha256:HEX, blake3:HEX, or HEX"));
    }
    if submission.output.is_some() && op != Op::Convert {
        return Err(bad(&format!("`{op}` writes nothing that is put anywhere")));
    }
    if submission.policy.is_some() && !matches!(op, Op::Verify | Op::Check) {
        return Err(bad(&format!("`{op}` takes no policy")));
    }
    Ok(())
}
