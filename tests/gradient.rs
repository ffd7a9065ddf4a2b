//! Gradients of bounds: finite differences, Euler's identity, closed forms, names and shapes.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;
mod support;

use std::collections::HashMap;
use std::path::Path;

use lipbound::bounds::gradient::{available, gradient};
use lipbound::bounds::{Problem, find};
use lipbound::io::{Input, ReadOptions, Source, read, read_input};
use lipbound::network::Network;
use lipbound::numeric::Norm;
use ndarray::{ArrayD, IxDyn, arr2};
use program::{Folder, failure, lipbound, stdout, text};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use support::{problem, upper};

/// A model in the JSON format.
fn parse(model: &Value) -> Network {
    let bytes = model.to_string().into_bytes();
    let input = Input { file: "model".into(), name: "model".into(), folder: None, bytes };
    read_input(&input, Path::new("model.json"), &ReadOptions::default()).expect("a model")
}

/// An array of random numbers as JSON.
fn random(shape: &[usize], rng: &mut ChaCha8Rng) -> Value {
    match shape {
        [] => json!(rng.random_range(-1.0..1.0)),
        [n, rest @ ..] => (0..*n).map(|_| random(rest, rng)).collect(),
    }
}

/// Networks that together have every layer with parameters, every way in which maps are merged, and
/// slopes of several kinds.
fn models(seed: u64) -> Vec<(&'static str, Value)> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut r = |shape: &[usize]| random(shape, rng);
    let dense = |w: Value| json!({"type": "dense", "weight": w});
    let relu = || json!({"type": "relu"});
    let net = |input: &[usize], layers: Vec<Value>| json!({"format": "lipbound-network/1", "input_shape": input, "layers": layers});
    let leaky = json!({"type": "leaky_relu", "negative_slope": 0.1});
    let (gelu, tanh) = (json!({"type": "gelu"}), json!({"type": "tanh"}));
    let variance = json!([0.5, 2.0, 1.25]);
    vec![
        ("one map", net(&[3], vec![dense(r(&[2, 3]))])),
        (
            "dense",
            net(
                &[4],
                vec![
                    dense(r(&[5, 4])),
                    relu(),
                    dense(r(&[4, 5])),
                    relu(),
                    dense(r(&[4, 4])),
                    relu(),
                    dense(r(&[3, 4])),
                ],
            ),
        ),
        (
            "merged maps and general slopes",
            net(
                &[3],
                vec![
                    dense(r(&[4, 3])),
                    dense(r(&[5, 4])),
                    leaky.clone(),
                    dense(r(&[3, 5])),
                    dense(r(&[4, 3])),
                    dense(r(&[3, 4])),
                    gelu,
                    dense(r(&[4, 3])),
                    tanh,
                    dense(r(&[2, 4])),
                    dense(r(&[3, 2])),
                ],
            ),
        ),
        (
            "convolutions",
            net(
                &[2, 6, 5],
                vec![
                    json!({"type": "conv2d", "weight": r(&[4, 1, 3, 2]), "bias": r(&[4]), "groups": 2, "stride": [2, 1], "padding": [1, 0, 0, 1]}),
                    leaky,
                    json!({"type": "conv2d", "weight": r(&[3, 4, 2, 2]), "dilation": [1, 2]}),
                    json!({"type": "batch_norm", "weight": r(&[3]), "running_mean": [0.0, 1.0, 2.0], "running_var": variance.clone()}),
                    relu(),
                    json!({"type": "avg_pool2d", "kernel_size": [1, 2], "stride": 1}),
                    json!({"type": "flatten"}),
                    dense(r(&[3, 12])),
                ],
            ),
        ),
        (
            "max-pooling",
            net(
                &[1, 6, 6],
                vec![
                    json!({"type": "conv2d", "weight": r(&[3, 1, 3, 3])}),
                    json!({"type": "batch_norm", "weight": r(&[3]), "running_mean": [0.0, 1.0, 2.0], "running_var": variance}),
                    relu(),
                    json!({"type": "max_pool2d", "kernel_size": 2, "stride": 1}),
                    json!({"type": "conv2d", "weight": r(&[2, 3, 2, 2])}),
                    relu(),
                    json!({"type": "flatten"}),
                    dense(r(&[4, 8])),
                    relu(),
                    dense(r(&[2, 4])),
                ],
            ),
        ),
        (
            "one axis, transposed, scaled",
            net(
                &[2, 5],
                vec![
                    json!({"type": "scale", "multiply": r(&[2, 1]), "divide": [0.5, 2.0, 1.5, -1.0, 3.0]}),
                    json!({"type": "conv1d", "weight": r(&[3, 2, 2])}),
                    relu(),
                    json!({"type": "conv_transpose1d", "weight": r(&[3, 2, 3]), "stride": 2, "padding": 1, "output_padding": 1}),
                    json!({"type": "scale", "multiply": r(&[]), "add": r(&[8])}),
                    relu(),
                    json!({"type": "global_avg_pool"}),
                    json!({"type": "flatten"}),
                    dense(r(&[2, 2])),
                ],
            ),
        ),
        (
            "residual",
            net(
                &[3],
                vec![
                    json!({"type": "dense", "name": "in", "weight": r(&[4, 3])}),
                    json!({"type": "relu", "name": "a"}),
                    json!({"type": "dense", "name": "b1", "weight": r(&[4, 4])}),
                    json!({"type": "relu", "name": "b2"}),
                    json!({"type": "dense", "name": "b3", "weight": r(&[4, 4])}),
                    json!({"type": "add", "name": "sum", "inputs": ["a", "b3"]}),
                    json!({"type": "dense", "name": "branch", "inputs": ["sum"], "weight": r(&[3, 4])}),
                    json!({"type": "concat", "name": "both", "axis": 0, "inputs": ["branch", "sum"]}),
                    json!({"type": "relu", "name": "c"}),
                    json!({"type": "dense", "name": "out", "weight": r(&[2, 7])}),
                ],
            ),
        ),
        (
            "beside a pooling",
            net(
                &[1, 4, 4],
                vec![
                    json!({"type": "conv2d", "name": "first", "weight": r(&[2, 1, 2, 2])}),
                    json!({"type": "relu", "name": "a"}),
                    json!({"type": "max_pool2d", "name": "pool", "kernel_size": 2, "stride": 1}),
                    json!({"type": "dense", "name": "left", "weight": r(&[3, 8])}),
                    json!({"type": "dense", "name": "right", "inputs": ["a"], "weight": r(&[3, 18])}),
                    json!({"type": "add", "name": "sum", "inputs": ["left", "right"], "signs": [1.0, -1.0]}),
                    json!({"type": "relu", "name": "b"}),
                    json!({"type": "dense", "name": "out", "weight": r(&[2, 3])}),
                ],
            ),
        ),
    ]
}

