//! Symmetric matrices in the pattern of a chain: each block of variables is coupled with few before it.
//!
//! A neuron is coupled with the layer that it reads (and, through fixed neurons, with layers before that), so the
//! matrix of the relaxation is block tridiagonal where no neuron is fixed. A Cholesky factor has its zeros where
//! the matrix has those before the first entry of a row (its envelope: George and Liu, "Computer solution of
//! large sparse positive definite systems", 1981, section 4), so only those blocks exist.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use std::ops::Range;
use std::sync::Arc;

use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_matmul};
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::{IndexedParallelIterator, ParallelIterator};

use super::dense::{COLUMNS, add_product, cholesky, mirror, par};
use super::reduce::{Layer, Reduced};

/// Layers that are narrower share a block with their neighbours: products of small blocks are slow.
const LEAST_BLOCK: usize = 48;

/// The blocks of variables.
#[derive(Debug)]
pub(super) struct Blocks {
    /// Where each block starts, and the number of variables.
    starts: Vec<usize>,
    /// The first block with which each one is coupled, at most itself.
    first: Vec<usize>,
}

impl Blocks {
    /// The blocks of a reduced chain.
    pub fn new(reduced: &Reduced) -> Blocks {
        let mut starts = vec![0];
        let mut start = 0;
        for end in std::iter::once(reduced.head).chain(reduced.layers.iter().map(Layer::end)) {
            if end - start >= LEAST_BLOCK || end == reduced.size {
                starts.push(end);
                start = end;
            }
        }
        let mut blocks = Blocks { first: (0..starts.len() - 1).collect(), starts };
        for layer in &reduced.layers {
            blocks.couple(layer.first..layer.end());
        }
        blocks.couple(reduced.first..reduced.size);
        blocks
    }

    /// Makes room for entries between all variables of a range.
    fn couple(&mut self, range: Range<usize>) {
        let low = self.holding(range.start);
        for b in low..=self.holding(range.end - 1) {
            self.first[b] = self.first[b].min(low);
        }
    }

    /// The block that holds a variable.
    fn holding(&self, variable: usize) -> usize {
        self.starts.partition_point(|&start| start <= variable) - 1
    }

    /// The variables of a block.
    fn range(&self, block: usize) -> Range<usize> {
        self.starts[block]..self.starts[block + 1]
    }

    /// The first variable with which a block is coupled.
    fn left(&self, block: usize) -> usize {
        self.starts[self.first[block]]
    }

    fn count(&self) -> usize {
        self.first.len()
    }

    /// The number of variables.
    fn size(&self) -> usize {
        self.starts[self.count()]
    }
}

/// A symmetric matrix; its lower half is stored.
pub(super) struct Banded {
    blocks: Arc<Blocks>,
    /// The rows of each block, from the first variable with which it is coupled to its own end. What is above the
    /// diagonal is not read.
    rows: Vec<Mat<f64>>,
}

impl Banded {
    pub fn zeros(blocks: &Arc<Blocks>) -> Banded {
        let rows = |b| {
            let range = blocks.range(b);
            Mat::zeros(range.len(), range.end - blocks.left(b))
        };
        Banded { rows: (0..blocks.count()).map(rows).collect(), blocks: Arc::clone(blocks) }
    }

    /// An entry of the lower half, within the blocks.
    fn entry(&mut self, i: usize, j: usize) -> &mut f64 {
        let b = self.blocks.holding(i);
        let (row, column) = (i - self.blocks.starts[b], j - self.blocks.left(b));
        &mut self.rows[b][(row, column)]
    }

    /// Adds to entries of the diagonal, from `start` on.
    pub fn add_diagonal(&mut self, start: usize, values: impl IntoIterator<Item = f64>) {
        for (i, value) in values.into_iter().enumerate() {
            *self.entry(start + i, start + i) += value;
        }
    }

    /// Multiplies the diagonal by a number.
    pub fn scale_diagonal(&mut self, factor: f64) {
        for i in 0..self.blocks.size() {
            *self.entry(i, i) *= factor;
        }
    }

    /// Adds `a` with its first entry at `(row, column)`, as far as that is in the lower half.
    pub fn add(&mut self, row: usize, column: usize, a: MatRef<'_, f64>) {
        self.add_entries(row, column, a, |_, x| x);
    }

    /// The same, with each row of `a` times a number.
    pub fn add_rows(&mut self, row: usize, column: usize, factors: &[f64], a: MatRef<'_, f64>) {
        self.add_entries(row, column, a, |i, x| factors[i] * x);
    }

