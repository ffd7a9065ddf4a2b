//! Approximate decompositions (Cholesky, eigenvalues, singular values).
//!
//! Nothing here is certified: every use checks what comes back by products whose rounding is
//! bounded. Each call runs on one thread, so a result does not depend on the number of threads.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor as llt;
use faer::linalg::svd::ComputeSvdVectors;
use faer::linalg::{evd, svd};
use faer::{Mat, Par};
use ndarray::{Array1, Array2, ArrayView2};

fn to_faer(a: ArrayView2<'_, f64>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[[i, j]])
}

fn from_faer(a: &Mat<f64>) -> Array2<f64> {
    Array2::from_shape_fn((a.nrows(), a.ncols()), |(i, j)| a[(i, j)])
}

/// The approximate Cholesky factor `L` (lower triangular) of a symmetric `n x n` matrix, of which
/// the lower half is read; `None` where a pivot is not positive.
pub fn cholesky(a: ArrayView2<'_, f64>) -> Option<Mat<f64>> {
    let n = a.nrows();
    let mut factor = to_faer(a);
    let params = Default::default();
    let mut memory = MemBuffer::new(llt::cholesky_in_place_scratch::<f64>(n, Par::Seq, params));
    let stack = MemStack::new(&mut memory);
    llt::cholesky_in_place(factor.as_mut(), Default::default(), Par::Seq, stack, params).ok()?;
    for j in 1..n {
        for i in 0..j {
            factor[(i, j)] = 0.0;
        }
    }
    Some(factor)
}

/// Approximate eigenvalues of a symmetric `n x n` matrix, in increasing order.
pub fn symmetric_eigenvalues(a: ArrayView2<'_, f64>) -> Option<Vec<f64>> {
    let n = a.nrows();
    let a = to_faer(a);
    let mut values = faer::diag::Diag::<f64>::zeros(n);
    let params = Default::default();
    let request =
        evd::self_adjoint_evd_scratch::<f64>(n, evd::ComputeEigenvectors::No, Par::Seq, params);
    let mut memory = MemBuffer::new(request);
    let stack = MemStack::new(&mut memory);
    evd::self_adjoint_evd(a.as_ref(), values.as_mut(), None, Par::Seq, stack, params).ok()?;
    Some((0..n).map(|i| values[i]).collect())
}

/// An approximate thin singular value decomposition `a = u diag(s) v^T` of an `m x n` matrix, with
/// `k = min(m, n)`: `u` is `m x k`, `s` has `k` entries in decreasing order, `v` is `n x k`.
pub fn thin_svd(a: ArrayView2<'_, f64>) -> Option<(Array2<f64>, Array1<f64>, Array2<f64>)> {
    let (m, n) = a.dim();
    let k = m.min(n);
    let a = to_faer(a);
    let (mut u, mut v) = (Mat::<f64>::zeros(m, k), Mat::<f64>::zeros(n, k));
    let mut s = faer::diag::Diag::<f64>::zeros(k);
    let params = Default::default();
    let thin = ComputeSvdVectors::Thin;
    let mut memory = MemBuffer::new(svd::svd_scratch::<f64>(m, n, thin, thin, Par::Seq, params));
    let stack = MemStack::new(&mut memory);
    let (left, right) = (Some(u.as_mut()), Some(v.as_mut()));
    svd::svd(a.as_ref(), s.as_mut(), left, right, Par::Seq, stack, params).ok()?;
    Some((from_faer(&u), (0..k).map(|i| s[i]).collect(), from_faer(&v)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    #[test]
    fn decompositions_reproduce_the_matrix() {
        let a = arr2(&[[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]]);
        let l = from_faer(&cholesky(a.view()).expect("positive definite"));
        approx::assert_abs_diff_eq!(l.dot(&l.t()), a, epsilon = 1e-14);
        let (u, s, v) = thin_svd(a.view()).expect("converges");
        let product = (&u * &s).dot(&v.t());
        approx::assert_abs_diff_eq!(product, a, epsilon = 1e-14);
        let values = symmetric_eigenvalues(a.view()).expect("converges");
        approx::assert_abs_diff_eq!(values[2], s[0], epsilon = 1e-14);
        assert!(cholesky(arr2(&[[1.0, 2.0], [2.0, 1.0]]).view()).is_none());
    }
}