/// The model with `rate * direction` added to each parameter of a direction.
fn moved(model: &Value, direction: &HashMap<String, ArrayD<f64>>, rate: f64) -> Value {
    let mut model = model.clone();
    let layers = model["layers"].as_array_mut().expect("layers");
    for (index, layer) in layers.iter_mut().enumerate() {
        let label = layer["name"].as_str().map_or(index.to_string(), ToOwned::to_owned);
        for key in ["weight", "multiply", "divide"] {
            if let Some(d) = direction.get(&format!("{label}.{key}")) {
                add(&mut layer[key], d.view(), rate);
            }
        }
    }
    model
}

fn add(value: &mut Value, direction: ndarray::ArrayViewD<'_, f64>, rate: f64) {
    match value {
        Value::Array(list) => {
            for (entry, d) in list.iter_mut().zip(direction.outer_iter()) {
                add(entry, d, rate);
            }
        }
        _ => *value = json!(value.as_f64().expect("a number") + rate * direction.sum()),
    }
}

fn gradients(
    network: &Network,
    problem: &Problem,
    id: &str,
    norm: Norm,
) -> HashMap<String, ArrayD<f64>> {
    let found = gradient(problem, id, norm).unwrap_or_else(|refusal| panic!("{id}: {refusal}"));
    let parameters = network.pull_back(&found.maps).expect("derivatives");
    parameters.into_iter().map(|p| (p.name, p.gradient)).collect()
}

