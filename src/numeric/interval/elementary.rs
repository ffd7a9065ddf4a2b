//! Enclosures of exp, ln, tanh, atan, ... by interval arithmetic alone.
//!
//! Each function reduces its argument with an enclosed constant and sums a Taylor polynomial by
//! Horner's rule in interval arithmetic; the remainder (Lagrange's, or a geometric series) enters
//! as the last coefficient. A monotone function is evaluated at the two ends of the interval.
//!
//! Rounding: at a single point the width is a few units in the last place of the result (the tests
//! say how many): one from the last operation, the others from the reduced argument and constants.
#![expect(
    clippy::float_arithmetic,
    reason = "exact (signs, k times 32 bits, a difference by Sterbenz), or any k near the quotient would do"
)]

use super::Interval;
use crate::numeric::rounding::{exponent, scale_down, scale_up};

/// The leading 33 bits of ln 2, so that `k * LN_2_HEAD` is exact for `|k| < 2^20`.
pub(super) const LN_2_HEAD: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
/// ln 2 - LN_2_HEAD.
pub(super) const LN_2_TAIL: Interval = Interval::around(f64::from_bits(0x3dea_39ef_3579_3c76));
/// pi/2.
pub const HALF_PI: Interval = Interval::around(std::f64::consts::FRAC_PI_2);
/// atan(1/2).
pub(super) const ATAN_HALF: Interval = Interval::around(0.463_647_609_000_806_1);
/// atan(1) = pi/4.
pub(super) const ATAN_ONE: Interval = Interval::around(std::f64::consts::FRAC_PI_4);
/// `1/k!` for `k` below 19, where the factorial is an `f64`; the quotient is the nearest one.
pub(super) const INVERSE_FACTORIAL: [Interval; 19] = {
    let mut table = [Interval::ONE; 19];
    let (mut k, mut factorial) = (2, 2.0);
    while k < 19 {
        table[k] = Interval::around(1.0 / factorial);
        k += 1;
        factorial *= k as f64;
    }
    table
};

/// The numbers of terms of the series of `exp(r) - 1` (`0.36^16 / 16! < 2^-64`), the logarithm and the inverse tangent:
/// what follows is below the rounding errors.
pub(super) const EXP_TERMS: usize = 15;
pub(super) const LN_TERMS: u32 = 13;
pub(super) const ATAN_TERMS: u32 = 15;

impl Interval {
    /// The exponentials. `exp(-inf) = 0`; what overflows lies in `[f64::MAX, inf]`.
    pub fn exp(self) -> Interval {
        self.increasing(exp_point)
    }

    /// `exp(x) - 1`, also accurate near 0.
    pub fn exp_m1(self) -> Interval {
        self.increasing(exp_m1_point)
    }

    /// The natural logarithms of the positive numbers of the interval; [`Interval::ENTIRE`] when
    /// there are none. `ln(0) = -inf`.
    pub fn ln(self) -> Interval {
        if self.hi > 0.0 { self.increasing(ln_point) } else { Interval::ENTIRE }
    }

    /// `ln(1 + x)`, also accurate near 0, of the numbers `x > -1` of the interval;
    /// [`Interval::ENTIRE`] when there are none.
    pub fn ln_1p(self) -> Interval {
        if self.hi > -1.0 { self.increasing(ln_1p_point) } else { Interval::ENTIRE }
    }

    /// `ln(1 + exp(x))`, the softplus function.
    pub fn ln_1p_exp(self) -> Interval {
        // max(x, 0) + ln(1 + exp(-|x|)): no overflow, no cancellation.
        self.increasing(|x| Interval::point(x.max(0.0)) + Interval::point(-x.abs()).exp().ln_1p())
    }

    /// The logistic function `1 / (1 + exp(-x))`.
    pub fn sigmoid(self) -> Interval {
        self.increasing(sigmoid_point)
    }

    /// The hyperbolic tangents.
    pub fn tanh(self) -> Interval {
        self.increasing(odd(tanh_nonnegative))
    }

    /// The inverse tangents; `atan(inf) = pi/2`.
    pub fn atan(self) -> Interval {
        self.increasing(odd(atan_nonnegative))
    }
}

/// Extends a function on `x >= 0` to an odd one.
pub(super) fn odd(f: impl Fn(f64) -> Interval) -> impl Fn(f64) -> Interval {
    move |x| if x < 0.0 { -f(-x) } else { f(x) }
}

/// `c_0 + x (c_1 + x (c_2 + ...))`.
pub(super) fn horner(
    x: Interval,
    coefficients: impl DoubleEndedIterator<Item = Interval>,
) -> Interval {
    coefficients.rev().reduce(|sum, c| c + x * sum).unwrap_or(Interval::ZERO)
}

/// `(exp(r) - 1) / r` for `|r| <= 0.36`: `sum r^k / (k+1)!`, and by Lagrange's remainder one more
/// term times a number `exp(xi)`, `|xi| <= |r|`, which lies in `[1/2, 2]`.
pub(super) fn exp_quotient(r: Interval, terms: usize) -> Interval {
    let remainder = INVERSE_FACTORIAL[terms + 1] * Interval::new(0.5, 2.0);
    let taylor = INVERSE_FACTORIAL[1..=terms].iter().copied();
    // `chain` is double-ended, so the remainder is the first one that Horner's rule meets.
    horner(r, taylor.chain(std::iter::once(remainder)))
}

