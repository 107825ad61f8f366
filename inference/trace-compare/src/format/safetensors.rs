//! `.safetensors`: a JSON header with the type, shape and offsets of every tensor, then the data.
//!
//! The header is read alone and values by position, so a large file costs no memory. Written files have their tensors in the order of
//! execution and are streamed stage by stage, since the header needs the shapes only.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::Arc,
};

use serde_json::{Map, Value, json};

use super::{
    error::TraceError,
    record::{Content, Element, Location, MOST_RECORDS, MOST_VALUES, Record},
    shapes::stage_widths,
};
use inference::Digest;
use inference::{Model, NUMERICS, Stage, StageSink, Step};

/// The content of a file.
pub(crate) struct Read {
    pub(crate) records: Vec<Record>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) tokens: Option<Vec<u32>>,
}

/// Reads the header; the captures of the records are left empty. Tensors of integers are skipped.
pub(crate) fn read(path: &Path) -> Result<Read, TraceError> {
    let failed = |error| TraceError::io(path, error);
    let malformed = |offset, expected: &str, found: String| {
        Err(TraceError::malformed(path, offset, expected, found))
    };
    let file = Arc::new(File::open(path).map_err(failed)?);
    let length = file.metadata().map_err(failed)?.len();
    let mut start = [0; 8];
    file.read_exact_at(&mut start, 0).map_err(failed)?;
    let header_length = u64::from_le_bytes(start);
    let data = header_length.saturating_add(8);
    let is_sound = header_length <= LONGEST_HEADER && data <= length;
    let Some(size) = usize::try_from(header_length).ok().filter(|_| is_sound) else {
        let expected = format!("a header of at most {LONGEST_HEADER} bytes inside the file");
        return malformed(0, &expected, format!("{header_length} bytes"));
    };
    let mut header = vec![0; size];
    file.read_exact_at(&mut header, 8).map_err(failed)?;
    let header: Map<String, Value> = match serde_json::from_slice(&header) {
        Ok(header) => header,
        Err(error) => return malformed(8, "a header of JSON", error.to_string()),
    };
    if header.len() > MOST_RECORDS {
        return malformed(8, "fewer tensors", header.len().to_string());
    }
    let mut found = Vec::new();
    for (name, tensor) in header.iter().filter(|(name, _)| *name != METADATA) {
        match tensor_of(tensor) {
            Some(tensor) => found.push((name, tensor)),
            None => {
                let expected = "dtype, shape and data_offsets that agree for each tensor";
                return malformed(8, expected, format!("tensor \"{}\"", name.escape_debug()));
            }
        }
    }
    // An empty tensor begins where the next one does.
    found.sort_by_key(|(_, tensor)| (tensor.begin, tensor.end));
    // Every byte of the data belongs to one tensor.
    let mut end = 0;
    let mut records = Vec::new();
    for (name, tensor) in found {
        if tensor.begin != end {
            let expected = format!(
                "tensor \"{}\" at byte {end} of the data",
                name.escape_debug()
            );
            return malformed(8, &expected, tensor.begin.to_string());
        }
        end = tensor.end;
        let Some(element) = tensor.element else {
            continue;
        };
        records.push(Record {
            name: name.clone(),
            captures: Vec::new(),
            content: Content::InFile(Location {
                file: Arc::clone(&file),
                offset: data.saturating_add(tensor.begin),
                count: tensor.count,
                element,
            }),
        });
    }
    if data.checked_add(end) != Some(length) {
        let expected = format!("{end} bytes of data, as the header says");
        let found = format!("{} bytes", length.saturating_sub(data));
        return malformed(data, &expected, found);
    }
    let labels: BTreeMap<String, String> = header
        .get(METADATA)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let tokens = match labels.get("tokens").map(|text| parse_tokens(text)) {
        Some(None) => {
            let expected = "token ids such as 1,2,3 in the metadata \"tokens\"";
            return malformed(8, expected, "something else".to_owned());
        }
        tokens => tokens.flatten(),
    };
    Ok(Read {
        records,
        labels,
        tokens,
    })
}

/// A sink that writes every stage as F32 `[tokens, values]` under its key.
///
/// The header is written at once, with the shapes that the model gives, and every stage is streamed behind it. The metadata
/// are engine, version, numerics, tokens, the schema of the capture points, and the digest of the model where it is given.
#[derive(Debug)]
pub struct SafetensorsSink<W> {
    out: W,
    /// The remaining stages, with their numbers of values.
    expected: std::vec::IntoIter<(Step, usize)>,
    failure: Option<io::Error>,
}

