//! Spectral norms of dense matrices: known ones, extreme scales, and the terms for rounding errors.

use super::*;
use crate::numeric::exact;
use crate::numeric::rounding::coarse;
use crate::numeric::rounding::power_of_two;
use dashu::base::Abs;
use dashu::rational::RBig;
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

/// A row of ones has the norm `sqrt(k)`: the least number that is not below it, and the largest one that is not above.
#[test]
fn norms_of_one_row_or_column_are_rounded_once() {
    for k in 1..40u32 {
        let row = Array2::<f64>::ones((1, k as usize));
        let up = exact(spectral_norm_up(row.view()));
        assert!(&up * &up >= RBig::from(k));
        let below = exact(spectral_norm_up(row.view()).next_down());
        assert!(&below * &below < RBig::from(k));
        // The first unit vector is the singular vector of a first column of ones, and has no rounding errors.
        let column =
            Array2::from_shape_fn(
                (k as usize, k as usize),
                |(_, j)| {
                    if j == 0 { 1.0 } else { 0.0 }
                },
            );
        let down = exact(spectral_norm_down(column.view()));
        assert!(&down * &down <= RBig::from(k), "{k}");
        let above = exact(spectral_norm_down(column.view()).next_up());
        assert!(&above * &above > RBig::from(k), "{k}");
    }
}

#[test]
fn entries_that_scaling_loses_count() {
    // sqrt(2^2000 + 2^-200) is above 2^1000; scaled to entries below 1, 2^-100 is 0.
    let large = power_of_two(1000);
    let row = arr2(&[[large, power_of_two(-100)]]);
    assert_eq!(spectral_norm_up(row.view()), large.next_up());
    assert!(spectral_norm_down(row.view()) <= large);
    // Nothing is lost here.
    assert_eq!(spectral_norm_up(arr2(&[[3.0, 0.0, -4.0]]).view()), 5.0);
    for x in [3.0, 3.0 * power_of_two(-600), 3.0 * power_of_two(600)] {
        assert_eq!(spectral_norm_down(arr2(&[[-x]]).view()), x);
        assert_eq!(spectral_norm_up(arr2(&[[-x]]).view()), x);
    }
    // J - I of four rows, times 1/4: its norm 3/4 is that of (1, 1, 1, 1), and smaller where the diagonal stands for
    // negative numbers.
    let a = Array2::from_shape_fn((4, 4), |(i, j)| if i == j { 0.0 } else { 0.25 });
    let along = |inexact| norm_along_down(a.view(), &Array1::ones(4), inexact);
    assert_eq!((along(false), along(true)), (0.75, 0.75f64.next_down()));
    assert_eq!(norm_along_down(a.view(), &Array1::zeros(4), true), 0.0);
}

#[test]
fn what_is_not_finite_or_zero_has_no_bound_below() {
    for x in [0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(spectral_norm_down(arr2(&[[x, x], [0.0, x]]).view()), 0.0, "{x}");
    }
}

#[test]
fn the_crude_bounds_of_a_gram_matrix_are_used() {
    // [1, -2]^T [1, -2] has one singular value, so that the trace of the Gram matrix is its square.
    assert_eq!(spectral_norm_up(arr2(&[[1.0, -2.0], [-2.0, 4.0]]).view()), 5.0);
    // ||D||_1 ||D||_inf = 1, while the trace is 50.
    let signs = Array1::from_shape_fn(50, |i| if i == 7 { -1.0 } else { 1.0 });
    assert_eq!(spectral_norm_up(Array2::from_diag(&signs).view()), 1.0);
}

#[test]
fn matrices_without_negative_entries_have_no_margin() {
    // [[2, 1], [1, 3]] with blocks of ones: 20 times (5 + sqrt(5)) / 2. Two products of 40 terms, and the quotients,
    // which have met, are above it by less than 600 u; the margin of a guess would be 64 * 40 u of the square.
    let entry = |i: usize, j: usize| [[2.0, 1.0], [1.0, 3.0]][i / 20][j / 20];
    let norm = 10.0 * (5.0 + 5f64.sqrt());
    let found = spectral_norm_up(Array2::from_shape_fn((40, 40), |(i, j)| entry(i, j)).view());
    let u = UNIT_ROUNDOFF;
    assert!((norm * (1.0 - 4.0 * u)..norm * (1.0 + 600.0 * u)).contains(&found), "{found} {norm}");
    // With signs that do not change the norm, and that are too many for that: that margin, and rounding of its size.
    let negated = Array2::from_shape_fn((40, 40), |(i, j)| {
        let sign = |k: usize| if k >= 20 { -1.0 } else { 1.0 };
        entry(i, j) * sign(i) * sign(j)
    });
    let found = spectral_norm_up(negated.view());
    assert!((norm * (1.0 + 1000.0 * u)..norm * (1.0 + 4000.0 * u)).contains(&found), "{found}");
}

