//! A matrix as the bounds use it: dense or sparse, shared, with the grid of its entries.

mod blocks;
mod multiply;
mod norms;
mod rows;
mod sums;

use std::sync::Arc;

use ndarray::{ArcArray2, Array2, ArrayView2, Axis};

use super::conv_norm::assembled::Assembled;
use super::conv_norm::fields::ConvolutionMatrix;
use super::conv_norm::{Convolution, Part};
use super::grid::Grid;
use super::rounding::scale;
use super::sparse::Csr;
use blocks::Blocks;

/// A real matrix with `f64` entries; copies and transposes share their entries.
#[derive(Debug, Clone)]
pub struct Matrix {
    entries: Entries,
    grid: Grid,
    /// The blocks that are known to be convolutions or transposes of such (of sparse matrices only).
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Entries {
    Dense(ArcArray2<f64>),
    /// The matrix and its transpose, so that both directions run along rows.
    Sparse(Arc<Csr>, Arc<Csr>),
    /// Convolutions that are too large to be written out.
    Blocks(Arc<Blocks>),
}

/// The number of entries above which the matrix of a convolution is not written out: 100 MB.
const LARGEST_WRITTEN: usize = 1 << 22;

impl Matrix {
    /// A dense matrix.
    pub fn dense(entries: Array2<f64>) -> Matrix {
        Matrix::shared(entries.into_shared())
    }

    /// A dense matrix whose entries are shared.
    pub fn shared(entries: ArcArray2<f64>) -> Matrix {
        let grid = Grid::of_matrix(entries.view());
        Matrix { entries: Entries::Dense(entries), grid, parts: Vec::new() }
    }

    /// A sparse matrix.
    pub fn sparse(entries: Csr) -> Matrix {
        let grid = Grid::of(entries.values());
        let transposed = entries.transposed();
        let entries = Entries::Sparse(Arc::new(entries), Arc::new(transposed));
        Matrix { entries, grid, parts: Vec::new() }
    }

    /// The matrix of a convolution, written out where it is not too large. Its spectral norm can be
    /// bounded by means of the kernel: transposition, scaling by a power of two, stacking and products
    /// with matrices that only scale channels and move rows or columns keep this; nothing else does.
    pub fn convolution(convolution: Convolution) -> Matrix {
        if convolution.matrix_entries() > LARGEST_WRITTEN {
            return Matrix::blocks(Blocks::convolution(convolution));
        }
        let matrix = Matrix::sparse(convolution.to_sparse());
        let part = Part::whole(matrix.rows(), matrix.columns(), convolution);
        debug_assert!(matrix.has_part(&part));
        Matrix { parts: vec![part], ..matrix }
    }

    fn blocks(blocks: Blocks) -> Matrix {
        let grid = blocks.grid();
        Matrix { entries: Entries::Blocks(Arc::new(blocks)), grid, parts: Vec::new() }
    }

    /// Whether the part equals its block of this matrix, bit for bit.
    fn has_part(&self, part: &Part) -> bool {
        match &self.entries {
            Entries::Dense(_) | Entries::Blocks(_) => false,
            Entries::Sparse(a, t) => part.is_in(a, t),
        }
    }

    /// The matrix multiplied by `2^e` with rounding to nearest (exact unless an entry becomes
    /// subnormal or overflows); in place where the entries are not shared.
    pub fn scaled_by_power(self, e: i32) -> Matrix {
        let scale = |x: f64| scale(x, e);
        // Whether no entry is rounded; the smallest normal number may be a rounded one.
        let max = self.grid.max;
        let exact =
            max == 0.0 || scale(self.grid.min) > f64::MIN_POSITIVE && scale(max).is_finite();
        let known = exact.then(|| self.grid.scaled_by_power(e));
        let mut scaled = match self.entries {
            Entries::Sparse(mut a, mut t) => {
                for part in [Arc::make_mut(&mut a), Arc::make_mut(&mut t)] {
                    part.values_mut().iter_mut().for_each(|x| *x = scale(*x));
                }
                let grid = known.unwrap_or_else(|| Grid::of(a.values()));
                Matrix { entries: Entries::Sparse(a, t), grid, parts: Vec::new() }
            }
            Entries::Dense(a) => {
                let a = a.mapv_into(scale);
                let grid = known.unwrap_or_else(|| Grid::of_matrix(a.view()));
                Matrix { entries: Entries::Dense(a), grid, parts: Vec::new() }
            }
            Entries::Blocks(blocks) => Matrix::blocks(blocks.map(&scale)),
        };
        // Otherwise the matrix is no longer that of the kernels.
        if exact {
            scaled.parts = self.parts.iter().map(|p| p.scaled_by_power(e)).collect();
        }
        scaled
    }

