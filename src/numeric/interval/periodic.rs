//! Enclosures of sin and cos.
#![expect(
    clippy::float_arithmetic,
    reason = "k times 31 bits is exact; quotients choose k, any near one would do, or n with a margin of 1"
)]

use super::Interval;
use super::elementary::{HALF_PI, INVERSE_FACTORIAL, horner};

/// The leading 33 bits of pi/2, so that `k * HALF_PI_HEAD` is exact for `|k| < 2^20`.
pub(super) const HALF_PI_HEAD: f64 = f64::from_bits(0x3ff9_21fb_5440_0000);
/// pi/2 - HALF_PI_HEAD.
pub(super) const HALF_PI_TAIL: Interval = Interval::around(f64::from_bits(0x3dd0_b461_1a62_6331));
/// sin and cos of larger arguments are enclosed by [-1, 1] only.
const PERIODIC_LIMIT: f64 = 1_000_000.0;

impl Interval {
    /// The sines.
    pub fn sin(self) -> Interval {
        self.periodic(1)
    }

    /// The cosines.
    pub fn cos(self) -> Interval {
        self.periodic(0)
    }

    /// The range of cos (`phase` 0) or sin (`phase` 1): the values at the ends and, for every
    /// multiple `n pi/2` with `n - phase` even that may lie in the interval, the extremum there.
    fn periodic(self, phase: i64) -> Interval {
        let unit = Interval::new(-1.0, 1.0);
        if self.magnitude() > PERIODIC_LIMIT || self.width() > 7.0 {
            return unit;
        }
        let mut range = quarter_turn(self.lo, phase).hull(quarter_turn(self.hi, phase));
        let first = (self.lo / std::f64::consts::FRAC_PI_2).floor() as i64 - 1;
        let last = (self.hi / std::f64::consts::FRAC_PI_2).ceil() as i64 + 1;
        for n in (first..=last).filter(|n| (n - phase).rem_euclid(2) == 0) {
            let extremum = if (n - phase).rem_euclid(4) == 0 { 1.0 } else { -1.0 };
            if HALF_PI.scale(n as f64).intersect(self).is_some() {
                range = range.hull(Interval::point(extremum));
            }
        }
        range.intersect(unit).unwrap_or(unit)
    }
}

/// cos (`phase` 0) or sin (`phase` 1) of `x`, `|x| <= 10^6`: with `r = x - k pi/2`, `|r| < 0.8`,
/// sin(x) is sin(r), cos(r), -sin(r), -cos(r) for k = 0, 1, 2, 3 modulo 4, and
/// cos(x) = sin(x + pi/2).
fn quarter_turn(x: f64, phase: i64) -> Interval {
    let k = (x / std::f64::consts::FRAC_PI_2).round();
    let r = (Interval::point(x) - Interval::point(k * HALF_PI_HEAD)) - HALF_PI_TAIL.scale(k);
    match (k as i64 + 1 - phase).rem_euclid(4) {
        0 => sin_small(r),
        1 => cos_small(r),
        2 => -sin_small(r),
        _ => -cos_small(r),
    }
}

/// `r (1 - r^2/3! + r^4/5! - ...)` for `|r| < 1`; alternating and decreasing.
fn sin_small(r: Interval) -> Interval {
    r * alternating(r.square(), 1)
}

/// `1 - r^2/2! + r^4/4! - ...` for `|r| < 1`; alternating and decreasing.
fn cos_small(r: Interval) -> Interval {
    alternating(r.square(), 0)
}

/// `1/f! - s/(f+2)! + s^2/(f+4)! - ...`, what remains lying between 0 and the next term.
fn alternating(s: Interval, first: usize) -> Interval {
    let sign = |n: usize, c: Interval| if n.is_multiple_of(2) { c } else { -c };
    let coefficient = |n: usize| sign(n, INVERSE_FACTORIAL[first + 2 * n]);
    let last = coefficient(8) * Interval::new(0.0, 1.0);
    horner(s, (0..8).map(coefficient).chain(std::iter::once(last)))
}
