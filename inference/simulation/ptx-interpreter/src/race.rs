//! Race detection: which thread touched which byte, and whether anything ordered two accesses.

use crate::address::{self, Target};

/// An access: who, when in the course of the block, and where in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) block: u32,
    pub(crate) thread: u32,
    /// Barriers of the block so far.
    pub(crate) epoch: u32,
    /// Barriers of the warp so far.
    pub(crate) warp_epoch: u32,
    pub(crate) line: u32,
}

impl Stamp {
    /// Whether two accesses come in no order that the kernel fixes.
    fn is_beside(self, other: Self) -> bool {
        if self.block != other.block {
            return true;
        }
        let other_warp = self.thread / WARP != other.thread / WARP;
        self.thread != other.thread
            && self.epoch == other.epoch
            && (other_warp || self.warp_epoch == other.warp_epoch)
    }

    /// The same for the memory of a block, where what another block did is over.
    fn is_beside_in_block(self, other: Self) -> bool {
        self.block == other.block && self.is_beside(other)
    }
}

/// The accesses to shared memory: blocks have it one after the other, so what is left of an earlier one is in order.
#[derive(Debug, Clone)]
pub(crate) struct SharedRaces {
    bytes: Vec<Touched>,
    /// Which words were only touched as a whole so far: there the first byte speaks for all four.
    whole: Vec<bool>,
}

/// The last write of a byte, and reads of two threads: whoever writes is beside one of them, or was alone.
#[derive(Debug, Clone, Copy, Default)]
struct Touched {
    write: Option<Stamp>,
    reads: [Option<Stamp>; 2],
}

impl SharedRaces {
    pub(crate) fn new(length: usize) -> Self {
        let words = length.div_ceil(WORD);
        Self {
            bytes: vec![Touched::default(); words.saturating_mul(WORD)],
            whole: vec![true; words],
        }
    }

    /// Notes an access; returns the place in it and the other access where there is a race.
    pub(crate) fn touch(
        &mut self,
        offset: usize,
        length: usize,
        stamp: Stamp,
        writes: bool,
    ) -> Result<(), (u64, Stamp)> {
        let mut place = 0;
        while place < length {
            let at = offset.saturating_add(place);
            let covers_word = at.is_multiple_of(WORD) && length.saturating_sub(place) >= WORD;
            let step = if self.is_whole(at / WORD, covers_word) {
                WORD
            } else {
                1
            };
            if let Some(other) = self.bytes.get_mut(at).and_then(|b| b.touch(stamp, writes)) {
                return Err((u64::try_from(place).unwrap_or(u64::MAX), other));
            }
            place += step;
        }
        Ok(())
    }

    /// Whether a word is touched as a whole, now as always before; else each of its bytes speaks for itself.
    fn is_whole(&mut self, word: usize, covered: bool) -> bool {
        let Some(whole) = self.whole.get_mut(word) else {
            return false;
        };
        let was_whole = *whole;
        *whole &= covered;
        if was_whole && !covered {
            let bytes = self.bytes.iter_mut().skip(word.saturating_mul(WORD));
            let mut bytes = bytes.take(WORD);
            let first = bytes.next().map_or_else(Touched::default, |first| *first);
            bytes.for_each(|byte| *byte = first);
        }
        *whole
    }
}

impl Touched {
    /// Notes an access; returns the other one where there is a race.
    #[inline(always)]
    fn touch(&mut self, stamp: Stamp, writes: bool) -> Option<Stamp> {
        let beside = |other: &Option<Stamp>| other.filter(|other| stamp.is_beside_in_block(*other));
        let raced = beside(&self.write);
        if raced.is_some() {
            return raced;
        }
        let [first, second] = &mut self.reads;
        if writes {
            let raced = beside(first).or_else(|| beside(second));
            if raced.is_none() {
                self.write = Some(stamp);
            }
            return raced;
        }
        // A read that is ordered before this one is not needed any more.
        if beside(first).is_none() {
            *first = Some(stamp);
        } else if beside(second).is_none() {
            *second = Some(stamp);
        }
        None
    }
}

/// The writes of a launch to each byte of an allocation that was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct GlobalRaces {
    allocations: Vec<Vec<Option<Stamp>>>,
}

