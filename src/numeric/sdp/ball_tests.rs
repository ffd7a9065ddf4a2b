use super::*;
use crate::numeric::exact;
use dashu::rational::RBig;
use ndarray::arr2;
use proptest::prelude::{prop_assert, proptest};
use rand::{Rng, SeedableRng};

/// Whether `|value - mid| <= rad`.
fn encloses(ball: &Ball, at: [usize; 2], value: &RBig) -> bool {
    let rad = ball.rad.as_ref().map_or(0.0, |rad| rad[at]);
    let gap = exact(ball.mid[at]) - value;
    gap <= exact(rad) && RBig::ZERO - gap <= exact(rad)
}

fn ball(rows: usize, columns: usize, seed: u64) -> Ball {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut entry = |size: f64| {
        let power = 10f64.powi(rng.random_range(-3..4));
        size * power * rng.random_range(-1.0..1.0)
    };
    let mid = Array2::from_shape_simple_fn((rows, columns), || entry(1.0));
    let rad = Array2::from_shape_simple_fn((rows, columns), || entry(1e-9).abs());
    Ball { mid, rad: seed.is_multiple_of(2).then_some(rad) }
}

/// An entry of some matrix in the ball: on its upper or lower side.
fn member(ball: &Ball, at: [usize; 2], up: bool) -> RBig {
    let rad = exact(ball.rad.as_ref().map_or(0.0, |rad| rad[at]));
    exact(ball.mid[at]) + if up { rad } else { RBig::ZERO - rad }
}

proptest! {
    #[test]
    fn products_enclose(m in 1usize..4, n in 1usize..6, k in 1usize..4, seed in 0u64..1000) {
        let (a, b) = (ball(m, n, seed), ball(n, k, seed / 2 + 1));
        let c = a.multiply(&b);
        for i in 0..m {
            for j in 0..k {
                for side in 0..4 {
                    let sum = (0..n)
                        .map(|t| member(&a, [i, t], side % 2 == 0) * member(&b, [t, j], side < 2))
                        .fold(RBig::ZERO, |s, p| s + p);
                    prop_assert!(encloses(&c, [i, j], &sum));
                }
            }
        }
    }

    #[test]
    fn scaled_rows_enclose(m in 1usize..4, n in 1usize..4, seed in 0u64..1000) {
        let a = ball(m, n, seed);
        let factor = sum(ball(1, 1, seed).mid[[0, 0]], 1e-17).times(ball(1, 1, seed + 2).mid[[0, 0]]);
        let b = a.scale_rows(&vec![factor; m]);
        for i in 0..m {
            for j in 0..n {
                for side in 0..4 {
                    let f = exact(if side < 2 { factor.low } else { factor.high });
                    prop_assert!(encloses(&b, [i, j], &(member(&a, [i, j], side % 2 == 0) * f)));
                }
            }
        }
    }

    #[test]
    fn scaling_encloses(x in proptest::num::f64::NORMAL, shift in -1000i32..1000) {
        let a = ndarray::arr2(&[[x]]);
        let b = Ball::scaled(a.view(), shift);
        if b.mid[[0, 0]].is_finite() {
            let two = RBig::from(2u8);
            let power = if shift >= 0 {
                RBig::ONE / two.pow(shift as isize)
            } else {
                two.pow(-shift as isize)
            };
            prop_assert!(encloses(&b, [0, 0], &(exact(x) * power)));
        }
    }
}

#[test]
fn enclosures_turn_with_the_sign() {
    let x = Enclosure { low: 1.0, high: 2.0 };
    for (factor, low, high) in [(3.0, 3.0, 6.0), (-3.0, -6.0, -3.0)] {
        let product = x.times(factor);
        assert_eq!((product.low, product.high), (low, high));
    }
}

#[test]
fn radii_stay_where_they_are_needed() {
    // [exact, inexact] and [inexact, exact] both have a radius.
    let exactly = || Ball::exact(arr2(&[[1.0]]));
    let inexact = || Ball { mid: arr2(&[[2.0]]), rad: Some(arr2(&[[0.5]])) };
    assert_eq!(exactly().beside(&inexact()).rad, Some(arr2(&[[0.0, 0.5]])));
    assert_eq!(inexact().beside(&exactly()).rad, Some(arr2(&[[0.5, 0.0]])));
    assert_eq!(exactly().beside(&exactly()).rad, None);
    // |a| <= 1 times 2; products without rounding; a product that vanishes.
    let zero = Ball { mid: arr2(&[[0.0]]), rad: Some(arr2(&[[1.0]])) };
    assert!(zero.scale_rows(&[2.0.into()]).rad.is_some_and(|rad| rad[[0, 0]] >= 2.0));
    let products = Ball::exact(arr2(&[[-2.0, 3.0, 0.0]])).scale_rows(&[1.5.into()]);
    assert_eq!((products.mid, products.rad), (arr2(&[[-3.0, 4.5, 0.0]]), None));
    let (a, b) = (1.1 * 2f64.powi(-600), 2f64.powi(-500));
    let tiny = Ball::exact(arr2(&[[a]])).scale_rows(&[b.into()]);
    assert!(encloses(&tiny, [0, 0], &(exact(a) * exact(b))));
    // 3 * 2^-1074 / 2 is no number, half of 3/2 is one.
    let least = f64::from_bits(1);
    let halves = Ball::scaled(arr2(&[[3.0 * least, 1.5]]).view(), 1);
    assert_eq!(halves.mid[[0, 1]], 0.75);
    assert_eq!(halves.rad, Some(arr2(&[[least, 0.0]])));
}
