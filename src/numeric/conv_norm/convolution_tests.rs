//! Convolutions with one tap, whose norm is that of the kernel, and what is asked of their shapes.
#![allow(clippy::expect_used)] // a failed construction should stop the test

use super::*;
use crate::numeric::rounding::power_of_two;
use crate::numeric::sparse::Csr;

fn axis(taps: usize, padding: usize, inputs: usize) -> ConvAxis {
    let windows = inputs + 2 * padding + 1 - taps;
    ConvAxis { taps, stride: 1, dilation: 1, padding, inputs, windows }
}

/// Entries 1, 2, 3, ...
fn kernel(shape: (usize, usize, usize, usize)) -> Array4<f64> {
    let count = shape.0 * shape.1 * shape.2 * shape.3;
    Array4::from_shape_vec(shape, (1..=count).map(|i| i as f64).collect()).expect("the shape")
}

/// 3 x 2 taps on 4 x 5 with padding 1.
fn convolution(out: usize, per_group: usize, groups: usize) -> Convolution {
    let axes = [axis(3, 1, 4), axis(2, 1, 5)];
    Convolution::new(kernel((out, per_group, 3, 2)), groups, axes).expect("valid")
}

#[test]
fn shapes_must_fit() {
    let axes = [axis(3, 1, 4), axis(2, 1, 5)];
    let fits = |shape, groups, axes| Convolution::new(kernel(shape), groups, axes).is_some();
    assert!(fits((4, 3, 3, 2), 2, axes) && fits((4, 3, 3, 2), 1, axes));
    assert!(!fits((4, 3, 3, 2), 0, axes) && !fits((0, 3, 3, 2), 0, axes));
    assert!(!fits((4, 3, 3, 2), 3, axes));
    assert!(!fits((4, 3, 2, 2), 2, axes) && !fits((4, 3, 3, 3), 2, axes));
    for wrong in [ConvAxis { stride: 0, ..axes[0] }, ConvAxis { inputs: 1 << 28, ..axes[0] }] {
        assert!(!fits((4, 3, 3, 2), 2, [wrong, axes[1]]));
    }
}

#[test]
fn factors_of_channels_are_those_of_all_their_elements() {
    assert_eq!(of_channels(&[1.0, 1.0, 0.5, 0.5], 2), Some(vec![1.0, 0.5]));
    assert_eq!(of_channels(&[1.0, 1.0, 0.5, 0.25], 2), None);
    assert_eq!(of_channels(&[0.0, -0.0], 2), None);
    assert_eq!(of_channels(&[1.0, 2.0], 1), Some(vec![1.0, 2.0]));
}

#[test]
fn norms_of_one_tap_are_those_of_the_kernel() {
    let of = |entries: &[f64]| {
        let kernel = Array4::from_shape_vec((1, entries.len(), 1, 1), entries.to_vec());
        let axes = [axis(1, 0, 3); 2];
        Convolution::new(kernel.expect("one"), 1, axes).expect("valid").norm_up()
    };
    assert_eq!(of(&[3.0, -4.0, 0.0]), 5.0);
    assert_eq!(of(&[0.0, 0.0]), 0.0);
    for x in [f64::INFINITY, f64::NAN] {
        assert_eq!(of(&[1.0, x]), f64::INFINITY);
    }
    // sqrt(2^2000 + 2^-200) is above 2^1000; scaled to entries below 1, 2^-100 is 0.
    let large = power_of_two(1000);
    assert_eq!(of(&[large, power_of_two(-100)]), large.next_up());
}

/// Of `j` and `-j` modulo `n` together with `k` and `-k` modulo `m`: those that are their own opposites once, of
/// the others one of two.
#[test]
fn circles_have_one_frequency_of_each_pair() {
    for (n, m) in [(1, 1), (1, 2), (2, 1), (5, 4), (4, 6), (3, 7), (6, 1)] {
        let axes = [axis(3, 1, n), axis(2, 1, m)];
        let lattices = axes.map(|axis| Lattice::new(&axis, false).expect("windows"));
        let symbol = Symbol::new(&kernel((1, 1, 3, 2)), &lattices, LARGEST_SYMBOL).expect("small");
        let own = |n: usize| if n.is_multiple_of(2) { 2 } else { 1 };
        let count = (n * m + own(n) * own(m)) / 2;
        assert_eq!(circle_points(&symbol, n, m).len(), count, "{n} {m}");
    }
}

#[test]
fn entries_are_counted_as_they_are_written() {
    for (out, per_group, groups) in [(4, 3, 2), (2, 5, 1), (3, 1, 3)] {
        let convolution = convolution(out, per_group, groups);
        assert_eq!(convolution.matrix_entries(), convolution.to_sparse().entries());
    }
}

