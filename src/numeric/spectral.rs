//! Verified bounds of the spectral norm (the largest singular value) of a dense matrix.
//!
//! No power iteration and no eigenvalue solver is trusted. With `G` the Gram matrix of the smaller
//! side, a guess `s` of its largest eigenvalue is certified by an approximate Cholesky factor `R` of
//! `s I - G`: as `R R^T` is positive semidefinite whatever `R` is, Weyl's inequality gives
//! `lambda_max(G) <= s + ||(s I - G) - R R^T||`, and the residual is computed with a rigorous bound
//! of its rounding errors. Only matrix products are trusted, not the factorisation.

pub(in crate::numeric) mod partition;
pub mod rough;
pub mod sparse;

use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_matmul};
use faer::{Accum, Mat, Par};
use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::decompose::{cholesky, symmetric_eigenvalues, thin_svd};
use super::grid::Grid;
use super::product::{self, DotError};
use super::rounding::{
    UNIT_ROUNDOFF, add_up, div_down, exponent, gamma, max_up, mul_down, mul_up, scale, scale_down,
    scale_up, sqrt_down, sqrt_up, sub_down, upper,
};

/// An upper bound of `||a||_2` for an `m x n` matrix; `+inf` where an entry is not finite.
///
/// Excess: the relative margin of the guess starts at `64 k u` with `k = min(m, n)` (about 7e-14
/// for 10, 7e-12 for 1000), to which the rounding errors of the Gram matrix add at most
/// `gamma ||a||_F^2 / ||a||_2^2`.
pub fn spectral_norm_up(a: ArrayView2<'_, f64>) -> f64 {
    if a.nrows() > a.ncols() {
        return spectral_norm_up(a.t());
    }
    let largest = a.iter().fold(0.0, |m, x| max_up(m, x.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    if largest.is_infinite() {
        return f64::INFINITY;
    }
    // Scale to entries below 1. What underflows is at most 2^-1075 per entry, in norm at most
    // sqrt(m n) 2^-1075: far below the relative distance of two numbers near the norm, which is at
    // least 1/2 here; `next_up` at the end covers it.
    let shift = exponent(largest) + 1;
    let a = a.mapv(|x| scale(x, -shift));
    // The smallest normal number itself may be a rounded product.
    let inexact = shift > 0 && a.iter().any(|x| x.abs() <= f64::MIN_POSITIVE);
    let squared = if a.nrows() == 1 {
        a.iter().fold(0.0, |sum, &x| add_up(sum, mul_up(x, x)))
    } else {
        largest_gram_eigenvalue_up(a.view())
    };
    let norm = sqrt_up(squared);
    scale_up(if inexact { norm.next_up() } else { norm }, shift)
}

/// An upper bound of the largest eigenvalue of `a a^T`, for entries below 1 in absolute value.
fn largest_gram_eigenvalue_up(a: ArrayView2<'_, f64>) -> f64 {
    let error = DotError::new(Grid::of(a.iter()), Grid::of(a.iter()), a.ncols());
    let gram = product::multiply(a, a.t());
    let a_grid = Grid::of(a.iter());
    let max = |sums: Vec<f64>| sums.into_iter().fold(0.0, max_up);
    let norms = mul_up(
        max(product::row_abs_sums_up(a, a_grid)),
        max(product::row_abs_sums_up(a.t(), a_grid)),
    );
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
    let Some(guess) = approximate_largest_eigenvalue(g, 64) else {
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
    // that underflow are covered by the smallest normal number per term.
    let g = gamma(n * n + 3);
    #[expect(clippy::float_arithmetic, reason = "exact: an integer times a power of two")]
    let tiny = (n * n) as f64 * f64::MIN_POSITIVE;
    let raise = |sum: f64| mul_up(add_up(sum, tiny), add_up(1.0, mul_up(2.0, g)));
    let bound = add_up(sqrt_up(raise(m_squares)), raise(factor_squares));
    let rounding =
        add_up(mul_up(gamma(n + 2), bound), mul_up((n * (n + 1)) as f64, f64::from_bits(1)));
    let total = add_up(sqrt_up(raise(residual_squares)), rounding);
    total.is_finite().then_some(total)
}

/// A guess of the largest eigenvalue: all of them for small matrices, Lanczos with full
/// reorthogonalisation and the given number of steps for large ones.
pub(super) fn approximate_largest_eigenvalue(g: ArrayView2<'_, f64>, steps: usize) -> Option<f64> {
    const DIRECT: usize = 96;
    let n = g.nrows();
    let value =
        if n <= DIRECT { symmetric_eigenvalues(g)?.last().copied()? } else { lanczos(g, steps)? };
    value.is_finite().then_some(value)
}

/// The largest Ritz value of a symmetric matrix after `steps` Lanczos steps from a fixed start.
#[expect(clippy::float_arithmetic, reason = "a guess, which is verified")]
fn lanczos(g: ArrayView2<'_, f64>, steps: usize) -> Option<f64> {
    let n = g.nrows();
    // A fixed start without symmetry: powers of the golden rotation.
    let mut q = Array1::from_shape_fn(n, |i| 1.0 + (i as f64 * 0.618_033_988_749_894_9).fract());
    q /= q.dot(&q).sqrt();
    let mut basis: Vec<Array1<f64>> = Vec::with_capacity(steps);
    let mut tridiagonal = Array2::<f64>::zeros((steps, steps));
    for k in 0..steps {
        let mut w = g.dot(&q);
        basis.push(q);
        tridiagonal[[k, k]] = basis[k].dot(&w);
        for _ in 0..2 {
            for b in &basis {
                let along = b.dot(&w);
                w.scaled_add(-along, b);
            }
        }
        let length = w.dot(&w).sqrt();
        if k + 1 == steps || length <= 1e-14 * tridiagonal[[0, 0]].abs() {
            let used = tridiagonal.slice(ndarray::s![..=k, ..=k]);
            return symmetric_eigenvalues(used)?.last().copied();
        }
        tridiagonal[[k, k + 1]] = length;
        tridiagonal[[k + 1, k]] = length;
        q = w / length;
    }
    None
}

/// A lower bound of `||a||_2`, from the Rayleigh quotient of an approximate singular vector.
pub fn spectral_norm_down(a: ArrayView2<'_, f64>) -> f64 {
    let (m, n) = a.dim();
    let largest = a.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() || !a.iter().all(|x| x.is_finite()) {
        return 0.0;
    }
    if m > n {
        return spectral_norm_down(a.t());
    }
    let shift = exponent(largest) + 1;
    let a = a.mapv(|x| scale(x, -shift));
    let Some(x) = approximate_singular_vector(a.view()) else { return 0.0 };
    // ||a x|| / ||x||, rounded down: |fl(a x) - a x| <= gamma_n |a||x| + underflow.
    let y = a.dot(&x);
    let error = DotError::new(Grid::of(a.iter()), Grid::of(x.iter()), n);
    let abs_x = x.mapv(f64::abs).insert_axis(Axis(1));
    let sizes = product::abs_apply_up(a.view(), Grid::of(a.iter()), abs_x.view());
    let mut squares = 0.0;
    for (y, size) in y.iter().zip(&sizes) {
        let slack = add_up(mul_up(error.relative, *size), error.absolute);
        let least = sub_down(y.abs(), slack).max(0.0);
        squares = super::rounding::add_down(squares, mul_down(least, least));
    }
    let length = sqrt_up(x.iter().fold(0.0, |sum, &x| add_up(sum, mul_up(x, x))));
    let norm = div_down(sqrt_down(squares), upper(length));
    // The scaling may have lost 2^-1075 per entry, in norm at most sqrt(m n) of it.
    #[expect(clippy::float_arithmetic, reason = "exact: an integer times a power of two")]
    let lost = if a.iter().any(|x| x.abs() <= f64::MIN_POSITIVE) {
        (m * n) as f64 * f64::from_bits(1)
    } else {
        0.0
    };
    scale_down(sub_down(norm, lost).max(0.0), shift)
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
mod tests {
    use super::*;
    use ndarray::arr2;
    use proptest::prelude::{prop_assert, proptest};

    fn matrix(m: usize, n: usize, seed: u64) -> Array2<f64> {
        use rand::{Rng, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_fn((m, n), |_| rng.random_range(-1.0..1.0))
    }

    #[test]
    fn known_norms() {
        // Singular values of [[3, 0], [4, 5]]: sqrt(45) and sqrt(5).
        let a = arr2(&[[3.0, 0.0], [4.0, 5.0]]);
        let (up, down, exact) =
            (spectral_norm_up(a.view()), spectral_norm_down(a.view()), 45f64.sqrt());
        assert!(up >= exact && up <= exact * (1.0 + 1e-13));
        assert!(down <= exact && down >= exact * (1.0 - 1e-13));
        assert_eq!(spectral_norm_up(arr2(&[[3.0, 4.0]]).view()), 5.0);
        assert_eq!(spectral_norm_up(Array2::zeros((3, 2)).view()), 0.0);
        assert_eq!(spectral_norm_up(arr2(&[[f64::NAN, 1.0]]).view()), f64::INFINITY);
        // The identity: every start vector is singular, all eigenvalues coincide.
        let identity = spectral_norm_up(Array2::eye(200).view());
        assert!((1.0..1.0 + 1e-11).contains(&identity));
    }

    #[test]
    fn extreme_scales_neither_overflow_nor_vanish() {
        for scale in [1e-300, 1e-160, 1e160, 1e300, 5e-324] {
            let a = arr2(&[[3.0, 0.0], [4.0, 5.0]]) * scale;
            let (up, down) = (spectral_norm_up(a.view()), spectral_norm_down(a.view()));
            let exact = 45f64.sqrt() * scale;
            assert!(up >= exact && down <= exact && down > 0.0, "{scale}: {down} {up}");
            if scale > 1e-310 {
                assert!(up <= exact * (1.0 + 1e-12));
            }
        }
        assert_eq!(spectral_norm_up(arr2(&[[1e308, 1e308], [1e308, 1e308]]).view()), f64::INFINITY);
    }

    proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(40))]
        #[test]
        fn the_bounds_enclose_and_meet(m in 1usize..130, n in 1usize..130, seed in 0u64..1000) {
            let a = matrix(m, n, seed);
            let (up, down) = (spectral_norm_up(a.view()), spectral_norm_down(a.view()));
            let norm = crate::numeric::decompose::thin_svd(a.view()).expect("converges").1[0];
            prop_assert!(down <= up);
            // The singular value solver is backward stable: relative error below 1e-13 here.
            prop_assert!(up >= norm * (1.0 - 1e-13) && up <= norm * (1.0 + 1e-11));
            prop_assert!(down <= norm * (1.0 + 1e-13) && down >= norm * (1.0 - 1e-13));
        }
    }
}
