//! `aprove convert --plan`: what would be written, and what to do where a model cannot be converted as it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use converter::{Error, How, Plan, Request, Unsupported, UnsupportedTensor};
use verifier::report::text::grouped;

use super::jobs::Job;
use super::{Arguments, request, with_hint};
use crate::exit::Outcome;
use crate::{next_command, output};

/// Prints the plan of one model.
///
/// # Errors
/// Fails as the conversion would, but for types that cannot be held, which are what a plan is for.
pub(super) fn print(arguments: &Arguments, job: &Job) -> anyhow::Result<Outcome> {
    let request = request(arguments, job)?;
    let (text, outcome) = match converter::plan(&request) {
        Ok(plan) => (planned(&plan, job), Outcome::Done),
        Err(Error::Unsupported { tensors }) => (refused(&request, &tensors, job), Outcome::NotDone),
        Err(error) => return Err(with_hint(error, job)),
    };
    let text = text.context("the plan could not be written")?;
    output::print(&if arguments.quiet {
        output::first_line(&text)
    } else {
        text
    })?;
    Ok(outcome)
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

/// The types that cannot be held, and for each choice that stores all of them the command and the size.
fn refused(
    request: &Request,
    refused: &[UnsupportedTensor],
    job: &Job,
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "{}: APR cannot hold {} {} as they are",
        job.input.display(),
        refused.len(),
        tensors(refused.len())
    )?;
    let mut types: BTreeMap<&str, (usize, &UnsupportedTensor)> = BTreeMap::new();
    for tensor in refused {
        let (count, _) = types.entry(&tensor.type_name).or_insert((0, tensor));
        *count = count.saturating_add(1);
    }
    for (name, (count, tensor)) in types {
        let choices = match (tensor.raw, tensor.decodable) {
            (true, true) => "raw or decode-f32",
            (true, false) => "raw",
            (false, true) => "decode-f32",
            (false, false) => "neither raw nor decode-f32",
        };
        writeln!(
            text,
            "  {name:<8} {count:>5} {:<7}  {choices}",
            tensors(count)
        )?;
    }
    let input = next_command::shown(&job.input);
    writeln!(text, "choose one:")?;
    for (unsupported, flag) in [
        (Unsupported::Auto, "auto"),
        (Unsupported::Raw, "raw"),
        (Unsupported::DecodeF32, "decode-f32"),
    ] {
        let request = Request {
            unsupported,
            ..request.clone()
        };
        if let Ok(plan) = converter::plan(&request) {
            let line = format!("aprove convert {input} --unsupported {flag}");
            writeln!(text, "  {line:<60}  # {} bytes", grouped(plan.size))?;
        }
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
