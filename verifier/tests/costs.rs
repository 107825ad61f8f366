//! What hostile files cost: memory and reading grow with their bytes, and no faster.

mod common;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use allocation_counter::{AllocationInfo, measure};
use fixtures::hostile::KINDS;
use verifier::source::Source;

const SMALL: usize = 256 << 10;

#[test]
fn memory_and_reading_grow_no_faster_than_a_hostile_file() {
    for kind in KINDS {
        let [(small, small_read), (large, large_read)] =
            [SMALL, 4 * SMALL].map(|size| cost((kind.pair)(size)));
        let name = kind.name;
        // Four times the bytes, and what a vector that doubles may add.
        let grows = |small: u64, large: u64| large <= 6 * small;
        assert!(
            grows(small.count_total, large.count_total),
            "{name}: {small:?} {large:?}"
        );
        assert!(
            grows(small.bytes_total, large.bytes_total),
            "{name}: {small:?} {large:?}"
        );
        let most = 64 * SMALL as u64;
        assert!(small.bytes_max <= most, "{name}: {small:?}");
        assert!(large.bytes_max <= 4 * most, "{name}: {large:?}");
        assert!(
            grows(small_read, large_read),
            "{name}: {small_read} {large_read}"
        );
    }
}

/// What a verification allocates, and the bytes that it reads.
fn cost([apr, gguf]: [Vec<u8>; 2]) -> (AllocationInfo, u64) {
    let (apr, gguf) = (Counted::new(apr), Counted::new(gguf));
    let allocated = measure(|| drop(common::report(&apr, &gguf, 1)));
    let read = [&apr, &gguf].map(|file| file.read.load(Ordering::Relaxed));
    (allocated, read.iter().sum())
}

/// A file that counts what is read of it.
struct Counted {
    bytes: Vec<u8>,
    read: AtomicU64,
}

impl Counted {
    const fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            read: AtomicU64::new(0),
        }
    }
}

impl Source for Counted {
    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.bytes.read_exact_at(offset, buffer)
    }

    fn check_unchanged(&self) -> Result<(), String> {
        Ok(())
    }
}