#[test]
fn gradients_agree_with_finite_differences() {
    const STEP: f64 = 1e-6;
    let (mut smooth, mut count) = (0, 0);
    for seed in 0..4 {
        for (name, model) in models(seed) {
            let network = parse(&model);
            let problem = problem(&network);
            for id in available() {
                for norm in Norm::ALL {
                    let found = gradients(&network, &problem, id, norm);
                    let mut rng = ChaCha8Rng::seed_from_u64(seed);
                    let mut direction = HashMap::new();
                    // In the order of the names, so that every run draws the same.
                    let mut names: Vec<&String> = found.keys().collect();
                    names.sort();
                    for key in names {
                        let random = ArrayD::from_shape_fn(found[key].shape(), |_| {
                            rng.random_range(-1.0..1.0)
                        });
                        direction.insert(key.clone(), random);
                    }
                    let slope: f64 = found.iter().map(|(key, g)| (g * &direction[key]).sum()).sum();
                    let size: f64 = found
                        .iter()
                        .map(|(key, g)| (g * &direction[key]).mapv(f64::abs).sum())
                        .sum();
                    let at = |rate: f64| {
                        let network = parse(&moved(&model, &direction, rate));
                        upper(&support::problem(&network), id, norm)
                    };
                    let (before, here, after) = (at(-STEP), upper(&problem, id, norm), at(STEP));
                    let (left, right) = ((here - before) / STEP, (after - here) / STEP);
                    // If there is no kink on one side, the quotient of that side is off by its curvature
                    // only, and the other one differs from it by the kink: so the mean of both is off by
                    // no more than their difference. Bounds are evaluated to about 1e-12.
                    let rounding = 4e-12 * here / STEP;
                    let room = (right - left).abs() + rounding;
                    let difference = ((left + right) / 2.0 - slope).abs();
                    assert!(difference <= room, "{name} {id} {norm}: {slope}, {left}, {right}");
                    count += 1;
                    smooth += usize::from(room <= 1e-4 * size);
                }
            }
        }
    }
    assert_eq!(count, 4 * 8 * 5 * 3);
    // The comparison says something nearly always.
    assert!(smooth * 20 >= count * 19, "{smooth} of {count}");
}

#[test]
fn each_bound_is_homogeneous_in_each_layer() {
    // Every term of a bound has each W_r once, so <W_r, dB/dW_r> = B (Euler).
    for (name, model) in models(11) {
        if ["residual", "beside a pooling"].contains(&name) {
            // The paths around a layer do not have its weights.
            continue;
        }
        let network = parse(&model);
        let problem = problem(&network);
        for id in available() {
            for norm in Norm::ALL {
                let bound = upper(&problem, id, norm);
                let found = gradients(&network, &problem, id, norm);
                let estimate = gradient(&problem, id, norm).expect("derivatives");
                // Sums of some thousand products: their rounding is far below 1e-10.
                let close = |value: f64| (value - bound).abs() <= 1e-10 * bound;
                assert!(close(estimate.value), "{name} {id} {norm}: {bound}, {}", estimate.value);
                for (map, g) in problem.chain().maps().iter().zip(&estimate.maps) {
                    let weights = map.matrix.to_dense() * 2f64.powi(map.exponent);
                    let product = (weights * g.to_dense()).sum();
                    assert!(close(product), "{name} {id} {norm}: {bound}, map {product}");
                }
                for (index, layer) in model["layers"].as_array().expect("layers").iter().enumerate()
                {
                    for key in ["weight", "multiply"] {
                        if let Some(value) = layer.get(key) {
                            let weights: Vec<f64> = flat(value);
                            let g = &found[&format!("{index}.{key}")];
                            let product: f64 = weights.iter().zip(g).map(|(w, g)| w * g).sum();
                            assert!(
                                close(product),
                                "{name} {id} {norm} {index}: {bound}, {product}"
                            );
                        }
                    }
                }
            }
        }
    }
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(flat).collect(),
        _ => vec![value.as_f64().expect("a number")],
    }
}

/// x^2 on [0, 1], interpolated at 0, 1/2 and 1.
fn hat() -> Network {
    parse(&json!({"format": "lipbound-network/1", "input_shape": [1], "layers": [
        {"type": "dense", "name": "a", "weight": [[2.0], [-2.0], [1.0]], "bias": [-1.0, 1.0, 0.0]},
        {"type": "relu"},
        {"type": "dense", "name": "b", "weight": [[0.25, 0.25, 1.0]]}]}))
}

