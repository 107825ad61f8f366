//! The answer of `aprove convert` for a program: one document, whatever the number of models.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use verifier::Options;
use verifier::check::{self, Sidecar};
use verifier::report::{Mode, Report};

use super::jobs::Job;
use super::plan::PlannedModel;
use crate::answers::short;
use crate::exit::Outcome;
use crate::output::{Document, ErrorRow};
use crate::{not_opened, output};

/// All models, in the order given.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Models {
    models: Vec<Model>,
}

/// What became of one model, or would.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Model {
    Converted(Box<ConvertedModel>),
    Planned(PlannedModel),
    Failed(Box<FailedModel>),
}

/// A model that was converted, or whose artifact was dropped.
#[derive(Serialize, JsonSchema)]
pub(super) struct ConvertedModel {
    /// The path as it was given.
    input: String,
    /// The artifact; `null` where nothing was written.
    output: Option<String>,
    /// The comparison of the artifact with the source, if there was one.
    report: Option<Report>,
}

/// A model that could not be converted, or planned.
#[derive(Serialize, JsonSchema)]
pub(super) struct FailedModel {
    /// The path as it was given.
    input: String,
    /// `null`: nothing was written.
    output: Option<String>,
    error: ErrorRow,
    /// What is wrong with an input that is missing or no model.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
    /// What the model has and no key of APR can say to loaders, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    not_carried: Vec<String>,
}

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

    pub(super) fn model(self, job: &Job) -> Model {
        Model::Converted(Box::new(ConvertedModel {
            input: shown(&job.input),
            output: self.written.as_deref().map(shown),
            report: self.proof.map(signed),
        }))
    }
}

/// A model that could not be converted. There is a report where it could not be opened or is none.
pub(super) fn failure(job: &Job, error: &anyhow::Error) -> Model {
    let report = match not_opened::open([&job.input], Mode::Pair) {
        Err(why) => Some(why.report),
        Ok([files]) if !matches!(files.format(), Ok(Some(_))) => {
            let options = Options::default();
            Some(check::check(
                &files.input(),
                &Sidecar::LeftOut,
                &options,
                &(),
            ))
        }
        Ok(_) => None,
    };
    let not_carried = match error.downcast_ref() {
        Some(converter::Error::NotCarried { problems }) => problems.named().to_vec(),
        _ => Vec::new(),
    };
    Model::Failed(Box::new(FailedModel {
        input: shown(&job.input),
        output: None,
        error: ErrorRow::of(error),
        report: report.map(signed),
        not_carried,
    }))
}

fn signed(mut report: Report) -> Report {
    output::sign(&mut report);
    short(report)
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// All models in one document.
pub(super) fn document(models: Vec<Model>) -> String {
    Document::new(Models { models }).text()
}
