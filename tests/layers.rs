//! Layers against direct evaluation by their definitions.
#![allow(clippy::expect_used)] // tests fail by panicking

mod support;

use lipbound::io::{ReadOptions, Source, read};
use lipbound::network::Stage;
use lipbound::network::{LoweredNetwork, Network};
use lipbound::numeric::Interval;
use ndarray::{Array, Array3, Array4};
use proptest::prelude::{prop_assert, prop_assume, proptest};
use serde_json::{Value, json};

/// Reads a network from the JSON format.
fn network(input_shape: &[usize], layers: Value) -> Result<Network, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.json");
    let model =
        json!({ "format": "lipbound-network/1", "input_shape": input_shape, "layers": layers });
    std::fs::write(&path, model.to_string()).expect("written");
    read(&Source::File(path), &ReadOptions::default()).map_err(|error| error.to_string())
}

/// The network's value at a point, enclosed.
fn evaluate(network: &LoweredNetwork, x: &[f64]) -> Vec<Interval> {
    let mut state: Vec<Interval> = x.iter().map(|&x| Interval::point(x)).collect();
    for r in 0..=network.chain.depth() {
        state = network.affine(r, &state);
        state = match network.stages.get(r) {
            None => state,
            Some(Stage::Pool(windows)) => {
                let largest = |i: usize| windows.window(i).map(|j| state[j]).reduce(Interval::max);
                (0..windows.count()).map(|i| largest(i).expect("not empty")).collect()
            }
            Some(stage) => {
                let activations = stage.activations().expect("componentwise");
                state.iter().zip(activations).map(|(&z, a)| a.value(z)).collect()
            }
        };
    }
    state
}

