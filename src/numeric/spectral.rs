//! Verified bounds of the spectral norm (the largest singular value) of a dense matrix.
//!
//! No power iteration and no eigenvalue solver is trusted. With `G` the Gram matrix of the smaller
//! side, a guess `s` of its largest eigenvalue is certified by an approximate Cholesky factor `R` of
//! `s I - G`: as `R R^T` is positive semidefinite whatever `R` is, Weyl's inequality gives
//! `lambda_max(G) <= s + ||(s I - G) - R R^T||`, and the residual is computed with a rigorous bound
//! of its rounding errors. Only matrix products are trusted, not the factorisation. A matrix without
//! negative entries needs neither, see `nonnegative`.

mod guess;
mod nonnegative;
pub(in crate::numeric) mod partition;
pub mod rough;
pub mod sparse;

pub(super) use guess::approximate_largest_eigenvalue;

use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_matmul};
use faer::{Accum, Mat, Par};
use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::decompose::{cholesky, thin_svd};
use super::grid::Grid;
use super::product::{self, DotError};
use super::rounding::{
    UNIT_ROUNDOFF, add_down, add_up, div_down, exponent, gamma, max_up, mul_down, mul_up, scale,
    scale_down, scale_may_round, scale_up, sqrt_down, sqrt_up, sub_down,
};

/// Lanczos steps for a guess.
const GUESS_STEPS: usize = 200;

/// An upper bound of `||a||_2` for an `m x n` matrix; `+inf` where an entry is not finite.
///
/// Excess: the relative margin of the guess starts at `64 k u` with `k = min(m, n)` (about 7e-14
/// for 10, 7e-12 for 1000), to which the rounding errors of the Gram matrix add at most
/// `gamma ||a||_F^2 / ||a||_2^2`; without negative entries it is about `5 (m + n) u`.
pub fn spectral_norm_up(a: ArrayView2<'_, f64>) -> f64 {
    if a.nrows() > a.ncols() {
        return spectral_norm_up(a.t());
    }
    let Some(entries) = a.as_slice_memory_order() else {
        return spectral_norm_up(a.as_standard_layout().view());
    };
    let grid = Grid::of_slice(entries);
    if grid.max == 0.0 || grid.max.is_infinite() {
        return grid.max;
    }
    // Scale to entries below 1. What underflows is at most 2^-1075 per entry, in norm at most
    // sqrt(m n) 2^-1075: far below the relative distance of two numbers near the norm, which is at
    // least 1/2 here; `next_up` at the end covers it.
    let shift = exponent(grid.max) + 1;
    let inexact = scale_may_round(grid.min, -shift);
    let a = a.mapv(|x| scale(x, -shift));
    let squared = if a.nrows() == 1 {
        a.iter().fold(0.0, |sum, &x| add_up(sum, mul_up(x, x)))
    } else {
        let grid = Grid::of_matrix(a.view());
        let nonnegative = entries.iter().all(|&x| x >= 0.0);
        let found = if nonnegative { nonnegative::square_of_norm_up(a.view(), grid) } else { None };
        found.unwrap_or_else(|| largest_gram_eigenvalue_up(a.view(), grid))
    };
    let norm = sqrt_up(squared);
    scale_up(if inexact { norm.next_up() } else { norm }, shift)
}

/// An upper bound of the largest eigenvalue of `a a^T`, for entries below 1 on the grid `grid`.
fn largest_gram_eigenvalue_up(a: ArrayView2<'_, f64>, grid: Grid) -> f64 {
    let error = DotError::new(grid, grid, a.ncols());
    let gram = product::multiply(a, a.t());
    let max = |sums: Vec<f64>| sums.into_iter().fold(0.0, max_up);
    let norms =
        mul_up(max(product::row_abs_sums_up(a, grid)), max(product::row_abs_sums_up(a.t(), grid)));
    gram_eigenvalue_up(gram.view(), error, norms)
}

