use ndarray::arr2;

use std::sync::Arc;

use super::*;
use crate::bounds::Options;
use crate::network::layers::dense::Dense;
use crate::network::layers::pool::{Kind, Pool};
use crate::network::layers::reshape::Reshape;
use crate::network::layers::window::{Parameters, PerAxis};
use crate::network::{Activation, Diagonal, Layer, Network};

#[test]
fn residuals_are_what_factors_leave_and_more() {
    // W - B A = [[1/4, 0], [0, -1/8]] and a radius of 1/16 in one entry: in l1 and linf at most
    // 1/4 + 1/16, in l2 at least 1/4. Norms of the matrix are about 1, so it stays as it is.
    let w = Matrix::dense(arr2(&[[1.25, 0.0], [0.0, 0.875]]));
    let radius = Matrix::dense(arr2(&[[0.0625, 0.0], [0.0, 0.0]]));
    let map = LinearMap::with_radius(w, Some(radius));
    assert_eq!(map.exponent, 0);
    let one = Matrix::dense(arr2(&[[1.0, 0.0], [0.0, 1.0]]));
    for norm in Norm::ALL {
        let bound = residual_up(&map, &one, &one, norm);
        assert!((0.3125..0.3125 * (1.0 + 1e-14)).contains(&bound), "{norm}: {bound}");
    }
    // 0.1 * 0.1 is rounded, by less than 2^-59: without its error the residual would be 0.
    let tenth = || Matrix::dense(arr2(&[[0.1]]));
    let square = LinearMap { matrix: Matrix::dense(arr2(&[[0.1 * 0.1]])), ..map };
    let bound = residual_up(&LinearMap { radius: None, ..square }, &tenth(), &tenth(), Norm::L2);
    let error =
        crate::numeric::exact(0.1) * crate::numeric::exact(0.1) - crate::numeric::exact(0.1 * 0.1);
    let bound = crate::numeric::exact(bound);
    assert!(error <= bound && -error <= bound);
}

/// Maps as they are, without a change of scale, between neurons with slopes in `[0, 1/2]`.
fn chain<const N: usize>(maps: [Array2<f64>; N]) -> Chain {
    let slopes = maps[..N - 1].iter().map(|w| {
        let n = w.nrows();
        Slopes::Componentwise(Diagonal::new(vec![0.0; n], vec![0.5; n]))
    });
    let slopes = slopes.collect();
    let map = |m| LinearMap { matrix: Matrix::dense(m), radius: None, exponent: 0 };
    Chain::new(maps.into_iter().map(map).collect(), slopes)
}

#[test]
fn rounding_of_the_decomposition_is_counted() {
    // W = B A without any remainder, in sums of 4 terms: at least gamma_5 (|W| + |B||A|), and one term is to spare.
    let (b, a) = (Matrix::dense(Array2::ones((1, 4))), Matrix::dense(Array2::ones((4, 1))));
    let four = LinearMap { matrix: Matrix::dense(arr2(&[[4.0]])), radius: None, exponent: 0 };
    for norm in Norm::ALL {
        let bound = residual_up(&four, &b, &a, norm);
        assert!(8.0 * gamma(5) <= bound && bound <= 8.0 * gamma(6) * (1.0 + 1e-12), "{norm}");
    }
    // Products that vanish: each of the 4 entries of a row may lose 2^-1074.
    let tiny = Matrix::dense(arr2(&[[crate::numeric::rounding::power_of_two(-600)]]));
    let row = Matrix::dense(Array2::from_elem((1, 4), tiny.grid().max));
    let zero =
        LinearMap { matrix: Matrix::dense(Array2::zeros((1, 4))), radius: None, exponent: 0 };
    assert!(residual_up(&zero, &tiny, &row, Norm::Linf) >= 4.0 * f64::from_bits(1));
}

