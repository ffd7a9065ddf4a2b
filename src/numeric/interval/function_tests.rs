//! The elementary functions against numbers of 1300 bits: valid, and tight.

use super::erf::{self, TWO_OVER_SQRT_PI};
use super::{Interval, elementary, periodic};
use dashu::float::{FBig, round::mode::HalfEven};
use proptest::prelude::{Strategy, any, prop_assert, prop_oneof, proptest};

type Real = FBig<HalfEven, 2>;

/// `x` as a number of 1300 bits: `1 + exp(-700)` keeps 290 bits of its second term.
fn real(x: f64) -> Real {
    Real::try_from(x).unwrap_or(Real::ZERO).with_precision(1300).value()
}

/// The interval contains the exact value, to about 1300 bits.
fn valid(x: Interval, value: &Real) -> bool {
    (x.lo.is_infinite() || real(x.lo) <= *value) && (x.hi.is_infinite() || *value <= real(x.hi))
}

/// The number of steps from one `f64` to the next between the ends, of one sign.
fn steps(x: Interval) -> u64 {
    x.lo.to_bits().abs_diff(x.hi.to_bits())
}

/// Numbers of all the magnitudes that matter.
fn argument() -> impl Strategy<Value = f64> {
    prop_oneof![-3f64..3.0, -40f64..40.0, -700f64..700.0, (-200f64..6.0).prop_map(f64::exp2)]
}

proptest! {
    #[test]
    fn exponentials(x in argument()) {
        let (p, e) = (Interval::point(x), real(x).exp());
        prop_assert!(valid(p.exp(), &e) && steps(p.exp()) <= 6, "exp {x}: {}", steps(p.exp()));
        let m = p.exp_m1();
        prop_assert!(valid(m, &(e - real(1.0))) && steps(m) <= 12, "exp_m1 {x}: {}", steps(m));
    }

    #[test]
    fn logarithms(x in argument(), any in any::<f64>()) {
        let x = x.abs();
        let (p, one) = (Interval::point(x), real(1.0));
        for y in [x, any.abs(), 1.0 + x / 1e3, 1.0 - x / 1e3] {
            if y > 0.0 && y.is_finite() {
                let l = Interval::point(y).ln();
                prop_assert!(valid(l, &real(y).ln()) && steps(l) <= 10, "ln {y}: {}", steps(l));
            }
        }
        let l = p.ln_1p();
        prop_assert!(valid(l, &(one + real(x)).ln()) && steps(l) <= 12, "ln_1p {x}: {}", steps(l));
        let l = Interval::point(-x.min(0.9)).ln_1p();
        prop_assert!(valid(l, &(real(1.0) - real(x.min(0.9))).ln()) && steps(l) <= 16);
    }

    /// Three more operations than exp.
    #[test]
    fn logistic_functions(x in argument()) {
        let (p, one, e) = (Interval::point(x), real(1.0), real(x).exp());
        let s = p.sigmoid();
        prop_assert!(valid(s, &(&e / (&one + &e))) && steps(s) <= 14, "sigmoid {x}: {}", steps(s));
        let l = p.ln_1p_exp();
        prop_assert!(valid(l, &(&one + &e).ln()) && steps(l) <= 20, "softplus {x}: {}", steps(l));
        let (t, f) = (p.tanh(), &e * &e);
        prop_assert!(valid(t, &((&f - &one) / (&f + &one))) && steps(t) <= 24, "tanh {x}: {}", steps(t));
    }

    #[test]
    fn inverse_tangents(x in argument()) {
        let t = Interval::point(x).atan();
        prop_assert!(valid(t, &real(x).atan()) && steps(t) <= 10, "atan {x}: {}", steps(t));
    }

    /// The zeros are those of pi/2 to 86 bits, so the error is absolute near them.
    #[test]
    fn sines(x in -1e6f64..1e6, y in -7f64..7.0) {
        for x in [x, y] {
            let p = Interval::point(x);
            prop_assert!(valid(p.sin(), &real(x).sin()) && p.sin().width() <= 3e-15);
            prop_assert!(valid(p.cos(), &real(x).cos()) && p.cos().width() <= 3e-15);
        }
    }

    #[test]
    fn ranges_contain_the_values(a in -50f64..50.0, w in 0f64..9.0, t in 0f64..1.0) {
        let (x, y) = (Interval::new(a, a + w), a + t * w);
        let p = Interval::point(y);
        prop_assert!(x.sin().encloses(p.sin()) && x.cos().encloses(p.cos()));
        prop_assert!(x.exp().hi >= p.exp().lo && x.tanh().lo <= p.tanh().hi);
    }

    /// erf by its alternating series in 1300 bits; relative accuracy of erf and of erfc.
    #[test]
    fn error_functions(x in -8f64..8.0) {
        let (mut sum, mut power) = (real(0.0), real(x));
        for n in 0..400u32 {
            sum += &power / real(f64::from(2 * n + 1));
            power = power * real(-x) * real(x) / real(f64::from(n + 1));
        }
        let value = sum * real(2.0) / Real::pi(1300).sqrt();
        let (e, c) = (Interval::point(x).erf(), Interval::point(x).erfc());
        prop_assert!(valid(e, &value) && steps(e) <= 32, "erf {x}: {}", steps(e));
        prop_assert!(valid(c, &(real(1.0) - &value)), "erfc {x}: {c}");
        // erfc is computed as 1 - erf up to 7/4, and to full relative accuracy beyond.
        let scale = if x < 1.75 { 1.0 } else { c.lo };
        prop_assert!(c.width() <= 1e-14 * scale, "erfc {x}: {}", c.width() / c.lo);
    }
}

