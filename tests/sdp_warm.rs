//! The SDP bound from warm starts: the same optimum, in fewer steps.
#![allow(clippy::expect_used)] // tests fail by panicking

use lipbound::numeric::sdp::{Goal, Objective, Problem, bound, bound_from};
use ndarray::Array2;
use rand::{Rng, SeedableRng};

const RELU: (f64, f64) = (0.0, 1.0);

fn problem(widths: &[usize], seed: u64, slope: (f64, f64)) -> Problem {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let shapes = widths.windows(2);
    let weights: Vec<_> = shapes
        .map(|w| Array2::from_shape_fn((w[1], w[0]), |_| rng.random_range(-1.0..1.0)))
        .collect();
    let hidden = &widths[1..widths.len() - 1];
    let slopes = hidden.iter().map(|&n| vec![slope; n]).collect();
    Problem::new(weights, slopes).expect("a valid chain")
}

fn never() -> bool {
    false
}

/// The problem with one neuron's interval replaced.
fn restricted(problem: &Problem, layer: usize, neuron: usize, slope: (f64, f64)) -> Problem {
    let mut slopes = problem.slopes().to_vec();
    slopes[layer][neuron] = slope;
    Problem::new(problem.weights().to_vec(), slopes).expect("valid")
}

#[test]
fn a_warm_start_leads_to_the_same_optimum() {
    let root = problem(&[6, 9, 8, 3], 21, (-0.1, 1.0));
    for objective in [Objective::Spectral, Objective::Row(1)] {
        let (mut node, mut cold_steps, mut warm_steps) = (root.clone(), 0, 0);
        let mut parent = bound(&node, objective, &never).expect("a bound");
        // One end, the other end, a point inside, and intervals at either side.
        let slopes = [(-0.1, -0.1), (1.0, 1.0), (0.2, 0.2), (-0.1, 0.3), (0.3, 1.0), (0.1, 0.2)];
        for (k, &slope) in slopes.iter().enumerate() {
            node = restricted(&node, k % 2, k, slope);
            let cold = bound(&node, objective, &never).expect("a bound");
            let warm = bound_from(&node, objective, &parent.inner, Goal::Optimum, &never);
            let warm = warm.expect("a bound");
            let difference = warm.upper / cold.upper - 1.0;
            assert!(warm.converged && difference.abs() < 1e-7, "{slope:?}: {difference}");
            // The start is as good a bound of the child as it was of its parent.
            let at_once = bound_from(&node, objective, &parent.inner, Goal::Optimum, &|| true);
            let first = bound_from(&root, objective, &parent.inner, Goal::Optimum, &|| true);
            assert!(at_once.expect("a bound").upper <= parent.upper * 1.2);
            assert!(k > 0 || first.expect("a bound").upper <= parent.upper * 1.2);
            cold_steps += cold.iterations;
            warm_steps += warm.iterations;
            parent = warm;
        }
        assert!(warm_steps < cold_steps, "{warm_steps} {cold_steps}");
    }
}

#[test]
fn another_row_or_a_stranger_is_a_start_too() {
    let here = problem(&[6, 9, 8, 3], 22, RELU);
    let elsewhere = problem(&[6, 9, 8, 3], 23, RELU);
    let smaller = problem(&[6, 9, 7, 3], 24, RELU);
    let fixed = restricted(&here, 0, 0, (0.0, 0.0));
    let row = |problem: &Problem, i| bound(problem, Objective::Row(i), &never).expect("a bound");
    let expected = row(&here, 0);
    let strange = bound(&here, Objective::Spectral, &never).expect("a bound");
    let starts = [row(&here, 1), row(&elsewhere, 0), row(&smaller, 0), row(&fixed, 0), strange];
    for start in starts {
        let warm = bound_from(&here, Objective::Row(0), &start.inner, Goal::Optimum, &never);
        let difference = warm.expect("a bound").upper / expected.upper - 1.0;
        assert!(difference.abs() < 1e-7, "{difference}");
    }
}

#[test]
fn a_decision_stops_early_on_the_right_side() {
    let problem = problem(&[6, 9, 8, 3], 25, RELU);
    for objective in [Objective::Spectral, Objective::Row(0)] {
        let full = bound(&problem, objective, &never).expect("a bound");
        // An estimate has no verified rounding; the gap at the end is below 1e-7.
        assert!(full.estimate <= full.upper && full.estimate >= full.upper * (1.0 - 1e-6));
        let child = restricted(&problem, 0, 0, (1.0, 1.0));
        let optimum = bound(&child, objective, &never).expect("a bound").upper;
        for share in [0.5, 0.8, 0.95, 0.999, 1.001, 1.05, 1.2, 2.0] {
            let level = share * optimum;
            let quick = bound_from(&child, objective, &full.inner, Goal::Decide(level), &never);
            let quick = quick.expect("a bound");
            assert!(quick.converged && quick.upper >= optimum * (1.0 - 1e-7));
            assert_eq!(quick.upper <= level, share > 1.0, "{share}");
            assert_eq!(quick.estimate > level, share < 1.0, "{share}");
            assert!(quick.iterations < full.iterations);
        }
    }
}
