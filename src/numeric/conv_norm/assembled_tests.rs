//! Convolutions from blocks, against the blocks written out.
#![allow(clippy::expect_used)] // a failed construction should stop the test

use ndarray::{Array2, Array4, Axis, concatenate};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use rand::{Rng, SeedableRng};

use super::Assembled;
use crate::numeric::conv_norm::{ConvAxis, Convolution};
use crate::numeric::sparse::Csr;

fn convolution(axes: [ConvAxis; 2], out: usize, inputs: usize, seed: u64) -> Convolution {
    grouped(axes, out, inputs, 1, seed)
}

fn grouped(
    axes: [ConvAxis; 2],
    out: usize,
    inputs: usize,
    groups: usize,
    seed: u64,
) -> Convolution {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let shape = (out, inputs / groups, axes[0].taps, axes[1].taps);
    let kernel = Array4::from_shape_simple_fn(shape, || f64::from(rng.random_range(-4i32..=4)));
    Convolution::new(kernel, groups, axes).expect("valid")
}

fn sparse(dense: &Array2<f64>) -> Csr {
    Csr::from_rows(dense.nrows(), dense.ncols(), |i, push| {
        dense.row(i).iter().enumerate().for_each(|(j, &x)| push(j, x));
    })
}

proptest! {
    #[test]
    fn blocks_over_the_same_windows_are_one_convolution(
        height in 1usize..6, width in 1usize..6, stride in 1usize..3, below in proptest::bool::ANY,
        written in proptest::bool::ANY, groups in 1usize..3, seed in 0u64..1000,
    ) {
        // A kernel 3x3, in one or two groups, and one of 1x1 under its middle.
        let axis = |taps: usize, n: usize| {
            let windows = (n - 1) / stride + 1;
            ConvAxis { taps, stride, dilation: 1, padding: taps / 2, inputs: n, windows }
        };
        let axes = |taps| [axis(taps, height), axis(taps, width)];
        let first = grouped(axes(3), 2, 4, groups, seed);
        let (out, inputs) = if below { (1, 4) } else { (2, 1) };
        let second = convolution(axes(1), out, inputs, seed + 1);
        let blocks = [&first, &second].map(|c| c.to_sparse().to_dense());
        let along = Axis(if below { 0 } else { 1 });
        let expected = concatenate(along, &[blocks[0].view(), blocks[1].view()])
            .expect("the same rows or columns");
        let place = if below { (blocks[0].nrows(), 0) } else { (0, blocks[0].ncols()) };
        let mut whole = Assembled::new(expected.dim(), axes(3)).expect("whole channels");
        prop_assert!(whole.add_convolution((0, 0), &first).is_some());
        let added = if written {
            whole.add_sparse(place, &sparse(&blocks[1]))
        } else {
            whole.add_convolution(place, &second)
        };
        prop_assert!(added.is_some());
        let found = whole.convolution().expect("a kernel").to_sparse().to_dense();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn an_entry_that_differs_is_no_convolution(
        size in 2usize..6, seed in 0u64..1000, what in 0usize..3,
    ) {
        let axis = ConvAxis { taps: 3, stride: 1, dilation: 1, padding: 1, inputs: size, windows: size };
        let map = convolution([axis; 2], 2, 2, seed);
        let mut dense = map.to_sparse().to_dense();
        let whole = |dense: &Array2<f64>| {
            let mut whole = Assembled::new(dense.dim(), [axis; 2])?;
            whole.add_sparse((0, 0), &sparse(dense))?;
            whole.convolution()
        };
        let found = whole(&dense).expect("a convolution");
        prop_assert_eq!(found.to_sparse().to_dense(), dense.clone());
        // The middle tap of the first window: another number, or none at all, if there was one; or an entry where
        // no tap lies.
        let far = size > 2;
        match what {
            0 => dense[[0, 0]] += 0.5,
            1 if dense[[0, 0]] != 0.0 => dense[[0, 0]] = 0.0,
            _ if far => dense[[0, size * size - 1]] = 1.0,
            _ => dense[[0, 0]] += 0.5,
        }
        prop_assert!(whole(&dense).is_none());
    }
}

#[test]
fn other_windows_are_refused() {
    let axis = |taps, padding, inputs: usize| ConvAxis {
        taps,
        stride: 1,
        dilation: 1,
        padding,
        inputs,
        windows: inputs + 2 * padding + 1 - taps,
    };
    let wide = [axis(3, 1, 5); 2];
    let mut whole = Assembled::new((50, 25), wide).expect("2 channels of 25 from one");
    // 25 windows of 5 x 5 elements each, but one row too low; a tap that no tap of the larger kernel lies over.
    assert!(whole.add_convolution((1, 0), &convolution(wide, 1, 1, 0)).is_none());
    assert!(whole.add_convolution((0, 0), &convolution([axis(5, 2, 5); 2], 1, 1, 0)).is_none());
    assert!(whole.add_convolution((0, 0), &convolution([axis(3, 0, 7); 2], 1, 1, 0)).is_none());
    assert!(whole.add_convolution((25, 0), &convolution([axis(1, 0, 5); 2], 1, 1, 0)).is_some());
    assert!(Assembled::new((26, 25), wide).is_none() && Assembled::new((25, 26), wide).is_none());
}

#[test]
fn groups_are_channels_that_do_not_meet() {
    let axis = ConvAxis { taps: 3, stride: 2, dilation: 1, padding: 1, inputs: 5, windows: 3 };
    let kernel = Array4::from_shape_fn((4, 1, 3, 3), |(o, _, a, b)| (o + 2 * a + b) as f64);
    let map = Convolution::new(kernel, 2, [axis; 2]).expect("valid");
    let mut whole = Assembled::new(map.matrix_shape(false), [axis; 2]).expect("whole channels");
    whole.add_convolution((0, 0), &map).expect("the same windows");
    let found = whole.convolution().expect("a kernel");
    assert_eq!(found.to_sparse(), map.to_sparse());
}