    fn add_entries(
        &mut self,
        row: usize,
        column: usize,
        a: MatRef<'_, f64>,
        value: impl Fn(usize, f64) -> f64,
    ) {
        let (end, right) = (row + a.nrows(), column + a.ncols());
        for b in self.blocks.holding(row)..self.blocks.count() {
            let range = self.blocks.range(b);
            let (top, bottom) = (range.start.max(row), range.end.min(end));
            if top >= bottom {
                break;
            }
            let columns = column..right.min(range.end);
            let left = self.blocks.left(b);
            for j in columns {
                for i in top..bottom {
                    let entry = value(i - row, a[(i - row, j - column)]);
                    self.rows[b][(i - range.start, j - left)] += entry;
                }
            }
        }
    }

    /// The square block of some variables of one block, and what is left of it in their rows. The upper half of the
    /// square is not to be read.
    pub fn parts(&self, variables: Range<usize>) -> (usize, MatRef<'_, f64>, MatRef<'_, f64>) {
        let b = self.blocks.holding(variables.start);
        let left = self.blocks.left(b);
        let rows =
            self.rows[b].as_ref().subrows(variables.start - self.blocks.starts[b], variables.len());
        let square = rows.subcols(variables.start - left, variables.len());
        (left, square, rows.subcols(0, variables.start - left))
    }

    /// Uncouples the first `count` variables and puts ones on their diagonal; returns what was there and their
    /// columns, with zeros in their own rows.
    pub fn split_off(&mut self, count: usize) -> (Vec<f64>, Mat<f64>) {
        let blocks = Arc::clone(&self.blocks);
        let mut columns = Mat::zeros(blocks.size(), count);
        let mut diagonal = Vec::with_capacity(count);
        for b in 0..blocks.count() {
            for i in blocks.range(b) {
                for j in blocks.left(b)..count.min(i + 1) {
                    let entry = std::mem::take(self.entry(i, j));
                    if i == j {
                        diagonal.push(entry);
                        *self.entry(i, i) = 1.0;
                    } else if i >= count {
                        columns[(i, j)] = entry;
                    }
                }
            }
        }
        (diagonal, columns)
    }

    /// The product with a matrix that has a row for each variable.
    pub fn times(mut self, x: MatRef<'_, f64>) -> Mat<f64> {
        for (b, rows) in self.rows.iter_mut().enumerate() {
            let range = self.blocks.range(b);
            mirror(rows.as_mut().subcols_mut(range.start - self.blocks.left(b), range.len()));
        }
        let mut out = Mat::zeros(x.nrows(), x.ncols());
        out.par_col_chunks_mut(COLUMNS).enumerate().for_each(|(chunk, mut out)| {
            let x = x.subcols(chunk * COLUMNS, out.ncols());
            for (b, rows) in self.rows.iter().enumerate() {
                let (left, range) = (self.blocks.left(b), self.blocks.range(b));
                let reached = range.end - left;
                let own = out.as_mut().subrows_mut(range.start, range.len());
                add_product(own, 1.0, rows.as_ref(), x.subrows(left, reached), Par::Seq);
                if left < range.start {
                    let before = range.start - left;
                    let coupling = rows.as_ref().subcols(0, before).transpose();
                    let above = out.as_mut().subrows_mut(left, before);
                    let own = x.subrows(range.start, range.len());
                    add_product(above, 1.0, coupling, own, Par::Seq);
                }
            }
        });
        out
    }

    /// The Cholesky factor; `None` where the matrix is not positive definite.
    pub fn factor(mut self) -> Option<BandedFactor> {
        let blocks = Arc::clone(&self.blocks);
        for b in 0..blocks.count() {
            let (done, rest) = self.rows.split_at_mut(b);
            let (left, range) = (blocks.left(b), blocks.range(b));
            let (mut off, mut own) = rest[0].as_mut().split_at_col_mut(range.start - left);
            for (c, above) in done.iter().enumerate().skip(blocks.first[b]) {
                let (other, columns) = (blocks.left(c), blocks.range(c));
                let from = left.max(other);
                let (known, unknown) = off.as_mut().split_at_col_mut(columns.start - left);
                let mut target = unknown.subcols_mut(0, columns.len());
                let above = above.as_ref();
                let shared = columns.start - from;
                let par = par(range.len() * columns.len() * columns.len());
                if shared > 0 {
                    let known = known.as_ref().subcols(from - left, shared);
                    let above = above.subcols(from - other, shared).transpose();
                    add_product(target.as_mut(), -1.0, known, above, par);
                }
                let triangle = above.subcols(columns.start - other, columns.len());
                solve_lower_triangular_in_place(triangle, target.transpose_mut(), par);
            }
            let off = off.as_ref();
            if off.ncols() > 0 {
                triangular_matmul(
                    own.as_mut(),
                    BlockStructure::TriangularLower,
                    Accum::Add,
                    off,
                    BlockStructure::Rectangular,
                    off.transpose(),
                    BlockStructure::Rectangular,
                    -1.0,
                    par(range.len() * range.len() * off.ncols()),
                );
            }
            cholesky(own)?;
        }
        Some(BandedFactor { blocks, rows: self.rows })
    }
}

