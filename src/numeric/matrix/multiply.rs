//! Products of dense and sparse matrices, with the errors of their rounding.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::{Entries, Matrix};
use crate::numeric::conv_norm::Part;
use crate::numeric::grid::Grid;
use crate::numeric::product::{self, DotError};
use crate::numeric::rounding::upper;
use crate::numeric::sparse::Csr;

/// Above this share of stored entries a product of sparse matrices becomes dense.
const DENSE_SHARE: f64 = 0.25;

/// Columns of a block that a sparse matrix is applied to at once: rows of that length stay in the cache.
const PANEL: usize = 256;

impl Matrix {
    /// The number of terms of a dot product with a row.
    pub fn terms(&self) -> usize {
        match &self.entries {
            Entries::Dense(a) => a.ncols(),
            Entries::Sparse(a, _) => a.longest_row(),
            Entries::Blocks(blocks) => blocks.longest_row(),
        }
    }

    /// The error of dot products of rows of this matrix with numbers on the grid `other`.
    pub fn dot_error(&self, other: Grid) -> DotError {
        DotError::new(self.grid, other, self.terms())
    }

    /// `self * other` with rounding to nearest; the error is that of [`Matrix::dot_error`].
    pub fn multiply(&self, other: &Matrix) -> Matrix {
        debug_assert_eq!(self.columns(), other.rows());
        match (&self.entries, &other.entries) {
            (Entries::Dense(a), Entries::Dense(b)) => {
                Matrix::dense(product::multiply(a.view(), b.view()))
            }
            (Entries::Sparse(a, _), Entries::Dense(b)) => {
                Matrix::dense(sparse_apply(a, b.view(), |v| v))
            }
            (Entries::Dense(a), Entries::Sparse(_, b)) => {
                // (A B)^T = B^T A^T: the same sums of products.
                Matrix::dense(sparse_apply(b, a.t(), |v| v).reversed_axes())
            }
            (Entries::Sparse(a, _), Entries::Sparse(b, _)) => {
                let product = sparse_product(a, b, |x| x);
                Matrix { parts: product_parts(self, other, &product), ..product }
            }
            (Entries::Blocks(a), Entries::Dense(b)) => {
                Matrix::dense(a.apply(b.view(), &|v| v, Vec::new()))
            }
            (Entries::Dense(a), Entries::Blocks(b)) => {
                Matrix::dense(b.transposed().apply(a.t(), &|v| v, Vec::new()).reversed_axes())
            }
            (Entries::Sparse(a, _), Entries::Blocks(b)) => match b.selected_by(a) {
                Some(product) => Matrix::blocks(product),
                None => sparse_product(a, &b.written().0, |x| x),
            },
            (Entries::Blocks(a), Entries::Sparse(b, b_transposed)) => {
                // (A B)^T = B^T A^T.
                match a.transposed().selected_by(b_transposed) {
                    Some(product) => Matrix::blocks(product.transposed()),
                    None => sparse_product(&a.written().0, b, |x| x),
                }
            }
            (Entries::Blocks(a), Entries::Blocks(b)) => {
                sparse_product(&a.written().0, &b.written().0, |x| x)
            }
        }
    }

    /// Whether `self * other` is computed without any rounding error.
    pub fn multiplies_exactly(&self, other: &Matrix) -> bool {
        self.is_signed_selection()
            || other.transposed().is_signed_selection()
            || self.dot_error(other.grid) == DotError::NONE
    }

    /// Whether every row holds at most one entry and every entry is 1 or -1, so that products with
    /// it from the left only pick rows.
    pub fn is_signed_selection(&self) -> bool {
        match &self.entries {
            Entries::Dense(_) | Entries::Blocks(_) => false,
            Entries::Sparse(a, _) => {
                a.longest_row() <= 1 && a.values().iter().all(|x| x.abs() == 1.0)
            }
        }
    }

