//! The library of the format and this crate see the same in each other's files.

use std::{fs, path::PathBuf};

use apr_format::v2::{
    AprV2Metadata, AprV2Reader, AprV2ReaderRef, AprV2StreamingWriter, AprV2Writer, TensorDType,
    required_file_len,
};

use super::*;

fn dims_of(shape: &[usize]) -> Vec<u64> {
    shape
        .iter()
        .map(|dim| u64::try_from(*dim).unwrap())
        .collect()
}

/// Asserts that the library sees the tensors and the metadata that this crate sees.
fn assert_same(file: &[u8]) {
    let parsed = read(file);
    let owned = AprV2Reader::from_bytes(file).unwrap();
    let borrowed = AprV2ReaderRef::from_bytes(file).unwrap();
    assert_eq!(owned.header().flags.bits(), parsed.header.flags);
    assert_eq!(owned.header().checksum, parsed.header.checksum);
    assert_eq!(borrowed.tensor_index().len(), parsed.tensors.len());
    for (theirs, ours) in borrowed.tensor_index().iter().zip(&parsed.tensors) {
        assert_eq!(theirs.name, ours.entry.name);
        assert_eq!(theirs.dtype as u8, ours.entry.dtype);
        assert_eq!(dims_of(&theirs.shape), ours.entry.dims);
        assert_eq!(
            (theirs.offset, theirs.size),
            (ours.entry.offset, ours.entry.size)
        );
        assert_eq!(owned.get_tensor_data(&theirs.name), ours.data);
        assert_eq!(borrowed.get_tensor_data(&theirs.name), ours.data);
    }
    let architecture = parsed
        .metadata
        .as_ref()
        .unwrap()
        .get("architecture")
        .and_then(|value| value.as_str());
    assert_eq!(owned.metadata().architecture.as_deref(), architecture);
}

#[test]
fn the_library_reads_what_a_plan_writes() {
    let file = good();
    assert_same(&file);
    assert_eq!(required_file_len(&file).unwrap(), 704);
    let reader = AprV2Reader::from_bytes(&file).unwrap();
    assert!(reader.verify_alignment());
    assert_eq!(
        (reader.metadata().num_heads, reader.metadata().rms_norm_eps),
        (Some(4), Some(1e-6))
    );
}

#[test]
fn a_plan_lays_out_what_the_library_writes() {
    let metadata = AprV2Metadata {
        architecture: Some("llama".to_owned()),
        ..AprV2Metadata::default()
    };
    let mut writer = AprV2Writer::new(metadata);
    writer.add_tensor("c", TensorDType::F32, vec![16], data(2, 64));
    writer.add_tensor("a", TensorDType::F32, vec![7], data(0, 28));
    writer.add_tensor("b", TensorDType::Q4K, vec![2, 256], data(1, 288));
    let theirs = writer.write().unwrap();
    assert_same(&theirs);
    let parsed = read(&theirs);
    assert_eq!(parsed.findings, []);
    let metadata = str::from_utf8(parsed.metadata_bytes).unwrap();
    assert_eq!(
        file_of(tensors(), metadata, flags::LAYOUT_ROW_MAJOR),
        theirs
    );
}

#[test]
fn data_in_the_order_of_their_arrival_are_read_without_a_finding() {
    let metadata = AprV2Metadata {
        architecture: Some("llama".to_owned()),
        ..AprV2Metadata::default()
    };
    let mut writer = AprV2StreamingWriter::new(metadata).unwrap();
    writer
        .add_tensor("b", TensorDType::F32, vec![7], &data(1, 28))
        .unwrap();
    writer
        .add_tensor("a", TensorDType::F32, vec![40], &data(0, 160))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.apr");
    writer.finalize(&path).unwrap();
    let file = fs::read(&path).unwrap();
    assert_same(&file);
    assert_eq!(codes(&file), []);
    assert_eq!(read(&file).tensors[0].entry.offset, 64);
}

/// The package of the library carries small files; they are found beside its unpacked sources.
#[needs::command(
    "ls -d ${CARGO_HOME:-$HOME/.cargo}/registry/src/*/apr-format-0.72.3/tests/fixtures"
)]
#[test]
fn the_golden_files_of_the_library_are_read_without_a_finding() {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let sources = fs::read_dir(home.unwrap().join("registry/src")).unwrap();
    let mut folders = sources.map(|index| {
        index
            .unwrap()
            .path()
            .join("apr-format-0.72.3/tests/fixtures")
    });
    let folder = folders.find(|folder| folder.is_dir()).unwrap();
    for name in ["golden_v2.apr", "golden_v2_skip_none.apr"] {
        let file = fs::read(folder.join(name)).unwrap();
        assert_same(&file);
        assert_eq!(codes(&file), [], "{name}");
    }
    let old = fs::read(folder.join("golden_v1.apr")).unwrap();
    assert_eq!(AprFile::parse(&old).unwrap_err().code(), "apr.magic");
}
