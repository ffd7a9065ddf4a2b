//! A thousand models in one call, some of them broken.

use crate::lipbound;
use crate::program::{self, Folder, json, text};

const COUNT: usize = 1000;

/// Every twentieth is broken, in one of five ways.
const EVERY: usize = 20;

fn name(i: usize) -> String {
    format!("m{i:04}.json")
}

fn is_broken(i: usize) -> bool {
    i % EVERY == 7
}

fn folder() -> Folder {
    let folder = Folder::new();
    for i in 0..COUNT {
        let whole = program::model(1.0 + i as f64);
        let contents = match (is_broken(i), i / EVERY % 5) {
            (false, _) => whole,
            (true, 0) => String::new(),
            (true, 1) => whole[..whole.len() / 2].to_owned(),
            (true, 2) => whole.replace("[[1.0]]", "[[1e999]]"),
            (true, 3) => whole.replace("[[1.0]]", "[[1.0, 2.0]]"),
            (true, _) => continue,
        };
        folder.write(&name(i), &contents);
    }
    folder
}

/// The whole ones are in the list, in order, with the right bound; returns the standard error.
fn run(folder: &Folder, arguments: &[&str], list: &str) -> (serde_json::Value, String) {
    let names: Vec<String> = (0..COUNT).map(name).collect();
    let output = lipbound(folder).args(arguments).args(&names).output().expect("it runs");
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    let report = json(&text(&output.stdout));
    let found: Vec<(String, f64)> = report[list]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            let upper = if list == "checks" { &entry["upper"] } else { &entry["best"] };
            (entry["model"].as_str().expect("a name").to_owned(), upper.as_f64().expect("a bound"))
        })
        .collect();
    // The Lipschitz constant of model i is its slope, 1 + i.
    let whole = (0..COUNT).filter(|&i| !is_broken(i));
    let expected: Vec<(String, f64)> = whole.map(|i| (name(i), 1.0 + i as f64)).collect();
    assert_eq!(found, expected);
    (report, errors)
}

#[test]
fn of_a_thousand_models_the_broken_ones_are_named_and_the_others_bounded() {
    let folder = folder();
    // Without the sampling of a lower bound, which takes most of the time of such small networks.
    let options = ["--norm", "linf", "--format", "json", "--bounds", "k1,k5"];
    let unsampled = [&options[..], &["--no-lower"]].concat();
    let broken: Vec<String> = (0..COUNT).filter(|&i| is_broken(i)).map(name).collect();
    assert_eq!(broken.len(), 50);

    let (_, errors) = run(&folder, &[&["compute"], &unsampled[..]].concat(), "reports");
    let lines: Vec<&str> = errors.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), broken.len(), "{errors}");
    for (line, name) in lines.iter().zip(&broken) {
        assert!(line.starts_with(&format!("error: {name}")), "{line}");
    }

    for (arguments, list) in [
        ([&["compare"], &unsampled[..]].concat(), "reports"),
        ([&["check", "--max", "2000"], &options[..]].concat(), "checks"),
    ] {
        let (report, _) = run(&folder, &arguments, list);
        let failed = report["failed"].as_array().expect("a list");
        let names: Vec<&str> = failed.iter().filter_map(|entry| entry["model"].as_str()).collect();
        assert_eq!(names, broken);
        assert!(failed.iter().all(|entry| entry["error"].as_str().is_some_and(|e| e.len() > 10)));
    }
}
