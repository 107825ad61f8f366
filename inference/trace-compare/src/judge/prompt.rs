//! Which tokens a trace was made with.

use std::collections::HashMap;

use super::error::CompareError;
use crate::format::Trace;
use inference::internals::rows;
use inference::{Model, Source, Stage, Step};

/// Where the tokens of a comparison come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokensFrom {
    /// The trace holds them.
    Trace,
    /// They were given.
    Given,
    /// Another trace of the comparison holds them, and the sizes fit.
    OtherTrace,
    /// The rows that the trace recorded as looked up are those of these tokens, bit for bit.
    Embedding,
}

impl TokensFrom {
    /// Returns the words of a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "in the trace",
            Self::Given => "given",
            Self::OtherTrace => "from another trace given",
            Self::Embedding => "found by the rows looked up",
        }
    }
}

/// Settles the tokens: those of the trace, those given, those whose rows it recorded, those of the other traces. Their number
/// must be that of the records.
pub(crate) fn tokens(
    model: &Model,
    sources: &[&dyn Source],
    trace: &Trace,
    given: Option<&[u32]>,
    others: &[Trace],
) -> Result<(Vec<u32>, TokensFrom), CompareError> {
    let (tokens, from) = choose(model, sources, trace, given, others)?;
    match recorded(model, trace) {
        Some(found) if found != tokens.len() => Err(CompareError::TokenCount {
            trace: trace.short_name(),
            found,
            given: tokens.len(),
        }),
        _ => Ok((tokens, from)),
    }
}

/// The number of tokens that the values of residuals hold, which are as wide in every engine; `None` when they do not agree
/// or hold one token, which may be the last.
fn recorded(model: &Model, trace: &Trace) -> Option<usize> {
    if trace.is_statistics() {
        return None;
    }
    let residual = |stage| matches!(stage, Stage::Embedding | Stage::FfnInp | Stage::LayerOut);
    let counts = trace.records.iter().filter_map(|record| {
        let [capture] = record.captures.as_slice() else {
            return None;
        };
        let [step] = capture.steps.as_slice() else {
            return None;
        };
        let count = record.count().filter(|_| residual(step.stage))?;
        let tokens = count.checked_div(model.config.hidden)?;
        (tokens > 1 && tokens.checked_mul(model.config.hidden) == Some(count)).then_some(tokens)
    });
    let mut counts: Vec<_> = counts.collect();
    counts.dedup();
    match counts.as_slice() {
        [tokens] => Some(*tokens),
        _ => None,
    }
}

fn choose(
    model: &Model,
    sources: &[&dyn Source],
    trace: &Trace,
    given: Option<&[u32]>,
    others: &[Trace],
) -> Result<(Vec<u32>, TokensFrom), CompareError> {
    let name = trace.short_name();
    match (&trace.tokens, given) {
        (Some(found), Some(given)) if found != given => Err(CompareError::OtherTokens {
            trace: name,
            found: list(found),
            given: list(given),
        }),
        (Some(found), _) => Ok((found.clone(), TokensFrom::Trace)),
        (None, Some(given)) => match looked_up(model, sources, trace, Some(given))? {
            LookedUp::Tokens(found) => Err(CompareError::OtherTokens {
                trace: name,
                found: list(&found),
                given: list(given),
            }),
            _ => Ok((given.to_vec(), TokensFrom::Given)),
        },
        (None, None) => {
            let why = match looked_up(model, sources, trace, None)? {
                LookedUp::Tokens(tokens) => return Ok((tokens, TokensFrom::Embedding)),
                LookedUp::NotRecorded => "it did not record the rows looked up",
                LookedUp::Known | LookedUp::OtherRows => {
                    "the rows that it recorded are not those of this model"
                }
            };
            let mut other = others.iter().filter_map(|other| other.tokens.as_ref());
            match other.next() {
                Some(first) if other.all(|tokens| tokens == first) => {
                    Ok((first.clone(), TokensFrom::OtherTrace))
                }
                _ => Err(CompareError::NoTokens {
                    trace: name,
                    why: why.to_owned(),
                }),
            }
        }
    }
}

/// Token ids as a list.
pub(crate) fn list(tokens: &[u32]) -> String {
    let ids: Vec<_> = tokens.iter().map(u32::to_string).collect();
    ids.join(",")
}

enum LookedUp {
    /// Those that were expected.
    Known,
    Tokens(Vec<u32>),
    NotRecorded,
    OtherRows,
}

/// Holds the rows that a trace recorded against those of the tokens that are expected; else finds the tokens whose rows of
/// the embedding they are, bit for bit, and the lowest id where rows are equal.
fn looked_up(
    model: &Model,
    sources: &[&dyn Source],
    trace: &Trace,
    expected: Option<&[u32]>,
) -> Result<LookedUp, CompareError> {
    let embedding = Step::of_model(Stage::Embedding);
    let record = trace.records.iter().find(|record| {
        record
            .captures
            .iter()
            .any(|capture| capture.steps == [embedding])
    });
    let width = model.embedding().columns().max(1);
    let Some(values) = record
        .map(|record| trace.values(record))
        .transpose()?
        .flatten()
    else {
        return Ok(LookedUp::NotRecorded);
    };
    let bits = |row: &[f32]| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let wanted: Vec<Vec<u32>> = values.chunks(width).map(bits).collect();
    let vocabulary = model.embedding().rows();
    if let Some(expected) = expected {
        let mut known = Vec::new();
        for id in expected {
            match usize::try_from(*id) {
                Ok(id) if id < vocabulary => {
                    known.push(bits(&rows(model.embedding(), sources, id, 1)?));
                }
                // The run refuses it.
                _ => return Ok(LookedUp::Known),
            }
        }
        if known == wanted {
            return Ok(LookedUp::Known);
        }
    }
    let mut found: HashMap<&[u32], u32> = HashMap::new();
    let mut first = 0usize;
    while first < vocabulary {
        let count = PANEL.min(vocabulary - first);
        let panel = rows(model.embedding(), sources, first, count)?;
        for (row, id) in panel.chunks(width).zip(first..) {
            let row = bits(row);
            if let Some(wanted) = wanted.iter().find(|wanted| **wanted == row) {
                let id = u32::try_from(id);
                let id = id.unwrap_or_else(|_| unreachable!("token ids have 32 bits"));
                found.entry(wanted.as_slice()).or_insert(id);
            }
        }
        first += count;
    }
    let tokens = wanted.iter().map(|row| found.get(row.as_slice()).copied());
    Ok(tokens
        .collect::<Option<Vec<u32>>>()
        .map_or(LookedUp::OtherRows, LookedUp::Tokens))
}

/// Rows of the embedding that are dequantised at a time.
const PANEL: usize = 256;
