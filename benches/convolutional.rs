//! Large convolutional networks with random weights: value, time and memory of the bounds.
//!
//! `cargo bench --bench convolutional -- vgg16 k3 l1` takes those whose names contain one of the words, of
//! networks, of bounds and of norms. LIPBOUND_PRODUCT_WORK is the number of multiplications from which on products
//! end early (`inf`: never).
#![allow(clippy::expect_used, clippy::print_stdout)]

mod support;

use lipbound::bounds::{Options, Problem, find};
use lipbound::numeric::Norm;
use support::{memory, networks, timed};

const BOUNDS: [&str; 5] = ["k_star", "k3", "k1", "k5", "k_l2"];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wanted = |all: &[&str], name: &str| {
        let mut named = words.iter().filter(|w| all.contains(&w.as_str())).peekable();
        named.peek().is_none() || named.any(|w| w == name)
    };
    println!(
        "| network | bound | norm | value | seconds | GB |\n| --- | --- | --- | --- | --- | --- |"
    );
    let all = [("vgg16", networks::vgg16 as fn() -> _), ("resnet18", networks::resnet18)];
    for (name, network) in all {
        if !wanted(&["vgg16", "resnet18"], name) {
            continue;
        }
        let ((problem, time), bytes) = memory::peak(|| {
            timed(|| Problem::new(network().lower().expect("affine stages"), Options::default()))
        });
        println!("| {name} | (built) | | | {:.1} | {:.2} |", time.as_secs_f64(), gigabytes(bytes));
        for id in BOUNDS.into_iter().filter(|id| wanted(&BOUNDS, id)) {
            for norm in
                Norm::ALL.into_iter().filter(|n| wanted(&["l1", "l2", "linf"], &n.to_string()))
            {
                row(name, id, norm, &problem);
            }
        }
    }
}

fn row(name: &str, id: &str, norm: Norm, problem: &Problem) {
    // Nothing that an earlier bound has left is used.
    let work = std::env::var("LIPBOUND_PRODUCT_WORK").ok().and_then(|w| w.parse().ok());
    let default = Options::default();
    let options = Options { product_work: work.unwrap_or(default.product_work), ..default };
    let problem = Problem::new(problem.network().clone(), options);
    let bound = find(id).expect("a bound");
    let ((result, time), bytes) = memory::peak(|| timed(|| bound.compute(&problem, norm)));
    let value = match result {
        Ok(certificate) => {
            let note = certificate.note.map_or(String::new(), |note| format!(" ({note})"));
            format!("{:.4e}{note}", certificate.upper)
        }
        Err(refusal) => refusal.to_string(),
    };
    let seconds = time.as_secs_f64();
    println!("| {name} | {id} | {norm} | {value} | {seconds:.1} | {:.2} |", gigabytes(bytes));
}

fn gigabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e9
}
