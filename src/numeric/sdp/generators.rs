//! The vectors `a_k = e_k - alpha_k g_k` and `b_k = e_k - beta_k g_k` of `M_k = sym(a_k b_k^T)`, a few at a time.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use std::ops::Range;

use faer::{Mat, MatRef, Par};
use rayon::prelude::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::banded::Banded;
use super::dense::{add_product, column_major, product};
use super::reduce::{Layer, Reduced};

/// Neurons of one layer that are worked on together, and columns that one task multiplies.
const PIECE: usize = 64;

/// Which of the two vectors of a neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// `a_k`, with the lower slope.
    Lower,
    /// `b_k`, with the upper slope.
    Upper,
}

/// Neighbouring neurons of one layer.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// The layer, as an index in the reduced chain.
    pub layer: usize,
    /// Their variables.
    pub variables: Range<usize>,
}

/// What is needed of one layer.
struct Maps {
    /// The first variable that the layer reads.
    first: usize,
    /// Its variables.
    own: Range<usize>,
    /// `g_k`, one row each.
    map: Mat<f64>,
    /// `alpha_k g_k`; none where all of them are zero.
    lower: Option<Mat<f64>>,
    /// `beta_k g_k`, likewise.
    upper: Option<Mat<f64>>,
}

/// The vectors of all neurons of a reduced chain.
pub(super) struct Generators {
    layers: Vec<Maps>,
    pieces: Vec<Piece>,
    /// The number of variables of `u`.
    head: usize,
}

impl Generators {
    pub fn new(reduced: &Reduced) -> Generators {
        let maps = |layer: &Layer| {
            let map = column_major(&layer.map.mid);
            let scaled = |slopes: &[f64]| {
                let scale = |i: usize, j: usize| slopes[i] * map[(i, j)];
                slopes
                    .iter()
                    .any(|&s| s != 0.0)
                    .then(|| Mat::from_fn(map.nrows(), map.ncols(), scale))
            };
            Maps {
                first: layer.first,
                own: layer.start..layer.end(),
                lower: scaled(&layer.alpha),
                upper: scaled(&layer.beta),
                map,
            }
        };
        let mut pieces = Vec::new();
        for (index, layer) in reduced.layers.iter().enumerate() {
            for start in (layer.start..layer.end()).step_by(PIECE) {
                let variables = start..(start + PIECE).min(layer.end());
                pieces.push(Piece { layer: index, variables });
            }
        }
        Generators { layers: reduced.layers.iter().map(maps).collect(), pieces, head: reduced.head }
    }

    /// All neurons in pieces, in the order of the variables.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether all lower slopes are zero, so that `a_k = e_k`.
    pub fn plain(&self) -> bool {
        self.layers.iter().all(|layer| layer.lower.is_none())
    }

    /// `x v` for the vectors `v` of a piece: the columns of the result. `x` has a column for each variable.
    pub fn times(&self, x: MatRef<'_, f64>, piece: &Piece, side: Side) -> Mat<f64> {
        let (layer, own) = (&self.layers[piece.layer], &piece.variables);
        let mut out = x.subcols(own.start, own.len()).to_owned();
        if let Some(map) = layer.scaled(side) {
            let rows = map.subrows(own.start - layer.own.start, own.len());
            let read = x.subcols(layer.first, rows.ncols());
            add_product(out.as_mut(), -1.0, read, rows.transpose(), Par::Seq);
        }
        out
    }

    /// `v^T y` for the vectors `v` of all neurons from a layer on: the rows of the result. `y` has a row for each
    /// variable.
    pub fn transposed_times(&self, y: MatRef<'_, f64>, from: usize, side: Side) -> Mat<f64> {
        let Some(start) = self.layers.get(from).map(|layer| layer.own.start) else {
            return Mat::zeros(0, y.ncols());
        };
        let mut out = y.subrows(start, y.nrows() - start).to_owned();
        out.par_col_chunks_mut(PIECE).enumerate().for_each(|(chunk, mut out)| {
            let y = y.subcols(chunk * PIECE, out.ncols());
            for layer in &self.layers[from..] {
                if let Some(map) = layer.scaled(side) {
                    let target = out.as_mut().subrows_mut(layer.own.start - start, layer.own.len());
                    add_product(target, -1.0, map, y.subrows(layer.first, map.ncols()), Par::Seq);
                }
            }
        });
        out
    }

    /// The inner products of `w a_k` and `w b_k` for all neurons. `w` has a column for each variable.
    pub fn forms(&self, w: MatRef<'_, f64>, out: &mut [f64]) {
        let of_piece = |piece: &Piece| -> Vec<f64> {
            let b = self.times(w, piece, Side::Upper);
            let a = self.times(w, piece, Side::Lower);
            (0..piece.variables.len()).map(|k| a.col(k).transpose() * b.col(k)).collect()
        };
        let forms: Vec<Vec<f64>> = self.pieces.par_iter().map(of_piece).collect();
        for (piece, values) in self.pieces.iter().zip(forms) {
            out[piece.variables.start - self.head..][..values.len()].copy_from_slice(&values);
        }
    }

    /// Adds `sum_k T_k M_k` over the neurons of one layer.
    pub fn add_layer(&self, total: &mut Banded, index: usize, layer: &Layer, t: &[f64]) {
        let maps = &self.layers[index];
        total.add_diagonal(layer.start, t.iter().copied());
        let weights = |f: fn(f64, f64) -> f64| -> Vec<f64> {
            let slopes = layer.alpha.iter().zip(&layer.beta);
            slopes.zip(t).map(|((&a, &b), &t)| t * f(a, b)).collect()
        };
        let half = weights(|a, b| -0.5 * (a + b));
        total.add_rows(layer.start, layer.first, &half, maps.map.as_ref());
        let products = weights(|a, b| a * b);
        if products.iter().any(|&p| p != 0.0) {
            let map = &maps.map;
            let weighted = Mat::from_fn(map.nrows(), map.ncols(), |i, j| products[i] * map[(i, j)]);
            let square = product(1.0, weighted.transpose(), map.as_ref());
            total.add(layer.first, layer.first, square.as_ref());
        }
    }
}

impl Maps {
    fn scaled(&self, side: Side) -> Option<MatRef<'_, f64>> {
        let map = if side == Side::Lower { &self.lower } else { &self.upper };
        map.as_ref().map(Mat::as_ref)
    }
}