    /// An upper bound of `self * other` for nonnegative matrices; structural zeros stay zero.
    pub fn nonnegative_multiply_up(&self, other: &Matrix) -> Matrix {
        if self.multiplies_exactly(other) {
            return self.multiply(other);
        }
        let error = self.dot_error(other.grid);
        let product = self.multiply(other);
        // A sparse product leaves out what underflowed to zero, so there it is raised before.
        if let Entries::Sparse(..) = product.entries
            && !self.grid.never_underflows(other.grid)
            && let (Some(a), Some(b)) = (self.as_sparse(), other.as_sparse())
        {
            return sparse_product(a, b, |x| error.raise(x));
        }
        product.map_entries(|x| error.raise(x))
    }

    /// `self * x` for a dense block of columns, with rounding to nearest.
    pub fn apply(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        self.apply_in(x, Vec::new())
    }

    /// [`Matrix::apply`], with memory that is not used any more for the result of a large convolution.
    pub fn apply_in(&self, x: ArrayView2<'_, f64>, memory: Vec<f64>) -> Array2<f64> {
        match &self.entries {
            Entries::Dense(a) => product::multiply(a.view(), x),
            Entries::Sparse(a, _) => sparse_apply(a, x, |v| v),
            Entries::Blocks(blocks) => blocks.apply(x, &|v| v, memory),
        }
    }

    /// The same matrix, written out where too few of its entries are structural zeros for a sparse matrix to
    /// be faster.
    #[expect(clippy::float_arithmetic, reason = "an estimate of work")]
    pub fn dense_if_full(self) -> Matrix {
        match &self.entries {
            Entries::Sparse(a, _)
                if a.entries() as f64 > DENSE_SHARE * (a.rows() * a.columns()) as f64 =>
            {
                Matrix::dense(a.to_dense())
            }
            _ => self,
        }
    }

    /// An upper bound of `|self| x` for a block of nonnegative columns.
    pub fn abs_apply_up(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        match &self.entries {
            Entries::Dense(a) => product::abs_apply_up(a.view(), self.grid, x),
            Entries::Sparse(a, _) => self.raised(sparse_apply(a, x, f64::abs), x),
            Entries::Blocks(blocks) => self.raised(blocks.apply(x, &f64::abs, Vec::new()), x),
        }
    }

    /// An upper bound of the nonnegative product `|self| x` that was computed as `y`.
    fn raised(&self, mut y: Array2<f64>, x: ArrayView2<'_, f64>) -> Array2<f64> {
        let error = self.dot_error(Grid::of_matrix(x));
        y.par_mapv_inplace(|value| error.raise(value));
        y
    }
}

/// `f(a) x` with `f` applied to each entry of `a`, with rounding to nearest.
#[expect(
    clippy::float_arithmetic,
    reason = "dot products to nearest, whose error `dot_error` bounds"
)]
pub(super) fn sparse_apply(
    a: &Csr,
    x: ArrayView2<'_, f64>,
    f: impl Fn(f64) -> f64 + Sync + Copy,
) -> Array2<f64> {
    let k = x.ncols();
    let mut y = Array2::zeros((a.rows(), k));
    if k > PANEL {
        let panels = x.axis_chunks_iter(Axis(1), PANEL);
        for (x, mut y) in panels.zip(y.axis_chunks_iter_mut(Axis(1), PANEL)) {
            y.assign(&sparse_apply(a, x, f));
        }
        return y;
    }
    let x = x.as_standard_layout();
    let row = |i: usize, mut out: ndarray::ArrayViewMut2<'_, f64>| {
        for (r, mut out) in out.outer_iter_mut().enumerate() {
            for (j, value) in a.row(i + r) {
                let value = f(value);
                if k == 1 {
                    out[0] += value * x[[j, 0]];
                } else {
                    out.scaled_add(value, &x.row(j));
                }
            }
        }
    };
    let block = (1 << 14) / k.max(1) + 1;
    y.axis_chunks_iter_mut(Axis(0), block)
        .into_par_iter()
        .enumerate()
        .for_each(|(b, out)| row(b * block, out));
    #[cfg(test)]
    spoiled::apply(&mut y, a, x.view());
    y.mapv_inplace(upper);
    y
}

