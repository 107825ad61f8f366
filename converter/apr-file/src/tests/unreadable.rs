//! What keeps a file from being taken apart.

use super::*;
use crate::Error;

fn assert_unreadable(file: &[u8], expected: &str, place: u64) {
    match parse(file).unwrap_err() {
        Error::Unreadable { code, offset, .. } => assert_eq!((code, offset), (expected, place)),
        error => panic!("{error}"),
    }
}

#[test]
fn a_file_that_ends_before_the_data_is_short() {
    for kept in [0, 3, 4, 63] {
        assert_unreadable(&good()[..kept], "apr.short", 0);
    }
    for kept in [64, 128, 255] {
        assert_unreadable(&good()[..kept], "apr.short", u64::try_from(kept).unwrap());
    }
}

#[test]
fn other_magics_are_refused_by_name() {
    for magic in [b"FUGG", b"APRN", b"APR1", b"APR2", b"GGUF"] {
        assert_unreadable(&patched(good(), 0, magic), "apr.magic", 0);
    }
    for (magic, said) in [
        (b"APRN", "found \"APRN\", the container of version 1"),
        (b"APR1", "found \"APR1\", an old spelling of version 1"),
        (b"APR2", "found \"APR2\", an old spelling of version 2"),
        (b"GGUF", "found \"GGUF\", a GGUF file"),
    ] {
        let error = parse(magic).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn other_versions_are_refused() {
    for version in [[1, 0], [2, 1], [3, 0]] {
        assert_unreadable(&patched(good(), 4, &version), "apr.version", 4);
    }
}

#[test]
fn sections_come_in_their_order() {
    for (place, offset) in [(12, 0_u64), (12, u64::MAX), (24, 64), (32, 64)] {
        let file = patched(good(), place, &offset.to_le_bytes());
        assert_eq!(parse(&file).unwrap_err().code(), "apr.header.offsets");
    }
    assert_unreadable(&patched(good(), 20, &[255; 4]), "apr.header.offsets", 24);
    assert_unreadable(
        &patched(good(), 32, &709_u64.to_le_bytes()),
        "apr.short",
        708,
    );
}

#[test]
fn the_tensor_count_fits_the_index() {
    for count in [7, u32::MAX] {
        assert_unreadable(&patched(good(), 8, &count.to_le_bytes()), "apr.count", 8);
    }
    // 128 bytes hold six entries of 20, and these hold fewer.
    let six = parse(&patched(good(), 8, &6_u32.to_le_bytes()));
    assert_eq!(six.unwrap_err().code(), "apr.index.short");
}

#[test]
fn entries_end_inside_the_index() {
    // The zeros behind the entries make one more, which is no name at all, and then half of one.
    assert_unreadable(
        &patched(good(), 8, &[5]),
        "apr.index.short",
        128 + 95 + 20 + 12,
    );
    assert_unreadable(&patched(good(), 128, &[255, 0]), "apr.index.short", 130);
    // The rank of the first entry.
    assert_unreadable(
        &patched(good(), 128 + 2 + 1 + 1, &[255]),
        "apr.index.short",
        253,
    );
}

#[test]
fn names_are_utf_8() {
    assert_unreadable(&patched(good(), 130, b"\xff"), "apr.index.name", 130);
}

#[test]
fn metadata_is_a_json_object() {
    for metadata in [
        "[1]",
        "{\"a\":1,}",
        "{} {}",
        "{\"a\":1e400}",
        "{\"a\":\"\u{1}\"}",
        "",
    ] {
        let file = file_of(tensors(), metadata, FLAGS);
        assert_unreadable(&file, "apr.meta.json", 64);
    }
}

#[test]
fn offsets_of_tensors_do_not_pass_2_to_the_64() {
    // The offset of the first entry, and then its size.
    for place in [141, 149] {
        let file = patched(good(), place, &(u64::MAX - 100).to_le_bytes());
        assert_unreadable(&file, "apr.data.bounds", 128);
    }
}
