//! The bounds against the bare matrix products that they need.
#![allow(clippy::expect_used, missing_docs)] // criterion's macro; a failed bound should stop the run

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lipbound::bounds::{Options, Problem, find};
use lipbound::network::layers::dense::Dense;
use lipbound::network::{Activation, Layer, Network};
use lipbound::numeric::Norm;
use lipbound::numeric::product::multiply;
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};

fn network(widths: &[usize]) -> Problem {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut layers: Vec<Arc<dyn Layer>> = Vec::new();
    for pair in widths.windows(2) {
        if !layers.is_empty() {
            layers.push(Arc::new(Activation::Relu));
        }
        let scale = 1.0 / (pair[0] as f64).sqrt();
        let weight =
            Array2::from_shape_simple_fn((pair[1], pair[0]), || rng.random_range(-scale..scale));
        layers.push(Arc::new(Dense::new(weight, Array1::zeros(pair[1])).expect("shapes")));
    }
    let network = Network::sequential("bench", vec![widths[0]], layers).expect("shapes");
    Problem::new(network.lower().expect("dense"), Options::default())
}

/// A fresh problem: the products of a used one are already there.
fn fresh(problem: &Problem) -> Problem {
    Problem::new(problem.network().clone(), Options::default())
}

/// `l (l + 1) / 2` products of the same shapes, nothing else.
fn bare_products(problem: &Problem) {
    let maps: Vec<Array2<f64>> =
        problem.chain().maps().iter().map(|m| m.matrix.to_dense()).collect();
    for s in 0..maps.len() {
        let mut product = maps[s].clone();
        for map in &maps[s + 1..] {
            product = multiply(map.view(), product.view());
        }
        std::hint::black_box(product);
    }
}

fn cheap_bounds(criterion: &mut Criterion) {
    for (width, depth) in [(256, 6), (1024, 3)] {
        let mut group = criterion.benchmark_group(format!("width {width}, depth {depth}"));
        group.sample_size(10);
        let problem = network(&vec![width; depth + 2]);
        group.bench_function("bare products", |b| b.iter(|| bare_products(&problem)));
        for id in ["k_star", "k1", "k3", "k5"] {
            let bound = find(id).expect("a bound");
            for norm in [Norm::L1, Norm::Linf] {
                let name = BenchmarkId::new(id, norm);
                group.bench_function(name, |b| {
                    b.iter_batched(
                        || fresh(&problem),
                        |problem| bound.compute(&problem, norm),
                        criterion::BatchSize::LargeInput,
                    )
                });
            }
        }
    }
}

fn subsets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("K4 of width 64");
    group.sample_size(10);
    for depth in [8, 12, 16] {
        let problem = network(&vec![64; depth + 2]);
        let k4 = find("k4").expect("K4");
        group.bench_function(BenchmarkId::from_parameter(depth), |b| {
            b.iter(|| k4.compute(&fresh(&problem), Norm::Linf))
        });
    }
}

fn enumeration(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("K by enumeration");
    for widths in [[2, 8, 8, 1], [8, 10, 6, 3], [3, 10, 10, 2]] {
        let problem = network(&widths);
        let k = find("k").expect("K");
        for norm in [Norm::L2, Norm::Linf] {
            let name = BenchmarkId::new(format!("{widths:?}"), norm);
            group.bench_function(name, |b| b.iter(|| k.compute(&problem, norm)));
        }
    }
}

criterion_group!(benches, cheap_bounds, subsets, enumeration);
criterion_main!(benches);
