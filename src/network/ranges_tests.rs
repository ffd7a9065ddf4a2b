//! Radii in ranges against exact rational arithmetic.
#![allow(clippy::expect_used)] // a failed construction should stop the test

use super::*;
use crate::numeric::conv_norm::{ConvAxis, Convolution};
use crate::numeric::exact;
use dashu::rational::RBig;

/// The matrix `entry` times the identity, as a convolution that is too large to be written out.
fn multiple_of_identity(entry: f64) -> Matrix {
    let axis =
        |inputs| ConvAxis { taps: 1, stride: 1, dilation: 1, padding: 0, inputs, windows: inputs };
    let kernel = ndarray::Array4::from_elem((1, 1, 1, 1), entry);
    let convolution = Convolution::new(kernel, 1, [axis(2), axis((1 << 21) + 1)]);
    Matrix::convolution(convolution.expect("a convolution"))
}

#[test]
fn radii_that_underflow_are_raised() {
    // 1e-60 * 2^-900 is 1e-331, less than half of the least number.
    let map = LinearMap {
        matrix: multiple_of_identity(1.0),
        radius: Some(multiple_of_identity(1e-60)),
        exponent: -900,
    };
    let radius = Map::new(&map).and_then(|map| map.radius).expect("no overflow");
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    radius.row_entries(7, &mut |j, x| {
        rows.push(j);
        found.push(x);
    });
    assert_eq!((rows, found.len()), (vec![7], 1));
    assert!(exact(found[0]) >= exact(1e-60) / RBig::from(2u8).pow(900));
    assert_eq!(found[0], MIN_SUBNORMAL);
}
