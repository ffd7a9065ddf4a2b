//! A linear map as the bounds see it: a matrix of balls with a common power of two.

use ndarray::{Array2, ArrayView2};

use crate::numeric::rounding::{
    MIN_SUBNORMAL, add_up, exponent, mul_up, scale_may_round, scale_up, sqrt_up,
};
use crate::numeric::{Matrix, Norm};

/// The linear map `2^exponent (matrix +- radius)`.
///
/// `radius` holds what rounding may have cost where maps were merged or folded (two dense layers
/// without an activation between them, a batch normalisation): every entry of the exact map is
/// within `radius` of the entry of `matrix`. It is `None` for weights as they are stored. The
/// exponent keeps the entries of all maps of a network at comparable sizes, so that neither deep
/// products nor extreme weights overflow; Lipschitz bounds are homogeneous in each map, so the
/// exponents simply add up.
#[derive(Debug, Clone)]
pub struct LinearMap {
    /// The centre of the entries, of norm about 1.
    pub matrix: Matrix,
    /// Bounds of the distance of the exact entries from the centre; `None` for zero.
    pub radius: Option<Matrix>,
    /// The power of two that multiplies all entries.
    pub exponent: i32,
}

impl LinearMap {
    /// The map with exactly these entries.
    pub fn new(matrix: Matrix) -> LinearMap {
        LinearMap::with_radius(matrix, None)
    }

    /// The map whose entries are within `radius` of those of `matrix`.
    pub fn with_radius(matrix: Matrix, radius: Option<Matrix>) -> LinearMap {
        LinearMap { matrix, radius, exponent: 0 }.normalised()
    }

    /// The identity of dimension `n`.
    pub fn identity(n: usize) -> LinearMap {
        LinearMap { matrix: Matrix::identity(n), radius: None, exponent: 0 }
    }

    /// The number of rows: the dimension of the result.
    pub fn rows(&self) -> usize {
        self.matrix.rows()
    }

    /// The number of columns: the dimension of the argument.
    pub fn columns(&self) -> usize {
        self.matrix.columns()
    }

    /// Moves a power of two from the entries to the exponent such that `sqrt(||.||_1 ||.||_inf)`,
    /// an upper bound of the spectral norm, is between 1 and 2.
    fn normalised(self) -> LinearMap {
        #[expect(clippy::float_arithmetic, reason = "chooses a power of two, which is exact")]
        let size = sqrt_up(self.matrix.norm_l1_up()) * sqrt_up(self.matrix.norm_linf_up());
        if size == 0.0 || !size.is_finite() && self.matrix.grid().max > 1e150 {
            // Entries near the largest number: their sums overflow, so go by the largest entry.
            let max = self.matrix.grid().max;
            return if max > 0.0 && max.is_finite() {
                self.shifted(exponent(max) + 1)
            } else {
                self
            };
        }
        let shift = exponent(size);
        if shift == 0 { self } else { self.shifted(shift) }
    }

    /// The same map with entries divided by `2^shift`; what underflows goes to the radius.
    fn shifted(self, shift: i32) -> LinearMap {
        // A quotient in the subnormal range is off by at most half the smallest subnormal, or three quarters
        // of it where both factors round, and may be rounded to the smallest normal number.
        let lost = |x: f64| if scale_may_round(x, -shift) { MIN_SUBNORMAL } else { 0.0 };
        // The least entry is 0 where one is not finite, which says nothing of the others.
        let least = self.matrix.grid().min;
        let inexact = scale_may_round(least, -shift) || least == 0.0 && shift > 0;
        let lost = inexact.then(|| self.matrix.map_entries(lost));
        let matrix = self.matrix.scaled_by_power(-shift);
        let radius = self.radius.map(|r| r.map_entries(|x| scale_up(x, -shift)));
        let radius = match (radius, lost) {
            (Some(r), Some(lost)) => Some(r.sum_up(&lost)),
            (r, lost) => r.or(lost),
        };
        LinearMap { matrix, radius, exponent: self.exponent + shift }
    }

