//! Symbols of kernels that are known by hand, and the terms for their errors.
#![allow(clippy::expect_used)] // a failed construction should stop the test

use super::*;
use crate::numeric::conv_norm::ConvAxis;
use crate::numeric::exact;
use crate::numeric::rounding::{UNIT_ROUNDOFF, power_of_two};
use dashu::rational::RBig;
use ndarray::arr2;

/// The lattices of `taps` taps along each axis, without stride.
fn lattices(taps: [usize; 2]) -> [Lattice; 2] {
    let axis = |taps| ConvAxis { taps, stride: 1, dilation: 1, padding: 0, inputs: 9, windows: 9 };
    taps.map(|taps| Lattice::new(&axis(taps), true).expect("windows"))
}

fn symbol(kernel: &Array4<f64>) -> Symbol {
    let (.., height, width) = kernel.dim();
    Symbol::new(kernel, &lattices([height, width]), (100, 1 << 20)).expect("small")
}

/// The kernel [1, 1]: `G(theta) = 2 + 2 cos(theta)`.
fn pair() -> Symbol {
    symbol(&Array4::ones((1, 1, 1, 2)))
}

/// Two rows, with `G(theta) = diag(1, 1/4) (2 + 2 cos(theta))`.
fn two_rows() -> Symbol {
    symbol(&Array4::from_shape_fn((2, 2, 1, 2), |(o, i, ..)| match (o, i) {
        (0, 0) => 1.0,
        (1, 1) => 0.5,
        _ => 0.0,
    }))
}

fn at(symbol: &Symbol, theta: f64) -> Point {
    symbol.point([Interval::ZERO, Interval::point(theta)], 1.0)
}

#[test]
fn error_terms_are_those_of_the_sums() {
    // 4 taps of 2 x 3 matrices: 2 rows, sums of 4 products of 3 terms each; differences (0, 1), (1, -1), (1, 0),
    // (1, 1).
    for kernel in [Array4::<f64>::ones((2, 3, 2, 2)), Array4::ones((3, 2, 2, 2))] {
        let symbol = symbol(&kernel);
        assert_eq!((symbol.degrees, symbol.terms.len()), ([1, 1], 4));
        let gamma = |n: u32| {
            let nu = RBig::from(n) * exact(UNIT_ROUNDOFF);
            &nu / (exact(1.0) - &nu)
        };
        let least = gamma(3 + 4) + RBig::from(3u8) * gamma(4 + 4);
        assert!(exact(symbol.relative) >= least);
        assert!(exact(symbol.relative) <= least * exact(1.0 + 1e-14)); // `gamma` and three operations
        // Each of 3 * 4^2 products in the coefficients, and 4 in each of 4 + 2 terms: for each row.
        assert_eq!(symbol.absolute, 2.0 * (48.0 + 24.0) * MIN_SUBNORMAL);
        let point = Point { phases: Vec::new(), error: 0.25, factor: 1.0 };
        let slack = (exact(symbol.relative) + exact(0.75)) * exact(symbol.crude);
        let found = exact(symbol.slack_up(&point));
        assert!(found >= slack && found <= slack * exact(1.0 + 1e-15));
    }
    assert_eq!(symbol(&Array4::ones((1, 1, 4, 3))).degrees, [3, 2]);
}

#[test]
fn limits_are_for_rows_and_bytes() {
    // 3 rows; 5 differences of 3 x 3 numbers of 8 bytes.
    let kernel = Array4::ones((3, 4, 1, 3));
    let fits = |limits| Symbol::new(&kernel, &lattices([1, 3]), limits).is_some();
    assert!(fits((3, 360)) && !fits((2, 360)) && !fits((3, 359)));
}

