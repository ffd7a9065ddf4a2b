//! The orders of the bounds, on random networks, slopes and scales.
#![allow(clippy::expect_used)] // tests fail by panicking

mod support;

use lipbound::bounds::lower::lower_bounds;
use lipbound::network::Activation;
use lipbound::numeric::Norm;
use proptest::prelude::{Just, Strategy, prop_assert, prop_oneof, proptest};
use support::{problem, random_network, upper};

/// Each bound is within 1e-9 of its exact value (see `tests/exact.rs`), so an order of the exact
/// values holds for the computed ones with twice that room.
const ROOM: f64 = 1.0 + 2e-9;

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        4 => Just(Activation::Relu),
        1 => Just(Activation::LeakyRelu { negative_slope: 0.1 }),
        1 => Just(Activation::Sigmoid),
        1 => Just(Activation::Elu { alpha: 1.0 }),
        1 => Just(Activation::Gelu { approximate: Default::default() }),
    ]
}

/// Rounding in products of many layers is bounded by norms in l2 for K1 in l2: absolute values would grow by the root of
/// the width, 40 times, and K1 with them.
#[test]
fn k1_of_deep_networks_is_below_the_product_of_the_norms() {
    let problem = problem(&random_network(&[30; 41], &Activation::Relu, 3));
    for norm in Norm::ALL {
        let [k1, k_star] = ["k1", "k_star"].map(|id| upper(&problem, id, norm));
        assert!(k1 < k_star, "{norm}: K1 {k1}, K* {k_star}");
    }
    // Ends in l2, and the same hidden layers: at most as large but for the square root.
    let k1 = upper(&problem, "k1", Norm::L2);
    for norm in [Norm::L1, Norm::Linf] {
        let k_l2 = upper(&problem, "k_l2", norm);
        assert!(k_l2 <= k1 * 30f64.sqrt() * ROOM, "{norm}: Kl2 {k_l2}, K1 {k1}");
    }
}

proptest! {
    #![proptest_config(support::cases(60))]
    #[test]
    fn the_bounds_are_ordered(
        widths in proptest::collection::vec(1usize..5, 2..6), activation in activations(), seed: u64,
    ) {
        let problem = problem(&random_network(&widths, &activation, seed));
        let lowers = lower_bounds(&problem, &Norm::ALL);
        for (norm, lower) in Norm::ALL.into_iter().zip(lowers) {
            let value = |id: &str| upper(&problem, id, norm);
            let (k, k1, k2, k3) = (value("k"), value("k1"), value("k2"), value("k3"));
            let (k4, k5, k_star) = (value("k4"), value("k5"), value("k_star"));
            let at_most = |a: f64, b: f64| a <= b * ROOM;
            prop_assert!(at_most(lower, k), "{norm}: L >= {lower}, K {k}");
            for (name, bound) in [("K1", k1), ("K2", k2), ("K3", k3), ("K4", k4), ("K5", k5), ("K*", k_star)] {
                prop_assert!(at_most(k, bound), "{norm}: K {k}, {name} {bound}");
            }
            prop_assert!(at_most(k5, k4), "{norm}: K5 {k5}, K4 {k4}");
            prop_assert!(at_most(k1, k_star) , "{norm}: K1 {k1}, K* {k_star}");
            if norm != Norm::L2 {
                prop_assert!(at_most(k4, k1.min(k3)), "{norm}: K4 {k4}, K1 {k1}, K3 {k3}");
                prop_assert!(at_most(k3, k_star), "{norm}: K3 {k3}, K* {k_star}");
            } else {
                prop_assert!(at_most(k2, k_star), "K2 {k2}, K* {k_star}");
            }
            let k_sdp = value("k_sdp");
            // Its excess over the optimum is below 1e-6.
            let roomy = |a: f64, b: f64| a <= b * (1.0 + 1e-6);
            prop_assert!(at_most(k, k_sdp), "{norm}: K {k}, Ksdp {k_sdp}");
            prop_assert!(roomy(k_sdp, k1), "{norm}: Ksdp {k_sdp}, K1 {k1}");
            prop_assert!(norm == Norm::L2 || roomy(k_sdp, k5), "{norm}: Ksdp {k_sdp}, K5 {k5}");
            let k_l2 = value("k_l2");
            prop_assert!(roomy(k_sdp, k_l2), "{norm}: Ksdp {k_sdp}, Kl2 {k_l2}");
            if widths.len() == 3 {
                prop_assert!(at_most(k2, k), "one hidden layer: K2 {k2}, K {k}");
            }
        }
    }

    #[test]
    fn scaling_a_layer_scales_every_bound(
        widths in proptest::collection::vec(1usize..5, 3..5), seed: u64, shift in -900i32..900,
    ) {
        // Powers of two are exact, so the bounds scale without any rounding.
        use lipbound::network::{Chain, LinearMap};
        let problem_1 = problem(&random_network(&widths, &Activation::Relu, seed));
        let chain = problem_1.chain();
        let mut maps = chain.maps().to_vec();
        maps[0] = LinearMap { exponent: maps[0].exponent + shift, ..maps[0].clone() };
        let mut network = problem_1.network().clone();
        network.chain = Chain::new(maps, chain.slopes().to_vec());
        let problem_2 = lipbound::bounds::Problem::new(network, Default::default());
        for norm in Norm::ALL {
            for id in ["k_star", "k1", "k2", "k3", "k4", "k5", "k"] {
                let (a, b) = (upper(&problem_1, id, norm), upper(&problem_2, id, norm));
                prop_assert!(a * 2f64.powi(shift) == b, "{id} {norm}: {a} {b}");
            }
        }
    }
}