#[test]
fn margins_grow_until_a_guess_is_verified() {
    // I / 2 + v v^T / 2 with the unit vector v orthogonal to the start of the guess, which finds 1/2 only.
    let n = 20;
    let start = |i: usize| 1.0 + (i as f64 * 0.618_033_988_749_894_9).fract();
    let mut v = Array2::zeros((n, 1));
    (v[[0, 0]], v[[1, 0]]) = (start(1), -start(0));
    v /= start(0).hypot(start(1));
    let g = (Array2::<f64>::eye(n) + v.dot(&v.t())) / 2.0;
    let guess = approximate_largest_eigenvalue(g.view(), GUESS_STEPS).expect("finite");
    assert!((guess - 0.5).abs() < 1e-12, "{guess}");
    // 64 * 20 u times powers of 16, up to the first that is at least 1, which is below 4.
    let found = largest_eigenvalue_up(g.view());
    assert!((1.0..2.5).contains(&found), "{found}");
}

#[test]
fn the_smaller_side_has_the_gram_matrix() {
    // Orthogonal rows with 64 entries of 1 and of 2: the singular values are 8 and 16.
    let a = Array2::from_shape_fn((2, 128), |(i, j)| match (i, j < 64) {
        (0, true) => 1.0,
        (1, false) => 2.0,
        _ => 0.0,
    });
    for a in [a.view(), a.t()] {
        let norm = spectral_norm_up(a);
        // The margin of the guess, 64 * 2 u, twice in case that the guess is below.
        assert!((16.0..=16.0 * (1.0 + 256.0 * UNIT_ROUNDOFF)).contains(&norm), "{norm}");
    }
}

#[test]
fn the_largest_eigenvalue_may_be_negative() {
    let g = Array2::<f64>::eye(2) * -3.0;
    let bound = largest_eigenvalue_up(g.view());
    // 64 * 2 u of 3, and the residual of the factorisation.
    assert!((-3.0..=-3.0 * (1.0 - 1e-13)).contains(&bound), "{bound}");
}

#[test]
fn the_rounding_of_a_shifted_diagonal_counts() {
    // Small beside the diagonal, so that what is added to it shows.
    let (s, g) = (1e-3, arr2(&[[-1.0, 0.25], [0.25, -0.5]]));
    let shifted = arr2(&[[s + 1.0, 0.0], [-0.25, s + 0.5]]);
    let residual = cholesky_residual_up(shifted.view()).expect("positive definite");
    let found = exact(eigenvalues_at_most_up(g.view(), s).expect("positive definite"));
    let added = found - exact(s) - exact(residual);
    // An entry of 1.001 is off by at most u times it; 2 u are added, and two sums are rounded up.
    let entry = exact(s) + exact(1.0);
    assert!(added >= &entry * exact(UNIT_ROUNDOFF) && added <= entry * exact(3.0 * UNIT_ROUNDOFF));
}

/// `R R^T` for a factor in which nothing is rounded.
fn product(factor: &Array2<f64>) -> Array2<f64> {
    factor.dot(&factor.t())
}

fn squares(a: &Array2<f64>) -> RBig {
    let mut bits: Vec<u64> = a.iter().map(|x| x.to_bits()).collect();
    bits.sort_unstable();
    bits.chunk_by(u64::eq).fold(RBig::ZERO, |sum, equal| {
        let x = exact(f64::from_bits(equal[0]));
        sum + RBig::from(equal.len()) * &x * &x
    })
}

