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

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr2};

    use super::*;
    use crate::network::{Diagonal, LinearMap, Slopes};
    use crate::numeric::exact;

    #[test]
    fn sizes_are_products_of_norms() {
        // Maps 2 +- 1/4 and 3 +- 1/2 with slopes up to 1, counted three times where they change sign: 2.25 s 3.5 in
        // all, and (1/4) s 3.5 + 2.25 s (1/2) with a radius.
        let map = |x: f64, r: f64| {
            let radius = Some(Matrix::dense(arr2(&[[r]])));
            LinearMap { matrix: Matrix::dense(arr2(&[[x]])), radius, exponent: 0 }
        };
        for (alpha, s) in [(0.0, 1.0), (-1.0, 3.0)] {
            let slopes = Slopes::Componentwise(Diagonal::new(vec![alpha], vec![1.0]));
            let chain = Chain::new(vec![map(2.0, 0.25), map(3.0, 0.5)], vec![slopes]);
            let Perturbation { magnitude, radius } = perturbation_up(&chain, Norm::Linf);
            assert_eq!((magnitude, radius), (2.25 * s * 3.5, 0.25 * s * 3.5 + 2.25 * s * 0.5));
        }
    }

    #[test]
    fn roots_are_rounded_up() {
        // The nearest number to the root of 3 is below it.
        let bound = absolute_norm_up(&Matrix::dense(Array2::ones((1, 3))), Norm::L2);
        assert!(exact(bound) * exact(bound) >= exact(3.0) && bound <= 1.732050807568878);
    }
}