impl<W: Write> SafetensorsSink<W> {
    /// Writes the header of a run; `model_digest` is the BLAKE3 of the model's file.
    ///
    /// # Errors
    /// Fails when the writer fails.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "sizes of a model that fits its file"
    )]
    pub fn new(
        mut out: W,
        model: &Model,
        tokens: &[u32],
        model_digest: Option<Digest>,
    ) -> io::Result<Self> {
        let ids: Vec<_> = tokens.iter().map(u32::to_string).collect();
        let mut metadata = json!({
            "engine": "aprove",
            "version": env!("CARGO_PKG_VERSION"),
            "numerics": NUMERICS,
            "tokens": ids.join(","),
            "capture_points": capture_point_schema().to_string(),
        });
        if let (Some(digest), Value::Object(metadata)) = (model_digest, &mut metadata) {
            metadata.insert("model_blake3".to_owned(), json!(digest.to_string()));
        }
        let mut header = format!("{{\"{METADATA}\":{metadata}");
        let mut expected = Vec::new();
        let mut offset = 0usize;
        for (step, width) in stage_widths(model, tokens.len()) {
            let count = width * tokens.len();
            let end = offset + count * 4;
            let tensor = json!({
                "dtype": "F32",
                "shape": [tokens.len(), width],
                "data_offsets": [offset, end],
            });
            header.push_str(&format!(",\"{step}\":{tensor}"));
            expected.push((step, count));
            offset = end;
        }
        header.push('}');
        // Data start at a multiple of 8.
        while header.len() % 8 != 0 {
            header.push(' ');
        }
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        Ok(Self {
            out,
            expected: expected.into_iter(),
            failure: None,
        })
    }

    /// Ends the run and returns the writer.
    ///
    /// # Errors
    /// Fails when the writer failed, and when a stage is missing, has another size than the model says or came in another
    /// order.
    pub fn finish(mut self) -> io::Result<W> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        if let Some((step, _)) = self.expected.next() {
            return Err(unexpected(&format!("stage {step} did not come")));
        }
        self.out.flush()?;
        Ok(self.out)
    }

    fn write(&mut self, step: Step, values: &[f32]) -> io::Result<()> {
        if self.expected.next() != Some((step, values.len())) {
            let count = values.len();
            return Err(unexpected(&format!("stage {step} with {count} values")));
        }
        let mut bytes = Vec::new();
        for chunk in values.chunks(CHUNK) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
            self.out.write_all(&bytes)?;
        }
        Ok(())
    }
}

impl<W: Write> StageSink for SafetensorsSink<W> {
    fn stage(&mut self, step: Step, _tokens: usize, values: &[f32]) {
        if self.failure.is_none()
            && let Err(error) = self.write(step, values)
        {
            self.failure = Some(error);
        }
    }
}

/// Returns the id of the capture points: BLAKE3 over a line `stage: capture point` for each stage. Records whose ids differ
/// are not comparable.
pub fn capture_point_schema() -> Digest {
    let mut hasher = blake3::Hasher::new();
    for stage in Stage::ALL {
        hasher.update(format!("{}: {}\n", stage.name(), stage.capture_point()).as_bytes());
    }
    Digest(*hasher.finalize().as_bytes())
}

struct TensorEntry {
    /// `None` for a type that no stage has.
    element: Option<Element>,
    count: usize,
    begin: u64,
    end: u64,
}

fn tensor_of(tensor: &Value) -> Option<TensorEntry> {
    let (size, element) = match tensor.get("dtype")?.as_str()? {
        "F64" => (8, Some(Element::F64)),
        "F32" => (4, Some(Element::F32)),
        "F16" => (2, Some(Element::F16)),
        "BF16" => (2, Some(Element::BF16)),
        "I64" | "U64" => (8, None),
        "I32" | "U32" => (4, None),
        "I16" | "U16" => (2, None),
        "I8" | "U8" | "BOOL" => (1, None),
        _ => return None,
    };
    let dims = tensor.get("shape")?.as_array()?;
    let count = dims
        .iter()
        .try_fold(1u64, |count, dim| count.checked_mul(dim.as_u64()?))
        .filter(|count| *count <= MOST_VALUES)?;
    let [begin, end] = tensor.get("data_offsets")?.as_array()?.as_slice() else {
        return None;
    };
    let (begin, end) = (begin.as_u64()?, end.as_u64()?);
    (end.checked_sub(begin)? == count.checked_mul(size)?).then_some(TensorEntry {
        element,
        count: usize::try_from(count).ok()?,
        begin,
        end,
    })
}

/// `1,2,3`, or the same as a list of JSON.
fn parse_tokens(text: &str) -> Option<Vec<u32>> {
    let text = text.trim();
    let list = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let ids = list.unwrap_or(text).split(',');
    ids.map(|id| id.trim().parse().ok()).collect()
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{what}, which the model does not say"),
    )
}

const METADATA: &str = "__metadata__";

/// As the format's own library has it.
const LONGEST_HEADER: u64 = 100_000_000;

/// Values that are turned into bytes at a time.
const CHUNK: usize = 16 * 1024;
