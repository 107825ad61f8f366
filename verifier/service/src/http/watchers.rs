//! Places for those who wait for jobs: half of all connections, so that the others are answered, and of those a quarter for each
//! token, so that none takes all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who waits, by whose jobs theirs are.
#[derive(Debug)]
pub(crate) struct Watchers {
    all: usize,
    of_one: usize,
    waiting: Mutex<HashMap<String, usize>>,
}

/// A place, which is free again when this is dropped.
pub(crate) struct Place {
    watchers: Arc<Watchers>,
    owner: String,
}

impl Watchers {
    /// Without tokens everybody is one.
    pub(crate) fn new(connections: usize, has_tokens: bool) -> Self {
        let all = connections.div_ceil(2);
        Self {
            all,
            of_one: if has_tokens { all.div_ceil(4) } else { all },
            waiting: Mutex::default(),
        }
    }

    /// A place; none where this owner or all together have taken theirs.
    pub(crate) fn place(self: &Arc<Self>, owner: &str) -> Option<Place> {
        let mut waiting = self.lock();
        if waiting.values().sum::<usize>() >= self.all {
            return None;
        }
        let own = waiting.entry(owner.to_owned()).or_default();
        // At least one may: no entry of none stays behind.
        if *own >= self.of_one {
            return None;
        }
        *own += 1;
        Some(Place {
            watchers: Arc::clone(self),
            owner: owner.to_owned(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.watchers.lock();
        if let Some(own) = waiting.get_mut(&self.owner) {
            *own -= 1;
        }
        waiting.retain(|_, own| *own > 0);
    }
}