    /// The `n x n` identity.
    pub fn identity(n: usize) -> Matrix {
        Matrix::sparse(Csr::identity(n))
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        match &self.entries {
            Entries::Dense(a) => a.nrows(),
            Entries::Sparse(a, _) => a.rows(),
            Entries::Blocks(blocks) => blocks.rows,
        }
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        match &self.entries {
            Entries::Dense(a) => a.ncols(),
            Entries::Sparse(a, _) => a.columns(),
            Entries::Blocks(blocks) => blocks.columns,
        }
    }

    /// The largest absolute value of an entry and the common factor of all of them.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The number of bytes that the entries take, written out.
    pub fn bytes(&self) -> usize {
        match &self.entries {
            Entries::Dense(a) => 8 * a.len(),
            Entries::Sparse(..) | Entries::Blocks(_) => 24 * self.stored_entries(),
        }
    }

    /// The number of bytes that the entries take as they are held now: convolutions that are too large to be
    /// written out take the bytes of their kernels.
    pub fn held_bytes(&self) -> usize {
        match &self.entries {
            Entries::Dense(_) | Entries::Sparse(..) => self.bytes(),
            Entries::Blocks(blocks) => blocks.held_bytes(),
        }
    }

    /// The number of stored entries (all of them for a dense matrix).
    pub fn stored_entries(&self) -> usize {
        match &self.entries {
            Entries::Dense(a) => a.len(),
            Entries::Sparse(a, _) => a.entries(),
            Entries::Blocks(blocks) => blocks.count(),
        }
    }

    /// The transpose; the entries are shared.
    pub fn transposed(&self) -> Matrix {
        let entries = match &self.entries {
            Entries::Dense(a) => Entries::Dense(a.clone().reversed_axes()),
            Entries::Sparse(a, t) => Entries::Sparse(t.clone(), a.clone()),
            Entries::Blocks(blocks) => Entries::Blocks(Arc::new(blocks.transposed())),
        };
        let parts = self.parts.iter().cloned().map(Part::transposed).collect();
        Matrix { entries, grid: self.grid, parts }
    }

    /// The matrix in dense form.
    pub fn to_dense(&self) -> Array2<f64> {
        match &self.entries {
            Entries::Dense(a) => a.to_owned(),
            Entries::Sparse(a, _) => a.to_dense(),
            Entries::Blocks(blocks) => blocks.written().0.to_dense(),
        }
    }

    /// The entries, if they are held in dense form.
    pub fn as_dense(&self) -> Option<ArrayView2<'_, f64>> {
        match &self.entries {
            Entries::Dense(a) => Some(a.view()),
            Entries::Sparse(..) | Entries::Blocks(_) => None,
        }
    }

    /// The entries in sparse form, unless they are held in dense form; what was too large to be written
    /// out is written out here.
    pub fn as_sparse(&self) -> Option<&Csr> {
        self.sparse_pair().map(|(a, _)| &**a)
    }

    /// [`Matrix::as_sparse`] with the transpose.
    fn sparse_pair(&self) -> Option<(&Arc<Csr>, &Arc<Csr>)> {
        match &self.entries {
            Entries::Dense(_) => None,
            Entries::Sparse(a, t) => Some((a, t)),
            Entries::Blocks(blocks) => {
                let (a, t) = blocks.written();
                Some((a, t))
            }
        }
    }

    /// The convolution whose matrix this is, or the transpose of whose matrix, where it is known to be one.
    pub fn as_convolution(&self) -> Option<ConvolutionMatrix> {
        match &self.entries {
            Entries::Dense(_) => None,
            Entries::Sparse(a, t) => {
                let whole = |p: &&Part| p.covers(&(0..a.rows()), &(0..a.columns()));
                let known = self.parts.iter().find(whole).map(Part::matrix);
                known.or_else(|| self.assembled(a, t))
            }
            Entries::Blocks(blocks) => blocks.as_convolution(),
        }
    }

    /// [`Matrix::as_convolution`] where it is too large to be written out.
    pub fn as_large_convolution(&self) -> Option<ConvolutionMatrix> {
        let Entries::Blocks(blocks) = &self.entries else { return None };
        blocks.as_convolution()
    }

    /// The convolution that a part and what lies beside it make up, see [`Assembled`].
    fn assembled(&self, a: &Csr, t: &Csr) -> Option<ConvolutionMatrix> {
        let largest = self.parts.iter().map(Part::matrix).max_by_key(|m| m.convolution.taps())?;
        let matrix = if largest.transposed { t } else { a };
        let shape = (matrix.rows(), matrix.columns());
        let mut whole = Assembled::new(shape, *largest.convolution.axes())?;
        whole.add_sparse((0, 0), matrix)?;
        Some(ConvolutionMatrix { convolution: whole.convolution()?, ..largest })
    }