#[test]
fn closed_forms_of_the_hat() {
    // With w = W_1 W_0 = 1 > 0, in every norm (one input and output):
    // K5 = (|W_1 W_0| + |W_1| |W_0|) / 2 = 3/2, so dK5/dW_0 = (W_1 + |W_1| o sign(W_0)) / 2 and
    // dK5/dW_1 = (W_0 + sign(W_1) o |W_0|) / 2. K3 = |W_1| |W_0| = 2 has the second halves, twice.
    // K* is the product of the largest row sums, 2 and 3/2, in linf; of column sums, 5 and 1, in l1.
    let network = hat();
    let problem = problem(&network);
    let a = |id: &str, norm| gradients(&network, &problem, id, norm)["a.weight"].clone();
    let b = |id: &str, norm| gradients(&network, &problem, id, norm)["b.weight"].clone();
    for norm in [Norm::L1, Norm::Linf] {
        assert_eq!(a("k5", norm), arr2(&[[0.25], [0.0], [1.0]]).into_dyn());
        assert_eq!(b("k5", norm), arr2(&[[2.0, 0.0, 1.0]]).into_dyn());
        assert_eq!(a("k3", norm), arr2(&[[0.25], [-0.25], [1.0]]).into_dyn());
        assert_eq!(b("k3", norm), arr2(&[[2.0, 2.0, 1.0]]).into_dyn());
        assert_eq!(a("k4", norm), a("k5", norm));
    }
    // Two rows are largest: the first.
    assert_eq!(a("k_star", Norm::Linf), arr2(&[[1.5], [0.0], [0.0]]).into_dyn());
    assert_eq!(b("k_star", Norm::Linf), arr2(&[[2.0, 2.0, 2.0]]).into_dyn());
    assert_eq!(a("k_star", Norm::L1), arr2(&[[1.0], [-1.0], [1.0]]).into_dyn());
    assert_eq!(b("k_star", Norm::L1), arr2(&[[0.0, 0.0, 5.0]]).into_dyn());
    // l2: |W_1| W_0 / |W_0| with |W_0| = 3, |W_1| = sqrt(9/8).
    let expected = arr2(&[[2.0], [-2.0], [1.0]]).into_dyn() * ((9.0f64 / 8.0).sqrt() / 3.0);
    // Singular vectors of 3 entries are accurate to some 1e-16.
    assert!((a("k_star", Norm::L2) - expected).iter().all(|x| x.abs() < 1e-14));
    // Biases do not enter: zeros, in their shape, for those that the file has.
    let all = gradients(&network, &problem, "k5", Norm::Linf);
    assert_eq!(all["a.bias"], ArrayD::<f64>::zeros(IxDyn(&[3])));
    assert_eq!(all.len(), 3);
}

#[test]
fn trained_networks_and_large_kernels() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in ["mnist_cnn_c", "mnist_conv_strided"] {
        let options = ReadOptions {
            arch: Some(root.join(format!("{name}.arch.json"))),
            ..ReadOptions::default()
        };
        let source = Source::File(root.join(format!("{name}.npz")));
        let network = read(&source, &options).expect("a model");
        let problem = problem(&network);
        let cases =
            [("k5", Norm::Linf), ("k4", Norm::Linf), ("k3", Norm::Linf), ("k_star", Norm::L2)];
        for (id, norm) in cases {
            let found = gradient(&problem, id, norm).expect("derivatives");
            let bound = upper(&problem, id, norm);
            // Singular vectors come to 1e-12, and the certified l2 norm of a large convolution has a slack
            // of its own.
            let room = if norm == Norm::L2 { 1e-2 } else { 1e-9 };
            assert!(
                (found.value - bound).abs() <= room * bound,
                "{name} {id} {norm}: {} {bound}",
                found.value
            );
            for (map, g) in problem.chain().maps().iter().zip(&found.maps) {
                let weights = map.matrix.to_dense() * 2f64.powi(map.exponent);
                let product = (weights * g.to_dense()).sum();
                assert!(
                    (product - found.value).abs() <= 1e-9 * found.value,
                    "{name} {id} {norm}: {product}"
                );
            }
            let parameters = network.pull_back(&found.maps).expect("derivatives");
            assert!(parameters.iter().all(|p| p.gradient.iter().all(|x| x.is_finite())));
        }
    }
}

