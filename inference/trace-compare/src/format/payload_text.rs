//! The text of `apr trace --payload`.

use std::{collections::BTreeMap, path::Path};

use super::{
    error::TraceError,
    names::payload_record,
    record::{Printed, Record, Statistics, Trace, TraceFormat},
};

/// Reads the text: sections of the whole model, and a line of mean and deviation for each value of a layer.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Trace, TraceError> {
    let mut trace = Trace {
        path: path.to_path_buf(),
        format: TraceFormat::PayloadText,
        engine: None,
        tokens: None,
        labels: BTreeMap::new(),
        records: Vec::new(),
    };
    let mut current = Section::Elsewhere;
    let mut offset = 0u64;
    for raw in text.split_inclusive('\n') {
        let line = without_colours(raw);
        let line = line.trim();
        let malformed =
            |expected: &str| TraceError::malformed(path, offset, expected, line.escape_debug());
        if let Some(ids) = line.strip_prefix("Encoded tokens:") {
            let ids = tokens(ids).ok_or_else(|| malformed("token ids such as [87, 104]"))?;
            trace.tokens = Some(ids);
        } else if let Some(format) = line.strip_prefix("Format:") {
            trace.engine = Some(format!("apr trace, {}", format.trim()));
        } else if let Some(section) = section(line) {
            current = section;
        } else if let Some(rest) = line.strip_prefix("Layer ") {
            let index = rest.trim_start().split('/').next().map(str::parse);
            let Some(Ok(index)) = index else {
                return Err(malformed("a layer such as \"Layer 0/2\""));
            };
            current = Section::Layer(index);
        } else {
            match current {
                Section::Elsewhere => {}
                Section::Layer(layer) => {
                    if let Some((name, numbers)) = line.split_once(':') {
                        let statistics = mean_and_deviation(numbers)
                            .ok_or_else(|| malformed("\"mean= NUMBER std= NUMBER\""))?;
                        let statistics = payload_record(Some(layer), name.trim(), statistics);
                        trace.records.push(statistics);
                    }
                }
                Section::Top if line.is_empty() => {}
                Section::Top => {
                    let last = trace.records.last_mut();
                    let known = greatest(line)
                        .zip(last.and_then(Record::statistics_mut))
                        .map(|(one, last)| last.top.push(one));
                    known.ok_or_else(|| {
                        malformed("\"1. token_id=3, logit=2.5\" behind the logits")
                    })?;
                }
                Section::Model(name) => {
                    let known = labelled(line, &mut trace.records, name);
                    known.ok_or_else(|| malformed("labelled numbers such as \"Mean: 0.5\""))?;
                }
            }
        }
        offset = offset.saturating_add(raw.len() as u64);
    }
    if trace.records.is_empty() {
        return Err(TraceError::unknown(path));
    }
    Ok(trace)
}

