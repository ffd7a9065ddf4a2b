//! Rigorous enclosures of real numbers, and of the elementary functions.
//!
//! Every operation returns an interval that contains the exact result for every choice of points
//! of its operands: lower ends are rounded down and upper ends up (Moore, "Interval Analysis",
//! 1966; IEEE Std 1788-2015, set-based flavour). No result depends on the mathematical library of
//! the system. See [`elementary`] for exp, ln, tanh, ... and [`erf`](mod@erf) for the error function.

pub mod elementary;
pub mod erf;
mod periodic;

#[cfg(test)]
mod function_tests;

use super::rounding::{
    add_down, div_down, div_up, lower, mul_down, mul_up, sqrt_down, sqrt_up, sub_up,
};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// The set of the real numbers `x` with `lo <= x <= hi`.
///
/// The ends may be infinite, and a function takes its limit there: `exp(-inf) = 0`. In a product
/// `0 * inf = 0`, which is right for sets of real numbers. NaN never occurs: what would be NaN is
/// [`Interval::ENTIRE`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub lo: f64,
    /// The upper end, not below `lo`.
    pub hi: f64,
}

impl Interval {
    /// The whole real line.
    pub const ENTIRE: Interval = Interval { lo: f64::NEG_INFINITY, hi: f64::INFINITY };

    /// The number 0.
    pub const ZERO: Interval = Interval { lo: 0.0, hi: 0.0 };

    /// The number 1.
    pub const ONE: Interval = Interval { lo: 1.0, hi: 1.0 };

    /// The real numbers strictly nearer to a nonzero `x` than its two neighbours, and some more:
    /// the neighbours are the ends. Encloses a constant of which `x` is the nearest `f64`.
    pub const fn around(x: f64) -> Interval {
        Interval { lo: x.next_down(), hi: x.next_up() }
    }

    /// The single number `x`; NaN gives [`Interval::ENTIRE`].
    pub fn point(x: f64) -> Interval {
        Interval::new(x, x)
    }

    /// The interval from `lo` to `hi`; [`Interval::ENTIRE`] when `lo > hi` or one of them is NaN.
    pub fn new(lo: f64, hi: f64) -> Interval {
        if lo <= hi { Interval { lo, hi } } else { Interval::ENTIRE }
    }

    /// The least interval that contains both.
    pub fn hull(self, other: Interval) -> Interval {
        Interval { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The numbers in both, or `None` when there are none.
    pub fn intersect(self, other: Interval) -> Option<Interval> {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        (lo <= hi).then_some(Interval { lo, hi })
    }

    /// `hi - lo`, rounded up.
    pub fn width(self) -> f64 {
        if self.lo == self.hi { 0.0 } else { sub_up(self.hi, self.lo) }
    }

    /// A finite number of the interval, near its middle (not rounded in any direction).
    #[expect(
        clippy::float_arithmetic,
        reason = "not rounded in any direction: a number of the interval, by the last two operations"
    )]
    pub fn midpoint(self) -> f64 {
        let (lo, hi) = (self.lo.max(f64::MIN), self.hi.min(f64::MAX));
        (0.5 * lo + 0.5 * hi).max(lo).min(hi)
    }

    /// The largest absolute value of a number of the interval; exact.
    pub fn magnitude(self) -> f64 {
        self.lo.abs().max(self.hi) // a number below 0 is nearer to it than `lo`
    }