fn numbers(count: usize, seed: u64) -> Vec<f64> {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Nested lists of the given shape.
fn nested(shape: &[usize], values: &[f64]) -> Value {
    match shape {
        [] => json!(values[0]),
        [n, rest @ ..] => (0..*n)
            .map(|i| nested(rest, &values[i * values.len() / n..(i + 1) * values.len() / n]))
            .collect(),
    }
}

fn close(enclosures: &[Interval], values: &[f64]) -> bool {
    // Direct sums of at most a few hundred products of numbers below 1 in absolute value.
    enclosures.len() == values.len()
        && enclosures
            .iter()
            .zip(values)
            .all(|(i, v)| i.lo - 1e-12 <= *v && *v <= i.hi + 1e-12 && i.width() < 1e-11)
}

/// The value of `x` in row `y`, column `x` of a plane padded by zeros.
fn padded(x: &Array3<f64>, c: usize, row: isize, column: isize) -> f64 {
    let (_, h, w) = x.dim();
    if row < 0 || column < 0 || row >= h as isize || column >= w as isize {
        0.0
    } else {
        x[[c, row as usize, column as usize]]
    }
}

struct Shape {
    groups: usize,
    per_group_in: usize,
    per_group_out: usize,
    kernel: (usize, usize),
    stride: usize,
    dilation: usize,
    padding: usize,
}

fn convolution(x: &Array3<f64>, w: &Array4<f64>, b: &[f64], s: &Shape) -> Option<Array3<f64>> {
    let (_, h, width) = x.dim();
    let out = |n: usize, k: usize| {
        (n + 2 * s.padding).checked_sub((k - 1) * s.dilation + 1).map(|free| free / s.stride + 1)
    };
    let (rows, columns) = (out(h, s.kernel.0)?, out(width, s.kernel.1)?);
    Some(Array::from_shape_fn((s.groups * s.per_group_out, rows, columns), |(o, y, z)| {
        let mut sum = b[o];
        for i in 0..s.per_group_in {
            for p in 0..s.kernel.0 {
                for q in 0..s.kernel.1 {
                    let at = |n: usize, tap: usize| {
                        (n * s.stride + tap * s.dilation) as isize - s.padding as isize
                    };
                    let channel = o / s.per_group_out * s.per_group_in + i;
                    sum += w[[o, i, p, q]] * padded(x, channel, at(y, p), at(z, q));
                }
            }
        }
        sum
    }))
}

proptest! {
    #![proptest_config(support::cases(150))]
    #[test]
    fn convolutions(
        groups in 1usize..3, per_group_in in 1usize..3, per_group_out in 1usize..3,
        kernel in (1usize..4, 1usize..4), stride in 1usize..3, dilation in 1usize..3, padding in 0usize..3,
        size in (3usize..8, 3usize..8), seed: u64,
    ) {
        let s = Shape { groups, per_group_in, per_group_out, kernel, stride, dilation, padding };
        let (inputs, outputs) = (groups * per_group_in, groups * per_group_out);
        let shape = [inputs, size.0, size.1];
        let weight_shape = [outputs, per_group_in, kernel.0, kernel.1];
        let x = numbers(shape.iter().product(), seed);
        let w = numbers(weight_shape.iter().product(), seed ^ 1);
        let b = numbers(outputs, seed ^ 2);
        let array = Array3::from_shape_vec(shape, x.clone()).expect("a shape");
        let weight = Array4::from_shape_vec(weight_shape, w.clone()).expect("a shape");
        let layer = json!([{"type": "conv2d", "weight": nested(&weight_shape, &w), "bias": b, "stride": stride,
            "padding": padding, "dilation": dilation, "groups": groups}]);
        let model = network(&shape, layer);
        let Some(expected) = convolution(&array, &weight, &b, &s) else {
            prop_assert!(model.is_err());
            return Ok(());
        };
        let lowered = model.expect("a network").lower().expect("affine");
        prop_assert!(close(&evaluate(&lowered, &x), expected.as_slice().expect("contiguous")));
        // The transposed convolution is the adjoint: <conv x, y> = <x, conv^T y> without biases.
        let back = json!([{"type": "conv_transpose2d", "weight": nested(&weight_shape, &w), "stride": stride,
            "padding": padding, "dilation": dilation, "groups": groups}]);
        let (_, rows, columns) = expected.dim();
        let adjoint = network(&[outputs, rows, columns], back).map(|n| n.lower().expect("affine"));
        let Ok(adjoint) = adjoint else { return Ok(()) };
        // With a stride the transposed convolution may be smaller than the input; compare where it is not.
        prop_assume!(adjoint.chain.outputs() == x.len());
        let y = numbers(expected.len(), seed ^ 3);
        let pulled = evaluate(&adjoint, &y);
        let left: f64 = expected.iter().zip(&y).enumerate().map(|(i, (e, y))| (e - b[i / (rows * columns)]) * y).sum();
        let right: f64 = pulled.iter().zip(&x).map(|(p, x)| p.midpoint() * x).sum();
        prop_assert!((left - right).abs() < 1e-10);
    }

    #[test]
    fn poolings(
        channels in 1usize..3, kernel in 1usize..4, stride in 1usize..4, padding in 0usize..2, ceil: bool,
        count_include_pad: bool, size in (3usize..9, 3usize..9), seed: u64,
    ) {
        // PyTorch's condition.
        prop_assume!(2 * padding <= kernel);
        let shape = [channels, size.0, size.1];
        let x = numbers(shape.iter().product(), seed);
        let plane = Array3::from_shape_vec(shape, x.clone()).expect("a shape");
        let count = |n: usize| {
            let free = n + 2 * padding - kernel;
            let mut windows = if ceil { free.div_ceil(stride) } else { free / stride } + 1;
            if (windows - 1) * stride >= n + padding {
                windows -= 1;
            }
            windows
        };
        let (rows, columns) = (count(size.0), count(size.1));
        let window = |c: usize, y: usize, z: usize| {
            let mut values = Vec::new();
            let mut counted = 0;
            for p in 0..kernel {
                for q in 0..kernel {
                    let (row, column) = (y * stride + p, z * stride + q);
                    counted += usize::from(row < size.0 + 2 * padding && column < size.1 + 2 * padding);
                    if row >= padding && column >= padding && row - padding < size.0 && column - padding < size.1 {
                        values.push(plane[[c, row - padding, column - padding]]);
                    }
                }
            }
            (values, counted)
        };
        let mut maxima = Vec::new();
        let mut means = Vec::new();
        for c in 0..channels {
            for y in 0..rows {
                for z in 0..columns {
                    let (values, counted) = window(c, y, z);
                    maxima.push(values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                    let divisor = if count_include_pad { counted } else { values.len() };
                    means.push(values.iter().sum::<f64>() / divisor as f64);
                }
            }
        }
        let geometry = json!({"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil});
        let layer = |kind: &str, extra: Option<bool>| {
            let mut layer = geometry.clone();
            layer["type"] = kind.into();
            if let Some(extra) = extra {
                layer["count_include_pad"] = extra.into();
            }
            network(&shape, json!([layer])).expect("a network").lower().expect("a chain")
        };
        prop_assert!(close(&evaluate(&layer("max_pool2d", None), &x), &maxima));
        let explicit = layer("max_pool2d", None).with_explicit_pools();
        prop_assert!(close(&evaluate(&explicit, &x), &maxima));
        prop_assert!(close(&evaluate(&layer("avg_pool2d", Some(count_include_pad)), &x), &means));
    }
}

#[test]
fn a_residual_block_is_what_it_says() {
    // y = relu(W x) + x, then a second block around it.
    let w: [[f64; 2]; 2] = [[1.0, -2.0], [0.5, 3.0]];
    let layers = json!([
        {"type": "dense", "name": "w", "weight": w},
        {"type": "relu", "name": "r"},
        {"type": "add", "name": "s", "inputs": ["r", "input"]},
        {"type": "tanh", "name": "t"},
        {"type": "add", "inputs": ["t", "s", "input"]},
    ]);
    let lowered = network(&[2], layers).expect("a network").lower().expect("a chain");
    for x in [[1.0, 2.0], [-3.0, 0.25]] {
        let s: Vec<f64> =
            (0..2).map(|i| (w[i][0] * x[0] + w[i][1] * x[1]).max(0.0) + x[i]).collect();
        let y: Vec<f64> = (0..2).map(|i| s[i].tanh() + s[i] + x[i]).collect();
        assert!(close(&evaluate(&lowered, &x), &y));
    }
    // J = (I + D_2)(I + D_1 W) + I: with slopes in [0, 1] the largest row sum is attained at the ends.
    let problem = support::problem(
        &network(
            &[2],
            json!([
        {"type": "dense", "name": "w", "weight": w}, {"type": "relu", "name": "r"},
        {"type": "add", "inputs": ["r", "input"]}]),
        )
        .expect("a network"),
    );
    // I + D W: rows (1 + d, -2 d) and (0.5 d, 1 + 3 d), so K = max(2 + 2, 0.5 + 4) = 4.5 in linf.
    assert_eq!(support::upper(&problem, "k", lipbound::numeric::Norm::Linf), 4.5);
    assert!(support::upper(&problem, "k5", lipbound::numeric::Norm::Linf) >= 4.5);
}

#[test]
fn affine_layers_are_folded() {
    let layers = json!([
        {"type": "scale", "multiply": 2.0, "add": [1.0, -1.0]},
        {"type": "batch_norm", "weight": [1.0, 3.0], "bias": [0.5, 0.0], "running_mean": [0.25, -1.0],
         "running_var": [3.99999, 0.24999], "eps": 1e-5},
        {"type": "scale", "divide": [[[3.0]], [[7.0]]]},
        {"type": "transpose", "axes": [1, 2, 0]},
        {"type": "pad", "before": [0, 1, 0], "behind": [1, 0, 0]},
        {"type": "slice", "axis": 1, "start": 1},
        {"type": "reshape", "shape": [-1, 2]},
        {"type": "flatten"},
    ]);
    // The scale before adds per channel only with a shape that says so.
    let mut layers = layers;
    layers[0]["add"] = json!([[[1.0]], [[-1.0]]]);
    let lowered = network(&[2, 1, 1], layers).expect("a network").lower().expect("a chain");
    assert_eq!(lowered.chain.depth(), 0);
    let normalised =
        |x: f64, w: f64, b: f64, m: f64, v: f64| (x - m) / (v + 1e-5f64).sqrt() * w + b;
    let (x0, x1) = (0.3, -0.7);
    let y0 = normalised(2.0 * x0 + 1.0, 1.0, 0.5, 0.25, 3.99999) / 3.0;
    let y1 = normalised(2.0 * x1 - 1.0, 3.0, 0.0, -1.0, 0.24999) / 7.0;
    let values = evaluate(&lowered, &[x0, x1]);
    assert!(close(&values[..2], &[y0, y1]), "{values:?} {y0} {y1}");
    assert_eq!(values.len(), 4);
    assert!(close(&values[2..], &[0.0, 0.0]));
}

#[test]
fn concatenation_keeps_the_order() {
    let layers = json!([
        {"type": "scale", "name": "twice", "multiply": 2.0},
        {"type": "concat", "axis": 0, "inputs": ["input", "twice"]},
        {"type": "add", "signs": [1.0, -1.0], "inputs": [1, 1]},
    ]);
    let two =
        network(&[2], json!([layers[0], layers[1]])).expect("a network").lower().expect("a chain");
    assert!(close(&evaluate(&two, &[1.0, 5.0]), &[1.0, 5.0, 2.0, 10.0]));
    let zero = network(&[2], layers).expect("a network").lower().expect("a chain");
    assert!(close(&evaluate(&zero, &[1.0, 5.0]), &[0.0; 4]));
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let cases = [
        (vec![1, 5, 5], json!([{"type": "conv2d", "weight": [[[[1.0]], [[1.0]]]]}])),
        (vec![1, 2, 2], json!([{"type": "conv2d", "weight": [[[[1.0, 1.0, 1.0]]]]}])),
        (vec![1, 5, 5], json!([{"type": "conv2d", "weight": [[[[1.0]]]], "stride": 0}])),
        (vec![1, 5, 5], json!([{"type": "max_pool2d", "kernel_size": [2, 2, 2]}])),
        (vec![4], json!([{"type": "max_pool2d", "kernel_size": 2}])),
        (vec![4], json!([{"type": "reshape", "shape": [3, -1]}])),
        (vec![4], json!([{"type": "scale", "divide": 0.0}])),
        (vec![4], json!([{"type": "transpose", "axes": [1, 1]}])),
        (vec![4], json!([{"type": "concat", "axis": 1}])),
        (vec![2], json!([{"type": "batch_norm", "running_mean": [0.0], "running_var": [1.0]}])),
        (vec![1], json!([{"type": "batch_norm", "running_mean": [0.0], "running_var": [-1.0]}])),
    ];
    let messages: Vec<String> = cases
        .into_iter()
        .map(|(shape, layers)| {
            let message = network(&shape, layers).expect_err("an error");
            message.split_once("model.json: ").expect("the file").1.to_owned()
        })
        .collect();
    insta::assert_snapshot!(messages.join("\n"));
}
