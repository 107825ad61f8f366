//! A tensor as a report writes it: what both files have alike stands once.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::{DifferenceRow, Sides, TensorResult, TensorRow, TensorSide, ValuesRow};

/// One tensor and how it came out. What both files have alike stands here, what is of one of them alone in its side.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TensorRow")]
struct Written<'a> {
    /// `bytes equal`, `values equal`, `different`, `not compared`.
    result: TensorResult,
    /// Whether the APR tensor is the copy of a tied embedding; absent where it is none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    tied: bool,
    #[serde(flatten)]
    shared: Description<'a>,
    /// The tensor in each file that has it.
    #[serde(flatten)]
    sides: Sides<Description<'a>>,
    /// How the bytes differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<&'a DifferenceRow>,
    /// How the decoded values differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<&'a ValuesRow>,
}

/// A tensor, or the part of its description that stands in one place.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "TensorSide")]
struct Description<'a> {
    /// The name, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// The type.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'a str>,
    /// The dimensions in the order of a GGUF, the innermost first; an APR file beside a GGUF stores them in reverse. Of two
    /// APR files, as they store them.
    #[serde(skip_serializing_if = "Option::is_none")]
    shape: Option<Cow<'a, [u64]>>,
    /// The shard of a split set, from 0; absent for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<usize>,
    /// First byte, from the start of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// Bytes without padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// BLAKE3 of these bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    blake3: Option<&'a str>,
    /// SHA-256 of these bytes, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
}

impl<'a> Description<'a> {
    fn of(tensor: &'a TensorSide) -> Self {
        Self {
            name: Some(&tensor.name),
            r#type: Some(&tensor.r#type),
            shape: Some(Cow::Borrowed(&tensor.shape)),
            shard: Some(tensor.shard).filter(|shard| *shard > 0),
            offset: Some(tensor.offset),
            size: Some(tensor.size),
            blake3: tensor.blake3.as_deref(),
            sha256: tensor.sha256.as_deref(),
        }
    }

    fn of_apr(tensor: &'a TensorSide) -> Self {
        let shape = tensor.shape.iter().rev().copied();
        Self {
            shape: Some(shape.collect()),
            ..Self::of(tensor)
        }
    }

    /// Takes what is the same in both.
    fn shared(a: &mut Self, b: &mut Self) -> Self {
        Self {
            name: same(&mut a.name, &mut b.name),
            r#type: same(&mut a.r#type, &mut b.r#type),
            shape: same(&mut a.shape, &mut b.shape),
            shard: same(&mut a.shard, &mut b.shard),
            offset: same(&mut a.offset, &mut b.offset),
            size: same(&mut a.size, &mut b.size),
            blake3: same(&mut a.blake3, &mut b.blake3),
            sha256: same(&mut a.sha256, &mut b.sha256),
        }
    }
}

fn same<T: PartialEq>(a: &mut Option<T>, b: &mut Option<T>) -> Option<T> {
    if a != b {
        return None;
    }
    *b = None;
    a.take()
}

impl<'a> Written<'a> {
    fn of(row: &'a TensorRow) -> Self {
        let TensorRow {
            result,
            tied,
            sides,
            difference,
            values,
        } = row;
        let mut sides = Sides {
            apr: sides.apr.as_ref().map(Description::of_apr),
            gguf: sides.gguf.as_ref().map(Description::of),
            a: sides.a.as_ref().map(Description::of),
            b: sides.b.as_ref().map(Description::of),
        };
        let shared = match &mut sides {
            Sides {
                apr: Some(first),
                gguf: Some(second),
                ..
            }
            | Sides {
                a: Some(first),
                b: Some(second),
                ..
            } => Description::shared(first, second),
            _ => Description::default(),
        };
        Self {
            result: *result,
            tied: *tied,
            shared,
            sides,
            difference: difference.as_ref(),
            values: values.as_ref(),
        }
    }
}

impl Serialize for TensorRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::of(self).serialize(serializer)
    }
}

impl JsonSchema for TensorRow {
    fn schema_name() -> Cow<'static, str> {
        Written::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::finding::Side;

    fn side(name: &str, shape: &[u64], blake3: &str) -> TensorSide {
        TensorSide {
            name: name.to_owned(),
            r#type: "F32".to_owned(),
            shape: shape.to_vec(),
            shard: 0,
            offset: 64,
            size: 24,
            blake3: Some(blake3.to_owned()),
            sha256: None,
        }
    }

    fn written(sides: [Side; 2], values: [Option<TensorSide>; 2]) -> serde_json::Value {
        let row = TensorRow {
            result: TensorResult::Different,
            tied: false,
            sides: Sides::new(sides, values),
            difference: None,
            values: None,
        };
        serde_json::to_value(row).unwrap()
    }

    #[test]
    fn what_both_files_have_alike_stands_once() {
        let row = written(
            Side::BY_FORMAT,
            [Some(side("a", &[3, 2], "x")), Some(side("b", &[2, 3], "y"))],
        );
        let expected = json!({
            "result": "different", "type": "F32", "shape": [2, 3], "offset": 64, "size": 24,
            "apr": { "name": "a", "blake3": "x" },
            "gguf": { "name": "b", "blake3": "y" },
        });
        assert_eq!(row, expected);
        let both = [Some(side("a", &[3], "x")), Some(side("a", &[3], "x"))];
        let row = written(Side::BY_POSITION, both);
        assert_eq!((&row["a"], &row["b"]), (&json!({}), &json!({})));
        assert_eq!(row["blake3"], "x");
    }

    #[test]
    fn what_one_file_has_stands_in_its_side() {
        let one = [Some(side("a", &[3, 2], "x")), None];
        let row = written(Side::BY_FORMAT, one);
        assert_eq!(row["apr"]["shape"], json!([2, 3]));
        assert_eq!(row["apr"]["blake3"], "x");
        assert_eq!(row["size"], json!(null));
    }
}
