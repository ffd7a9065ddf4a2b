use std::sync::Arc;

use ndarray::arr2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::network::Network;
use crate::network::layers::pool::{Kind, Pool};
use crate::network::layers::window::{Parameters, PerAxis};
use crate::network::{Diagonal, Slopes};
use crate::numeric::{Matrix, exact};

/// Whether a matrix with these exact entries is in the ball.
fn contains(ball: &Ball, entry: impl Fn(usize, usize) -> dashu::rational::RBig) -> bool {
    ball.centre.indexed_iter().all(|((i, j), &centre)| {
        let distance = entry(i, j) - exact(centre);
        let radius = exact(ball.radius.as_ref().map_or(0.0, |r| r[[i, j]]));
        distance <= radius && -distance <= radius
    })
}

#[test]
fn balls_hold_what_was_rounded() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut matrix = |m, n| Array2::from_shape_simple_fn((m, n), || rng.random_range(-1.0..1.0));
    for _ in 0..50 {
        let (centre, w, slopes) = (matrix(3, 2), matrix(3, 4), matrix(3, 1));
        let ball = Ball { centre: centre.clone(), radius: None };
        let slopes = slopes.column(0).to_vec();
        let scaled = ball.scaled(&slopes, &[0.0; 3]);
        let entry = |i: usize, j: usize| exact(slopes[i]) * exact(centre[[i, j]]);
        assert!(contains(&scaled, entry), "{slopes:?} {centre}");
        let map = LinearMap::new(Matrix::dense(w));
        let w = map.matrix.to_dense();
        let product = |i: usize, j: usize| {
            (0..3).map(|k| exact(w[[k, i]]) * entry(k, j)).reduce(|a, b| a + b).expect("terms")
        };
        assert!(contains(&scaled.mapped(&map), product), "{w} {slopes:?} {centre}");
    }
    // Two windows that pick the same element.
    for _ in 0..50 {
        let centre = matrix(2, 2);
        let ball = Ball { centre: centre.clone(), radius: None };
        let picked = ball.selected(&[vec![1], vec![1]], 2);
        let zero = || exact(0.0);
        let sum = |j: usize| exact(centre[[0, j]]) + exact(centre[[1, j]]);
        assert!(contains(&picked, |i, j| if i == 1 { sum(j) } else { zero() }), "{centre}");
    }
}

#[test]
fn elements_that_may_be_the_largest_bound_each_other() {
    // A window of two elements picks either of them: the entries of the row below come to one or the other.
    let ball = Ball { centre: arr2(&[[-3.0]]), radius: Some(arr2(&[[0.5]])) };
    let picked = ball.selected(&[vec![0, 2]], 3);
    assert_eq!(picked.centre, arr2(&[[0.0], [0.0], [0.0]]));
    assert_eq!(picked.radius, Some(arr2(&[[3.5], [0.0], [3.5]])));
}

#[test]
fn norms_hold_for_all_slopes() {
    // W_1 D W_0 = 3 d_1 + 4 d_2 with d in [0, 1] and [1/2, 1], or diag(3 d_1, 4 d_2).
    let map = |entries| LinearMap::new(Matrix::dense(entries));
    let slopes = [vec![(0.0, 1.0), (0.5, 1.0)]];
    let intervals = || vec![Slopes::Componentwise(Diagonal::new(vec![0.0, 0.5], vec![1.0, 1.0]))];
    let scale = |chain: &Chain| crate::numeric::rounding::power_of_two(chain.exponent());
    let diagonal = arr2(&[[1.0, 0.0], [0.0, 1.0]]);
    let cases = [
        (arr2(&[[3.0, 4.0]]), arr2(&[[1.0], [1.0]]), 2.0, 7.0),
        (arr2(&[[3.0, 0.0], [0.0, 4.0]]), diagonal, 2.0, 4.0),
    ];
    for (last, first, least, largest) in cases {
        let chain = Chain::new(vec![map(first), map(last)], intervals());
        for norm in Norm::ALL {
            let (lower, upper) = norm_of(&chain, &slopes, norm);
            let (lower, upper) = (lower * scale(&chain), upper * scale(&chain));
            assert!(lower <= least && largest <= upper, "{norm}: {lower}, {upper}");
        }
    }
}