    /// The composition `self o inner`, with the rounding of the product in the radius.
    pub fn after(&self, inner: &LinearMap) -> LinearMap {
        if inner.radius.is_none() && inner.exponent == 0 && inner.matrix.is_identity() {
            return self.clone();
        }
        let matrix = self.matrix.multiply(&inner.matrix);
        let exponent = self.exponent + inner.exponent;
        let exact = self.radius.is_none() && inner.radius.is_none();
        if exact && self.matrix.multiplies_exactly(&inner.matrix) {
            return LinearMap { matrix, radius: None, exponent }.normalised();
        }
        // |A B - fl(A B)| <= gamma |A||B| + eta with the balls of A and B:
        //   R <= |A| (gamma |B| + R_B) + R_A (|B| + R_B) + eta on the entries that are not
        // structurally zero.
        let error = self.matrix.dot_error(inner.matrix.grid());
        let (a, b) = (self.matrix.abs(), inner.matrix.abs());
        let mut inner_error = b.map_entries(|x| mul_up(error.relative, x));
        if let Some(r) = &inner.radius {
            inner_error = inner_error.sum_up(r);
        }
        let mut radius = a.nonnegative_multiply_up(&inner_error);
        if let Some(r) = &self.radius {
            let largest = inner.radius.as_ref().map_or_else(|| b.clone(), |rb| b.sum_up(rb));
            radius = radius.sum_up(&r.nonnegative_multiply_up(&largest));
        }
        if error.absolute > 0.0 {
            radius = radius.sum_up(&underflow(&matrix, &a, &b, error.absolute));
        }
        LinearMap { matrix, radius: Some(radius), exponent }.normalised()
    }

    /// The maps on top of each other, for the same argument.
    pub fn stacked(maps: &[&LinearMap]) -> LinearMap {
        if let [only] = maps {
            return (*only).clone();
        }
        let exponent = maps.iter().map(|m| m.exponent).max().unwrap_or(0);
        let aligned: Vec<LinearMap> =
            maps.iter().map(|&m| m.clone().shifted(exponent - m.exponent)).collect();
        let matrices: Vec<&Matrix> = aligned.iter().map(|m| &m.matrix).collect();
        let radius = aligned.iter().any(|m| m.radius.is_some()).then(|| {
            let zero = |m: &LinearMap| m.matrix.map_entries(|_| 0.0);
            let radii: Vec<Matrix> =
                aligned.iter().map(|m| m.radius.clone().unwrap_or_else(|| zero(m))).collect();
            Matrix::stacked(&radii.iter().collect::<Vec<_>>())
        });
        LinearMap { matrix: Matrix::stacked(&matrices), radius, exponent }.normalised()
    }

    /// The given rows, in the given order.
    pub fn select_rows(&self, rows: &[usize]) -> LinearMap {
        let radius = self.radius.as_ref().map(|r| r.select_rows(rows));
        LinearMap { matrix: self.matrix.select_rows(rows), radius, exponent: self.exponent }
    }

    /// The transposed map; entries are shared.
    pub fn transposed(&self) -> LinearMap {
        LinearMap {
            matrix: self.matrix.transposed(),
            radius: self.radius.as_ref().map(Matrix::transposed),
            exponent: self.exponent,
        }
    }

    /// An upper bound of the absolute values of the exact entries, without the exponent.
    pub fn magnitude(&self) -> Matrix {
        match &self.radius {
            None => self.matrix.abs(),
            Some(r) => self.matrix.abs().sum_up(r),
        }
    }

    /// An upper bound of `|W| x` for a block of nonnegative columns, without the exponent.
    pub fn magnitude_apply_up(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut y = self.matrix.abs_apply_up(x);
        if let Some(r) = &self.radius {
            y.zip_mut_with(&r.abs_apply_up(x), |a, &b| *a = add_up(*a, b));
        }
        y
    }

    /// An upper bound of the norm, without the factor `2^exponent`.
    pub fn mantissa_norm_up(&self, norm: Norm) -> f64 {
        let size = |m: &Matrix| match norm {
            Norm::L1 => m.norm_l1_up(),
            Norm::Linf => m.norm_linf_up(),
            Norm::L2 => m.norm_l2_up(),
        };
        let centre = size(&self.matrix);
        self.radius.as_ref().map_or(centre, |r| match norm {
            Norm::L1 | Norm::Linf => size(&self.magnitude()),
            Norm::L2 => add_up(centre, radius_norm_l2_up(r)),
        })
    }

    /// An upper bound of the norm.
    pub fn norm_up(&self, norm: Norm) -> f64 {
        scale_up(self.mantissa_norm_up(norm), self.exponent)
    }
}

/// A matrix with `eta` wherever the product `matrix` of `a` and `b` is not structurally zero.
fn underflow(matrix: &Matrix, a: &Matrix, b: &Matrix, eta: f64) -> Matrix {
    if matrix.as_dense().is_some() {
        return Matrix::dense(Array2::from_elem((matrix.rows(), matrix.columns()), eta));
    }
    let ones = |m: &Matrix| m.map_entries(|x| if x == 0.0 { 0.0 } else { 1.0 });
    ones(a).multiply(&ones(b)).map_entries(|x| if x == 0.0 { 0.0 } else { eta })
}

