//! A matrix as the bounds use it: dense or sparse, shared, with the grid of its entries.

use std::sync::Arc;

use ndarray::{ArcArray2, Array2, ArrayView2, Axis};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::conv_norm::Convolution;
use super::grid::Grid;
use super::product::{self, DotError};
use super::rounding::{add_up, max_up, power_of_two, upper};
use super::sparse::Csr;
use super::spectral::sparse::sparse_spectral_norm_up;
use super::spectral::spectral_norm_up;

/// Above this share of stored entries a product of sparse matrices becomes dense.
const DENSE_SHARE: f64 = 0.25;

/// A real matrix with `f64` entries; copies and transposes share their entries.
#[derive(Debug, Clone)]
pub struct Matrix {
    entries: Entries,
    grid: Grid,
    /// What is known of a matrix that is a convolution or the transpose of one.
    convolution: Option<Arc<Convolution>>,
}

#[derive(Debug, Clone)]
enum Entries {
    Dense(ArcArray2<f64>),
    /// The matrix and its transpose, so that both directions run along rows.
    Sparse(Arc<Csr>, Arc<Csr>),
}

impl Matrix {
    /// A dense matrix.
    pub fn dense(entries: Array2<f64>) -> Matrix {
        let grid = match entries.as_slice_memory_order() {
            Some(slice) => Grid::of_slice(slice),
            None => Grid::of(entries.iter()),
        };
        Matrix { entries: Entries::Dense(entries.into_shared()), grid, convolution: None }
    }

    /// A sparse matrix.
    pub fn sparse(entries: Csr) -> Matrix {
        let grid = Grid::of(entries.values());
        let transposed = entries.transposed();
        let entries = Entries::Sparse(Arc::new(entries), Arc::new(transposed));
        Matrix { entries, grid, convolution: None }
    }

    /// The same matrix, which is that of `convolution` or its transpose: its spectral norm can be
    /// bounded by means of the kernel. Only transposition and scaling by a power of two keep this.
    pub fn with_convolution(self, convolution: Convolution) -> Matrix {
        Matrix { convolution: Some(Arc::new(convolution)), ..self }
    }

