//! Directed rounding of single operations, and the constants of a-priori error analysis.
//!
//! The processor rounds to nearest; the sign of the rounding error is then recovered without error
//! (`TwoSum` of Knuth, a fused multiply-add for products, quotients and roots), so that a result
//! is moved by one unit in the last place only where it is inexact. An exact result stays exact.
//!
//! Tests can make all of this coarse (the module `coarse`): directed operations keep a few bits, or the unit
//! roundoff is large and products are as wrong as it allows. A direction that is wrong or a term that is
//! missing is then an error of some percent, which the other terms do not hide.
#![expect(
    clippy::float_arithmetic,
    reason = "the sign of each error is known exactly, and `gamma` makes up for its own"
)]

/// The unit roundoff of `f64`, `u = 2^-53`: rounding to nearest has a relative error of at most `u`.
pub const UNIT_ROUNDOFF: f64 = f64::EPSILON / 2.0;

/// The smallest positive `f64`, `2^-1074`. A product that underflows is off by at most half of it.
pub const MIN_SUBNORMAL: f64 = 5e-324;

/// Below this a product's rounding error may itself underflow (`2^-1022 * 2^53 = 2^-969`).
const RESIDUAL_SAFE: f64 = f64::MIN_POSITIVE / UNIT_ROUNDOFF;

/// `gamma_n = n u / (1 - n u)`, rounded up (Higham, "Accuracy and Stability of Numerical
/// Algorithms", 2nd ed., section 3.1). `+inf` when `n u >= 1/2`.
pub fn gamma(n: usize) -> f64 {
    let nu = n as f64 * unit_roundoff();
    if nu < 0.5 {
        // Relative error of the two operations: below 3u < 4 EPSILON / 2.
        nu / (1.0 - nu) * (1.0 + 4.0 * f64::EPSILON)
    } else {
        f64::INFINITY
    }
}

#[cfg(test)]
use coarse::{round_up as kept, unit_roundoff};

/// A result of a directed operation: it keeps all its bits.
#[cfg(not(test))]
#[inline]
fn kept(x: f64) -> f64 {
    x
}

/// The unit roundoff of sums of products.
#[cfg(not(test))]
#[inline]
fn unit_roundoff() -> f64 {
    UNIT_ROUNDOFF
}

/// `x`, with NaN replaced by `+inf`: the form in which an upper bound may be compared.
pub fn upper(x: f64) -> f64 {
    if x.is_nan() { f64::INFINITY } else { x }
}

/// `x`, with NaN replaced by `-inf`: the form in which a lower bound may be compared.
pub fn lower(x: f64) -> f64 {
    if x.is_nan() { f64::NEG_INFINITY } else { x }
}

/// The larger of two upper bounds; NaN counts as `+inf`.
pub fn max_up(a: f64, b: f64) -> f64 {
    upper(a).max(upper(b))
}

/// The rounding error of `s = fl(a + b)`, exactly (Knuth's `TwoSum`), unless something overflowed.
fn sum_error(a: f64, b: f64, s: f64) -> f64 {
    let bb = s - a;
    (a - (s - bb)) + (b - bb)
}

/// An upper bound of `a + b`; exact where `a + b` is a floating-point number.
pub fn add_up(a: f64, b: f64) -> f64 {
    let s = a + b;
    let e = sum_error(a, b, s);
    kept(if e > 0.0 || e.is_nan() { upper(s.next_up()) } else { upper(s) })
}

/// A lower bound of `a + b`; exact where `a + b` is a floating-point number.
pub fn add_down(a: f64, b: f64) -> f64 {
    -add_up(-a, -b)
}

/// An upper bound of `a - b`; exact where `a - b` is a floating-point number.
pub fn sub_up(a: f64, b: f64) -> f64 {
    add_up(a, -b)
}

/// A lower bound of `a - b`; exact where `a - b` is a floating-point number.
pub fn sub_down(a: f64, b: f64) -> f64 {
    -add_up(-a, b)
}

