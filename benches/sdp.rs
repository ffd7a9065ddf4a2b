//! The time of the SDP bound against the number of hidden neurons.
#![allow(clippy::expect_used, missing_docs)] // criterion's macro; a failed bound should stop the run

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lipbound::numeric::sdp::{Objective, Problem, bound, certify};
use ndarray::Array2;
use rand::{Rng, SeedableRng};

/// A random network with ReLU activations, entries uniform in `[-1, 1] / sqrt(width)`.
fn network(widths: &[usize]) -> Problem {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut entry = |width: usize| rng.random_range(-1.0..1.0) / (width as f64).sqrt();
    let shapes = widths.windows(2);
    let weights: Vec<_> =
        shapes.map(|w| Array2::from_shape_simple_fn((w[1], w[0]), || entry(w[0]))).collect();
    let hidden = &widths[1..widths.len() - 1];
    let slopes = hidden.iter().map(|&n| vec![(0.0, 1.0); n]).collect();
    Problem::new(weights, slopes).expect("a valid chain")
}

fn one_hidden_layer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one hidden layer");
    group.sample_size(10);
    for neurons in [20, 60, 100, 300, 500, 1000] {
        let problem = network(&[10, neurons, 1]);
        for (name, objective) in [("l2", Objective::Spectral), ("linf", Objective::Row(0))] {
            let id = BenchmarkId::new(name, neurons);
            group.bench_with_input(id, &problem, |bench, problem| {
                bench.iter(|| bound(problem, objective, &|| false));
            });
        }
    }
    group.finish();
}

fn deep(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("layers of 50");
    group.sample_size(10);
    for layers in [1, 2, 4, 6] {
        let mut widths = vec![10];
        widths.extend(std::iter::repeat_n(50, layers));
        widths.push(5);
        let problem = network(&widths);
        group.bench_with_input(BenchmarkId::new("l2", layers), &problem, |bench, problem| {
            bench.iter(|| bound(problem, Objective::Spectral, &|| false));
        });
        let solved = bound(&problem, Objective::Spectral, &|| false).expect("a bound");
        group.bench_with_input(BenchmarkId::new("certify", layers), &problem, |bench, problem| {
            bench.iter(|| certify(problem, Objective::Spectral, &solved.multipliers));
        });
    }
    group.finish();
}

fn by_shape(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("shapes");
    group.sample_size(10);
    for (layers, width) in [(4, 75), (5, 100), (4, 250)] {
        let mut widths = vec![10];
        widths.extend(std::iter::repeat_n(width, layers));
        widths.push(5);
        let problem = network(&widths);
        for (name, objective) in [("l2", Objective::Spectral), ("linf", Objective::Row(0))] {
            let id = BenchmarkId::new(name, format!("{layers}x{width}"));
            group.bench_with_input(id, &problem, |bench, problem| {
                bench.iter(|| bound(problem, objective, &|| false));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, one_hidden_layer, deep, by_shape);
criterion_main!(benches);
