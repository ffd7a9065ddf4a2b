//! From finitely many frequencies to all of them.
//!
//! **Lemma.** Let `G(theta)` be a nonnegative Hermitian trigonometric polynomial of degree `d_1`, `d_2`
//! in the two angles, and `M` the maximum of `lambda_max(G)`. Every partition of the torus in cells
//! with centres `c` and half-widths `h` with `phi = (d_1 h_1 + d_2 h_2) / 2 < 1` satisfies
//! `M <= max over the cells of lambda_max(G(c)) / (1 - phi^2)`.
//!
//! *Proof.* Let `M = x* G(theta) x` at `theta` in the cell of `c`, `||x|| = 1`, and
//! `p(t) = x* G(theta + t (c - theta)) x` for real `t`: a finite sum of exponentials with frequencies
//! at most `D = d_1 |c_1 - theta_1| + d_2 |c_2 - theta_2| <= 2 phi`, with `0 <= p <= M = p(0)`. So
//! `f = 2 p / M - 1` is an entire function of exponential type `D` with `|f| <= 1` on the real line
//! and `f(0) = 1`; by the inequality of Bernstein and Szego `f'^2 + D^2 f^2 <= D^2` (R. J. Duffin &
//! A. C. Schaeffer, Bull. Amer. Math. Soc. 44, 1938), `|(arccos f)'| <= D`, hence `f(1) >= cos D` and
//! `lambda_max(G(c)) >= p(1) >= M (1 + cos D) / 2 = M cos^2(D / 2) >= M (1 - (D / 2)^2)`.
//!
//! The partition is refined where this bound is largest, so that frequencies that are far from the
//! maximum lie in coarse cells. The guesses that steer it are not trusted: each centre is verified.

use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use super::symbol::{Point, Symbol};
use crate::numeric::interval::Interval;
use crate::numeric::rounding::{add_up, mul_up, sub_down};

/// The relative distance of the bound from the largest eigenvalue found at which refinement ends.
const TOLERANCE: f64 = 1e-3;

#[derive(Debug, Clone, Copy)]
struct Cell {
    centre: [f64; 2],
    half: [f64; 2],
    guess: f64,
}

/// The centres of a partition of the torus with `1 - phi^2` as factors, of about `count` cells at most
/// (more if the degrees ask for it).
#[expect(
    clippy::float_arithmetic,
    reason = "decides which cells are refined; the eigenvalue at each centre is verified"
)]
pub(super) fn partition(symbol: &Symbol, count: usize) -> Vec<Point> {
    let mut cells = evaluated(symbol, first_cells(symbol.degrees));
    loop {
        let best = cells.iter().fold(0.0, |m: f64, c| m.max(c.guess));
        let bound = |c: &Cell| c.guess / factor(c, symbol.degrees);
        let worst = cells.iter().fold(0.0, |m: f64, c| m.max(bound(c)));
        let target = best * (1.0 + TOLERANCE);
        let room = count.saturating_sub(cells.len()) / 2;
        if worst <= target || room == 0 {
            break;
        }
        // Those in the upper half of the gap, so that the worst are refined first.
        let threshold = 0.5 * (target + worst);
        cells.sort_by(|a, b| bound(b).total_cmp(&bound(a)));
        let fine = cells.split_off(cells.partition_point(|c| bound(c) >= threshold).clamp(1, room));
        let coarse = std::mem::replace(&mut cells, fine);
        let mut parts = Vec::with_capacity(2 * coarse.len());
        for cell in coarse {
            let [left, middle, right] = thirds(cell, symbol.degrees);
            cells.push(middle); // its centre is the old one
            parts.extend([left, right]);
        }
        cells.extend(evaluated(symbol, parts));
    }
    cells
        .iter()
        .map(|c| symbol.point(c.centre.map(Interval::point), factor(c, symbol.degrees)))
        .collect()
}

/// Half of the torus, as `G(-theta)` is the conjugate of `G(theta)`: `[0, pi]` along the first axis on
/// which the symbol depends, `[-pi, pi]` along another one.
#[expect(
    clippy::float_arithmetic,
    reason = "`factor` takes the cells larger by more than these errors"
)]
fn first_cells(degrees: [i64; 2]) -> Vec<Cell> {
    let pi = std::f64::consts::PI;
    let axis = |d: i64, from: f64| {
        if d == 0 {
            return vec![(0.0, 0.0)];
        }
        // d h <= 1/2 along each axis: phi is at most 1/2.
        let pieces = (d as f64 * (pi - from)).ceil();
        let half = (pi - from) / (2.0 * pieces);
        (0..pieces as usize).map(|i| (from + (2 * i + 1) as f64 * half, half)).collect()
    };
    let second = axis(degrees[1], if degrees[0] == 0 { 0.0 } else { -pi });
    let mut cells = Vec::new();
    for (x, h) in axis(degrees[0], 0.0) {
        for &(y, k) in &second {
            cells.push(Cell { centre: [x, y], half: [h, k], guess: 0.0 });
        }
    }
    cells
}

fn evaluated(symbol: &Symbol, cells: Vec<Cell>) -> Vec<Cell> {
    let guess = |c: &Cell| symbol.guess(&symbol.point(c.centre.map(Interval::point), 1.0));
    cells.par_iter().map(|c| Cell { guess: guess(c), ..*c }).collect()
}

/// The cell cut in three along the axis that contributes more to `phi`.
#[expect(
    clippy::float_arithmetic,
    reason = "`factor` takes the cells larger by more than these errors"
)]
fn thirds(cell: Cell, degrees: [i64; 2]) -> [Cell; 3] {
    let weight = |axis: usize| degrees[axis] as f64 * cell.half[axis];
    let axis = usize::from(weight(1) > weight(0));
    [-1.0, 0.0, 1.0].map(|side| {
        let mut part = cell;
        part.half[axis] = cell.half[axis] / 3.0;
        part.centre[axis] = cell.centre[axis] + side * 2.0 * part.half[axis];
        part
    })
}

/// `1 - phi^2`, rounded down. Centres and half-widths of cells are computed with errors of a few units
/// of 2 pi 2^-53 for each of at most 40 refinements, and so are the ends at `pi`: 1e-12 is more, so that
/// the cells taken that much larger cover the torus.
fn factor(cell: &Cell, degrees: [i64; 2]) -> f64 {
    let part = |axis: usize| mul_up(degrees[axis] as f64, add_up(cell.half[axis], 1e-12));
    let phi = mul_up(0.5, add_up(part(0), part(1)));
    sub_down(1.0, mul_up(phi, phi))
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
