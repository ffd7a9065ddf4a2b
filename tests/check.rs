//! `lipbound check`, as a user and as a CI server run it.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;

use program::{Folder, failure, json, lipbound, model, stdout, text};

fn status(arguments: &[&str]) -> (Option<i32>, String) {
    let output = lipbound(&[&["check"], arguments].concat());
    (output.status.code(), text(&output.stdout))
}

#[test]
fn certified_refuted_undecided_and_failed_are_told_apart() {
    let (code, text) = status(&["x2-l2.json", "--norm", "linf", "--max", "1.75"]);
    assert_eq!(code, Some(0), "{text}");
    // The decimal fraction decides, not the nearest f64.
    let max = |max: &str| status(&["x2-l2.json", "--norm", "linf", "--max", max]);
    assert_eq!(max("1.75000000000000000000").0, Some(0));
    assert!(max("1.7499999999999999999").1.contains("refuted"));
    let model = ["random-4-5x6x5x4x2.json", "--norm", "l2", "--bounds", "k1"];
    let (code, text) = status(&[&model[..], &["--max", "70"]].concat());
    assert_eq!(code, Some(1));
    assert!(text.contains("undecided") && text.contains("--bounds all"), "{text}");
    let (code, text) = status(&[&model[..], &["--max", "30"]].concat());
    assert_eq!((code, text.contains("refuted")), (Some(1), true), "{text}");
    let all = ["x2-l1.json", "x2-l2.json", "nowhere.json", "random-4-5x6x5x4x2.json"];
    let rest = ["--norm", "linf", "--max", "1.6", "--bounds", "k5"];
    let (code, text) = status(&[&all[..], &rest[..]].concat());
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(text);
}

#[test]
fn every_format_says_the_same() {
    let run = |format: &str| {
        let models = ["check", "x2-l1.json", "x2-l2.json", "nowhere.json"];
        let rest = ["--norm", "linf", "--max", "1.6", "--bounds", "k5", "--format", format];
        let output = lipbound(&[&models[..], &rest[..]].concat());
        assert_eq!(output.status.code(), Some(2));
        text(&output.stdout)
    };
    for format in ["github", "junit", "markdown", "json"] {
        insta::assert_snapshot!(format, run(format));
    }
    let junit = run("junit");
    let document = roxmltree::Document::parse(&junit).expect("well-formed XML");
    let suites = document.root_element();
    let count = |tag: &str| suites.descendants().filter(|node| node.has_tag_name(tag)).count();
    assert_eq!((count("testcase"), count("failure"), count("error")), (3, 1, 1));
    assert_eq!(suites.attribute("tests"), Some("3"));
    assert_eq!((suites.attribute("failures"), suites.attribute("errors")), (Some("1"), Some("1")));
    assert_eq!(json(&run("json"))["passed"], false);
}

#[test]
fn names_are_escaped_in_every_format() {
    let folder = Folder::new();
    let name = "a&b <c> \"d\",%.json";
    folder.write(name, &program::model(2.0));
    let arguments = ["check", name, "--norm", "l1", "--max", "1", "--format"];
    let run = |format: &str| text(&folder.run(&[&arguments[..], &[format]].concat()).stdout);
    let junit = run("junit");
    let document = roxmltree::Document::parse(&junit).expect("well-formed XML");
    let case = document.descendants().find(|node| node.has_tag_name("testcase"));
    assert_eq!(case.and_then(|case| case.attribute("classname")), Some(name));
    assert!(run("github").contains("::error file=a&b <c> \"d\"%2C%25.json,title="));
    assert_eq!(json(&run("json"))["checks"][0]["model"], name);
}

