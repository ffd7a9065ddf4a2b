//! The program as a user runs it.
#![allow(clippy::expect_used)] // tests fail by panicking

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

fn lipbound(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("lipbound").expect("the program");
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/networks"));
    command.env("NO_COLOR", "1").env("COLUMNS", "80").args(arguments).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Standard output of a run that succeeds.
fn stdout(arguments: &[&str]) -> String {
    let output = lipbound(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Standard error of a run that ends with status 2 and prints nothing.
fn failure(arguments: &[&str]) -> String {
    let output = lipbound(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    text(&output.stderr)
}

#[test]
fn the_example_of_the_help_works_as_written() {
    // The numbers of the x^2 table, exactly (see tests/references.rs).
    insta::assert_snapshot!(stdout(&["compute", "x2-l3.json", "--norm", "linf"]));
}

#[test]
fn all_norms_fit_into_80_columns() {
    let table = stdout(&["compute", "random-4-5x6x5x4x2.json"]);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(!table.contains('\u{1b}'), "colours without a terminal");
    for norm in ["l1", "l2", "linf"] {
        // 15 neurons: L is searched for, and found.
        assert!(table.contains(&format!("{norm:<4}  L = ")), "{table}");
    }
}

#[test]
fn json_reports_hold_what_they_promise() {
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&["compute", "x2-l3.json", "--format", "json"]))
            .expect("JSON");
    assert_eq!(json["schema"], "lipbound-report/1");
    let reports = json["reports"].as_array().expect("reports");
    assert_eq!(reports.len(), 3);
    for report in reports {
        let uppers: Vec<f64> = report["bounds"]
            .as_array()
            .expect("bounds")
            .iter()
            .map(|b| b["upper"].as_f64().expect("a number"))
            .collect();
        let best = report["best"].as_f64().expect("best");
        assert_eq!(best, uppers.iter().copied().fold(f64::INFINITY, f64::min));
        assert!(report["lower"].as_f64().expect("lower") <= best);
    }
    let linf = reports.iter().find(|r| r["norm"] == "linf").expect("linf");
    assert_eq!((linf["best"].as_f64(), linf["lower"].as_f64()), (Some(1.875), Some(1.875)));
}

#[test]
fn csv_and_markdown() {
    insta::assert_snapshot!(stdout(&[
        "compute",
        "x2-l1.json",
        "x2-l2.json",
        "--norm",
        "linf",
        "--format",
        "csv"
    ]));
    insta::assert_snapshot!(stdout(&[
        "compute",
        "x2-l1.json",
        "--format",
        "markdown",
        "--norm",
        "linf"
    ]));
}

#[test]
fn outputs_can_be_selected() {
    let whole = stdout(&[
        "compute",
        "random-4-5x6x5x4x2.json",
        "--norm",
        "linf",
        "--bounds",
        "k5",
        "--format",
        "csv",
    ]);
    let upper = |csv: &str| -> f64 {
        csv.lines()
            .nth(1)
            .and_then(|row| row.split(',').nth(4))
            .expect("upper")
            .parse()
            .expect("a number")
    };
    let each: Vec<f64> = ["0", "1"]
        .iter()
        .map(|i| {
            upper(&stdout(&[
                "compute",
                "random-4-5x6x5x4x2.json",
                "--norm",
                "linf",
                "--bounds",
                "k5",
                "--outputs",
                i,
                "--format",
                "csv",
            ]))
        })
        .collect();
    // In linf the bound of the network is the largest of its rows.
    assert_eq!(upper(&whole), each[0].max(each[1]));
    assert!(failure(&["compute", "x2-l1.json", "--outputs", "7"]).contains("outputs 0 to 0"));
}

#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let run = |threads: &str| {
        stdout(&[
            "compute",
            "random-2-8x10x6x3.json",
            "--bounds",
            "all",
            "--format",
            "json",
            "--threads",
            threads,
        ])
    };
    let one = run("1");
    assert_eq!(one, run("2"));
    assert_eq!(one, run("8"));
    assert_eq!(one, run("8"));
}

#[test]
fn estimates_are_only_shown_when_asked_for_and_marked() {
    let model = "../../../examples/mnist_mlp.npz";
    let plain = stdout(&["compute", model, "--norm", "linf", "--bounds", "k2", "--no-lower"]);
    assert!(!plain.contains('~'));
    let estimates = stdout(&[
        "compute",
        model,
        "--norm",
        "linf",
        "--bounds",
        "k2",
        "--no-lower",
        "--estimates",
    ]);
    assert!(estimates.contains("K2 ~") && estimates.contains("nothing is proved"), "{estimates}");
}

#[test]
fn mistakes_get_one_clear_error_and_status_2() {
    insta::assert_snapshot!(failure(&["compute", "x2-l1.json", "--bounds", "k6"]));
    insta::assert_snapshot!(failure(&["compute", "nowhere.json"]));
    insta::assert_snapshot!(failure(&["explain", "k_stra"]));
    insta::assert_snapshot!(failure(&["compute", "x2-l1.json", "--activation", "rleu"]));
}

