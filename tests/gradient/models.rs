//! Models that together have every layer with parameters, and their derivatives.

use std::collections::HashMap;
use std::path::Path;

use lipbound::bounds::Problem;
use lipbound::bounds::gradient::{Gradient, gradient};
use lipbound::io::{Input, ReadOptions, read_input};
use lipbound::network::Network;
use lipbound::network::pull_back::{Parameter, SlopeEnds};
use lipbound::numeric::Norm;
use ndarray::ArrayD;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// A model in the JSON format.
pub fn parse(model: &Value) -> Network {
    let bytes = model.to_string().into_bytes();
    let input = Input { file: "model".into(), name: "model".into(), folder: None, bytes };
    read_input(&input, Path::new("model.json"), &ReadOptions::default()).expect("a model")
}

/// An array of random numbers as JSON.
pub fn random(shape: &[usize], rng: &mut ChaCha8Rng) -> Value {
    match shape {
        [] => json!(rng.random_range(-1.0..1.0)),
        [n, rest @ ..] => (0..*n).map(|_| random(rest, rng)).collect(),
    }
}

/// Networks that together have every layer with parameters, every way in which maps are merged, and
/// slopes of several kinds.
pub fn models(seed: u64) -> Vec<(&'static str, Value)> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut r = |shape: &[usize]| random(shape, rng);
    let dense = |w: Value| json!({"type": "dense", "weight": w});
    let relu = || json!({"type": "relu"});
    let net = |input: &[usize], layers: Vec<Value>| json!({"format": "lipbound-network/1", "input_shape": input, "layers": layers});
    let leaky = json!({"type": "leaky_relu", "negative_slope": 0.1});
    let (gelu, tanh) = (json!({"type": "gelu"}), json!({"type": "tanh"}));
    let variance = json!([0.5, 2.0, 1.25]);
    // On both sides of -1 and 1, where the interval of the slopes changes its form.
    let prelu = |slopes: Value| {
        let each = slopes.as_array().into_iter().flatten();
        let wide: Vec<f64> = each.filter_map(Value::as_f64).map(|x| 1.75 * x).collect();
        json!({"type": "prelu", "slopes": wide})
    };
    let named = |name: &str, mut layer: Value| {
        layer["name"] = json!(name);
        layer
    };
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
        (
            "learnt slopes",
            net(
                &[4],
                vec![
                    dense(r(&[5, 4])),
                    prelu(r(&[5])),
                    dense(r(&[4, 5])),
                    prelu(r(&[1])),
                    dense(r(&[4, 4])),
                    prelu(r(&[4])),
                    dense(r(&[3, 4])),
                ],
            ),
        ),
        (
            "learnt slopes around a pooling",
            net(
                &[1, 6, 6],
                vec![
                    json!({"type": "conv2d", "weight": r(&[3, 1, 3, 3])}),
                    prelu(r(&[3])),
                    json!({"type": "max_pool2d", "kernel_size": 2, "stride": 1}),
                    json!({"type": "conv2d", "weight": r(&[2, 3, 2, 2])}),
                    prelu(r(&[1])),
                    json!({"type": "flatten"}),
                    dense(r(&[2, 8])),
                ],
            ),
        ),
        (
            "learnt slopes side by side",
            net(
                &[3],
                vec![
                    json!({"type": "dense", "name": "a", "weight": r(&[4, 3])}),
                    named("p", prelu(r(&[4]))),
                    json!({"type": "dense", "name": "b", "inputs": ["input"], "weight": r(&[3, 3])}),
                    named("q", prelu(r(&[1]))),
                    json!({"type": "concat", "name": "both", "axis": 0, "inputs": ["p", "q"]}),
                    json!({"type": "dense", "name": "out", "weight": r(&[2, 7])}),
                ],
            ),
        ),
    ]
}

/// The model with `rate * direction` added to each parameter of a direction.
pub fn moved(model: &Value, direction: &HashMap<String, ArrayD<f64>>, rate: f64) -> Value {
    let mut model = model.clone();
    let layers = model["layers"].as_array_mut().expect("layers");
    for (index, layer) in layers.iter_mut().enumerate() {
        let label = layer["name"].as_str().map_or(index.to_string(), ToOwned::to_owned);
        for key in ["weight", "multiply", "divide", "slopes"] {
            if let Some(d) = direction.get(&format!("{label}.{key}")) {
                add(&mut layer[key], d.view(), rate);
            }
        }
    }
    model
}

pub fn add(value: &mut Value, direction: ndarray::ArrayViewD<'_, f64>, rate: f64) {
    match value {
        Value::Array(list) => {
            for (entry, d) in list.iter_mut().zip(direction.outer_iter()) {
                add(entry, d, rate);
            }
        }
        _ => *value = json!(value.as_f64().expect("a number") + rate * direction.sum()),
    }
}

pub fn gradients(
    network: &Network,
    problem: &Problem,
    id: &str,
    norm: Norm,
) -> HashMap<String, ArrayD<f64>> {
    let found = gradient(problem, id, norm).unwrap_or_else(|refusal| panic!("{id}: {refusal}"));
    pulled_back(network, &found).into_iter().map(|p| (p.name, p.gradient)).collect()
}

/// Derivatives with respect to the tensors of the file.
pub fn pulled_back(network: &Network, found: &Gradient) -> Vec<Parameter> {
    let slopes: Vec<SlopeEnds<'_>> =
        found.slopes.iter().map(|g| (g.alpha.as_slice(), g.beta.as_slice())).collect();
    network.pull_back(&found.maps, &slopes).expect("derivatives")
}
