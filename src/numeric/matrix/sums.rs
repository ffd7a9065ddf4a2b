//! Sums of matrices, rounded up.

use ndarray::Zip;

use super::{Entries, Matrix};
use crate::numeric::rounding::{MIN_SUBNORMAL, add_up, mul_up, upper};

impl Matrix {
    /// An upper bound of `self + other`, entry by entry.
    pub fn sum_up(&self, other: &Matrix) -> Matrix {
        if let (Entries::Blocks(a), Entries::Blocks(b)) = (&self.entries, &other.entries)
            && let Some(sum) = a.sum_up(b)
        {
            return Matrix::blocks(sum);
        }
        if let (Some(a), Some(b)) = (self.as_sparse(), other.as_sparse()) {
            return Matrix::sparse(a.sum_up(b));
        }
        let mut sum = self.to_dense();
        sum.zip_mut_with(&other.to_dense(), |a, &b| *a = add_up(*a, b));
        Matrix::dense(sum)
    }

    /// An upper bound of `self + factor other` for nonnegative matrices of the same shape and a nonnegative
    /// `factor`; above it by `10 u` and twice the least number at most.
    pub fn sum_scaled_up(&self, other: &Matrix, factor: f64) -> Matrix {
        let (Entries::Dense(a), Entries::Dense(b)) = (&self.entries, &other.entries) else {
            return self.sum_up(&other.map_entries(|x| mul_up(x, factor)));
        };
        // Without branches: a product loses the factor 1 - u and half of the least number, which is added;
        // the sum loses 1 - u, and so does the last product, which 1 + 8 u makes up for. Below the normal numbers
        // sums are exact, and a product with a number above 1 does not fall.
        #[expect(clippy::float_arithmetic, reason = "the comment above bounds the roundings")]
        let sum = |a: &f64, b: &f64| {
            let scaled = if *b == 0.0 { 0.0 } else { b * factor + MIN_SUBNORMAL };
            upper((a + scaled) * (1.0 + 4.0 * f64::EPSILON))
        };
        Matrix::dense(Zip::from(a).and(b).map_collect(sum))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::numeric::exact;

    #[test]
    fn scaled_sums_are_not_below_the_exact_ones() {
        // With all bits set, at the least normal number and below it.
        let sizes = [
            0.0,
            1.0,
            1.0 - f64::EPSILON / 2.0,
            1e308 / 7.0,
            3e-308,
            f64::MIN_POSITIVE,
            7e-320,
            5e-324,
        ];
        let pairs: Vec<(f64, f64)> =
            sizes.iter().flat_map(|&a| sizes.iter().map(move |&b| (a, b))).collect();
        let column = |f: fn(&(f64, f64)) -> f64| {
            let values: Vec<f64> = pairs.iter().map(f).collect();
            Matrix::dense(Array2::from_shape_vec((values.len(), 1), values).expect("a column"))
        };
        for factor in [1.0 / 3.0, 0.1, 2.3e-16, 1e-300] {
            let sum = column(|p| p.0).sum_scaled_up(&column(|p| p.1), factor).to_dense();
            for (&(a, b), &computed) in pairs.iter().zip(&sum) {
                let expected = exact(a) + exact(b) * exact(factor);
                assert!(exact(computed) >= expected, "{a} + {factor} * {b}: {computed}");
                // 10 u, and two of the least numbers where there are no more digits.
                let slack =
                    &expected * exact(10.0 * f64::EPSILON / 2.0) + exact(2.0 * MIN_SUBNORMAL);
                assert!(exact(computed) <= expected + slack, "{a} + {factor} * {b}: {computed}");
            }
        }
    }
}
