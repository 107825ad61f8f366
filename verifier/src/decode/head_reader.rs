//! The head of a file: everything before the tensor data, read forward as it is needed.
//!
//! No allocation is made from a number in the file: the buffer grows with what was really read.

use std::io;

use crate::region::Span;
use crate::source::Source;

/// Reads forward through the start of a file and keeps what it read.
pub(crate) struct Head<'s> {
    source: &'s dyn Source,
    bytes: Vec<u8>,
    position: usize,
    limit: u64,
}

/// Why reading forward stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The file ends before the field does.
    End,
    /// The head is larger than the limit for it.
    Limit,
    /// The source could not be read.
    Io(io::Error),
}

impl<'s> Head<'s> {
    /// Starts at the first byte. `limit` bounds the bytes kept.
    pub(crate) const fn new(source: &'s dyn Source, limit: u64) -> Self {
        Self {
            source,
            bytes: Vec::new(),
            position: 0,
            limit,
        }
    }

    /// The offset of the next byte.
    pub(crate) const fn position(&self) -> u64 {
        self.position as u64
    }

    /// Bytes of the file after the position.
    pub(crate) fn left(&self) -> u64 {
        self.source.length().saturating_sub(self.position())
    }

    /// What was read so far, from the start of the file.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Looks again at bytes that were taken.
    pub(crate) fn read_back(&self, span: Span) -> &[u8] {
        span.of(&self.bytes)
    }

    /// Takes the next `length` bytes.
    pub(crate) fn take(&mut self, length: u64) -> Result<&[u8], Stop> {
        if length > self.left() {
            return Err(Stop::End);
        }
        let end = self.position().saturating_add(length);
        if end > self.limit {
            return Err(Stop::Limit);
        }
        let end = usize::try_from(end).map_err(|_| Stop::Limit)?;
        self.fill(end)?;
        let start = std::mem::replace(&mut self.position, end);
        self.bytes.get(start..end).ok_or(Stop::End)
    }

    /// Takes the next `length` bytes and returns where they lie.
    pub(crate) fn skip(&mut self, length: u64) -> Result<Span, Stop> {
        let offset = self.position();
        self.take(length)?;
        Ok(Span::new(offset, length))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Stop> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Stop> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Stop> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Stop> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        self.take(N as u64)?.try_into().map_err(|_| Stop::End)
    }

    /// Reads on until `end`, at least doubling, so that many small fields cost few reads.
    fn fill(&mut self, end: usize) -> Result<(), Stop> {
        let have = self.bytes.len();
        if have >= end {
            return Ok(());
        }
        let whole = usize::try_from(self.source.length().min(self.limit)).unwrap_or(usize::MAX);
        let target = end.max(have.saturating_mul(2)).max(FIRST_READ).min(whole);
        self.bytes.resize(target, 0);
        let new = self.bytes.get_mut(have..).ok_or(Stop::End)?;
        let result = self.source.read_exact_at(have as u64, new);
        if let Err(error) = result {
            self.bytes.truncate(have);
            return Err(Stop::Io(error));
        }
        Ok(())
    }
}

const FIRST_READ: usize = 64 << 10;
