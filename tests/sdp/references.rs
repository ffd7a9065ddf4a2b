//! Optima that others have computed.
//!
//! With `LIPBOUND_SHARED` set to the folder of the shared reference data, its networks are checked too.

use std::path::Path;

use lipbound::network::LinearMap;
use lipbound::numeric::sdp::Objective;
use ndarray::Array2;

use super::support::{data, load, shared};
use super::{RELU, all_norms, problem, solved};

/// The weights of a model: scaled by powers of two when it is lowered, and back here.
fn weights(path: &Path) -> Vec<Array2<f64>> {
    let chain = load(path).lower().expect("a dense network").chain;
    let of = |map: &LinearMap| {
        assert!(map.radius.is_none(), "rounded weights");
        map.matrix.to_dense() * 2f64.powi(map.exponent)
    };
    chain.maps().iter().map(of).collect()
}

#[test]
fn reference_values() {
    // The optima, from an independent solver, to about 1e-8 (shared/reference/dense.json).
    let cases = [
        ("x2-l4", [1.9375, 1.9375, 1.9375]),
        ("random-2-8x10x6x3", [39.0758953, 42.1215101, 89.2410014]),
        ("random-4-5x6x5x4x2", [44.0322993, 46.7531357, 96.5532735]),
        ("random-7-6x4x3x3x3x2", [17.7280656, 21.7655665, 42.5792022]),
    ];
    for (name, expected) in cases {
        let path = data().join(format!("networks/{name}.json"));
        let values = all_norms(&problem(weights(&path), RELU));
        for (value, expected) in values.iter().zip(expected) {
            let excess = value / expected - 1.0;
            assert!((-5e-9..1e-7).contains(&excess), "{name}: {value} {expected}");
        }
    }
}

#[test]
fn shared_anchors() {
    let Some(folder) = shared() else { return };
    // Published optima of others' solvers: exact to the digits given, some from above.
    let l2 = [
        ("public/lipsdp_random", 36.48222959637795, 36.4822297),
        ("public/lipsdp_mnist", 24.36634, 24.36636),
        ("public/glipsdp_fnn2_seed0_out7", 5.10971, 5.109715),
        ("public/glipsdp_fnn3_seed0_out7", 9.72861, 9.728614),
        ("public/lipbab_SDnet_10_15_10_3", 41.42699, 41.427),
        ("public/exlipbab_wine_net_11x12x12x1_ReLU", 1.846912, 1.846913),
        ("public/exlipbab_iris_net_4x6x6x3_ReLU", 11.6353399, 11.63534011),
        ("public/lipmip_toy0", 0.57784915, 0.57784918),
        ("public/eclipse_lyr2n80test1", 0.73725698126, 0.737256985),
        ("public/acasxu_1_1", 88258.0, 88262.9),
        ("mnist/mnist_mlp", 12.784, 12.786),
    ];
    for (name, low, high) in l2 {
        let weights = weights(&folder.join(format!("models/{name}.npz")));
        let value = solved(&problem(weights, RELU), Objective::Spectral);
        assert!(value >= low && value <= high, "{name}: {value}");
    }
    let mnist = weights(&folder.join("models/mnist/mnist_mlp.npz"));
    let value = solved(&problem(mnist, RELU), Objective::Row(9));
    assert!((187.3..187.4).contains(&value), "{value}");
    let text = std::fs::read_to_string(folder.join("reference/dense.json")).expect("readable");
    let entries: Vec<serde_json::Value> = serde_json::from_str(&text).expect("json");
    for entry in entries {
        let name = entry["network"].as_str().expect("name");
        let network = weights(&folder.join("reference").join(name));
        let values = all_norms(&problem(network, RELU));
        for (norm, value) in ["l1", "l2", "linf"].iter().zip(values) {
            let reference = &entry["values"][norm];
            if let Some(k) = reference["k"].as_f64() {
                assert!(value >= k * (1.0 - 1e-12), "{name} {norm}: {value} {k}");
            }
            if let Some(expected) = reference["k_sdp"].as_f64() {
                // The reference itself is above the optimum, by at most 1e-6.
                let excess = value / expected - 1.0;
                assert!(excess.abs() < 1e-6, "{name} {norm}: {value} {expected}");
            }
        }
    }
}
