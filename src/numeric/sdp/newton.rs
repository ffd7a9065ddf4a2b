//! The Newton system of the barrier.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use faer::Mat;

use super::banded::BandedFactor;
use super::barrier::{Derivatives, Program};
use super::dense::{Factor, dot};

/// The Newton directions at a point: for the barrier parameter `mu` the step is
/// `centre - cost / mu`.
pub(super) struct Directions {
    /// `H^-1 q` with `q` the gradient of the logarithms.
    centre: Vec<f64>,
    /// `H^-1 c`.
    cost: Vec<f64>,
    /// `q' H^-1 q`, `c' H^-1 q`, `c' H^-1 c`.
    qq: f64,
    cq: f64,
    pub cc: f64,
    /// The Hessian's factor and its scaling.
    factor: Factor,
    scale: Vec<f64>,
    pub derivatives: Derivatives,
}

impl Directions {
    pub fn new(
        program: &Program<'_>,
        z: &[f64],
        factor: &BandedFactor,
        cost: &[f64],
    ) -> Option<Directions> {
        let mut derivatives = program.derivatives(z, factor);
        let hessian = &mut derivatives.hessian;
        let n = cost.len();
        // Scaled to a diagonal of ones: the unknowns differ by many orders of magnitude.
        let scale: Vec<f64> = (0..n).map(|i| 1.0 / hessian[(i, i)].sqrt()).collect();
        if !scale.iter().all(|s| s.is_finite() && *s > 0.0) {
            return None;
        }
        for j in 0..n {
            let column = hessian.col_mut(j).subrows_mut(j, n - j);
            column.iter_mut().zip(&scale[j..]).for_each(|(x, s)| *x *= s * scale[j]);
        }
        let factor = regularised(hessian)?;
        let solve = |rhs: &[f64]| scaled_solve(&factor, &scale, rhs);
        let q = &derivatives.gradient;
        let (centre, along) = (solve(q), solve(cost));
        let (qq, cq, cc) = (dot(q, &centre), dot(cost, &centre), dot(cost, &along));
        let finite = qq.is_finite() && cq.is_finite() && cc.is_finite() && cc > 0.0;
        finite.then_some(Directions { centre, cost: along, qq, cq, cc, factor, scale, derivatives })
    }

    /// `H^-1` times a vector.
    pub fn solve(&self, rhs: &[f64]) -> Vec<f64> {
        scaled_solve(&self.factor, &self.scale, rhs)
    }

    /// The `1/mu` at which the point is most central.
    pub fn best_weight(&self) -> f64 {
        self.cq / self.cc
    }

    /// The Newton decrement for a value of `1/mu`.
    pub fn decrement(&self, weight: f64) -> f64 {
        let square = self.qq - 2.0 * weight * self.cq + weight * weight * self.cc;
        square.max(0.0).sqrt()
    }

    /// `z + step`, with `step = centre - weight * cost`.
    pub fn advance(&self, z: &[f64], share: f64, weight: f64) -> Vec<f64> {
        let steps = self.centre.iter().zip(&self.cost);
        z.iter().zip(steps).map(|(z, (q, c))| z + share * (q - weight * c)).collect()
    }
}

/// `D A^-1 D b` for a factored `A` and a diagonal `D`.
fn scaled_solve(factor: &Factor, scale: &[f64], rhs: &[f64]) -> Vec<f64> {
    let scaled: Vec<f64> = rhs.iter().zip(scale).map(|(x, s)| x * s).collect();
    let x = factor.solve(&scaled);
    x.iter().zip(scale).map(|(x, s)| x * s).collect()
}

/// The factor of a symmetric matrix with unit diagonal, shifted a little where it breaks down.
fn regularised(hessian: &mut Mat<f64>) -> Option<Factor> {
    let mut shift = 0.0;
    while shift < 1e-3 {
        if let Some(factor) = Factor::new(hessian.clone()) {
            return Some(factor);
        }
        shift = if shift == 0.0 { 1e-15 } else { shift * 10.0 };
        hessian.as_mut().diagonal_mut().column_vector_mut().iter_mut().for_each(|x| *x += shift);
    }
    None
}