#[test]
fn radii_do_not_depend_on_signs() {
    // |-1 x| is off by 1/2 as x is, and slopes within 1/4 of -1 add 1/4 of |x| + 1/2.
    let ball = |x: f64| Ball { centre: arr2(&[[x]]), radius: Some(arr2(&[[0.5]])) };
    let turned = ball(1.0).scaled(&[-1.0], &[0.0]).radius.expect("a radius")[[0, 0]];
    assert!((0.5..0.5 + 1e-15).contains(&turned), "{turned}");
    for x in [3.0, -3.0] {
        let scaled = ball(x).scaled(&[1.0], &[0.25]);
        assert_eq!(scaled.radius, Some(arr2(&[[0.5 + 0.25 * 3.5]])));
    }
}

#[test]
fn what_is_only_moved_is_exact() {
    // Two windows that pick different elements, or the same one with nothing to add.
    let ball = || Ball { centre: arr2(&[[-3.0, 0.1], [0.0, 0.0]]), radius: None };
    for (windows, expected) in [
        ([vec![1], vec![0]], arr2(&[[0.0, 0.0], [-3.0, 0.1]])),
        ([vec![0], vec![0]], arr2(&[[-3.0, 0.1], [0.0, 0.0]])),
    ] {
        let moved = ball().selected(&windows, 2);
        assert_eq!((moved.centre, moved.radius), (expected, None));
    }
    // 1 + 2 is 3, within the error of a sum.
    let both =
        Ball { centre: arr2(&[[1.0], [2.0]]), radius: None }.selected(&[vec![0], vec![0]], 1);
    assert_eq!(both.centre, arr2(&[[3.0]]));
    assert!(both.radius.is_some_and(|r| 0.0 < r[[0, 0]] && r[[0, 0]] < 1e-15));
    // A radius counts as soon as one entry has one.
    let centre = || arr2(&[[1.0, 1.0]]);
    assert_eq!(Ball::new(centre(), arr2(&[[0.0, 0.0]])).radius, None);
    for radius in [arr2(&[[1.0, 1.0]]), arr2(&[[0.0, 1.0]])] {
        assert_eq!(Ball::new(centre(), radius.clone()).radius, Some(radius));
    }
}

#[test]
fn radii_are_bounded_in_l2() {
    let bound = |radius: Array2<f64>| {
        Ball { centre: Array2::zeros(radius.dim()), radius: Some(radius) }.radius_l2_up()
    };
    // (1 1; 1 0) has the norm (1 + sqrt 5) / 2, and the crude bound is 2.
    let golden = bound(arr2(&[[1.0, 1.0], [1.0, 0.0]]));
    assert!((1.618033988..1.61804).contains(&golden), "{golden}");
    // A row of three small numbers: their size times the root of 3, of which the nearest number is too small.
    let small = crate::numeric::rounding::power_of_two(-40);
    let root = bound(Array2::from_elem((1, 3), small));
    assert!(exact(root) * exact(root) >= exact(3.0) * exact(small) * exact(small));
    assert!(root <= 3f64.sqrt() * small * (1.0 + 1e-15));
}

#[test]
fn windows_keep_what_may_be_the_largest() {
    let stride = PerAxis::All(2);
    let windows = Parameters { kernel: &[2], stride: Some(&stride), dilation: None, padding: None };
    let pool = Pool::new(Kind::Max, &windows, false, false).expect("one axis");
    let network = Network::sequential("pool", vec![1, 4], vec![Arc::new(pool)]).expect("shapes");
    let network = network.lower().expect("a pooling");
    for (x, windows) in [
        ([1.0, 2.0, 4.0, 3.0], [vec![1], vec![2]]),
        ([2.0, 2.0, -1.0, -2.0], [vec![0, 1], vec![2]]),
    ] {
        let choices = slopes_at(&network, &x);
        let [Choice::Selection(possible, 4)] = &choices[..] else { panic!("one pooling") };
        assert_eq!(possible[..], windows);
    }
}
