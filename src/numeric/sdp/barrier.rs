//! The log-determinant barrier of the dual problem: value, gradient and Hessian.
//!
//! The unknowns are `z = (gamma, T, lambda)`. With the full matrix `M(z)` (input block included) and
//! `Y = M^-1`, the gradient of `log det M` is `tr(Y M_k)` and the Hessian of its negative is
//! `tr(Y M_k Y M_j) = [(a_k Y a_j)(b_k Y b_j) + (a_k Y b_j)(b_k Y a_j)] / 2` for
//! `M_k = sym(a_k b_k^T)`. The input block is diagonal: only its Schur complement `S` is factored, and
//! the parts of `Y` that belong to it are products with `X = S^-1`.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use std::sync::Arc;

use faer::{Mat, MatMut, MatRef, unzip, zip};
use rayon::prelude::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::Objective;
use super::banded::{Banded, BandedFactor, Blocks};
use super::dense::{column_major, product};
use super::generators::{Generators, Piece, Side};
use super::reduce::{Layer, Reduced};
use crate::numeric::rounding::UNIT_ROUNDOFF;

/// A reduced problem in plain floating-point numbers.
pub(super) struct Program<'a> {
    pub reduced: &'a Reduced,
    pub generators: Generators,
    blocks: Arc<Blocks>,
    /// `-P P^T` in l2.
    constant: Option<Mat<f64>>,
    /// `P`.
    tail: Mat<f64>,
    /// Whether `T >= 0` must be asked for: it follows from the matrix inequality unless a product
    /// `alpha beta` is positive.
    pub guard: bool,
}

/// The gradient of `log det M + ...` and the Hessian of its negative.
pub(super) struct Derivatives {
    pub gradient: Vec<f64>,
    /// Its lower half.
    pub hessian: Mat<f64>,
    /// `X = S^-1`.
    pub inverse: Mat<f64>,
    /// Where inputs have multipliers.
    pub of_inputs: Option<OfInputs>,
}

/// Products with the columns `P_j` of `P`.
pub(super) struct OfInputs {
    /// `P^T X P`.
    pub own: Mat<f64>,
    /// `(a_k^T X P_j) (b_k^T X P_j)`.
    pub forms: Mat<f64>,
    /// The square of `X P_j` over the output directions.
    pub head: Vec<f64>,
}

/// Columns of the products of `X` with the vectors `a_k` and `b_k` of all neurons.
struct Panel {
    /// `a_j^T X b_k` for all neurons `j` where not all lower slopes are zero, else `X b_k`.
    axb: Mat<f64>,
    /// `b_j^T X b_k` for the neurons `j` from this layer on.
    bxb: Mat<f64>,
    /// `a_j^T X a_k`, likewise; none where all lower slopes are zero.
    axa: Option<Mat<f64>>,
    /// The inner product of `X a_k` and `X b_k` over the output directions.
    head: Vec<f64>,
}