/// Where the factorisation is exact, the bound is that of the rounding errors of the residual, which nothing knows to
/// be zero: `gamma_(n+2) (||m||_F + ||R||_F^2)`, the sums being raised by `2 gamma_(n^2+3)`.
fn assert_rounding_error(factor: &Array2<f64>) {
    let n = factor.nrows();
    let m = product(factor);
    let found = exact(cholesky_residual_up(m.view()).expect("positive definite"));
    // exact / (n + 2) u = 1 / (1 - (n + 2) u).
    let nu = RBig::from(n + 2) * exact(UNIT_ROUNDOFF);
    let gamma_n = &nu / (exact(1.0) - &nu);
    let rest = found.clone() / &gamma_n - squares(factor);
    assert!(rest > RBig::ZERO && &rest * &rest >= squares(&m), "{n}");
    // 40 u for `gamma` and the directed operations, sqrt(2^-1022) for the residual.
    let raise = exact(1.0 + 2.0 * gamma(n * n + 3) + 40.0 * UNIT_ROUNDOFF);
    let rest = (found - exact(1e-150)) / (gamma_n * raise) - squares(factor);
    assert!(rest < RBig::ZERO || &rest * &rest <= squares(&m), "{n}");
}

#[test]
fn residuals_contain_their_rounding_errors() {
    assert_rounding_error(&arr2(&[[1.0]]));
    assert_rounding_error(&arr2(&[[2.0, 0.0], [1.0, 1.0]]));
    assert_rounding_error(&arr2(&[[2.0, 0.0, 0.0], [4.0, 1.0, 0.0], [2.0, 2.0, 4.0]]));
    // Squares that vanish one by one beside a large one, though not all together: of the factor, 2^-54 beside 1,
    let n = 300;
    let diagonal = |i: usize| if i == 0 { 1.0 } else { power_of_two(-27) };
    assert_rounding_error(&Array2::from_diag(&Array1::from_shape_fn(n, diagonal)));
    // and of the matrix, 2 * 16 or 25 beside 2^60, whose last bit is 2^8.
    assert_rounding_error(&Array2::from_shape_fn((n, n), |(i, j)| match (i, j) {
        (0, 0) => power_of_two(15),
        (i, 1) if i > 0 => 2.0,
        (i, j) if i == j => 1.0,
        _ => 0.0,
    }));
}

#[test]
fn residuals_contain_what_the_factorisation_leaves() {
    for x in [2.0, 3.0, 7.0, 0.1] {
        let m = arr2(&[[x]]);
        let r = cholesky(m.view()).expect("positive")[(0, 0)];
        let found = cholesky_residual_up(m.view()).expect("positive");
        // The product of the root with itself is rounded, or fused with the subtraction.
        let (plain, fused) = ((x - r * r).abs(), r.mul_add(-r, x).abs());
        // gamma_3 of the number and of the square of its root.
        let rounding = gamma(3) * (x + r * r);
        assert!(found >= (plain.min(fused) + rounding) * (1.0 - 1e-14), "{x}");
        assert!(found <= (plain.max(fused) + rounding) * (1.0 + 1e-14), "{x}");
    }
}

/// With few bits a sum, a square or a quotient that is rounded the wrong way is above the exact one by some percent.
#[test]
fn quotients_along_vectors_are_rounded_down() {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    for case in 0..400 {
        // Eighths and small integers: products and their sums are exact, unless the unit is large.
        let (m, n) = (rng.random_range(1..4), rng.random_range(1..4));
        let a =
            Array2::from_shape_simple_fn((m, n), || f64::from(rng.random_range(-8i32..9)) / 8.0);
        let x = Array1::from_shape_simple_fn(n, || f64::from(rng.random_range(1i32..9)));
        let (bits, unit) = if case % 2 == 0 { (2 + case % 5, UNIT_ROUNDOFF) } else { (3, 0.01) };
        let (found, gamma_n) =
            coarse::with(bits, unit, || (norm_along_down(a.view(), &x, false), gamma(n)));
        // Of each sum gamma_n |a||x| is lost where it may be rounded.
        let lost = exact(if case % 2 == 0 { 0.0 } else { gamma_n });
        let mut squares = RBig::ZERO;
        for row in a.outer_iter() {
            let terms: Vec<RBig> = row.iter().zip(&x).map(|(a, x)| exact(*a) * exact(*x)).collect();
            let sum = terms.iter().fold(RBig::ZERO, |s, t| s + t).abs();
            let size = terms.iter().fold(RBig::ZERO, |s, t| s + t.clone().abs());
            let least = sum - &lost * size;
            if least > RBig::ZERO {
                squares += &least * &least;
            }
        }
        let length = x.iter().fold(RBig::ZERO, |s, &x| s + exact(x) * exact(x));
        assert!(exact(found) * exact(found) * length <= squares, "{case}");
    }
}
