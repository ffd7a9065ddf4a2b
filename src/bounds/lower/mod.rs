//! Lower bounds of L: the norm of the Jacobian at a point.
//!
//! Points are found by sampling and by a local search ([`search`]), in plain floating point. What is
//! reported is computed from the best of them by rigorous arithmetic ([`verify`]): the Lipschitz
//! constant is at least the norm of the Jacobian wherever it exists, and every point has points where
//! it exists, with slopes in the enclosed intervals, in each of its neighbourhoods.

mod search;
pub(super) mod verify;

use super::{Options, Problem, Proved};
use crate::numeric::Norm;
use crate::numeric::rounding::scale_down;

/// Proved lower bounds of L in the given norms, in the same order. The search for points ends early where it is asked
/// to.
pub fn lower_bounds(problem: &Problem, norms: &[Norm]) -> Vec<f64> {
    let network = problem.network();
    let Options { samples, stop, .. } = problem.options();
    let candidates = search::points(network, norms, *samples, stop);
    norms
        .iter()
        .zip(candidates)
        .map(|(&norm, points)| {
            let values = points.iter().map(|x| verify::jacobian_norm_down(network, x, norm));
            let best = values.fold(0.0, f64::max);
            let lower = scale_down(best, network.chain.exponent()).max(0.0);
            problem.keep_proved("l", norm, Proved { lower, upper: f64::INFINITY });
            lower
        })
        .collect()
}
