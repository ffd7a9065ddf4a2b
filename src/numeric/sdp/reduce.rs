//! The chain in the form of the relaxation: live neurons only, fixed ones substituted.
//!
//! The variables are `x = (u, d_l, ..., d_1)`: the output direction `u` (one number for an output
//! row) and, for each hidden layer from the last to the first, `d_k` of its free neurons. With
//! `J^T u = W_0^T d_1`, `d_r = D_r p_r`, `p_l = W_l^T u` and `p_{r-1} = W_{r-1}^T d_r`, each `p_k`
//! is a linear function of the variables before it, and so is `J^T u = P^T x`. A neuron with
//! `alpha = beta` is no variable: `d_k = alpha p_k` is substituted, which lets the functions reach
//! past a layer. A neuron that cannot influence the product is left out.

use std::sync::Arc;

use ndarray::{ArrayView2, s};

use super::ball::{Ball, Enclosure};
use super::{Objective, Problem, SdpError};
use crate::numeric::rounding::{exponent, max_up};

/// The free neurons of one hidden layer.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// The index of the hidden layer in the problem, from 0.
    pub index: usize,
    /// The free neurons, as indices in their layer.
    pub neurons: Vec<usize>,
    /// The first variable of this layer; it has as many as free neurons.
    pub start: usize,
    /// The first variable that `map` reads.
    pub first: usize,
    /// `p_k` of each free neuron as a function of the variables `first..start` (one row each).
    pub map: Arc<Ball>,
    /// The slope intervals of the free neurons.
    pub alpha: Vec<f64>,
    /// The upper ends.
    pub beta: Vec<f64>,
}

impl Layer {
    /// The end of this layer's variables.
    pub fn end(&self) -> usize {
        self.start + self.neurons.len()
    }
}

/// A chain reduced to what the relaxation sees; all weights divided by `2^exponent` in total. Copies share the maps.
#[derive(Debug, Clone)]
pub(super) struct Reduced {
    /// The number of variables of `u`.
    pub head: usize,
    /// The layers, from the last to the first, without those that have no free neuron.
    pub layers: Vec<Layer>,
    /// The first variable that `tail` reads.
    pub first: usize,
    /// `P`: the rows are the variables from `first` on, the columns the kept inputs.
    pub tail: Arc<Ball>,
    /// The inputs that have an influence.
    pub inputs: Vec<usize>,
    /// The number of variables.
    pub size: usize,
    /// The norm of the reduced chain times `2^exponent` is that of the chain.
    pub exponent: i32,
}

impl Reduced {
    /// The number of free neurons.
    pub fn neurons(&self) -> usize {
        self.size - self.head
    }

    /// Whether the Jacobian is zero for all slopes.
    pub fn vanishes(&self) -> bool {
        self.inputs.is_empty()
    }
}

/// One layer's `d` as functions of the variables: free, fixed or dead.
struct Upstream {
    /// The first variable read by `rows`, and the end of what they read.
    first: usize,
    /// `d_k = rows x[first..end]` for the fixed neurons with a slope other than zero.
    rows: Option<Ball>,
    fixed: Vec<usize>,
    /// The first variable of the free neurons, which are variables themselves.
    start: usize,
    free: Vec<usize>,
}

