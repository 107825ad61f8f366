//! The JSON of `apr trace --payload --json`.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

use super::{
    error::TraceError,
    names::payload_record,
    record::{MOST_RECORDS, Printed, Statistics, Trace, TraceFormat},
};

/// Reads the object: statistics of the whole model and of each layer.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Trace, TraceError> {
    let malformed = |expected: &str, found: &str| TraceError::malformed(path, 0, expected, found);
    let value: Value =
        serde_json::from_str(text).map_err(|error| malformed("JSON", &error.to_string()))?;
    let Value::Object(top) = value else {
        return Err(TraceError::unknown(path));
    };
    let mut trace = Trace {
        path: path.to_path_buf(),
        format: TraceFormat::PayloadJson,
        engine: text_of(&top, "format").map(|format| format!("apr trace, {format}")),
        tokens: None,
        labels: BTreeMap::new(),
        records: Vec::new(),
    };
    for field in MODEL_FIELDS {
        if let Some(value) = top.get(field).filter(|value| !value.is_null()) {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            trace.labels.insert(field.to_owned(), value);
        }
    }
    if let Some(ids) = top.get("encoded_tokens") {
        let ids = tokens(ids)
            .ok_or_else(|| malformed("token ids in \"encoded_tokens\"", "something else"))?;
        trace.tokens = Some(ids);
    }
    if let Some(Value::Object(embedding)) = top.get("embedding") {
        let statistics = statistics(path, embedding)?;
        trace
            .records
            .push(payload_record(None, "embedding", statistics));
    }
    if let Some(Value::Array(layers)) = top.get("layers") {
        for layer in layers {
            let index = layer.get("layer_idx").and_then(Value::as_u64);
            let (Some(index), Some(fields)) = (
                index.and_then(|index| usize::try_from(index).ok()),
                layer.as_object(),
            ) else {
                return Err(malformed(
                    "\"layer_idx\" in each layer",
                    "a layer without it",
                ));
            };
            for (name, field) in fields {
                if let Value::Object(field) = field {
                    trace
                        .records
                        .push(payload_record(Some(index), name, statistics(path, field)?));
                }
            }
            if trace.records.len() > MOST_RECORDS {
                return Err(malformed("fewer records", "too many"));
            }
        }
    }
    if let Some(Value::Object(norm)) = top.get("final_norm") {
        trace
            .records
            .push(payload_record(None, "final_norm", statistics(path, norm)?));
    }
    if let Some(Value::Object(logits)) = top.get("logits_stats") {
        let mut statistics = statistics(path, logits)?;
        let logits = top.get("logits").and_then(Value::as_object);
        if let Some(logits) = logits {
            statistics.norm = number(path, logits, "l2_norm")?;
        }
        if let Some(Value::Array(greatest)) = logits.and_then(|logits| logits.get("top_k")) {
            let one = |one: &Value| {
                let id = usize::try_from(one.get("token_id")?.as_u64()?).ok()?;
                Some((id, Printed::whole(one.get("logit")?.as_f64()?)))
            };
            let all = greatest.iter().map(one).collect::<Option<_>>();
            statistics.top = all.ok_or_else(|| {
                malformed("\"token_id\" and \"logit\" in each of \"top_k\"", "others")
            })?;
        }
        trace
            .records
            .push(payload_record(None, "lm_head", statistics));
    }
    if trace.records.is_empty() {
        return Err(TraceError::unknown(path));
    }
    Ok(trace)
}

/// What the object says of the model.
pub(crate) const MODEL_FIELDS: [&str; 6] = [
    "architecture",
    "num_layers",
    "hidden_dim",
    "vocab_size",
    "num_heads",
    "num_kv_heads",
];

fn statistics(path: &Path, field: &Map<String, Value>) -> Result<Statistics, TraceError> {
    let count = |name| {
        let count = |value: &Value| usize::try_from(value.as_u64()?).ok();
        read(path, field, name, "a count", count)
    };
    let number = |name| number(path, field, name);
    Ok(Statistics {
        count: count("count")?,
        mean: number("mean")?,
        deviation: number("std_dev")?,
        least: number("min")?,
        greatest: number("max")?,
        norm: None,
        nans: count("nan_count")?,
        infinities: count("inf_count")?,
        zeros: count("zero_count")?,
        top: Vec::new(),
    })
}

fn number(
    path: &Path,
    object: &Map<String, Value>,
    name: &str,
) -> Result<Option<Printed>, TraceError> {
    let number = |value: &Value| value.as_f64().map(Printed::whole);
    read(path, object, name, "a number", number)
}

/// Reads what the object has under a name: none where there is nothing, or null, which JSON has for NaN.
fn read<T>(
    path: &Path,
    object: &Map<String, Value>,
    name: &str,
    expected: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, TraceError> {
    let Some(value) = object.get(name).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let found = match value {
        Value::Number(number) => number.to_string(),
        _ => "something else".to_owned(),
    };
    let malformed = || TraceError::malformed(path, 0, format!("{expected} in {name:?}"), found);
    read(value).map(Some).ok_or_else(malformed)
}

fn tokens(value: &Value) -> Option<Vec<u32>> {
    let ids = value.as_array()?.iter();
    ids.map(|id| u32::try_from(id.as_u64()?).ok()).collect()
}

fn text_of<'a>(top: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    top.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_json_is_told_from_a_trace() {
        for text in ["{}", "{\"layers\": []}", "{\"a\": 1}", "{\"layers\": {}}"] {
            let result = parse(Path::new("t.json"), text);
            assert!(matches!(result, Err(TraceError::Unknown { .. })), "{text}");
        }
        for text in [
            "{",
            "{\"encoded_tokens\": [1, -1]}",
            "{\"encoded_tokens\": 7}",
            "{\"layers\": [{\"attn_norm\": {}}]}",
            "{\"layers\": [1]}",
            "{\"embedding\": {\"nan_count\": 1e30}}",
            "{\"embedding\": {\"inf_count\": -1}}",
            "{\"final_norm\": {\"count\": \"7\"}}",
            "{\"logits_stats\": {\"zero_count\": 0.5}}",
            "{\"layers\": [{\"layer_idx\": 0, \"attn_norm\": {\"mean\": \"x\"}}]}",
        ] {
            let result = parse(Path::new("t.json"), text);
            assert!(
                matches!(result, Err(TraceError::Malformed { .. })),
                "{text}"
            );
        }
    }
}
