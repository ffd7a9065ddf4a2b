//! Large tasks side by side, no more at the same time than there are threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// The results of `task` for all items, in their order.
///
/// Of three threads or more, one that waits for a part of its own task, which another one has taken over, would begin a
/// further item of a parallel iterator meanwhile; then items are under way on top of each other, each with its memory.
/// Here as many loops as there are threads take one item after the other.
pub fn side_by_side<I: Sync, R: Send>(items: &[I], task: impl Fn(&I) -> R + Sync) -> Vec<R> {
    at_most(usize::MAX, items, task)
}

/// The same with at most so many items at once.
pub fn at_most<I: Sync, R: Send>(
    most: usize,
    items: &[I],
    task: impl Fn(&I) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let loops = 0..rayon::current_num_threads().min(items.len()).min(most);
    let results = loops.into_par_iter().with_max_len(1).flat_map_iter(|_| {
        std::iter::from_fn(|| {
            let index = next.fetch_add(1, Ordering::Relaxed);
            items.get(index).map(|item| (index, task(item)))
        })
    });
    let mut results: Vec<(usize, R)> = results.collect();
    results.sort_by_key(|&(index, _)| index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_more_items_than_threads_are_under_way() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items: Vec<usize> = (0..24).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().expect("threads");
        let task = |&item: &usize| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Parts of the task that take different times, so that other threads take some over and this one waits.
            // With a parallel iterator over the items, 9 to 15 are under way in most runs.
            let part = |i: usize| Duration::from_micros((item * 7 + i * 3) as u64 % 11 * 20);
            for _ in 0..3 {
                let parts = (0..64).into_par_iter().with_max_len(1);
                parts.for_each(|i| std::thread::sleep(part(i)));
            }
            now.fetch_sub(1, Ordering::SeqCst);
            item
        };
        for _ in 0..5 {
            assert_eq!(pool.install(|| side_by_side(&items, task)), items);
        }
        assert!(side_by_side(&items[..0], task).is_empty());
        assert!(most.swap(0, Ordering::SeqCst) <= 8);
        assert_eq!(pool.install(|| at_most(3, &items, task)), items);
        assert!(most.into_inner() <= 3);
    }
}
