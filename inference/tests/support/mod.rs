//! What the tests share: running a file, and reading `.npy`.

use fixtures::shared;
use inference::{Digests, Error, Model, Options, Source, StageSink, Step, forward, load};

/// Every stage with its values.
#[derive(Default)]
pub(crate) struct Stages {
    pub(crate) digests: Digests,
    pub(crate) values: Vec<(Step, Vec<f32>)>,
}

impl StageSink for Stages {
    fn stage(&mut self, step: Step, tokens: usize, values: &[f32]) {
        self.digests.stage(step, tokens, values);
        self.values.push((step, values.to_vec()));
    }
}

/// Loads and runs a file in memory.
pub(crate) fn run(
    bytes: &[u8],
    tokens: &[u32],
    options: &Options,
) -> Result<(Model, Stages), Error> {
    let bytes = bytes.to_vec();
    let sources: [&dyn Source; 1] = [&bytes];
    let model = load(&sources)?;
    let mut stages = Stages::default();
    forward(&model, &sources, tokens, options, &mut stages)?;
    Ok((model, stages))
}

/// The tokens that the shared truth was computed with.
pub(crate) fn shared_tokens() -> Vec<u32> {
    let text = std::fs::read_to_string(shared::path("oracle/tokens.txt")).unwrap();
    let ids = text.trim().split(',');
    ids.map(|id| id.parse().unwrap()).collect()
}

/// Reads the f64 values of an `.npy` file (version 1, little-endian, C order).
pub(crate) fn npy(bytes: &[u8]) -> Vec<f64> {
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let (header, data) = bytes[10..].split_at(length);
    let header = str::from_utf8(header).unwrap();
    assert!(
        header.contains("'descr': '<f8'") && header.contains("'fortran_order': False"),
        "{header}"
    );
    let (values, rest) = data.as_chunks();
    assert!(rest.is_empty());
    values
        .iter()
        .map(|value| f64::from_le_bytes(*value))
        .collect()
}

/// |found - truth| / |truth|, Euclidean.
pub(crate) fn relative_error<F: Copy + Into<f64>>(found: &[F], truth: &[f64]) -> f64 {
    assert_eq!(found.len(), truth.len());
    let pairs = found.iter().map(|x| (*x).into()).zip(truth);
    let difference: f64 = pairs
        .map(|(found, truth): (f64, _)| (found - truth).powi(2))
        .sum();
    let length: f64 = truth.iter().map(|truth| truth.powi(2)).sum();
    (difference / length).sqrt()
}