/// An upper bound of the largest eigenvalue of `a a^T`, given the computed product `gram`, the error
/// of its dot products and an upper bound `norms` of `||a||_1 ||a||_inf`.
fn gram_eigenvalue_up(gram: ArrayView2<'_, f64>, error: DotError, norms: f64) -> f64 {
    // || |A| |A|^T ||_2 <= trace = ||A||_F^2, and also <= ||A||_1 ||A||_inf.
    let square_sum = gram.diag().iter().fold(0.0, |sum, &x| add_up(sum, error.raise(x)));
    let crude = square_sum.min(norms);
    let rounding =
        add_up(mul_up(error.relative, crude), mul_up(gram.nrows() as f64, error.absolute));
    let verified = largest_eigenvalue_up(gram);
    add_up(verified, rounding).min(crude)
}

/// An upper bound of the largest eigenvalue of a symmetric `n x n` matrix, of which the lower half
/// is read; `+inf` where it cannot be certified.
#[expect(clippy::float_arithmetic, reason = "guesses of the bound, each of which is verified")]
pub fn largest_eigenvalue_up(g: ArrayView2<'_, f64>) -> f64 {
    let n = g.nrows();
    let Some(guess) = approximate_largest_eigenvalue(g, GUESS_STEPS) else {
        return f64::INFINITY;
    };
    let mut margin = 64.0 * n as f64 * UNIT_ROUNDOFF;
    let size = guess.abs().max(f64::MIN_POSITIVE);
    while margin < 4.0 {
        if let Some(bound) = eigenvalues_at_most_up(g, guess + margin * size) {
            return bound;
        }
        margin *= 16.0;
    }
    f64::INFINITY
}

/// An upper bound of the largest eigenvalue of a symmetric matrix (lower half read) that exceeds `s`
/// by rounding errors only; `None` where `s` is not shown to be a bound.
pub(super) fn eigenvalues_at_most_up(g: ArrayView2<'_, f64>, s: f64) -> Option<f64> {
    let n = g.nrows();
    #[expect(clippy::float_arithmetic, reason = "the rounding of the diagonal is in `rounding`")]
    let shifted = Array2::from_shape_fn((n, n), |(i, j)| {
        if i == j {
            s - g[[i, j]]
        } else if i > j {
            -g[[i, j]]
        } else {
            0.0
        }
    });
    // The diagonal s - g_ii is rounded to nearest: an error of at most u |s - g_ii| each.
    #[expect(clippy::float_arithmetic, reason = "a power of two, and 2 u where u would do")]
    let rounding = (0..n).fold(0.0, |m, i| max_up(m, shifted[[i, i]].abs())) * f64::EPSILON;
    let residual = cholesky_residual_up(shifted.view())?;
    Some(add_up(add_up(s, rounding), residual))
}

/// For a symmetric matrix `m` (lower half read): an upper bound `r` of `||m - R R^T||_2` for some
/// matrix `R`, so that every eigenvalue of `m` is at least `-r`. `None` where the approximate
/// Cholesky factorisation breaks down, so that nothing is shown.
pub fn cholesky_residual_up(m: ArrayView2<'_, f64>) -> Option<f64> {
    let n = m.nrows();
    let factor = cholesky(m)?;
    let mut residual = Mat::from_fn(n, n, |i, j| if i >= j { m[[i, j]] } else { 0.0 });
    triangular_matmul(
        residual.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Add,
        factor.as_ref(),
        BlockStructure::TriangularLower,
        factor.transpose(),
        BlockStructure::TriangularUpper,
        -1.0,
        Par::Seq,
    );
    // Entry (i, j): a sum of m_ij and at most n products, so with gamma_(n+1) and the underflow
    //   |fl - exact| <= gamma (|m_ij| + (|R||R|^T)_ij) + (n + 1) 2^-1074.
    // In norm, with || |R||R|^T ||_2 <= ||R||_F^2 and || |m| ||_2 <= ||m||_F, and for the computed
    // residual its Frobenius norm.
    let mut factor_squares = 0.0;
    let (mut residual_squares, mut m_squares) = (0.0, 0.0);
    #[expect(
        clippy::float_arithmetic,
        reason = "sums of squares to nearest, which `raise` makes upper bounds"
    )]
    for j in 0..n {
        for i in j..n {
            let weight = if i == j { 1.0 } else { 2.0 };
            factor_squares += factor[(i, j)] * factor[(i, j)];
            residual_squares += weight * residual[(i, j)] * residual[(i, j)];
            m_squares += weight * m[[i, j]] * m[[i, j]];
        }
    }
    // Each is a sum of at most n^2 nonnegative terms of at most three operations each; squares
    // that underflow lose 2^-1075 each, all of them (n^2 < 2^53) less than the smallest normal number.
    let g = gamma(n * n + 3);
    let raise = |sum: f64| mul_up(add_up(sum, f64::MIN_POSITIVE), add_up(1.0, mul_up(2.0, g)));
    let bound = add_up(sqrt_up(raise(m_squares)), raise(factor_squares));
    // The underflow of the products, in norm n (n + 1) 2^-1074, is in the root of the raised sum: where the exact
    // one is below 2^-1024, that root is above 2^-511; otherwise it exceeds the exact one by 2 u, at least 2^-564.
    let total = add_up(sqrt_up(raise(residual_squares)), mul_up(gamma(n + 2), bound));
    total.is_finite().then_some(total)
}

