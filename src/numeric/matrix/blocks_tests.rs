//! Matrices of convolutions as blocks against the same matrices written out.
#![allow(clippy::expect_used)] // a failed construction should stop the test

use ndarray::{Array2, Array4};
use proptest::prelude::{prop_assert_eq, proptest};

use super::super::Matrix;
use super::Blocks;
use crate::numeric::conv_norm::{ConvAxis, Convolution};
use crate::numeric::exact;
use crate::numeric::sparse::Csr;
use dashu::rational::RBig;

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
}

proptest! {
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

fn axis(taps: usize, inputs: usize) -> ConvAxis {
    ConvAxis { taps, stride: 1, dilation: 1, padding: 0, inputs, windows: inputs + 1 - taps }
}

/// One channel, on 3 x 4, with 2 x 2 taps.
fn small() -> Convolution {
    Convolution::new(Array4::ones((1, 1, 2, 2)), 1, [axis(2, 3), axis(2, 4)]).expect("valid")
}

/// The blocks of a matrix: their first rows and columns, and their shapes.
fn places(matrix: &Matrix) -> Vec<((usize, usize), (usize, usize))> {
    let super::super::Entries::Blocks(blocks) = &matrix.entries else { return Vec::new() };
    blocks.blocks.iter().map(|b| ((b.row, b.column), b.entries.shape())).collect()
}

fn selection(rows: usize, columns: usize, entries: &[(usize, usize, f64)]) -> Matrix {
    Matrix::sparse(Csr::from_rows(rows, columns, |i, push| {
        entries.iter().filter(|e| e.0 == i).for_each(|&(_, j, x)| push(j, x));
    }))
}

/// The identity with rows moved down, times a factor.
fn moved(rows: usize, columns: usize, down: usize, factor: f64) -> Matrix {
    let entries: Vec<_> = (0..columns).map(|j| (j + down, j, factor)).collect();
    selection(rows, columns, &entries)
}

#[test]
fn stacked_blocks_lie_below_one_another() {
    let [blocks, written] = both(&small());
    let (m, n) = (blocks.rows(), blocks.columns());
    // Columns 2 and 4 of the second matrix alone hold entries.
    let middle = selection(3, n, &[(0, 2, 5.0), (2, 4, -1.0)]);
    let zero = selection(2, n, &[]);
    let stack = |c: &Matrix| Matrix::stacked(&[c, &middle, &zero, c]);
    same(&stack(&blocks), &stack(&written));
    let expected = vec![((0, 0), (m, n)), ((m, 2), (3, 3)), ((m + 5, 0), (m, n))];
    assert_eq!(places(&stack(&blocks)), expected);
    let doubled = moved(2 * m + 5, 2 * m + 5, 0, 2.0);
    same(&doubled.multiply(&stack(&blocks)), &doubled.multiply(&stack(&written)));
    // Each row has the entries of one block: those of the 2 x 2 taps at most.
    assert_eq!(stack(&blocks).terms(), 4);
    assert_eq!(Matrix::stacked(&[&blocks, &middle]).stored_entries(), 4 * m + 2);
}

#[test]
fn blocks_are_moved_where_no_entry_is_a_sum() {
    let [blocks, written] = both(&small());
    let m = blocks.rows();
    let down = moved(m + 5, m, 3, -2.0);
    let product = down.multiply(&blocks);
    same(&product, &down.multiply(&written));
    assert_eq!(places(&product), [((3, 0), (m, blocks.columns()))]);
    // A matrix of one block that does not fill it is no convolution; one that does, is, and so are two of them
    // on top of each other.
    assert!(product.as_convolution().is_none());
    assert!(blocks.as_convolution().is_some_and(|c| !c.transposed));
    assert!(blocks.transposed().as_convolution().is_some_and(|c| c.transposed));
    let twice = Matrix::stacked(&[&blocks, &blocks]);
    let whole = twice.as_convolution().expect("more channels").convolution;
    assert_eq!(whole.to_sparse().to_dense(), twice.to_dense());
    assert!(written.as_convolution().is_none());
    // Rows of the block that are left out become zeros, and those of other places with it.
    let unit = |rows, entries: &[(usize, usize, f64)]| selection(rows, m, entries);
    let kept: Vec<_> = (0..m).map(|j| (j, j, if j < m / 2 { 1.0 } else { 2.0 })).collect();
    for outer in [
        unit(m, &kept),                           // factors that differ within a channel
        unit(m, &[(0, 1, 1.0)]),                  // a row that begins before the matrix
        unit(m - 1, &[(0, 0, 1.0)]),              // a block that ends behind it
        unit(m + 1, &[(0, 0, 1.0), (2, 1, 1.0)]), // two places
        unit(2, &[(0, 0, 1.0), (1, 0, 1.0)]),     // a row twice
        unit(m, &[]),                             // nothing
        unit(m, &[(0, 0, 1.0), (0, 1, 1.0)]),     // a sum
    ] {
        let (product, expected) = (outer.multiply(&blocks), outer.multiply(&written));
        assert_eq!(product.to_dense(), expected.to_dense());
        let right = blocks.transposed().multiply(&outer.transposed());
        assert_eq!(right.to_dense(), expected.to_dense().t());
    }
}

#[test]
fn two_blocks_are_added_where_they_meet_and_kept_where_they_do_not() {
    let [blocks, written] = both(&small());
    let (m, n) = (blocks.rows(), blocks.columns());
    // [C, 0] above [0, C], by products with moved columns.
    let right = |c: &Matrix, by: usize| c.multiply(&moved(2 * n, n, by, 1.0).transposed());
    let apart = |c: &Matrix| Matrix::stacked(&[&right(c, 0), &right(c, n)]);
    let above = |c: &Matrix| Matrix::stacked(&[&right(c, 0), &right(c, 0)]);
    let overlapping = |c: &Matrix| Matrix::stacked(&[&right(c, 0), &right(c, n - 1)]);
    // [I, 2 I], and rows of which half are sums.
    let sums: Vec<_> = (0..m).flat_map(|i| [(i, i, 1.0), (i, m + i, 2.0)]).collect();
    let pair = selection(m, 2 * m, &sums);
    let half: Vec<_> = (0..m).flat_map(|i| [(i, i, 1.0), (i + 1, m + i, 2.0)]).collect();
    let half = selection(m + 1, 2 * m, &half);
    let swapped: Vec<_> = (0..m).flat_map(|i| [(i, m + i, 1.0), (i + m, i, 3.0)]).collect();
    let swapped = selection(2 * m, 2 * m, &swapped);
    for outer in [&pair, &half, &swapped] {
        for stack in [&apart as &dyn Fn(&Matrix) -> Matrix, &above, &overlapping] {
            let (product, expected) =
                (outer.multiply(&stack(&blocks)), outer.multiply(&stack(&written)));
            assert_eq!(product.to_dense(), expected.to_dense());
            let sums = (product.row_abs_sums_up(), expected.row_abs_sums_up());
            assert_eq!(sums.0, sums.1);
        }
    }
    // Side by side without a common column: two blocks in the same rows.
    let product = pair.multiply(&apart(&blocks));
    assert_eq!(places(&product), [((0, 0), (m, n)), ((0, n), (m, n))]);
    assert_eq!(product.terms(), 8);
    assert!(places(&pair.multiply(&above(&blocks))).is_empty());
    assert!(places(&pair.multiply(&overlapping(&blocks))).is_empty());
    assert_eq!(places(&swapped.multiply(&apart(&blocks))), [((m, 0), (m, n)), ((0, n), (m, n))]);
    assert_eq!(places(&swapped.multiply(&above(&blocks))), [((m, 0), (m, n)), ((0, 0), (m, n))]);
}

#[test]
fn matrices_of_another_structure_are_added_as_they_are_written() {
    let [blocks, written] = both(&small());
    let (m, n) = (blocks.rows(), blocks.columns());
    let one = selection(m, n, &[(1, 2, 1.0), (2, 5, 3.0)]);
    let wide = selection(m, n, &[(1, 2, 1.0), (2, 7, 3.0)]);
    let stack = |c: &Matrix, d: &Matrix| Matrix::stacked(&[c, d]);
    for (a, b) in [
        (stack(&blocks, &one), stack(&blocks, &wide)), // blocks of other shapes
        (stack(&blocks, &one), stack(&one, &blocks)),  // of other kinds
        (stack(&blocks, &one), stack(&blocks, &blocks)),
        (stack(&blocks, &one), stack(&blocks, &one)),
    ] {
        assert_eq!(a.sum_up(&b).to_dense(), a.to_dense() + b.to_dense());
    }
    assert_eq!(places(&stack(&blocks, &one).sum_up(&stack(&blocks, &one))).len(), 2);
    // A convolution and a transposed one of the same shape.
    let square = Array4::from_shape_fn((2, 2, 1, 1), |(o, i, ..)| (2 * o + i) as f64);
    let square = Convolution::new(square, 1, [axis(1, 3), axis(1, 2)]).expect("valid");
    let square = Matrix::blocks(Blocks::convolution(square));
    let sum = square.to_dense() + square.transposed().to_dense();
    assert_eq!(square.sum_up(&square.transposed()).to_dense(), sum);
    let moved_down = moved(m + 1, m, 1, 1.0).multiply(&blocks);
    let first = moved(m + 1, m, 0, 1.0).multiply(&blocks);
    assert_eq!(first.sum_up(&moved_down).to_dense(), first.to_dense() + moved_down.to_dense());
    assert_eq!(written.norm_l2_up(), written.transposed().norm_l2_up());
}

/// The channels of a convolution that are taken to places of their own are no block any more.
#[test]
fn channels_that_part_are_written_out() {
    let kernel = Array4::from_shape_fn((2, 1, 1, 1), |(o, ..)| 1.0 + o as f64);
    let convolution = Convolution::new(kernel, 1, [axis(1, 3), axis(1, 2)]).expect("valid");
    let [blocks, written] = both(&convolution);
    let rows: Vec<_> = (0..12).map(|j| (if j < 6 { j } else { j + 1 }, j, 1.0)).collect();
    let outer = selection(13, 12, &rows);
    assert_eq!(outer.multiply(&blocks).to_dense(), outer.multiply(&written).to_dense());
}

/// `k` identities below one another have the norm `sqrt(k)`, which is also that of the crude bound.
#[test]
fn norms_of_blocks_are_rounded_up() {
    let convolution = Convolution::new(Array4::ones((1, 1, 1, 1)), 1, [axis(1, 3), axis(1, 2)]);
    let identity = Matrix::blocks(Blocks::convolution(convolution.expect("valid")));
    for k in 1..30u32 {
        let norm = exact(Matrix::stacked(&vec![&identity; k as usize]).norm_l2_up());
        assert!(
            &norm * &norm >= RBig::from(k)
                && norm.clone() * norm <= RBig::from(k) * exact(1.0 + 1e-12)
        );
    }
}

/// `[c I; I]` has the norm `sqrt(c^2 + 1)`; the l1 and linf norms bound the one of a single block.
#[test]
fn norms_of_blocks_are_those_of_the_matrix_of_norms() {
    let of = |c: f64| {
        let kernel = Array4::from_elem((1, 1, 1, 1), c);
        let convolution = Convolution::new(kernel, 1, [axis(1, 3), axis(1, 2)]).expect("valid");
        Matrix::blocks(Blocks::convolution(convolution))
    };
    let identity = Matrix::identity(6);
    for (matrix, norm) in [
        (of(-3.0), 3.0),
        (moved(8, 6, 1, 1.0).multiply(&of(2.0)), 2.0),
        (Matrix::stacked(&[&of(0.75), &identity]), 1.25),
        (Matrix::stacked(&[&of(2.0), &of(2.0), &identity]), 3.0),
    ] {
        for matrix in [matrix.transposed(), matrix] {
            let found = matrix.norm_l2_up();
            assert!(found >= norm && found <= norm * (1.0 + 1e-13), "{norm}: {found}");
        }
    }
    // Not by the kernel: 25 taps that overflow as a sum.
    let huge = Array4::from_elem((1, 1, 2, 2), 1e308);
    let huge = Convolution::new(huge, 1, [axis(2, 3), axis(2, 4)]).expect("valid");
    let huge = Matrix::blocks(Blocks::convolution(huge));
    assert_eq!(Matrix::stacked(&[&huge, &huge]).norm_l2_up(), f64::INFINITY);
}

/// The maps of a residual block, with a stride: `x -> (C x, S x)` and `(h, p) -> C h + p`.
#[test]
fn the_maps_of_a_residual_block_are_convolutions() {
    let strided = convolution([3, 2, 1, 1], [13, 1, 2, 3], 1).expect("it fits");
    let shortcut = convolution([1, 2, 1, 0], [13, 1, 2, 3], 2).expect("it fits");
    let second = convolution([3, 1, 1, 1], [7, 1, 3, 3], 3).expect("it fits");
    let n = 147;
    let half =
        |start: usize| Matrix::sparse(Csr::from_rows(n, 2 * n, |i, push| push(start + i, 1.0)));
    let add = Matrix::sparse(Csr::from_rows(n, 2 * n, |i, push| {
        push(i, 1.0);
        push(n + i, 1.0);
    }));
    let blocks = |c: &Convolution| Matrix::blocks(Blocks::convolution(c.clone()));
    let written = |c: &Convolution| Matrix::convolution(c.clone());
    for form in [&blocks as &dyn Fn(&Convolution) -> Matrix, &written] {
        let shortcuts = [form(&shortcut), Matrix::sparse(shortcut.to_sparse())];
        let down = shortcuts.map(|shortcut| Matrix::stacked(&[&form(&strided), &shortcut]));
        let sum = add.multiply(&Matrix::stacked(&[&form(&second).multiply(&half(0)), &half(n)]));
        for matrix in down.iter().chain([&sum]) {
            for matrix in [matrix, &matrix.transposed()] {
                let found = matrix.as_convolution().expect("a convolution");
                let dense = found.convolution.to_sparse().to_dense();
                let dense = if found.transposed { dense.reversed_axes() } else { dense };
                assert_eq!(dense, matrix.to_dense());
            }
        }
        // C + I on the same columns is one, too, but not by its blocks; what is no whole channel is none.
        let odd = Matrix::sparse(Csr::from_rows(1, 338, |_, push| push(0, 1.0)));
        assert!(Matrix::stacked(&[&form(&strided), &odd]).as_convolution().is_none());
    }
}