/// `||R||_2 <= sqrt(||R||_1 ||R||_inf)`.
fn radius_norm_l2_up(r: &Matrix) -> f64 {
    sqrt_up(mul_up(r.norm_l1_up(), r.norm_linf_up()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::Csr;
    use crate::numeric::exact;
    use crate::numeric::rounding::power_of_two;
    use ndarray::arr2;

    #[test]
    fn weights_of_every_scale_keep_their_value() {
        for scale in [1.0, 1e-300, 1e300, 5e-324] {
            let map = LinearMap::new(Matrix::dense(arr2(&[[3.0 * scale, 0.0], [scale, -scale]])));
            // Sums of two numbers of 53 bits are raised by 2 gamma_2 + 8 eps at most.
            for (norm, exact) in [(Norm::Linf, 3.0 * scale), (Norm::L1, 4.0 * scale)] {
                let up = map.norm_up(norm);
                assert!(up >= exact && up <= exact * (1.0 + 1e-14), "{norm} {scale}: {up}");
            }
            assert!(map.radius.is_none());
        }
        let huge = LinearMap::new(Matrix::dense(arr2(&[[1.7e308, 1.7e308]])));
        assert!((1.7e308..1.7e308 * (1.0 + 1e-14)).contains(&huge.norm_up(Norm::L1)));
        assert_eq!(huge.norm_up(Norm::Linf), f64::INFINITY);
    }

    #[test]
    fn what_underflows_is_in_the_radius() {
        let map = LinearMap::new(Matrix::dense(arr2(&[[1e300, 1e-300]])));
        let radius = map.radius.expect("1e-300 / 1e300 is not representable");
        assert_eq!(radius.get(0, 0), 0.0);
        assert!(radius.get(0, 1) > 0.0);
        // 2^-1022 (1 - 2^-53) is rounded to the smallest normal number.
        let small = (1.0 - f64::EPSILON / 2.0) * power_of_two(-22);
        let entries = arr2(&[[power_of_two(1000), 0.0], [0.0, small]]);
        let map = LinearMap::new(Matrix::dense(entries));
        assert_eq!((map.exponent, map.matrix.get(1, 1)), (1000, f64::MIN_POSITIVE));
        assert!(map.radius.expect("rounded").get(1, 1) > 0.0);
    }

    #[test]
    fn what_underflows_beside_an_entry_that_overflowed_is_in_the_radius() {
        // 3 * 2^-1074 at the exponent 10 of the other map is no number.
        let entries = arr2(&[[f64::INFINITY, 0.0], [0.0, 3.0 * MIN_SUBNORMAL]]);
        let broken = LinearMap::new(Matrix::dense(entries));
        assert_eq!(broken.exponent, 0);
        let other = LinearMap::new(Matrix::dense(arr2(&[[power_of_two(10), 0.0]])));
        let stacked = LinearMap::stacked(&[&broken, &other]);
        let radius = stacked.radius.expect("an entry was rounded");
        let value = exact(3.0 * MIN_SUBNORMAL);
        let largest = exact(stacked.matrix.get(1, 1)) + exact(radius.get(1, 1));
        let two = dashu::rational::RBig::from(2u8);
        assert!(largest * two.pow(stacked.exponent as isize) >= value);
    }

    #[test]
    fn merged_maps_enclose_the_exact_product() {
        let a = Array2::from_shape_fn((3, 4), |(i, j)| 0.1 * (i as f64 + 1.0) - 0.3 * j as f64);
        let b = Array2::from_shape_fn((4, 2), |(i, j)| 0.7 / (1.0 + i as f64) - j as f64 / 3.0);
        let merged = LinearMap::new(Matrix::dense(a.clone()))
            .after(&LinearMap::new(Matrix::dense(b.clone())));
        let radius = merged.radius.clone().expect("inexact");
        let two = dashu::rational::RBig::from(2u8).pow(merged.exponent as isize);
        for i in 0..3 {
            for j in 0..2 {
                let sum = (0..4)
                    .map(|k| exact(a[[i, k]]) * exact(b[[k, j]]))
                    .fold(dashu::rational::RBig::ZERO, |s, p| s + p);
                let (c, r) = (exact(merged.matrix.get(i, j)), exact(radius.get(i, j)));
                assert!((&c - &r) * &two <= sum && sum <= (&c + &r) * &two);
                assert!(radius.get(i, j) < 1e-14);
            }
        }
    }

    #[test]
    fn selections_compose_without_rounding() {
        let w = LinearMap::new(Matrix::dense(arr2(&[[0.1, 1e-17], [1.0 / 3.0, 7.0]])));
        let swap = LinearMap::new(Matrix::sparse(Csr::from_rows(2, 2, |i, push| push(1 - i, 1.0))));
        assert!(w.after(&swap).radius.is_none());
        assert!(swap.after(&w).radius.is_none());
        let stacked = LinearMap::stacked(&[&w, &swap]);
        assert_eq!(stacked.rows(), 4);
        assert!(stacked.radius.is_none());
    }
}