/// A lower bound of `||a||_2`, from the Rayleigh quotient of an approximate singular vector.
pub fn spectral_norm_down(a: ArrayView2<'_, f64>) -> f64 {
    let (m, n) = a.dim();
    let largest = a.iter().fold(0.0, |m, x| max_up(m, x.abs()));
    if largest == 0.0 || largest.is_infinite() {
        return 0.0;
    }
    if m > n {
        return spectral_norm_down(a.t());
    }
    let shift = exponent(largest) + 1;
    let inexact = a.iter().any(|&x| scale_may_round(x, -shift));
    let a = a.mapv(|x| scale(x, -shift));
    let Some(x) = approximate_singular_vector(a.view()) else { return 0.0 };
    scale_down(norm_along_down(a.view(), &x, inexact), shift)
}

/// A lower bound of the norm of a matrix with a largest entry from 1/2 to 1: `||a x|| / ||x||` for any `x`. Where `a`
/// is `inexact`, each of its other entries may be off by 2^-1075.
fn norm_along_down(a: ArrayView2<'_, f64>, x: &Array1<f64>, inexact: bool) -> f64 {
    // |fl(a x) - a x| <= gamma_n |a||x| + underflow.
    let y = a.dot(x);
    let error = DotError::new(Grid::of(a.iter()), Grid::of(x.iter()), a.ncols());
    let abs_x = x.mapv(f64::abs).insert_axis(Axis(1));
    let sizes = product::abs_apply_up(a, Grid::of(a.iter()), abs_x.view());
    let mut squares = 0.0;
    for (y, size) in y.iter().zip(&sizes) {
        let slack = add_up(mul_up(error.relative, *size), error.absolute);
        let least = sub_down(y.abs(), slack).max(0.0);
        squares = add_down(squares, mul_down(least, least));
    }
    let length_squares = x.iter().fold(0.0, |sum, &x| add_up(sum, mul_up(x, x)));
    let norm = sqrt_down(div_down(squares, length_squares));
    // The errors move the norm by sqrt(m n) 2^-1075. It is at least 1/2, the largest entry, so a number below that
    // holds in any case, and one above has its neighbour further away.
    if inexact { norm.next_down().max(0.0) } else { norm }
}

/// A guess of the right singular vector of the largest singular value of a wide matrix: from a
/// decomposition for small matrices, by power iteration from the longest row for large ones.
fn approximate_singular_vector(a: ArrayView2<'_, f64>) -> Option<Array1<f64>> {
    const DIRECT: usize = 1 << 18;
    if a.len() <= DIRECT {
        return Some(thin_svd(a)?.2.column(0).to_owned());
    }
    let squares = a.map_axis(Axis(1), |row| row.dot(&row));
    let start = (0..a.nrows()).max_by(|&i, &j| squares[i].total_cmp(&squares[j]))?;
    let mut x = a.row(start).to_owned();
    for _ in 0..200 {
        let next = a.t().dot(&a.dot(&x));
        let length = next.dot(&next).sqrt();
        if length == 0.0 || !length.is_finite() {
            break;
        }
        x = next / length;
    }
    Some(x)
}

#[cfg(test)]
#[path = "spectral_tests.rs"]
mod tests;
