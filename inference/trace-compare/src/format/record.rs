//! A trace in memory: its records, the stages that they may be, and where their values are.

use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{capture::Capture, error::TraceError};

/// The records of one run of an engine.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The file or folder.
    pub path: PathBuf,
    /// The format.
    pub format: TraceFormat,
    /// The engine and its version, if the file says so.
    pub engine: Option<String>,
    /// The token ids, when the file holds them.
    pub tokens: Option<Vec<u32>>,
    /// Other labels of the run, by name.
    pub labels: BTreeMap<String, String>,
    /// The records, in the order of the file.
    pub records: Vec<Record>,
}

/// The format of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceFormat {
    /// A folder of APRT files.
    Aprt,
    /// llama.cpp's nodes by name and operation, as `.npz` or `.safetensors`.
    LlamaCpp,
    /// Our stages by their keys, as `.safetensors`.
    Own,
    /// Module names of Hugging Face transformers, as `.safetensors`.
    HuggingFace,
    /// The text of `apr trace --payload`: statistics only.
    PayloadText,
    /// The JSON of `apr trace --payload --json`: statistics only.
    PayloadJson,
}

/// One value of a trace.
#[derive(Debug, Clone)]
pub struct Record {
    /// The name that the engine gave it.
    pub name: String,
    /// The stages of ours that it may be, the likelier first; empty when it is none.
    pub captures: Vec<Capture>,
    /// The values or their statistics.
    pub(crate) content: Content,
}

/// The content of a record.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Held(Arc<[f32]>, Element),
    InFile(Location),
    Statistics(Statistics),
}

/// Values that are read when they are needed.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) count: usize,
    pub(crate) element: Element,
}

/// The types of values that traces hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F64,
    F16,
    BF16,
}

/// The statistics of a record; what the file does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// The number of values.
    pub count: Option<usize>,
    /// The mean.
    pub mean: Option<Printed>,
    /// The standard deviation, of a sample or of a population.
    pub deviation: Option<Printed>,
    /// The least value.
    pub least: Option<Printed>,
    /// The greatest value.
    pub greatest: Option<Printed>,
    /// The Euclidean norm.
    pub norm: Option<Printed>,
    /// The number of NaNs.
    pub nans: Option<usize>,
    /// The number of infinities.
    pub infinities: Option<usize>,
    /// The number of zeros.
    pub zeros: Option<usize>,
    /// Of logits: the ids of the greatest, in that order, with their values.
    pub top: Vec<(usize, Printed)>,
}

/// A number as it was printed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Printed {
    /// The number.
    pub value: f64,
    /// The decimal places; `None` for a number that was written with all its digits.
    pub places: Option<u16>,
}

impl Trace {
    /// Returns the values of a record; `None` when it holds statistics only.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    pub fn values(&self, record: &Record) -> Result<Option<Vec<f32>>, TraceError> {
        match &record.content {
            Content::Held(values, _) => Ok(Some(values.to_vec())),
            Content::InFile(location) => location.read(&self.path).map(Some),
            Content::Statistics(_) => Ok(None),
        }
    }

    /// Returns whether it holds statistics and no values.
    pub fn is_statistics(&self) -> bool {
        matches!(
            self.format,
            TraceFormat::PayloadText | TraceFormat::PayloadJson
        )
    }

    /// Returns what the file says about the run under a name, such as `numerics`.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// The last part of the path.
    pub(crate) fn short_name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

impl TraceFormat {
    /// Returns the name in a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aprt => "APRT folder",
            Self::LlamaCpp => "llama.cpp nodes",
            Self::Own => "stages of aprove",
            Self::HuggingFace => "transformers modules",
            Self::PayloadText => "apr trace --payload",
            Self::PayloadJson => "apr trace --payload --json",
        }
    }
}

impl Record {
    /// Returns the number of values, as far as it is known.
    pub fn count(&self) -> Option<usize> {
        match &self.content {
            Content::Held(values, _) => Some(values.len()),
            Content::InFile(location) => Some(location.count),
            Content::Statistics(statistics) => statistics.count,
        }
    }

    /// Returns how far a stored value may be from the one that the engine had, relatively: half a unit of its type. Values of
    /// 32 bits are those of the engine.
    pub fn precision(&self) -> f64 {
        match &self.content {
            Content::Held(_, element) | Content::InFile(Location { element, .. }) => {
                element.precision()
            }
            Content::Statistics(_) => 0.0,
        }
    }

    /// The statistics, while they are read.
    pub(crate) const fn statistics_mut(&mut self) -> Option<&mut Statistics> {
        match &mut self.content {
            Content::Statistics(statistics) => Some(statistics),
            Content::Held(..) | Content::InFile(_) => None,
        }
    }

    /// Returns the statistics, when it holds no values.
    pub const fn statistics(&self) -> Option<&Statistics> {
        match &self.content {
            Content::Statistics(statistics) => Some(statistics),
            Content::Held(..) | Content::InFile(_) => None,
        }
    }
}

impl Location {
    fn read(&self, path: &Path) -> Result<Vec<f32>, TraceError> {
        let mut bytes = vec![0; self.count.saturating_mul(self.element.size())];
        self.file
            .read_exact_at(&mut bytes, self.offset)
            .map_err(|error| TraceError::io(path, error))?;
        Ok(self.element.decode(&bytes))
    }
}

impl Element {
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    const fn precision(self) -> f64 {
        match self {
            Self::F32 | Self::F64 => 0.0,
            Self::F16 => 1.0 / 2048.0,
            Self::BF16 => 1.0 / 256.0,
        }
    }

    /// The values of whole little-endian elements; doubles are rounded to f32.
    pub(crate) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
            Self::F64 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|bytes| rounded(f64::from_le_bytes(*bytes)))
                .collect(),
            Self::F16 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|bytes| half::f16::from_le_bytes(*bytes).to_f32())
                .collect(),
            Self::BF16 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|bytes| half::bf16::from_le_bytes(*bytes).to_f32())
                .collect(),
        }
    }
}

impl Printed {
    /// A number that was written with all its digits.
    pub(crate) const fn whole(value: f64) -> Self {
        Self {
            value,
            places: None,
        }
    }

    /// How far the number that was meant may be from it: half a unit of the last place.
    pub(crate) fn half_unit(self) -> f64 {
        match self.places {
            Some(places) => 0.5 / 10f64.powi(i32::from(places)),
            None => 0.0,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "stages are f32: a double is rounded once"
)]
const fn rounded(value: f64) -> f32 {
    value as f32
}

/// The most values that a trace may hold: 16 GiB of f32.
pub(crate) const MOST_VALUES: u64 = 1 << 32;

/// The most records that a trace may hold.
pub(crate) const MOST_RECORDS: usize = 1 << 17;
