//! One test per rule that a readable file can break, with the code and the place.

use super::*;
use crate::Encoding;

/// Where the entries of the good file start, and where in the first one the type stands.
const ENTRIES: [usize; 3] = [128, 157, 194];
const DTYPE: usize = 3;
/// Where the offset stands before the end of an entry.
const ENDS: [usize; 3] = [157, 194, 223];
const DATA: u64 = 256;

fn at(place: usize) -> u64 {
    u64::try_from(place).unwrap()
}

/// The good file with the offset of one tensor changed.
fn moved(tensor: usize, offset: u64) -> Vec<u8> {
    sealed(patched(good(), ENDS[tensor] - 16, &offset.to_le_bytes()))
}

fn with_metadata(metadata: &str) -> Vec<u8> {
    file_of(tensors(), metadata, FLAGS)
}

#[test]
fn the_header_has_a_checksum_and_zeros() {
    assert_eq!(
        codes(&patched(good(), 40, &[0; 4])),
        [("apr.header.crc", 40), ("apr.footer.crc", 704)]
    );
    assert_eq!(
        codes(&sealed(patched(good(), 63, &[1]))),
        [("apr.header.reserved", 44)]
    );
    assert_eq!(
        codes(&sealed(patched(good(), 6, &[0x21, 0x1c]))),
        [("apr.flags", 6); 3]
    );
}

#[test]
fn offsets_follow_from_lengths() {
    // One block of zeros more before the index, with everything behind it moved.
    let mut file = good();
    file.splice(128..128, [0; 64]);
    let file = patched(
        patched(file, 24, &192_u64.to_le_bytes()),
        32,
        &320_u64.to_le_bytes(),
    );
    assert_eq!(codes(&sealed(file)), [("apr.header.offsets", 24)]);
}

#[test]
fn metadata_are_a_json_object() {
    assert_eq!(codes(&with_metadata("[1]")), [("apr.meta.json", 64)]);
    assert_eq!(
        codes(&with_metadata("{\"a\":1,}")),
        [("apr.meta.json", 64 + 7)]
    );
    assert_eq!(
        codes(&with_metadata("{\n\"a\":\n x}")),
        [("apr.meta.json", 64 + 8)]
    );
    assert_eq!(codes(&with_metadata("{} {}")), [("apr.meta.json", 64 + 3)]);
    let file = with_metadata("{\"a\":1}");
    let file = sealed(patched(file, 66, b"\xff"));
    assert_eq!(codes(&file), [("apr.meta.utf8", 66)]);
    // The tensors are there all the same.
    assert_eq!((read(&file).metadata, read(&file).tensors.len()), (None, 3));
}

