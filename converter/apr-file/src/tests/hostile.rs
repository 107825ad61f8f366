//! No bytes make the reader panic, hang or ask for memory that the file does not bear out.

use super::*;

/// Reads a file, and tells whether anything was wrong with it.
fn exercise(file: &[u8]) -> bool {
    let Ok(parsed) = AprFile::parse(file) else {
        return true;
    };
    assert_partition(&parsed, file);
    for tensor in &parsed.tensors {
        assert_eq!(
            tensor.data.map_or(tensor.span.length, length),
            tensor.span.length
        );
    }
    !parsed.findings.is_empty()
}

#[test]
fn every_truncation_of_a_file_is_found() {
    let file = good();
    for kept in 0..file.len() {
        assert!(exercise(&file[..kept]), "{kept}");
    }
}

#[test]
fn every_change_of_one_byte_is_found() {
    let file = good();
    for at in 0..file.len() {
        for byte in (0..=255).filter(|byte| *byte != file[at]) {
            let changed = patched(file.clone(), at, &[byte]);
            assert!(exercise(&changed), "{at} {byte}");
        }
    }
}

#[test]
fn every_field_of_8_bytes_at_an_extreme_is_read_or_refused() {
    let file = good();
    for at in 0..file.len() - 8 {
        for value in [
            u64::MAX,
            u64::MAX - 63,
            1 << 63,
            1 << 62,
            1 << 40,
            1 << 32,
            705,
            64,
            0,
        ] {
            exercise(&patched(file.clone(), at, &value.to_le_bytes()));
        }
    }
}

#[test]
fn json_that_nests_without_end_is_no_json() {
    let metadata = "[".repeat(200_000);
    assert_eq!(
        codes(&file_of(Vec::new(), &metadata, FLAGS))[0].0,
        "apr.meta.json"
    );
}

#[test]
fn keys_that_come_twice_a_million_times_are_no_json() {
    let metadata = format!("{{{}\"a\":1}}", "\"a\":1,".repeat(100_000));
    assert_eq!(
        codes(&file_of(Vec::new(), &metadata, FLAGS))[0].0,
        "apr.meta.json"
    );
}