/// The blocks of `product = a b` that are convolutions because one of a factor is: those that are
/// proposed and turn out to be equal, one for each place.
fn product_parts(a: &Matrix, b: &Matrix, product: &Matrix) -> Vec<Part> {
    let mut found: Vec<Part> = Vec::new();
    let (Entries::Sparse(outer, outer_t), Entries::Sparse(inner, inner_t)) =
        (&a.entries, &b.entries)
    else {
        return found;
    };
    let from_inner = b.parts.iter().flat_map(|p| p.after(outer, outer_t));
    // (A B)^T = B^T A^T.
    let from_outer = a
        .parts
        .iter()
        .cloned()
        .flat_map(|p| p.transposed().after(inner_t, inner).into_iter().map(Part::transposed));
    for part in from_inner.chain(from_outer) {
        let known = found.iter().any(|p| p.covers(&part.rows, &part.columns));
        if !known && product.has_part(&part) {
            found.push(part);
        }
    }
    found
}

/// The product of two sparse matrices (Gustavson's algorithm), dense where it fills up, with `f` applied to
/// each entry that is not structurally zero.
#[expect(
    clippy::float_arithmetic,
    reason = "dot products to nearest, whose error `dot_error` bounds"
)]
fn sparse_product(a: &Csr, b: &Csr, f: impl Fn(f64) -> f64 + Sync) -> Matrix {
    let columns = b.columns();
    let rows: Vec<Vec<(usize, f64)>> = (0..a.rows())
        .into_par_iter()
        .with_min_len(32)
        .map_init(
            || (vec![0.0; columns], vec![false; columns], Vec::new()),
            |(sums, seen, touched), i| {
                for (k, x) in a.row(i) {
                    for (j, y) in b.row(k) {
                        if !seen[j] {
                            seen[j] = true;
                            touched.push(j);
                        }
                        sums[j] += x * y;
                    }
                }
                touched.sort_unstable();
                #[cfg(test)]
                for &j in touched.iter() {
                    sums[j] = spoiled::entry(sums[j], a, b, (i, j));
                }
                let row = touched.iter().map(|&j| (j, f(sums[j]))).collect();
                for &j in touched.iter() {
                    sums[j] = 0.0;
                    seen[j] = false;
                }
                touched.clear();
                row
            },
        )
        .collect();
    let csr = Csr::from_rows(a.rows(), columns, |i, push| {
        rows[i].iter().for_each(|&(j, value)| push(j, value));
    });
    Matrix::sparse(csr).dense_if_full()
}

/// Sums of products with nearly the largest error that they may have, where tests ask for that.
#[cfg(test)]
mod spoiled {
    use super::{Array2, ArrayView2, Csr};
    use crate::numeric::rounding::coarse;

    /// Entries of a product whose left factor is `a` up to signs.
    pub fn apply(y: &mut Array2<f64>, a: &Csr, x: ArrayView2<'_, f64>) {
        if coarse::sums_are_wrong() {
            for ((i, j), sum) in y.indexed_iter_mut() {
                let size = a.row(i).map(|(k, value)| (value * x[[k, j]]).abs()).sum();
                *sum = coarse::wrong_sum(*sum, size, a.longest_row());
            }
        }
    }

    /// The entry `(i, j)` of `a b`, which was computed as `sum`.
    pub fn entry(sum: f64, a: &Csr, b: &Csr, (i, j): (usize, usize)) -> f64 {
        if !coarse::sums_are_wrong() {
            return sum;
        }
        let of_row = |k: usize| b.row(k).find(|(column, _)| *column == j).map_or(0.0, |(_, y)| y);
        let size = a.row(i).map(|(k, x)| (x * of_row(k)).abs()).sum();
        coarse::wrong_sum(sum, size, a.longest_row())
    }
}
