//! What several integration tests share: networks from data, random networks, exact arithmetic.
#![allow(dead_code)]

pub mod adversarial;
pub mod dyadic;
pub mod exact_matrix;
pub mod oracle;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lipbound::bounds::{Options, Problem, find};
use lipbound::io::{ReadOptions, Source, read};
use lipbound::network::layers::dense::Dense;
use lipbound::network::layers::{Layer, Lowered};
use lipbound::network::{Activation, LinearMap, Network};
use lipbound::numeric::Norm;
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The number that an environment variable holds, or the default.
pub fn number<T: std::str::FromStr>(variable: &str, default: T) -> T {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The number of random cases of a test: as many as `LIPBOUND_CASES` says, or the default.
pub fn cases(default: u32) -> proptest::prelude::ProptestConfig {
    let cases = number("LIPBOUND_CASES", default);
    // Some tests draw cases that they cannot use, up to a third of them.
    proptest::prelude::ProptestConfig {
        cases,
        max_global_rejects: 1024 + cases,
        ..Default::default()
    }
}

/// The folder of the committed test data.
pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// The folder of further reference data, where this machine has it.
pub fn shared() -> Option<PathBuf> {
    std::env::var_os("LIPBOUND_SHARED").map(PathBuf::from)
}

/// A committed reference network, by the path that the tables of references use.
pub fn network(path: &str) -> Network {
    load(&data().join(path))
}

pub fn load(path: &Path) -> Network {
    read(&Source::File(path.to_owned()), &ReadOptions::default()).expect("a readable model")
}

pub fn problem(network: &Network) -> Problem {
    Problem::new(network.lower().expect("a network that can be bounded"), Options::default())
}

/// The value of a bound.
pub fn upper(problem: &Problem, id: &str, norm: Norm) -> f64 {
    let bound = find(id).expect("a bound");
    bound.compute(problem, norm).unwrap_or_else(|refusal| panic!("{id}: {refusal}")).upper
}

pub fn norm(id: &str) -> Norm {
    Norm::ALL.into_iter().find(|norm| norm.id() == id).expect("a norm")
}

/// Reference tables: name of the network, norm, bound, value.
pub fn table(path: &Path, key: &str) -> Vec<(String, Norm, String, f64)> {
    let text = std::fs::read_to_string(path).expect("a table");
    let entries: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
    let mut rows = Vec::new();
    for entry in &entries {
        let name = entry[key].as_str().expect("a name");
        let values = entry.get("values").or(entry.get("norms")).and_then(|v| v.as_object());
        for (norm_id, bounds) in values.expect("values") {
            for (id, value) in bounds.as_object().expect("bounds") {
                if let Some(value) = value.as_f64() {
                    rows.push((name.to_owned(), norm(norm_id), id.clone(), value));
                }
            }
        }
    }
    rows
}

/// The linear map of an affine layer, for the shapes of its inputs.
pub fn lowered(layer: &dyn Layer, inputs: &[Vec<usize>]) -> LinearMap {
    match layer.lower(inputs).expect("shapes fit") {
        Lowered::Affine(map) => map.linear,
        _ => unreachable!("an affine layer"),
    }
}

/// A random dense network: the widths from input to output, with one activation throughout.
pub fn random_network(widths: &[usize], activation: &Activation, seed: u64) -> Network {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut layers: Vec<Arc<dyn Layer>> = Vec::new();
    for pair in widths.windows(2) {
        if !layers.is_empty() {
            layers.push(Arc::new(activation.clone()));
        }
        let weight = Array2::from_shape_fn((pair[1], pair[0]), |_| rng.random_range(-2.0..2.0));
        let bias = Array1::from_shape_fn(pair[1], |_| rng.random_range(-1.0..1.0));
        layers.push(Arc::new(Dense::new(weight, bias).expect("shapes")));
    }
    Network::sequential("random", vec![widths[0]], layers).expect("shapes")
}
