use ndarray::{Array2, arr2};

use super::*;
use crate::network::{Diagonal, LinearMap};
use crate::numeric::rounding::power_of_two;
use crate::numeric::{Matrix, exact};

#[test]
fn norms_that_overflow_are_no_lower_bounds() {
    let leaf = |norm: Norm, x: &[f64]| {
        let (first, layers) = (Vec::new(), Vec::new());
        let all = Enumeration { norm, first, inputs: 2, layers, error_up: 0.0 };
        let Largest { lower, upper } = all.leaf(x, x.len() / 2, 0.0);
        (lower, upper)
    };
    // Sums of absolute values by hand; a NaN may stand for any number.
    let infinity = f64::INFINITY;
    assert_eq!(leaf(Norm::Linf, &[3.0, -4.0, 5.0, 1.0]), (7.0, 7.0));
    assert_eq!(leaf(Norm::L1, &[3.0, -4.0, 5.0, 1.0]), (8.0, 8.0));
    for x in [[1e308, 1e308, 1.0, 1.0], [1.0, f64::NAN, 1.0, 1.0], [1.0, infinity, 1.0, 1.0]] {
        assert_eq!(leaf(Norm::Linf, &x), (0.0, infinity), "{x:?}");
    }
    for x in [[1e308, 1.0, 1e308, 1.0], [1.0, f64::NAN, 1.0, 1.0], [1.0, infinity, 1.0, 1.0]] {
        assert_eq!(leaf(Norm::L1, &x), (0.0, infinity), "{x:?}");
        let (lower, upper) = leaf(Norm::L2, &x);
        assert!(lower.is_finite() && upper >= 1e308, "{x:?}: {lower} {upper}");
    }
}

#[test]
fn underflow_is_covered_where_other_slopes_are_large() {
    // One neuron in each layer: the largest value is the product of the weights and the largest slopes. The
    // small slope times 0.7 is rounded in the subnormal range, by up to half of itself, and the large one
    // multiplies that.
    for (small, large) in [(2.5e-322, 1e6), (1e-323, 1e6), (3e-319, 100.0), (7e-310, 9e6)] {
        for slopes in [[small, large], [large, small]] {
            let maps = [1.0, 0.7, 1.0].map(|w| LinearMap::new(Matrix::dense(arr2(&[[w]]))));
            let exponent: i32 = maps.iter().map(|map| map.exponent).sum();
            let layers = slopes.map(|s| Slopes::Componentwise(Diagonal::new(vec![0.0], vec![s])));
            let (lower, upper) = enumerate(&Chain::new(maps.into(), layers.into()), Norm::Linf);
            let scale = crate::numeric::rounding::power_of_two(-exponent);
            let value = exact(small) * exact(large) * exact(0.7) * exact(scale);
            assert!(exact(lower) <= value && value <= exact(upper), "{slopes:?}");
        }
    }
}

/// A chain of maps as they are, without a change of scale.
fn chain(first: Array2<f64>, slopes: &[(f64, f64)], last: Array2<f64>) -> Chain {
    let map = |m: Array2<f64>| LinearMap { matrix: Matrix::dense(m), radius: None, exponent: 0 };
    let (alpha, beta) = slopes.iter().copied().unzip();
    let slopes = Slopes::Componentwise(Diagonal::new(alpha, beta));
    Chain::new(vec![map(first), map(last)], vec![slopes])
}

#[test]
fn both_ends_are_those_of_the_largest_jacobian() {
    // The largest |3 a - 4 b| for a, b in [0, 1] is 4, and of (3 a, -4 b; a, 0) in linf, too; l1: 4 as well.
    let column = Array2::ones((2, 1));
    let one = chain(column, &[(0.0, 1.0); 2], arr2(&[[3.0, -4.0]]));
    let two =
        chain(arr2(&[[1.0, 0.0], [0.0, 1.0]]), &[(0.0, 1.0); 2], arr2(&[[0.0, -4.0], [1.0, 0.0]]));
    for (chain, norm) in [&one, &two].into_iter().flat_map(|c| Norm::ALL.map(|norm| (c, norm))) {
        let (lower, upper) = enumerate(chain, norm);
        // Norms in l2 are bounded to a few units in the last place.
        assert!((4.0 * (1.0 - 1e-14)..=4.0).contains(&lower), "{norm}: {lower}");
        assert!((4.0..=4.0 * (1.0 + 1e-14)).contains(&upper), "{norm}: {upper}");
    }
}

#[test]
fn sums_are_exact_as_long_as_they_fit() {
    // Odd numbers of p + 1 bits: a product of three of them needs the sum of their p and at least one bit more.
    let odd = |p: i32| 2f64.powi(p) + 1.0;
    let single =
        |p: i32, q: i32, r: i32| chain(arr2(&[[odd(p)]]), &[(-odd(q), odd(q))], arr2(&[[odd(r)]]));
    for (p, q, r) in [(13, 13, 13), (30, 5, 5), (5, 30, 5), (5, 5, 30)] {
        assert!(is_exact(&single(p, q, r)), "{p} {q} {r}");
    }
    for (p, q, r) in [(20, 20, 20), (50, 2, 2), (2, 50, 2), (2, 2, 50)] {
        assert!(!is_exact(&single(p, q, r)), "{p} {q} {r}");
    }
    // The difference of the slopes is twice as large as they are: 2^52 is exceeded.
    assert!(!is_exact(&single(17, 17, 17)));
    // A map of numbers below 1 makes no sums smaller than those before it.
    assert!(!is_exact(&chain(arr2(&[[odd(50)]]), &[(0.0, odd(1))], arr2(&[[power_of_two(-9)]]))));
    // 1023 products of 45 bits: their sum is odd and above 2^53, whether the first or the last map has the row.
    let (tall, wide) = (Array2::ones((1023, 1)), Array2::from_elem((1, 1023), odd(22)));
    let slopes = vec![(0.0, odd(22)); 1023];
    assert!(!is_exact(&chain(tall.clone(), &slopes, wide.clone())));
    assert!(!is_exact(&chain(wide.reversed_axes(), &slopes, tall.reversed_axes())));
}

#[test]
fn errors_grow_with_the_operations() {
    // A row of `n` ones, slopes in [0, 1], or its transpose: the product of the norms is n. On its way a number
    // passes n + 1 additions and three multiplications with a rounded step, and is one of n in the norm; two more
    // are counted.
    for n in [1, 4, 8] {
        let row = chain(Array2::ones((n, n)), &vec![(0.0, 1.0); n], Array2::ones((1, n)));
        let column = chain(Array2::ones((n, 1)), &vec![(0.0, 1.0); n], Array2::ones((n, n)));
        for chain in [row, column] {
            let error = error_up(&chain, Norm::Linf) / magnitude_up(&chain, Norm::Linf);
            let operations = n + 5 + n;
            assert!(gamma(operations) <= error, "{n}");
            assert!(error <= gamma(operations + 2) * (1.0 + 1e-12), "{n}");
        }
    }
    // Weights of which all products vanish: 2^-1073 for each of the 6 operations.
    let tiny = power_of_two(-600);
    let error = error_up(&chain(arr2(&[[tiny]]), &[(0.0, tiny)], arr2(&[[tiny]])), Norm::Linf);
    assert!((12.0 * MIN_SUBNORMAL..=15.0 * MIN_SUBNORMAL).contains(&error), "{error}");
}
