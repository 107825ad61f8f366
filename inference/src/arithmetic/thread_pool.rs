//! A pool of threads that run jobs in order.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Runs every job once, on the calling thread and up to `threads - 1` others; which thread runs a job never changes its
/// result.
///
/// The threads take the jobs in order, each the next one when it is done with the last. They are kept for the next call:
/// new threads cost more than a small job, and may share a CPU until the scheduler has looked at them.
///
/// # Errors
/// Fails with the failure of the first job that fails, in the order of the jobs. Jobs after it may not have run.
pub fn for_each<J: Send, E: Send>(
    threads: usize,
    jobs: Vec<J>,
    work: impl Fn(J) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let helpers = threads.clamp(1, MOST_THREADS) - 1;
    let useful = helpers.min(jobs.len().saturating_sub(1));
    let Some(pool) = (useful > 0).then(|| pool(helpers)).flatten() else {
        return jobs.into_iter().try_for_each(work);
    };
    let jobs = Mutex::new(jobs.into_iter().enumerate());
    let failure = Mutex::new(None);
    // The lock is held only as long as it takes to take a job.
    let next = || lock(&jobs).next();
    let take_jobs = || {
        while let Some((index, job)) = next() {
            if let Err(error) = work(job) {
                keep_first(&failure, index, error);
                // No more jobs; those before this one have been taken already.
                lock(&jobs).by_ref().for_each(drop);
            }
        }
    };
    pool.in_place_scope(|scope| {
        for _ in 0..useful {
            scope.spawn(|_| take_jobs());
        }
        take_jobs();
    });
    let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(()), |(_, error)| Err(error))
}

fn keep_first<E>(failure: &Mutex<Option<(usize, E)>>, index: usize, error: E) {
    let mut failure = lock(failure);
    if failure.as_ref().is_none_or(|(first, _)| index < *first) {
        *failure = Some((index, error));
    }
}

/// The pool of so many threads, or `None` when the system has none left: then the caller works alone.
fn pool(threads: usize) -> Option<Arc<ThreadPool>> {
    static POOLS: Mutex<BTreeMap<usize, Arc<ThreadPool>>> = Mutex::new(BTreeMap::new());
    let mut pools = lock(&POOLS);
    if let Some(pool) = pools.get(&threads) {
        return Some(Arc::clone(pool));
    }
    let builder = ThreadPoolBuilder::new().num_threads(threads);
    let pool = Arc::new(builder.build().ok()?);
    pools.insert(threads, Arc::clone(&pool));
    Some(pool)
}

/// A panic leaves nothing half done here, and reaches the caller itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More threads than any current CPU runs at once.
const MOST_THREADS: usize = 1024;

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Barrier};

    use super::*;

    #[test]
    fn every_job_runs_once_whatever_the_number_of_threads() {
        for threads in [0, 1, 2, 3, 64] {
            let mut counts = [0; 10];
            let Ok(()) = for_each(threads, counts.iter_mut().collect(), |count| {
                *count += 1;
                Ok::<_, Infallible>(())
            });
            assert_eq!(counts, [1; 10]);
        }
    }

    #[test]
    fn the_first_failure_in_the_order_of_the_jobs_is_the_answer() {
        for threads in [1, 2, 3, 8] {
            for _ in 0..50 {
                let result = for_each(threads, (0..100).collect(), |job| match job {
                    7 | 8 | 50.. => Err(job),
                    _ => Ok(()),
                });
                assert_eq!(result, Err(7));
            }
        }
    }

    #[test]
    fn as_many_jobs_run_at_once_as_there_are_threads() {
        // Each job waits for the two others.
        let barrier = Barrier::new(3);
        let Ok(()) = for_each(3, vec![(); 3], |()| {
            barrier.wait();
            Ok::<_, Infallible>(())
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let attempt = std::panic::catch_unwind(|| {
            for_each(2, (0..10).collect(), |job| {
                assert_ne!(job, 3);
                Ok::<_, Infallible>(())
            })
        });
        assert!(attempt.is_err());
        assert_eq!(for_each(2, vec![1, 2], |_| Ok::<_, Infallible>(())), Ok(()));
    }
}
