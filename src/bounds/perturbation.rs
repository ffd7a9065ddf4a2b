//! Crude sizes of products by products of norms, for error terms that are tiny anyway.

use crate::network::Chain;
use crate::numeric::rounding::{add_up, mul_up, sqrt_up};
use crate::numeric::{Matrix, Norm};

/// Bounds of `|| |W_l| S |W_{l-1}| ... |W_0| ||` and of the part of it in which at least one map is
/// replaced by its radius (see [`perturbation_up`]).
pub(super) struct Perturbation {
    /// The norm of the product of the absolute values.
    pub magnitude: f64,
    /// What the radii of the maps can add to the norm of any Jacobian.
    pub radius: f64,
}

/// The sizes by products of norms; `S` is the largest absolute slope, three times it where slopes change
/// sign (see [`error_up`]).
pub(super) fn perturbation_up(chain: &Chain, norm: Norm) -> Perturbation {
    let (mut all, mut with_radius) = (1.0, 0.0);
    for (r, map) in chain.maps().iter().enumerate() {
        let slope = r.checked_sub(1).map_or(1.0, |r| {
            let largest = chain.slopes()[r].norms_up(norm).magnitude;
            let fixed_sign =
                chain.slopes()[r].diagonal().is_some_and(|d| d.alpha().iter().all(|&a| a >= 0.0));
            if fixed_sign { largest } else { mul_up(3.0, largest) }
        });
        let magnitude = mul_up(absolute_norm_up(&map.magnitude(), norm), slope);
        let radius = map.radius.as_ref().map_or(0.0, |m| mul_up(absolute_norm_up(m, norm), slope));
        with_radius = add_up(mul_up(with_radius, magnitude), mul_up(all, radius));
        all = mul_up(all, magnitude);
    }
    Perturbation { magnitude: all, radius: with_radius }
}

/// A bound of the norm of a matrix that also holds for the matrix of its absolute values.
pub(super) fn absolute_norm_up(m: &Matrix, norm: Norm) -> f64 {
    match norm {
        Norm::L1 => m.norm_l1_up(),
        Norm::Linf => m.norm_linf_up(),
        Norm::L2 => sqrt_up(mul_up(m.norm_l1_up(), m.norm_linf_up())),
    }
}
