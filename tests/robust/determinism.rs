//! The same bytes on every run, whatever the number of threads.

use crate::program::{Folder, text};
use crate::{example, lipbound, network};

/// Standard output and the status, with a number of threads.
fn run(folder: &Folder, arguments: &[String], threads: &str) -> (String, Option<i32>) {
    let mut command = lipbound(folder);
    command.args(arguments).args(["--threads", threads]);
    let output = command.output().expect("it runs");
    assert!(!output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stderr));
    (text(&output.stdout), output.status.code())
}

/// The same for 1, 2 and 8 threads, and again for 8.
fn assert_same(arguments: &[&str]) {
    let folder = Folder::new();
    let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
    let expected = run(&folder, &arguments, "1");
    for threads in ["2", "8", "8"] {
        let found = run(&folder, &arguments, threads);
        assert_eq!(found, expected, "{arguments:?} with {threads} threads");
    }
}

#[test]
fn every_bound_of_small_networks() {
    let mut models = vec![
        network("random-2-8x10x6x3.json"),
        network("random-4-5x6x5x4x2.json"),
        network("x2-l3.json"),
        example("greedy.json"),
        example("ode_pendulum.json"),
    ];
    models.sort();
    for model in &models {
        for format in ["json", "table"] {
            let bounds =
                ["--bounds", "k_star,k1,k2,k3,k4,k5,k_sdp,k_l2,k,l", "--node-limit", "2000"];
            assert_same(
                &[&["compute", model, "--format", format, "--estimates"], &bounds[..]].concat(),
            );
        }
    }
}

#[test]
fn a_convolutional_network() {
    let (weights, arch) = (example("mnist_cnn_a.npz"), example("mnist_cnn_a.arch.json"));
    let bounds = ["--bounds", "k_star,k1,k3,k4,k5", "--norm", "linf", "--arch", &arch];
    assert_same(&[&["compute", &weights, "--format", "json"], &bounds[..]].concat());
}

#[test]
fn a_strided_convolutional_network() {
    let weights = example("mnist_conv_strided.npz");
    let arch = example("mnist_conv_strided.arch.json");
    let bounds = ["--bounds", "k_star,k1,k3,k5", "--no-lower", "--arch", &arch];
    assert_same(&[&["compute", &weights, "--format", "json"], &bounds[..]].concat());
}

#[test]
fn a_larger_network_with_the_search_for_a_lower_bound() {
    let model = example("mnist_mlp.npz");
    let bounds = "k_star,k1,k3,k4,k5";
    assert_same(&["compute", &model, "--norm", "linf", "--bounds", bounds, "--format", "json"]);
    assert_same(&["compute", &model, "--norm", "l2", "--bounds", "k1", "--format", "table"]);
}

#[test]
fn comparisons_checks_and_certificates() {
    let models = [network("random-2-8x10x6x3.json"), network("x2-l3.json"), network("x2-l1.json")];
    let [a, b, c] = &models;
    for format in ["json", "table", "csv", "markdown"] {
        assert_same(&["compare", a, b, c, "--bounds", "all", "--layers", "--format", format]);
    }
    for format in ["text", "json", "junit", "github", "markdown"] {
        assert_same(&["check", a, b, c, "--norm", "l2", "--max", "2", "--format", format]);
    }
    let folder = Folder::new();
    let mut rng_row = 0.0;
    let rows: Vec<String> = (0..5)
        .map(|_| {
            let row = (0..8).map(|_| {
                rng_row = (rng_row + 0.618_033_988_75_f64).fract();
                rng_row.to_string()
            });
            row.collect::<Vec<_>>().join(" ")
        })
        .collect();
    folder.write("x.txt", &rows.join("\n"));
    let input = folder.path("x.txt").display().to_string();
    for format in ["json", "table"] {
        assert_same(&["certify", a, "--input", &input, "--norm", "linf", "--format", format]);
    }
    assert_same(&["gradient", a, "--bound", "k5", "--norm", "l2"]);
}
