//! Matrices of convolutions as blocks against the same matrices written out.
#![allow(clippy::expect_used)] // a failed construction should stop the test

use ndarray::{Array2, Array4};
use proptest::prelude::{prop_assert_eq, proptest};

use super::super::Matrix;
use super::Blocks;
use crate::numeric::conv_norm::{ConvAxis, Convolution};
use crate::numeric::sparse::Csr;

/// Integers up to 9: sums of products of them are exact in any order.
fn integers(count: usize, seed: u64) -> Vec<f64> {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| f64::from(rng.random_range(-9i32..=9))).collect()
}

/// A convolution with windows wherever the padded input has room.
fn convolution(
    [taps, stride, dilation, padding]: [usize; 4],
    [inputs, groups, per_group, out]: [usize; 4],
    seed: u64,
) -> Option<Convolution> {
    let reach = (taps - 1) * dilation + 1;
    let windows = (inputs + 2 * padding).checked_sub(reach)? / stride + 1;
    let axis = ConvAxis { taps, stride, dilation, padding, inputs, windows };
    let shape = (out * groups, per_group, taps, taps);
    let count = shape.0 * shape.1 * taps * taps;
    let kernel = Array4::from_shape_vec(shape, integers(count, seed)).expect("the shape");
    Convolution::new(kernel, groups, [axis; 2])
}

/// The matrix as blocks, and written out.
fn both(convolution: &Convolution) -> [Matrix; 2] {
    [
        Matrix::blocks(Blocks::convolution(convolution.clone())),
        Matrix::sparse(convolution.to_sparse()),
    ]
}

/// A bound from the kernel may be above the norm, never below: compare with the written form, whose
/// Gram matrix is small enough for a verified bound with an excess of rounding alone.
fn same(blocks: &Matrix, written: &Matrix) {
    let dense = written.to_dense();
    assert!(matches!(blocks.entries, super::super::Entries::Blocks(_)));
    assert_eq!(blocks.to_dense(), dense);
    assert_eq!(blocks.transposed().to_dense(), dense.t());
    for (a, b) in [(blocks, written), (&blocks.transposed(), &written.transposed())] {
        assert_eq!(a.row_abs_sums_up(), b.row_abs_sums_up());
        let longest =
            b.to_dense().outer_iter().map(|r| r.iter().filter(|x| **x != 0.0).count()).max();
        assert!(Some(a.terms()) >= longest);
        // 300 columns are more than one panel.
        for columns in [1, 3, 300] {
            let x = integers(a.columns() * columns, 5);
            let x = Array2::from_shape_vec((a.columns(), columns), x).expect("the shape");
            let y = b.to_dense().dot(&x);
            assert_eq!(a.apply(x.view()), y);
            assert_eq!(b.apply(x.view()), y);
            // What is in the memory for the result does not matter.
            assert_eq!(a.apply_in(x.view(), vec![f64::NAN; y.len() + 1]), y);
            let x = x.mapv(f64::abs);
            assert_eq!(a.abs_apply_up(x.view()), b.abs_apply_up(x.view()));
        }
        for i in 0..a.rows() {
            let mut support = a.row_support(i).expect("blocks");
            support.sort_unstable();
            let touched = |j: &usize| b.get(i, *j) != 0.0;
            assert!((0..b.columns()).filter(touched).all(|j| support.contains(&j)));
        }
    }
    assert!(blocks.norm_l2_up() >= written.norm_l2_up() * (1.0 - 1e-12));
    assert!(blocks.grid().max >= written.grid().max);
}

proptest! {
    #[test]
    fn a_convolution_is_the_same_written_out_or_not(
        taps in 1usize..4, stride in 1usize..4, dilation in 1usize..3, padding in 0usize..3,
        inputs in 1usize..6, groups in 1usize..3, per_group in 1usize..3, out in 1usize..3,
        seed in 0u64..1000,
    ) {
        let geometry = [taps, stride, dilation, padding];
        if let Some(convolution) = convolution(geometry, [inputs, groups, per_group, out], seed) {
            let [blocks, written] = both(&convolution);
            same(&blocks, &written);
            same(&blocks.abs(), &written.abs());
            same(&blocks.clone().scaled_by_power(-3), &written.clone().scaled_by_power(-3));
            let sum = written.abs().sum_up(&written.abs());
            same(&blocks.abs().sum_up(&blocks.abs()), &sum);
            prop_assert_eq!(&blocks.select_rows(&[0]).to_dense(), &written.select_rows(&[0]).to_dense());
        }
    }

    #[test]
    fn merging_keeps_blocks_where_it_can(seed in 0u64..1000, zero in 0usize..4) {
        // A shortcut: [C; I], then a channelwise factor of C (one of them may be zero) and the sum.
        let convolution = convolution([3, 1, 1, 1], [4, 1, 3, 3], seed).expect("it fits");
        let [blocks, written] = both(&convolution);
        let n = 48;
        let factors = integers(3, seed + 1);
        let factor = |i: usize| if i / 16 == zero { 0.0 } else { factors[i / 16] };
        let scale = Matrix::sparse(Csr::from_rows(n, n, |i, push| push(i, factor(i))));
        let pair = |c: &Matrix| scale.multiply(c);
        let (blocks, written) = (pair(&blocks), pair(&written));
        same(&blocks, &written);
        // Columns of a wider state.
        let state = Csr::from_rows(n, 2 * n, |i, push| push(n + i, 1.0));
        let (moved, state) = (Matrix::sparse(state), Csr::from_rows(n, 2 * n, |i, push| push(i, 1.0)));
        let (blocks, written) = (blocks.multiply(&moved), written.multiply(&moved));
        same(&blocks, &written);
        let shortcut = Matrix::sparse(state);
        let stack = |c: &Matrix| Matrix::stacked(&[c, &shortcut]);
        same(&stack(&blocks), &stack(&written));
        let sums = Matrix::sparse(Csr::from_rows(n, 2 * n, |i, push| {
            push(i, 1.0);
            push(n + i, -1.0);
        }));
        same(&sums.multiply(&stack(&blocks)), &sums.multiply(&stack(&written)));
        // Sums of entries and other orders are written out, and agree too.
        let mixed = |m: &Matrix| m.multiply(&sums.transposed()).to_dense();
        prop_assert_eq!(mixed(&blocks), mixed(&written));
        let reversed = Matrix::sparse(Csr::from_rows(n, n, |i, push| push(n - 1 - i, 1.0)));
        let turned = |m: &Matrix| reversed.multiply(m).to_dense();
        prop_assert_eq!(turned(&blocks), turned(&written));
    }
}
