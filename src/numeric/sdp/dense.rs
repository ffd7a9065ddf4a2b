//! Dense symmetric kernels on one thread each, so that results do not depend on their number.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::inverse as llt_inverse;
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{Mat, MatMut, Par};
use ndarray::{Array2, ArrayView2};

use crate::numeric::decompose::cholesky;

/// A symmetric positive definite matrix, factored as `L L^T`.
pub(super) struct Factor {
    lower: Mat<f64>,
}

impl Factor {
    /// Factors a symmetric matrix (lower half read); `None` where it is not positive definite.
    pub fn new(a: ArrayView2<'_, f64>) -> Option<Factor> {
        let lower = cholesky(a)?;
        let finite = (0..lower.nrows()).all(|i| lower[(i, i)].is_finite() && lower[(i, i)] > 0.0);
        finite.then_some(Factor { lower })
    }

    /// The inverse of the matrix, both halves.
    pub fn inverse(&self) -> Array2<f64> {
        let n = self.lower.nrows();
        let mut out = Mat::<f64>::zeros(n, n);
        let request = llt_inverse::inverse_scratch::<f64>(n, Par::Seq);
        let mut memory = MemBuffer::new(request);
        let stack = MemStack::new(&mut memory);
        llt_inverse::inverse(out.as_mut(), self.lower.as_ref(), Par::Seq, stack);
        Array2::from_shape_fn((n, n), |(i, j)| if i >= j { out[(i, j)] } else { out[(j, i)] })
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
