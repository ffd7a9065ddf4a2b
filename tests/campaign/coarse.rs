//! The campaign of awkward networks again, with coarse arithmetic.
//!
//! A bound is made of products and of terms for their errors, each rounded in the direction that keeps it a
//! bound. In double precision a direction that is wrong or a term that is missing changes it by 1e-16 of its
//! value, and the other terms are larger. Here directed operations round to a few bits, where small integers
//! leave many of the others exact; or the unit roundoff is large and products of dense matrices are as wrong as it
//! allows. All bounds must hold; how large they are does not matter. Only unit tests can make the
//! arithmetic coarse, so this file is one of them.
#![allow(clippy::expect_used, clippy::print_stdout)] // as in the other tests

mod check;
#[path = "../support/mod.rs"]
mod support;
mod tally;

use crate::numeric::rounding::coarse;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use support::adversarial::Case;
use tally::Tally;

/// A few seconds for each number of bits.
const CASES: u64 = 100;

/// The searches do not come far with such numbers.
const NODES: usize = 20;

#[test]
fn bounds_hold_with_directed_operations_of_two_bits() {
    coarse::with_bits(2, run);
}

#[test]
fn bounds_hold_with_directed_operations_of_four_bits() {
    coarse::with_bits(4, run);
}

#[test]
fn bounds_hold_with_directed_operations_of_seven_bits() {
    coarse::with_bits(7, run);
}

#[test]
fn bounds_hold_with_products_that_are_wrong_by_a_hundredth() {
    coarse::with_unit_roundoff(0.01, run);
}

#[test]
fn bounds_hold_with_products_that_are_wrong_by_a_millionth() {
    coarse::with_unit_roundoff(1e-6, run);
}

fn run() {
    let number = |variable: &str, default: u64| {
        std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (count, first) = (number("LIPBOUND_CASES", CASES), number("LIPBOUND_SEED", 0));
    let one = |seed: u64| {
        let case = if seed.is_multiple_of(2) { Case::new(seed) } else { Case::of_few_bits(seed) };
        check::check(&case, f64::INFINITY, NODES)
    };
    let start = std::time::Instant::now();
    let tally =
        (first..first + count).into_par_iter().map(one).reduce(Tally::default, Tally::joined);
    println!("{}", tally.report(start.elapsed()));
    assert!(tally.violations.is_empty(), "{}", tally.complaint());
}
