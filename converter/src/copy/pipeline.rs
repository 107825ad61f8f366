//! Blocks in order through several chains of work, on as many threads as there are.
//!
//! A reader makes blocks; each chain takes every block once, in order. A thread that is free takes the oldest block that
//! a free chain waits for, so that a block is used up while it is in the cache, and reads on when no chain waits. The
//! outcome does not depend on the number of threads, because nothing but the order inside a chain does.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// Makes the next block, out of a used one where there is one; `None` at the end.
pub(crate) type Reader<'a, B, E> = Box<dyn FnMut(Option<B>) -> Result<Option<B>, E> + Send + 'a>;

/// Takes every block, in order.
pub(crate) type Chain<'a, B, E> = Box<dyn FnMut(&B) -> Result<(), E> + Send + 'a>;

/// Runs until every chain has taken every block, or until something fails.
///
/// At most `slots` blocks exist at a time. The caller's thread is one of `threads`.
pub(crate) fn run<'a, B: Send + Sync, E: Send>(
    threads: usize,
    slots: usize,
    reader: Reader<'a, B, E>,
    chains: Vec<Chain<'a, B, E>>,
) -> Result<(), E> {
    // More threads than work of different kinds would only wait.
    let helpers = threads.min(chains.len() + 1).saturating_sub(1);
    let lanes = chains.into_iter().map(|chain| Lane {
        next: 0,
        chain: Some(chain),
    });
    let pipeline = Pipeline {
        state: Mutex::new(State {
            slots,
            blocks: VecDeque::new(),
            first: 0,
            reader: Some(reader),
            is_exhausted: false,
            lanes: lanes.collect(),
            spare: Vec::new(),
            failure: None,
            is_stopped: false,
        }),
        changed: Condvar::new(),
    };
    thread::scope(|scope| {
        for _ in 0..helpers {
            // With fewer threads than asked for the work is done all the same.
            drop(thread::Builder::new().spawn_scoped(scope, || pipeline.work()));
        }
        pipeline.work();
    });
    let state = pipeline.state.into_inner();
    match state.unwrap_or_else(PoisonError::into_inner).failure {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

struct Pipeline<'a, B, E> {
    state: Mutex<State<'a, B, E>>,
    changed: Condvar,
}

struct State<'a, B, E> {
    slots: usize,
    /// The blocks that some chain has not taken yet; the first one has the number `first`.
    blocks: VecDeque<Arc<B>>,
    first: usize,
    /// `None` while a thread reads.
    reader: Option<Reader<'a, B, E>>,
    is_exhausted: bool,
    lanes: Vec<Lane<'a, B, E>>,
    spare: Vec<B>,
    failure: Option<E>,
    is_stopped: bool,
}

struct Lane<'a, B, E> {
    /// The number of the block to be taken next.
    next: usize,
    /// `None` while a thread works on it.
    chain: Option<Chain<'a, B, E>>,
}

