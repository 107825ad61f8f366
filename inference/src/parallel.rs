//! Work split over threads.

use std::thread;

/// Runs every job once, on up to `threads` threads; which thread runs a job never changes its result.
///
/// # Errors
/// Fails with the first failure of the lowest thread.
pub(crate) fn for_each<J: Send, E: Send>(
    threads: usize,
    jobs: Vec<J>,
    work: impl Fn(J) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let threads = threads.clamp(1, jobs.len().max(1));
    if threads == 1 {
        return jobs.into_iter().try_for_each(work);
    }
    let mut shares: Vec<Vec<J>> = Vec::new();
    shares.resize_with(threads, Vec::new);
    // Dealt in turn, so that jobs that grow along the list spread evenly.
    for (turn, job) in jobs.into_iter().enumerate() {
        let share = turn.checked_rem(threads).unwrap_or_default();
        if let Some(share) = shares.get_mut(share) {
            share.push(job);
        }
    }
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(move || share.into_iter().try_for_each(work)))
            .collect();
        running.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

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
    fn a_failure_of_any_job_is_the_answer() {
        for threads in [1, 3] {
            let result = for_each(threads, vec![1, 2, 3], |job| match job {
                2 => Err("two"),
                _ => Ok(()),
            });
            assert_eq!(result, Err("two"));
        }
    }
}
