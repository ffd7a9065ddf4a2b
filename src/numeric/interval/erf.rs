//! Enclosures of the error function and of the normal distribution.
#![expect(
    clippy::float_arithmetic,
    reason = "signs and doubling are exact; `gaussian` encloses the error of its square"
)]

use super::Interval;
use super::elementary::odd;
use crate::numeric::rounding::MIN_SUBNORMAL;

/// 2/sqrt(pi).
pub const TWO_OVER_SQRT_PI: Interval = Interval::around(std::f64::consts::FRAC_2_SQRT_PI);
/// 1/sqrt(2 pi).
pub(super) const INVERSE_SQRT_TWO_PI: Interval = Interval::around(0.398_942_280_401_432_7);
/// 1/sqrt(2).
pub(super) const INVERSE_SQRT_TWO: Interval = Interval::around(std::f64::consts::FRAC_1_SQRT_2);
/// The series is used up to here, the continued fraction beyond.
const SERIES_LIMIT: f64 = 1.75;
/// The quotients of the continued fraction, which leave rounding errors alone of the first interval.
const DEPTH: u32 = 70;

impl Interval {
    /// The error function `erf(x) = 2/sqrt(pi) * integral of exp(-t^2) over [0, x]`.
    pub fn erf(self) -> Interval {
        self.increasing(odd(erf_nonnegative))
    }

    /// `1 - erf(x)`, also accurate where it is tiny.
    pub fn erfc(self) -> Interval {
        // Decreasing: the range is that of an increasing function of -x.
        (-self).increasing(|y| erfc_point(-y))
    }

    /// The distribution function of the standard normal law, `erfc(-x/sqrt(2)) / 2`.
    pub fn normal_cdf(self) -> Interval {
        self.increasing(|x| (-INVERSE_SQRT_TWO.scale(x)).erfc().scale(0.5))
    }

    /// The density of the standard normal law, `exp(-x^2/2) / sqrt(2 pi)`.
    pub fn normal_pdf(self) -> Interval {
        INVERSE_SQRT_TWO_PI * (-self.square().scale(0.5)).exp()
    }
}

fn erf_nonnegative(x: f64) -> Interval {
    if x < SERIES_LIMIT { erf_series(x) } else { Interval::ONE - erfc_fraction(x, DEPTH) }
}

fn erfc_point(x: f64) -> Interval {
    if x >= SERIES_LIMIT {
        erfc_fraction(x, DEPTH)
    } else if x >= 0.0 {
        Interval::ONE - erf_series(x)
    } else {
        Interval::ONE + erf_nonnegative(-x)
    }
}

/// `exp(-x^2)` for `|x| <= 28`, with the rounding error of `x^2` taken out.
fn gaussian(x: f64) -> Interval {
    let p = x * x;
    // x^2 = p + e, and the fused operation rounds e to nearest: to itself where it is a number, and
    // otherwise (below 2^-1022) by less than one step.
    let e = Interval::around(x.mul_add(x, -p));
    (-Interval::point(p)).exp() * (-e).exp()
}

/// `erf(x) = 2/sqrt(pi) x exp(-x^2) sum_n (2 x^2)^n / (2n+1)!!` (DLMF 7.6.2), 0 <= x < 7/4. The terms
/// are positive with ratios `2 x^2/(2n+3)`, so what follows the N-th is at most that term times
/// `q/(1-q)` with its ratio `q`, below 1/2 as soon as `2n + 3 >= 4 x^2`.
fn erf_series(x: f64) -> Interval {
    const TERMS: u32 = 46;
    let s = Interval::point(x).square().scale(2.0);
    // Horner's rule from the back: 1 + s/3 (1 + s/5 (1 + ...)); the innermost bracket is the sum
    // of a series of ratios below 1/2, so it lies in [1, 2].
    let tail = Interval::new(1.0, 2.0);
    let sum = (0..TERMS)
        .rev()
        .fold(tail, |sum, n| Interval::ONE + s * sum / Interval::point(f64::from(2 * n + 3)));
    TWO_OVER_SQRT_PI.scale(x) * gaussian(x) * sum
}

/// `erfc(x) = 2/sqrt(pi) exp(-x^2) / q_0` with `q_(n-1) = 2x + 2n/q_n`, for x >= 7/4.
///
/// The repeated integrals `I_n` of erfc are positive and satisfy `2n I_n = I_(n-2) - 2x I_(n-1)`
/// (DLMF 7.18.7), so that `q_n = I_(n-1)/I_n` satisfies the recurrence, `q_n >= 2x`, and
/// `q_N <= 2x + 2(N+1)/(2x)`. Running it backwards contracts that interval to rounding errors.
pub(super) fn erfc_fraction(x: f64, depth: u32) -> Interval {
    if x > 28.0 {
        // erfc(x) <= exp(-x^2) < exp(-784) for x >= 0, and 784 / ln 2 > 1131: below 2^-1131.
        return Interval::new(0.0, if x.is_finite() { MIN_SUBNORMAL } else { 0.0 });
    }
    let twice = Interval::point(2.0 * x);
    let last = twice + Interval::new(0.0, f64::from(depth + 1)) / Interval::point(x);
    let q = (1..=depth).rev().fold(last, |q, n| twice + Interval::point(f64::from(2 * n)) / q);
    TWO_OVER_SQRT_PI * gaussian(x) / q
}
