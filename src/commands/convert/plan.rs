//! `aprove convert --plan`: what would be written, and what to do where a model cannot be converted as it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use converter::{Error, How, Plan, Request, Unsupported, UnsupportedTensor};
use schemars::JsonSchema;
use serde::Serialize;
use verifier::finding::escape;
use verifier::report::text::grouped;

use super::document::shown;
use super::jobs::Job;
use super::{Arguments, request, with_hint};
use crate::exit::Outcome;
use crate::next_command;

/// What a conversion of one model would do.
pub(super) struct Planned<'a> {
    job: &'a Job,
    found: Found,
}

enum Found {
    Convertible(Plan),
    /// Types that cannot be held, and the flags that store all of them.
    Refused(Vec<UnsupportedTensor>, Vec<Choice>),
}

/// A command that converts a model which is refused without it.
#[derive(Clone, Serialize, JsonSchema)]
pub(crate) struct Choice {
    /// The command.
    command: String,
    /// What the artifact would cost, in bytes.
    size: u64,
}

/// Plans the conversion of one model.
///
/// # Errors
/// Fails as the conversion would, but for types that cannot be held, which are what a plan is for.
pub(super) fn plan<'a>(arguments: &Arguments, job: &'a Job) -> anyhow::Result<Planned<'a>> {
    let request = request(arguments, job)?;
    let found = match converter::plan(&request) {
        Ok(plan) => Found::Convertible(plan),
        Err(Error::Unsupported { tensors }) => Found::Refused(tensors, choices(&request, job)),
        Err(error) => return Err(with_hint(error, &job.input)),
    };
    Ok(Planned { job, found })
}

impl Planned<'_> {
    pub(super) const fn outcome(&self) -> Outcome {
        match self.found {
            Found::Convertible(_) => Outcome::Done,
            Found::Refused(..) => Outcome::NotDone,
        }
    }

    pub(super) fn text(&self) -> anyhow::Result<String> {
        match &self.found {
            Found::Convertible(plan) => planned(plan, self.job),
            Found::Refused(tensors, choices) => refused(tensors, choices, self.job),
        }
        .context("the plan could not be written")
    }
}

/// The plan of one model, for a program.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PlannedModel {
    /// The path as it was given.
    input: String,
    /// The artifact that would be written; `null` where none can be.
    output: Option<String>,
    /// Length of the artifact in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// How the tensors would be stored, by type.
    stored: Vec<StoredRow>,
    /// Each tensor of the artifact, in the order of its index.
    tensors: Vec<PlannedTensor>,
    /// What to know before.
    warnings: Vec<String>,
    /// Tensors that APR cannot hold as they are, which refuse the model.
    refused: Vec<RefusedTensor>,
    /// What converts a model that is refused; empty where only other weights do.
    choices: Vec<Choice>,
}

/// The tensors of one type.
#[derive(Serialize, JsonSchema)]
struct StoredRow {
    /// The type in the source.
    source_type: &'static str,
    how: Stored,
    /// How many there are.
    tensors: usize,
    /// Their bytes in the source.
    source_bytes: u64,
    /// Their bytes in the artifact, without padding.
    bytes: u64,
}

/// One tensor of the artifact.
#[derive(Serialize, JsonSchema)]
struct PlannedTensor {
    /// The name in the artifact.
    name: String,
    /// The name in the source, escaped.
    source_name: String,
    /// The type in the source.
    source_type: &'static str,
    how: Stored,
    /// The type in the artifact.
    stored_type: &'static str,
    /// Its bytes in the artifact, without padding.
    bytes: u64,
}

/// How tensors get into an artifact.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Stored {
    /// Byte for byte.
    Kept,
    /// Byte for byte, under an id that only the loader that runs models reads right.
    Raw,
    /// As F32 with exactly the decoded values.
    Decoded,
}

/// A tensor of a type that APR cannot hold.
#[derive(Serialize, JsonSchema)]
struct RefusedTensor {
    /// The name in the source, escaped.
    name: String,
    /// Its type.
    r#type: String,
    /// Why it is refused.
    reason: &'static str,
    /// The values of `--unsupported` that store it.
    unsupported: Vec<&'static str>,
}

impl From<How> for Stored {
    fn from(how: How) -> Self {
        match how {
            How::Kept => Self::Kept,
            How::Raw => Self::Raw,
            How::Decoded => Self::Decoded,
        }
    }
}

