//! The same work for many items, on several threads, with the results in the order of the items.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does `work` once for each item, on up to `threads` threads; the first item is taken first. Each thread has a state of
/// its own, such as buffers, that it uses again for every item.
pub(crate) fn map<T: Sync, R: Send, S: Default>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T, &mut S) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let work_through = || {
        let mut state = S::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                break;
            };
            let result = work(item, &mut state);
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(items.len()) {
            scope.spawn(work_through);
        }
        work_through();
    });
    // A thread that panicked has ended the scope with its panic: here every item has its result.
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        for threads in [0, 1, 2, 7] {
            let results = map(threads, &items, |item, sum: &mut usize| {
                *sum += item;
                item * 2
            });
            assert_eq!(results, (0..1000).map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