#[test]
fn results_go_to_several_files_at_once() {
    let folder = Folder::new();
    folder.write("m.json", &program::model(2.0));
    let arguments = ["check", "m.json", "--norm", "l1", "--max", "2"];
    let copies = ["--report", "junit=r.xml", "--report", "markdown=r.md", "-o", "r.txt"];
    assert_eq!(stdout(folder.run(&[&arguments[..], &copies[..]].concat())), "");
    assert!(folder.read("r.xml").starts_with("<?xml"));
    assert!(folder.read("r.md").starts_with("### Lipschitz bounds: 1 certified"));
    assert!(folder.read("r.txt").contains("certified  L is at most 2"));
    let wrong = failure(folder.run(&[&arguments[..], &["--report", "junt=r.xml"]].concat()));
    assert!(wrong.contains("did you mean junit"), "{wrong}");
}

#[test]
fn a_bound_must_not_rise_above_an_earlier_report() {
    let folder = Folder::new();
    folder.write("m.json", &program::model(2.0));
    stdout(folder.run(&["compute", "m.json", "--format", "json", "-o", "baseline.json"]));
    let check = |percent: &str| {
        let against = ["--max-increase", percent, "--against", "baseline.json"];
        let output = folder.run(&[&["check", "m.json"], &against[..]].concat());
        (output.status.code(), text(&output.stdout))
    };
    assert_eq!(check("0%").0, Some(0));
    folder.write("m.json", &program::model(2.25));
    assert_eq!(check("12.5%").0, Some(0));
    let (code, text) = check("12.4999999999999999999%");
    assert_eq!(code, Some(1));
    assert!(
        text.contains("L is at least 2.25, more than 12.4999999999999999999% above 2"),
        "{text}"
    );
    let output = folder.run(&["check", "m.json", "--max-increase", "10%", "--against", "no.json"]);
    assert!(failure(output).contains("no.json"));
}

#[test]
fn thresholds_come_from_a_file() {
    let folder = Folder::new();
    folder.write("small.json", &program::model(2.0));
    folder.write("large.json", &program::model(20.0));
    let missing = failure(folder.run(&["check", "small.json"]));
    assert!(missing.contains("lipbound.toml"), "{missing}");
    folder.write("lipbound.toml", "max.linf = 10\n\n[model.\"large.json\"]\nmax.linf = 30\n");
    let both = stdout(folder.run(&["check", "small.json", "large.json"]));
    assert!(both.contains("within 10") && both.contains("within 30"), "{both}");
    // Without models, those that the file names.
    let named = stdout(folder.run(&["check"]));
    assert!(named.contains("large.json") && !named.contains("small.json"), "{named}");
    folder.write("strict.toml", "bounds = \"k5\"\nmax.l1 = 1\nmax.l2 = 2.0\n[model.'*.json']\n");
    let strict = folder.run(&["check", "small.json", "--config", "strict.toml"]);
    assert_eq!(strict.status.code(), Some(1));
    let strict = folder.run(&["check", "small.json", "--config", "strict.toml", "--norm", "l2"]);
    assert_eq!(strict.status.code(), Some(0));
    folder.write("lipbound.toml", "# thresholds\n\nmax.linf = 10\nmaximum.l1 = 1\n");
    let unknown = failure(folder.run(&["check", "small.json"]));
    assert_eq!(
        unknown,
        "error: lipbound.toml: line 4: unknown key maximum (did you mean max?); known are max, max-increase, bounds, activation, arch, model, against\n"
    );
}

#[test]
fn folders_may_have_any_name() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("a[b]*")).expect("a folder");
    folder.write("a[b]*/m.json", &program::model(2.0));
    folder.write("a[b]*/lipbound.toml", "max.l1 = 1\n[model.'*.json']\nmax.l1 = 3\n");
    let config = ["--config", "a[b]*/lipbound.toml"];
    let named = stdout(folder.run(&[&["check", "a[b]*/m.json"], &config[..]].concat()));
    assert!(named.contains("within 3"), "{named}");
    let mut inside = program::command(&folder.path("a[b]*"));
    let all = stdout(inside.arg("check").output().expect("it runs"));
    assert!(all.contains("m.json") && all.contains("within 3"), "{all}");
}

