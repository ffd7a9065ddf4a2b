//! Bounds against exact rational arithmetic: never below the exact value, and within 1e-9 of it.

mod support;

use lipbound::network::Activation;
use lipbound::numeric::Norm;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_assert, prop_oneof, proptest};
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn random_networks_with_general_slopes(
        widths in proptest::collection::vec(1usize..4, 2..6), activation in activations(), seed: u64,
    ) {
        let network = random_network(&widths, &activation, seed);
        check(&network, &["k_star", "k1", "k3", "k4", "k5", "k"], &format!("{widths:?} {activation:?} {seed}"));
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
