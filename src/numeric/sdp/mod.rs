//! The semidefinite relaxation of the largest norm of a product `W_l D_l ... D_1 W_0`.
//!
//! Definition: `K = max ||W_l D_l W_{l-1} ... D_1 W_0||` over diagonal `D_r` with entries in given
//! slope intervals `[alpha, beta]` is the maximum of a quadratic form under the constraints
//! `(d - alpha p)(beta p - d) >= 0`, one per neuron. Its Lagrangian (Shor) dual has one multiplier
//! per neuron, and every feasible choice of them is an upper bound of `K`.
//! Source: Fazlyab et al., "Efficient and accurate estimation of Lipschitz constants for deep
//! neural networks" (`LipSDP-Neuron`, l2); Wang et al., "A quantitative geometric approach to neural-
//! network smoothness" (`GeoLIP`, linf and l1).
//!
//! With the variables of the `reduce` module, `M_k = sym((e_k - alpha g_k)(e_k - beta g_k)^T)` and
//! `p_k = g_k^T x`, the dual problems are
//! - l2: minimise `gamma` subject to `gamma I_u + sum_k T_k M_k - P P^T >= 0`; the bound is `sqrt(gamma)`;
//! - an output row (linf): minimise `gamma + sum_j lambda_j` subject to
//!   `gamma I_u + sum_k T_k M_k - P diag(1/lambda) P^T / 4 >= 0`: the input block `diag(lambda)` of the
//!   full matrix is eliminated by its Schur complement.
//!
//! The solver follows the central path of the log-determinant barrier in ordinary floating-point
//! arithmetic. It is not trusted: [`certify`] verifies the matrix inequality with every rounding
//! error bounded, and [`bound`] returns nothing else.
//!
//! Holds for: chains of matrices with elementwise slopes in finite intervals.
//! Order: `K <= Ksdp <= K1` in every norm, `Ksdp <= K5` in l1 and linf (the l1 bound is that of the
//! transposed chain).
//! Cost: 20 to 140 Newton steps. With `N` neurons in layers of width `w` and, in linf, `m` inputs, one takes
//! `(N + m)^3 / 3` multiplications for the Newton system and `O(N^2 w)` for all else (see the `banded` module).
//! Rounding: outward; the excess over the optimum is below 1e-7 relative where the solver converged.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

mod ball;
mod banded;
mod barrier;
mod certificate;
mod curvature;
mod dense;
mod generators;
mod newton;
mod path;
mod reduce;
mod solver;
mod start;
mod warm;

pub use certificate::certify;
pub use solver::{bound, bound_from, bound_until, fast_bound};
pub use warm::Start;

/// A chain of matrices with the slope intervals between them.
#[derive(Debug, Clone)]
pub struct Problem {
    weights: Vec<Array2<f64>>,
    slopes: Vec<Vec<(f64, f64)>>,
}

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Objective {
    /// The l2 operator norm of the product.
    Spectral,
    /// The sum of absolute values of one output row; the largest of them is the linf norm.
    Row(usize),
}

/// A point of the dual problem, enough to check the bound without the solver.
///
/// It refers to the chain with each `W_r` divided by `2^(e_r)`, where `2^(e_r - 1) <= max |W_r| < 2^(e_r)`
/// (for an output row, `W_l` is that row). Neurons and inputs that have no influence have a zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Multipliers {
    /// The multiplier of the output block.
    pub gamma: f64,
    /// The multipliers of the inputs; empty in l2.
    pub lambda: Vec<f64>,
    /// The multiplier of each neuron, by hidden layer.
    pub layers: Vec<Vec<f64>>,
}

/// A certified bound.
#[derive(Debug, Clone, PartialEq)]
pub struct SdpBound {
    /// The verified upper bound.
    pub upper: f64,
    /// The multipliers that [`certify`] accepts with this value.
    pub multipliers: Multipliers,
    /// A lower estimate of the optimum of the relaxation, from the duality gap at a central point.
    /// It holds up to rounding and is not verified (where slopes are narrow, it may be that of wider ones); 0 where
    /// the solver found no central point.
    pub estimate: f64,
    /// Where related problems start with [`bound_from`]: inside of the constraints, while the
    /// multipliers of a solved problem lie almost on their boundary.
    pub inner: Start,
    /// The number of Newton steps.
    pub iterations: usize,
    /// Whether the solver reached its goal, and the multipliers are close to where it ended.
    pub converged: bool,
}