/// An upper bound of `a * b`; exact where `a * b` is a floating-point number that is not tiny.
pub fn mul_up(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 {
        return 0.0;
    }
    let p = a * b;
    if p.abs() < RESIDUAL_SAFE {
        return upper(p.next_up());
    }
    kept(if a.mul_add(b, -p) > 0.0 { upper(p.next_up()) } else { upper(p) })
}

/// A lower bound of `a * b`; exact where `a * b` is a floating-point number that is not tiny.
pub fn mul_down(a: f64, b: f64) -> f64 {
    -mul_up(-a, b)
}

/// An upper bound of `a / b`; exact where the quotient is a floating-point number that is not tiny.
pub fn div_up(a: f64, b: f64) -> f64 {
    let q = a / b;
    if a == 0.0 && b != 0.0 {
        return 0.0;
    }
    if !q.is_finite() || a.abs() < RESIDUAL_SAFE {
        return upper(q.next_up());
    }
    // The residual a - q b is a multiple of 2^-1074 (of the last bits of a, and of q times b), so rounding keeps its
    // sign.
    let r = (-q).mul_add(b, a);
    let low = if b > 0.0 { r > 0.0 } else { r < 0.0 };
    kept(if low || r.is_nan() { upper(q.next_up()) } else { q })
}

/// A lower bound of `a / b`; exact where the quotient is a floating-point number that is not tiny.
pub fn div_down(a: f64, b: f64) -> f64 {
    -div_up(-a, b)
}

/// An upper bound of the square root of `x`, for a number `x` that is itself an upper bound: a
/// negative `x` gives 0, NaN gives `+inf`.
pub fn sqrt_up(x: f64) -> f64 {
    if x.is_nan() {
        return f64::INFINITY;
    }
    if x <= 0.0 {
        return 0.0;
    }
    let r = x.sqrt();
    kept(if x < RESIDUAL_SAFE || (-r).mul_add(r, x) > 0.0 { upper(r.next_up()) } else { r })
}

/// A lower bound of the square root of `x`; 0 for a negative `x`.
pub fn sqrt_down(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return 0.0;
    }
    let r = x.sqrt();
    let down =
        if x < RESIDUAL_SAFE || (-r).mul_add(r, x) < 0.0 { r.next_down().max(0.0) } else { r };
    -kept(-down)
}

/// `2^e`, exactly, for `-1074 <= e <= 1023`; 0 below and `+inf` above.
pub fn power_of_two(e: i32) -> f64 {
    if e > 1023 {
        f64::INFINITY
    } else if e >= -1022 {
        f64::from_bits(((e + 1023) as u64) << 52)
    } else if e >= -1074 {
        f64::from_bits(1u64 << (e + 1074))
    } else {
        0.0
    }
}

/// `x * 2^e` with rounding to nearest, for `|e| <= 2044`: exact where the result is finite and above the smallest
/// normal number, which itself may be the result of rounding.
#[inline]
pub fn scale(x: f64, e: i32) -> f64 {
    // In two factors, as 2^e itself may be no number.
    x * power_of_two(e / 2) * power_of_two(e - e / 2)
}

/// Whether [`scale`] may have rounded its finite result; larger numbers never are.
pub fn scale_may_round(x: f64, e: i32) -> bool {
    e < 0 && x != 0.0 && scale(x, e).abs() <= f64::MIN_POSITIVE
}

/// An upper bound of `x * 2^e`, for any `e`; exact unless the result is subnormal or overflows.
pub fn scale_up(mut x: f64, mut e: i32) -> f64 {
    if x == 0.0 || x.is_nan() || x.is_infinite() {
        return upper(x);
    }
    while e > 1000 {
        x = multiply_power_up(x, 1000);
        e -= 1000;
    }
    // Scaling down stays exact while the number is normal; a positive number that vanishes below
    // the subnormal range is rounded up to the least of them.
    while e < -1000 {
        x = multiply_power_up(x, -1000);
        e += 1000;
        if x.abs() <= MIN_SUBNORMAL {
            return x.max(0.0);
        }
    }
    multiply_power_up(x, e)
}

