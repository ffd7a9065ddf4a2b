//! Crude sizes of products by products of norms, for error terms that are tiny anyway.

use crate::network::Chain;
use crate::numeric::rounding::{add_up, mul_up, sqrt_up};
use crate::numeric::{Matrix, Norm};

/// A bound of `|| |W_l| S |W_{l-1}| ... S |W_0| ||`, the maps with their radii, by a product of norms; `S` is the largest
/// absolute slope, three times it where slopes change sign (see `error_up` of [`super::enumerate`]).
pub(super) fn magnitude_up(chain: &Chain, norm: Norm) -> f64 {
    let maps = chain.maps().iter().map(|map| absolute_norm_up(&map.magnitude(), norm));
    let slopes = chain.slopes().iter().map(|slopes| {
        let largest = slopes.norms_up(norm).magnitude;
        let fixed_sign = slopes.diagonal().is_some_and(|d| d.alpha().iter().all(|&a| a >= 0.0));
        if fixed_sign { largest } else { mul_up(3.0, largest) }
    });
    maps.chain(slopes).fold(1.0, mul_up)
}

/// How far the radii of the maps can move any Jacobian, in the norm; in l1 and linf by the distance in l2 where that is
/// less, as in deep chains.
pub(super) fn radius_up(chain: &Chain, norm: Norm) -> f64 {
    if chain.maps().iter().all(|map| map.radius.is_none()) {
        return 0.0;
    }
    let through_l2 = |side: usize| mul_up(sqrt_up(side as f64), distance_up(chain, Norm::L2));
    match norm {
        Norm::L1 => distance_up(chain, norm).min(through_l2(chain.outputs())),
        Norm::L2 => distance_up(chain, norm),
        Norm::Linf => distance_up(chain, norm).min(through_l2(chain.inputs())),
    }
}

/// That distance by the norms of the maps: with one map after another,
/// `(W + D) S J' - W S J = (W + D) S (J' - J) + D S J`.
fn distance_up(chain: &Chain, norm: Norm) -> f64 {
    let (mut all, mut moved) = (1.0, 0.0);
    for (r, map) in chain.maps().iter().enumerate() {
        let slope = r.checked_sub(1).map_or(1.0, |r| chain.slopes()[r].norms_up(norm).magnitude);
        let size = mul_up(map.mantissa_norm_up(norm), slope);
        let radius = map.radius.as_ref().map_or(0.0, |m| mul_up(absolute_norm_up(m, norm), slope));
        moved = add_up(mul_up(moved, size), mul_up(all, radius));
        all = mul_up(all, size);
    }
    moved
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
        // all, and (1/4) 3.5 + 2.25 (1/2) with a radius.
        let map = |x: f64, r: f64| {
            let radius = Some(Matrix::dense(arr2(&[[r]])));
            LinearMap { matrix: Matrix::dense(arr2(&[[x]])), radius, exponent: 0 }
        };
        for (alpha, s) in [(0.0, 1.0), (-1.0, 3.0)] {
            let slopes = Slopes::Componentwise(Diagonal::new(vec![alpha], vec![1.0]));
            let chain = Chain::new(vec![map(2.0, 0.25), map(3.0, 0.5)], vec![slopes]);
            assert_eq!(magnitude_up(&chain, Norm::Linf), 2.25 * s * 3.5);
            assert_eq!(radius_up(&chain, Norm::Linf), 0.25 * 3.5 + 2.25 * 0.5);
        }
    }

    #[test]
    fn radii_of_deep_chains_are_multiplied_by_norms_in_l2() {
        // |1 1; 1 -1| has the norm sqrt(2) in l2, its absolute values 2. Of 21 such maps the first is known to 2^-40 I:
        // in the largest case 2^-40 sqrt(2)^20 = 2^-30, and the square root of 2 of that in l1 and linf.
        let matrix = Matrix::dense(arr2(&[[1.0, 1.0], [1.0, -1.0]]));
        let mut maps = vec![LinearMap { matrix, radius: None, exponent: 0 }; 21];
        maps[0].radius = Some(Matrix::dense(Array2::eye(2) * 2f64.powi(-40)));
        let slopes = vec![Slopes::Componentwise(Diagonal::new(vec![0.0; 2], vec![1.0; 2])); 20];
        let chain = Chain::new(maps, slopes);
        for (norm, factor) in [(Norm::L1, 2f64.sqrt()), (Norm::L2, 1.0), (Norm::Linf, 2f64.sqrt())]
        {
            let ratio = radius_up(&chain, norm) * 2f64.powi(30) / factor;
            assert!((1.0 - 1e-15..1.0 + 1e-12).contains(&ratio), "{norm}: {ratio}");
        }
    }

    #[test]
    fn roots_are_rounded_up() {
        // The nearest number to the root of 3 is below it.
        let bound = absolute_norm_up(&Matrix::dense(Array2::ones((1, 3))), Norm::L2);
        assert!(exact(bound) * exact(bound) >= exact(3.0) && bound <= 1.732050807568878);
    }
}
