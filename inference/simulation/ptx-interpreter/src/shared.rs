//! The shared memory of a block.

use crate::{
    memory::{POISON, Violation},
    race::SharedRaces,
};

/// Bytes that start out poisoned, with who wrote and read them.
#[derive(Debug)]
pub(crate) struct Shared {
    bytes: Vec<u8>,
    written: Vec<bool>,
    pub(crate) races: Option<SharedRaces>,
}

impl Shared {
    pub(crate) fn new(length: usize, races: bool) -> Self {
        Self {
            bytes: vec![POISON; length],
            written: vec![false; length],
            races: races.then(|| SharedRaces::new(length)),
        }
    }

    /// Makes it the memory of a new block.
    pub(crate) fn poison(&mut self) {
        self.bytes.fill(POISON);
        self.written.fill(false);
    }

    /// The bytes at an offset; whether they were written matters to those who ask for it.
    #[inline(always)]
    pub(crate) fn bytes(
        &self,
        offset: u64,
        length: usize,
        only_written: bool,
    ) -> Result<&[u8], Violation> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let range = start..start.wrapping_add(length);
        let bytes = self
            .bytes
            .get(range.clone())
            .ok_or(Violation::OutOfBounds)?;
        let mut written = self.written.get(range).unwrap_or_default().iter();
        if only_written && !written.all(|written| *written) {
            return Err(Violation::Uninitialised);
        }
        Ok(bytes)
    }

    /// The bytes at an offset, to be written.
    #[inline(always)]
    pub(crate) fn place(&mut self, offset: u64, length: usize) -> Result<&mut [u8], Violation> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let range = start..start.wrapping_add(length);
        let place = self
            .bytes
            .get_mut(range.clone())
            .ok_or(Violation::OutOfBounds)?;
        self.written.get_mut(range).unwrap_or_default().fill(true);
        Ok(place)
    }
}