#[test]
fn factors_know_the_maps_beside_them() {
    // 2 I, 3 I, 5 I, 7 I: the inner ones are roots times roots.
    let maps = [2.0, 3.0, 5.0, 7.0].map(|x| Array2::eye(2) * x);
    let factors = Factors::new(&chain(maps), Norm::Linf).expect("a decomposition");
    let weights: Vec<f64> = factors.residuals.iter().map(|r| r.weight).collect();
    assert_eq!(weights, [2.0, 3.0, 5.0]);
    for (r, left) in factors.residuals.iter().zip([3f64.sqrt(), 5f64.sqrt(), 7.0]) {
        // The singular vectors are computed to a few roundings.
        assert!((r.left / left - 1.0).abs() < 1e-12 && r.slope == 0.5, "{}", r.left);
        assert!(r.residual < 1e-13, "{}", r.residual);
    }
    assert_eq!(factors.residuals[0].residual, 0.0);
    for (is_bounded, count) in [(true, 3), (false, 0)] {
        let (product, bounded) = factors.product_up(|_| (2.0, is_bounded));
        assert!((8.0..8.0 * (1.0 + 1e-12)).contains(&product), "{product}");
        assert_eq!(bounded, count);
    }
}

#[test]
fn wide_factors_are_bounded_from_above() {
    // Nonnegative weights and equal largest slopes: the maximum is the norm of W_1 W_0 / 2.
    let hidden = EXACT_NEURONS + 1;
    let entries = |(i, j): (usize, usize)| ((i + 2 * j) % 5) as f64;
    for (inputs, outputs) in [(2, 3), (3, 2)] {
        let first = Array2::from_shape_fn((hidden, inputs), entries);
        let last = Array2::from_shape_fn((outputs, hidden), entries);
        let product = Matrix::dense(last.dot(&first) * 0.5);
        let chain = chain([first, last]);
        for norm in Norm::ALL {
            let value = match norm {
                Norm::L1 => product.norm_l1_up(),
                Norm::L2 => product.norm_l2_up(),
                Norm::Linf => product.norm_linf_up(),
            };
            let (bound, is_bound) = factor_up(&chain, norm);
            assert!((bound / value - 1.0).abs() < 1e-12 && is_bound, "{norm}: {bound} {value}");
        }
    }
    // Without cuts, the triangle inequality keeps signs: the norm of (1 1; 1 -1) is the root of 2, that of its
    // absolute values 2.
    let signs = arr2(&[[1.0, 1.0], [1.0, -1.0]]);
    let map = |m| LinearMap { matrix: Matrix::dense(m), radius: None, exponent: 0 };
    let fixed = Slopes::Componentwise(Diagonal::new(vec![1.0; 2], vec![1.0; 2]));
    let fixed = Chain::new(vec![map(Array2::eye(2)), map(signs)], vec![fixed]);
    let bound = full_bound(&fixed, Norm::L2);
    assert!(bound * bound >= 2.0 && bound < 1.4143, "{bound}");
}

#[test]
fn only_wide_layers_have_estimates() {
    let problem = |hidden: usize, is_pooled: bool| {
        let sign = |(i, j): (usize, usize)| if (i * j + i) % 3 == 0 { 1.0 } else { -1.0 };
        let dense = |rows, columns| -> Arc<dyn Layer> {
            let weight = Array2::from_shape_fn((rows, columns), sign);
            Arc::new(Dense::new(weight, ndarray::Array1::zeros(rows)).expect("shapes"))
        };
        let windows = Parameters {
            kernel: &[2],
            stride: Some(&PerAxis::All(2)),
            dilation: None,
            padding: None,
        };
        let layers: Vec<Arc<dyn Layer>> = if is_pooled {
            let pool = Pool::new(Kind::Max, &windows, false, false).expect("one axis");
            let channel = Reshape { shape: vec![1, -1] };
            vec![dense(hidden, 2), Arc::new(channel), Arc::new(pool), dense(2, hidden / 2)]
        } else {
            vec![dense(hidden, 2), Arc::new(Activation::Relu), dense(2, hidden)]
        };
        let network = Network::sequential("wide", vec![2], layers).expect("shapes");
        Problem::new(network.lower().expect("dense layers"), Options::default())
    };
    assert_eq!(K2.estimate(&problem(2, false), Norm::Linf), None);
    assert_eq!(K2.estimate(&problem(2 * EXACT_NEURONS + 2, true), Norm::Linf), None);
    let wide = problem(EXACT_NEURONS + 1, false);
    let estimate = K2.estimate(&wide, Norm::Linf).expect("an estimate");
    assert_eq!(estimate.guarantee, Guarantee::Estimate);
    assert!(estimate.note.is_some_and(|note| note.contains("nothing is proved")));
    let upper = K2.compute(&wide, Norm::Linf).expect("dense layers").upper;
    assert!(0.0 < estimate.upper && estimate.upper <= upper);
}
