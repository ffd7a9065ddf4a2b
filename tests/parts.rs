//! Some outputs, some inputs, and what follows from all parts for the whole.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;
mod support;

use std::path::Path;

use lipbound::bounds::lower::lower_bounds;
use lipbound::bounds::{Options, Problem};
use lipbound::io::{Input, ReadOptions, read_input};
use lipbound::network::{Activation, InputBox, LoweredNetwork, Network};
use lipbound::numeric::Norm;
use lipbound::report::part::{Axis, Rule};
use program::{Folder, failure, json, lipbound, stdout, text};
use proptest::prelude::{prop_assert, proptest};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use support::{random_network, upper};

/// What a finished search may leave open, relatively.
const CLOSED: f64 = 1.0 + 1e-9;

fn problem(network: LoweredNetwork) -> Problem {
    Problem::new(network, Options::default())
}

fn parse(text: &str) -> Network {
    let bytes = text.as_bytes().to_vec();
    let input = Input { file: "model".into(), name: "model".into(), folder: None, bytes };
    read_input(&input, Path::new("model.json"), &ReadOptions::default()).expect("a model")
}

/// R(x_0 + x_1 - 1).
const CORNER: &str = r#"{"format": "lipbound-network/1", "input_shape": [2], "layers": [
{"type": "dense", "weight": [[1.0, 1.0]], "bias": [-1.0]}, {"type": "relu"},
{"type": "dense", "weight": [[1.0]]}]}"#;

#[test]
fn the_other_inputs_decide_which_neurons_are_on() {
    let network = parse(CORNER);
    let lowered = network.lower().expect("layers");
    // With x_0 <= 0.4 the neuron is on only where x_1 > 0.6.
    for (end, value) in [(1.0, 1.0), (0.5, 0.0)] {
        let input = InputBox::new(&[(0.0, 0.4), (0.0, end)]).expect("a box");
        let on_box = |network: &LoweredNetwork| network.on_box(&input).expect("two inputs");
        // The order of the two restrictions does not matter.
        for part in [on_box(&lowered).select_inputs(&[0]), on_box(&lowered.select_inputs(&[0]))] {
            let part = problem(part);
            for norm in Norm::ALL {
                for id in ["l", "k", "k5", "k_star", "k_sdp"] {
                    let bound = upper(&part, id, norm);
                    // K* is the product of the norms with the slope 0 or 1 between them.
                    let expected = if id == "k_star" && value == 0.0 { bound } else { value };
                    assert!((bound - expected).abs() <= 1e-6, "{id} {norm} {end}: {bound}");
                }
                assert_eq!(lower_bounds(&part, &[norm]), [value]);
            }
        }
    }
    // Everywhere, too: what is fixed may have any value.
    assert_eq!(lower_bounds(&problem(lowered.select_inputs(&[1])), &[Norm::L2]), [1.0]);
}

#[test]
fn neurons_that_the_moved_inputs_do_not_reach_are_decided_too() {
    // With u = R(x_0) <= 0.1 and v = R(x_1) - R(-x_1) = x_1 the neurons R(u + v - 1) and R(u - v - 1) are
    // never on together, so that L with respect to x_0 is 1. K is 2.
    let network = parse(
        r#"{"format": "lipbound-network/1", "input_shape": [2], "layers": [
        {"type": "dense", "weight": [[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]}, {"type": "relu"},
        {"type": "dense", "weight": [[1.0, 1.0, -1.0], [1.0, -1.0, 1.0]], "bias": [-1.0, -1.0]},
        {"type": "relu"}, {"type": "dense", "weight": [[1.0, 1.0]]}]}"#,
    );
    let input = InputBox::new(&[(0.0, 0.1), (-2.0, 2.0)]).expect("a box");
    let network = network.lower().expect("layers").on_box(&input).expect("two inputs");
    let part = problem(network.select_inputs(&[0]));
    for norm in Norm::ALL {
        let l = upper(&part, "l", norm);
        assert!((1.0..=CLOSED).contains(&l), "{norm}: {l}");
        assert!(upper(&part, "k", norm) >= 2.0);
    }
}

#[test]
fn a_linear_network_has_its_columns() {
    let network = random_network(&[3, 2], &Activation::Relu, 5).lower().expect("layers");
    let weights = network.chain.maps()[0].matrix.to_dense();
    let scale = 2f64.powi(network.chain.maps()[0].exponent);
    let difference = problem(network.select_inputs(&[2, 0]).differences(&[(0, 1)]));
    let entry = |j: usize| (weights[[0, j]] - weights[[1, j]]).abs() * scale;
    let expected = entry(0).max(entry(2));
    // One difference of two numbers is rounded.
    assert!((upper(&difference, "l", Norm::L1) - expected).abs() <= 1e-15 * expected);
}

