//! Directed operations against exact rational arithmetic.

use super::*;
use crate::numeric::exact;
use dashu::rational::RBig;
use proptest::prelude::{any, prop_assert, prop_assume, proptest};

/// Valid and tight: `up` is not below the exact value, and the number before it is.
fn is_least_upper(up: f64, value: &RBig) -> bool {
    up.is_infinite() || (exact(up) >= *value && exact(up.next_down()) < *value)
}

fn is_upper(up: f64, value: &RBig) -> bool {
    up == f64::INFINITY || exact(up) >= *value
}

proptest! {
    #[test]
    fn sums_are_rounded_to_the_next_number_above(a in any::<f64>(), b in any::<f64>()) {
        prop_assume!(a.is_finite() && b.is_finite());
        let s = exact(a) + exact(b);
        prop_assert!(is_upper(add_up(a, b), &s));
        if (a + b).is_finite() {
            prop_assert!(is_least_upper(add_up(a, b), &s));
            prop_assert!(is_least_upper(-add_down(-a, -b), &s));
            prop_assert!(is_least_upper(sub_up(a, -b), &s));
            prop_assert!(is_least_upper(-sub_down(-a, b), &s));
        }
    }

    #[test]
    fn products_and_quotients_are_upper_bounds(a in any::<f64>(), b in any::<f64>()) {
        prop_assume!(a.is_finite() && b.is_finite());
        let p = exact(a) * exact(b);
        prop_assert!(is_upper(mul_up(a, b), &p));
        prop_assert!(is_upper(-mul_down(-a, b), &p));
        if (a * b).is_finite() && (a * b).abs() > 1e-290 {
            prop_assert!(is_least_upper(mul_up(a, b), &p));
        }
        if b != 0.0 {
            let q = exact(a) / exact(b);
            prop_assert!(is_upper(div_up(a, b), &q));
            prop_assert!(is_upper(-div_down(-a, b), &q));
        }
    }

    #[test]
    fn roots_enclose(x in any::<f64>()) {
        prop_assume!(x.is_finite() && x >= 0.0);
        let (up, down) = (exact(sqrt_up(x)), exact(sqrt_down(x)));
        prop_assert!(&up * &up >= exact(x));
        prop_assert!(&down * &down <= exact(x));
    }

    #[test]
    fn scaling_by_a_power_of_two_encloses(x in any::<f64>(), e in -2200i32..2200) {
        prop_assume!(x.is_finite());
        let two = RBig::from(2u8);
        let factor = two.pow(e as isize);
        let y = exact(x) * factor;
        prop_assert!(is_upper(scale_up(x, e), &y));
        prop_assert!(is_upper(-scale_down(-x, e), &y));
    }

    #[test]
    fn exponents_bracket(x in any::<f64>()) {
        prop_assume!(x.is_finite() && x != 0.0);
        let e = exponent(x);
        prop_assert!(power_of_two(e) <= x.abs() && x.abs() / 2.0 <= power_of_two(e));
        prop_assert!(x.abs() < power_of_two(e + 1));
    }
}

#[test]
fn gamma_is_an_upper_bound_within_a_few_units() {
    assert_eq!(UNIT_ROUNDOFF, power_of_two(-53));
    for n in [0, 1, 2, 3, 1000, 1 << 40, 1 << 51, (1 << 52) - 1] {
        let nu = RBig::from(n) * exact(UNIT_ROUNDOFF);
        let value = &nu / (exact(1.0) - &nu);
        assert!(exact(gamma(n)) >= value, "{n}");
        // The two roundings and the factor for them: below 8 EPSILON.
        assert!(exact(gamma(n)) <= value * exact(1.0 + 8.0 * f64::EPSILON), "{n}");
    }
    assert_eq!(gamma(1 << 52), f64::INFINITY);
}

