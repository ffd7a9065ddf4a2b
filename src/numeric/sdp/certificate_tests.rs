use super::*;
use crate::numeric::sdp::bound;
use ndarray::arr2;

use crate::numeric::exact;

#[test]
fn definiteness_is_decided_on_the_safe_side() {
    let ball = |d: f64| Ball::exact(arr2(&[[1.0, 1.0], [1.0, 1.0 + d]]));
    assert!(is_positive_semidefinite(&ball(1e-10)));
    assert!(!is_positive_semidefinite(&ball(-1e-15)));
    let scaled = Ball::exact(arr2(&[[1e40, 1.0], [1.0, 1.1e-40]]));
    assert!(is_positive_semidefinite(&scaled));
    let mut uncertain = ball(1e-10);
    uncertain.rad = Some(Array2::from_elem((2, 2), 1e-9));
    assert!(!is_positive_semidefinite(&uncertain));
}

/// One neuron between two numbers of 3/4, which are not rescaled: exactly `w_1 d w_0`.
fn neuron(slopes: (f64, f64)) -> Problem {
    let weights = vec![arr2(&[[0.75]]), arr2(&[[0.75]])];
    Problem::new(weights, vec![vec![slopes]]).expect("shapes")
}

fn multipliers(gamma: f64, lambda: &[f64], t: f64) -> Multipliers {
    Multipliers { gamma, lambda: lambda.to_vec(), layers: vec![vec![t]] }
}

#[test]
fn slopes_of_both_signs_need_their_term() {
    // Slopes in [-1, 1]: gamma - t w_1^2 and t - w_0^2 have to be nonnegative, w^2 = 0.5625.
    let proved =
        |gamma| certify(&neuron((-1.0, 1.0)), Objective::Spectral, &multipliers(gamma, &[], 0.6));
    assert_eq!(proved(0.3374), None);
    let upper = proved(0.3376).expect("0.3376 > 0.6 * 0.5625");
    assert!((0.5625..0.59).contains(&upper), "{upper}");
}

#[test]
fn roots_are_rounded_up() {
    // gamma = 3 is far above what is needed; the nearest number to its root is too small.
    let upper = certify(&neuron((0.0, 1.0)), Objective::Spectral, &multipliers(3.0, &[], 2.0));
    let upper = upper.expect("feasible");
    assert!(exact(upper) * exact(upper) >= exact(3.0) && upper <= 3f64.sqrt() * (1.0 + 1e-15));
}

#[test]
fn multipliers_that_are_no_nonnegative_numbers_prove_nothing() {
    let problem = neuron((0.0, 1.0));
    let valid = |gamma, lambda: &[f64], t| {
        let z = multipliers(gamma, lambda, t);
        (admissible(&problem, Objective::Row(0), &z), certify(&problem, Objective::Row(0), &z))
    };
    // The Schur complement: 0.3 (1 - w^2 / 1.2) = 0.159 is above (w / 2)^2 = 0.141.
    assert_eq!(valid(0.3, &[0.3], 1.0), (true, Some(0.6)));
    for x in [-0.3, f64::INFINITY, f64::NAN] {
        assert_eq!(valid(x, &[0.3], 1.0), (false, None), "{x}");
        assert_eq!(valid(0.3, &[x], 1.0), (false, None), "{x}");
        assert_eq!(valid(0.3, &[0.3], x), (false, None), "{x}");
    }
    assert_eq!(valid(0.3, &[], 1.0), (false, None));
}

#[test]
fn sums_carry_their_rounding() {
    let mut sum = Sum::zeros(2);
    let small = 2f64.powi(-60);
    sum.add(1, 0, &Ball::exact(arr2(&[[-1.0]])));
    assert_eq!((sum.mid[[1, 0]], sum.rad[[1, 0]]), (-1.0, 0.0));
    // What is lost is 2^-60; half a unit in the last place is counted.
    sum.add(1, 0, &Ball::exact(arr2(&[[small]])));
    assert_eq!(sum.mid[[1, 0]], -1.0);
    assert!((small..=UNIT_ROUNDOFF).contains(&sum.rad[[1, 0]]), "{}", sum.rad);
    sum.add(0, 0, &Ball { mid: arr2(&[[0.0]]), rad: Some(arr2(&[[0.5]])) });
    assert_eq!(sum.rad[[0, 0]], 0.5);
}

#[test]
fn balancing_is_a_congruence_of_the_lower_half() {
    // D = diag(1/4, 1); the other half of the centre is not read, the larger radius counts.
    let mid = arr2(&[[16.0, 7.0], [2.0, 1.0]]);
    let rad = Some(arr2(&[[0.0, 0.5], [0.25, 0.0]]));
    let (mid, radius) = balanced(&Ball { mid, rad }).expect("a positive diagonal");
    assert_eq!(mid, arr2(&[[1.0, 0.5], [0.5, 1.0]]));
    assert!((0.125..0.125 + 1e-15).contains(&radius), "{radius}");
    for d in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        assert!(balanced(&Ball::exact(arr2(&[[d]]))).is_none(), "{d}");
    }
}

#[test]
fn couplings_past_a_layer_have_their_sign() {
    // The last layer has a free neuron and one with slope 1, and a free neuron of the first layer reads both:
    // d_c (d_a + b), at most 2 for b = 1 and 1 for b = -1. What proves the latter does not prove the former.
    let chain = |b: f64| {
        let weights = vec![arr2(&[[1.0]]), arr2(&[[1.0], [b]]), arr2(&[[1.0, 1.0]])];
        let slopes = vec![vec![(0.0, 1.0)], vec![(0.0, 1.0), (1.0, 1.0)]];
        Problem::new(weights, slopes).expect("shapes")
    };
    for objective in [Objective::Row(0), Objective::Spectral] {
        let found = bound(&chain(-1.0), objective, &|| false).expect("a bound");
        assert!((1.0..1.5).contains(&found.upper), "{objective:?}: {}", found.upper);
        let other = certify(&chain(1.0), objective, &found.multipliers);
        assert!(other.is_none_or(|upper| upper >= 2.0), "{objective:?}: {other:?}");
        let found = bound(&chain(1.0), objective, &|| false).expect("a bound").upper;
        assert!((2.0..2.0 + 1e-5).contains(&found), "{objective:?}: {found}");
    }
}
