//! Dense symmetric kernels. Work is split in a fixed way, so that results do not depend on the
//! number of threads.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor as llt;
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use ndarray::Array2;
use rayon::prelude::{IndexedParallelIterator, ParallelIterator};

/// The side of the tiles in which matrices are transposed.
const TILE: usize = 32;

/// Columns that one task computes, of a product or of the solutions of a system.
pub(super) const COLUMNS: usize = 96;

/// The number of multiplications from which a product or a factorisation is worth two threads.
const PARALLEL_WORK: usize = 1 << 24;

/// Two threads for much work.
pub(super) fn par(multiplications: usize) -> Par {
    if multiplications < PARALLEL_WORK { Par::Seq } else { Par::rayon(2) }
}

/// Adds `scale a b`.
pub(super) fn add_product(
    out: MatMut<'_, f64>,
    scale: f64,
    a: MatRef<'_, f64>,
    b: MatRef<'_, f64>,
    par: Par,
) {
    matmul(out, Accum::Add, a, b, scale, par);
}

/// `scale a b`.
pub(super) fn product(scale: f64, a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    out.par_col_chunks_mut(COLUMNS).enumerate().for_each(|(chunk, out)| {
        let b = b.subcols(chunk * COLUMNS, out.ncols());
        add_product(out, scale, a, b, Par::Seq);
    });
    out
}

/// A copy in column-major order.
pub(super) fn column_major(a: &Array2<f64>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[[i, j]])
}

/// Replaces a symmetric matrix (lower half read) by its Cholesky factor; `None` where it is not positive definite.
pub(super) fn cholesky(mut a: MatMut<'_, f64>) -> Option<()> {
    let n = a.nrows();
    let par = par(n * n * n / 4);
    let params = Default::default();
    let mut memory = MemBuffer::new(llt::cholesky_in_place_scratch::<f64>(n, par, params));
    let stack = MemStack::new(&mut memory);
    llt::cholesky_in_place(a.as_mut(), Default::default(), par, stack, params).ok()?;
    let finite = (0..n).all(|i| a[(i, i)].is_finite() && a[(i, i)] > 0.0);
    finite.then_some(())
}

/// A symmetric positive definite matrix, factored as `L L^T`.
pub(super) struct Factor {
    /// `L` in the lower half; the upper half is not read.
    lower: Mat<f64>,
}

impl Factor {
    /// Factors a symmetric matrix (lower half read); `None` where it is not positive definite.
    pub fn new(mut a: Mat<f64>) -> Option<Factor> {
        cholesky(a.as_mut())?;
        Some(Factor { lower: a })
    }

    /// `L^-1 x` in place.
    pub fn forward(&self, x: MatMut<'_, f64>) {
        let par = par(x.nrows() * x.nrows() * x.ncols() / 2);
        solve_lower_triangular_in_place(self.lower.as_ref(), x, par);
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
}

/// The inner product.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Copies the lower half of a square matrix to its upper half.
pub(super) fn mirror(mut a: MatMut<'_, f64>) {
    let n = a.nrows();
    for left in (0..n).step_by(TILE) {
        for top in (left..n).step_by(TILE) {
            for j in left..(left + TILE).min(n) {
                for i in top.max(j + 1)..(top + TILE).min(n) {
                    a[(j, i)] = a[(i, j)];
                }
            }
        }
    }
}
