//! No bytes make the reader panic, hang or ask for memory that the file does not bear out.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use super::writer::ArrayBuffer;
use super::*;
use crate::{ReadAt, ValueType, read_header};

/// A file with every kind of value.
fn rich() -> Vec<u8> {
    let mut writer = Writer::new(3, 32);
    let mut strings = ArrayBuffer::new(ValueType::String);
    strings
        .push(&Value::String(b"one"))
        .unwrap()
        .push(&Value::String(b""))
        .unwrap();
    let mut nested = ArrayBuffer::new(ValueType::Array);
    nested.push(&strings.as_value()).unwrap();
    writer
        .key_value(b"a", &strings.as_value())
        .key_value(b"b", &nested.as_value());
    writer
        .key_value(b"c", &Value::Bool(true))
        .key_value(b"general.alignment", &Value::U32(32));
    writer
        .key_value(b"d", &Value::F64(1.5))
        .key_value(b"e", &Value::I16(-1));
    writer
        .tensor(b"x", &[32, 2], 2, 36)
        .unwrap()
        .tensor(b"y", &[2], 26, 8)
        .unwrap();
    file(&writer, &[36, 8])
}

/// Reads in both ways, which must agree, walks everything that parses, and says whether it did.
fn exercise(file: &[u8]) -> bool {
    let whole = read(file);
    match (&whole, read_header(file, &Limits::default())) {
        (Ok(content), Ok(header)) => {
            let again = Content::parse(&header, length(file), &Limits::default()).unwrap();
            // As text, since a NaN is not equal to itself.
            assert_eq!(format!("{again:?}"), format!("{content:?}"));
            for pair in &content.metadata {
                let items = pair
                    .value
                    .as_array()
                    .map_or(0, |array| array.iter().count());
                assert_eq!(
                    length(&vec![0; items]),
                    pair.value.as_array().map_or(0, |array| array.count)
                );
            }
        }
        (Err(error), Ok(_)) => assert_eq!(error.code(), "gguf.padding"),
        (Err(found), Err(error)) => assert_eq!(*found, error),
        (Ok(_), Err(error)) => panic!("the header alone is refused: {error}"),
    }
    whole.is_ok()
}

#[test]
fn every_truncation_of_a_file_is_read_or_refused() {
    let file = rich();
    for kept in 0..file.len() {
        exercise(&file[..kept]);
    }
}

#[test]
fn every_change_of_one_byte_is_read_or_refused() {
    let file = rich();
    let mut found = [0, 0];
    for at in 0..file.len() {
        for byte in 0..=255 {
            found[usize::from(exercise(&patched(file.clone(), at, &[byte])))] += 1;
        }
    }
    assert!(!found.contains(&0), "{found:?}");
}

#[test]
fn every_field_of_8_bytes_at_an_extreme_is_read_or_refused() {
    let file = rich();
    let mut found = [0, 0];
    for at in 0..file.len() - 8 {
        for value in [
            u64::MAX,
            u64::MAX - 31,
            1 << 63,
            i64::MAX as u64,
            1 << 62,
            1 << 60,
            1 << 40,
            1 << 32,
            0,
        ] {
            found[usize::from(exercise(&patched(file.clone(), at, &value.to_le_bytes())))] += 1;
        }
    }
    assert!(!found.contains(&0), "{found:?}");
}

/// A file of 1 TiB of which only the start exists; it notes the most bytes asked for at once.
struct Vast {
    start: Vec<u8>,
    most: AtomicU64,
}

impl ReadAt for Vast {
    fn length(&self) -> u64 {
        1 << 40
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.most.fetch_max(length(buffer), Ordering::Relaxed);
        buffer.fill(0);
        let start = usize::try_from(offset).unwrap().min(self.start.len());
        for (to, from) in buffer.iter_mut().zip(&self.start[start..]) {
            *to = *from;
        }
        Ok(())
    }
}

#[test]
fn counts_that_fit_a_vast_file_ask_for_no_memory() {
    let header = |tensors: u64, key_values: u64| {
        [
            &b"GGUF\x03\0\0\0"[..],
            &tensors.to_le_bytes(),
            &key_values.to_le_bytes(),
        ]
        .concat()
    };
    let one_key = |type_id: u32, payload: &[u8]| {
        let mut start = header(0, 1);
        start.extend_from_slice(&with_value(type_id, payload)[24..]);
        start
    };
    let many_items = [&0_u32.to_le_bytes()[..], &(1_u64 << 39).to_le_bytes()].concat();
    for (start, code) in [
        (header(1 << 35, 0), "gguf.name.bytes"),
        (header(0, 1 << 36), "gguf.key.empty"),
        (
            one_key(8, &(1_u64 << 30).to_le_bytes()),
            "gguf.limit.metadata",
        ),
        (one_key(9, &many_items), "gguf.limit.metadata"),
    ] {
        let source = Vast {
            start,
            most: AtomicU64::new(0),
        };
        let limits = Limits {
            metadata_bytes: 4 << 20,
            ..Limits::default()
        };
        let error = read_header(&source, &limits).unwrap_err();
        // Zeros are legal infos up to the budget: nameless scalars.
        let codes = [code, "gguf.limit.metadata"];
        assert!(codes.contains(&error.code()), "{error}");
        assert!(source.most.into_inner() <= 4 << 20);
    }
}

#[test]
fn a_source_that_shrinks_has_changed() {
    struct Shrunk(Vec<u8>);
    impl ReadAt for Shrunk {
        fn length(&self) -> u64 {
            length(&self.0) + 100
        }
        fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            self.0.read_exact_at(offset, buffer)
        }
    }
    let error = read_header(&Shrunk(good()), &Limits::default()).unwrap_err();
    assert_eq!(error.code(), "input-changed");
}
