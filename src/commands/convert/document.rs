//! The answer of `aprove convert` for a program: one document, whatever the number of models.

use std::path::PathBuf;

use serde_json::{Value, json};
use verifier::report::Report;

use super::jobs::Job;
use crate::answers::short;
use crate::exit::Outcome;
use crate::output;

/// What became of one model.
pub(super) struct Converted {
    pub(super) outcome: Outcome,
    /// The artifact, where it was given its name.
    pub(super) written: Option<PathBuf>,
    /// The comparison with the source, where there was one.
    pub(super) proof: Option<Report>,
}

impl Converted {
    /// Nothing was written and nothing compared.
    pub(super) const fn nothing(outcome: Outcome) -> Self {
        Self {
            outcome,
            written: None,
            proof: None,
        }
    }

    pub(super) fn json(&self, job: &Job) -> Value {
        let report = self.proof.as_ref().map(short);
        json!({
            "input": job.input.display().to_string(),
            "output": self.written.as_ref().map(|path| path.display().to_string()),
            "report": report,
        })
    }
}

/// A model that could not be converted.
pub(super) fn failure(job: &Job, error: &anyhow::Error) -> Value {
    json!({
        "input": job.input.display().to_string(),
        "output": null,
        "error": { "message": format!("{error:#}") },
    })
}

/// All models in one document.
pub(super) fn document(models: &[Value]) -> String {
    let document = json!({
        "schema_version": 1,
        "tool": output::tool(),
        "models": models,
    });
    format!("{document:#}\n")
}