impl GlobalRaces {
    /// Notes an access; returns the place in it and the other access where there is a race.
    ///
    /// Only writes are kept: a read before a write of another thread is found when the schedule is turned round.
    pub(crate) fn touch(
        &mut self,
        address: u64,
        length: usize,
        stamp: Stamp,
        writes: bool,
    ) -> Result<(), (u64, Stamp)> {
        let Target::Allocation(index, offset) = address::target(address) else {
            return Ok(());
        };
        if writes && self.allocations.len() <= index {
            self.allocations.resize(index.saturating_add(1), Vec::new());
        }
        let Some(allocation) = self.allocations.get_mut(index) else {
            return Ok(());
        };
        let end = offset.saturating_add(length);
        if writes && allocation.len() < end {
            allocation.resize(end.next_power_of_two(), None);
        }
        for (place, byte) in (0..).zip(allocation.iter_mut().skip(offset).take(length)) {
            if let Some(other) = byte.filter(|other| stamp.is_beside(*other)) {
                return Err((place, other));
            }
            if writes {
                *byte = Some(stamp);
            }
        }
        Ok(())
    }
}

/// Bytes of a word.
const WORD: usize = 4;
/// Lanes of a warp.
pub(crate) const WARP: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(thread: u32, epoch: u32, line: u32) -> Stamp {
        Stamp {
            block: 0,
            thread,
            epoch,
            warp_epoch: 0,
            line,
        }
    }

    #[test]
    fn a_third_reader_does_not_hide_the_first() {
        let mut races = SharedRaces::new(8);
        for thread in 0..3 {
            assert!(races.touch(0, 4, at(thread, 0, 1), false).is_ok());
        }
        let found = races.touch(3, 2, at(0, 0, 2), true);
        assert_eq!(found, Err((0, at(1, 0, 1))));
        assert!(races.touch(3, 2, at(0, 1, 2), true).is_ok());
        assert_eq!(races.touch(4, 1, at(1, 1, 3), false), Err((0, at(0, 1, 2))));
        let next_block = |thread| Stamp {
            block: 1,
            ..at(thread, 0, 1)
        };
        assert!(races.touch(4, 1, next_block(0), false).is_ok());
        assert!(races.touch(4, 1, next_block(1), false).is_ok());
        let found = races.touch(4, 1, next_block(2), true);
        assert_eq!(found, Err((0, next_block(0))));
    }

    #[test]
    fn bytes_of_a_word_are_told_apart_from_the_first_access_to_one() {
        let mut races = SharedRaces::new(10);
        assert!(races.touch(0, 8, at(0, 0, 1), true).is_ok());
        assert!(races.touch(5, 1, at(1, 1, 2), true).is_ok());
        for (byte, expected) in [
            (4, Ok(())),
            (5, Err((0, at(1, 1, 2)))),
            (6, Ok(())),
            (8, Ok(())),
        ] {
            assert_eq!(races.touch(byte, 1, at(2, 1, 3), true), expected);
        }
        let found = races.touch(4, 4, at(2, 1, 4), false);
        assert_eq!(found, Err((1, at(1, 1, 2))));
        assert_eq!(races.touch(0, 4, at(2, 0, 4), false), Err((0, at(0, 0, 1))));
    }

    #[test]
    fn blocks_are_never_in_order() {
        let mut races = GlobalRaces::default();
        let address = address::of_allocation(2);
        assert!(races.touch(address, 4, at(0, 0, 1), true).is_ok());
        assert!(races.touch(address, 4, at(1, 1, 1), true).is_ok());
        let other = Stamp {
            block: 1,
            ..at(1, 5, 2)
        };
        assert_eq!(
            races.touch(address + 2, 4, other, true),
            Err((0, at(1, 1, 1)))
        );
    }

    #[test]
    fn a_barrier_of_the_warp_orders_its_own_lanes_only() {
        let after = |thread| Stamp {
            warp_epoch: 1,
            ..at(thread, 0, 2)
        };
        assert!(at(0, 0, 1).is_beside(at(1, 0, 1)));
        assert!(!at(0, 0, 1).is_beside(after(1)));
        assert!(at(0, 0, 1).is_beside(after(32)));
    }
}
