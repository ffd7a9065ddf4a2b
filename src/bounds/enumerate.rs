//! K of small chains by enumeration of all ends of the slope intervals.
//!
//! 2^N rank-one updates for N neurons whose slope is not fixed: layer by layer, every prefix once; within
//! a layer each neuron's update is added on a path of a binary tree, so no error accumulates.

use ndarray::ArrayView2;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::perturbation::{absolute_norm_up, magnitude_up, radius_up};
use crate::network::{Chain, Slopes};
use crate::numeric::rounding::{MIN_SUBNORMAL, add_up, gamma, max_up, mul_up, sub_down, upper};
use crate::numeric::spectral::rough::rough_spectral_norm_up;
use crate::numeric::spectral::{spectral_norm_down, spectral_norm_up};
use crate::numeric::{Grid, Norm};

/// Lower and upper bounds of K for a chain without pools, without the powers of two of its maps, by
/// enumeration of the ends of all slope intervals.
pub fn enumerate(chain: &Chain, norm: Norm) -> (f64, f64) {
    let oriented;
    // The last layer's updates are the most frequent: let them be on the smaller matrix. Their size
    // does not depend on the orientation, but the number of the earlier ones' does.
    #[expect(clippy::float_arithmetic, reason = "an estimate of work")]
    let cost = |c: &Chain| {
        let mut branches = 0;
        c.slopes()
            .iter()
            .enumerate()
            .map(|(r, s)| {
                branches += s.branching();
                2f64.powi(branches as i32) * (c.maps()[r + 1].rows() * c.inputs()) as f64
            })
            .sum::<f64>()
    };
    let (chain, norm) = match chain.transposed() {
        Some(transposed) if cost(&transposed) < cost(chain) => {
            oriented = transposed;
            let swapped = match norm {
                Norm::L1 => Norm::Linf,
                Norm::Linf => Norm::L1,
                Norm::L2 => Norm::L2,
            };
            (&oriented, swapped)
        }
        _ => (chain, norm),
    };
    let enumeration = Enumeration::new(chain, norm);
    let largest = enumeration.run();
    let error = enumeration.error_up;
    (sub_down(largest.lower, error).max(0.0), add_up(largest.upper, error))
}

/// The largest norm so far: of computed matrices, before their rounding error is accounted for.
#[derive(Clone, Copy)]
struct Largest {
    lower: f64,
    upper: f64,
}

impl Largest {
    const NONE: Largest = Largest { lower: 0.0, upper: 0.0 };

    /// A norm that was computed with rounding to nearest; one that overflowed is no lower bound.
    fn of(norm: f64) -> Largest {
        Largest { lower: if norm.is_finite() { norm } else { 0.0 }, upper: upper(norm) }
    }

    fn join(self, other: Largest) -> Largest {
        Largest { lower: self.lower.max(other.lower), upper: max_up(self.upper, other.upper) }
    }
}

/// A layer as the enumeration uses it: `W_r^T` by rows, so that each neuron's column is contiguous.
struct Layer {
    rows: usize,
    columns: Vec<Vec<f64>>,
    alpha: Vec<f64>,
    /// `beta - alpha`, 0 where the slope is fixed.
    step: Vec<f64>,
}

struct Enumeration {
    norm: Norm,
    first: Vec<f64>,
    inputs: usize,
    layers: Vec<Layer>,
    /// A bound, in the norm, of the distance of any computed matrix from the exact one.
    error_up: f64,
}

