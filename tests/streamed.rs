//! K1 and K5 where the products of the layers are not kept: the same bounds, from rows of the products.

#![allow(clippy::expect_used)] // tests fail by panicking

mod support;

use std::path::PathBuf;

use lipbound::bounds::{Options, Problem, find};
use lipbound::io::{ReadOptions, Source, read};
use lipbound::network::{Activation, Network};
use lipbound::numeric::Norm;
use proptest::prelude::{prop_assert, proptest};
use support::oracle::{Dyadic, Oracle};
use support::{problem, random_network, upper};

fn example(name: &str) -> Network {
    let path = |end: &str| PathBuf::from(format!("examples/{name}{end}"));
    let arch = Some(path(".arch.json")).filter(|p| p.exists());
    let options = ReadOptions { arch, ..ReadOptions::default() };
    read(&Source::File(path(".npz")), &options).expect("an example")
}

/// The problem in which no product is kept.
fn frugal(network: &Network) -> Problem {
    let options = Options { memory_limit: 0, ..Options::default() };
    Problem::new(network.lower().expect("affine stages"), options)
}

const STREAMED: [(&str, Norm); 5] =
    [("k1", Norm::L1), ("k1", Norm::Linf), ("k5", Norm::L1), ("k5", Norm::L2), ("k5", Norm::Linf)];

proptest! {
    #![proptest_config(support::cases(60))]

    #[test]
    fn never_below_the_exact_value_and_close_to_it(
        inputs in 1usize..4, first in 1usize..5, second in 1usize..5, outputs in 1usize..4,
        seed in 0u64..10_000, slope in -0.5f64..0.9,
    ) {
        for activation in [Activation::Relu, Activation::LeakyRelu { negative_slope: slope }] {
            let network = random_network(&[inputs, first, second, outputs], &activation, seed);
            let problem = frugal(&network);
            let oracle = Oracle::new(problem.chain());
            for (id, norm) in STREAMED {
                let bound = upper(&problem, id, norm);
                // In l2 no rational number, but one between two.
                let value = oracle.bound(id, norm).expect("a definition");
                prop_assert!(Dyadic::of(bound) >= value.lower, "{id} {norm} {bound}");
                // Some dozens of roundings of 1e-16 each, in the sizes of the products.
                prop_assert!(Dyadic::of(bound * (1.0 - 1e-12)) <= value.upper, "{id} {norm} {bound}");
            }
        }
    }
}

proptest! {
    #![proptest_config(support::cases(60))]

    #[test]
    fn early_ends_lie_between_the_exact_bounds(
        inputs in 1usize..4, first in 1usize..5, second in 1usize..5, third in 1usize..5,
        outputs in 1usize..4, seed in 0u64..10_000, slope in -0.5f64..0.9, work in 0.0f64..200.0,
    ) {
        for activation in [Activation::Relu, Activation::LeakyRelu { negative_slope: slope }] {
            let widths = [inputs, first, second, third, outputs];
            let network = random_network(&widths, &activation, seed);
            let options = |product_work| Options { memory_limit: 0, product_work, ..Options::default() };
            let lowered = network.lower().expect("affine stages");
            let oracle = Oracle::new(&lowered.chain);
            for (id, norm) in STREAMED {
                let above = if id == "k1" { "k_star" } else { "k3" };
                let value = |id: &str| oracle.bound(id, norm).expect("a definition");
                let of = |work: f64| upper(&Problem::new(lowered.clone(), options(work)), id, norm);
                let (some, none) = (of(work), of(0.0));
                for found in [some, none] {
                    prop_assert!(Dyadic::of(found) >= value(id).lower, "{id} {norm} {found}");
                    let low = Dyadic::of(found * (1.0 - 1e-12));
                    prop_assert!(low <= value(above).upper, "{id} {norm} {found}");
                }
                // With no product but the maps themselves nothing of their signs is left.
                prop_assert!(Dyadic::of(none) >= value(above).lower, "{id} {norm} {none}");
            }
        }
    }
}

/// Trained networks with convolutions, strides and max-poolings.
#[test]
fn the_same_as_with_products_that_are_kept() {
    for name in ["mnist_mlp", "mnist_cnn_a", "mnist_cnn_b", "mnist_cnn_c", "mnist_conv_strided"] {
        let network = example(name);
        let (kept, frugal) = (problem(&network), frugal(&network));
        assert!(kept.keeps_products() && !frugal.keeps_products());
        for (id, norm) in STREAMED {
            if norm == Norm::L2 && name != "mnist_conv_strided" {
                continue; // as many columns as inputs: one network will do
            }
            let Ok(found) = find(id).expect("a bound").compute(&frugal, norm) else {
                // Hulls of max-poolings need the products.
                assert!(norm == Norm::L1 && id == "k5" && frugal.chain().has_pool());
                continue;
            };
            let ratio = found.upper / upper(&kept, id, norm);
            assert!((ratio - 1.0).abs() < 1e-9, "{name} {id} {norm}: {ratio}");
        }
    }
}

#[test]
fn a_stopped_bound_is_none() {
    let problem = frugal(&example("mnist_mlp"));
    problem.options().stop.set();
    for (id, norm) in [("k1", Norm::L1), ("k5", Norm::Linf)] {
        let refusal = find(id).expect("a bound").compute(&problem, norm).expect_err("stopped");
        assert!(refusal.to_string().contains("stopped"), "{refusal}");
    }
}
