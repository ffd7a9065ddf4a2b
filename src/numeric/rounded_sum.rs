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

    /// Where the products are exact, the terms for rounding errors are the whole rest.
    #[test]
    fn error_terms_are_those_of_the_number_of_terms() {
        let unit = exact(crate::numeric::rounding::UNIT_ROUNDOFF);
        for n in [2usize, 3, 8, 10, 13, 16, 40] {
            let b: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
            let (sum, absolute) = (exact((n % 2) as f64), RBig::from(n));
            let gamma = |k: usize| RBig::from(k) * &unit / (exact(1.0) - RBig::from(k) * &unit);
            let rounded = RoundedSum::of(&vec![1.0; n], &b);
            let upper = exact(rounded.upper());
            assert!(upper >= &sum + gamma(4 * n + 8) * &absolute, "{n}");
            // 16 u for `gamma` and products, one more for the last sum.
            let slack =
                &unit * (gamma(4 * n + 8) * &absolute * RBig::from(16u8) + RBig::from(2u8) * &sum);
            assert!(upper <= &sum + gamma(4 * n + 8) * &absolute + slack + exact(1e-300), "{n}");
            let upper = exact(absolute_dot_up(&b, &vec![1.0; n]));
            assert!(upper >= absolute.clone());
            // gamma_(2n+4), the rounding of 1 + gamma and of two operations.
            assert!(
                upper <= &absolute * (exact(1.0) + gamma(2 * n + 4) + RBig::from(6u8) * &unit),
                "{n}"
            );
            // What vanishes may be half of the least number for each product.
            let tiny = vec![2f64.powi(-600); n];
            assert_eq!(RoundedSum::of(&tiny, &tiny).upper(), n as f64 * MIN_SUBNORMAL);
            let dot = absolute_dot_up(&tiny, &tiny) / MIN_SUBNORMAL;
            assert!(dot == n as f64 || dot == (n + 1) as f64);
        }
    }
}
