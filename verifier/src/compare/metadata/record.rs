//! The lossless record that our converter leaves in an artifact, read back.
//!
//! The key `aprove` of the metadata holds every byte of the source GGUF that is no tensor data, as key/values and tensor
//! infos (the page `converter/ARTIFACT.md` describes it). From it the head of the source is built again and compared with
//! the head of the GGUF at hand: the first byte that differs is the exact place of a damage, also where the damaged head
//! cannot be decoded any more.

use crate::decode::apr::{Document, Json, Kind};
use crate::decode::gguf;
use crate::region::{Region, RegionKind, Span};

/// What an artifact says about one source file.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceRecord {
    /// Base name of the file.
    pub(crate) file: String,
    /// Length in bytes.
    pub(crate) size: u64,
    /// Digests of the whole file, lower-case hex.
    #[expect(dead_code, reason = "SHA-256 is compared where a manifest gives it")]
    pub(crate) sha256: String,
    /// BLAKE3, the same way.
    pub(crate) blake3: String,
    /// The head, built again: header, key/values, tensor infos, padding.
    pub(crate) head: Vec<u8>,
    /// The regions of that head.
    pub(crate) regions: Vec<Region>,
}

/// Reads the records of all sources; `Ok(None)` when the artifact has none, an error that names the broken part.
pub(crate) fn read(document: &Document) -> Result<Option<Vec<SourceRecord>>, String> {
    let Some(record) = document.get("aprove") else {
        return Ok(None);
    };
    let version = document
        .member(record, "record")
        .and_then(|json| document.u64(json));
    if version != Some(1) {
        return Err("record: version 1 expected".to_owned());
    }
    let sources = document
        .member(record, "sources")
        .and_then(items)
        .ok_or("sources: a list expected")?;
    sources
        .iter()
        .enumerate()
        .map(|(index, source)| {
            read_source(document, source).map_err(|what| format!("sources[{index}].{what}"))
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The digests of the stored tensors: APR name, BLAKE3, SHA-256.
pub(crate) fn tensor_digests(document: &Document) -> Vec<(String, String, String)> {
    let tensors = document
        .get("aprove")
        .and_then(|record| document.member(record, "tensors"));
    let Some(Kind::Object(members)) = tensors.map(|tensors| &tensors.kind) else {
        return Vec::new();
    };
    let read = |(name, digests): &(Json, Json)| {
        let [blake3, sha256] = items(digests)? else {
            return None;
        };
        let text = |json| document.string(json).map(std::borrow::Cow::into_owned);
        Some((text(name)?, text(blake3)?, text(sha256)?))
    };
    members.iter().filter_map(read).collect()
}

fn read_source(document: &Document, source: &Json) -> Result<SourceRecord, String> {
    let text = |key: &str| {
        let json = document.member(source, key).ok_or_else(|| key.to_owned())?;
        document
            .string(json)
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| key.to_owned())
    };
    let number = |key: &str| {
        document
            .member(source, key)
            .and_then(|json| document.u64(json))
            .ok_or_else(|| key.to_owned())
    };
    let list = |key: &str| {
        document
            .member(source, key)
            .and_then(items)
            .ok_or_else(|| key.to_owned())
    };
    let mut record = SourceRecord {
        file: text("file")?,
        size: number("size")?,
        sha256: text("sha256")?,
        blake3: text("blake3")?,
        ..SourceRecord::default()
    };
    let (kv, tensors) = (list("kv")?, list("tensors")?);
    let version = u32::try_from(number("version")?).map_err(|_| "version")?;
    let data_offset = number("data_offset")?;
    let mut head = HeadBuilder::default();
    head.bytes.extend_from_slice(b"GGUF");
    head.bytes.extend_from_slice(&version.to_le_bytes());
    head.bytes
        .extend_from_slice(&(tensors.len() as u64).to_le_bytes());
    head.bytes
        .extend_from_slice(&(kv.len() as u64).to_le_bytes());
    head.close(RegionKind::Header, Vec::new());
    for (index, entry) in kv.iter().enumerate() {
        head.key_value(document, entry)
            .ok_or_else(|| format!("kv[{index}]"))?;
    }
    for (index, tensor) in tensors.iter().enumerate() {
        head.tensor_info(document, tensor)
            .ok_or_else(|| format!("tensors[{index}]"))?;
    }
    let padding = data_offset
        .checked_sub(head.bytes.len() as u64)
        .filter(|&padding| padding <= LARGEST_PADDING)
        .and_then(|padding| usize::try_from(padding).ok())
        .ok_or("data_offset")?;
    head.bytes
        .resize(head.bytes.len().saturating_add(padding), 0);
    head.close(RegionKind::Padding, Vec::new());
    record.head = head.bytes;
    record.regions = head.regions;
    Ok(record)
}

#[derive(Default)]
struct HeadBuilder {
    bytes: Vec<u8>,
    regions: Vec<Region>,
}

impl HeadBuilder {
    fn close(&mut self, kind: RegionKind, label: Vec<u8>) {
        let start = self.regions.last().map_or(0, |region| region.span.end());
        let span = Span::new(start, (self.bytes.len() as u64).saturating_sub(start));
        if span.length > 0 {
            self.regions.push(Region { kind, span, label });
        }
    }

    /// `[KEY, TYPE, VALUE]`
    fn key_value(&mut self, document: &Document, entry: &Json) -> Option<()> {
        let [key, type_name, value] = items(entry)? else {
            return None;
        };
        let key = bytes_of(document, key)?;
        let type_id = type_id(&document.string(type_name)?)?;
        self.bytes
            .extend_from_slice(&(key.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(&key);
        self.bytes.extend_from_slice(&type_id.to_le_bytes());
        encode(document, type_id, value, &mut self.bytes, 0)?;
        self.close(RegionKind::KeyValue, key);
        Some(())
    }

    /// `[NAME, TYPE, [ne0, ...], OFFSET]`
    fn tensor_info(&mut self, document: &Document, tensor: &Json) -> Option<()> {
        let [name, type_id, dims, offset] = items(tensor)? else {
            return None;
        };
        let name = bytes_of(document, name)?;
        let type_id = u32::try_from(document.u64(type_id)?).ok()?;
        let dims = items(dims)?;
        self.bytes
            .extend_from_slice(&(name.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(&name);
        self.bytes
            .extend_from_slice(&u32::try_from(dims.len()).ok()?.to_le_bytes());
        for dim in dims {
            self.bytes
                .extend_from_slice(&document.u64(dim)?.to_le_bytes());
        }
        self.bytes.extend_from_slice(&type_id.to_le_bytes());
        self.bytes
            .extend_from_slice(&document.u64(offset)?.to_le_bytes());
        self.close(RegionKind::TensorInfo, name);
        Some(())
    }
}

/// Appends the bytes that a value has in a GGUF. Nesting is bounded by that of the JSON.
fn encode(
    document: &Document,
    type_id: u32,
    value: &Json,
    out: &mut Vec<u8>,
    depth: usize,
) -> Option<()> {
    match type_id {
        6 => out.extend_from_slice(&bits(document, value, 8)?.to_le_bytes()[..4]),
        12 => out.extend_from_slice(&bits(document, value, 16)?.to_le_bytes()),
        7 => match value.kind {
            Kind::Bool(bool) => out.push(bool.into()),
            _ => return None,
        },
        8 => encode_string(&bytes_of(document, value)?, out),
        9 if depth < DEEPEST => encode_array(document, value, out, depth.saturating_add(1))?,
        _ => encode_integer(type_id, document.integer(value)?, out)?,
    }
    Some(())
}

fn encode_integer(type_id: u32, value: i128, out: &mut Vec<u8>) -> Option<()> {
    match type_id {
        0 => out.extend_from_slice(&u8::try_from(value).ok()?.to_le_bytes()),
        1 => out.extend_from_slice(&i8::try_from(value).ok()?.to_le_bytes()),
        2 => out.extend_from_slice(&u16::try_from(value).ok()?.to_le_bytes()),
        3 => out.extend_from_slice(&i16::try_from(value).ok()?.to_le_bytes()),
        4 => out.extend_from_slice(&u32::try_from(value).ok()?.to_le_bytes()),
        5 => out.extend_from_slice(&i32::try_from(value).ok()?.to_le_bytes()),
        10 => out.extend_from_slice(&u64::try_from(value).ok()?.to_le_bytes()),
        11 => out.extend_from_slice(&i64::try_from(value).ok()?.to_le_bytes()),
        _ => return None,
    }
    Some(())
}

fn encode_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// `{"of": TYPE, "v": [...]}`, or `{"of": TYPE, "ref": KEY}` with plain items at that top-level key.
fn encode_array(document: &Document, value: &Json, out: &mut Vec<u8>, depth: usize) -> Option<()> {
    let type_id = type_id(&document.string(document.member(value, "of")?)?)?;
    let reference = document.member(value, "ref");
    let list = match reference {
        Some(key) => document.get(&document.string(key)?)?,
        None => document.member(value, "v")?,
    };
    let list = items(list)?;
    out.extend_from_slice(&type_id.to_le_bytes());
    out.extend_from_slice(&(list.len() as u64).to_le_bytes());
    for item in list {
        if reference.is_some() && type_id == 6 {
            // Loaders read plain numbers there.
            out.extend_from_slice(&document.f32(item)?.to_le_bytes());
        } else {
            encode(document, type_id, item, out, depth)?;
        }
    }
    Some(())
}

/// A JSON string, `{"hex": "..."}`, or `{"ref": KEY}`.
fn bytes_of(document: &Document, json: &Json) -> Option<Vec<u8>> {
    if let Some(text) = document.string(json) {
        return Some(text.into_owned().into_bytes());
    }
    if let Some(key) = document.member(json, "ref") {
        let target = document.get(&document.string(key)?)?;
        return Some(document.string(target)?.into_owned().into_bytes());
    }
    let hex = document.string(document.member(json, "hex")?)?;
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// The bits of a float, as hex digits in a string.
fn bits(document: &Document, json: &Json, digits: usize) -> Option<u64> {
    let text = document.string(json)?;
    (text.len() == digits).then(|| u64::from_str_radix(&text, 16).ok())?
}

fn type_id(name: &str) -> Option<u32> {
    let index = gguf::TYPE_NAMES.iter().position(|known| *known == name)?;
    u32::try_from(index).ok()
}

fn items(json: &Json) -> Option<&[Json]> {
    match &json.kind {
        Kind::Array(items) => Some(items),
        _ => None,
    }
}

/// The alignment is at most 1 MiB.
const LARGEST_PADDING: u64 = 1 << 20;
const DEEPEST: usize = 64;
