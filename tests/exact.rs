//! Bounds against exact rational arithmetic: never below the exact value, and within 1e-9 of it.
#![allow(clippy::expect_used)] // tests fail by panicking

mod support;

use lipbound::network::Activation;
use lipbound::numeric::Norm;
use proptest::prelude::{Just, Strategy, prop_assert, prop_oneof, proptest};
use support::oracle::{Oracle, exact};
use support::{network, problem, random_network, upper};

/// The excess that the project promises for networks of this size.
const TIGHT: f64 = 1e-9;

fn check(network: &lipbound::network::Network, ids: &[&str], name: &str) {
    let problem = problem(network);
    let oracle = Oracle::new(problem.chain());
    for norm in [Norm::L1, Norm::Linf] {
        for id in ids {
            let value = upper(&problem, id, norm);
            let truth = oracle.bound(id, norm);
            assert!(exact(value) >= truth, "{name} {norm} {id}: {value} is below the exact value");
            let least = exact(value) / exact(1.0 + TIGHT);
            assert!(least <= truth, "{name} {norm} {id}: {value} is not tight");
        }
    }
}

#[test]
fn the_reference_networks() {
    let folder = support::data().join("networks");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let network = support::load(&path);
        check(&network, &["k_star", "k1", "k3", "k4", "k5"], &path.display().to_string());
        count += 1;
    }
    assert_eq!(count, 15);
}

#[test]
fn enumeration_of_the_small_reference_networks() {
    for name in ["x2-l1", "x2-l2", "x2-l3", "random-0-2x4x4x2", "random-1-3x5x4x1", "random-6-3x3"]
    {
        check(&network(&format!("networks/{name}.json")), &["k"], name);
    }
}

#[test]
fn spectral_norms_of_the_reference_networks() {
    // K*, K3 and K5 in l2 are spectral norms of rational matrices, or products of them.
    for name in ["x2-l3", "random-0-2x4x4x2", "random-4-5x6x5x4x2", "random-7-6x4x3x3x3x2"] {
        let problem = problem(&network(&format!("networks/{name}.json")));
        let oracle = Oracle::new(problem.chain());
        let matrices =
            [("k3", oracle.product_of_absolute_values()), ("k5", oracle.sum_of_products())];
        for (id, matrix) in matrices {
            let value = upper(&problem, id, Norm::L2);
            assert!(matrix.spectral_norm_at_most(value), "{name} {id}: {value} is too small");
            assert!(
                !matrix.spectral_norm_at_most(value * (1.0 - TIGHT)),
                "{name} {id} is not tight"
            );
        }
        let k = upper(&problem, "k5", Norm::L2);
        let vertices = if problem.chain().neurons() <= 8 { oracle.vertices() } else { Vec::new() };
        assert!(vertices.iter().all(|j| j.spectral_norm_at_most(k)));
    }
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::Relu),
        Just(Activation::LeakyRelu { negative_slope: 0.1 }),
        Just(Activation::Sigmoid),
        Just(Activation::Tanh),
        Just(Activation::Silu),
        Just(Activation::Abs),
    ]
}

/// A network with weights of wildly different magnitudes, and these weights.
fn extreme_network(
    widths: &[usize],
    activation: &Activation,
    seed: u64,
) -> (lipbound::network::Network, Vec<ndarray::Array2<f64>>) {
    use lipbound::network::layers::dense::Dense;
    use rand::{Rng, SeedableRng};
    use std::sync::Arc;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut layers: Vec<Arc<dyn lipbound::network::Layer>> = Vec::new();
    let mut weights = Vec::new();
    let range = [1, 20, 150, 300][rng.random_range(0..4)];
    for pair in widths.windows(2) {
        if !layers.is_empty() {
            layers.push(Arc::new(activation.clone()));
        }
        let weight =
            ndarray::Array2::from_shape_fn((pair[1], pair[0]), |_| match rng.random_range(0..8) {
                0 => 0.0,
                1 => 5e-324,
                2 => 1.0,
                _ => rng.random_range(-9.99..9.99) * 10f64.powi(rng.random_range(-range..=range)),
            });
        let bias = ndarray::Array1::from_shape_fn(pair[1], |_| rng.random_range(-1.0..1.0));
        layers.push(Arc::new(Dense::new(weight.clone(), bias).expect("shapes")));
        weights.push(weight);
    }
    let network = lipbound::network::Network::sequential("extreme", vec![widths[0]], layers);
    (network.expect("shapes"), weights)
}

proptest! {
    #![proptest_config(support::cases(60))]
    #[test]
    fn random_networks_with_general_slopes(
        widths in proptest::collection::vec(1usize..4, 2..6), activation in activations(), seed: u64,
    ) {
        let network = random_network(&widths, &activation, seed);
        check(&network, &["k_star", "k1", "k3", "k4", "k5", "k"], &format!("{widths:?} {activation:?} {seed}"));
    }

    #[test]
    fn extreme_weights_are_never_underestimated(
        widths in proptest::collection::vec(1usize..4, 2..5), activation in activations(), seed: u64,
    ) {
        // Entries of any magnitude, denormals, zeros and repetitions; only validity can be asked for.
        let (network, weights) = extreme_network(&widths, &activation, seed);
        let problem = problem(&network);
        let oracle = Oracle::with_weights(problem.chain(), &weights);
        let lowers = lipbound::bounds::lower::lower_bounds(&problem, &[Norm::L1, Norm::Linf]);
        for (norm, lower) in [Norm::L1, Norm::Linf].into_iter().zip(lowers) {
            let k = oracle.bound("k", norm);
            prop_assert!(exact(lower) <= k, "{norm}: L >= {lower}");
            for id in ["k_star", "k1", "k2", "k3", "k4", "k5", "k_sdp", "k"] {
                let bound = lipbound::bounds::find(id).expect("a bound");
                let Ok(certificate) = bound.compute(&problem, norm) else { continue };
                let truth = if ["k2", "k_sdp"].contains(&id) { k.clone() } else { oracle.bound(id, norm) };
                let value = certificate.upper;
                prop_assert!(!value.is_nan());
                prop_assert!(value == f64::INFINITY || exact(value) >= truth, "{norm} {id}: {value}");
            }
        }
    }

    #[test]
    fn lower_bounds_are_attained_by_a_vertex(
        widths in proptest::collection::vec(1usize..4, 3..5), seed: u64,
    ) {
        // L <= K: a lower bound of L is at most the largest exact vertex.
        let network = random_network(&widths, &Activation::Relu, seed);
        let problem = problem(&network);
        let oracle = Oracle::new(problem.chain());
        let lowers = lipbound::bounds::lower::lower_bounds(&problem, &Norm::ALL);
        for (norm, lower) in Norm::ALL.into_iter().zip(lowers) {
            if norm == Norm::L2 {
                let below = |j: &support::oracle::Exact| lower == 0.0 || !j.spectral_norm_at_most(lower.next_down());
                prop_assert!(oracle.vertices().iter().any(below) || lower == 0.0);
            } else {
                prop_assert!(exact(lower) <= oracle.bound("k", norm));
            }
        }
    }
}