impl<'a> Program<'a> {
    pub fn new(reduced: &'a Reduced, objective: Objective) -> Program<'a> {
        let tail = column_major(&reduced.tail.mid);
        let constant = (objective == Objective::Spectral)
            .then(|| product(-1.0, tail.as_ref(), tail.transpose()));
        let positive =
            |layer: &Layer| layer.alpha.iter().zip(&layer.beta).any(|(a, b)| a * b > 0.0);
        Program {
            reduced,
            generators: Generators::new(reduced),
            blocks: Arc::new(Blocks::new(reduced)),
            constant,
            tail,
            guard: reduced.layers.iter().any(positive),
        }
    }

    /// The number of multipliers of inputs.
    pub fn inputs(&self) -> usize {
        if self.constant.is_some() { 0 } else { self.reduced.inputs.len() }
    }

    /// The number of unknowns.
    pub fn unknowns(&self) -> usize {
        1 + self.reduced.neurons() + self.inputs()
    }

    /// The objective's coefficients.
    pub fn cost(&self) -> Vec<f64> {
        let mut cost = vec![0.0; self.unknowns()];
        cost[0] = 1.0;
        cost[1 + self.reduced.neurons()..].fill(1.0);
        cost
    }

    /// The parameter of the barrier: on the central path the gap is `mu` times this.
    pub fn parameter(&self) -> f64 {
        let guard = if self.guard { self.reduced.neurons() } else { 0 };
        (self.reduced.size + self.inputs() + guard) as f64
    }

    /// The multipliers of the neurons of one layer.
    pub fn layer_of<'z>(&self, layer: &Layer, z: &'z [f64]) -> &'z [f64] {
        let offset = 1 + layer.start - self.reduced.head;
        &z[offset..offset + layer.neurons.len()]
    }

    /// The multipliers of the inputs.
    pub fn lambda<'z>(&self, z: &'z [f64]) -> &'z [f64] {
        &z[1 + self.reduced.neurons()..]
    }

    /// `P`: a row for each variable from the first on that the inputs read.
    pub fn tail(&self) -> MatRef<'_, f64> {
        self.tail.as_ref()
    }

    /// `P diag(weights) P^T`.
    pub fn weighted_tail(&self, weights: impl Iterator<Item = f64>) -> Mat<f64> {
        let mut scaled = self.tail.clone();
        for (column, weight) in scaled.col_iter_mut().zip(weights) {
            column.iter_mut().for_each(|x| *x *= weight);
        }
        product(1.0, scaled.as_ref(), self.tail.transpose())
    }

    /// A matrix of zeros in the pattern of `S`.
    pub fn zeros(&self) -> Banded {
        Banded::zeros(&self.blocks)
    }

    /// Adds the part of `S` that does not depend on the neurons and `gamma`.
    pub fn add_tail(&self, total: &mut Banded, lambda: &[f64]) {
        let first = self.reduced.first;
        match &self.constant {
            Some(constant) => total.add(first, first, constant.as_ref()),
            None => {
                let block = self.weighted_tail(lambda.iter().map(|l| -0.25 / l));
                total.add(first, first, block.as_ref());
            }
        }
    }

    /// Adds `gamma I_u + sum_k T_k M_k`.
    pub fn add_neurons(&self, total: &mut Banded, z: &[f64]) {
        total.add_diagonal(0, std::iter::repeat_n(z[0], self.reduced.head));
        for (index, layer) in self.reduced.layers.iter().enumerate() {
            self.generators.add_layer(total, index, layer, self.layer_of(layer, z));
        }
    }

    /// The matrix `S(z)`.
    pub fn matrix(&self, z: &[f64]) -> Banded {
        let mut total = self.zeros();
        self.add_neurons(&mut total, z);
        self.add_tail(&mut total, self.lambda(z));
        total
    }

    /// The factor of `S(z)` where all constraints hold strictly.
    pub fn factor(&self, z: &[f64]) -> Option<BandedFactor> {
        let first = if self.guard { 1 } else { 1 + self.reduced.neurons() };
        if !z[first..].iter().all(|&x| x > 0.0) || !z.iter().all(|x| x.is_finite()) {
            return None;
        }
        self.matrix(z).factor()
    }

    /// Whether `S(z)` stays positive definite with its diagonal smaller by what a verification is likely to need.
    pub fn has_room(&self, z: &[f64]) -> bool {
        let n = self.reduced.size as f64;
        let mut matrix = self.matrix(z);
        matrix.scale_diagonal(1.0 - 4.0 * n * n * UNIT_ROUNDOFF);
        matrix.factor().is_some()
    }

    /// `log det M` plus the logarithms of the guarded multipliers.
    pub fn log_barrier(&self, z: &[f64], factor: &BandedFactor) -> f64 {
        let first = if self.guard { 1 } else { 1 + self.reduced.neurons() };
        factor.log_determinant() + z[first..].iter().map(|x| x.ln()).sum::<f64>()
    }

    /// The derivatives at `z`, where `factor` is that of `S(z)`.
    pub fn derivatives(&self, z: &[f64], factor: &BandedFactor) -> Derivatives {
        let (head, count) = (self.reduced.head, self.reduced.neurons());
        let x = factor.inverse();
        let pieces = self.generators.pieces();
        let panels: Vec<Panel> =
            pieces.par_iter().map(|piece| self.panel(x.as_ref(), piece)).collect();
        let unknowns = self.unknowns();
        let mut gradient = vec![0.0; unknowns];
        let mut hessian = Mat::<f64>::zeros(unknowns, unknowns);
        for i in 0..head {
            gradient[0] += x[(i, i)];
            hessian[(0, 0)] += (0..head).map(|j| x[(i, j)] * x[(i, j)]).sum::<f64>();
        }
        for (piece, panel) in pieces.iter().zip(&panels) {
            let first = piece.variables.start;
            let row = if panel.axa.is_some() { first - head } else { first };
            for (k, &value) in panel.head.iter().enumerate() {
                let unknown = 1 + first - head + k;
                gradient[unknown] = panel.axb[(row + k, k)];
                hessian[(unknown, 0)] = value;
            }
        }
        let mut block = hessian.as_mut().submatrix_mut(1, 1, count, count);
        let mut columns = Vec::with_capacity(pieces.len());
        for (index, piece) in pieces.iter().enumerate() {
            let (own, others) = block.split_at_col_mut(piece.variables.len());
            columns.push((index, own));
            block = others;
        }
        columns.into_par_iter().for_each(|(index, mut columns)| {
            for (row, piece) in pieces.iter().enumerate().skip(index) {
                let first = piece.variables.start - head;
                let tile = columns.as_mut().subrows_mut(first, piece.variables.len());
                self.tile(tile, x.as_ref(), &panels, row, index);
            }
        });
        let of_inputs =
            (self.inputs() > 0).then(|| self.input_derivatives(z, &x, &mut gradient, &mut hessian));
        if self.guard {
            for k in 1..=count {
                gradient[k] += 1.0 / z[k];
                hessian[(k, k)] += 1.0 / (z[k] * z[k]);
            }
        }
        Derivatives { gradient, hessian, inverse: x, of_inputs }
    }

    fn panel(&self, x: MatRef<'_, f64>, piece: &Piece) -> Panel {
        let (head, own) = (self.reduced.head, &piece.variables);
        let xb = self.generators.times(x, piece, Side::Upper);
        let bxb = self.generators.transposed_times(xb.as_ref(), piece.layer, Side::Upper);
        let dot = |a: MatRef<'_, f64>, k: usize| (0..head).map(|i| a[(i, k)] * xb[(i, k)]).sum();
        if self.generators.plain() {
            let a = x.subcols(own.start, own.len());
            let head = (0..own.len()).map(|k| dot(a, k)).collect();
            return Panel { axb: xb, bxb, axa: None, head };
        }
        let xa = self.generators.times(x, piece, Side::Lower);
        Panel {
            head: (0..own.len()).map(|k| dot(xa.as_ref(), k)).collect(),
            axb: self.generators.transposed_times(xb.as_ref(), 0, Side::Lower),
            bxb,
            axa: Some(self.generators.transposed_times(xa.as_ref(), piece.layer, Side::Lower)),
        }
    }

    /// One tile of the Hessian: the neurons of the piece `row` and, not after it, those of the piece `column`.
    fn tile(
        &self,
        mut tile: MatMut<'_, f64>,
        x: MatRef<'_, f64>,
        panels: &[Panel],
        row: usize,
        column: usize,
    ) {
        let head = self.reduced.head;
        let pieces = self.generators.pieces();
        let (rows, columns) = (&pieces[row].variables, &pieces[column].variables);
        let start = self.reduced.layers[pieces[column].layer].start;
        let of_rows = &panels[row];
        let of_columns = &panels[column];
        let bxb = of_columns.bxb.as_ref().subrows(rows.start - start, rows.len());
        let (axa, skipped) = match &of_columns.axa {
            Some(axa) => (axa.as_ref().subrows(rows.start - start, rows.len()), head),
            None => (x.submatrix(rows.start, columns.start, rows.len(), columns.len()), 0),
        };
        let axb = of_columns.axb.as_ref().subrows(rows.start - skipped, rows.len());
        let bxa = of_rows.axb.as_ref().subrows(columns.start - skipped, columns.len());
        for j in 0..columns.len() {
            for i in 0..rows.len() {
                tile[(i, j)] = 0.5 * (axa[(i, j)] * bxb[(i, j)] + axb[(i, j)] * bxa[(j, i)]);
            }
        }
    }

    /// The derivatives by the multipliers of the inputs.
    ///
    /// The coupling blocks of the inverse are `X P diag(1/lambda) / 2`, its own block is
    /// `diag(1/lambda) + diag(1/lambda) P^T X P diag(1/lambda) / 4`.
    fn input_derivatives(
        &self,
        z: &[f64],
        x: &Mat<f64>,
        gradient: &mut [f64],
        hessian: &mut Mat<f64>,
    ) -> OfInputs {
        let (head, count, m) = (self.reduced.head, self.reduced.neurons(), self.inputs());
        let (first, reached) = (self.reduced.first, self.tail.nrows());
        let half: Vec<f64> = self.lambda(z).iter().map(|l| 0.5 / l).collect();
        let q = product(1.0, x.as_ref().subcols(first, reached), self.tail.as_ref());
        let own = product(1.0, self.tail.transpose(), q.as_ref().subrows(first, reached));
        let mut forms = self.generators.transposed_times(q.as_ref(), 0, Side::Lower);
        let b = self.generators.transposed_times(q.as_ref(), 0, Side::Upper);
        zip!(&mut forms, &b).for_each(|unzip!(a, b)| *a *= b);
        let top = q.as_ref().subrows(0, head);
        let head: Vec<f64> = (0..m).map(|j| top.col(j).squared_norm_l2()).collect();
        let offset = 1 + count;
        for j in 0..m {
            let square = half[j] * half[j];
            gradient[offset + j] = 2.0 * half[j] + own[(j, j)] * square;
            hessian[(offset + j, 0)] = head[j] * square;
        }
        for k in 0..count {
            for j in 0..m {
                hessian[(offset + j, 1 + k)] = forms[(k, j)] * half[j] * half[j];
            }
        }
        for j in 0..m {
            for i in j..m {
                let diagonal = if i == j { 2.0 * half[j] } else { 0.0 };
                let entry = own[(i, j)] * half[i] * half[j] + diagonal;
                hessian[(offset + i, offset + j)] = entry * entry;
            }
        }
        OfInputs { own, forms, head }
    }
}

#[cfg(test)]
#[path = "barrier_tests.rs"]
mod tests;