/// `x * 2^e` rounded up, for `|e| <= 1000`.
fn multiply_power_up(x: f64, e: i32) -> f64 {
    let y = x * power_of_two(e);
    if y == f64::NEG_INFINITY {
        return f64::MIN;
    }
    // The way back is exact, so it says in which direction y was rounded.
    if y * power_of_two(-e) < x { y.next_up() } else { y }
}

/// A lower bound of `x * 2^e`, for any `e`.
pub fn scale_down(x: f64, e: i32) -> f64 {
    -scale_up(-x, e)
}

/// The exponent `e` with `2^e <= |x| < 2^(e+1)`, for a finite `x != 0`.
pub fn exponent(x: f64) -> i32 {
    let bits = x.abs().to_bits();
    let biased = (bits >> 52) as i32;
    if biased > 0 { biased - 1023 } else { -1011 - bits.leading_zeros() as i32 }
}

/// An upper bound of the exact sum of nonnegative numbers, exact where every partial sum is.
pub fn sum_up(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, add_up)
}

/// An upper bound of `a + factor b` for nonnegative numbers, without branches; above it by `10 u` and twice the
/// least number at most.
pub fn add_scaled_up(a: f64, factor: f64, b: f64) -> f64 {
    // The product loses the factor 1 - u and half of the least number, which is added; the sum loses 1 - u, and
    // so does the last product, which 1 + 8 u makes up for. Below the normal numbers sums are exact, and a product
    // with a number above 1 does not fall.
    let scaled = if b == 0.0 { 0.0 } else { b * factor + MIN_SUBNORMAL };
    kept(upper((a + scaled) * (1.0 + 4.0 * f64::EPSILON)))
}

/// Arithmetic with errors of some percent.
#[cfg(test)]
pub(crate) mod coarse {
    use super::{UNIT_ROUNDOFF, gamma};
    use std::cell::Cell;

    thread_local! {
        static BITS: Cell<u32> = const { Cell::new(f64::MANTISSA_DIGITS) };
        static UNIT: Cell<f64> = const { Cell::new(UNIT_ROUNDOFF) };
    }

    /// What `f` computes where results of directed operations are rounded once more, in the same direction, to so
    /// many bits, and with a unit roundoff for sums of products: where it is larger than the real one, sums
    /// have the largest error that it allows.
    pub fn with<T: Send>(bits: u32, unit: f64, f: impl FnOnce() -> T + Send) -> T {
        let pool = rayon::ThreadPoolBuilder::new().start_handler(move |_| {
            BITS.set(bits);
            UNIT.set(unit);
        });
        pool.build().expect("threads").install(f)
    }

    pub fn unit_roundoff() -> f64 {
        UNIT.get()
    }

    pub fn sums_are_wrong() -> bool {
        UNIT.get() > UNIT_ROUNDOFF
    }

    /// A sum of so many products, moved towards zero by nearly the error that it may have; `absolute` is the
    /// sum of the absolute values of the products.
    pub fn wrong_sum(sum: f64, absolute: f64, terms: usize) -> f64 {
        if sums_are_wrong() {
            sum - sum.signum() * 0.999 * gamma(terms).min(1.0) * absolute
        } else {
            sum
        }
    }

    /// The least number of so many bits that is not below `x`.
    pub fn round_up(x: f64) -> f64 {
        let dropped = (1u64 << (f64::MANTISSA_DIGITS - BITS.get())) - 1;
        let truncated = f64::from_bits(x.to_bits() & !dropped);
        if !x.is_finite() || truncated == x {
            x
        } else if x < 0.0 {
            truncated
        } else {
            // A carry goes into the exponent; beyond the largest number it makes an infinity.
            f64::from_bits((x.to_bits() | dropped) + 1)
        }
    }
}

#[cfg(test)]
#[path = "rounding_tests.rs"]
mod tests;
