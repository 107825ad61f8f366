//! No bytes make the reader panic, hang or ask for memory that the file does not bear out.

use std::{cell::Cell, io};

use super::*;
use crate::ReadAt;

/// Reads a file, and says whether it could be read; all that is read lies where the header says.
fn exercise(file: &[u8]) -> bool {
    let Ok(parsed) = parse(file) else {
        return false;
    };
    for tensor in &parsed.tensors {
        assert!(tensor.span.offset >= parsed.header.data_offset);
        let _ = tensor.encoding();
    }
    true
}

#[test]
fn every_file_that_is_cut_in_its_head_is_refused() {
    let file = good();
    for kept in 0..256 {
        assert!(parse(&file[..kept]).is_err(), "{kept}");
    }
    // From there on only data is missing, which a head does not hold.
    for kept in 256..file.len() {
        assert_eq!(read(&file[..kept]), read(&file), "{kept}");
    }
}

#[test]
fn every_change_of_one_byte_is_read_or_refused() {
    let file = good();
    let mut found = [0, 0];
    for at in 0..file.len() {
        for byte in (0..=255).filter(|byte| *byte != file[at]) {
            found[usize::from(exercise(&patched(file.clone(), at, &[byte])))] += 1;
        }
    }
    assert!(!found.contains(&0), "{found:?}");
}

#[test]
fn every_field_of_8_bytes_at_an_extreme_is_read_or_refused() {
    let file = good();
    let mut found = [0, 0];
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
            found[usize::from(exercise(&patched(file.clone(), at, &value.to_le_bytes())))] += 1;
        }
    }
    assert!(!found.contains(&0), "{found:?}");
}

#[test]
fn json_that_nests_without_end_is_no_json() {
    let metadata = "[".repeat(200_000);
    let error = parse(&file_of(Vec::new(), &metadata, FLAGS)).unwrap_err();
    assert_eq!(error.code(), "apr.meta.json");
}

/// A file that says how long it is and how much of it was read.
struct Counted<'a> {
    head: &'a [u8],
    length: u64,
    read: Cell<u64>,
}

impl ReadAt for Counted<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read.set(self.read.get() + length(buffer));
        self.head.read_exact_at(offset, buffer)
    }
}

#[test]
fn a_file_of_any_size_costs_its_head() {
    let file = good();
    let source = Counted {
        head: &file[..256],
        length: 1 << 50,
        read: Cell::new(0),
    };
    let head = read_header(&source).unwrap();
    assert_eq!(source.read.get(), 256);
    assert_eq!(Head::parse(&head, source.length).unwrap(), read(&file));
}

#[test]
fn a_head_beyond_the_budget_is_refused_before_it_is_read() {
    let offset: u64 = (256 << 20) + 1;
    let source = Counted {
        head: &patched(good(), 32, &offset.to_le_bytes()),
        length: 1 << 50,
        read: Cell::new(0),
    };
    let error = read_header(&source).unwrap_err();
    assert_eq!((error.code(), source.read.get()), ("apr.head.limit", 64));
}

#[test]
fn a_source_that_ends_early_has_changed() {
    let file = good();
    let source = Counted {
        head: &file[..100],
        length: length(&file),
        read: Cell::new(0),
    };
    assert_eq!(read_header(&source).unwrap_err().code(), "input-changed");
}