#[test]
fn phases_are_within_their_error() {
    let symbol = symbol(&Array4::ones((1, 1, 2, 2)));
    let point = symbol.point([Interval::point(0.5), Interval::new(1.0, 1.001)], 1.0);
    for (term, &(cos, sin)) in symbol.terms.iter().zip(&point.phases) {
        let [a, b] = term.difference.map(|d| d as f64);
        for y in [1.0, 1.0005, 1.001] {
            let angle = a * 0.5 + b * y;
            // 1e-15 for cos and sin of the system.
            assert!((cos - angle.cos()).abs() <= point.error + 1e-15);
            assert!((sin - angle.sin()).abs() <= point.error + 1e-15);
        }
    }
    // No derivative is above 1; the width of each value is one of an angle of width 0.001.
    assert!((0.0005..0.0011).contains(&point.error), "{}", point.error);
    assert!(at(&pair(), 1.0).error < 1e-15);
}

#[test]
fn symbols_are_real_where_they_can_be() {
    let zero = |symbol: &Symbol| at(symbol, 0.0);
    let (one, two) = (pair(), two_rows());
    assert_eq!(one.at(&zero(&one)), arr2(&[[4.0]]));
    assert_eq!(two.at(&zero(&two)).dim(), (4, 4));
    let constant = symbol(&Array4::ones((2, 3, 1, 1)));
    assert_eq!(constant.at(&zero(&constant)), arr2(&[[3.0, 3.0], [3.0, 3.0]]));
}

/// `S` of a single row of ones is their number.
#[test]
fn the_crude_bound_is_rounded_up() {
    for k in 1..60u32 {
        let crude = exact(symbol(&Array4::ones((1, k as usize, 1, 1))).crude_up());
        assert!(crude >= RBig::from(k) && crude <= RBig::from(k) * exact(1.0 + 1e-15), "{k}");
    }
}

#[test]
fn levels_hold_where_they_are_not_below_the_eigenvalue() {
    for (symbol, theta) in [(pair(), 1.0), (two_rows(), 1.0), (two_rows(), 3.0)] {
        let mut point = at(&symbol, theta);
        point.factor = 0.875;
        let exact = (2.0 + 2.0 * theta.cos()) / 0.875;
        for level in [0.0, 0.25 * exact, 0.99 * exact, exact, 1.01 * exact, 4.0 * exact] {
            let found = symbol.ratio_up(&point, level);
            // What is verified is a small multiple of u S above, S being 4 or 9.
            assert!(found >= exact * (1.0 - 1e-15), "{level} {exact}: {found}");
            assert!(found <= exact.max(level) + 1e-12, "{level} {exact}: {found}");
        }
        let found = symbol.largest_up(&[at(&symbol, 2.9), point]);
        assert!(found >= exact.max(2.0 + 2.0 * 2.9f64.cos()) * (1.0 - 1e-15));
    }
}

#[test]
fn an_uncertain_frequency_counts_with_its_error() {
    for symbol in [pair(), two_rows()] {
        let certain = symbol.largest_up(&[at(&symbol, 1.0)]);
        let mut uncertain = at(&symbol, 1.0);
        uncertain.error = 0.01;
        let found = symbol.largest_up(&[at(&symbol, 1.0), uncertain]);
        // 3 errors times S, which is 4 for one row and 5 for two.
        assert!(found >= certain + 0.1199 && found <= certain + 0.16, "{certain} {found}");
    }
}

#[test]
fn row_sums_are_rounded_up() {
    assert_eq!(largest_row_sum_up(&arr2(&[[0.0]])), 0.0);
    let sum = largest_row_sum_up(&arr2(&[[1.0, -2.0], [3.0, -4.0]]));
    // 1 + gamma_2, and a rounding of that and of the product.
    assert!((7.0..=7.0 * (1.0 + 6.0 * UNIT_ROUNDOFF)).contains(&sum), "{sum}");
    // Each of 1000 numbers 2^-54 is lost beside 1.
    let small = power_of_two(-54);
    let a = Array2::from_shape_fn((1, 1001), |(_, j)| if j == 0 { 1.0 } else { small });
    let expected = exact(1.0) + RBig::from(1000) * exact(small);
    assert!(exact(largest_row_sum_up(&a)) >= expected);
}
