//! Files that PyTorch, numpy and others wrote, with values known from elsewhere.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;

use std::path::Path;
use std::process::Output;

use program::{command, failure, json, stdout};

fn run(arguments: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files");
    command(&folder).args(arguments).output().expect("it runs")
}

/// The least upper bound and the lower bound in each norm, l1 first.
fn bounds(file: &str, list: &str) -> Vec<(f64, f64)> {
    let arguments = ["compute", file, "--activation", "relu", "--bounds", list, "--format", "json"];
    let report = json(&stdout(run(&arguments)));
    let entries = report["reports"].as_array().expect("a list");
    let number = |entry: &serde_json::Value, key: &str| entry[key].as_f64().expect("a number");
    entries.iter().map(|entry| (number(entry, "lower"), number(entry, "best"))).collect()
}

/// `x.conj().imag` as a weight: PyTorch 2.15 saves -1 with the mark `neg`, loads 1, and has f(3) - f(0) = 3.
#[test]
fn pytorch_leaves_changes_of_sign_to_the_reader() {
    for (lower, upper) in bounds("negative_bit.pt", "all") {
        assert_eq!((lower, upper), (1.0, 1.0));
    }
}

/// L by a program of its own: the largest norm of the derivative over the 24 activation patterns that 200,000
/// random points have, in ordinary floating point.
#[test]
fn the_checkpoint_of_pytorchs_tutorial() {
    let known = [0.4046731756372326, 0.3919142860934197, 0.5312232116830957];
    for ((lower, upper), known) in bounds("checkpoint.pt", "l").into_iter().zip(known) {
        // A few roundings in either calculation; the interval is narrower than 1e-9.
        assert!(lower <= known * (1.0 + 1e-14) && known <= upper * (1.0 + 1e-14), "{known}");
        assert!(upper - lower < 1e-9, "{lower} {upper}");
    }
}

/// K3 is the norm of |W1| |W0|, in ordinary floating point 0.5664173105790024 (l1) and 0.9953614611355173 (linf)
/// with masks; 1.031 without them.
#[test]
fn masks_of_pruned_layers_count() {
    let found = bounds("pruned.pt", "k3");
    for ((_, upper), known) in
        [found[0], found[2]].into_iter().zip([0.5664173105790024, 0.9953614611355173])
    {
        // A few roundings in either calculation.
        assert!((upper / known - 1.0).abs() < 1e-14, "{upper} {known}");
    }
}

/// Norms of the matrix as numpy has them: 2.5677, 1.9641 and 3.1483, to five digits.
#[test]
fn an_array_of_python_2() {
    for ((_, upper), known) in bounds("python2.npy", "k").into_iter().zip([2.5677, 1.9641, 3.1483])
    {
        assert!((upper - known).abs() < 5e-5, "{upper} {known}");
    }
}

#[test]
fn surplus_ranges_are_refused() {
    for options in [&[][..], &["--nnet-normalise"]] {
        let error = failure(run(&[&["compute", "two_ranges.nnet"], options].concat()));
        assert!(error.contains("the means: found 6 numbers, expected 5"), "{error}");
    }
}