#[test]
fn every_operator_of_onnx_has_gradients() {
    let mut count = 0;
    let folder = support::data().join("onnx/operators");
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "onnx") {
            continue;
        }
        let network = read(&Source::File(path.clone()), &ReadOptions::default()).expect("a model");
        let problem = problem(&network);
        for id in available() {
            for norm in Norm::ALL {
                let found = gradient(&problem, id, norm).expect("derivatives");
                let bound = upper(&problem, id, norm);
                let close = (found.value - bound).abs() <= 1e-9 * bound;
                assert!(close, "{} {id} {norm}: {} {bound}", path.display(), found.value);
                network.pull_back(&found.maps).expect("derivatives");
                count += 1;
            }
        }
    }
    assert!(count >= 15 * 50, "{count}");
}

#[test]
fn what_has_no_gradient_is_refused() {
    let problem = problem(&hat());
    let refusal = gradient(&problem, "k_sdp", Norm::L2).expect_err("none").to_string();
    assert_eq!(refusal, "k_sdp has no gradient here; k_star, k1, k3, k4, k5 have one");
    assert!(available().all(|id| find(id).is_some()));
}

/// The arrays of an NPZ file: name, shape, entries.
fn arrays(bytes: &[u8]) -> Vec<(String, ArrayD<f64>)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("an archive");
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("a file");
        let name = file.name().expect("a name").trim_end_matches(".npy").to_owned();
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut data).expect("contents");
        found.push((name, lipbound::io::npy::parse(&data).expect("an array")));
    }
    found
}

fn shapes(bytes: &[u8]) -> Vec<(String, Vec<usize>)> {
    arrays(bytes).into_iter().map(|(name, array)| (name, array.shape().to_vec())).collect()
}

/// The name and the shape of a tensor.
type Named<'a> = (&'a str, &'a [usize]);

fn npz(tensors: &[Named]) -> Vec<u8> {
    let entry = |i: usize| (i * 7 % 5) as f64 - 1.5;
    let tensors: Vec<(String, ArrayD<f64>)> = tensors
        .iter()
        .map(|(name, shape)| {
            let count = shape.iter().product();
            let values = (0..count).map(entry).collect();
            ((*name).to_owned(), ArrayD::from_shape_vec(IxDyn(shape), values).expect("a shape"))
        })
        .collect();
    lipbound::io::npz::archive(&tensors).expect("an archive")
}

#[test]
fn the_arrays_have_the_names_and_shapes_of_the_file() {
    let folder = Folder::new();
    // Names by number, a state dict in the order of the file, names by position, Keras kernels.
    let cases: [(&[Named], &[&str]); 4] = [
        (&[("W0", &[3, 2]), ("b0", &[1, 3]), ("W1", &[2, 3])], &[]),
        (&[("fc2.weight", &[4, 3]), ("fc2.bias", &[4]), ("fc1.weight", &[2, 4])], &[]),
        (&[("arr_0", &[2, 3]), ("arr_1", &[3]), ("arr_2", &[3, 1])], &["--layout", "in-out"]),
        (&[("d/kernel:0", &[2, 5]), ("d/bias:0", &[5]), ("e/kernel:0", &[5, 1])], &[]),
    ];
    for (tensors, options) in cases {
        std::fs::write(folder.path("m.npz"), npz(tensors)).expect("written");
        let arguments = [&["gradient", "m.npz", "--bound", "k5", "-o", "g.npz"], options].concat();
        stdout(folder.run(&arguments));
        let found = std::fs::read(folder.path("g.npz")).expect("a file");
        let expected: Vec<(String, Vec<usize>)> =
            tensors.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
        assert_eq!(shapes(&found), expected);
        // Each weight times its gradient is the bound, so the entries are where they belong.
        let model = arrays(&std::fs::read(folder.path("m.npz")).expect("a file"));
        let products: Vec<f64> = model
            .iter()
            .zip(arrays(&found))
            .filter(|((name, _), _)| !name.contains('b') && name != "arr_1")
            .map(|((_, w), (_, g))| (w * &g).sum())
            .collect();
        assert!((products[0] - products[1]).abs() <= 1e-12 * products[0], "{products:?}");
    }
}

