//! Guesses of the largest eigenvalue of a symmetric matrix, which [`super`] verifies.
#![expect(clippy::float_arithmetic, reason = "guesses, which are verified")]

use ndarray::{Array2, ArrayView2};

use crate::numeric::decompose::symmetric_eigenvalues;
use crate::numeric::product::multiply;
use crate::numeric::rounding::UNIT_ROUNDOFF;

/// Up to this size all eigenvalues are computed.
const DIRECT: usize = 16;

/// Lanczos steps from one look at the largest Ritz value to the next.
const STRIDE: usize = 8;

/// A guess of the largest eigenvalue of a symmetric matrix, of which all entries are read: in general to some `n u`
/// where the given number of Lanczos steps is enough for that.
pub(in crate::numeric) fn approximate_largest_eigenvalue(
    g: ArrayView2<'_, f64>,
    steps: usize,
) -> Option<f64> {
    let value = if g.nrows() <= DIRECT {
        symmetric_eigenvalues(g)?.last().copied()?
    } else {
        lanczos(g, steps)
    };
    value.is_finite().then_some(value)
}

/// The largest Ritz value after the given number of steps, or when it has changed by less than `n u` in the last ones:
/// what is added before the verification is 64 times as much, and what is left to come even at a slow rate (9/10 from
/// one look to the next) 9 times.
///
/// Vectors are made orthogonal to the last two only: as they lose their orthogonality to those before, copies of
/// Ritz values that have converged appear, which does not move the largest one (C. C. Paige, "Accuracy and
/// effectiveness of the Lanczos algorithm for the symmetric eigenproblem", Linear Algebra Appl. 34, 1980).
fn lanczos(g: ArrayView2<'_, f64>, steps: usize) -> f64 {
    let n = g.nrows();
    // A fixed start without symmetry: powers of the golden rotation.
    let start = |(i, _)| 1.0 + (i as f64 * 0.618_033_988_749_894_9).fract();
    let mut q = Array2::from_shape_fn((n, 1), start);
    q /= length(&q);
    let mut before: Array2<f64> = Array2::zeros((n, 1));
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let (mut value, mut coupling) = (f64::NEG_INFINITY, 0.0);
    let enough = n as f64 * UNIT_ROUNDOFF;
    for k in 1..=steps {
        let mut w = multiply(g, q.view());
        let along = q.iter().zip(&w).map(|(q, w)| q * w).sum::<f64>();
        w.scaled_add(-along, &q);
        w.scaled_add(-coupling, &before);
        diagonal.push(along);
        coupling = length(&w);
        let ends = k == steps || coupling <= 1e-14 * along.abs();
        if ends || k % STRIDE == 0 {
            let last = value;
            value = largest_of_tridiagonal(&diagonal, &beside, last);
            if ends || value - last <= enough * value.abs() {
                break;
            }
        }
        beside.push(coupling);
        before = q;
        q = w / coupling;
    }
    value
}

fn length(x: &Array2<f64>) -> f64 {
    x.column(0).dot(&x.column(0)).sqrt()
}

/// The largest eigenvalue of a symmetric tridiagonal matrix, not below `least`, to its last places by bisection.
fn largest_of_tridiagonal(diagonal: &[f64], beside: &[f64], least: f64) -> f64 {
    let n = diagonal.len();
    let neighbour = |i: usize| beside.get(i).map_or(0.0, |b: &f64| b.abs());
    // Row sums bound the eigenvalues.
    let row = |i: usize| diagonal[i] + neighbour(i) + if i > 0 { neighbour(i - 1) } else { 0.0 };
    let mut high = (0..n).map(row).fold(f64::NEG_INFINITY, f64::max);
    let mut low = diagonal.iter().copied().fold(least, f64::max);
    // Whether x I minus the matrix has positive pivots.
    let is_above = |x: f64| {
        let mut pivot = x - diagonal[0];
        for (d, b) in diagonal[1..].iter().zip(beside) {
            if pivot <= 0.0 {
                return false;
            }
            pivot = x - d - b * b / pivot;
        }
        pivot > 0.0
    };
    loop {
        let middle = low + 0.5 * (high - low);
        if middle <= low || middle >= high || !middle.is_finite() {
            return high;
        }
        if is_above(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matrix with 2 on the diagonal and -1 beside it has the eigenvalues `2 - 2 cos(k pi / (n + 1))`.
    fn differences(n: usize) -> (Vec<f64>, Vec<f64>, f64) {
        let largest = 2.0 + 2.0 * (std::f64::consts::PI / (n as f64 + 1.0)).cos();
        (vec![2.0; n], vec![-1.0; n - 1], largest)
    }

    #[test]
    fn tridiagonal_matrices_of_differences() {
        for n in [1, 2, 3, 10, 100] {
            let (diagonal, beside, largest) = differences(n);
            let found = largest_of_tridiagonal(&diagonal, &beside, f64::NEG_INFINITY);
            // Pivots are rounded by a few units of numbers of at most 4.
            assert!((found - largest).abs() <= 20.0 * f64::EPSILON, "{n}: {found} {largest}");
            // Found again from where it was, and from a value that is not below it.
            assert_eq!(largest_of_tridiagonal(&diagonal, &beside, found.next_down()), found);
            let negated: Vec<f64> = diagonal.iter().map(|d| d - 10.0).collect();
            let negative = largest_of_tridiagonal(&negated, &beside, f64::NEG_INFINITY);
            assert!((negative - (largest - 10.0)).abs() <= 50.0 * f64::EPSILON, "{n}: {negative}");
        }
    }

    #[test]
    fn guesses_are_right_to_the_last_places() {
        // The largest eigenvalues of a matrix of differences are close to each other, so that most steps are needed.
        for n in [2, 16, 17, 30, 100] {
            let (_, _, largest) = differences(n);
            let matrix = Array2::from_shape_fn((n, n), |(i, j)| match i.abs_diff(j) {
                0 => 2.0,
                1 => -1.0,
                _ => 0.0,
            });
            let found = approximate_largest_eigenvalue(matrix.view(), 200).expect("finite");
            assert!((found / largest - 1.0).abs() < 1e-13, "{n}: {found} {largest}");
            // One step gives the quotient of the start, which is below.
            let quotient = lanczos(matrix.view(), 1);
            assert!(quotient < largest && quotient > 0.0, "{n}");
        }
    }

    #[test]
    fn an_invariant_subspace_ends_the_steps() {
        for (factor, n) in [(1.0, 50), (-3.0, 40)] {
            let found = lanczos((Array2::<f64>::eye(n) * factor).view(), 200);
            assert!((found / factor - 1.0).abs() < 1e-15, "{found}");
        }
        assert_eq!(lanczos(Array2::<f64>::zeros((20, 20)).view(), 200), 0.0);
        let matrix = Array2::from_elem((20, 20), f64::NAN);
        assert_eq!(approximate_largest_eigenvalue(matrix.view(), 200), None);
    }
}
