//! The searches for K and L: parts, parts per second, and the time until they end.
//!
//! `cargo bench --bench search`. With `LIPBOUND_SHARED`, also the published networks of that folder.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)] // a table for reading

use std::path::Path;
use std::time::{Duration, Instant};

use lipbound::bounds::search::Outcome;
use lipbound::bounds::search::{regions, slopes};
use lipbound::bounds::{Options, Problem};
use lipbound::io::{ReadOptions, Source, read};
use lipbound::network::layers::dense::Dense;
use lipbound::network::{Activation, InputBox, Layer, LoweredNetwork, Network};
use lipbound::numeric::Norm;
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};

/// Searches that take longer are stopped.
const LIMIT: Duration = Duration::from_secs(120);

/// Normally distributed weights of variance 1 / width, and biases of deviation 0.1.
fn random(widths: &[usize], seed: u64) -> LoweredNetwork {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    let mut layers: Vec<std::sync::Arc<dyn Layer>> = Vec::new();
    for pair in widths.windows(2) {
        if !layers.is_empty() {
            layers.push(std::sync::Arc::new(Activation::Relu));
        }
        let scale = 1.0 / (pair[0] as f64).sqrt();
        let w = Array2::from_shape_simple_fn((pair[1], pair[0]), || scale * normal());
        let b = Array1::from_shape_simple_fn(pair[1], || 0.1 * normal());
        layers.push(std::sync::Arc::new(Dense::new(w, b).expect("shapes")));
    }
    let network = Network::sequential("random", vec![widths[0]], layers).expect("shapes");
    network.lower().expect("a network")
}

fn row(name: &str, what: &str, norm: Norm, network: LoweredNetwork) {
    let options = Options { time_limit: Some(LIMIT), ..Options::default() };
    let problem = Problem::new(network, options);
    let start = Instant::now();
    let outcome: Outcome = match what {
        "K" => slopes::search(&problem, norm),
        _ => regions::search(&problem, problem.network(), norm),
    };
    let seconds = start.elapsed().as_secs_f64();
    let rate = outcome.nodes as f64 / seconds;
    let gap = outcome.upper / outcome.lower - 1.0;
    println!(
        "{name:<28} {what} {norm:<5} {:>8} parts {seconds:>8.2} s {rate:>8.0} parts/s  gap {gap:.1e}",
        outcome.nodes
    );
}

fn main() {
    for widths in [&[10, 15, 15, 1][..], &[10, 20, 20, 1], &[10, 30, 30, 1], &[20, 30, 30, 5]] {
        let name: Vec<String> = widths.iter().map(ToString::to_string).collect();
        for norm in Norm::ALL {
            row(&name.join("-"), "K", norm, random(widths, 0));
        }
    }
    for widths in [&[4, 8, 8, 2][..], &[10, 15, 10, 3]] {
        let name: Vec<String> = widths.iter().map(ToString::to_string).collect();
        for norm in Norm::ALL {
            row(&name.join("-"), "L", norm, random(widths, 0));
        }
    }
    let Some(folder) = std::env::var_os("LIPBOUND_SHARED") else { return };
    let load = |name: &str| {
        let path = Path::new(&folder).join("models/public").join(name);
        let network = read(&Source::File(path), &ReadOptions::default()).expect("a model");
        network.lower().expect("a network")
    };
    let on = |network: LoweredNetwork, lo: f64, hi: f64| {
        let sides = vec![(lo, hi); network.chain.inputs()];
        network.on_box(&InputBox::new(&sides).expect("a box")).expect("a box")
    };
    for norm in Norm::ALL {
        row("wine", "L", norm, load("exlipbab_wine_net_11x12x12x1_ReLU.npz"));
        let sd = || load("lipbab_SDnet_10_15_10_3.npz");
        row("SDnet", "L", norm, sd());
        row("SDnet on [0, 0.1]^10", "L", norm, on(sd(), 0.0, 0.1));
        row("SDnet on [-1, 1]^10", "L", norm, on(sd(), -1.0, 1.0));
    }
    let acas = load("acasxu_1_1.npz").select_outputs(&[0]);
    row("ACAS Xu 1_1 on +-0.05, 0", "L", Norm::Linf, on(acas, -0.05, 0.05));
}