/// The Cholesky factor `L` of a [`Banded`] matrix `L L^T`.
pub(super) struct BandedFactor {
    blocks: Arc<Blocks>,
    /// As in [`Banded`].
    rows: Vec<Mat<f64>>,
}

/// The rows of the factor that belong to one block, from a variable on.
struct Piece<'a> {
    /// The variables of the rows.
    range: Range<usize>,
    /// The first variable before them with which they are coupled.
    left: usize,
    off: MatRef<'a, f64>,
    triangle: MatRef<'a, f64>,
}

impl BandedFactor {
    /// The block rows from the variable `from` on, without what is before it.
    fn piece(&self, block: usize, from: usize) -> Piece<'_> {
        let (all, begin) = (self.blocks.range(block), self.blocks.left(block));
        let range = all.start.max(from)..all.end;
        let left = begin.max(from).min(range.start);
        let rows = self.rows[block].as_ref().subrows(range.start - all.start, range.len());
        Piece {
            off: rows.subcols(left - begin, range.start - left),
            triangle: rows.subcols(range.start - begin, range.len()),
            range,
            left,
        }
    }

    /// `L^-1 x` in place, for an `x` that is zero before the variable `from`.
    fn forward(&self, mut x: MatMut<'_, f64>, from: usize) {
        for b in self.blocks.holding(from)..self.blocks.count() {
            let piece = self.piece(b, from);
            let (above, below) = x.as_mut().split_at_row_mut(piece.range.start);
            let mut own = below.subrows_mut(0, piece.range.len());
            let above = above.as_ref().subrows(piece.left, piece.range.start - piece.left);
            add_product(own.as_mut(), -1.0, piece.off, above, Par::Seq);
            solve_lower_triangular_in_place(piece.triangle, own, Par::Seq);
        }
    }

    /// The rows from `from` on of `L^-T x`, in place.
    fn backward(&self, mut x: MatMut<'_, f64>, from: usize) {
        for b in (self.blocks.holding(from)..self.blocks.count()).rev() {
            let piece = self.piece(b, from);
            let (above, below) = x.as_mut().split_at_row_mut(piece.range.start);
            let mut own = below.subrows_mut(0, piece.range.len());
            solve_upper_triangular_in_place(piece.triangle.transpose(), own.as_mut(), Par::Seq);
            let above = above.subrows_mut(piece.left, piece.range.start - piece.left);
            add_product(above, -1.0, piece.off.transpose(), own.as_ref(), Par::Seq);
        }
    }

    /// `L^-1 x` in place, for many columns.
    pub fn forward_columns(&self, x: &mut Mat<f64>) {
        x.par_col_chunks_mut(COLUMNS).for_each(|x| self.forward(x, 0));
    }

    /// `L^-1 x` for an `x` of which the rows from the variable `from` on are given; the others are zero.
    pub fn forward_from(&self, from: usize, rows: MatRef<'_, f64>) -> Mat<f64> {
        let mut x = Mat::zeros(self.blocks.size(), rows.ncols());
        x.as_mut().subrows_mut(from, rows.nrows()).copy_from(rows);
        x.par_col_chunks_mut(COLUMNS).for_each(|x| self.forward(x, from));
        x
    }

    /// The inverse of the matrix, both halves.
    pub fn inverse(&self) -> Mat<f64> {
        let n = self.blocks.size();
        let mut inverse = Mat::<f64>::zeros(n, n);
        inverse.par_col_chunks_mut(COLUMNS).enumerate().for_each(|(chunk, mut x)| {
            let start = chunk * COLUMNS;
            for j in 0..x.ncols() {
                x[(start + j, j)] = 1.0;
            }
            self.forward(x.as_mut(), start);
            self.backward(x, start);
        });
        mirror(inverse.as_mut());
        inverse
    }

    /// The sum of the first `count` entries on the diagonal of the inverse.
    pub fn trace_of_inverse(&self, count: usize) -> f64 {
        let unit = Mat::<f64>::identity(count, count);
        self.forward_from(0, unit.as_ref()).squared_norm_l2()
    }

    /// The logarithm of the determinant of the matrix.
    pub fn log_determinant(&self) -> f64 {
        let of_block = |b: usize| {
            let triangle = self.piece(b, 0).triangle;
            (0..triangle.nrows()).map(|i| triangle[(i, i)].ln()).sum::<f64>()
        };
        2.0 * (0..self.blocks.count()).map(of_block).sum::<f64>()
    }
}