enum Job<'a, B, E> {
    Take(usize, Chain<'a, B, E>, Arc<B>),
    Read(Reader<'a, B, E>, Option<B>),
}

impl<'a, B, E> Pipeline<'a, B, E> {
    fn work(&self) {
        let _guard = StopOnPanic(self);
        let mut state = self.lock();
        while !state.is_stopped {
            let Some(job) = state.next_job() else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            match job {
                Job::Take(lane, mut chain, block) => {
                    let result = chain(&block);
                    // The block must have no other owner when the last chain gives it back.
                    drop(block);
                    state = self.lock();
                    state.give_back_chain(lane, chain, result);
                }
                Job::Read(mut reader, spare) => {
                    let result = reader(spare);
                    state = self.lock();
                    state.give_back_reader(reader, result);
                }
            }
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<'a, B, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a, B, E> State<'a, B, E> {
    fn next_job(&mut self) -> Option<Job<'a, B, E>> {
        let end = self.first + self.blocks.len();
        let oldest = self
            .lanes
            .iter_mut()
            .enumerate()
            .filter(|(_, lane)| lane.chain.is_some() && lane.next < end)
            .min_by_key(|(_, lane)| lane.next);
        if let Some((index, lane)) = oldest {
            let block = self.blocks.get(lane.next.saturating_sub(self.first))?;
            return Some(Job::Take(index, lane.chain.take()?, Arc::clone(block)));
        }
        if self.is_exhausted || self.blocks.len() >= self.slots {
            return None;
        }
        Some(Job::Read(self.reader.take()?, self.spare.pop()))
    }

    fn give_back_chain(&mut self, index: usize, chain: Chain<'a, B, E>, result: Result<(), E>) {
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.chain = Some(chain);
            lane.next += 1;
        }
        if let Err(failure) = result {
            self.fail(failure);
        }
        let taken_by_all = self
            .lanes
            .iter()
            .map(|lane| lane.next)
            .min()
            .unwrap_or_default();
        while self.first < taken_by_all {
            self.spare
                .extend(self.blocks.pop_front().and_then(Arc::into_inner));
            self.first += 1;
        }
        self.stop_at_the_end();
    }

    fn give_back_reader(&mut self, reader: Reader<'a, B, E>, result: Result<Option<B>, E>) {
        self.reader = Some(reader);
        match result {
            Ok(Some(block)) => self.blocks.push_back(Arc::new(block)),
            Ok(None) => self.is_exhausted = true,
            Err(failure) => self.fail(failure),
        }
        self.stop_at_the_end();
    }

    fn fail(&mut self, failure: E) {
        self.failure.get_or_insert(failure);
        self.is_stopped = true;
    }

    fn stop_at_the_end(&mut self) {
        self.is_stopped |= self.is_exhausted && self.blocks.is_empty();
    }
}

/// Keeps the other threads from waiting for one that panicked; the scope passes the panic on.
struct StopOnPanic<'p, 'a, B, E>(&'p Pipeline<'a, B, E>);

impl<B, E> Drop for StopOnPanic<'_, '_, B, E> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().is_stopped = true;
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn numbers(count: u32) -> Reader<'static, u32, &'static str> {
        let mut numbers = 1..=count;
        Box::new(move |_| Ok(numbers.next()))
    }

    #[test]
    fn every_chain_takes_every_block_in_order_on_any_threads() {
        for threads in [0, 1, 2, 3, 8] {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let chains: Vec<Chain<'_, u32, &str>> = vec![
                Box::new(|number| {
                    one.push(*number);
                    Ok(())
                }),
                Box::new(|number| {
                    other.push(*number);
                    Ok(())
                }),
            ];
            run(threads, 4, numbers(1_000), chains).unwrap();
            let expected: Vec<u32> = (1..=1_000).collect();
            assert_eq!((one, other), (expected.clone(), expected));
        }
    }

    #[test]
    fn the_first_failure_stops_everything() {
        for threads in [1, 4] {
            let chains: Vec<Chain<'_, u32, &str>> = vec![
                Box::new(|_| Ok(())),
                Box::new(|number| if *number == 7 { Err("seven") } else { Ok(()) }),
            ];
            assert_eq!(run(threads, 4, numbers(u32::MAX - 1), chains), Err("seven"));
            let failing: Reader<'_, u32, &str> = Box::new(|_| Err("unreadable"));
            assert_eq!(
                run(threads, 4, failing, vec![Box::new(|_| Ok(()))]),
                Err("unreadable")
            );
        }
    }

    #[test]
    fn a_panic_in_a_chain_ends_the_run() {
        let run = || {
            let chains: Vec<Chain<'_, u32, &str>> = vec![
                Box::new(|_| Ok(())),
                Box::new(|number| {
                    assert_ne!(*number, 7);
                    Ok(())
                }),
            ];
            run(3, 4, numbers(1_000), chains)
        };
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    }

    #[test]
    fn no_more_blocks_exist_than_there_are_slots() {
        let (mut made, mut reused) = (0, 0);
        let mut left = 100;
        let reader: Reader<'_, Vec<u8>, &str> = Box::new(|spare| {
            if left == 0 {
                return Ok(None);
            }
            left -= 1;
            if spare.is_some() {
                reused += 1;
            } else {
                made += 1;
            }
            Ok(Some(spare.unwrap_or_default()))
        });
        run(
            2,
            3,
            reader,
            vec![Box::new(|_| Ok(())), Box::new(|_| Ok(()))],
        )
        .unwrap();
        assert!(made <= 3, "{made}");
        assert_eq!(made + reused, 100);
    }
}