#[test]
fn limits() {
    let inf = f64::INFINITY;
    let all = Interval::ENTIRE;
    assert_eq!(all.exp(), Interval::new(0.0, inf));
    assert_eq!(all.exp_m1(), Interval::new(-1.0, inf));
    assert_eq!(all.ln(), all);
    assert_eq!(all.ln_1p(), all);
    assert_eq!(all.ln_1p_exp(), Interval::new(0.0, inf));
    assert_eq!(all.sigmoid(), Interval::new(0.0, 1.0));
    assert_eq!(all.tanh(), Interval::new(-1.0, 1.0));
    assert_eq!(all.erf(), Interval::new(-1.0, 1.0));
    assert_eq!(all.erfc(), Interval::new(0.0, 2.0));
    // Beyond 28, erfc is below exp(-784) < 2^-1131, whatever the rounding error of the square is.
    for x in [28.0f64.next_up(), 40.0, 1e10 + 0.7, 1e200, f64::MAX] {
        let tail = Interval::new(0.0, f64::from_bits(1));
        assert_eq!(Interval::point(x).erfc(), tail, "{x}");
        let below_one = Interval::new(1.0 - f64::EPSILON / 2.0, 1.0);
        assert_eq!(Interval::point(x).erf(), below_one, "{x}");
        assert_eq!(Interval::point(2.0 * x).normal_cdf().hi, 1.0, "{x}");
        assert!(Interval::point(2.0 * x).normal_cdf().encloses(below_one) || x == f64::MAX, "{x}");
        assert!(Interval::point(2.0 * x).normal_cdf().width() <= f64::EPSILON, "{x}");
    }
    assert_eq!(Interval::point(f64::INFINITY).erfc(), Interval::ZERO);
    assert_eq!(all.sin(), Interval::new(-1.0, 1.0));
    assert_eq!(all.normal_cdf(), Interval::new(0.0, 1.0));
    assert_eq!(Interval::point(800.0).exp(), Interval::new(f64::MAX, inf));
    assert_eq!(Interval::point(-inf).exp(), Interval::ZERO);
    assert_eq!(Interval::ZERO.exp(), Interval::ONE);
    assert_eq!(Interval::ZERO.tanh(), Interval::ZERO);
    assert_eq!(Interval::ONE.ln(), Interval::ZERO);
    assert!(Interval::point(f64::MAX).tanh().lo < 1.0);
}

#[test]
fn constants() {
    let (one, pi) = (real(1.0), Real::pi(1300));
    assert!(valid(elementary::LN_2_TAIL, &(real(2.0).ln() - real(elementary::LN_2_HEAD))));
    assert!(valid(periodic::HALF_PI_TAIL, &(&pi / real(2.0) - real(periodic::HALF_PI_HEAD))));
    assert!(valid(elementary::HALF_PI, &(&pi / real(2.0))));
    assert!(valid(elementary::ATAN_ONE, &one.atan()));
    assert!(valid(elementary::ATAN_HALF, &real(0.5).atan()));
    assert!(valid(TWO_OVER_SQRT_PI, &(real(2.0) / pi.sqrt())));
    assert!(valid(erf::INVERSE_SQRT_TWO, &(&one / real(2.0).sqrt())));
    let density = &one / (real(2.0) * &pi).sqrt();
    assert!(valid(erf::INVERSE_SQRT_TWO_PI, &density));
}