#[test]
fn a_few_bits_are_kept_in_the_same_direction() {
    let few = |x: f64, y: f64| coarse::with(3, UNIT_ROUNDOFF, || (add_up(x, y), add_down(x, y)));
    assert_eq!(few(8.0, 1.0), (10.0, 8.0));
    assert_eq!(few(-8.0, -1.0), (-8.0, -10.0));
    assert_eq!(few(15.0, 0.5), (16.0, 14.0));
    assert_eq!(few(6.0, 0.0), (6.0, 6.0));
    assert_eq!(coarse::with(3, UNIT_ROUNDOFF, || (sqrt_up(9.0), sqrt_down(81.0))), (3.0, 8.0));
}

#[test]
fn exact_results_stay_exact() {
    assert_eq!(add_up(0.5, 0.25), 0.75);
    assert_eq!(mul_up(1.5, 1.5), 2.25);
    assert_eq!(sqrt_up(2.25), 1.5);
    assert_eq!(div_up(3.0, 2.0), 1.5);
    assert_eq!(scale_up(3.0, -5), 3.0 / 32.0);
}

#[test]
fn overflow_is_infinity_and_never_nan() {
    assert_eq!(add_up(f64::MAX, f64::MAX), f64::INFINITY);
    assert_eq!(mul_up(f64::MAX, 2.0), f64::INFINITY);
    assert_eq!(add_up(f64::INFINITY, f64::NEG_INFINITY), f64::INFINITY);
    assert_eq!(max_up(f64::NAN, 1.0), f64::INFINITY);
    assert_eq!(gamma(usize::MAX), f64::INFINITY);
}

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
    for (a, b) in sizes.iter().flat_map(|&a| sizes.iter().map(move |&b| (a, b))) {
        for factor in [1.0 / 3.0, 0.1, 2.3e-16, 1e-300] {
            let computed = add_scaled_up(a, factor, b);
            let expected = exact(a) + exact(b) * exact(factor);
            assert!(exact(computed) >= expected, "{a} + {factor} * {b}: {computed}");
            // 10 u, and two of the least numbers where there are no more digits.
            let slack = &expected * exact(10.0 * UNIT_ROUNDOFF) + exact(2.0 * MIN_SUBNORMAL);
            assert!(exact(computed) <= expected + slack, "{a} + {factor} * {b}: {computed}");
        }
    }
}

#[test]
fn scaled_numbers_are_exact_above_the_smallest_normal_number() {
    let sizes = [1.0, -1.0 / 3.0, f64::MAX, f64::MIN_POSITIVE, 3.0 * MIN_SUBNORMAL, 7e300];
    for x in sizes {
        for e in [-2044, -1100, -1022, -60, -1, 0, 1, 7, 1023, 1100, 2044] {
            let result = scale(x, e);
            let expected = exact(x) * RBig::from(2u8).pow(e as isize);
            if result.is_finite() && result.abs() > f64::MIN_POSITIVE {
                assert_eq!(exact(result), expected, "{x} 2^{e}");
            } else if result.is_finite() {
                // Each factor may round by half of the least number.
                let error = exact(result) - expected;
                assert!(
                    error <= exact(MIN_SUBNORMAL) && -error <= exact(MIN_SUBNORMAL),
                    "{x} 2^{e}"
                );
            } else {
                let size = if x < 0.0 { -expected } else { expected };
                assert!(size > exact(f64::MAX), "{x} 2^{e}");
            }
        }
    }
}

#[test]
fn results_stay_exact_from_the_limit_of_exact_residuals_on() {
    assert_eq!(mul_up(RESIDUAL_SAFE, 1.0), RESIDUAL_SAFE);
    assert_eq!(div_up(RESIDUAL_SAFE, 1.0), RESIDUAL_SAFE);
    assert_eq!((div_up(3.0, -2.0), div_up(-3.0, -2.0)), (-1.5, 1.5));
    // 2^-1040 is subnormal, and its quotient known.
    assert_eq!(div_up(power_of_two(-960), power_of_two(80)), power_of_two(-1040));
    assert_eq!(div_up(-power_of_two(-960), power_of_two(200)), 0.0);
    assert_eq!(div_up(power_of_two(-960), power_of_two(200)), MIN_SUBNORMAL);
    // 2^-969 is no square.
    let (up, down) = (sqrt_up(RESIDUAL_SAFE), sqrt_down(RESIDUAL_SAFE));
    assert_eq!(up, down.next_up());
    assert!(exact(up) * exact(up) > exact(RESIDUAL_SAFE));
    assert!(exact(down) * exact(down) < exact(RESIDUAL_SAFE));
}