#[test]
fn a_broken_model_among_others_is_reported_and_the_rest_is_done() {
    let output = lipbound(&[
        "compute",
        "x2-l1.json",
        "nowhere.json",
        "x2-l2.json",
        "--norm",
        "linf",
        "--format",
        "csv",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let table = text(&output.stdout);
    assert!(table.contains("x2-l1.json,linf") && table.contains("x2-l2.json,linf"));
    assert!(text(&output.stderr).contains("nowhere.json"));
}

#[test]
fn depth_limits_say_what_to_do() {
    let table = stdout(&[
        "compute",
        "x2-l6.json",
        "--norm",
        "linf",
        "--bounds",
        "k4,k5",
        "--k4-depth-limit",
        "4",
    ]);
    assert!(table.contains("K5 is at most K4"), "{table}");
    assert!(table.contains("1.984375") || table.contains("1.98438"), "{table}");
}

#[test]
fn the_work_of_products_is_a_number() {
    // Products that fit into memory are kept, whatever their work would be otherwise.
    let with = |work: &str| {
        stdout(&["compute", "x2-l6.json", "--bounds", "k1,k5", "--product-work", work])
    };
    assert_eq!(with("0"), with("inf"));
    for wrong in ["--product-work=-1", "--product-work=nan", "--product-work=much"] {
        let error = failure(&["compute", "x2-l6.json", wrong]);
        assert!(error.contains("expected a number of multiplications such as 1e13"), "{error}");
    }
}

#[test]
fn conversion_keeps_every_bound() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let relu = ["--activation", "relu"];
    let csv = |model: &str| {
        let table = stdout(&[&["compute", model, "--format", "csv"][..], &relu].concat());
        table
            .lines()
            .map(|line| line.split_once(',').expect("a row").1.to_owned())
            .collect::<Vec<_>>()
    };
    stdout(&["convert", "random-1-3x5x4x1.json", &path("a.npz")]);
    stdout(&[&["convert", &path("a.npz"), &path("b.json")][..], &relu].concat());
    assert_eq!(csv("random-1-3x5x4x1.json"), csv(&path("a.npz")));
    assert_eq!(csv("random-1-3x5x4x1.json"), csv(&path("b.json")));
    assert!(lipbound(&["convert", "x2-l1.json", &path("model.xyz")]).status.code() == Some(2));
}

#[test]
fn reports_are_saved_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json").display().to_string();
    assert_eq!(stdout(&["compute", "x2-l1.json", "--format", "json", "-o", &path]), "");
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).expect("a report")).expect("JSON");
    assert_eq!(json["reports"].as_array().map(Vec::len), Some(3));
    let nowhere = folder.path().join("missing/report.json").display().to_string();
    assert!(failure(&["compute", "x2-l1.json", "-o", &nowhere]).contains("missing/report.json"));
}

#[test]
fn every_bound_is_explained() {
    for bound in lipbound::bounds::REGISTRY {
        let text = stdout(&["explain", bound.id()]);
        for heading in ["Definition", "Source", "Holds for", "Order", "Cost", "Rounding"] {
            assert!(text.lines().any(|line| line == heading), "{}: {heading}", bound.id());
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }
    assert!(stdout(&["explain", "activations"]).contains("gelu"));
    insta::assert_snapshot!(stdout(&["explain"]));
}

#[test]
fn help_inspection_and_schema() {
    insta::assert_snapshot!(stdout(&["--help"]));
    insta::assert_snapshot!(stdout(&["inspect", "x2-l2.json"]));
    let schema: serde_json::Value = serde_json::from_str(&stdout(&["schema"])).expect("JSON");
    assert!(schema.get("$schema").is_some());
}

#[test]
fn certificates_are_verified_and_tampering_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certificate.json").display().to_string();
    let model = "random-2-8x10x6x3.json";
    stdout(&["compute", model, "--bounds", "k_sdp", "--certificate", &path]);
    let verified = stdout(&["verify", &path, model]);
    assert_eq!(verified.lines().filter(|line| line.contains("verified")).count(), 3, "{verified}");
    // Another model, and a bound that is a little smaller, are rejected with status 1.
    let other = lipbound(&["verify", &path, "random-3-4x10x3.json"]);
    assert_eq!(other.status.code(), Some(1), "{}", text(&other.stdout));
    let mut file: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).expect("a file")).expect("JSON");
    for certificate in file["certificates"].as_array_mut().expect("certificates") {
        let mantissa = certificate["proof"]["mantissa"].as_f64().expect("a number");
        certificate["proof"]["mantissa"] = (mantissa * 0.999).into();
    }
    std::fs::write(&path, file.to_string()).expect("written");
    let tampered = lipbound(&["verify", &path, model]);
    assert_eq!(tampered.status.code(), Some(1));
    assert!(!text(&tampered.stdout).contains("verified"), "{}", text(&tampered.stdout));
    assert!(failure(&["verify", model, model]).contains("not a certificate"));
    // A file without certificates proves nothing, and those of the first version do not say of what they are.
    file["certificates"] = serde_json::json!([]);
    std::fs::write(&path, file.to_string()).expect("written");
    assert!(failure(&["verify", &path, model]).contains("holds no certificate"));
    file["schema"] = "lipbound-certificate/1".into();
    std::fs::write(&path, file.to_string()).expect("written");
    assert!(failure(&["verify", &path, model]).contains("found the format lipbound-certificate/1"));
    let margin = ["compute", model, "--margin", "0,1", "--bounds", "k_sdp", "--certificate", &path];
    assert!(failure(&margin).contains("leave out --margin"));
}
