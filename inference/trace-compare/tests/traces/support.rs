//! Traces made of our own runs, under the names of other engines.

use std::{collections::BTreeMap, fs, path::Path};

use inference::{Model, Options, Source, StageSink, Step, forward, load};
use trace_compare::{
    format::Trace,
    judge::{CompareError, Comparison, compare},
};

/// A model in memory.
pub(crate) struct Loaded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) model: Model,
}

impl Loaded {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let model = load(&[&bytes]).unwrap();
        Self { bytes, model }
    }

    pub(crate) fn open(path: &Path) -> Self {
        Self::new(fs::read(path).unwrap())
    }

    /// Runs `model`, which may be changed, on our bytes.
    pub(crate) fn run(&self, model: &Model, tokens: &[u32], sink: &mut dyn StageSink) {
        let sources: [&dyn Source; 1] = [&self.bytes];
        forward(model, &sources, tokens, &Options::default(), sink).unwrap();
    }

    pub(crate) fn compare(&self, traces: &[Trace], tokens: Option<&[u32]>) -> Comparison {
        self.try_compare(traces, tokens).unwrap()
    }

    pub(crate) fn try_compare(
        &self,
        traces: &[Trace],
        tokens: Option<&[u32]>,
    ) -> Result<Comparison, CompareError> {
        let sources: [&dyn Source; 1] = [&self.bytes];
        compare(&self.model, &sources, traces, tokens, &Options::default())
    }
}

/// Every stage by its key.
#[derive(Default)]
pub(crate) struct ByKey(pub(crate) BTreeMap<String, Vec<f32>>);

impl StageSink for ByKey {
    fn stage(&mut self, step: Step, _tokens: usize, values: &[f32]) {
        self.0.insert(step.to_string(), values.to_vec());
    }
}

/// A `.safetensors` file of F32 tensors of one dimension.
pub(crate) fn safetensors(path: &Path, metadata: &str, tensors: &[(String, Vec<f32>)]) {
    safetensors_of(path, metadata, tensors, "F32", |value| {
        value.to_le_bytes().to_vec()
    });
}

/// The same, of another type.
pub(crate) fn safetensors_of(
    path: &Path,
    metadata: &str,
    tensors: &[(String, Vec<f32>)],
    dtype: &str,
    encode: impl Fn(f32) -> Vec<u8>,
) {
    let mut header = format!("{{\"__metadata__\":{metadata}");
    let mut data = Vec::new();
    for (name, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| encode(*value)));
        let (count, end) = (values.len(), data.len());
        header += &format!(
            ",\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":[{count}],\"data_offsets\":[{start},{end}]}}"
        );
    }
    header += "}";
    let length = (header.len() as u64).to_le_bytes();
    write(path, &[&length[..], header.as_bytes(), &data].concat());
}

/// Writes a file of a test.
#[expect(
    clippy::disallowed_methods,
    reason = "files of a test in its own folder"
)]
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}
