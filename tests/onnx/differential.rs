//! Agreement with onnxruntime on the models that `tools/onnx_differential` and `tools/onnx_node_tests.py`
//! make: each is read right, or refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lipbound::io::{ReadOptions, Source, read};
use lipbound::network::size;

use crate::forward::evaluate;

#[derive(serde::Deserialize)]
struct Case {
    model: String,
    operator: String,
    /// Whether the results of several samples at once are not those of the samples one by one.
    mixed: bool,
    precision: u32,
    inputs: Vec<Vec<f64>>,
    outputs: Vec<Vec<f64>>,
}

/// What became of the models about one operator.
#[derive(Default)]
struct Count {
    right: usize,
    refused: usize,
    /// Refused as they must be, because they put samples together.
    mixed: usize,
}

/// The folder that an environment variable names; it is said where there is none.
fn folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: {variable} does not name a folder (see docs/testing.md)");
    }
    folder
}

/// How far the outputs are from onnxruntime's, relative to the largest: in double precision, the rounding of
/// at most ten operations on sums of at most a few hundred terms, each 1.1e-16, and what cancels in
/// them; in single precision 5e8 times as much.
fn tolerance(precision: u32) -> f64 {
    if precision == 64 { 1e-11 } else { 5e-5 }
}

/// Whether the model was read and its outputs are right; the reader's message; what is wrong.
fn compare(folder: &Path, case: &Case) -> Result<Result<(), String>, String> {
    let source = Source::File(folder.join(&case.model));
    let network = match read(&source, &ReadOptions::default()) {
        Ok(network) => network,
        Err(error) => return Ok(Err(error.reason)),
    };
    if case.mixed {
        return Err("was read, though it puts samples together".to_owned());
    }
    let lowered = match network.lower() {
        Ok(lowered) => lowered,
        Err(error) => return Ok(Err(error.to_string())),
    };
    for (input, expected) in case.inputs.iter().zip(&case.outputs) {
        if input.len() != size(&network.input_shape) {
            return Err(format!("has the input shape {:?}", network.input_shape));
        }
        let found = evaluate(&lowered, input);
        if found.len() != expected.len() {
            return Err(format!("has {} outputs, expected {}", found.len(), expected.len()));
        }
        let scale = expected.iter().fold(1.0f64, |m, x| m.max(x.abs()));
        let error = found.iter().zip(expected).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        if error.is_nan() || error > tolerance(case.precision) * scale {
            return Err(format!("is off by {error:e} of {scale:e}"));
        }
    }
    Ok(Ok(()))
}

/// Compares all cases of a folder and prints what became of them by operator.
fn run(folder: &Path) -> BTreeMap<String, Count> {
    let text = std::fs::read_to_string(folder.join("cases.jsonl")).expect("the cases");
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut messages: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        let count = counts.entry(case.operator.clone()).or_default();
        match compare(folder, &case) {
            Ok(Ok(())) => count.right += 1,
            Ok(Err(_)) if case.mixed => count.mixed += 1,
            Ok(Err(message)) => {
                count.refused += 1;
                let words = message.split(|c: char| c.is_ascii_digit() || "[(:;,".contains(c));
                let kind = words.into_iter().next().unwrap_or_default().trim().to_owned();
                *messages.entry(kind).or_default() += 1;
            }
            Err(fault) => wrong.push(format!("{} ({}): {fault}", case.model, case.operator)),
        }
    }
    for (operator, count) in &counts {
        println!(
            "{operator}: {} right, {} refused, {} refused for mixing samples",
            count.right, count.refused, count.mixed
        );
    }
    let mut messages: Vec<_> = messages.into_iter().collect();
    messages.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    messages.iter().for_each(|(message, n)| println!("{n} refused: {message}"));
    let total = |f: fn(&Count) -> usize| counts.values().map(f).sum::<usize>();
    println!(
        "{} right, {} refused, {} mixed",
        total(|c| c.right),
        total(|c| c.refused),
        total(|c| c.mixed)
    );
    assert!(wrong.is_empty(), "{} models are read wrong:\n{}", wrong.len(), wrong.join("\n"));
    counts
}

/// A test that refuses everything would pass: at least this share of the models about each operator, those
/// aside that have to be refused, is read.
const LEAST_READ: f64 = 0.5;

#[test]
fn differential() {
    let Some(folder) = folder("LIPBOUND_ONNX_DIFFERENTIAL") else { return };
    for (operator, count) in run(&folder) {
        let share = count.right as f64 / (count.right + count.refused).max(1) as f64;
        assert!(share >= LEAST_READ, "{operator}: only {share:.2} of the models are read");
    }
}

#[test]
fn node_tests_of_onnx() {
    let Some(folder) = folder("LIPBOUND_ONNX_NODE_TESTS") else { return };
    let counts = run(&folder);
    let right: usize = counts.values().map(|count| count.right).sum();
    assert!(right >= 180, "only {right} are read");
}
