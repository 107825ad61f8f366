//! The behaviour of the writer and the reader together, and against the library of the format.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "tests compute the places that they patch"
)]

mod hostile;
mod library;
mod real_files;
mod unreadable;
mod written;

use crate::{Head, Plan, PlannedTensor, Tensor, flags, read_header};

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

/// Reads the head of a file as a loader does: from a source, and no more than the head.
fn read(file: &[u8]) -> Head {
    parse(file).unwrap()
}

fn parse(file: &[u8]) -> Result<Head, crate::Error> {
    let head = read_header(file)?;
    let parsed = Head::parse(&head, length(file))?;
    assert_eq!(length(&head), parsed.header.data_offset);
    Ok(parsed)
}

/// The data of a tensor; `None` when it is not wholly inside the file.
fn data_of<'a>(file: &'a [u8], tensor: &Tensor) -> Option<&'a [u8]> {
    let start = usize::try_from(tensor.span.offset).ok()?;
    file.get(start..usize::try_from(tensor.span.end()).ok()?)
}

/// The file with some bytes replaced from an offset on.
fn patched(mut file: Vec<u8>, offset: usize, bytes: &[u8]) -> Vec<u8> {
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
    file
}

fn length(file: &[u8]) -> u64 {
    u64::try_from(file.len()).unwrap()
}