/// `x - k ln 2` for a small integer `k`.
fn minus_ln_2(x: f64, k: f64) -> Interval {
    (Interval::point(x) - Interval::point(k * LN_2_HEAD)) - LN_2_TAIL.scale(k)
}

fn exp_point(x: f64) -> Interval {
    if x.is_infinite() {
        return Interval::point(if x > 0.0 { x } else { 0.0 });
    }
    if x > 709.79 {
        // exp(709.79) > 2^1024.
        return Interval::new(f64::MAX, f64::INFINITY);
    }
    if x < -745.2 {
        // exp(-745.2) < 2^-1075.
        return Interval::new(0.0, f64::from_bits(1));
    }
    let k = (x * std::f64::consts::LOG2_E).round();
    let r = minus_ln_2(x, k);
    let y = Interval::ONE + r * exp_quotient(r, EXP_TERMS);
    Interval::new(scale_down(y.lo, k as i32).max(0.0), scale_up(y.hi, k as i32))
}

fn exp_m1_point(x: f64) -> Interval {
    if x.abs() <= 0.36 {
        let r = Interval::point(x);
        r * exp_quotient(r, EXP_TERMS)
    } else {
        exp_point(x) - Interval::ONE
    }
}

/// `ln((1+s)/(1-s)) = 2 s (1 + s^2/3 + s^4/5 + ...)` for `|s| <= 1/4`. The terms after the N-th are
/// positive and at most `s^(2N)/(2N+1) (1 + s^2 + ...) <= s^(2N)/(2N+1) * 16/15`.
pub(super) fn ln_quotient(s: Interval, terms: u32) -> Interval {
    let odd_inverse = |n: u32| Interval::ONE / Interval::point(f64::from(2 * n + 1));
    let last = odd_inverse(terms) * Interval::new(1.0, 1.07);
    let series = (0..terms).map(odd_inverse).chain(std::iter::once(last));
    (s * horner(s.square(), series)).scale(2.0)
}

fn ln_point(x: f64) -> Interval {
    if x <= 0.0 {
        return Interval::point(f64::NEG_INFINITY);
    }
    if x == f64::INFINITY {
        return Interval::point(x);
    }
    // x = 2^k m with m in [2/3, 4/3]: scaling is exact, and so is m - 1 (Sterbenz).
    let mut k = exponent(x);
    if scale_up(x, -k) > 4.0 / 3.0 {
        k += 1;
    }
    let m = scale_up(x, -k);
    let s = Interval::point(m - 1.0) / (Interval::point(m) + Interval::ONE);
    let k = f64::from(k);
    Interval::point(k * LN_2_HEAD) + (LN_2_TAIL.scale(k) + ln_quotient(s, LN_TERMS))
}

fn ln_1p_point(x: f64) -> Interval {
    if x.abs() <= 0.4 {
        // x / (2 + x) is at most 1/4 in absolute value.
        let t = Interval::point(x);
        ln_quotient(t / (t + Interval::point(2.0)), LN_TERMS)
    } else {
        (Interval::ONE + Interval::point(x.max(-1.0))).ln()
    }
}

fn sigmoid_point(x: f64) -> Interval {
    let e = exp_point(-x.abs());
    if x >= 0.0 { Interval::ONE / (Interval::ONE + e) } else { e / (Interval::ONE + e) }
}

/// `tanh(x) = -E / (2 + E)` with `E = exp(-2x) - 1` in `[-1, 0]`.
fn tanh_nonnegative(x: f64) -> Interval {
    // tanh(inf) = 1, but 2 x must not become infinite before x is.
    let twice = if x.is_finite() { (2.0 * x).min(f64::MAX) } else { x };
    let e = exp_m1_point(-twice);
    -e / (Interval::point(2.0) + e)
}

/// `atan(x) = atan(c) + atan((x - c)/(1 + c x))` for c = 0, 1/2, 1, and `pi/2 - atan(1/x)` beyond 1.
fn atan_nonnegative(x: f64) -> Interval {
    if x == f64::INFINITY {
        return HALF_PI;
    }
    let t = Interval::point(x);
    if x <= 1.0 { atan_unit(t) } else { HALF_PI - atan_unit(Interval::ONE / t) }
}

/// The inverse tangents of an interval in [0, 1] of which the width is a rounding error.
fn atan_unit(t: Interval) -> Interval {
    let (c, angle) = match t.lo {
        lo if lo < 0.25 => return atan_small(t, ATAN_TERMS),
        lo if lo < 0.75 => (0.5, ATAN_HALF),
        _ => (1.0, ATAN_ONE),
    };
    angle + atan_small((t - Interval::point(c)) / (Interval::ONE + t.scale(c)), ATAN_TERMS)
}

/// `t (1 - t^2/3 + t^4/5 - ...)` for `|t| < 1/2`: the terms alternate and decrease, so what remains
/// after N of them lies between 0 and the next.
pub(super) fn atan_small(t: Interval, terms: u32) -> Interval {
    let coefficient = |n: u32| {
        let c = Interval::ONE / Interval::point(f64::from(2 * n + 1));
        if n.is_multiple_of(2) { c } else { -c }
    };
    let last = coefficient(terms) * Interval::new(0.0, 1.0);
    t * horner(t.square(), (0..terms).map(coefficient).chain(std::iter::once(last)))
}