    /// Whether `x` lies in the interval.
    pub fn contains(self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// Whether every number of `other` lies in the interval.
    pub fn encloses(self, other: Interval) -> bool {
        self.lo <= other.lo && other.hi <= self.hi
    }

    /// The product with the number `factor`.
    pub fn scale(self, factor: f64) -> Interval {
        self * Interval::point(factor)
    }

    /// The squares.
    pub fn square(self) -> Interval {
        let a = self.abs();
        // A square is not negative; a tiny one is rounded down to below 0.
        Interval::new(mul_down(a.lo, a.lo).max(0.0), mul_up(a.hi, a.hi))
    }

    /// The absolute values; exact.
    pub fn abs(self) -> Interval {
        if self.lo >= 0.0 {
            self
        } else if self.hi <= 0.0 {
            -self
        } else {
            Interval { lo: 0.0, hi: self.magnitude() }
        }
    }

    /// The larger of a number of each; exact.
    pub fn max(self, other: Interval) -> Interval {
        Interval { lo: self.lo.max(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The smaller of a number of each; exact.
    pub fn min(self, other: Interval) -> Interval {
        Interval { lo: self.lo.min(other.lo), hi: self.hi.min(other.hi) }
    }

    /// The square roots of the numbers that have one.
    pub fn sqrt(self) -> Interval {
        Interval::new(sqrt_down(self.lo), sqrt_up(self.hi))
    }

    /// The range of an increasing function, given enclosures of its values at the two ends.
    pub fn increasing(self, f: impl Fn(f64) -> Interval) -> Interval {
        let low = f(self.lo);
        if self.lo == self.hi { low } else { Interval::new(low.lo, f(self.hi).hi) }
    }
}

impl From<f64> for Interval {
    fn from(x: f64) -> Interval {
        Interval::point(x)
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}, {}]", self.lo, self.hi)
    }
}

impl Neg for Interval {
    type Output = Interval;
    #[expect(clippy::float_arithmetic, reason = "exact: changes of sign")]
    fn neg(self) -> Interval {
        Interval { lo: -self.hi, hi: -self.lo }
    }
}

/// `a + b` rounded down; a sum with an infinity is that infinity, `inf - inf` is `-inf`.
#[expect(clippy::float_arithmetic, reason = "a sum with an infinity is exact")]
fn sum_down(a: f64, b: f64) -> f64 {
    if a.is_infinite() || b.is_infinite() { lower(a + b) } else { add_down(a, b) }
}

impl Add for Interval {
    type Output = Interval;
    #[expect(clippy::float_arithmetic, reason = "exact: changes of sign")]
    fn add(self, other: Interval) -> Interval {
        Interval::new(sum_down(self.lo, other.lo), -sum_down(-self.hi, -other.hi))
    }
}

impl Sub for Interval {
    type Output = Interval;
    fn sub(self, other: Interval) -> Interval {
        self + -other
    }
}

impl Mul for Interval {
    type Output = Interval;
    fn mul(self, other: Interval) -> Interval {
        let (a, b) = (self, other);
        if a == Interval::ZERO || b == Interval::ZERO {
            return Interval::ZERO;
        }
        if a.lo >= 0.0 && b.lo >= 0.0 {
            // A tiny product is rounded down to below 0, which it is not.
            return Interval::new(mul_down(a.lo, b.lo).max(0.0), mul_up(a.hi, b.hi));
        }
        if a.hi <= 0.0 {
            return -(-a * b);
        }
        if b.hi <= 0.0 {
            return -(a * -b);
        }
        let lo = mul_down(a.lo, b.hi).min(mul_down(a.hi, b.lo));
        let hi = mul_up(a.lo, b.lo).max(mul_up(a.hi, b.hi));
        Interval::new(lo, hi)
    }
}

impl Div for Interval {
    type Output = Interval;

    /// The quotients; [`Interval::ENTIRE`] when the divisor contains 0.
    fn div(self, other: Interval) -> Interval {
        let (a, b) = (self, other);
        if b.lo <= 0.0 && b.hi >= 0.0 {
            return Interval::ENTIRE;
        }
        if b.hi < 0.0 {
            return -a / -b;
        }
        // The divisor is positive: a lower end is divided by whichever end makes it smaller.
        let lo = div_down(a.lo, if a.lo >= 0.0 { b.hi } else { b.lo });
        let hi = div_up(a.hi, if a.hi >= 0.0 { b.lo } else { b.hi });
        // The sign of the dividend is the sign of the quotient, also where it underflows.
        let lo = if a.lo >= 0.0 { lo.max(0.0) } else { lo };
        let hi = if a.hi <= 0.0 { hi.min(0.0) } else { hi };
        Interval::new(lo, hi)
    }
}

#[cfg(test)]
mod tests {
    use super::Interval;
    use dashu::rational::RBig;
    use proptest::prelude::{Strategy, any, prop_assert, prop_assume, proptest};

    fn exact(x: f64) -> Option<RBig> {
        RBig::try_from(x).ok()
    }

    fn encloses(x: Interval, value: &RBig) -> bool {
        exact(x.lo).is_none_or(|lo| lo <= *value) && exact(x.hi).is_none_or(|hi| *value <= hi)
    }

    /// An interval of finite ends, and a number in it.
    fn cell() -> impl Strategy<Value = (Interval, f64)> {
        (any::<f64>(), any::<f64>(), any::<f64>()).prop_filter_map("finite", |(a, b, c)| {
            let mut v = [a, b, c];
            v.sort_by(f64::total_cmp);
            (v.iter().all(|x| x.is_finite())).then(|| (Interval::new(v[0], v[2]), v[1]))
        })
    }

    proptest! {
        #[test]
        fn arithmetic_encloses((x, p) in cell(), (y, q) in cell()) {
            let (Some(a), Some(b)) = (exact(p), exact(q)) else { return Ok(()) };
            prop_assert!(encloses(x + y, &(&a + &b)));
            prop_assert!(encloses(x - y, &(&a - &b)));
            prop_assert!(encloses(x * y, &(&a * &b)));
            prop_assert!(encloses(x.square(), &(&a * &a)));
            prop_assert!(encloses(x.scale(q), &(&a * &b)));
            prop_assert!(x.abs().contains(p.abs()));
            prop_assert!(x.max(y).contains(p.max(q)) && x.min(y).contains(p.min(q)));
            prop_assume!(q != 0.0);
            prop_assert!(encloses(x / y, &(&a / &b)));
        }

        /// One rounding: the ends are the two `f64` next to the exact result, or that result.
        #[test]
        fn arithmetic_of_points_is_tight(a in -1e100f64..1e100, b in 1e-100f64..1e100) {
            let (x, y) = (Interval::point(a), Interval::point(b));
            for z in [x + y, x - y, x * y, x / y] {
                prop_assume!(z.magnitude() > 1e-280);
                prop_assert!(z.hi == z.lo || z.hi == z.lo.next_up());
            }
        }

        #[test]
        fn nothing_is_ever_nan(a in any::<f64>(), b in any::<f64>(), c in any::<f64>(), d in any::<f64>()) {
            let (x, y) = (Interval::new(a, b), Interval::new(c, d));
            for z in [x + y, x - y, x * y, x / y, x.square(), x.abs(), x.hull(y), x.sqrt(), x.min(y)] {
                prop_assert!(z.lo <= z.hi);
            }
        }
    }

    #[test]
    fn infinite_ends() {
        let half = Interval::new(0.0, f64::INFINITY);
        assert_eq!(half - half, Interval::ENTIRE);
        assert_eq!(half * Interval::ZERO, Interval::ZERO);
        assert_eq!(half * -half, -half);
        assert_eq!(Interval::ONE / half, Interval::ENTIRE);
        assert_eq!(Interval::ONE / (Interval::ONE + half), Interval::new(0.0, 1.0));
        assert_eq!(Interval::point(f64::NAN), Interval::ENTIRE);
        assert_eq!(Interval::new(2.0, 1.0), Interval::ENTIRE);
    }

    #[test]
    fn sets() {
        let (a, b) = (Interval::new(0.0, 2.0), Interval::new(1.0, 3.0));
        assert_eq!(a.hull(b), Interval::new(0.0, 3.0));
        assert_eq!(a.intersect(b), Some(Interval::new(1.0, 2.0)));
        assert_eq!(a.intersect(Interval::point(5.0)), None);
        assert_eq!((a.width(), a.midpoint(), Interval::ENTIRE.midpoint()), (2.0, 1.0, 0.0));
        assert!(b.contains(1.0) && !b.contains(0.0) && a.hull(b).encloses(a));
    }

    #[test]
    fn magnitudes_and_containment() {
        let of = Interval::new;
        assert_eq!((of(-3.0, 2.0).magnitude(), of(-2.0, 3.0).magnitude()), (3.0, 3.0));
        assert_eq!((of(-3.0, -2.0).magnitude(), of(2.0, 3.0).magnitude()), (3.0, 3.0));
        let inside = |lo, hi| of(0.0, 2.0).encloses(of(lo, hi));
        assert!(inside(0.0, 2.0) && inside(0.5, 1.0));
        assert!(!inside(-1.0, 1.0) && !inside(1.0, 3.0) && !inside(-1.0, 3.0));
    }

    #[test]
    fn roots_of_points_are_the_neighbours_of_the_exact_root() {
        for k in 2..50u32 {
            let root = Interval::point(f64::from(k)).sqrt();
            let (lo, hi) = (exact(root.lo).expect("finite"), exact(root.hi).expect("finite"));
            assert!(&lo * &lo <= RBig::from(k) && &hi * &hi >= RBig::from(k), "{k}");
            assert!(root.hi == root.lo || root.hi == root.lo.next_up(), "{k}");
        }
        let infinite = Interval::point(f64::INFINITY);
        assert_eq!((infinite + Interval::ONE, Interval::ONE + infinite), (infinite, infinite));
        assert_eq!(-infinite + Interval::ONE, -infinite);
    }
}
