//! Random awkward networks against exact arithmetic: no bound is ever below what it bounds, and on
//! ordinary numbers none is above its own definition by more than rounding.
//!
//! `LIPBOUND_CASES` says how many networks, `LIPBOUND_SEED` the number of the first one: with
//! `LIPBOUND_CASES=1` one network is run again.
#![allow(clippy::expect_used, clippy::print_stdout)] // tests fail by panicking; this one prints a table

#[path = "campaign/check.rs"]
mod check;
mod support;
#[path = "campaign/tally.rs"]
mod tally;

use std::time::Instant;

use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use support::adversarial::Case;
use tally::Tally;

/// What fits into half a minute with the other tests beside it.
const DEFAULT: u64 = 2000;

/// The excess over the definition that is promised for networks of this size with ordinary weights: the
/// searches for K and L stop at that, and rounding adds far less.
const TIGHT: f64 = 1e-9;

/// Enough for the searches of such networks.
const NODES: usize = 5000;

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn no_bound_is_below_the_exact_value() {
    run(DEFAULT, Case::new);
}

#[test]
fn no_rounding_goes_the_wrong_way_where_products_are_exact() {
    run(DEFAULT / 4, Case::at_53_bits);
}

/// Compares the bounds of the networks of all numbers, or of as many as are asked for.
fn run(default: u64, case: fn(u64) -> Case) {
    let (count, first) = (number("LIPBOUND_CASES", default), number("LIPBOUND_SEED", 0));
    let start = Instant::now();
    let one = |seed: u64| check::check(&case(seed), TIGHT, NODES);
    let tally =
        (first..first + count).into_par_iter().map(one).reduce(Tally::default, Tally::joined);
    println!("{}", tally.report(start.elapsed()));
    assert!(tally.violations.is_empty(), "{}", tally.complaint());
}