#[test]
fn mistakes_on_the_command_line_are_explained() {
    for (arguments, expected) in [
        (&["x2-l1.json", "--max", "3"][..], "--norm"),
        (&["x2-l1.json", "--norm", "l1", "--max", "many"], "expected a number such as 50"),
        (&["x2-l1.json", "--norm", "linfty", "--max", "1"], "linf"),
        (&["x2-l1.json", "--max-increase", "10%"], "--against"),
        (&["x2-l1.json", "--norm", "l1", "--max", "1", "--format", "junitt"], "'junit'"),
        (&["x2-l1.json", "--norm", "l1", "--max", "1", "--config", "a.toml"], "cannot be used"),
    ] {
        let error = failure(lipbound(&[&["check"], arguments].concat()));
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn a_part_of_the_inputs_can_be_checked() {
    let folder = Folder::new();
    folder.write("m.json", &program::model(2.0));
    let check = |rest: &[&str]| {
        let output = folder.run(&[&["check", "m.json", "--norm", "l1"], rest].concat());
        (output.status.code(), text(&output.stdout))
    };
    assert_eq!(check(&["--max", "1"]).0, Some(1));
    let (code, found) = check(&["--max", "1", "--box", "-2,-1"]);
    assert_eq!(code, Some(0), "{found}");
    assert!(found.contains("(inputs in the box -2,-1)"), "{found}");
    // An earlier report must be of the same part.
    let against = ["--max-increase", "0%", "--against", "all.json"];
    stdout(folder.run(&["compute", "m.json", "--format", "json", "-o", "all.json"]));
    assert_eq!(check(&against).0, Some(0));
    let (code, found) = check(&[&against[..], &["--box", "-2,-1"]].concat());
    assert_eq!(code, Some(2));
    assert!(found.contains("all inputs and outputs"), "{found}");
}

/// The decimals of a report are compared with the numbers as real numbers. 0.1 as f64 is
/// 0.1000000000000000055511151231257827..., which is the constant of this model.
#[test]
fn printed_decimals_are_bounds_themselves() {
    let folder = Folder::new();
    folder.write("m.json", &model(0.1));
    let run = |arguments: &[&str]| text(&folder.run(arguments).stdout);
    let table = run(&["compute", "m.json", "--norm", "linf", "--bounds", "k_star,k5"]);
    assert!(table.contains("K*        0.100001*"), "{table}");
    assert!(table.contains("linf  L = 0.1 to 8 digits"), "{table}");
    let check = run(&["check", "m.json", "--norm", "linf", "--max", "0.1"]);
    assert!(check.contains("refuted"), "{check}");
    let compute = ["compute", "m.json", "--norm", "linf", "--bounds", "k_star", "--format"];
    let json = run(&[&compute[..], &["json"]].concat());
    assert!(json.contains("\"best\": 0.10000000000000001,"), "{json}");
    assert!(json.contains("\"lower\": 0.1,"), "{json}");
    let csv = run(&[&compute[..], &["csv"]].concat());
    assert!(csv.contains("m.json,linf,k_star,0.1,0.10000000000000001,upper_bound,true"), "{csv}");
}

/// The constant 1e400 is finite, but no 64-bit number is above it.
#[test]
fn what_no_number_bounds_is_only_bounded_from_below() {
    let folder = Folder::new();
    let layer = r#"{"type": "dense", "weight": [[1e200]], "bias": [0.0]}"#;
    folder.write(
        "m.json",
        &format!(
            r#"{{"format": "lipbound-network/1", "name": "m", "input_shape": [1], "layers": [{layer}, {{"type": "relu"}}, {layer}]}}"#
        ),
    );
    let table = stdout(folder.run(&["compute", "m.json", "--norm", "l1"]));
    assert!(table.contains("l1    L is at least 1.79769e308; no upper bound"), "{table}");
    assert!(!table.contains("L = "), "{table}");
}