/// Cut after a few terms, where what follows is most of the width.
#[test]
fn remainders_of_series_enclose() {
    for x in [-0.36, -0.25, -0.1, 0.0, 0.01, 0.2, 0.25, 0.36] {
        let (r, size) = (Interval::point(x), x.abs());
        for terms in 1..6usize {
            let n = terms as i32;
            let q = r * elementary::exp_quotient(r, terms);
            assert!(valid(q, &(real(x).exp() - real(1.0))), "exp {x} {terms}");
            // x^n / (n + 1)! times [1/2, 2].
            let factorial: f64 = (1..=terms + 1).map(|k| k as f64).product();
            assert!(q.width() <= 1.5 * size.powi(n + 1) / factorial + 1e-15, "exp {x} {terms}");
            let terms = terms as u32;
            if size <= 0.25 {
                let l = elementary::ln_quotient(r, terms);
                let exact = ((real(1.0) + real(x)) / (real(1.0) - real(x))).ln();
                assert!(valid(l, &exact), "ln {x} {terms}");
                let last = size.powi(2 * n + 1) / f64::from(2 * n + 1);
                assert!(l.width() <= 2.0 * 0.07 * last + 1e-15, "ln {x} {terms}");
            }
            let t = elementary::atan_small(r, terms);
            assert!(valid(t, &real(x).atan()), "atan {x} {terms}");
            let next = size.powi(2 * n + 1) / f64::from(2 * n + 1);
            assert!(t.width() <= next + 1e-15, "atan {x} {terms}");
        }
    }
}

/// The continued fraction from its first interval on, which contains `q_N`: so does each of the following ones.
#[test]
fn the_continued_fraction_encloses_at_any_depth() {
    for x in [1.75, 2.0, 3.0, 10.0, 20.0] {
        let erfc = Interval::point(x).erfc();
        let mut width = f64::INFINITY;
        for depth in 1..40 {
            let found = erf::erfc_fraction(x, depth);
            assert!(
                found.encloses(erfc) || found.intersect(erfc).is_some() && depth > 20,
                "{x} {depth}"
            );
            assert!(found.width() <= width * (1.0 + 1e-10), "{x} {depth}");
            width = found.width();
        }
        // q_1 is in [2 x, 2 x + 2 / x], so 2 / q_1 has this width; q_0 is above 2 x.
        let found = erf::erfc_fraction(x, 1);
        let width = 1.0 / x - 2.0 / (2.0 * x + 2.0 / x);
        assert!(found.width() <= found.hi * (width / (2.0 * x) + 1e-13), "{x}");
    }
}

#[test]
fn arguments_without_logarithm_or_far_away() {
    let (inf, point) = (f64::INFINITY, Interval::point);
    assert_eq!((Interval::ZERO.ln(), point(-1.0).ln_1p()), (Interval::ENTIRE, Interval::ENTIRE));
    for x in [709.8, 1e3, 1e10, 1e300, f64::MAX] {
        assert_eq!(point(x).exp(), Interval::new(f64::MAX, inf), "{x}");
        assert_eq!(point(-x - 36.0).exp(), Interval::new(0.0, 5e-324), "{x}");
    }
    // Beyond 10^6 the reduced argument would have no digits.
    for x in [1e6f64.next_up(), 1e10, 1e300, f64::MAX] {
        for x in [x, -x] {
            assert_eq!(
                (point(x).sin(), point(x).cos()),
                (Interval::new(-1.0, 1.0), Interval::new(-1.0, 1.0))
            );
        }
    }
    for x in [1e6, -1e6] {
        let (sin, cos) = (point(x).sin(), point(x).cos());
        assert!(valid(sin, &real(x).sin()) && valid(cos, &real(x).cos()));
        assert!(sin.width() <= 3e-15 && cos.width() <= 3e-15, "{x}");
    }
}
