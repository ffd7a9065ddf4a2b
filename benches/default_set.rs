//! The default set of bounds over random small networks of every kind of layer and activation: it is documented to take
//! seconds at most. Prints the slowest ten, in wall-clock time.
//!
//! `cargo bench --bench default_set` draws 200 networks; `cargo bench --bench default_set -- 1000 7` draws 1,000 from the
//! seed 7 on.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)] // a table for reading

use std::sync::Arc;
use std::time::{Duration, Instant};

use lipbound::analysis::{Question, Selection, analyse};
use lipbound::bounds::{Options, Problem, Stop};
use lipbound::io::{ReadOptions, Source, read};
use lipbound::network::{Activation, InputBox};
use lipbound::numeric::Norm;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Networks that take longer are stopped.
const LIMIT: Duration = Duration::from_secs(20);

/// Numbers of variance `1 / fan`.
fn weights(rng: &mut ChaCha8Rng, count: usize, fan: usize) -> Vec<f64> {
    let scale = (3.0 / fan as f64).sqrt();
    (0..count).map(|_| scale * rng.random_range(-1.0..1.0)).collect()
}

fn matrix(rng: &mut ChaCha8Rng, rows: usize, columns: usize) -> Vec<Vec<f64>> {
    (0..rows).map(|_| weights(rng, columns, columns)).collect()
}

fn kernel(rng: &mut ChaCha8Rng, out: usize, channels: usize, k: usize) -> Value {
    let fan = channels * k * k;
    let rows = |rng: &mut ChaCha8Rng| (0..k).map(|_| weights(rng, k, fan)).collect::<Vec<_>>();
    let filter = |rng: &mut ChaCha8Rng| (0..channels).map(|_| rows(rng)).collect::<Vec<_>>();
    json!((0..out).map(|_| filter(rng)).collect::<Vec<_>>())
}

/// A network as JSON, with a line on what it is.
fn drawn(rng: &mut ChaCha8Rng) -> (Value, String) {
    let all = Activation::all();
    let activation = &all[rng.random_range(0..all.len())];
    let act = serde_json::to_value(activation).expect("JSON");
    let name = act["type"].as_str().unwrap_or("?").to_owned();
    let mut layers = Vec::new();
    let (shape, mut text);
    let width = if rng.random::<bool>() {
        let inputs = [1, 2, 5, 12, 40][rng.random_range(0..5)];
        shape = vec![inputs];
        text = format!("dense {name} {inputs}");
        inputs
    } else {
        let (channels, size) = (rng.random_range(1..=3), rng.random_range(5..=12));
        shape = vec![channels, size, size];
        let (out, k) = (rng.random_range(1..=4), rng.random_range(2..=3));
        layers.push(json!({"type": "conv2d", "weight": kernel(rng, out, channels, k)}));
        layers.push(act.clone());
        let mut side = size - k + 1;
        text = format!("conv {channels}x{size}x{size} -> {out}, {k}x{k}, {name}");
        let pool = rng.random_range(0..3);
        if pool > 0 {
            let kind = if pool == 1 { "max_pool2d" } else { "avg_pool2d" };
            let stride = rng.random_range(1..=2);
            layers.push(json!({"type": kind, "kernel_size": 2, "stride": stride}));
            side = (side - 2) / stride + 1;
            text += &format!(", {kind} stride {stride}");
        }
        layers.push(json!({"type": "flatten"}));
        out * side * side
    };
    let mut width = width;
    for _ in 0..rng.random_range(1..=3) {
        let rows = [2, 4, 8, 16, 18, 22, 32, 64][rng.random_range(0..8)];
        layers.push(json!({"type": "dense", "weight": matrix(rng, rows, width), "bias": weights(rng, rows, 4)}));
        layers.push(act.clone());
        text += &format!("-{rows}");
        width = rows;
    }
    let outputs = rng.random_range(1..=3);
    layers.push(json!({"type": "dense", "weight": matrix(rng, outputs, width)}));
    text += &format!("-{outputs}");
    (json!({"input_shape": shape, "layers": layers}), text)
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let (count, seed) = (numbers.next().unwrap_or(200), numbers.next().unwrap_or(1));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.json");
    let mut times: Vec<(Duration, u64, String)> = Vec::new();
    for number in seed..seed + count {
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let (model, mut text) = drawn(&mut rng);
        std::fs::write(&path, model.to_string()).expect("written");
        let network = read(&Source::File(path.clone()), &ReadOptions::default());
        let mut lowered = network.expect("a model").lower().expect("a network");
        if rng.random_range(0..3) == 0 {
            let input = InputBox::new(&vec![(-0.5, 0.5); lowered.inputs()]).expect("a box");
            lowered = lowered.on_box(&input).expect("the inputs");
            text += ", box";
        }
        let start = Instant::now();
        let options = Options { stop: Stop::default().within(LIMIT), ..Options::default() };
        let problem = Arc::new(Problem::new(lowered, options));
        let question =
            Question { norms: Norm::ALL.to_vec(), selection: Selection::Default, with_lower: true };
        let answer = analyse(&problem, &question);
        let refused = answer.norms.iter().flat_map(|norm| &norm.refused);
        let late = refused.filter(|(_, reason)| reason.ends_with("time limit"));
        let late: Vec<&str> = late.map(|(id, _)| *id).collect();
        if problem.options().stop.is_set() {
            text += &format!(", stopped: {}", late.join(" "));
        }
        times.push((start.elapsed(), number, text));
    }
    times.sort();
    let all: Duration = times.iter().map(|(time, _, _)| *time).sum();
    let median = times[times.len() / 2].0;
    println!("{count} networks, all norms: {:.1} s in all, median {median:.2?}", all.as_secs_f64());
    for (time, number, text) in times.iter().rev().take(10) {
        println!("{:>8.2} s  seed {number:>4}  {text}", time.as_secs_f64());
    }
}