#[test]
fn architectures_name_their_tensors() {
    let folder = Folder::new();
    let tensors: &[Named] = &[
        ("stem.weight", &[2, 1, 3]),
        ("bn.weight", &[2]),
        ("bn.bias", &[2]),
        ("bn.running_mean", &[2]),
        ("bn.running_var", &[2]),
        ("act.weight", &[2]),
        ("head.weight", &[3, 8]),
        ("head.bias", &[3]),
    ];
    let mut arrays: Vec<(String, ArrayD<f64>)> = Vec::new();
    for (name, shape) in tensors {
        let value = |i: usize| if name.contains("var") { 1.0 } else { 0.25 * (i + 1) as f64 };
        let values = (0..shape.iter().product()).map(value).collect();
        arrays.push((
            (*name).to_owned(),
            ArrayD::from_shape_vec(IxDyn(shape), values).expect("a shape"),
        ));
    }
    let bytes = lipbound::io::npz::archive(&arrays).expect("an archive");
    std::fs::write(folder.path("m.npz"), bytes).expect("written");
    folder.write(
        "m.arch.json",
        r#"{"input_shape": [1, 6], "layers": [{"type": "conv1d", "name": "stem"},
        {"type": "batch_norm", "name": "bn"}, {"type": "prelu", "name": "act"}, {"type": "flatten"},
        {"type": "dense", "name": "head"}]}"#,
    );
    let run = ["gradient", "m.npz", "--arch", "m.arch.json", "--bound", "k3", "-o", "g.npz"];
    let output = folder.run(&run);
    assert!(text(&output.stderr).contains("the slopes of act are taken as constants"));
    let found = shapes(&std::fs::read(folder.path("g.npz")).expect("a file"));
    // Neither statistics nor slopes.
    let trained = tensors.iter().filter(|(n, _)| !n.contains("running") && !n.contains("act"));
    let expected: Vec<(String, Vec<usize>)> =
        trained.map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_command() {
    let folder = Folder::new();
    let model = "tests/data/networks/x2-l3.json";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(root.join(model), folder.path("x2.json")).expect("a copy");
    let run = ["gradient", "x2.json", "--bound", "k5", "-o", "g.npz"];
    insta::assert_snapshot!(stdout(folder.run(&run)));
    let first = std::fs::read(folder.path("g.npz")).expect("a file");
    stdout(folder.run(&run));
    assert_eq!(first, std::fs::read(folder.path("g.npz")).expect("a file"), "other bytes");
    // Nothing else is left in the folder.
    assert_eq!(std::fs::read_dir(folder.path("")).expect("a folder").count(), 2);
}

#[test]
fn mistakes_get_one_clear_error() {
    for (arguments, reason) in [
        (
            &["gradient", "x2-l1.json", "--bound", "k_sdp"][..],
            "k_sdp has no gradient; available are k_star, k1, k3, k4, k5",
        ),
        (&["gradient", "x2-l1.json", "--bound", "k_satr"], "did you mean k_star?"),
        (&["gradient", "x2-l1.json"], "--bound <BOUND>"),
        (&["gradient", "x2-l1.json", "--bound", "k5", "-o", "g.json"], "a name that ends in .npz"),
        (
            &["gradient", "x2-l1.json", "--bound", "k5", "-o", "nowhere/g.npz"],
            "nowhere/g.npz: cannot write the file",
        ),
        (&["gradient", "x2-l1.json", "--bound", "k5", "--norm", "l3"], "expected l1, l2 or linf"),
        (
            &["gradient", "x2-l1.json", "--bound", "k5", "--pooling", "explicit"],
            "not those of the file",
        ),
        (
            &["gradient", "x2-l6.json", "--bound", "k4", "--k4-depth-limit", "3"],
            "--k4-depth-limit raises",
        ),
        (&["gradient", "nowhere.json", "--bound", "k5"], "nowhere.json"),
    ] {
        let error = failure(lipbound(arguments));
        assert!(error.contains(reason), "{arguments:?}: {error}");
    }
}
