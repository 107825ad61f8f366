//! The memory of the device: allocations with addresses, every access checked.

use crate::{
    address::{self, Target},
    fault::{Cause, Space},
};

/// Device memory, from launch to launch.
///
/// Bytes of [`Memory::reserve`] hold 0xCD and count as not written: reading them is an error, for a kernel and for the
/// host.
#[derive(Debug, Default)]
pub struct Memory {
    allocations: Vec<Allocation>,
}

/// What an access may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    OutOfBounds,
    Unaligned,
    Uninitialised,
    ReadOnly,
}

#[derive(Debug)]
struct Allocation {
    bytes: Vec<u8>,
    /// Which bytes were written; nothing once all of them count as written.
    written: Option<Vec<bool>>,
}

impl Memory {
    /// Memory without allocations.
    pub const fn new() -> Self {
        Self {
            allocations: Vec::new(),
        }
    }

    /// Allocates memory that holds these bytes; returns its address.
    pub fn allocate(&mut self, bytes: &[u8]) -> u64 {
        self.push(Allocation {
            bytes: bytes.to_vec(),
            written: None,
        })
    }

    /// Allocates unwritten bytes; returns their address.
    pub fn reserve(&mut self, length: usize) -> u64 {
        self.push(Allocation {
            bytes: vec![POISON; length],
            written: Some(vec![false; length]),
        })
    }

    /// Frees an allocation; later access to it is out of bounds.
    ///
    /// # Errors
    /// Fails when no allocation starts at this address.
    pub fn free(&mut self, address: u64) -> Result<(), Cause> {
        let allocation = match address::target(address) {
            Target::Allocation(index, 0) => self.allocations.get_mut(index),
            _ => None,
        };
        let Some(allocation) = allocation else {
            return Err(Violation::OutOfBounds.cause(Space::Global, address, 0));
        };
        *allocation = Allocation {
            bytes: Vec::new(),
            written: None,
        };
        Ok(())
    }

    /// Reads bytes, as a copy to the host does.
    ///
    /// # Errors
    /// Fails when they are out of bounds or when one of them was never written.
    pub fn read(&self, address: u64, length: usize) -> Result<&[u8], Cause> {
        self.bytes(address, length)
            .map_err(|violation| violation.cause(Space::Global, address, length))
    }

    /// Writes bytes, as a copy from the host does.
    ///
    /// # Errors
    /// Fails when they are out of bounds.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Cause> {
        self.place(address, bytes.len())
            .map(|place| place.copy_from_slice(bytes))
            .map_err(|violation| violation.cause(Space::Global, address, bytes.len()))
    }

    /// The bytes at an address, if all of them are there and written.
    #[inline(always)]
    pub(crate) fn bytes(&self, address: u64, length: usize) -> Result<&[u8], Violation> {
        let Target::Allocation(index, offset) = address::target(address) else {
            return Err(Violation::OutOfBounds);
        };
        let allocation = self.allocations.get(index).ok_or(Violation::OutOfBounds)?;
        let range = offset..offset.wrapping_add(length);
        let bytes = allocation
            .bytes
            .get(range.clone())
            .ok_or(Violation::OutOfBounds)?;
        match &allocation.written {
            None => Ok(bytes),
            Some(written) if written.get(range).is_some_and(all) => Ok(bytes),
            Some(_) => Err(Violation::Uninitialised),
        }
    }

    /// The bytes at an address, to be written.
    #[inline(always)]
    pub(crate) fn place(&mut self, address: u64, length: usize) -> Result<&mut [u8], Violation> {
        let Target::Allocation(index, offset) = address::target(address) else {
            return Err(Violation::OutOfBounds);
        };
        let allocation = self
            .allocations
            .get_mut(index)
            .ok_or(Violation::OutOfBounds)?;
        let range = offset..offset.wrapping_add(length);
        let place = allocation
            .bytes
            .get_mut(range.clone())
            .ok_or(Violation::OutOfBounds)?;
        if let Some(written) = &mut allocation.written {
            written.get_mut(range).unwrap_or_default().fill(true);
        }
        Ok(place)
    }

    fn push(&mut self, allocation: Allocation) -> u64 {
        self.allocations.push(allocation);
        address::of_allocation(self.allocations.len().saturating_sub(1))
    }
}

impl Violation {
    /// The cause of a fault.
    pub(crate) fn cause(self, space: Space, address: u64, size: usize) -> Cause {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        match self {
            Self::OutOfBounds => Cause::OutOfBounds {
                space,
                address,
                size,
            },
            Self::Unaligned => Cause::Unaligned {
                space,
                address,
                size,
            },
            Self::Uninitialised => Cause::Uninitialised {
                space,
                address,
                size,
            },
            Self::ReadOnly => Cause::ReadOnly {
                space,
                address,
                size,
            },
        }
    }
}

/// The little-endian number of 1, 2, 4 or 8 bytes.
#[inline(always)]
pub(crate) fn number(bytes: &[u8]) -> u64 {
    match bytes.len() {
        4 => bytes
            .first_chunk()
            .map_or(0, |b| u32::from_le_bytes(*b).into()),
        1 => bytes.first().map_or(0, |b| (*b).into()),
        2 => bytes
            .first_chunk()
            .map_or(0, |b| u16::from_le_bytes(*b).into()),
        _ => bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b)),
    }
}

/// Writes the lower bytes of a number.
#[inline(always)]
pub(crate) fn put(place: &mut [u8], value: u64) {
    let [a, b, c, d, ..] = value.to_le_bytes();
    match place {
        [p, q, r, s] => (*p, *q, *r, *s) = (a, b, c, d),
        [p] => *p = a,
        [p, q] => (*p, *q) = (a, b),
        _ => {
            for (place, byte) in place.iter_mut().zip(value.to_le_bytes()) {
                *place = byte;
            }
        }
    }
}

fn all(written: &[bool]) -> bool {
    written.iter().all(|written| *written)
}

/// What memory holds before anybody wrote it.
pub(crate) const POISON: u8 = 0xCD;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_reads_what_it_wrote_and_nothing_else() {
        let mut memory = Memory::new();
        let a = memory.allocate(&[1, 2, 3]);
        let b = memory.reserve(4);
        assert_eq!(memory.read(a + 1, 2).unwrap(), [2, 3]);
        assert!(matches!(memory.read(a, 4), Err(Cause::OutOfBounds { .. })));
        assert!(memory.write(b + 1, &[7, 8]).is_ok());
        assert_eq!(memory.read(b + 1, 2).unwrap(), [7, 8]);
        assert!(matches!(
            memory.read(b, 2),
            Err(Cause::Uninitialised { .. })
        ));
        assert!(memory.free(a).is_ok() && memory.read(a, 1).is_err());
        assert!(memory.free(b + 1).is_err() && memory.free(0).is_err());
    }

    #[test]
    fn numbers_come_back_in_every_size() {
        for size in [1, 2, 4, 8] {
            let mut bytes = vec![0; size];
            put(&mut bytes, 0x8877_6655_4433_2211);
            assert_eq!(
                number(&bytes),
                0x8877_6655_4433_2211 & u64::MAX >> (64 - 8 * size)
            );
        }
    }
}
