//! Who touched which byte, and whether anything put two of them in order.

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
}

/// The last write of a byte, and reads of two threads: whoever writes is beside one of them, or was alone.
#[derive(Debug, Clone, Copy, Default)]
struct Touched {
    write: Option<Stamp>,
    reads: [Option<Stamp>; 2],
}

impl SharedRaces {
    pub(crate) fn new(length: usize) -> Self {
        Self {
            bytes: vec![Touched::default(); length],
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
        let bytes = self.bytes.iter_mut().skip(offset).take(length);
        for (place, byte) in (0..).zip(bytes) {
            let beside = |other: &Option<Stamp>| other.filter(|other| stamp.is_beside_in_block(*other));
            if let Some(other) = beside(&byte.write) {
                return Err((place, other));
            }
            if writes {
                if let Some(other) = byte.reads.iter().find_map(beside) {
                    return Err((place, other));
                }
                byte.write = Some(stamp);
                continue;
            }
            // A read that is ordered before this one is not needed any more.
            let [first, second] = &mut byte.reads;
            if first.is_none_or(|first| !stamp.is_beside_in_block(first)) {
                *first = Some(stamp);
            } else if second.is_none_or(|second| !stamp.is_beside_in_block(second)) {
                *second = Some(stamp);
            }
        }
        Ok(())
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