proptest! {
    #![proptest_config(support::cases(25))]
    #[test]
    fn parts_bound_the_whole(seed: u64, a in 2usize..4, b in 2usize..4, boxed: bool) {
        let network = random_network(&[a, 4, 3, b], &Activation::Relu, seed).lower().expect("layers");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let network = if boxed {
            let sides: Vec<(f64, f64)> = (0..a).map(|_| (-1.0, rng.random_range(-0.5..1.0))).collect();
            network.on_box(&InputBox::new(&sides).expect("a box")).expect("the dimension")
        } else {
            network
        };
        for norm in Norm::ALL {
            for axis in [Axis::Outputs, Axis::Inputs] {
                let select = |part: &[usize]| match axis {
                    Axis::Outputs => network.select_outputs(part),
                    Axis::Inputs => network.select_inputs(part),
                };
                let count = if axis == Axis::Outputs { b } else { a };
                let parts = [vec![count - 1], (0..count - 1).collect()].map(|part| problem(select(&part)));
                let rule = Rule::of(axis, norm);
                let whole = problem(network.clone());
                for id in ["l", "k", "k_star", "k3", "k5"] {
                    let bounds = parts.each_ref().map(|part| upper(part, id, norm));
                    let (joined, bound) = (rule.combined_up(&bounds), upper(&whole, id, norm));
                    let l = upper(&whole, "l", norm);
                    // Searches are finished: L is within CLOSED of their numbers.
                    prop_assert!(joined * CLOSED >= l, "{axis:?} {id} {norm}: {bounds:?} of {l}");
                    if rule == Rule::Largest {
                        // Both are 0 where the box turns every neuron off.
                        let distance = (joined - bound).abs();
                        prop_assert!(distance <= 1e-9 * bound, "{axis:?} {id} {norm}: {joined}, {bound}");
                    }
                    if id == "l" || id == "k" {
                        prop_assert!(bounds.iter().all(|&part| part <= bound * CLOSED));
                    }
                }
                for part in &parts {
                    let lower = lower_bounds(part, &[norm])[0];
                    prop_assert!(lower <= upper(part, "l", norm));
                }
            }
        }
    }

    #[test]
    fn moving_the_selected_inputs_moves_the_outputs_no_further(seed: u64, on: bool) {
        let network = random_network(&[3, 5, 4, 2], &Activation::LeakyRelu { negative_slope: 0.1 }, seed);
        let network = network.lower().expect("layers");
        let sides = [(-1.0, 1.0); 3];
        let network =
            if on { network.on_box(&InputBox::new(&sides).expect("a box")).expect("three") } else { network };
        let part = problem(network.select_inputs(&[2, 0]));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let bounds = ["l", "k", "k_sdp", "k5"].map(|id| Norm::ALL.map(|norm| upper(&part, id, norm)));
        let size = |v: &[f64], norm: Norm| match norm {
            Norm::L1 => v.iter().map(|x| x.abs()).sum::<f64>(),
            Norm::L2 => v.iter().map(|x| x * x).sum::<f64>().sqrt(),
            Norm::Linf => v.iter().fold(0.0f64, |m, x| m.max(x.abs())),
        };
        for _ in 0..50 {
            let mut point = || -> f64 { rng.random_range(-1.0..1.0) };
            let x = [point(), point(), point()];
            let y = [point(), x[1], point()];
            let value = |x: &[f64]| -> Vec<f64> {
                network.outputs_at(&x.iter().map(|&x| lipbound::numeric::Interval::point(x)).collect::<Vec<_>>()).iter().map(|interval| interval.midpoint()).collect()
            };
            let moved: Vec<f64> = value(&x).iter().zip(value(&y)).map(|(a, b)| a - b).collect();
            let step: Vec<f64> = x.iter().zip(&y).map(|(a, b)| a - b).collect();
            for (n, norm) in Norm::ALL.into_iter().enumerate() {
                for bound in &bounds {
                    // Values of some hundred are accurate to 1e-12.
                    prop_assert!(size(&moved, norm) <= bound[n] * size(&step, norm) + 1e-11);
                }
            }
        }
    }
}

const MODEL: &str = "random-2-8x10x6x3.json";

/// Reports of parts of a model with 8 inputs and 3 outputs, in a folder of their own.
fn parts(folder: &Folder, options: &[&str], lists: &[&str]) -> Vec<String> {
    let path = support::data().join("networks").join(MODEL);
    if !folder.path("m.json").exists() {
        std::fs::copy(path, folder.path("m.json")).expect("a copy");
    }
    let mut reports = Vec::new();
    for (i, list) in lists.iter().enumerate() {
        let report = format!("part{i}.json");
        let mut arguments = vec!["compute", "m.json", "--format", "json", "-o", &report];
        arguments.extend(list.split(' '));
        arguments.extend(options);
        stdout(folder.run(&arguments));
        reports.push(report);
    }
    reports
}

