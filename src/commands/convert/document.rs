//! The answer of `aprove convert` for a program: one document, whatever the number of models.

use std::path::PathBuf;

use serde_json::{Value, json};
use verifier::check::{self, Sidecar};
use verifier::report::{Mode, Report, to_json};

use super::jobs::Job;
use crate::exit::Outcome;
use crate::{not_opened, output};

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
        json!({
            "input": job.input.display().to_string(),
            "output": self.written.as_ref().map(|path| path.display().to_string()),
            "report": self.proof.clone().map(signed),
        })
    }
}

/// A model that could not be converted. There is a report where it could not be opened or is none.
pub(super) fn failure(job: &Job, error: &anyhow::Error) -> Value {
    let report = match not_opened::open([&job.input], Mode::Pair) {
        Err(why) => Some(why.report),
        Ok([files]) if files.format().is_none() => {
            Some(check::check(&files.input(), &Sidecar::LeftOut, 1, &()))
        }
        Ok(_) => None,
    };
    json!({
        "input": job.input.display().to_string(),
        "output": null,
        "report": report.map(signed),
        "error": { "code": output::code_of(error), "message": format!("{error:#}") },
    })
}

fn signed(mut report: Report) -> Report {
    report.tool = Some(output::tool());
    if let Some(behaviour) = &mut report.behaviour {
        behaviour.leave_out_equal();
    }
    report
}

/// All models in one document.
pub(super) fn document(models: &[Value]) -> String {
    let document = json!({
        "schema_version": 1,
        "tool": output::tool(),
        "models": models,
    });
    to_json(&document)
}
