//! The spectral norm of a matrix without negative entries.

use ndarray::{Array1, ArrayView2, Axis};

use crate::numeric::grid::Grid;
use crate::numeric::product::abs_apply_up;
use crate::numeric::rounding::{UNIT_ROUNDOFF, div_up, max_up};

/// Steps of the power method. Where they are not enough, the general method is as fast.
const STEPS: usize = 50;

/// The entries of the vector are at least this, relative to its largest one.
const FLOOR: f64 = 1e-100;

/// An upper bound of the square of the spectral norm of `|a|`, for entries below 1 on the grid `grid`, close to it;
/// `None` where the power method does not get close.
///
/// For a matrix without negative entries and a positive vector `x`, the largest of the quotients
/// `(A^T A x)_j / x_j` bounds the largest eigenvalue of `A^T A` (L. Collatz, "Einschliessungssatz fuer die
/// charakteristischen Zahlen von Matrizen", Math. Z. 48, 1942). All products are rounded up.
pub(super) fn square_of_norm_up(a: ArrayView2<'_, f64>, grid: Grid) -> Option<f64> {
    let x = singular_vector(a)?;
    Some(quotient_up(a, grid, x.view().insert_axis(Axis(1))))
}

/// The largest quotient of `|a|^T |a| x` and the positive `x`, rounded up.
fn quotient_up(a: ArrayView2<'_, f64>, grid: Grid, x: ArrayView2<'_, f64>) -> f64 {
    let y = abs_apply_up(a, grid, x);
    let z = abs_apply_up(a.t(), grid, y.view());
    z.iter().zip(x).map(|(&z, &x)| div_up(z, x)).fold(0.0, max_up)
}

/// A positive vector with a largest entry of 1 for which all quotients are close to the largest eigenvalue, by the
/// power method; `None` where they do not get close.
#[expect(clippy::float_arithmetic, reason = "a guess: any positive vector will do")]
fn singular_vector(a: ArrayView2<'_, f64>) -> Option<Array1<f64>> {
    let a = a.as_standard_layout();
    let mut x = Array1::ones(a.ncols());
    let mut z = Array1::zeros(a.ncols());
    // What rounding does to the quotients.
    let tolerance = (2 * (a.nrows() + a.ncols()) + 8) as f64 * UNIT_ROUNDOFF;
    for _ in 0..STEPS {
        z.fill(0.0);
        for row in a.rows() {
            z.scaled_add(row.dot(&x), &row);
        }
        // The quotient of Rayleigh is at most the largest eigenvalue.
        let rayleigh = x.dot(&z) / x.dot(&x);
        let quotients = z.iter().zip(&x).map(|(z, x)| z / x);
        if quotients.fold(0.0, f64::max) <= rayleigh * (1.0 + tolerance) {
            return Some(x);
        }
        let largest = z.iter().copied().fold(0.0, f64::max);
        x.zip_mut_with(&z, |x, z| *x = (z / largest).max(FLOOR));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::exact;
    use crate::numeric::rounding::coarse;
    use crate::numeric::spectral::spectral_norm_up;
    use dashu::rational::RBig;
    use ndarray::{Array2, arr2};
    use rand::{Rng, SeedableRng};

    fn square_up(a: &Array2<f64>) -> Option<f64> {
        square_of_norm_up(a.view(), Grid::of_matrix(a.view()))
    }

    #[test]
    fn exact_where_nothing_is_rounded() {
        // A matrix u v^T has the norm |u| |v|.
        assert_eq!(square_up(&arr2(&[[0.125, 0.25], [0.25, 0.5]])), Some(25.0 / 64.0));
        assert_eq!(square_up(&Array2::ones((3, 7))), Some(21.0));
    }

    #[test]
    fn columns_of_zeros_have_no_part() {
        // Products and sums of 2 and 3 terms are raised by some 50 u together.
        for a in [arr2(&[[0.5, 0.0], [0.0, 0.25]]), arr2(&[[0.0, 0.5, 0.0], [0.0, 0.0, 0.0]])] {
            let found = square_up(&a).expect("one is much larger than the other");
            assert!((0.25..0.25 * (1.0 + 100.0 * UNIT_ROUNDOFF)).contains(&found), "{found}");
        }
    }

    /// With few bits, a product or quotient that is rounded the wrong way is too small by some percent.
    #[test]
    fn every_rounding_is_upwards() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for case in 0..200 {
            let mut vector = |n: usize| {
                Array2::from_shape_simple_fn((n, 1), || f64::from(rng.random_range(1u32..9)) / 8.0)
            };
            let (u, v) = (vector(1 + case % 3), vector(3));
            // Eighths: the outer product is exact, and so is its norm |u| |v|.
            let a = u.dot(&v.t());
            let squares =
                |x: &Array2<f64>| x.iter().fold(RBig::ZERO, |s, &x| s + exact(x) * exact(x));
            let norm = squares(&u) * squares(&v);
            let (bits, unit) = if case % 2 == 0 { (3, UNIT_ROUNDOFF) } else { (53, 0.01) };
            let quotient = || square_up(&a).expect("one singular value");
            let found = coarse::with(bits, unit, quotient);
            assert!(exact(found) >= norm, "{case}");
        }
    }

    #[test]
    fn close_singular_values_are_left_to_the_general_method() {
        // A^T A = [[1, e], [e, 1 + e^2]] has the eigenvalues 1 + (e^2 +- e sqrt(4 + e^2)) / 2, nearly the same.
        let e = 2f64.powi(-10);
        let a = arr2(&[[1.0, e], [0.0, 1.0]]);
        assert_eq!(square_up(&a), None);
        let norm = (1.0 + 0.5 * (e * e + e * (4.0 + e * e).sqrt())).sqrt();
        let found = spectral_norm_up(a.view());
        // The margin of 64 * 2 u, and that of this closed form.
        assert!((norm * (1.0 - 1e-15)..norm * (1.0 + 1e-13)).contains(&found), "{found} {norm}");
    }
}
