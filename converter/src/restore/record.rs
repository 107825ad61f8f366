//! The record of an artifact, read back: what the sources held besides their tensor data.
//!
//! The format is described in `ARTIFACT.md` of this package.

use gguf_file::{GgmlType, ValueType};
use serde_json::{Map, Value as Json};

/// The part of the record that restoring needs.
pub(super) struct Record<'a> {
    /// `hf` or `gguf`.
    pub(super) names: &'a str,
    /// Whether the output matrix is a copy of the embedding.
    pub(super) has_copy: bool,
    /// GGUF names of the tensors that were stored as decoded F32.
    pub(super) decoded: Vec<&'a str>,
    /// The source files, in shard order.
    pub(super) sources: Vec<Source<'a>>,
}

/// One source file.
pub(super) struct Source<'a> {
    /// Bytes of the file.
    pub(super) size: u64,
    /// BLAKE3 of the file, in hex.
    pub(super) blake3: &'a str,
    /// Where the tensor data starts, in bytes.
    pub(super) data_offset: u64,
    pub(super) contents: Contents<'a>,
}

/// What the head of a file says.
pub(super) struct Contents<'a> {
    pub(super) version: u32,
    /// In file order.
    pub(super) pairs: Vec<Pair<'a>>,
    /// In file order.
    pub(super) tensors: Vec<Tensor>,
}

/// A key/value pair.
pub(super) struct Pair<'a> {
    pub(super) key: Vec<u8>,
    pub(super) value_type: ValueType,
    /// The value as the record encodes it.
    pub(super) value: &'a Json,
}

/// A tensor info.
#[derive(Clone)]
pub(super) struct Tensor {
    pub(super) name: Vec<u8>,
    pub(super) ggml_type: GgmlType,
    /// The contiguous dimension first.
    pub(super) dims: Vec<u64>,
    /// From the start of the tensor data, in bytes.
    pub(super) offset: u64,
    /// Bytes of the data.
    pub(super) size: u64,
}

/// What is wrong with a record.
pub(super) type Malformed = String;

impl<'a> Record<'a> {
    /// Reads the key `aprove` of the metadata; `None` where there is none.
    pub(super) fn read(metadata: &'a Map<String, Json>) -> Option<Result<Self, Malformed>> {
        metadata.get("aprove").map(|record| {
            let record = record.as_object().ok_or("the record is not an object")?;
            Self::of(record)
        })
    }

    fn of(record: &'a Map<String, Json>) -> Result<Self, Malformed> {
        match unsigned(record, "record")? {
            VERSION => {}
            other => {
                return Err(format!(
                    "the record has version {other}, and this aprove reads version {VERSION}"
                ));
            }
        }
        let decoded = match record.get("decoded") {
            None => Vec::new(),
            Some(names) => array(names, "decoded")?
                .iter()
                .map(|name| name.as_str().ok_or("decoded: a name is not a string"))
                .collect::<Result<_, _>>()?,
        };
        let sources = field(record, "sources")?;
        Ok(Self {
            names: text(record, "names")?,
            has_copy: text(record, "tie")? == "duplicate",
            decoded,
            sources: array(sources, "sources")?
                .iter()
                .map(Source::of)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl<'a> Source<'a> {
    fn of(source: &'a Json) -> Result<Self, Malformed> {
        let source = source.as_object().ok_or("a source is not an object")?;
        let version = unsigned(source, "version")?;
        Ok(Self {
            size: unsigned(source, "size")?,
            blake3: text(source, "blake3")?,
            data_offset: unsigned(source, "data_offset")?,
            contents: Contents {
                version: u32::try_from(version).map_err(|_| "version is too large")?,
                pairs: array(field(source, "kv")?, "kv")?
                    .iter()
                    .map(Pair::of)
                    .collect::<Result<_, _>>()?,
                tensors: array(field(source, "tensors")?, "tensors")?
                    .iter()
                    .map(Tensor::of)
                    .collect::<Result<_, _>>()?,
            },
        })
    }
}

impl<'a> Pair<'a> {
    fn of(pair: &'a Json) -> Result<Self, Malformed> {
        let [key, value_type, value] = array(pair, "kv")?.as_slice() else {
            return Err("kv: a pair does not have three items".to_owned());
        };
        Ok(Self {
            key: bytes(key)?,
            value_type: value_type_named(value_type)?,
            value,
        })
    }
}

impl Tensor {
    fn of(tensor: &Json) -> Result<Self, Malformed> {
        let [name, type_id, dims, offset] = array(tensor, "tensors")?.as_slice() else {
            return Err("tensors: an entry does not have four items".to_owned());
        };
        let type_id = type_id.as_u64().and_then(|id| u32::try_from(id).ok());
        let ggml_type = type_id.and_then(|id| GgmlType::from_id(id).ok());
        let ggml_type = ggml_type.ok_or("tensors: a type is not known")?;
        let dims = array(dims, "dims")?
            .iter()
            .map(|dim| dim.as_u64().ok_or("tensors: a dimension is not a number"))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            name: bytes(name)?,
            size: size_of(ggml_type, &dims).ok_or("tensors: a shape does not fit its type")?,
            ggml_type,
            dims,
            offset: offset
                .as_u64()
                .ok_or("tensors: an offset is not a number")?,
        })
    }
}

/// Bytes of the data of a tensor.
fn size_of(ggml_type: GgmlType, dims: &[u64]) -> Option<u64> {
    let elements = dims
        .iter()
        .try_fold(1, |all: u64, dim| all.checked_mul(*dim))?;
    if !elements.is_multiple_of(ggml_type.block_size()) {
        return None;
    }
    elements
        .checked_div(ggml_type.block_size())?
        .checked_mul(ggml_type.block_bytes())
}

/// Reads a string, or `{"hex": "..."}` where the bytes are not UTF-8.
pub(super) fn bytes(value: &Json) -> Result<Vec<u8>, Malformed> {
    if let Some(text) = value.as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let hex = value.get("hex").and_then(Json::as_str);
    hex.and_then(unhex)
        .ok_or_else(|| "a string is neither text nor hex digits".to_owned())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

/// Reads the name of a value type, such as `u32`.
pub(super) fn value_type_named(name: &Json) -> Result<ValueType, Malformed> {
    let name = name.as_str().unwrap_or_default();
    (0..=LAST_VALUE_TYPE)
        .filter_map(ValueType::from_id)
        .find(|value_type| value_type.name() == name)
        .ok_or_else(|| format!("\"{}\" is not a value type", name.escape_debug()))
}

fn field<'a>(object: &'a Map<String, Json>, key: &str) -> Result<&'a Json, Malformed> {
    object.get(key).ok_or_else(|| format!("{key} is missing"))
}

fn unsigned(object: &Map<String, Json>, key: &str) -> Result<u64, Malformed> {
    let number = field(object, key)?.as_u64();
    number.ok_or_else(|| format!("{key} is not an unsigned integer"))
}

fn text<'a>(object: &'a Map<String, Json>, key: &str) -> Result<&'a str, Malformed> {
    let text = field(object, key)?.as_str();
    text.ok_or_else(|| format!("{key} is not a string"))
}

fn array<'a>(value: &'a Json, key: &str) -> Result<&'a Vec<Json>, Malformed> {
    let items = value.as_array();
    items.ok_or_else(|| format!("{key} is not an array"))
}

/// The version of the record that this program writes and reads.
const VERSION: u64 = 2;
/// The highest id of a GGUF value type.
const LAST_VALUE_TYPE: u32 = 12;
