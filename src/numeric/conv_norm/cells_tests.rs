//! Cells cover half of the torus, once.
#![allow(clippy::expect_used)] // a failed construction should stop the test

use std::f64::consts::PI;

use super::*;
use crate::numeric::conv_norm::ConvAxis;
use crate::numeric::conv_norm::lattice::Lattice;
use ndarray::Array4;

/// The intervals of the cells along an axis, which follow one another from `from` to `to`, and no longer than
/// asked for: `d h <= 1/2`, and no fewer would do.
fn assert_cover(cells: &[Cell], axis: usize, d: i64, [from, to]: [f64; 2]) {
    let ends = |c: &Cell| (c.centre[axis] - c.half[axis], c.centre[axis] + c.half[axis]);
    let mut intervals: Vec<(f64, f64)> = cells.iter().map(ends).collect();
    intervals.sort_by(|a, b| a.0.total_cmp(&b.0));
    intervals.dedup();
    let mut at = from;
    for &(low, high) in &intervals {
        assert!((low - at).abs() < 1e-14, "{low} after {at}");
        at = high;
    }
    assert!((at - to).abs() < 1e-14, "{at}");
    let count = intervals.len() as f64;
    assert!(d as f64 * (to - from) <= count && d as f64 * (to - from) > count - 1.0, "{d}");
}

#[test]
fn the_first_cells_cover_half_of_the_torus() {
    for d in [1, 2, 5] {
        let cells = first_cells([d, 0]);
        assert_cover(&cells, 0, d, [0.0, PI]);
        assert!(cells.iter().all(|c| (c.centre[1], c.half[1]) == (0.0, 0.0)));
        let cells = first_cells([0, d]);
        assert_cover(&cells, 1, d, [0.0, PI]);
        assert!(cells.iter().all(|c| (c.centre[0], c.half[0]) == (0.0, 0.0)));
        for e in [1, 3] {
            let cells = first_cells([d, e]);
            assert_cover(&cells, 0, d, [0.0, PI]);
            assert_cover(&cells, 1, e, [-PI, PI]);
            let area: f64 = cells.iter().map(|c| 4.0 * c.half[0] * c.half[1]).sum();
            assert!((area / (2.0 * PI * PI) - 1.0).abs() < 1e-13, "{area}");
            // 1 - phi^2 with phi at most 1/2.
            assert!(cells.iter().all(|c| factor(c, [d, e]) >= 0.75 - 1e-11));
        }
    }
    assert_eq!(first_cells([0, 0]).len(), 1);
}

#[test]
fn thirds_of_a_cell_cover_it() {
    for (degrees, axis) in [([1, 1], 1), ([3, 1], 0)] {
        let cell = Cell { centre: [1.0, -2.0], half: [0.1, 0.2], guess: 0.0 };
        let [left, middle, right] = thirds(cell, degrees);
        for (part, side) in [(left, -1.0), (middle, 0.0), (right, 1.0)] {
            let third = cell.half[axis] / 3.0;
            assert!((part.half[axis] - third).abs() < 1e-16);
            assert!((part.centre[axis] - cell.centre[axis] - 2.0 * side * third).abs() < 1e-15);
            assert_eq!(
                (part.centre[1 - axis], part.half[1 - axis]),
                (cell.centre[1 - axis], cell.half[1 - axis])
            );
        }
    }
}

#[test]
fn factors_are_rounded_down() {
    let cell = Cell { centre: [0.0; 2], half: [0.125, 0.25], guess: 0.0 };
    // phi = (2 / 8 + 3 / 4) / 2 = 1/2, and 5e-12 / 2 more: 1 - phi^2 is less by 2.5e-12.
    let found = factor(&cell, [2, 3]);
    assert!((0.75 - 2.6e-12..0.75 - 2.4e-12).contains(&found), "{found}");
}

/// Refinement ends at the number of cells that is asked for, or at a gap of a thousandth.
#[test]
fn partitions_stop_in_time() {
    let axis = ConvAxis { taps: 3, stride: 1, dilation: 1, padding: 1, inputs: 9, windows: 9 };
    let lattices = [axis; 2].map(|axis| Lattice::new(&axis, true).expect("windows"));
    let kernel = Array4::from_shape_fn((2, 3, 3, 3), |(o, i, a, b)| {
        ((7 * o + 5 * i + 3 * a + b) % 11) as f64 / 16.0 - 0.25
    });
    let symbol = Symbol::new(&kernel, &lattices, (100, 1 << 20)).expect("small");
    let first = first_cells(symbol.degrees).len();
    let most = partition(&symbol, 4000).len();
    for count in [0, first, first + 2, first + 10, first + 50] {
        let cells = partition(&symbol, count);
        assert!(cells.len() <= count.max(first) && cells.len() + 2 > count.min(most), "{count}");
        let bound = symbol.largest_up(&cells);
        // Every partition bounds the largest eigenvalue, which the finest one does best.
        assert!(bound >= symbol.largest_up(&partition(&symbol, 4000)) * (1.0 - 2e-3), "{count}");
    }
}
