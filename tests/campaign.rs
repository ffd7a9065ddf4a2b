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

use support::adversarial::Case;

/// What fits into half a minute with the other tests beside it.
const DEFAULT: u64 = 2000;

/// The excess over the definition that is promised for networks of this size with ordinary weights: the
/// searches for K and L stop at that, and rounding adds far less.
const TIGHT: f64 = 1e-9;

/// Enough for the searches of such networks.
const NODES: usize = 5000;

#[test]
fn no_bound_is_below_the_exact_value() {
    check::campaign(DEFAULT, Case::new, TIGHT, NODES);
}

#[test]
fn no_rounding_goes_the_wrong_way_where_products_are_exact() {
    check::campaign(DEFAULT / 4, Case::at_53_bits, TIGHT, NODES);
}
