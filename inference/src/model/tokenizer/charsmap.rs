//! The table of normalisation that SentencePiece compiles: which sequences of bytes become which others.
//!
//! Four bytes hold the length of a double array in bytes; its entries follow, 32 bits each, then the replacements, each
//! with a zero behind it. An entry holds the byte that leads to it, whether a sequence ends there, and where its
//! children are: at that number XOR their byte.

use crate::error::Error;

/// A compiled table.
#[derive(Debug)]
pub(super) struct Charsmap {
    field: &'static str,
    entries: Vec<u32>,
    replacements: Vec<u8>,
}

/// The longest sequence, and the longest replacement, of bytes. The tables of SentencePiece stay below 40; this bounds
/// what a text costs and becomes with any other.
const LONGEST: usize = 256;

impl Charsmap {
    pub(super) fn new(field: &'static str, bytes: &[u8]) -> Result<Self, Error> {
        let wrong =
            |expected: &str| Error::model(field, expected, format_args!("{} bytes", bytes.len()));
        let (length, rest) = bytes
            .split_first_chunk()
            .ok_or_else(|| wrong("the length of a table"))?;
        let split = usize::try_from(u32::from_le_bytes(*length))
            .ok()
            .filter(|length| *length < rest.len())
            .and_then(|length| rest.split_at_checked(length));
        let (entries, replacements) = split
            .ok_or_else(|| wrong("a table of the stated length and replacements behind it"))?;
        let (entries, _) = entries.as_chunks();
        Ok(Self {
            field,
            entries: entries.iter().copied().map(u32::from_le_bytes).collect(),
            replacements: replacements.to_vec(),
        })
    }

    /// The replacement of the longest sequence that the text begins with, and the length of that sequence.
    pub(super) fn replace(&self, text: &[u8]) -> Result<Option<(&[u8], usize)>, Error> {
        if self.entries.is_empty() {
            return Ok(None);
        }
        let mut longest = None;
        let mut node = children(self.entry(0)?);
        for (length, byte) in (1..).zip(text) {
            if *byte == 0 {
                break;
            }
            node ^= u32::from(*byte);
            let entry = self.entry(node)?;
            if entry & 0x8000_00FF != u32::from(*byte) {
                break;
            }
            if length > LONGEST {
                return Err(self.wrong("sequences of at most 256 bytes", "a longer one"));
            }
            node ^= children(entry);
            if entry & 0x100 != 0 {
                longest = Some((self.entry(node)? & 0x7FFF_FFFF, length));
            }
        }
        let Some((start, length)) = longest else {
            return Ok(None);
        };
        let replacement = usize::try_from(start)
            .ok()
            .and_then(|start| self.replacements.get(start..))
            .and_then(|rest| rest.get(..rest.iter().take(LONGEST).position(|byte| *byte == 0)?));
        let replacement = replacement.ok_or_else(|| {
            self.wrong(
                "a replacement of at most 256 bytes with a zero behind it",
                "none",
            )
        })?;
        Ok(Some((replacement, length)))
    }

    fn entry(&self, index: u32) -> Result<u32, Error> {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.entries.get(index).copied())
            .ok_or_else(|| self.wrong("a table that refers to its own entries", index))
    }

    fn wrong(&self, expected: &str, found: impl std::fmt::Display) -> Error {
        Error::model(self.field, expected, found)
    }
}

/// Where the children of an entry are, before the XOR with their byte.
const fn children(entry: u32) -> u32 {
    (entry >> 10) << ((entry & 0x200) >> 6)
}
