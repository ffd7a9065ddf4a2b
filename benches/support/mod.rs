//! What the benchmarks share: networks with random weights, and how times and memory are taken.
#![allow(clippy::expect_used, dead_code)] // a failed bound should stop the run; not all use all

pub mod memory;
pub mod networks;

use std::time::{Duration, Instant};

/// The result of `work` with the time that it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// The middle of some numbers (the upper one of two).
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
