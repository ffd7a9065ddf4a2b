//! Large tasks side by side, no more at the same time than there are threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// The results of `task` for all items, in their order.
///
/// A thread that waits for a part of its own task, which another one has taken over, would begin a further item
/// of a parallel iterator meanwhile; then items are under way on top of each other, each with its memory. Here
/// as many loops as there are threads take one item after the other.
pub fn side_by_side<I: Sync, R: Send>(items: &[I], task: impl Fn(&I) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let loops = 0..rayon::current_num_threads().min(items.len());
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
    use super::*;

    #[test]
    fn no_more_items_than_threads_are_under_way() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items: Vec<usize> = (0..200).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
        let task = |&item: &usize| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Parts of the task, some of which other threads take over.
            let part = |i: usize| (0..1000).fold(item + i, |sum, j| std::hint::black_box(sum ^ j));
            let parts: usize = (0..64).into_par_iter().map(part).max().unwrap_or(0);
            now.fetch_sub(1, Ordering::SeqCst);
            (item, parts > 0)
        };
        let results = pool.install(|| side_by_side(&items, task));
        assert_eq!(results, items.iter().map(|&i| (i, true)).collect::<Vec<_>>());
        assert!(side_by_side(&items[..0], task).is_empty());
        assert!(most.into_inner() <= 3);
    }
}