    /// The entry in row `i` and column `j`.
    pub fn get(&self, i: usize, j: usize) -> f64 {
        match &self.entries {
            Entries::Dense(a) => a[[i, j]],
            Entries::Sparse(..) | Entries::Blocks(_) => {
                let row = self.as_sparse().map(|a| a.row(i));
                row.and_then(|mut row| row.find(|&(k, _)| k == j)).map_or(0.0, |(_, v)| v)
            }
        }
    }

    /// The matrix with every entry mapped by `f(row, value)`, which must map 0 to 0.
    pub fn map(&self, f: impl Fn(usize, f64) -> f64) -> Matrix {
        match &self.entries {
            Entries::Dense(a) => {
                let mut out = a.to_owned();
                if out.t().is_standard_layout() {
                    // Column-major: go along the columns, as they lie in memory.
                    for mut column in out.axis_iter_mut(Axis(1)) {
                        column.indexed_iter_mut().for_each(|(i, value)| *value = f(i, *value));
                    }
                } else {
                    for (i, mut row) in out.axis_iter_mut(Axis(0)).enumerate() {
                        row.mapv_inplace(|value| f(i, value));
                    }
                }
                Matrix::dense(out)
            }
            Entries::Sparse(a, _) => Matrix::sparse(a.map(f)),
            Entries::Blocks(blocks) => Matrix::sparse(blocks.written().0.map(f)),
        }
    }

    /// The matrix with every entry mapped by `f`, which must map 0 to 0.
    pub fn map_entries(&self, f: impl Fn(f64) -> f64) -> Matrix {
        match &self.entries {
            Entries::Blocks(blocks) => Matrix::blocks(blocks.map(&f)),
            _ => self.map(|_, value| f(value)),
        }
    }

    /// The matrix of absolute values.
    pub fn abs(&self) -> Matrix {
        self.map_entries(f64::abs)
    }

    /// The matrices on top of each other; sparse if all of them are.
    pub fn stacked(parts: &[&Matrix]) -> Matrix {
        let columns = parts.first().map_or(0, |m| m.columns());
        if parts.iter().any(|m| matches!(m.entries, Entries::Blocks(_))) {
            let each = |m: &&Matrix| match &m.entries {
                Entries::Dense(_) => None,
                Entries::Sparse(a, _) => Some(blocks::Part::Sparse(a.clone())),
                Entries::Blocks(blocks) => Some(blocks::Part::Blocks(blocks.clone())),
            };
            let each: Option<Vec<blocks::Part>> = parts.iter().map(each).collect();
            if let Some(each) = each {
                return Matrix::blocks(Blocks::stacked(columns, each));
            }
        }
        let sparse: Option<Vec<&Csr>> = parts.iter().map(|m| m.as_sparse()).collect();
        if let Some(sparse) = sparse {
            let rows: Vec<(&Csr, usize)> =
                sparse.iter().flat_map(|&a| (0..a.rows()).map(move |i| (a, i))).collect();
            let stacked = Matrix::sparse(Csr::from_rows(rows.len(), columns, |i, push| {
                let (part, row) = rows[i];
                part.row(row).for_each(|(j, value)| push(j, value));
            }));
            return Matrix { parts: stacked_parts(parts), ..stacked };
        }
        let total = parts.iter().map(|m| m.rows()).sum();
        let mut out = Array2::zeros((total, columns));
        let mut start = 0;
        for part in parts {
            let end = start + part.rows();
            out.slice_mut(ndarray::s![start..end, ..]).assign(&part.to_dense());
            start = end;
        }
        Matrix::dense(out)
    }

    /// Whether this is the identity.
    pub fn is_identity(&self) -> bool {
        match &self.entries {
            Entries::Dense(_) | Entries::Blocks(_) => false,
            Entries::Sparse(a, _) => {
                a.rows() == a.columns() && (0..a.rows()).all(|i| a.row(i).eq([(i, 1.0)]))
            }
        }
    }
}

/// The blocks of stacked matrices that are convolutions.
fn stacked_parts(matrices: &[&Matrix]) -> Vec<Part> {
    let mut start = 0;
    let mut parts = Vec::new();
    for matrix in matrices {
        parts.extend(matrix.parts.iter().map(|p| p.moved_down(start)));
        start += matrix.rows();
    }
    parts
}

#[cfg(test)]
#[path = "matrix/matrix_tests.rs"]
mod tests;
