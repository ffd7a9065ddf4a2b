//! The bounds: one file each. A new bound is one file here and one line in [`REGISTRY`].

// A bound must not be too small because of rounding: every operation on floating-point numbers is one of
// `numeric::rounding`, or says at its place why it may be rounded to nearest. Tests may calculate freely.
#![cfg_attr(not(test), warn(clippy::float_arithmetic))]

pub mod certificate;
pub mod certify;
pub mod gradient;
pub mod k;
pub mod k1;
pub mod k2;
pub mod k3;
pub mod k4;
pub mod k5;
pub mod k_l2;
pub mod k_sdp;
pub mod k_star;
pub mod l;
pub mod lower;

pub mod enumerate;
mod lengths;
pub mod memory;
#[cfg(test)]
mod networks_for_tests;
pub mod options;
mod perturbation;
mod pool_hull;
pub mod problem;
pub mod product_norms;
pub mod products;
pub mod remaining;
pub mod search;
mod side_by_side;
pub mod streamed;

pub use certificate::{Certificate, Guarantee};
pub use options::{Options, Progress, Stop};
pub use problem::{Problem, Proved};

use crate::numeric::Norm;

/// A bound of the Lipschitz constant.
pub trait Bound: Sync {
    /// The id in reports and on the command line, for example `k4`.
    fn id(&self) -> &'static str;

    /// The name as it is written, for example `K4`.
    fn name(&self) -> &'static str;

    /// Definition, Source, Holds for, Order, Cost and Rounding, in Markdown.
    fn documentation(&self) -> &'static str;

    /// Whether the bound can be computed for this problem, and at what price.
    fn cost(&self, problem: &Problem, norm: Norm) -> Cost;

    /// An estimate of the bytes that [`Bound::compute`] takes beside the network, from its shapes; see
    /// [`memory`].
    fn memory(&self, problem: &Problem, norm: Norm) -> f64;

    /// Whether it searches for a number of which the other bounds are upper bounds.
    fn is_search(&self) -> bool {
        false
    }

    /// Whether the number can only fall where slope intervals are narrowed.
    fn is_monotone(&self) -> bool {
        true
    }

    /// Whether the computation ends early, with a bound that holds, once it is told to stop.
    fn heeds_stop(&self) -> bool {
        false
    }

    /// Computes the bound.
    ///
    /// # Errors
    /// Why it cannot be computed, and what gives an answer instead.
    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal>;

    /// A number that the literature reports under this name but of which nothing is proved, where
    /// it differs from [`Bound::compute`].
    fn estimate(&self, _: &Problem, _: Norm) -> Option<Certificate> {
        None
    }
}

/// Computes a bound, unless it is not available or would take more memory than it may. A problem remembers
/// its results.
///
/// # Errors
/// As [`Bound::compute`].
pub fn compute(bound: &dyn Bound, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
    problem.remembered(bound.id(), norm, || {
        if let Cost::Refused(refusal) = bound.cost(problem, norm) {
            return Err(refusal);
        }
        memory::check(bound, problem, norm)?;
        let mut found = bound.compute(problem, norm)?;
        if !bound.is_monotone()
            && let Some(everywhere) = problem.everywhere()
            && let Ok(other) = bound.compute(everywhere, norm)
            && other.upper < found.upper
        {
            let note = format!(
                "{} {norm}: that of all inputs, which is below that of the box",
                bound.name()
            );
            found = other.with_note(note);
        }
        if bound.is_search() {
            let known = problem.proved(bound.id(), norm);
            found.upper = found.upper.min(known.upper);
            found.lower = found.lower.map(|lower| lower.max(known.lower));
        }
        if found.is_upper_bound() {
            let proved = Proved { lower: found.lower.unwrap_or(0.0), upper: found.upper };
            problem.keep_proved(bound.id(), norm, proved);
        }
        Ok(found)
    })
}

/// The price of a bound for one problem.
#[derive(Debug, Clone, PartialEq)]
pub enum Cost {
    /// Seconds at most: part of the default set.
    Cheap,
    /// More than that: computed where it is asked for.
    Expensive,
    /// A bound of the default set is at most as large: computed where it is asked for.
    Superseded,
    /// A search whose end nobody knows: only where it is named.
    Open,
    /// Not available: why, and what to use instead.
    Refused(Refusal),
}

/// Why a bound cannot be computed, and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// All bounds, in the order in which they are reported.
pub const REGISTRY: &[&dyn Bound] = &[
    &k_star::KStar,
    &k1::K1,
    &k2::K2,
    &k3::K3,
    &k4::K4,
    &k5::K5,
    &k_sdp::KSdp,
    &k_l2::KL2,
    &k::K,
    &l::L,
];

/// The bound with the given id.
pub fn find(id: &str) -> Option<&'static dyn Bound> {
    REGISTRY.iter().copied().find(|bound| bound.id() == id)
}

/// Declares the type of a bound with its documentation, which is both the doc comment and the text
/// of `lipbound explain`.
macro_rules! documented_bound {
    ($type:ident, $documentation:literal) => {
        #[doc = $documentation]
        #[derive(Debug, Clone, Copy)]
        pub struct $type;

        const DOCUMENTATION: &str = $documentation;
    };
}
use documented_bound;

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::networks_for_tests::relu_problem;
    use super::*;

    #[test]
    fn what_is_stopped_early_still_holds() {
        let problem = relu_problem([Array2::ones((20, 1)), Array2::ones((1, 20))]);
        problem.options().stop.set();
        let heeding: Vec<_> = REGISTRY.iter().filter(|bound| bound.heeds_stop()).collect();
        for bound in &heeding {
            // 20 neurons that are on at the same inputs.
            let found = bound.compute(&problem, Norm::Linf).expect("a bound");
            assert!(found.upper >= 20.0, "{}: {}", bound.id(), found.upper);
        }
        // The searches, and the relaxation that the command line waits for.
        assert_eq!(heeding.iter().map(|bound| bound.id()).collect::<Vec<_>>(), ["k_sdp", "k", "l"]);
    }
}