fn compared(folder: &Folder, reports: &[String], options: &[&str]) -> (Value, String) {
    let mut arguments = vec!["compare"];
    arguments.extend(reports.iter().map(String::as_str));
    arguments.extend(options);
    let table = stdout(folder.run(&arguments));
    arguments.extend(["--format", "json"]);
    (json(&stdout(folder.run(&arguments))), table)
}

fn bound(entry: &Value, id: &str) -> f64 {
    let mut bounds = entry["bounds"].as_array().expect("bounds").iter();
    bounds.find(|b| b["id"] == id).expect("the bound")["upper"].as_f64().expect("a number")
}

#[test]
fn reports_of_all_parts_are_a_report_of_the_whole() {
    for (lists, exact) in [
        (["--outputs 2", "--outputs 0,1"], "linf"),
        (["--inputs 0,1,2,7", "--inputs 6,5,4,3"], "l1"),
    ] {
        let folder = Folder::new();
        let options = ["--bounds", "k_star,k3,k5,k_sdp,k"];
        let reports = parts(&folder, &options, &lists);
        let (found, table) = compared(&folder, &reports, &[]);
        let whole = json(&stdout(
            folder.run(&[&["compute", "m.json", "--format", "json"][..], &options].concat()),
        ));
        let entries = found["reports"].as_array().expect("reports");
        assert_eq!(entries.len(), 3);
        for entry in entries {
            assert!(entry.get("scope").is_none() && entry.get("part").is_none(), "{entry}");
            assert_eq!(entry["model"], "m.json");
            let norm = entry["norm"].as_str().expect("a norm");
            let of_norm = |report: &Value| {
                let mut all = report["reports"].as_array().expect("reports").iter();
                all.find(|entry| entry["norm"] == norm).expect("the norm").clone()
            };
            let each: Vec<Value> =
                reports.iter().map(|path| of_norm(&json(&folder.read(path)))).collect();
            for id in ["k_star", "k3", "k5", "k_sdp", "k"] {
                let numbers: Vec<f64> = each.iter().map(|part| bound(part, id)).collect();
                let joined = bound(entry, id);
                let expected = match (norm, exact) {
                    ("l2", _) => numbers[0].hypot(numbers[1]),
                    (norm, exact) if norm == exact => numbers[0].max(numbers[1]),
                    _ => numbers[0] + numbers[1],
                };
                // Rounded up by three operations.
                assert!(joined >= expected * (1.0 - 1e-15) && joined <= expected * (1.0 + 1e-15));
                if norm == exact && id != "k_sdp" {
                    // Powers of two aside, the same sums in the same order; K is a search to 1e-9.
                    let direct = bound(&of_norm(&whole), id);
                    let room = if id == "k" { 1e-9 } else { 1e-14 };
                    assert!((joined - direct).abs() <= room * direct, "{id}: {joined} {direct}");
                }
                assert!(joined >= of_norm(&whole)["lower"].as_f64().expect("a number"));
            }
            let lowers = each.iter().map(|part| part["lower"].as_f64().expect("a number"));
            assert_eq!(entry["lower"].as_f64(), lowers.reduce(f64::max));
        }
        let says = |text: &str| table.replace("\n      ", " ").contains(text);
        assert!(says("joined from 2 parts of the"), "{table}");
        assert!(says("each bound is the largest of theirs"), "{table}");
        assert!(says("not the bound of that name of the whole model"), "{table}");
        if exact == "linf" {
            insta::assert_snapshot!(table);
        }
        // A comparison reads back as it was written.
        folder.write("all.json", &found.to_string());
        let again = json(&stdout(folder.run(&["compare", "all.json", "--format", "json"])));
        assert_eq!(again["reports"], found["reports"]);
    }
}