#[test]
fn keys_come_once_at_every_level() {
    assert_eq!(
        codes(&with_metadata(r#"{"a":1,"a":1}"#)),
        [("apr.meta.duplicate", 64)]
    );
    assert_eq!(
        codes(&with_metadata(r#"{"a":[{"b":1,"b":2}]}"#)),
        [("apr.meta.duplicate", 64)]
    );
    assert_eq!(codes(&with_metadata(r#"{"a":{"b":1},"b":2}"#)), []);
}

#[test]
fn an_alias_does_not_stand_beside_its_key() {
    assert_eq!(
        codes(&with_metadata(r#"{"num_layers":2,"n_layer":2}"#)),
        [("apr.meta.alias", 64)]
    );
    assert_eq!(
        codes(&with_metadata(r#"{"n_layers":2,"n_layer":2}"#)),
        [("apr.meta.alias", 64)]
    );
    assert_eq!(
        codes(&with_metadata(r#"{"num_hidden_layers":2,"n_embd":2}"#)),
        []
    );
}

#[test]
fn copies_of_a_key_agree_as_f32() {
    let eps = r#"{"rms_norm_eps":1e-06,"model.rms_norm_eps":9.999999974752427e-07}"#;
    assert_eq!(codes(&with_metadata(eps)), []);
    let code = [("apr.meta.copies-disagree", 64)];
    assert_eq!(
        codes(&with_metadata(r#"{"rope_type":0,"model.rope_type":2}"#)),
        code
    );
    assert_eq!(
        codes(&with_metadata(
            r#"{"rope_theta":9e6,"model.rope_theta":1000000}"#
        )),
        code
    );
    assert_eq!(
        codes(&with_metadata(
            r#"{"chat_template":"a","tokenizer.chat_template":"b"}"#
        )),
        code
    );
}

#[test]
fn metadata_stay_under_the_declared_limit() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(16 << 20));
    assert_eq!(codes(&with_metadata(&long)), [("apr.meta.limit", 64)]);
}

#[test]
fn names_are_good_sorted_and_different() {
    let rename = |tensor: usize, name: &[u8]| sealed(patched(good(), ENTRIES[tensor] + 2, name));
    assert_eq!(
        codes(&rename(1, b"\n")),
        [("apr.index.order", 157), ("apr.index.name", 157)]
    );
    assert_eq!(codes(&rename(0, b"d")), [("apr.index.order", 157)]);
    assert_eq!(codes(&rename(1, b"a")), [("apr.index.duplicate", 157)]);
}

#[test]
fn ranks_are_1_to_8() {
    // A byte of dims 1 in the place of the rank: the plan refuses it, so the entry is built by hand.
    let mut file = file_of(vec![planned("a", 0, &[1; 8], 4)], METADATA, FLAGS);
    let dims = 128 + 2 + 1 + 2;
    file.splice(dims..dims, [1, 0, 0, 0, 0, 0, 0, 0]);
    file.drain(128 + 93..128 + 101);
    assert_eq!(
        codes(&sealed(patched(file, dims - 1, &[9]))),
        [("apr.index.rank", 128)]
    );
}

#[test]
fn a_type_that_does_not_fit_the_size_is_reported() {
    // What the size would fit is said: 288 bytes for 2 rows of 256 are Q4_K, or its equals in Q4_0.
    for dtype in [13, 14, 0, 99] {
        let file = sealed(patched(good(), ENTRIES[1] + DTYPE, &[dtype]));
        assert_eq!(codes(&file), [("apr.tensor.dtype", 157)]);
        assert!(
            read(&file).findings[0].text.contains("Q4_K"),
            "{:?}",
            read(&file).findings
        );
        assert_eq!(read(&file).tensors[1].encoding(), None);
    }
}

#[test]
fn a_size_that_fits_no_type_is_reported() {
    let file = sealed(patched(good(), ENDS[0] - 8, &[27]));
    assert_eq!(
        codes(&file),
        [("apr.tensor.size", 128), ("apr.data.padding", DATA + 27)]
    );
    let unknown = sealed(patched(file, ENTRIES[0] + DTYPE, &[200]));
    assert_eq!(codes(&unknown)[0], ("apr.tensor.dtype", 128));
}

#[test]
fn an_id_with_two_meanings_is_read_by_the_size() {
    let file = file_of(vec![planned("a", 3, &[32], 20)], METADATA, FLAGS);
    assert_eq!(read(&file).tensors[0].encoding(), Some(Encoding::Q4_1));
}

#[test]
fn tensors_start_on_multiples_of_64() {
    assert_eq!(
        codes(&moved(0, 8)),
        [("apr.data.align", DATA + 8), ("apr.data.hole", DATA)]
    );
}

#[test]
fn tensors_share_no_bytes_and_leave_no_hole() {
    // The second tensor points at the data of the third: its own bytes belong to no tensor.
    let file = moved(1, 384);
    let found = codes(&file);
    assert!(
        found.contains(&("apr.data.overlap", DATA + 384)),
        "{found:?}"
    );
    assert!(found.contains(&("apr.data.hole", DATA + 64)), "{found:?}");
    let parsed = read(&file);
    let text = &parsed
        .findings
        .iter()
        .find(|finding| finding.code == "apr.data.overlap")
        .unwrap()
        .text;
    assert!(
        text.contains("\"b\"") && text.contains("\"c\"") && text.contains("64 bytes"),
        "{text}"
    );
    assert!(kinds(&file).contains(&RegionKind::Hole));
    // A tensor inside another one: the third starts in the second.
    assert!(codes(&moved(2, 128)).contains(&("apr.data.overlap", DATA + 128)));
}

#[test]
fn data_in_another_order_than_the_names_are_no_finding() {
    // The first and the last tensor change places: both have 64 bytes with padding.
    let file = patched(good(), ENDS[0] - 16, &384_u64.to_le_bytes());
    let mut file = patched(file, ENDS[2] - 16, &0_u64.to_le_bytes());
    file[256..320].fill(3);
    file[640..704].fill(0);
    assert_eq!(codes(&sealed(file)), []);
}

#[test]
fn data_outside_the_file_are_reported_with_the_missing_bytes() {
    for offset in [u64::MAX, u64::MAX - 63, 1 << 63, 1 << 20] {
        let file = moved(2, offset);
        let found = read(&file);
        assert_eq!(found.tensors[2].data, None);
        let codes: Vec<_> = found.findings.iter().map(|finding| finding.code).collect();
        assert!(codes.contains(&"apr.data.bounds"), "{codes:?}");
        assert!(codes.contains(&"apr.footer.missing"), "{codes:?}");
    }
}

#[test]
fn a_file_that_is_cut_names_every_tensor_that_lost_bytes() {
    let file = good();
    let cut = &file[..file.len() - 104];
    assert_eq!(
        codes(cut),
        [
            ("apr.data.bounds", 320),
            ("apr.data.bounds", 640),
            ("apr.footer.missing", 604)
        ]
    );
    let texts = read(cut).findings.into_iter().map(|finding| finding.text);
    let expected = [
        "tensor \"b\": 4 of 288 bytes are missing",
        "tensor \"c\": 64 of 64 bytes are missing",
    ];
    assert_eq!(texts.take(2).collect::<Vec<_>>(), expected);
    let lost = codes(&file[..260]);
    assert_eq!(
        lost.iter()
            .filter(|(code, _)| *code == "apr.data.bounds")
            .count(),
        3
    );
}

#[test]
fn padding_is_zero_and_whole() {
    for (place, code) in [
        (127, "apr.meta.padding"),
        (255, "apr.index.padding"),
        (285, "apr.data.padding"),
    ] {
        assert_eq!(
            codes(&sealed(patched(good(), place, &[1]))),
            [(code, at(place))]
        );
    }
    let file = file_of(vec![planned("a", 0, &[1], 4)], METADATA, FLAGS);
    let end = file.len();
    let padding = sealed(patched(file.clone(), end - 5, &[1]));
    assert_eq!(codes(&padding), [("apr.data.padding", at(end - 5))]);
    let cut = at(end - 10);
    assert_eq!(
        codes(&file[..end - 10]),
        [("apr.data.padding", cut), ("apr.footer.missing", cut)]
    );
}

#[test]
fn a_footer_is_needed_when_the_flags_say_row_major() {
    let file = good();
    assert_eq!(codes(&file[..704]), [("apr.footer.missing", 704)]);
    assert_eq!(
        codes(&file[..706]),
        [("apr.footer.missing", 706), ("apr.trailing", 704)]
    );
    let old = file_of(tensors(), METADATA, flags::QUANTIZED);
    assert_eq!(codes(&old), []);
    assert_eq!(codes(&old[..704]), [("apr.footer.absent", 704)]);
}

#[test]
fn the_footer_covers_every_byte_before_it() {
    let file = good();
    assert_eq!(
        codes(&patched(file.clone(), 707, &[file[707] ^ 1])),
        [("apr.footer.crc", 704)]
    );
    assert_eq!(
        codes(&patched(file.clone(), 300, &[file[300] ^ 1])).last(),
        Some(&("apr.footer.crc", 704))
    );
}

#[test]
fn bytes_behind_the_footer_are_trailing() {
    let mut file = good();
    file.extend_from_slice(&[7; 64]);
    assert_eq!(codes(&file), [("apr.trailing", 708)]);
    assert_eq!(kinds(&file).last(), Some(&RegionKind::Trailing));
}