impl Enumeration {
    fn new(chain: &Chain, norm: Norm) -> Enumeration {
        let dense = |r: usize| chain.maps()[r].matrix.to_dense();
        let first = dense(0);
        let mut layers = Vec::new();
        for (r, slopes) in chain.slopes().iter().enumerate() {
            let Slopes::Componentwise(d) = slopes else { continue };
            let w = dense(r + 1);
            #[expect(
                clippy::float_arithmetic,
                reason = "its rounding is one of the operations that `error_up` counts"
            )]
            let step = d.alpha().iter().zip(d.beta()).map(|(a, b)| b - a);
            layers.push(Layer {
                rows: w.nrows(),
                columns: w.columns().into_iter().map(|c| c.to_vec()).collect(),
                alpha: d.alpha().to_vec(),
                step: step.collect(),
            });
        }
        Enumeration {
            norm,
            first: first.iter().copied().collect(),
            inputs: first.ncols(),
            layers,
            error_up: if is_exact(chain) { 0.0 } else { error_up(chain, norm) },
        }
    }

    fn run(&self) -> Largest {
        let rows = self.first.len().checked_div(self.inputs).unwrap_or(0);
        // The first branches are spread over the threads; the maximum does not depend on how.
        self.layer(0, &self.first, rows, 0.0, true)
    }

    /// The largest norm over the slopes of layer `r` and the following ones, for a state
    /// `x = W_{r} D .. W_0` of the given number of rows. Norms that are surely below `known` need not
    /// be told apart.
    fn layer(&self, r: usize, x: &[f64], rows: usize, known: f64, parallel: bool) -> Largest {
        let Some(layer) = self.layers.get(r) else { return self.leaf(x, rows, known) };
        let n = self.inputs;
        let mut start = vec![0.0; layer.rows * n];
        for (k, column) in layer.columns.iter().enumerate() {
            if layer.alpha[k] != 0.0 {
                add_outer(&mut start, column, layer.alpha[k], &x[k * n..(k + 1) * n]);
            }
        }
        let free: Vec<usize> = (0..rows).filter(|&k| layer.step[k] != 0.0).collect();
        let spread = if parallel { free.len().min(6) } else { 0 };
        if spread == 0 {
            let mut stack = vec![start];
            stack.resize(free.len() + 1, vec![0.0; layer.rows * n]);
            return self.branch(r, x, &free, &mut stack, known);
        }
        let (head, tail) = free.split_at(spread);
        let task = |mask: usize| {
            let mut state = start.clone();
            for (bit, &k) in head.iter().enumerate() {
                if mask >> bit & 1 == 1 {
                    add_outer(&mut state, &layer.columns[k], layer.step[k], &x[k * n..(k + 1) * n]);
                }
            }
            let mut stack = vec![state];
            stack.resize(tail.len() + 1, vec![0.0; layer.rows * n]);
            self.branch(r, x, tail, &mut stack, known)
        };
        let results: Vec<Largest> = (0..1usize << spread).into_par_iter().map(task).collect();
        results.into_iter().fold(Largest::NONE, Largest::join)
    }

    /// Both ends for each of the remaining neurons; `stack[0]` is the sum so far.
    fn branch(
        &self,
        r: usize,
        x: &[f64],
        free: &[usize],
        stack: &mut [Vec<f64>],
        known: f64,
    ) -> Largest {
        let layer = &self.layers[r];
        let Some((&k, rest)) = free.split_first() else {
            return self.layer(r + 1, &stack[0], layer.rows, known, false);
        };
        let n = self.inputs;
        let (here, deeper) = stack.split_at_mut(1);
        deeper[0].copy_from_slice(&here[0]);
        add_outer(&mut deeper[0], &layer.columns[k], layer.step[k], &x[k * n..(k + 1) * n]);
        let with = self.branch(r, x, rest, deeper, known);
        with.join(self.branch(r, x, rest, stack, known.max(with.lower)))
    }

    fn leaf(&self, x: &[f64], rows: usize, known: f64) -> Largest {
        let n = self.inputs;
        match self.norm {
            // The rounding of these sums is part of `error_up`.
            Norm::Linf => {
                let sums = (0..rows).map(|i| x[i * n..(i + 1) * n].iter().map(|v| v.abs()).sum());
                Largest::of(sums.fold(0.0, max_up))
            }
            Norm::L1 => {
                let sums = (0..n).map(|j| (0..rows).map(|i| x[i * n + j].abs()).sum());
                Largest::of(sums.fold(0.0, max_up))
            }
            Norm::L2 => {
                if rough_spectral_norm_up(x, rows, n) < known {
                    return Largest::NONE;
                }
                // The shape fits; nothing would be known if it did not.
                let Ok(a) = ArrayView2::from_shape((rows, n), x) else {
                    return Largest::of(f64::INFINITY);
                };
                Largest { lower: spectral_norm_down(a), upper: spectral_norm_up(a) }
            }
        }
    }
}

