//! Inner products that are computed fast, and bounded afterwards.
#![expect(
    clippy::float_arithmetic,
    reason = "sums to nearest, whose error the terms with `gamma` and MIN_SUBNORMAL cover"
)]

use super::rounding::{MIN_SUBNORMAL, add_up, gamma, mul_up};

/// A sum computed with rounding to nearest, of which an upper bound is wanted.
///
/// Each term is a rounded product. With `n` of them the computed sum is off by at most
/// `gamma_(n+1)` times the exact sum of their absolute values, which is at most `1 + gamma_(2n+2)` times
/// the computed one; `gamma_(4n+8)` of the latter covers both, and each product may underflow.
#[derive(Debug, Clone, Copy)]
pub struct RoundedSum {
    sum: f64,
    absolute: f64,
    terms: usize,
}

impl RoundedSum {
    /// The sum of the products of two vectors, in any order.
    pub fn of(a: &[f64], b: &[f64]) -> RoundedSum {
        // Independent lanes, which the processor adds side by side.
        const LANES: usize = 8;
        let (mut sums, mut sizes) = ([0.0; LANES], [0.0; LANES]);
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for k in 0..LANES {
                let term = a[k] * b[k];
                sums[k] += term;
                sizes[k] += term.abs();
            }
        }
        for (k, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
            let term = a * b;
            sums[k] += term;
            sizes[k] += term.abs();
        }
        let (sum, absolute) = (sums.iter().sum::<f64>(), sizes.iter().sum::<f64>());
        let terms = LANES * a.len() + a_rest.len();
        #[cfg(test)]
        let (sum, absolute) = {
            use super::rounding::coarse::wrong_sum;
            (wrong_sum(sum, absolute, terms), wrong_sum(absolute, absolute, terms))
        };
        RoundedSum { sum, absolute, terms }
    }

    /// An upper bound of the exact sum.
    pub fn upper(&self) -> f64 {
        let error = add_up(
            mul_up(gamma(4 * self.terms + 8), self.absolute),
            self.terms as f64 * MIN_SUBNORMAL,
        );
        add_up(self.sum, error)
    }
}

/// An upper bound of the inner product of `|x|` and nonnegative numbers.
pub fn absolute_dot_up(x: &[f64], sizes: &[f64]) -> f64 {
    let sum = RoundedSum::of(x, sizes);
    let lost = sum.terms as f64 * MIN_SUBNORMAL;
    mul_up(add_up(sum.absolute, lost), 1.0 + gamma(2 * sum.terms + 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::exact;
    use dashu::rational::RBig;
    use proptest::prelude::{prop_assert, proptest};

    proptest! {
        #[test]
        fn sums_are_bounded(
            a in proptest::collection::vec(-1e3f64..1e3, 0..40), scale in -300i32..300,
        ) {
            let b: Vec<f64> = a.iter().rev().map(|x| x * 10f64.powi(scale)).collect();
            let product = |(x, y): (&f64, &f64)| exact(*x) * exact(*y);
            let sum = a.iter().zip(&b).map(product).fold(RBig::ZERO, |s, p| s + p);
            let upper = RoundedSum::of(&a, &b).upper();
            prop_assert!(exact(upper) >= sum);
            let absolute: Vec<f64> = b.iter().map(|x| x.abs()).collect();
            let sum = a.iter().map(|x| x.abs()).collect::<Vec<_>>();
            let sum = sum.iter().zip(&absolute).map(product).fold(RBig::ZERO, |s, p| s + p);
            let upper = absolute_dot_up(&a, &absolute);
            prop_assert!(exact(upper) >= sum);
            // gamma_(4n+8) of at most 40 terms, and what underflows.
            prop_assert!(exact(upper) <= sum * exact(1.0 + 1e-13) + exact(1e-300));
        }
    }
}