impl From<Planned<'_>> for PlannedModel {
    fn from(Planned { job, found }: Planned<'_>) -> Self {
        let empty = Self {
            input: shown(&job.input),
            output: None,
            size: None,
            stored: Vec::new(),
            tensors: Vec::new(),
            warnings: Vec::new(),
            refused: Vec::new(),
            choices: Vec::new(),
        };
        match found {
            Found::Convertible(plan) => Self {
                output: Some(shown(&job.output)),
                size: Some(plan.size),
                stored: plan.stored.iter().map(StoredRow::from).collect(),
                tensors: plan.tensors.into_iter().map(PlannedTensor::from).collect(),
                warnings: plan.warnings,
                ..empty
            },
            Found::Refused(tensors, choices) => Self {
                refused: tensors.into_iter().map(RefusedTensor::from).collect(),
                choices,
                ..empty
            },
        }
    }
}

impl From<&converter::Stored> for StoredRow {
    fn from(row: &converter::Stored) -> Self {
        Self {
            source_type: row.source_type,
            how: row.how.into(),
            tensors: row.tensors,
            source_bytes: row.source_bytes,
            bytes: row.bytes,
        }
    }
}

impl From<converter::PlannedTensor> for PlannedTensor {
    fn from(tensor: converter::PlannedTensor) -> Self {
        Self {
            name: tensor.name,
            source_name: escape(tensor.source_name.as_bytes()),
            source_type: tensor.source_type,
            how: tensor.how.into(),
            stored_type: tensor.stored_type,
            bytes: tensor.bytes,
        }
    }
}

impl From<UnsupportedTensor> for RefusedTensor {
    fn from(tensor: UnsupportedTensor) -> Self {
        let all = [(tensor.raw, "raw"), (tensor.decodable, "decode-f32")];
        let fitting = all
            .into_iter()
            .filter_map(|(fits, word)| fits.then_some(word));
        Self {
            name: tensor.name,
            r#type: tensor.type_name,
            reason: "APR cannot hold this type as it is",
            unsupported: fitting.collect(),
        }
    }
}

fn planned(plan: &Plan, job: &Job) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "{} -> {}: {} bytes",
        job.input.display(),
        job.output.display(),
        grouped(plan.size)
    )?;
    for stored in &plan.stored {
        let how = match stored.how {
            How::Kept => "kept",
            How::Raw => "raw",
            How::Decoded => "decoded",
        };
        write!(
            text,
            "  {how:<8} {:<7} {:>5} {:<7}  {:>15} bytes",
            stored.source_type,
            stored.tensors,
            tensors(stored.tensors),
            grouped(stored.source_bytes)
        )?;
        if stored.how == How::Decoded {
            write!(text, " -> F32, {} bytes", grouped(stored.bytes))?;
        }
        writeln!(text)?;
    }
    for warning in &plan.warnings {
        writeln!(text, "warning: {warning}")?;
    }
    Ok(text)
}

/// For each choice that stores all tensors the command and the size.
fn choices(request: &Request, job: &Job) -> Vec<Choice> {
    let input = next_command::shown(&job.input);
    let all = [
        (Unsupported::Auto, "auto"),
        (Unsupported::Raw, "raw"),
        (Unsupported::DecodeF32, "decode-f32"),
    ];
    let fitting = all.into_iter().filter_map(|(unsupported, flag)| {
        let request = Request {
            unsupported,
            ..request.clone()
        };
        let plan = converter::plan(&request).ok()?;
        Some(Choice {
            command: format!("aprove convert {input} --unsupported {flag}"),
            size: plan.size,
        })
    });
    fitting.collect()
}

/// The types that cannot be held, and the choices.
fn refused(
    refused: &[UnsupportedTensor],
    choices: &[Choice],
    job: &Job,
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "{}: APR cannot hold {} {} as {}",
        job.input.display(),
        refused.len(),
        tensors(refused.len()),
        if refused.len() == 1 {
            "it is"
        } else {
            "they are"
        }
    )?;
    let mut types: BTreeMap<&str, (usize, &UnsupportedTensor)> = BTreeMap::new();
    for tensor in refused {
        let (count, _) = types.entry(&tensor.type_name).or_insert((0, tensor));
        *count += 1;
    }
    for (name, (count, tensor)) in types {
        let fitting = match (tensor.raw, tensor.decodable) {
            (true, true) => "raw or decode-f32",
            (true, false) => "raw",
            (false, true) => "decode-f32",
            (false, false) => "neither raw nor decode-f32",
        };
        writeln!(
            text,
            "  {name:<8} {count:>5} {:<7}  {fitting}",
            tensors(count)
        )?;
    }
    let input = next_command::shown(&job.input);
    writeln!(text, "choose one:")?;
    for Choice { command, size } in choices {
        writeln!(text, "  {command:<60}  # {} bytes", grouped(*size))?;
    }
    writeln!(
        text,
        "  llama-quantize --allow-requantize {input} requantised.gguf Q4_K_M   # other weights, not these"
    )?;
    Ok(text)
}

const fn tensors(count: usize) -> &'static str {
    if count == 1 { "tensor" } else { "tensors" }
}
