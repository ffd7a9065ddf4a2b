//! Dense symmetric kernels. Work is split in a fixed way, so that results do not depend on the
//! number of threads.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::{factor as llt, inverse as llt_inverse};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// The side of the tiles in which matrices are transposed.
const TILE: usize = 32;

/// Rows of a symmetric product that one task computes.
const ROW_BLOCK: usize = 128;

/// The order from which a factorisation is worth two threads.
const PARALLEL_ORDER: usize = 400;

/// A symmetric positive definite matrix, factored as `L L^T`.
pub(super) struct Factor {
    /// `L` in the lower half; the upper half is not read.
    lower: Mat<f64>,
}

impl Factor {
    /// Factors a symmetric matrix (lower half read); `None` where it is not positive definite.
    pub fn new(a: ArrayView2<'_, f64>) -> Option<Factor> {
        let n = a.nrows();
        let mut lower = Mat::<f64>::zeros(n, n);
        tiles_of_lower_half(n, |rows, j| {
            let column = &mut lower.col_as_slice_mut(j)[rows.clone()];
            for (x, i) in column.iter_mut().zip(rows) {
                *x = a[[i, j]];
            }
        });
        let par = if n < PARALLEL_ORDER { Par::Seq } else { Par::rayon(2) };
        let params = Default::default();
        let mut memory = MemBuffer::new(llt::cholesky_in_place_scratch::<f64>(n, par, params));
        let stack = MemStack::new(&mut memory);
        llt::cholesky_in_place(lower.as_mut(), Default::default(), par, stack, params).ok()?;
        let finite = (0..n).all(|i| lower[(i, i)].is_finite() && lower[(i, i)] > 0.0);
        finite.then_some(Factor { lower })
    }

    /// The inverse of the matrix, both halves.
    pub fn inverse(&self) -> Array2<f64> {
        let n = self.lower.nrows();
        let mut inverse = Mat::<f64>::zeros(n, n);
        let request = llt_inverse::inverse_scratch::<f64>(n, Par::Seq);
        let mut memory = MemBuffer::new(request);
        let stack = MemStack::new(&mut memory);
        llt_inverse::inverse(inverse.as_mut(), self.lower.as_ref(), Par::Seq, stack);
        let mut out = Array2::zeros((n, n));
        tiles_of_lower_half(n, |rows, j| {
            for (&x, i) in inverse.col_as_slice(j)[rows.clone()].iter().zip(rows) {
                out[[i, j]] = x;
                out[[j, i]] = x;
            }
        });
        out
    }

    /// The solution of `A x = b`.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        let n = x.len();
        let mut view = MatMut::from_column_major_slice_mut(&mut x, n, 1);
        let lower = self.lower.as_ref();
        solve_lower_triangular_in_place(lower, view.as_mut(), Par::Seq);
        solve_upper_triangular_in_place(lower.transpose(), view.as_mut(), Par::Seq);
        x
    }

    /// The logarithm of the determinant of the matrix.
    pub fn log_determinant(&self) -> f64 {
        let n = self.lower.nrows();
        2.0 * (0..n).map(|i| self.lower[(i, i)].ln()).sum::<f64>()
    }
}

/// The inner product.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Visits the lower half of a matrix of order `n` tile by tile, as pieces `(rows, column)` of columns.
fn tiles_of_lower_half(n: usize, mut visit: impl FnMut(std::ops::Range<usize>, usize)) {
    for left in (0..n).step_by(TILE) {
        for top in (left..n).step_by(TILE) {
            let bottom = (top + TILE).min(n);
            for j in left..(left + TILE).min(n) {
                if top.max(j) < bottom {
                    visit(top.max(j)..bottom, j);
                }
            }
        }
    }
}

/// The lower half of a product `a b` that is known to be symmetric (`a` is `n x k`, `b` is `k x n`, both
/// in row-major order); what is above the diagonal is not to be read.
pub(super) fn lower_half_of_product(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let (n, inner) = a.dim();
    let mut out = Array2::zeros((n, n));
    let (Some(left), Some(right)) = (a.as_slice(), b.as_slice()) else {
        debug_assert!(false, "row-major factors");
        return a.dot(b);
    };
    let left = MatRef::from_row_major_slice(left, n, inner);
    let right = MatRef::from_row_major_slice(right, inner, n);
    let blocks = out.axis_chunks_iter_mut(Axis(0), ROW_BLOCK).into_par_iter();
    blocks.enumerate().for_each(|(index, mut rows)| {
        let (start, count) = (index * ROW_BLOCK, rows.nrows());
        if let Some(slice) = rows.as_slice_mut() {
            let all = MatMut::from_row_major_slice_mut(slice, count, n);
            let target = all.subcols_mut(0, start + count);
            let (left, right) = (left.subrows(start, count), right.subcols(0, start + count));
            matmul(target, Accum::Replace, left, right, 1.0, Par::Seq);
        }
    });
    out
}

/// The same, with both halves.
pub(super) fn symmetric_product(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let mut out = lower_half_of_product(a, b);
    tiles_of_lower_half(out.nrows(), |rows, j| {
        for i in rows {
            out[[j, i]] = out[[i, j]];
        }
    });
    out
}
