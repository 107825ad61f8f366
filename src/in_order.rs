//! Several jobs at a time, whose results are taken in the order of the items.

use std::sync::mpsc::sync_channel;
use std::thread;

/// Works on up to `jobs` items at a time and hands their results to `take` in the order of the items. Nobody runs ahead:
/// there are never more results than jobs.
pub(crate) fn in_order<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let jobs = jobs.clamp(1, items.len().max(1));
    let work = &work;
    thread::scope(|scope| {
        let mut lanes = Vec::with_capacity(jobs);
        for lane in 0..jobs {
            let (sender, receiver) = sync_channel(0);
            scope.spawn(move || {
                for item in items.iter().skip(lane).step_by(jobs) {
                    // Nobody takes results any more once one could not be written.
                    if sender.send(work(item)).is_err() {
                        break;
                    }
                }
            });
            lanes.push(receiver);
        }
        for (item, lane) in items.iter().zip(lanes.iter().cycle()) {
            // A job that panicked has no result, and ends the scope with its panic.
            let Ok(result) = lane.recv() else { break };
            take(item, result)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..100).collect();
        for jobs in [0, 1, 3, 200] {
            let mut taken = Vec::new();
            let take = |item: &usize, result| {
                assert_eq!(result, item * 2);
                taken.push(*item);
                Ok(())
            };
            in_order(jobs, &items, |item| item * 2, take).unwrap();
            assert_eq!(taken, items);
        }
    }

    #[test]
    fn a_result_that_cannot_be_taken_ends_the_work() {
        let items: Vec<usize> = (0..100).collect();
        let take = |item: &usize, ()| match item {
            3 => anyhow::bail!("full"),
            _ => Ok(()),
        };
        assert!(in_order(2, &items, |_| (), take).is_err());
    }
}