#[test]
fn what_is_not_all_of_one_model_is_not_joined() {
    let options = ["--bounds", "k5", "--norm", "linf", "--no-lower"];
    let not_joined = |folder: &Folder, reports: &[String], reason: &str| {
        let (found, table) = compared(folder, reports, &[]);
        assert_eq!(found["reports"].as_array().map(Vec::len), Some(reports.len()), "{table}");
        let table = table.replace("\n      ", " ");
        assert!(table.contains("m.json in linf: the parts are not joined: "), "{table}");
        assert!(table.contains(reason), "{table}");
        let (_, quiet) = compared(folder, reports, &["-q"]);
        assert!(!quiet.contains("not joined"), "{quiet}");
    };
    let folder = Folder::new();
    let reports = parts(&folder, &options, &["--inputs 0,1", "--inputs 3,4"]);
    not_joined(&folder, &reports, "missing inputs: 2, 5, 6, 7");
    let reports = parts(&folder, &options, &["--outputs 0,1", "--outputs 2,1"]);
    not_joined(&folder, &reports, "outputs in several parts: 1");
    // On another box, which a file has under the same name; with other weights under the same name.
    let on_box = [&options[..], &["--box", "box.txt"]].concat();
    folder.write("box.txt", &"0 1\n".repeat(8));
    let mut reports = parts(&folder, &on_box, &["--outputs 0,1"]);
    std::fs::rename(folder.path(&reports[0]), folder.path("first.json")).expect("renamed");
    folder.write("box.txt", &"0 2\n".repeat(8));
    reports[0] = "first.json".to_owned();
    reports.extend(parts(&folder, &on_box, &["--outputs 2"]));
    let other = "missing outputs: 2; other parts under this name are of another model or box";
    not_joined(&folder, &reports, other);
    folder.write("box.txt", &"0 1\n".repeat(8));
    parts(&folder, &on_box, &["--outputs 2"]);
    let (found, table) = compared(&folder, &reports, &[]);
    assert_eq!(found["reports"].as_array().map(Vec::len), Some(1), "{table}");
    assert_eq!(found["reports"][0]["scope"], "inputs in the box box.txt");
    folder.write("m.json", &folder.read("m.json").replacen("0.", "0.1", 1));
    parts(&folder, &on_box, &["--outputs 2"]);
    not_joined(&folder, &reports, other);
    // A single part, as where one output of several models is compared, is nothing to remark.
    let (_, table) = compared(&folder, &reports[..1], &[]);
    assert!(!table.contains("joined"), "{table}");
}

#[test]
fn norms_are_joined_where_they_are_complete() {
    let folder = Folder::new();
    let mut reports = parts(&folder, &["--bounds", "k5", "--no-lower"], &["--outputs 0"]);
    std::fs::rename(folder.path(&reports[0]), folder.path("first.json")).expect("renamed");
    reports[0] = "first.json".to_owned();
    let rest = ["--bounds", "k3,k5", "--no-lower", "--norm", "linf"];
    reports.extend(parts(&folder, &rest, &["--outputs 1,2"]));
    let (found, _) = compared(&folder, &reports, &[]);
    let name = |entry: &Value| format!("{} {}", entry["model"], entry["norm"]).replace('"', "");
    let rows: Vec<String> =
        found["reports"].as_array().expect("reports").iter().map(name).collect();
    assert_eq!(rows, ["m.json l1", "m.json l2", "m.json (joined) linf"]);
    // K3 is not in all parts.
    let bounds = &found["reports"][2]["bounds"];
    assert_eq!(bounds.as_array().map(Vec::len), Some(1), "{bounds}");
}

#[test]
fn every_command_takes_inputs() {
    let folder = Folder::new();
    folder.write("m.json", CORNER);
    folder.write("box.txt", "0 0.4\n0 0.5\n");
    let part = ["--inputs", "0", "--box", "box.txt"];
    let certificate = ["--norm", "l2", "--bounds", "k_sdp", "--certificate", "c.json"];
    let table = stdout(folder.run(&[&["compute", "m.json"], &certificate[..], &part].concat()));
    assert!(table.contains("inputs in the box box.txt, inputs 0"), "{table}");
    stdout(folder.run(&[&["verify", "c.json", "m.json"], &part[..]].concat()));
    let check = ["check", "m.json", "--norm", "linf", "--max", "0"];
    stdout(folder.run(&[&check[..], &part].concat()));
    assert_eq!(folder.run(&[&check[..], &["--inputs", "0"]].concat()).status.code(), Some(1));
    let table = stdout(folder.run(&[&["compare", "m.json", "--bounds", "k5"], &part[..]].concat()));
    assert!(text(table.as_bytes()).contains("all models: inputs in the box"), "{table}");
}

#[test]
fn parts_that_do_not_exist_are_one_clear_error() {
    for (list, reason) in [
        (["--inputs", "8"], "--inputs asks for input 8, but the model has the inputs 0 to 7"),
        (["--inputs", "1,0,1"], "--inputs names input 1 twice; name each once"),
        (["--outputs", "2,2"], "--outputs names output 2 twice; name each once"),
        (["--inputs", "1-3"], "invalid value '1-3' for '--inputs <LIST>'"),
    ] {
        let error = failure(lipbound(&[&["compute", MODEL], &list[..]].concat()));
        assert!(error.contains(reason), "{error}");
    }
}