/// How far a problem is solved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// To the optimum.
    Optimum,
    /// To the optimum, or to any bound of at most this level.
    AtMost(f64),
    /// Only until it is known whether a bound of at most this level exists: what a branch and bound
    /// asks of a node. If not, the bound is the one at hand, and its `estimate` is above the level.
    Decide(f64),
}

/// Why there is no bound.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SdpError {
    /// The chain is not one.
    #[error("the chain does not fit together: {0}")]
    Shape(String),
    /// A weight or slope that is not finite, or an empty slope interval.
    #[error("{0}")]
    Value(String),
    /// No dual feasible point was found or none could be verified.
    #[error("the semidefinite relaxation found no bound that could be verified: {0}")]
    NotCertified(&'static str),
}

impl Problem {
    /// A chain `W_0, ..., W_l` (`W_r` is `a_{r+1} x a_r`) with the slope intervals of the `l` hidden
    /// layers in between.
    ///
    /// # Errors
    /// Shapes that do not fit, an empty matrix, entries that are not finite, `alpha > beta`.
    pub fn new(
        weights: Vec<Array2<f64>>,
        slopes: Vec<Vec<(f64, f64)>>,
    ) -> Result<Problem, SdpError> {
        if weights.len() != slopes.len() + 1 {
            return Err(SdpError::Shape(format!(
                "{} matrices with {} layers of slopes between them",
                weights.len(),
                slopes.len()
            )));
        }
        for (r, w) in weights.iter().enumerate() {
            check_matrix(r, w, &weights)?;
        }
        for (r, layer) in slopes.iter().enumerate() {
            check_slopes(r, layer, weights[r].nrows())?;
        }
        Ok(Problem { weights, slopes })
    }

    /// The matrices.
    pub fn weights(&self) -> &[Array2<f64>] {
        &self.weights
    }

    /// The slope intervals of each hidden layer.
    pub fn slopes(&self) -> &[Vec<(f64, f64)>] {
        &self.slopes
    }

    /// The transposed chain: its row `j` bounds the column `j` of this one (the l1 norm).
    pub fn transposed(&self) -> Problem {
        let turn = |w: &Array2<f64>| w.t().as_standard_layout().into_owned();
        Problem {
            weights: self.weights.iter().rev().map(turn).collect(),
            slopes: self.slopes.iter().rev().cloned().collect(),
        }
    }

    /// The number of hidden neurons.
    pub fn neurons(&self) -> usize {
        self.slopes.iter().map(Vec::len).sum()
    }
}

fn check_matrix(r: usize, w: &Array2<f64>, weights: &[Array2<f64>]) -> Result<(), SdpError> {
    if w.is_empty() {
        return Err(SdpError::Shape(format!("matrix {r} is empty")));
    }
    if r > 0 && w.ncols() != weights[r - 1].nrows() {
        return Err(SdpError::Shape(format!(
            "matrix {r} has {} columns, matrix {} has {} rows",
            w.ncols(),
            r - 1,
            weights[r - 1].nrows()
        )));
    }
    if let Some(((i, j), x)) = w.indexed_iter().find(|(_, x)| !x.is_finite()) {
        return Err(SdpError::Value(format!(
            "matrix {r} has the entry {x} in row {i}, column {j}"
        )));
    }
    Ok(())
}

fn check_slopes(r: usize, layer: &[(f64, f64)], width: usize) -> Result<(), SdpError> {
    if layer.len() != width {
        return Err(SdpError::Shape(format!(
            "hidden layer {r} has {width} neurons and {} slope intervals",
            layer.len()
        )));
    }
    let valid = |&(a, b): &(f64, f64)| a.is_finite() && b.is_finite() && a <= b;
    if let Some(k) = layer.iter().position(|slope| !valid(slope)) {
        let (a, b) = layer[k];
        return Err(SdpError::Value(format!(
            "neuron {k} of hidden layer {r} has the slope interval [{a}, {b}]"
        )));
    }
    Ok(())
}
