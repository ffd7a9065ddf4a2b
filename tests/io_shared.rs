//! Reads the models in the folder that `LIPBOUND_SHARED` names, if it is set.

#![allow(clippy::expect_used)] // tests fail by panicking

use std::path::{Path, PathBuf};

use lipbound::io::{ReadOptions, read, sources};
use lipbound::network::Network;

fn files(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, extensions, found);
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn all_dense_models_load() {
    let Some(shared) = std::env::var_os("LIPBOUND_SHARED") else { return };
    let mut paths = Vec::new();
    let extensions = ["json", "npz", "safetensors", "nnet", "pth", "pt"];
    files(&Path::new(&shared).join("models"), &extensions, &mut paths);
    files(&Path::new(&shared).join("reference/networks"), &extensions, &mut paths);
    assert!(!paths.is_empty(), "no models under {}", Path::new(&shared).display());
    for path in paths {
        let display = path.display().to_string();
        let source = &sources(std::slice::from_ref(&path)).expect("exists")[0];
        if display.ends_with(".arch.json") {
            continue;
        }
        let result = read(source, &ReadOptions::default());
        if let Ok(network) = &result {
            network.lower().expect("can be bounded");
        }
        // Convolutions, and a dense ResNet (FC-R18), which once was read as a chain.
        let parts = ["mnist_cnn", "mnist_conv", "glipsdp_stacks", "kw_mnist", "FC-R18"];
        let is_more = parts.iter().any(|part| display.contains(part));
        assert_eq!(result.is_err(), is_more, "{display}: {:?}", result.err());
        let arch = path.with_extension("arch.json");
        if arch.exists() {
            let options = ReadOptions { arch: Some(arch), ..Default::default() };
            let network = read(source, &options).expect("the network of the architecture");
            assert!(network.assumed.is_empty());
        }
    }
}

fn load(shared: &Path, name: &str) -> Network {
    let source = &sources(&[shared.join(name)]).expect("exists")[0];
    read(source, &ReadOptions::default()).expect(name)
}

#[test]
fn the_same_model_in_two_formats_has_the_same_weights() {
    let Some(shared) = std::env::var_os("LIPBOUND_SHARED").map(PathBuf::from) else { return };
    let json = |network: &Network| -> Vec<serde_json::Value> {
        network.nodes.iter().map(|node| node.layer.to_json()).collect()
    };
    let npz = load(&shared, "models/mnist/mnist_mlp.npz");
    assert_eq!(json(&npz), json(&load(&shared, "models/mnist/mnist_mlp.safetensors")));
    let npz = load(&shared, "models/public/acasxu_1_1.npz");
    let nnet = load(&shared, "models/public/raw/ACASXU_run2a_1_1_batch_2000.nnet");
    for (a, b) in json(&npz).iter().zip(&json(&nnet)) {
        let numbers = |value: &serde_json::Value| -> Vec<f64> {
            let weight = value["weight"].as_array().into_iter().flatten();
            weight
                .flat_map(|row| row.as_array().into_iter().flatten())
                .filter_map(|x| x.as_f64())
                .collect()
        };
        assert_eq!(numbers(a).len(), numbers(b).len());
        for (x, y) in numbers(a).iter().zip(numbers(b)) {
            assert!((x - y).abs() <= 1e-6 * y.abs(), "{x} {y}");
        }
    }
}
