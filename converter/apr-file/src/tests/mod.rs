//! The behaviour of the writer and the reader together, and against the library of the format.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "tests compute the places that they patch"
)]

mod findings;
mod hostile;
mod library;
mod real_files;
mod unreadable;
mod written;

use crate::{AprFile, Plan, PlannedTensor, RegionKind, flags};

const METADATA: &str = r#"{"architecture":"llama","num_heads":4,"rms_norm_eps":1e-6}"#;
/// The flags of a quantised model with a vocabulary.
const FLAGS: u16 = flags::QUANTIZED | flags::HAS_VOCAB | flags::LAYOUT_ROW_MAJOR;

fn planned(name: &str, dtype: u8, dims: &[u64], size: u64) -> PlannedTensor {
    PlannedTensor {
        name: name.to_owned(),
        dtype,
        dims: dims.to_vec(),
        size,
    }
}

/// Three tensors: `a`, 7 F32 in 28 bytes, `b`, 2 rows of Q4_K in 288, and `c`, 16 F32 in 64.
fn tensors() -> Vec<PlannedTensor> {
    vec![
        planned("c", 0, &[16], 64),
        planned("a", 0, &[7], 28),
        planned("b", 12, &[2, 256], 288),
    ]
}

/// The data of a tensor: its number in every byte, and never zero.
fn data(index: usize, size: u64) -> Vec<u8> {
    vec![u8::try_from(index + 1).unwrap(); usize::try_from(size).unwrap()]
}

/// A whole file, written the way that the plan describes.
fn file_of(tensors: Vec<PlannedTensor>, metadata: &str, flags: u16) -> Vec<u8> {
    let plan = Plan::new(tensors, u32::try_from(metadata.len()).unwrap(), flags).unwrap();
    let mut file = plan.header().to_vec();
    let pad = |file: &mut Vec<u8>| file.resize(file.len().next_multiple_of(64), 0);
    file.extend_from_slice(metadata.as_bytes());
    pad(&mut file);
    assert_eq!(length(&file), plan.index_offset());
    file.extend_from_slice(&plan.index());
    assert_eq!(length(&file), plan.data_offset());
    for (index, entry) in plan.tensors().iter().enumerate() {
        assert_eq!(length(&file), plan.data_offset() + entry.offset);
        file.extend_from_slice(&data(index, entry.size));
        pad(&mut file);
    }
    assert_eq!(length(&file), plan.footer_offset());
    file.extend_from_slice(&crc32fast::hash(&file).to_le_bytes());
    assert_eq!(length(&file), plan.file_length());
    file
}

fn good() -> Vec<u8> {
    file_of(tensors(), METADATA, FLAGS)
}

/// Parses a file and asserts that its regions touch and cover it.
fn read(file: &[u8]) -> AprFile<'_> {
    let parsed = AprFile::parse(file).unwrap();
    assert_partition(&parsed, file);
    parsed
}

fn assert_partition(parsed: &AprFile<'_>, file: &[u8]) {
    let mut end = 0;
    for region in &parsed.regions {
        assert_eq!(region.span.offset, end, "{region:?}");
        assert!(region.span.length > 0);
        end = region.span.end();
    }
    assert_eq!(end, length(file));
}

/// The codes of all findings, each with its offset.
fn codes(file: &[u8]) -> Vec<(&'static str, u64)> {
    read(file)
        .findings
        .iter()
        .map(|finding| (finding.code, finding.offset))
        .collect()
}

fn kinds(file: &[u8]) -> Vec<RegionKind> {
    read(file)
        .regions
        .iter()
        .map(|region| region.kind)
        .collect()
}

/// The file with some bytes replaced from an offset on.
fn patched(mut file: Vec<u8>, offset: usize, bytes: &[u8]) -> Vec<u8> {
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
    file
}

/// Makes both checksums right again, so that only the patch is wrong.
fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    let header = [&file[..40], &file[44..64]].concat();
    file[40..44].copy_from_slice(&crc32fast::hash(&header).to_le_bytes());
    let end = file.len() - 4;
    let footer = crc32fast::hash(&file[..end]);
    file[end..].copy_from_slice(&footer.to_le_bytes());
    file
}

fn length(file: &[u8]) -> u64 {
    u64::try_from(file.len()).unwrap()
}
