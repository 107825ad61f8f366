//! The parts of an object that are in memory, and those that are on their way.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of a part. Whoever reads a stretch takes its first and last part whole, which others take again: small ones cost less.
pub(super) const PART: u64 = 512 << 10;
/// Bytes of a part of what is read again, such as what lies between two tensors.
pub(super) const SMALL: u64 = 64 << 10;

/// A part, shared by whoever reads it.
pub(super) type Part = Arc<Vec<u8>>;

/// The parts of one object. Each is fetched once while it is in memory; whoever wants it meanwhile waits.
#[derive(Debug)]
pub(super) struct Parts {
    /// Bytes of each.
    pub(super) length: u64,
    /// How many are in memory, those on their way included.
    most: usize,
    /// The most that are begun before a reader wants them.
    ahead: u64,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    parts: HashMap<u64, Slot>,
    /// How often each part was fetched.
    fetched: HashMap<u64, u32>,
    clock: u64,
    /// How many parts were read in a row up to this one, of those that were read last.
    rows: HashMap<u64, u64>,
}

#[derive(Debug)]
enum Slot {
    OnItsWay,
    Held {
        part: Part,
        used: u64,
        /// Whether it was fetched for a reader who has not come to it yet.
        is_ahead: bool,
    },
}

/// A part that was asked for, and which ones will probably be wanted next.
pub(super) struct Wanted<'a> {
    pub(super) found: Found<'a>,
    pub(super) next: Range<u64>,
}

/// What there is of a part.
pub(super) enum Found<'a> {
    Held(Part),
    /// Nothing: whoever has this fetches it.
    Claimed(Claim<'a>),
}

/// The right to fetch a part, which ends when it is dropped.
pub(super) struct Claim<'a> {
    parts: &'a Parts,
    index: u64,
}

impl Parts {
    /// Those that are read at first.
    pub(super) fn large() -> Self {
        Self::new(PART, 24, 4)
    }

    /// Those that are fetched again where a few bytes of one that was forgotten are wanted.
    pub(super) fn small() -> Self {
        Self::new(SMALL, 128, 0)
    }

    fn new(length: u64, most: usize, ahead: u64) -> Self {
        Self {
            length,
            most,
            ahead,
            state: Mutex::default(),
            arrived: Condvar::new(),
        }
    }

    /// The part, or the right to fetch it; waits for one that is on its way.
    pub(super) fn wait_for(&self, index: u64) -> Wanted<'_> {
        let mut state = self.lock();
        let next = state.next(index, self.most, self.ahead);
        let found = loop {
            let now = state.tick();
            match state.parts.get_mut(&index) {
                Some(Slot::Held {
                    part,
                    used,
                    is_ahead,
                }) => {
                    *used = now;
                    *is_ahead = false;
                    break Found::Held(Arc::clone(part));
                }
                Some(Slot::OnItsWay) => {
                    let waited = self.arrived.wait(state);
                    state = waited.unwrap_or_else(PoisonError::into_inner);
                }
                None => {
                    state.make_room(self.most);
                    state.parts.insert(index, Slot::OnItsWay);
                    break Found::Claimed(Claim { parts: self, index });
                }
            }
        };
        Wanted { found, next }
    }

    /// The right to fetch a part that nobody has asked for yet; none where it is there, or there is no room. Who reads parts
    /// for the first time will hardly want one that another reader had.
    pub(super) fn claim_ahead(&self, index: u64, after: u64) -> Option<Claim<'_>> {
        let mut state = self.lock();
        let times = |index| state.fetched.get(&index).copied().unwrap_or(0);
        if times(index) > 0 && times(after) < 2 {
            return None;
        }
        let on_their_way = state
            .parts
            .values()
            .filter(|slot| matches!(slot, Slot::OnItsWay));
        if state.parts.contains_key(&index) || on_their_way.count() >= self.most / 2 {
            return None;
        }
        state.make_room(self.most);
        state.parts.insert(index, Slot::OnItsWay);
        Some(Claim { parts: self, index })
    }

    /// Whether a part was in memory once and is not any more.
    pub(super) fn is_gone(&self, index: u64) -> bool {
        let state = self.lock();
        state.fetched.contains_key(&index) && !state.parts.contains_key(&index)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }

    /// What comes after a part, as far as its reader has come in a row: nobody knows where a reader ends, and what is fetched
    /// behind that is fetched for nothing.
    fn next(&mut self, index: u64, most: usize, ahead: u64) -> Range<u64> {
        let first = index.saturating_add(1);
        if self.rows.contains_key(&index) {
            // Another read of the same part.
            return first..first;
        }
        let row = index
            .checked_sub(1)
            .and_then(|before| self.rows.remove(&before))
            .map_or(1, |row| row.saturating_add(1));
        if self.rows.len() >= most {
            self.rows.clear();
        }
        self.rows.insert(index, row);
        first..first.saturating_add(row.min(ahead))
    }

    /// Forgets the parts that were not used for longest, those that nobody has come to yet last.
    fn make_room(&mut self, most: usize) {
        while self.parts.len() >= most {
            let held = self.parts.iter().filter_map(|(index, slot)| match slot {
                Slot::Held { used, is_ahead, .. } => Some((*is_ahead, *used, *index)),
                Slot::OnItsWay => None,
            });
            let Some((_, _, oldest)) = held.min() else {
                return;
            };
            self.parts.remove(&oldest);
        }
    }
}

impl Claim<'_> {
    /// Where the part lies in the object, or would if that went on.
    pub(super) const fn range(&self) -> Range<u64> {
        let start = self.index.saturating_mul(self.parts.length);
        start..start.saturating_add(self.parts.length)
    }

    /// Puts the part where others find it.
    pub(super) fn put(self, bytes: Vec<u8>) -> Part {
        let part = Arc::new(bytes);
        let mut state = self.parts.lock();
        let used = state.tick();
        let slot = Slot::Held {
            part: Arc::clone(&part),
            used,
            is_ahead: true,
        };
        state.parts.insert(self.index, slot);
        let fetched = state.fetched.entry(self.index).or_default();
        *fetched = fetched.saturating_add(1);
        part
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.parts.lock();
        if matches!(state.parts.get(&self.index), Some(Slot::OnItsWay)) {
            state.parts.remove(&self.index);
        }
        self.parts.arrived.notify_all();
    }
}