#[test]
fn only_convolutions_of_the_same_kind_are_added() {
    let a = convolution(4, 2, 2);
    let sum = a.sum_up(&a.scaled_by_power(1)).expect("the same kind");
    assert_eq!(sum.to_sparse().to_dense(), a.to_sparse().to_dense() * 3.0);
    // Other groups, another number of channels in each of them, another padding.
    let shifted = Convolution { axes: [a.axes[0], axis(2, 2, 5)], ..a.clone() };
    for other in [convolution(4, 2, 1), convolution(4, 1, 2), shifted] {
        assert!(a.sum_up(&other).is_none() && other.sum_up(&a).is_none());
    }
}

#[test]
fn mapped_kernels_keep_the_power_of_two() {
    let a = convolution(2, 2, 1);
    let mapped = a.scaled_by_power(3).map(|x| x + 1.0);
    let expected = a.to_sparse().map(|_, x| 8.0 * x + 1.0);
    assert_eq!(mapped.to_sparse(), expected);
}

#[test]
fn parts_are_where_they_are() {
    let convolution = convolution(2, 2, 1);
    let written = convolution.to_sparse();
    let (m, n) = (written.rows(), written.columns());
    let part = Part::whole(m, n, convolution);
    assert_eq!((part.moved_down(5).rows, part.moved_down(5).columns), (5..5 + m, 0..n));
    let moved = part.moved_down(2).moved_down(3);
    assert_eq!(moved.rows, 5..5 + m);
    // Within a larger matrix, 5 rows and 7 columns before it, some behind.
    let mut moved = moved;
    moved.columns = 7..7 + n;
    let larger = |entry: f64| {
        Csr::from_rows(m + 9, n + 10, |i, push| {
            push(0, entry);
            if i >= 5 && i < 5 + m {
                written.row(i - 5).for_each(|(j, x)| push(j + 7, x));
            }
            push(n + 9, entry);
        })
    };
    let a = larger(1.0);
    assert!(moved.is_in(&a, &a.transposed()) && part.is_in(&written, &written.transposed()));
    assert!(moved.clone().transposed().is_in(&a.transposed(), &a));
    let doubled = a.map(|i, x| if i == 6 { 2.0 * x } else { x });
    assert!(!moved.is_in(&doubled, &doubled.transposed()));
    // Beyond the rows, or the columns, or at another place.
    for [rows, columns] in [[9, 7], [5, 10], [4, 7], [5, 6]] {
        let mut other = part.moved_down(rows);
        other.columns = columns..columns + n;
        assert!(!other.is_in(&a, &a.transposed()), "{rows} {columns}");
    }
    // The last row is missing, all others are there.
    let shorter = Csr::from_rows(m - 1, n, |i, push| written.row(i).for_each(|(j, x)| push(j, x)));
    assert!(!part.is_in(&shorter, &shorter.transposed()));
    let mut beyond = part.moved_down(10);
    assert!(!beyond.is_in(&a, &a.transposed()));
    beyond.rows = 5..5 + m;
    beyond.columns = 11..11 + n;
    assert!(!beyond.is_in(&a, &a.transposed()));
}

#[test]
fn parts_cover_what_is_inside() {
    let convolution = convolution(2, 2, 1);
    let (m, n) = convolution.shape();
    let mut part = Part::whole(m, n, convolution).moved_down(5);
    part.columns = 7..7 + n;
    assert!(part.covers(&(5..5 + m), &(7..7 + n)) && part.covers(&(6..7), &(8..9)));
    for (rows, columns) in [
        (4..6, 8..9),
        (6..6 + m, 8..9),
        (0..3, 8..9),
        (6..7, 6..8),
        (6..7, 8..8 + n),
        (6..7, 0..3),
        (0..3, 0..3),
    ] {
        assert!(!part.covers(&rows, &columns), "{rows:?} {columns:?}");
    }
}

/// A selection takes the rows of a part from the third on, to rows from the first on, and drops its first ones.
#[test]
fn parts_are_followed_to_the_rows_that_take_them() {
    let convolution = convolution(2, 2, 1);
    let (m, n) = convolution.shape();
    let half = m / 2;
    let part = Part::whole(m, n, convolution).moved_down(3);
    // All rows, twice, in their order; with a factor for each channel, the first of which may be zero.
    for factors in [[1.0, 1.0], [2.0, -1.0], [0.0, 3.0]] {
        let outer = Csr::from_rows(2 * m + 1, m + 3, |i, push| {
            if i > 0 {
                let row = (i - 1) % m;
                push(3 + row, factors[row / half]);
            }
        });
        let found = part.after(&outer, &outer.transposed());
        let rows: Vec<_> = found.iter().map(|p| p.rows.clone()).collect();
        assert_eq!(rows, [1..1 + m, 1 + m..1 + 2 * m]);
        let inner = Csr::from_rows(m + 3, n, |i, push| {
            if i >= 3 {
                part.matrix().convolution.to_sparse().row(i - 3).for_each(|(j, x)| push(j, x));
            }
        });
        let product = outer.to_dense().dot(&inner.to_dense());
        let product = Csr::from_rows(2 * m + 1, n, |i, push| {
            product.row(i).iter().enumerate().for_each(|(j, &x)| push(j, x));
        });
        assert!(found.iter().all(|p| p.is_in(&product, &product.transposed())), "{factors:?}");
    }
}