/// `state += slope * column row^T`.
#[expect(
    clippy::float_arithmetic,
    reason = "its roundings are counted by `error_up`, or excluded by `is_exact`"
)]
fn add_outer(state: &mut [f64], column: &[f64], slope: f64, row: &[f64]) {
    let n = row.len();
    for (i, &w) in column.iter().enumerate() {
        let factor = slope * w;
        if factor != 0.0 {
            for (s, &x) in state[i * n..(i + 1) * n].iter_mut().zip(row) {
                *s += factor * x;
            }
        }
    }
}

/// Whether every sum of the enumeration is computed without rounding: all numbers are multiples of one
/// power of two per layer and all sums stay below 2^52 of it (see [`Grid`]).
#[expect(
    clippy::float_arithmetic,
    reason = "the sums may be as large as 2^53: a factor of 2 absorbs the rounding of `size`"
)]
fn is_exact(chain: &Chain) -> bool {
    let (mut step, mut size) = (0i32, 1.0f64);
    for (r, map) in chain.maps().iter().enumerate() {
        if map.radius.is_some() {
            return false;
        }
        if let Some(d) = r.checked_sub(1).and_then(|r| chain.slopes()[r].diagonal()) {
            let grid = Grid::of(d.alpha().iter().chain(d.beta()));
            step = step.saturating_add(grid.step);
            // An end, or the difference of two of them.
            size *= 2.0 * grid.max;
        }
        step = step.saturating_add(map.matrix.grid().step);
        // Entries, and the row and column sums in the norm, stay below the product of the norms.
        size *= map.mantissa_norm_up(Norm::Linf).max(map.mantissa_norm_up(Norm::L1)).max(1.0);
        let sums = Grid { step, max: size, min: 1.0 };
        if !sums.exact_products(Grid::of(&[1.0]), 1) {
            return false;
        }
    }
    true
}

/// A bound of the distance, in the norm, between any computed and the exact matrix, the rounding of
/// the sums in the norm included. An entry of the result is a sum of products; on its way each passes,
/// per layer, three multiplications (step, slope, weight; the difference `beta - alpha` is rounded
/// too) and at most `a_r + 1` additions, so the error is at most gamma of the total of these numbers
/// times the entry of `|W_l| S |W_{l-1}| ... |W_0|`, with `S` at most `|alpha| + (beta - alpha)`,
/// which is at most 3 times the largest absolute slope. Radii of merged maps join as in K3's product,
/// once for each map.
fn error_up(chain: &Chain, norm: Norm) -> f64 {
    let operations: usize = chain.slopes().iter().map(|s| s.inputs() + 5).sum();
    let dimension = chain.inputs().max(chain.outputs());
    let relative = gamma(operations + dimension + 2);
    // In each layer an entry is a sum over its inputs of two terms with two products each, which may lose 2^-1075,
    // the first of them times an entry of the state before. An error of all entries by e is one of at most e
    // times the larger side in any norm. Layers before and after multiply this by their norms: at most by the
    // product of those that are above 1. 2^-1073 for each input and the 5 more in `operations` leave room for
    // relative errors.
    let maps = chain.maps().iter().map(|m| absolute_norm_up(&m.magnitude(), norm));
    let slopes = chain.slopes().iter().map(|s| mul_up(3.0, s.norms_up(norm).magnitude));
    let amplified = maps.chain(slopes).map(|size| size.max(1.0)).fold(1.0, mul_up);
    let side = chain.maps().iter().map(|m| m.rows()).fold(chain.inputs(), usize::max);
    #[expect(clippy::float_arithmetic, reason = "exact: an integer times a power of two")]
    let lost = (2 * operations) as f64 * MIN_SUBNORMAL;
    let underflow = mul_up(mul_up(amplified, side as f64), lost);
    let rounding = mul_up(relative, magnitude_up(chain, norm));
    add_up(add_up(rounding, radius_up(chain, norm)), underflow)
}

#[cfg(test)]
#[path = "enumerate_tests.rs"]
mod tests;
