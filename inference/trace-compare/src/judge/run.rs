//! The comparison of one or more traces with one model.

use super::{
    error::CompareError,
    mismatch, prompt,
    report::{Comparison, Findings, TraceReport, Verdict},
    search, values,
};
use std::collections::BTreeSet;

use crate::format::{Capture, MODEL_FIELDS, Trace, capture_point_schema, stage_widths};
use inference::Options;
use inference::{Model, NUMERICS, Source, Step};

/// Compares traces with a model; `tokens` are those of traces that do not say theirs.
///
/// The sources are those that the model was loaded from. With several traces, records that look alike and were taken at
/// different points are reported as well.
///
/// # Errors
/// Fails when a trace cannot be read or its tokens are not known, and as [`inference::forward`] does.
pub fn compare(
    model: &Model,
    sources: &[&dyn Source],
    traces: &[Trace],
    tokens: Option<&[u32]>,
    options: &Options,
) -> Result<Comparison, CompareError> {
    let traces: Vec<_> = traces.iter().map(|trace| trace.of_model(model)).collect();
    let mut reports = Vec::new();
    for trace in &traces {
        check_labels(trace)?;
        check_model(trace, model)?;
        let (tokens, tokens_from) = prompt::tokens(model, sources, trace, tokens, &traces)?;
        let findings = if trace.is_statistics() {
            Findings::Statistics(search::judge(model, sources, trace, &tokens, options)?)
        } else {
            Findings::Values(values::judge(model, sources, trace, &tokens, options)?)
        };
        let widths = stage_widths(model, tokens.len());
        // A record of values is what it was taken for; statistics may be all that their names allow.
        let known = |step: &Step| widths.iter().any(|(other, _)| other == step);
        let meant: Vec<(&str, &Capture)> = match &findings {
            Findings::Values(report) => {
                let rows = report.records.iter();
                rows.map(|row| (row.name.as_str(), &row.capture)).collect()
            }
            Findings::Statistics(_) => {
                let records = trace.records.iter();
                let meant = records.flat_map(|record| {
                    let captures = record.captures.iter();
                    captures.map(|capture| (record.name.as_str(), capture))
                });
                let known = |capture: &Capture| capture.steps.iter().all(known);
                meant.filter(|(_, capture)| known(capture)).collect()
            }
        };
        let held: BTreeSet<_> = meant
            .iter()
            .flat_map(|(_, capture)| capture.steps.iter().map(|step| step.order()))
            .collect();
        let ours: BTreeSet<_> = meant.iter().map(|(name, _)| *name).collect();
        let foreign = trace.records.iter();
        let foreign = foreign.filter(|record| !ours.contains(record.name.as_str()));
        let missing = widths.iter().map(|(step, _)| *step);
        let missing = missing.filter(|step| !held.contains(&step.order()));
        let (inside, ours_only) = missing.partition(|step| match &findings {
            Findings::Values(report) => report.inside.contains(&step.order()),
            Findings::Statistics(_) => false,
        });
        reports.push(TraceReport {
            name: trace.short_name(),
            format: trace.format,
            engine: trace.engine.clone(),
            theirs_only: foreign.map(|record| record.name.clone()).collect(),
            inside,
            ours_only,
            tokens,
            tokens_from,
            findings,
        });
    }
    let mismatches = mismatch::between(&reports);
    let verdict = verdict(&reports, !mismatches.is_empty());
    Ok(Comparison {
        summary: summary(&reports, verdict, &mismatches),
        verdict,
        mismatches,
        traces: reports,
    })
}

/// Only records of the same capture points, and of the same contract where both name one, are comparable bit for bit.
fn check_labels(trace: &Trace) -> Result<(), CompareError> {
    let engine = trace.engine.as_deref();
    if !engine.is_some_and(|engine| engine.starts_with("aprove")) {
        return Ok(());
    }
    let schema = capture_point_schema().to_string();
    let fields = [("numerics", NUMERICS), ("capture_points", schema.as_str())];
    for (field, ours) in fields {
        if let Some(found) = trace.label(field).filter(|found| *found != ours) {
            return Err(CompareError::NotComparable {
                trace: trace.short_name(),
                field,
                found: found.escape_debug().to_string(),
                ours: ours.to_owned(),
            });
        }
    }
    Ok(())
}

/// A trace that says what its model is, is of this one.
fn check_model(trace: &Trace, model: &Model) -> Result<(), CompareError> {
    let config = &model.config;
    let heads = model.scores(0).map(|(heads, _)| heads);
    for field in MODEL_FIELDS {
        let ours = match field {
            "architecture" => Some(config.architecture.name.to_owned()),
            "num_layers" => Some(config.layers.to_string()),
            "hidden_dim" => Some(config.hidden.to_string()),
            "vocab_size" => Some(config.vocabulary.to_string()),
            "num_heads" => heads.map(|heads| heads.queries.to_string()),
            "num_kv_heads" => heads.map(|heads| heads.key_values.to_string()),
            other => unreachable!("no field of a model is called {other}"),
        };
        let found = trace.label(field);
        if let (Some(found), Some(ours)) = (found, ours)
            && found != ours
        {
            return Err(CompareError::NotComparable {
                trace: trace.short_name(),
                field,
                found: found.escape_debug().to_string(),
                ours,
            });
        }
    }
    Ok(())
}

fn verdict(reports: &[TraceReport], mismatch: bool) -> Verdict {
    let any = |verdict| reports.iter().any(|report| report.verdict() == verdict);
    if reports.is_empty() {
        Verdict::Undecided
    } else if any(Verdict::Differs) {
        Verdict::Differs
    } else if any(Verdict::Undecided) {
        Verdict::Undecided
    } else if mismatch {
        Verdict::CaptureMismatch
    } else if any(Verdict::Consistent) {
        Verdict::Consistent
    } else {
        Verdict::Agrees
    }
}

fn summary(
    reports: &[TraceReport],
    verdict: Verdict,
    mismatches: &[super::report::Mismatch],
) -> String {
    // The trace that decided.
    let deciding = reports.iter().find(|report| report.verdict() == verdict);
    match (verdict, mismatches.first(), deciding) {
        (Verdict::CaptureMismatch, Some(first), _) => first.sentence.clone(),
        (_, _, Some(report)) => format!("{}: {}", report.name, report.sentence()),
        _ => "no trace was given".to_owned(),
    }
}
