//! A comparison as JSON: everything that was found.

use serde_json::{Value, json};

use super::{
    difference::{Difference, Element},
    forced::{ELEMENT_GATE, GATE, OperationRow, Outcome},
    free::Plain,
    moments::Moments,
    report::{Comparison, Findings, TraceReport},
    rounding::Rounding,
    statistics::{Candidate, Fit, StatisticsReport, StatisticsRow},
    values::{PLAIN_GATE, RecordRow, Status, ValuesReport},
};
use crate::format::{Printed, Statistics};
use inference::{NUMERICS, WeightType};

impl Comparison {
    /// Returns everything as JSON. Numbers that are not finite are `null`.
    pub fn json(&self) -> Value {
        let mismatches: Vec<_> = self
            .mismatches
            .iter()
            .map(|mismatch| {
                json!({
                    "records": mismatch.records,
                    "capture_point": mismatch.capture_point,
                    "token_set": mismatch.token_set,
                    "sentence": mismatch.sentence,
                })
            })
            .collect();
        let traces: Vec<_> = self.traces.iter().map(trace).collect();
        json!({
            "verdict": self.verdict.name(),
            "summary": self.summary,
            "numerics": NUMERICS,
            "gates": {"operation": GATE, "element": ELEMENT_GATE, "plain": PLAIN_GATE},
            "mismatches": mismatches,
            "traces": traces,
        })
    }
}

fn trace(report: &TraceReport) -> Value {
    let ours_only: Vec<_> = report.ours_only.iter().map(ToString::to_string).collect();
    json!({
        "name": report.name,
        "format": report.format.name(),
        "engine": report.engine,
        "tokens": report.tokens,
        "tokens_from": report.tokens_from.name(),
        "verdict": report.verdict().name(),
        "sentence": report.sentence(),
        "theirs_only": report.theirs_only,
        "ours_only": ours_only,
        "values": match &report.findings {
            Findings::Values(found) => values(found),
            Findings::Statistics(_) => Value::Null,
        },
        "statistics": match &report.findings {
            Findings::Values(_) => Value::Null,
            Findings::Statistics(found) => statistics(found),
        },
    })
}

fn values(found: &ValuesReport) -> Value {
    let roundings: Vec<_> = found
        .roundings
        .iter()
        .map(|(weight_type, rounding, products)| {
            json!({
                "weights": name(*weight_type),
                "rounding": rounding.name(),
                "products": products,
                "explained": found.explained(*weight_type, *rounding),
            })
        })
        .collect();
    let explanation = found.explanation.as_ref().map(|explanation| {
        json!({
            "changes": explanation.changes,
            "reproduced": explanation.reproduced().0,
            "of": explanation.reproduced().1,
            "operations": explanation.operations.iter().map(operation).collect::<Vec<_>>(),
        })
    });
    let effect = found.effect.as_ref().map(|effect| {
        json!({
            "stage": effect.step.to_string(),
            "theirs": effect.theirs,
            "emulated": effect.emulated,
        })
    });
    json!({
        "operations": found.operations.iter().map(operation).collect::<Vec<_>>(),
        "records": found.records.iter().map(record).collect::<Vec<_>>(),
        "roundings": roundings,
        "explanation": explanation,
        "rounding_effect": effect,
    })
}

fn operation(row: &OperationRow) -> Value {
    let (result, details) = match &row.outcome {
        Outcome::Judged {
            within,
            difference: found,
            product,
        } => {
            let product = product.map(|product| {
                json!({
                    "weights": name(product.weight_type),
                    "rounding": product.rounding.name(),
                    "unrounded": product.unrounded,
                    "rounded": product.rounding != Rounding::None,
                })
            });
            let details = json!({"difference": difference(found), "product": product});
            (if *within { "within" } else { "beyond" }, details)
        }
        Outcome::Unfit { theirs, ours } => ("unfit", json!({"theirs": theirs, "ours": ours})),
        Outcome::NoInput(step) => ("no input", json!({"missing": step.to_string()})),
    };
    json!({
        "stage": row.step.to_string(),
        "capture_point": row.step.stage.capture_point(),
        "record": row.record,
        "result": result,
        "details": details,
    })
}

fn record(row: &RecordRow) -> Value {
    let others: Vec<_> = row
        .others
        .iter()
        .map(|(capture, found)| {
            json!({"stage": capture.to_string(), "plain": found.as_ref().map(plain)})
        })
        .collect();
    json!({
        "name": row.name,
        "stage": row.capture.to_string(),
        "plain": row.plain.as_ref().map(plain),
        "others": others,
        "status": match row.status {
            Status::Agrees => "agrees",
            Status::Differs => "differs",
            Status::NotJudged => "not judged",
        },
    })
}

fn plain(found: &Plain) -> Value {
    json!({
        "tokens": if found.last { "last" } else { "all" },
        "difference": difference(&found.difference),
    })
}

fn difference(found: &Difference) -> Value {
    json!({
        "relative": found.relative,
        "largest": found.largest,
        "cosine": found.cosine,
        "worst": found.worst.map(element),
        "first": found.first.map(element),
    })
}

fn element(found: Element) -> Value {
    json!({
        "token": found.token,
        "index": found.index,
        "theirs": found.theirs,
        "ours": found.ours,
    })
}

fn statistics(found: &StatisticsReport) -> Value {
    let rounded: Vec<_> = found.rounded.iter().map(|one| name(*one)).collect();
    json!({
        "rounded": rounded,
        "deviation_of": found.estimator.name(),
        "changes": found.changes,
        "records": found.rows.iter().map(statistics_row).collect::<Vec<_>>(),
    })
}

fn statistics_row(row: &StatisticsRow) -> Value {
    json!({
        "name": row.name,
        "theirs": numbers(&row.theirs),
        "candidates": row.candidates.iter().map(candidate).collect::<Vec<_>>(),
    })
}

fn candidate(found: &Candidate) -> Value {
    json!({
        "stage": found.capture.to_string(),
        "tokens": found.set.name(),
        "ours": moments(&found.ours),
        "fit": match found.fit {
            Fit::Reproduced => "reproduced",
            Fit::Near => "near",
            Fit::Off => "off",
        },
    })
}

fn numbers(found: &Statistics) -> Value {
    let value = |number: Option<Printed>| number.map(|number| number.value);
    json!({
        "count": found.count,
        "mean": value(found.mean),
        "std": value(found.deviation),
        "min": value(found.least),
        "max": value(found.greatest),
        "norm": value(found.norm),
    })
}

fn moments(found: &Moments) -> Value {
    json!({
        "count": found.count,
        "mean": found.mean(),
        "std_sample": found.sample_deviation(),
        "std_population": found.population_deviation(),
        "min": found.least,
        "max": found.greatest,
        "norm": found.norm(),
    })
}

fn name(weight_type: WeightType) -> &'static str {
    weight_type.ggml_type().name()
}
