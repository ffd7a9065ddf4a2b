//! Rows that are followed down within their fields, against products of the matrices written out.
#![allow(clippy::expect_used)] // a failed construction should stop the test

use ndarray::{Array2, Array4};
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use rand::{Rng, SeedableRng};

use super::{Classes, ConvolutionMatrix, Fields, TransposedKernel};
use crate::numeric::conv_norm::{ConvAxis, Convolution};

fn axis(inputs: usize, rng: &mut impl Rng) -> ConvAxis {
    let (taps, stride) = (rng.random_range(1..4), rng.random_range(1..3));
    let (dilation, padding) = (rng.random_range(1..3), rng.random_range(0..3));
    let windows = ((inputs + 2 * padding).saturating_sub(dilation * (taps - 1) + 1)) / stride + 1;
    ConvAxis { taps, stride, dilation, padding, inputs, windows }
}

/// A convolution of an input with these channels, in `groups`; small integers, so that all sums are exact.
fn convolution(
    channels: usize,
    size: [usize; 2],
    groups: usize,
    rng: &mut impl Rng,
) -> Convolution {
    let axes = size.map(|n| axis(n, rng));
    let shape = (2 * groups, channels / groups, axes[0].taps, axes[1].taps);
    let kernel = Array4::from_shape_simple_fn(shape, || f64::from(rng.random_range(-4..5)));
    Convolution::new(kernel, groups, axes).expect("valid")
}

fn written(map: &ConvolutionMatrix) -> Array2<f64> {
    let a = map.convolution.to_sparse().to_dense();
    if map.transposed { a.reversed_axes() } else { a }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rows_and_their_copies_are_those_of_the_product(
        seed in 0u64..1 << 32, groups in 1usize..3, height in 1usize..9, width in 1usize..9,
        transposed in proptest::bool::ANY, identity in proptest::bool::ANY,
    ) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let first = convolution(2, [height, width], groups, &mut rng);
        let size = [first.axes[0].windows, first.axes[1].windows];
        let second = convolution(2 * groups, size, groups, &mut rng);
        let of = |convolution| ConvolutionMatrix { convolution, transposed };
        let mut maps = vec![of(second), of(first)];
        if transposed {
            maps.reverse();
        }
        if identity {
            maps.insert(0, maps[0].identity());
        }
        let mut product = written(&maps[0]);
        let mut products = vec![product.clone()];
        for map in &maps[1..] {
            product = product.dot(&written(map));
            products.push(product.clone());
        }
        let Some(classes) = Classes::new(maps.clone()) else {
            // There is a place that nothing reaches.
            let zero = |k: usize| product.row(k).iter().all(|&x| x == 0.0);
            prop_assert!((0..product.nrows()).any(zero));
            return Ok(());
        };
        let kernels: Vec<_> = maps.iter().map(TransposedKernel::new).collect();
        let kinds: Vec<Fields> = classes.iter().collect();
        prop_assert_eq!(kinds.len(), classes.count());
        let largest = |fields: &Fields| (0..maps.len()).map(|k| fields.entries(k)).max();
        prop_assert_eq!(kinds.iter().filter_map(largest).max(), Some(classes.largest_block()));
        let classes = kinds;
        let places: usize = classes.iter().map(|c| c.places().len()).sum();
        prop_assert_eq!(places * classes[0].rows(&classes[0].places()[0]).count(), product.nrows());
        for fields in &classes {
            let mut x = fields.first_rows(&kernels[0], Vec::new());
            for (step, product) in products.iter().enumerate() {
                if step > 0 {
                    x = fields.step(step, &kernels[step], x.view(), Vec::new());
                }
                prop_assert_eq!(x.len(), fields.entries(step));
                for place in fields.places() {
                    for (i, row) in fields.rows(place).enumerate() {
                        let mut found = vec![0.0; product.ncols()];
                        for (k, j) in fields.columns(step, place).enumerate() {
                            found[j] = x[[k, i]];
                        }
                        prop_assert_eq!(found, product.row(row).to_vec());
                    }
                }
            }
        }
    }
}

/// In the interior of an image there is one class: 3 taps twice, on 9 x 9, have 2 borders at each side.
#[test]
fn one_class_for_the_interior() {
    let axis = ConvAxis { taps: 3, stride: 1, dilation: 1, padding: 1, inputs: 9, windows: 9 };
    let convolution = Convolution::new(Array4::ones((1, 1, 3, 3)), 1, [axis; 2]).expect("valid");
    let map = ConvolutionMatrix { convolution, transposed: false };
    let classes = Classes::new(vec![map.clone(), map]).expect("no place is empty");
    let mut sizes: Vec<usize> = classes.iter().map(|c| c.places().len()).collect();
    sizes.sort_unstable();
    // 5 classes along an axis: 1, 1, 5, 1, 1 places.
    assert_eq!(sizes, [[1; 16].as_slice(), &[5; 8], &[25]].concat());
}

#[test]
fn channels_are_the_neighbours_of_one_plane() {
    // Windows on 4 x 5 of a 6 x 5 input.
    let vertical = ConvAxis { taps: 3, stride: 1, dilation: 1, padding: 0, inputs: 6, windows: 4 };
    let horizontal =
        ConvAxis { taps: 1, stride: 1, dilation: 1, padding: 0, inputs: 5, windows: 5 };
    let kernel = Array4::ones((2, 3, 3, 1));
    let convolution = Convolution::new(kernel, 1, [vertical, horizontal]).expect("valid");
    let map = |transposed| ConvolutionMatrix { convolution: convolution.clone(), transposed };
    assert_eq!((map(false).rows_of_channel(), map(false).columns_of_channel()), (20, 30));
    assert_eq!((map(true).rows_of_channel(), map(true).columns_of_channel()), (30, 20));
    // Nothing, and maps that do not follow one another, have no classes.
    assert!(Classes::new(vec![]).is_none());
    assert!(Classes::new(vec![map(false), map(false)]).is_none());
    assert!(Classes::new(vec![map(false), map(true)]).is_some());
}