/// Where in the text a line is.
#[derive(Debug, Clone, Copy)]
enum Section {
    Elsewhere,
    Layer(usize),
    Model(&'static str),
    /// The greatest logits.
    Top,
}

fn section(line: &str) -> Option<Section> {
    Some(match line {
        "EMBEDDING:" => Section::Model("embedding"),
        "FINAL LAYER NORM:" => Section::Model("final_norm"),
        "LM_HEAD output:" => Section::Model("lm_head"),
        _ if line.starts_with("Top ") => Section::Top,
        "LAYER-BY-LAYER ACTIVATIONS:" | "TRACE SUMMARY:" | "TOKEN-BY-TOKEN DECODE:" => {
            Section::Elsewhere
        }
        _ if line.starts_with("GENERATION") => Section::Elsewhere,
        _ => return None,
    })
}

/// Adds the numbers of a line such as `Mean: -0.0003, Std: 0.0200` or `Range: [-0.0648, 0.0705]` to the record of a section.
fn labelled(line: &str, records: &mut Vec<Record>, name: &str) -> Option<()> {
    let mut statistics = match records.pop_if(|record| record.name == name) {
        Some(record) => record.statistics().cloned().unwrap_or_default(),
        None => Statistics::default(),
    };
    if let Some(range) = line.strip_prefix("Range:") {
        let range = range.trim().strip_prefix('[')?.strip_suffix(']')?;
        let (least, greatest) = range.split_once(',')?;
        statistics.least = Some(printed(least)?);
        statistics.greatest = Some(printed(greatest)?);
    } else {
        for part in line.split(',').filter(|part| !part.trim().is_empty()) {
            let (label, number) = part.split_once(':')?;
            match label.trim() {
                "Mean" => statistics.mean = Some(printed(number)?),
                "Std" => statistics.deviation = Some(printed(number)?),
                "L2 norm" => statistics.norm = Some(printed(number)?),
                // The size of the vocabulary, and anything else that a version adds.
                _ => {}
            }
        }
    }
    if statistics != Statistics::default() {
        records.push(payload_record(None, name, statistics));
    }
    Some(())
}

/// A line such as `1. token_id=149, logit=3.3583`.
fn greatest(line: &str) -> Option<(usize, Printed)> {
    let (_, rest) = line.split_once("token_id=")?;
    let (id, logit) = rest.split_once(", logit=")?;
    Some((id.parse().ok()?, printed(logit)?))
}

fn mean_and_deviation(text: &str) -> Option<Statistics> {
    let (_, rest) = text.split_once("mean=")?;
    let (mean, deviation) = rest.split_once("std=")?;
    Some(Statistics {
        mean: Some(printed(mean)?),
        deviation: Some(printed(deviation.split_whitespace().next()?)?),
        ..Statistics::default()
    })
}

fn tokens(text: &str) -> Option<Vec<u32>> {
    let list = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    list.split(',').map(|id| id.trim().parse().ok()).collect()
}

/// A decimal with the precision that it was printed with.
fn printed(text: &str) -> Option<Printed> {
    let text = text.trim();
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    Some(Printed {
        value: text.parse().ok()?,
        places: Some(u16::try_from(places).ok()?),
    })
}

/// The line without the escape sequences that colour it.
fn without_colours(line: &str) -> String {
    let mut out = String::new();
    let mut parts = line.split("\x1b[");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let rest = part.split_once('m').map_or(part, |(_, rest)| rest);
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_precision_that_they_were_printed_with() {
        let text = "Encoded tokens: [87, 4]\nEMBEDDING:\n  Range: [-0.5, 0.25]\n  Mean: -0.0003, Std:   0.02\n\
                    LAYER-BY-LAYER ACTIVATIONS:\n  Legend: std>100=RED\n  Layer  0/2 [OK]\n    \
                    qkv      : mean=  1.3144 std= \x1b[34m14.3077\x1b[0m\nLM_HEAD output:\n  L2 norm: 23.3\n\
                    Top 5 predictions:\n  1. token_id=3, logit=2\n";
        let trace = parse(Path::new("t.txt"), text).unwrap();
        assert_eq!(trace.tokens, Some(vec![87, 4]));
        let names: Vec<_> = trace.records.iter().map(|record| &record.name).collect();
        assert_eq!(names, ["embedding", "layer 0 qkv", "lm_head"]);
        let embedding = trace.records[0].statistics().unwrap();
        assert_eq!(embedding.greatest.unwrap().value, 0.25);
        assert_eq!(embedding.deviation.unwrap().half_unit(), 0.005);
        let qkv = trace.records[1].statistics().unwrap();
        assert_eq!(qkv.deviation.unwrap().value, 14.3077);
        assert!((qkv.deviation.unwrap().half_unit() - 0.00005).abs() < 1e-12);
        assert_eq!(trace.records[1].captures.len(), 2);
    }

    #[test]
    fn a_broken_line_is_named_with_its_offset() {
        for (text, offset) in [
            ("Encoded tokens: [87, x]\n", 0),
            ("\n\nLayer x/2\n", 2),
            ("  Layer 0/2\n qkv: mean= 1 std= y\n", 12),
            ("EMBEDDING:\n Range: [1]\n", 11),
        ] {
            match parse(Path::new("t.txt"), text) {
                Err(TraceError::Malformed { offset: found, .. }) => assert_eq!(found, offset),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        let other = parse(Path::new("t.txt"), "hello\n");
        assert!(matches!(other, Err(TraceError::Unknown { .. })));
    }
}
