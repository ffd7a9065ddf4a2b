//! `lipbound compare`, as a user runs it.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;

use program::{Folder, failure, json, lipbound, stdout, text};

/// Checkpoints of a network with one hidden neuron, whose K5 in linf is the epoch.
fn series(epochs: &[u32]) -> Folder {
    let folder = Folder::new();
    for epoch in epochs {
        folder.write(&format!("epoch{epoch}.json"), &program::model(f64::from(*epoch)));
    }
    folder
}

#[test]
fn checkpoints_of_a_folder_come_in_the_order_of_their_numbers() {
    let folder = series(&[10, 2, 1]);
    folder.write("metrics.json", r#"{"loss": 0.1}"#);
    folder.write("notes.txt", "not a model");
    insta::assert_snapshot!(stdout(folder.run(&[
        "compare",
        ".",
        "--norm",
        "linf",
        "--bounds",
        "k_star,k1,k5"
    ])));
    // `compute` takes folders, too, and models in the short form are seen.
    folder.write("epoch3.json", r#"{"weights": [[[1]], [[3]]]}"#);
    let csv =
        stdout(folder.run(&["compute", ".", "--norm", "l1", "--bounds", "k5", "--format", "csv"]));
    let models = csv.lines().skip(1).filter_map(|line| line.split(',').next());
    assert!(models.eq(["epoch1.json", "epoch2.json", "epoch3.json", "epoch10.json"]), "{csv}");
}

#[test]
fn patterns_baselines_and_orders() {
    let folder = series(&[10, 2, 1]);
    let models = |arguments: &[&str]| -> Vec<String> {
        let mut all = vec!["compare", "epoch*.json", "--norm", "l1", "--bounds", "k5"];
        all.extend(["--format", "json"]);
        all.extend(arguments);
        let report = json(&stdout(folder.run(&all)));
        let model = |report: &serde_json::Value| {
            format!(
                "{} {} {}",
                report["model"].as_str().expect("a name"),
                report["ratio"],
                report["change"].as_str().expect("a change")
            )
        };
        report["reports"].as_array().expect("reports").iter().map(model).collect()
    };
    let by_name = ["epoch1.json 1.0 same", "epoch2.json 2.0 proved_worse"];
    assert_eq!(models(&[])[..2], by_name);
    let backwards = models(&["--baseline", "epoch10", "--sort", "k5"]);
    assert_eq!(backwards[0], "epoch1.json 0.1 proved_better");
    assert_eq!(models(&["--baseline", "./epoch2.json", "--sort", "best"]).len(), 4);
    let error = failure(folder.run(&["compare", "run/epoch*.json"]));
    assert!(error.contains("no file matches this pattern"), "{error}");
    let error = failure(folder.run(&["compare", "epoch1.json", "--baseline", "epoch3.json"]));
    assert!(error.contains("did you mean epoch1.json"), "{error}");
    let error = failure(folder.run(&["compare", "epoch1.json", "--sort", "bset"]));
    assert!(error.contains("did you mean best"), "{error}");
}

#[test]
fn compute_compares_where_it_is_asked_to() {
    let folder = series(&[2, 1]);
    let rest = ["epoch2.json", "epoch1.json", "--baseline", "epoch2.json", "--norm", "linf"];
    let compute = stdout(folder.run(&[&["compute"], &rest[..]].concat()));
    assert_eq!(compute, stdout(folder.run(&[&["compare"], &rest[..]].concat())));
    assert!(compute.contains("0.500 vv"), "{compute}");
}

#[test]
fn a_broken_checkpoint_is_a_row_and_the_rest_is_compared() {
    let folder = series(&[1, 2]);
    folder.write("epoch3.json", r#"{"format": "lipbound-network/1", "#);
    let output = folder.run(&["compare", ".", "--norm", "linf", "--bounds", "k5"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stdout));
    assert!(text(&output.stderr).contains("epoch3.json"));
    let csv = folder.run(&["compare", ".", "--norm", "linf", "--bounds", "k5", "--format", "csv"]);
    insta::assert_snapshot!(text(&csv.stdout));
    // A baseline that cannot be read leaves the others without a ratio.
    let output = folder.run(&["compare", ".", "--norm", "linf", "--baseline", "epoch3"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stdout).contains("epoch2"), "{}", text(&output.stdout));
}

#[test]
fn layers_show_which_norm_moved() {
    let models = ["compare", "x2-l2.json", "x2-l3.json", "--norm", "linf", "--layers"];
    let arguments = [&models[..], &["--bounds", "k_star,k1,k5"]].concat();
    let table = stdout(lipbound(&arguments));
    insta::assert_snapshot!(table);
    let markdown = [&models[..], &["--bounds", "k5", "--format", "markdown"]].concat();
    insta::assert_snapshot!(stdout(lipbound(&markdown)));
}

#[test]
fn reports_of_several_machines_become_one() {
    let folder = series(&[1, 2]);
    let compute = |model: &str, bounds: &str, report: &str| {
        let arguments = ["compute", model, "--norm", "linf", "--bounds", bounds];
        stdout(folder.run(&[&arguments[..], &["--format", "json", "-o", report]].concat()));
    };
    compute("epoch1.json", "k5", "a.json");
    compute("epoch2.json", "k5", "b.json");
    compute("epoch2.json", "k_star,k1", "c.json");
    let models = ["epoch1.json", "epoch2.json"];
    let rest = ["--norm", "linf", "--bounds", "k_star,k1,k5", "--format", "csv"];
    let csv = stdout(folder.run(&[&["compare", "a.json", "b.json", "c.json"], &rest[..]].concat()));
    assert_eq!(csv.lines().filter(|line| line.starts_with("epoch2.json,linf")).count(), 3, "{csv}");
    let direct = stdout(folder.run(&[&["compare"], &models[..], &rest[..]].concat()));
    assert_eq!(last(&csv, "epoch2.json,linf,k5"), last(&direct, "epoch2.json,linf,k5"));
    // A comparison is a report, too.
    stdout(folder.run(&["compare", ".", "--format", "json", "-o", "all.json"]));
    let again = stdout(folder.run(&["compare", "all.json", "--format", "json"]));
    assert_eq!(again, std::fs::read_to_string(folder.path("all.json")).expect("a file"));
    // Reports that contradict each other stay apart.
    folder.write("epoch2.json", &program::model(3.0));
    compute("epoch2.json", "k5", "d.json");
    let table = stdout(folder.run(&["compare", "b.json", "d.json", "--baseline", "d.json"]));
    assert!(table.contains("epoch2.json (d.json)"), "{table}");
    let merged = stdout(folder.run(&["compare", "b.json", "c.json"]));
    assert!(merged.contains("with the same name are put together"), "{merged}");
    assert!(table.contains("0.667 vv"), "{table}");
    folder.write("broken.json", r#"{"schema": "lipbound-report/1", "reports": 1}"#);
    assert_eq!(folder.run(&["compare", "a.json", "broken.json"]).status.code(), Some(2));
}

fn last(csv: &str, start: &str) -> String {
    csv.lines().find(|line| line.starts_with(start)).expect("a row").to_owned()
}

#[test]
fn wide_comparisons_keep_to_80_columns() {
    let models = [
        "random-0-2x4x4x2.json",
        "random-4-5x6x5x4x2.json",
        "random-7-6x4x3x3x3x2.json",
        "../networks/random-3-4x10x3.json",
        "../../data/networks/../networks/../networks/../networks/x2-l6.json",
    ];
    let table = stdout(lipbound(&[&["compare", "--layers"], &models[..]].concat()));
    // The first line has the path of the baseline.
    assert!(table.lines().skip(1).all(|line| line.chars().count() <= 80), "{table}");
    assert!(table.is_ascii(), "{table}");
}

#[test]
fn norms_computed_apart_are_put_together_behind_a_part_of_the_same_model() {
    let folder = series(&[1, 2]);
    for (report, options) in [
        ("a.json", &["--norm", "linf", "--outputs", "0"][..]),
        ("b.json", &["--norm", "l1"]),
        ("c.json", &["--norm", "l2"]),
    ] {
        let compute = ["compute", "epoch2.json", "--format", "json", "-o", report];
        stdout(folder.run(&[&compute[..], options].concat()));
    }
    let report = stdout(folder.run(&["compare", "a.json", "b.json", "c.json", "--format", "json"]));
    let report = json(&report);
    let rows = report["reports"].as_array().expect("reports").iter();
    let names: Vec<String> = rows.map(|row| format!("{} {}", row["model"], row["norm"])).collect();
    let whole = r#""epoch2.json (b.json)""#;
    let expected = [
        r#""epoch2.json" "linf""#.to_owned(),
        format!(r#"{whole} "l1""#),
        format!(r#"{whole} "l2""#),
    ];
    assert!(expected.iter().all(|row| names.contains(row)) && names.len() == 3, "{names:?}");
}

#[test]
fn bounds_on_different_inputs_are_not_compared() {
    let folder = series(&[1, 2]);
    let compute = |report: &str, region: &[&str]| {
        let arguments =
            ["compute", "epoch2.json", "--norm", "l1", "--format", "json", "-o", report];
        stdout(folder.run(&[&arguments[..], region].concat()));
    };
    compute("all.json", &[]);
    // Left of zero the network is constant.
    compute("box.json", &["--box", "-2,-1"]);
    compute("first.json", &["--outputs", "0"]);
    assert_eq!(json(&folder.read("box.json"))["reports"][0]["scope"], "inputs in the box -2,-1");
    let reports = ["compare", "all.json", "box.json", "first.json"];
    let table = stdout(folder.run(&reports));
    assert!(table.contains("epoch2.json (box.json): inputs in the box -2,-1"), "{table}");
    let report = json(&stdout(folder.run(&[&reports[..], &["--format", "json"]].concat())));
    let ratios: Vec<bool> = report["reports"]
        .as_array()
        .expect("reports")
        .iter()
        .map(|report| report.get("ratio").is_some())
        .collect();
    // Its first output is the only one.
    assert_eq!(ratios, [true, false, true]);
    // All of them on the same box can be compared.
    let boxed = ["compare", "epoch1.json", "epoch2.json", "--norm", "l1", "--box", "1,2"];
    let table = stdout(folder.run(&boxed));
    assert!(
        table.contains("2.000 ^") && table.contains("all models: inputs in the box 1,2"),
        "{table}"
    );
}

#[test]
fn a_file_without_reports_is_no_comparison() {
    let folder = Folder::new();
    folder.write("none.json", r#"{"schema": "lipbound-report/1", "reports": []}"#);
    folder.write("m.json", &program::model(1.0));
    for files in [&["none.json"][..], &["m.json", "none.json"], &["none.json", "none.json"]] {
        let output = folder.run(&[&["compare"], files].concat());
        let said = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.replace("\n", " ").contains("holds no report"), "{said}");
    }
    let against =
        ["check", "m.json", "--norm", "l2", "--max-increase", "5%", "--against", "none.json"];
    assert!(failure(folder.run(&against)).contains("holds no report"));
}