/// Reduces a problem for one objective.
pub(super) fn reduce(problem: &Problem, objective: Objective) -> Result<Reduced, SdpError> {
    let (weights, slopes) = oriented(problem, objective)?;
    let hidden = slopes.len();
    let flipped = objective == Objective::Spectral && is_transposed(problem);
    let live = live_neurons(&weights, &slopes);
    let mut exponent_sum = 0;
    let mut scaled = Vec::with_capacity(weights.len());
    for w in &weights {
        let largest = w.iter().fold(0.0, |m, x| max_up(m, x.abs()));
        let shift = if largest == 0.0 { 0 } else { exponent(largest) + 1 };
        exponent_sum += shift;
        scaled.push(Ball::scaled(w.view(), shift).transposed());
    }
    let head = scaled[hidden].mid.ncols();
    let mut upstream =
        Upstream { first: 0, rows: None, fixed: Vec::new(), start: 0, free: (0..head).collect() };
    let mut layers = Vec::new();
    let mut size = head;
    for r in (0..hidden).rev() {
        let (first, map) = upstream.pull_back(&scaled[r + 1], size);
        let reached: Vec<usize> =
            (0..map.mid.nrows()).filter(|&k| live[r][k] && !map.zero_row(k)).collect();
        let is_fixed = |k: &usize| slopes[r][*k].0 == slopes[r][*k].1;
        let (fixed, free): (Vec<usize>, Vec<usize>) = reached.into_iter().partition(is_fixed);
        let factors: Vec<Enclosure> = fixed.iter().map(|&k| slopes[r][k].0.into()).collect();
        let rows = (!fixed.is_empty()).then(|| map.select_rows(&fixed).scale_rows(&factors));
        upstream = Upstream { first, rows, fixed, start: size, free: free.clone() };
        if !free.is_empty() {
            layers.push(Layer {
                index: if flipped { hidden - 1 - r } else { r },
                start: size,
                first,
                map: Arc::new(map.select_rows(&free)),
                alpha: free.iter().map(|&k| slopes[r][k].0).collect(),
                beta: free.iter().map(|&k| slopes[r][k].1).collect(),
                neurons: free,
            });
        }
        size = layers.last().map_or(head, Layer::end);
    }
    let (first, map) = upstream.pull_back(&scaled[0], size);
    let inputs: Vec<usize> = (0..map.mid.nrows()).filter(|&j| !map.zero_row(j)).collect();
    Ok(Reduced {
        head,
        layers,
        first,
        tail: Arc::new(map.select_rows(&inputs).transposed()),
        inputs,
        size,
        exponent: exponent_sum,
    })
}

impl Upstream {
    /// `transposed * d` as a function of the variables `first..end`: `(first, map)`.
    fn pull_back(&self, transposed: &Ball, end: usize) -> (usize, Ball) {
        let direct = transposed.select_columns(&self.free);
        let Some(rows) = &self.rows else {
            return (self.start, direct);
        };
        debug_assert_eq!(self.start + self.free.len(), end);
        let skipped = transposed.select_columns(&self.fixed).multiply(rows);
        (self.first, skipped.beside(&direct))
    }
}

/// The weights and slopes in the orientation in which they are relaxed. The value of the l2 bound
/// is that of the transposed chain, so the shorter side becomes the explicit block `u`.
type Oriented<'a> = (Vec<ArrayView2<'a, f64>>, Vec<&'a [(f64, f64)]>);

fn oriented(problem: &Problem, objective: Objective) -> Result<Oriented<'_>, SdpError> {
    let mut weights: Vec<_> = problem.weights().iter().map(|w| w.view()).collect();
    let mut slopes: Vec<_> = problem.slopes().iter().map(Vec::as_slice).collect();
    let last = weights.len() - 1;
    match objective {
        Objective::Row(row) => {
            let rows = weights[last].nrows();
            if row >= rows {
                return Err(SdpError::Shape(format!(
                    "output row {row} of a chain with {rows} outputs"
                )));
            }
            weights[last] = weights[last].slice_move(s![row..row + 1, ..]);
        }
        Objective::Spectral if is_transposed(problem) => {
            weights = weights.into_iter().rev().map(|w| w.reversed_axes()).collect();
            slopes.reverse();
        }
        Objective::Spectral => {}
    }
    Ok((weights, slopes))
}

/// Whether the l2 problem is set up for the transposed chain.
fn is_transposed(problem: &Problem) -> bool {
    let weights = problem.weights();
    weights[weights.len() - 1].nrows() > weights[0].ncols()
}

/// The neurons from which an input can be reached through nonzero weights and slopes.
fn live_neurons(weights: &[ArrayView2<'_, f64>], slopes: &[&[(f64, f64)]]) -> Vec<Vec<bool>> {
    let mut live: Vec<Vec<bool>> = Vec::with_capacity(slopes.len());
    for (r, layer) in slopes.iter().enumerate() {
        let alive = |k: usize| {
            let mut row = weights[r].row(k).into_iter().enumerate();
            layer[k] != (0.0, 0.0) && row.any(|(j, &w)| w != 0.0 && (r == 0 || live[r - 1][j]))
        };
        let flags = (0..layer.len()).map(alive).collect();
        live.push(flags);
    }
    live
}
