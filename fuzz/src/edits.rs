//! Edits of a few bytes, as the fuzzer draws them.

use libfuzzer_sys::arbitrary::{self, Arbitrary};

/// A change of a few bytes; places are taken modulo the length.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Edit {
    /// Turns bits round.
    Flip(u16, u8),
    /// Sets a stretch to one byte.
    Fill(u16, u8, u8),
    /// Adds to a little-endian number of eight bytes.
    Add(u16, i8),
    /// Writes a number of eight bytes.
    Write(u16, u64),
    /// Puts bytes in.
    Insert(u16, [u8; 3]),
    /// Takes a stretch out.
    Cut(u16, u8),
    /// Writes one stretch over another.
    Copy(u16, u16, u8),
    /// Puts a stretch in a second time.
    Repeat(u16, u8),
}

/// Applies edits to a copy.
pub fn edited(intact: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = intact.to_vec();
    for edit in edits {
        if !bytes.is_empty() {
            edit.apply(&mut bytes);
        }
    }
    bytes
}

impl Edit {
    fn apply(self, bytes: &mut Vec<u8>) {
        let size = bytes.len();
        let stretch = |at: u16, length: u8| {
            let start = usize::from(at) % size;
            start..(start + usize::from(length)).min(size)
        };
        match self {
            Self::Flip(at, bits) => bytes[usize::from(at) % size] ^= bits,
            Self::Fill(at, length, with) => bytes[stretch(at, length)].fill(with),
            Self::Add(at, number) => {
                if let Some(place) = bytes[stretch(at, 8)].first_chunk_mut() {
                    let sum = u64::from_le_bytes(*place).wrapping_add_signed(number.into());
                    *place = sum.to_le_bytes();
                }
            }
            Self::Write(at, number) => {
                if let Some(place) = bytes[stretch(at, 8)].first_chunk_mut() {
                    *place = number.to_le_bytes();
                }
            }
            Self::Insert(at, new) => drop(bytes.splice(stretch(at, 0), new)),
            Self::Cut(at, length) => drop(bytes.drain(stretch(at, length))),
            Self::Copy(from, to, length) => {
                let from = stretch(from, length);
                let to = usize::from(to) % (size - from.len() + 1);
                bytes.copy_within(from, to);
            }
            Self::Repeat(at, length) => {
                let stretch = stretch(at, length);
                let copy = bytes[stretch.clone()].to_vec();
                drop(bytes.splice(stretch.start..stretch.start, copy));
            }
        }
    }
}
