//! Optima that others have computed.
//!
//! With `LIPBOUND_SHARED` set to the folder of the shared reference data, its networks are checked too.

use std::path::{Path, PathBuf};

use lipbound::numeric::sdp::Objective;
use ndarray::Array2;

use super::{RELU, all_norms, problem, solved};

fn json_network(path: &Path) -> Vec<Array2<f64>> {
    let text = std::fs::read_to_string(path).expect("readable");
    let value: serde_json::Value = serde_json::from_str(&text).expect("json");
    let layers = value["layers"].as_array().expect("layers");
    let dense = layers.iter().filter(|layer| layer["type"] == "dense");
    dense
        .map(|layer| {
            let w: Vec<Vec<f64>> = serde_json::from_value(layer["weight"].clone()).expect("rows");
            Array2::from_shape_fn((w.len(), w[0].len()), |(i, j)| w[i][j])
        })
        .collect()
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
        let path = PathBuf::from(format!("tests/data/networks/{name}.json"));
        let values = all_norms(&problem(json_network(&path), RELU));
        for (value, expected) in values.iter().zip(expected) {
            let excess = value / expected - 1.0;
            assert!((-5e-9..1e-7).contains(&excess), "{name}: {value} {expected}");
        }
    }
}

fn npz_network(path: &Path) -> Vec<Array2<f64>> {
    let file = std::fs::File::open(path).expect("readable");
    let mut archive = zip::ZipArchive::new(file).expect("zip");
    let name = |i: usize, archive: &mut zip::ZipArchive<_>| {
        let entry = archive.by_index(i).expect("entry");
        entry.name().expect("name").to_string()
    };
    let mut names: Vec<String> = (0..archive.len()).map(|i| name(i, &mut archive)).collect();
    names.retain(|n| n.starts_with('W') || n.ends_with("weight.npy"));
    let number = |n: &String| -> usize {
        let digits: String = n.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    };
    names.sort_by_key(number);
    let read = |name: &String| {
        let array = npyz::NpyFile::new(archive.by_name(name).expect("entry")).expect("npy");
        let shape: Vec<usize> = array.shape().iter().map(|&n| n as usize).collect();
        let columns_first = array.order() == npyz::Order::Fortran;
        let data: Vec<f64> = if array.dtype().descr().contains("f4") {
            let data = array.into_vec::<f32>().expect("data");
            data.into_iter().map(f64::from).collect()
        } else {
            array.into_vec::<f64>().expect("data")
        };
        if columns_first {
            let turned = Array2::from_shape_vec((shape[1], shape[0]), data).expect("shape");
            turned.t().as_standard_layout().into_owned()
        } else {
            Array2::from_shape_vec((shape[0], shape[1]), data).expect("shape")
        }
    };
    names.iter().map(read).collect()
}

#[test]
fn shared_anchors() {
    let Some(folder) = std::env::var_os("LIPBOUND_SHARED").map(PathBuf::from) else {
        return;
    };
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
        let weights = npz_network(&folder.join(format!("models/{name}.npz")));
        let value = solved(&problem(weights, RELU), Objective::Spectral);
        assert!(value >= low && value <= high, "{name}: {value}");
    }
    let weights = npz_network(&folder.join("models/mnist/mnist_mlp.npz"));
    let value = solved(&problem(weights, RELU), Objective::Row(9));
    assert!((187.3..187.4).contains(&value), "{value}");
    let text = std::fs::read_to_string(folder.join("reference/dense.json")).expect("readable");
    let entries: Vec<serde_json::Value> = serde_json::from_str(&text).expect("json");
    for entry in entries {
        let name = entry["network"].as_str().expect("name");
        let network = json_network(&folder.join("reference").join(name));
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