/// Quotients near and below the smallest normal number, of which the last bits are lost.
#[test]
fn small_quotients_are_rounded_to_the_next_number_above() {
    for numerator in [1.0, -1.0, 3.0, 7.0, -1.0 / 3.0, 1.0 + f64::EPSILON] {
        for denominator in [1.0, -1.0, 3.0, -5.0, 0.1, 1.0 - f64::EPSILON / 2.0] {
            for e in [-900, -960, -966] {
                for f in [0, 40, 60, 80, 106, 107, 108, 120] {
                    let (a, b) = (numerator * power_of_two(e), denominator * power_of_two(f));
                    let q = exact(a) / exact(b);
                    assert!(is_least_upper(div_up(a, b), &q), "{a} / {b}");
                    assert!(is_least_upper(-div_down(-a, b), &q), "{a} / {b}");
                }
            }
        }
    }
}

#[test]
fn zero_and_what_is_no_number() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    assert_eq!((div_up(0.0, 5.0), div_up(0.0, -5.0), div_up(0.0, 0.0)), (0.0, 0.0, inf));
    assert_eq!((sqrt_down(-1.0), sqrt_down(nan), sqrt_down(0.0)), (0.0, 0.0, 0.0));
    for e in [-2000, -3, 0, 3, 2000] {
        assert_eq!((scale_up(nan, e), scale_up(inf, e), scale_up(-inf, e)), (inf, inf, -inf));
        assert_eq!(scale_up(0.0, e), 0.0);
    }
    assert_eq!((scale_up(1.0, i32::MAX), scale_up(-1.0, i32::MAX)), (inf, f64::MIN));
    assert_eq!((scale_up(1.0, -5000), scale_up(-1.0, -5000)), (MIN_SUBNORMAL, 0.0));
    assert_eq!(
        (power_of_two(1024), power_of_two(2000), power_of_two(1023)),
        (inf, inf, 2f64.powi(1023))
    );
}

/// What is rounded to the smallest normal number, or below it, is moved upwards.
#[test]
fn scaling_is_rounded_up_at_the_smallest_normal_number() {
    let mut sizes = vec![1.0 - f64::EPSILON / 2.0, 1.0, 1.0 + f64::EPSILON, 1.0 / 3.0, 1.5];
    sizes.extend(sizes.clone().iter().map(|x| -x));
    for x in sizes {
        for e in [-1022, -1021, -1023, -1050, -1074, -1075, -1000, -999] {
            let y = exact(x) * RBig::from(2u8).pow(e as isize);
            assert!(is_least_upper(scale_up(x, e), &y), "{x} 2^{e}");
            assert!(is_least_upper(-scale_down(-x, e), &y), "{x} 2^{e}");
        }
        let large = x * power_of_two(-60); // in one step
        let y = exact(large) * RBig::from(2u8).pow(-962isize);
        assert!(is_least_upper(scale_up(large, -962), &y), "{x}");
    }
}

#[test]
fn scaling_says_where_it_may_round() {
    assert!(!scale_may_round(0.0, -2000) && !scale_may_round(-1.0, -1021));
    assert!(scale_may_round(1.0, -1022) && scale_may_round(-1.0, -1022));
    assert!(scale_may_round(1.0, -2000) && !scale_may_round(-3.0, 5));
    // Nothing is lost of a subnormal number that becomes larger, or stays.
    assert!(!scale_may_round(5e-324, 0) && !scale_may_round(-5e-324, 9));
}
