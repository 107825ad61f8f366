//! A source with one byte put right, to see whether it decodes then.

use std::io;

use super::crc::Edit;
use crate::source::Source;

pub(super) struct Patched<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) edit: Edit,
}

impl Source for Patched<'_> {
    fn length(&self) -> u64 {
        let length = self.source.length();
        match self.edit {
            Edit::Substituted { .. } => length,
            Edit::Inserted { .. } => length.saturating_sub(1),
            Edit::Deleted { .. } => length + 1,
        }
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let (at, original, shift) = match self.edit {
            Edit::Substituted { offset, original } => (offset as u64, Some(original), 0),
            Edit::Inserted { offset } => (offset as u64, None, 1),
            Edit::Deleted { offset, original } => (offset as u64, Some(original), -1_i64),
        };
        // Three stretches: before the place, the byte itself, after it.
        let before = usize::try_from(at.saturating_sub(offset))
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let (first, rest) = buffer.split_at_mut(before);
        self.source.read_exact_at(offset, first)?;
        let mut position = offset + before as u64;
        let rest = match (original, rest) {
            (Some(original), [byte, rest @ ..]) if position == at => {
                *byte = original;
                position += 1;
                rest
            }
            (_, rest) => rest,
        };
        self.source
            .read_exact_at(position.saturating_add_signed(shift), rest)
    }

    fn check_unchanged(&self) -> Result<(), String> {
        self.source.check_unchanged()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_read_sees_the_original_bytes() {
        let original: Vec<u8> = (0..20).collect();
        for offset in 0..20 {
            let byte = original[offset];
            let mut substituted = original.clone();
            substituted[offset] ^= 0x80;
            let mut inserted = original.clone();
            inserted.insert(offset, 99);
            let mut deleted = original.clone();
            deleted.remove(offset);
            for (file, edit) in [
                (
                    substituted,
                    Edit::Substituted {
                        offset,
                        original: byte,
                    },
                ),
                (inserted, Edit::Inserted { offset }),
                (
                    deleted,
                    Edit::Deleted {
                        offset,
                        original: byte,
                    },
                ),
            ] {
                let patched = Patched {
                    source: &file,
                    edit,
                };
                assert_eq!(patched.length(), 20);
                for start in 0..20_usize {
                    let mut buffer = vec![0; 20 - start];
                    patched.read_exact_at(start as u64, &mut buffer).unwrap();
                    assert_eq!(buffer, original[start..], "{edit:?} {start}");
                }
            }
        }
    }
}