    /// The matrix multiplied by `2^e` with rounding to nearest (exact unless an entry becomes
    /// subnormal or overflows); in place where the entries are not shared.
    pub fn scaled_by_power(self, e: i32) -> Matrix {
        let half = e / 2;
        let (first, second) = (power_of_two(half), power_of_two(e - half));
        let scale = |x: f64| x * first * second;
        let mut scaled = match self.entries {
            Entries::Sparse(mut a, mut t) => {
                for part in [Arc::make_mut(&mut a), Arc::make_mut(&mut t)] {
                    part.values_mut().iter_mut().for_each(|x| *x = scale(*x));
                }
                let grid = Grid::of(a.values());
                Matrix { entries: Entries::Sparse(a, t), grid, convolution: None }
            }
            Entries::Dense(a) => Matrix::dense(a.mapv(scale)),
        };
        // Where an entry may have been rounded the matrix is no longer that of the kernel.
        let exact = self.grid.max == 0.0
            || scale(self.grid.min).is_normal() && scale(self.grid.max).is_finite();
        scaled.convolution =
            self.convolution.filter(|_| exact).map(|c| Arc::new(c.scaled_by_power(e)));
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
        }
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        match &self.entries {
            Entries::Dense(a) => a.ncols(),
            Entries::Sparse(a, _) => a.columns(),
        }
    }

    /// The largest absolute value of an entry and the common factor of all of them.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The number of bytes that the entries take.
    pub fn bytes(&self) -> usize {
        match &self.entries {
            Entries::Dense(a) => 8 * a.len(),
            Entries::Sparse(a, _) => 24 * a.entries(),
        }
    }

    /// The number of stored entries (all of them for a dense matrix).
    pub fn stored_entries(&self) -> usize {
        match &self.entries {
            Entries::Dense(a) => a.len(),
            Entries::Sparse(a, _) => a.entries(),
        }
    }

    /// The transpose; the entries are shared.
    pub fn transposed(&self) -> Matrix {
        let entries = match &self.entries {
            Entries::Dense(a) => Entries::Dense(a.clone().reversed_axes()),
            Entries::Sparse(a, t) => Entries::Sparse(t.clone(), a.clone()),
        };
        Matrix { entries, grid: self.grid, convolution: self.convolution.clone() }
    }

    /// The matrix in dense form.
    pub fn to_dense(&self) -> Array2<f64> {
        match &self.entries {
            Entries::Dense(a) => a.to_owned(),
            Entries::Sparse(a, _) => a.to_dense(),
        }
    }

    /// The entries, if they are held in dense form.
    pub fn as_dense(&self) -> Option<ArrayView2<'_, f64>> {
        match &self.entries {
            Entries::Dense(a) => Some(a.view()),
            Entries::Sparse(..) => None,
        }
    }

    /// The entries, if they are held in sparse form.
    pub fn as_sparse(&self) -> Option<&Csr> {
        match &self.entries {
            Entries::Dense(_) => None,
            Entries::Sparse(a, _) => Some(a),
        }
    }

    /// The entry in row `i` and column `j`.
    pub fn get(&self, i: usize, j: usize) -> f64 {
        match &self.entries {
            Entries::Dense(a) => a[[i, j]],
            Entries::Sparse(a, _) => a.row(i).find(|&(k, _)| k == j).map_or(0.0, |(_, v)| v),
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
        }
    }

    /// The matrix of absolute values.
    pub fn abs(&self) -> Matrix {
        self.map(|_, value| value.abs())
    }

    /// The given rows, in the given order.
    pub fn select_rows(&self, rows: &[usize]) -> Matrix {
        match &self.entries {
            Entries::Dense(a) => Matrix::dense(a.select(Axis(0), rows)),
            Entries::Sparse(a, _) => {
                Matrix::sparse(Csr::from_rows(rows.len(), a.columns(), |i, push| {
                    a.row(rows[i]).for_each(|(j, value)| push(j, value));
                }))
            }
        }
    }

    /// The number of terms of a dot product with a row.
    pub fn terms(&self) -> usize {
        match &self.entries {
            Entries::Dense(a) => a.ncols(),
            Entries::Sparse(a, _) => a.longest_row(),
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
            (Entries::Sparse(a, _), Entries::Sparse(b, _)) => sparse_product(a, b),
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
            Entries::Dense(_) => false,
            Entries::Sparse(a, _) => {
                a.longest_row() <= 1 && a.values().iter().all(|x| x.abs() == 1.0)
            }
        }
    }

    /// An upper bound of `self * other` for nonnegative matrices; structural zeros stay zero.
    pub fn nonnegative_multiply_up(&self, other: &Matrix) -> Matrix {
        let product = self.multiply(other);
        if self.multiplies_exactly(other) {
            return product;
        }
        let error = self.dot_error(other.grid);
        product.map(|_, x| error.raise(x))
    }

    /// The matrices on top of each other; sparse if all of them are.
    pub fn stacked(parts: &[&Matrix]) -> Matrix {
        let columns = parts.first().map_or(0, |m| m.columns());
        let sparse: Option<Vec<&Csr>> = parts.iter().map(|m| m.as_sparse()).collect();
        if let Some(parts) = sparse {
            let rows: Vec<(&Csr, usize)> =
                parts.iter().flat_map(|&a| (0..a.rows()).map(move |i| (a, i))).collect();
            return Matrix::sparse(Csr::from_rows(rows.len(), columns, |i, push| {
                let (part, row) = rows[i];
                part.row(row).for_each(|(j, value)| push(j, value));
            }));
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

    /// `self * x` for a dense block of columns, with rounding to nearest.
    pub fn apply(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        match &self.entries {
            Entries::Dense(a) => product::multiply(a.view(), x),
            Entries::Sparse(a, _) => sparse_apply(a, x, |v| v),
        }
    }

    /// An upper bound of `|self| x` for a block of nonnegative columns.
    pub fn abs_apply_up(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        match &self.entries {
            Entries::Dense(a) => product::abs_apply_up(a.view(), self.grid, x),
            Entries::Sparse(a, _) => {
                let error = self.dot_error(Grid::of(x.iter()));
                let mut y = sparse_apply(a, x, f64::abs);
                y.mapv_inplace(|value| error.raise(value));
                y
            }
        }
    }

    /// Whether this is the identity.
    pub fn is_identity(&self) -> bool {
        match &self.entries {
            Entries::Dense(_) => false,
            Entries::Sparse(a, _) => {
                a.rows() == a.columns()
                    && a.entries() == a.rows()
                    && (0..a.rows()).all(|i| a.row(i).eq([(i, 1.0)]))
            }
        }
    }

    /// An upper bound of the spectral norm, verified: see [`super::spectral`] for dense and
    /// [`super::spectral::sparse`] for sparse matrices.
    pub fn norm_l2_up(&self) -> f64 {
        match &self.entries {
            Entries::Dense(a) => spectral_norm_up(a.view()),
            Entries::Sparse(a, t) => sparse_spectral_norm_up(a, t, self.convolution.as_deref()),
        }
    }

    /// Upper bounds of the sums of the absolute values of each row.
    pub fn row_abs_sums_up(&self) -> Vec<f64> {
        let ones = Array2::ones((self.columns(), 1));
        self.abs_apply_up(ones.view()).into_raw_vec_and_offset().0
    }

    /// An upper bound of the l-infinity operator norm: the largest row sum of absolute values.
    pub fn norm_linf_up(&self) -> f64 {
        self.row_abs_sums_up().into_iter().fold(0.0, max_up)
    }

    /// An upper bound of the l1 operator norm: the largest column sum of absolute values.
    pub fn norm_l1_up(&self) -> f64 {
        self.transposed().norm_linf_up()
    }

    /// An upper bound of `self + other`, entry by entry.
    pub fn sum_up(&self, other: &Matrix) -> Matrix {
        if let (Entries::Sparse(a, _), Entries::Sparse(b, _)) = (&self.entries, &other.entries) {
            let row = |i: usize, push: &mut dyn FnMut(usize, f64)| {
                merge_rows(a.row(i), b.row(i), push);
            };
            return Matrix::sparse(Csr::from_rows(a.rows(), a.columns(), row));
        }
        let mut sum = self.to_dense();
        sum.zip_mut_with(&other.to_dense(), |a, &b| *a = add_up(*a, b));
        Matrix::dense(sum)
    }
}

/// The sums of two sparse rows, rounded up.
fn merge_rows(
    a: impl Iterator<Item = (usize, f64)>,
    b: impl Iterator<Item = (usize, f64)>,
    push: &mut dyn FnMut(usize, f64),
) {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    loop {
        match (a.peek().copied(), b.peek().copied()) {
            (Some((i, x)), Some((j, y))) if i == j => {
                push(i, add_up(x, y));
                a.next();
                b.next();
            }
            (Some((i, x)), Some((j, _))) if i < j => {
                push(i, x);
                a.next();
            }
            (Some((i, x)), None) => {
                push(i, x);
                a.next();
            }
            (_, Some((j, y))) => {
                push(j, y);
                b.next();
            }
            (None, None) => return,
        }
    }
}

/// `f(a) x` with `f` applied to each entry of `a`, with rounding to nearest.
fn sparse_apply(a: &Csr, x: ArrayView2<'_, f64>, f: impl Fn(f64) -> f64 + Sync) -> Array2<f64> {
    let x = x.as_standard_layout();
    let k = x.ncols();
    let mut y = Array2::zeros((a.rows(), k));
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
    y.mapv_inplace(|value| if value.is_nan() { upper(value) } else { value });
    y
}

/// The product of two sparse matrices (Gustavson's algorithm), dense where it fills up.
fn sparse_product(a: &Csr, b: &Csr) -> Matrix {
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
                let row = touched.iter().map(|&j| (j, sums[j])).collect();
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
    if csr.entries() as f64 > DENSE_SHARE * (a.rows() * columns) as f64 {
        Matrix::dense(csr.to_dense())
    } else {
        Matrix::sparse(csr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    fn banded(rows: usize, columns: usize) -> Csr {
        Csr::from_rows(rows, columns, |i, push| {
            for j in i.saturating_sub(1)..(i + 2).min(columns) {
                push(j, (i as f64 + 1.0) - 1.5 * j as f64);
            }
        })
    }

    #[test]
    fn sparse_and_dense_forms_agree() {
        let (a, b) = (banded(6, 7), banded(7, 5));
        let expected = a.to_dense().dot(&b.to_dense()); // small integers and halves: exact
        let (sa, sb) = (Matrix::sparse(a.clone()), Matrix::sparse(b.clone()));
        let (da, db) = (Matrix::dense(a.to_dense()), Matrix::dense(b.to_dense()));
        for (x, y) in [(&sa, &sb), (&sa, &db), (&da, &sb), (&da, &db)] {
            assert_eq!(x.multiply(y).to_dense(), expected);
        }
        assert_eq!(sa.norm_linf_up(), da.norm_linf_up());
        assert_eq!(sa.norm_l1_up(), da.norm_l1_up());
        assert_eq!(sa.sum_up(&sa).to_dense(), a.to_dense() * 2.0);
        assert_eq!(sa.select_rows(&[4, 0]).to_dense(), da.select_rows(&[4, 0]).to_dense());
        assert_eq!(sa.transposed().to_dense(), da.transposed().to_dense());
        assert_eq!(sa.get(2, 1), da.get(2, 1));
    }

    #[test]
    fn the_norms_of_a_known_matrix() {
        let a = Matrix::dense(arr2(&[[1.0, -2.0], [3.0, 4.0]]));
        assert_eq!((a.norm_l1_up(), a.norm_linf_up()), (6.0, 7.0));
    }
}
