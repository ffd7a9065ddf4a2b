//! Boxes, margins, limits of searches and certified radii on the command line.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;

use program::{Folder, failure, json, lipbound, stdout, text};

/// f(x) = (|x_0|, 2 x_1): a ReLU network whose constants are known.
const MODEL: &str = r#"{"format": "lipbound-network/1", "name": "m", "input_shape": [2], "layers": [
{"type": "dense", "weight": [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], "bias": [0, 0, 0, 0]},
{"type": "relu"},
{"type": "dense", "weight": [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, -2.0]], "bias": [0, 0]}]}"#;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("m.json", MODEL);
    folder
}

fn bounds(folder: &Folder, arguments: &[&str]) -> (f64, f64) {
    let mut all = vec!["compute", "m.json", "--format", "json", "--bounds", "l", "-q"];
    all.extend(arguments);
    let report = &json(&stdout(folder.run(&all)))["reports"][0];
    (report["lower"].as_f64().expect("a bound"), report["best"].as_f64().expect("a bound"))
}

#[test]
fn boxes_narrow_what_is_bounded() {
    let folder = folder();
    folder.write("box.txt", "# x_0 is held constant\n0.5, 0.5\n-1, 1\n");
    folder.write("center.json", "[0.5, 0]");
    // The largest row sum: 2 by the second output; 1 where x_1 does not move; of 2 x_1 again 2.
    for (arguments, value) in [
        (&["--norm", "linf"][..], 2.0),
        (&["--norm", "linf", "--box", "0.5,1"], 2.0),
        (&["--norm", "linf", "--box", "0.5,1", "--outputs", "0"], 1.0),
        (&["--norm", "linf", "--box", "box.txt"], 2.0),
        (&["--norm", "linf", "--box", "box.txt", "--outputs", "0"], 0.0),
        (&["--norm", "l1", "--center", "center.json", "--radius", "0.25"], 2.0),
        // |x_0| - 2 x_1: 3 in linf, the larger slope 2 in l1, sqrt 5 in l2.
        (&["--norm", "linf", "--margin", "0,1"], 3.0),
        (&["--norm", "l1", "--margin", "1,0"], 2.0),
        (&["--norm", "l2", "--margin", "0,1"], 5f64.sqrt()),
    ] {
        let (lower, upper) = bounds(&folder, arguments);
        // A finished search is narrower than 1e-9, and contains the value.
        assert!(lower <= value * (1.0 + 1e-15) && upper >= value * (1.0 - 1e-15), "{arguments:?}");
        assert!(upper - lower <= 1e-9 * upper, "{arguments:?}: {lower} {upper}");
    }
}

#[test]
fn every_pair_has_a_report_and_reports_say_what_they_are_for() {
    let table = stdout(lipbound(&[
        "compute",
        "random-2-8x10x6x3.json",
        "--margin",
        "all",
        "--norm",
        "linf",
        "--bounds",
        "k5",
        "-q",
        "--box",
        "0,1",
    ]));
    for pair in ["output 0 - output 1", "output 0 - output 2", "output 1 - output 2"] {
        assert!(table.contains(&format!("inputs in the box 0,1, {pair}")), "{table}");
    }
}

#[test]
fn searches_that_are_stopped_say_so() {
    let arguments = ["compute", "random-2-8x10x6x3.json", "--norm", "linf", "--bounds", "l", "-q"];
    let stopped = stdout(lipbound(&[&arguments[..], &["--node-limit", "1"]].concat()));
    assert!(stopped.contains("note: L linf: stopped with"), "{stopped}");
    assert!(stopped.contains("L is between"), "{stopped}");
    let ended = stdout(lipbound(&arguments));
    assert!(ended.contains("parts searched") && ended.contains("to 8 digits"), "{ended}");
}

#[test]
fn a_certificate_holds_on_its_box_only() {
    let folder = folder();
    let on_box = ["--box", "0.5,1"];
    let compute =
        ["compute", "m.json", "--norm", "l2", "--bounds", "k_sdp", "--certificate", "c.json"];
    stdout(folder.run(&[&compute[..], &on_box, &["--outputs", "0"]].concat()));
    let verify = ["verify", "c.json", "m.json", "--outputs", "0"];
    assert_eq!(folder.run(&[&verify[..], &on_box].concat()).status.code(), Some(0));
    // Everywhere the slopes are [0, 1], for which the multipliers prove nothing or a larger number.
    assert_eq!(folder.run(&verify).status.code(), Some(1));
}

#[test]
fn radii_are_certified() {
    let folder = folder();
    // At (1, 0.25) the outputs are 1 and 0.5. The difference |x_0| - 2 x_1 is 0 on x_0 = 2 x_1, at distance
    // 0.5 / 3 in linf, 0.5 / sqrt 5 in l2 and 0.5 / 2 in l1: L is 3, sqrt 5, 2 there and everywhere.
    folder.write("x.txt", "1 0.25\n0 0\n");
    for (norm, radius) in [("linf", 0.5 / 3.0), ("l2", 0.5 / 5f64.sqrt()), ("l1", 0.25)] {
        let run = folder
            .run(&["certify", "m.json", "--input", "x.txt", "--norm", norm, "--format", "json"]);
        let result = json(&stdout(run));
        let first = &result["inputs"][0];
        assert_eq!((first["class"].as_u64(), first["runner_up"].as_u64()), (Some(0), Some(1)));
        assert!((first["margin"].as_f64().expect("a margin") - 0.5).abs() < 1e-15);
        let local = first["local_radius"].as_f64().expect("a radius");
        // Never above; K5 is not L, but nearby two of the four neurons are fixed.
        assert!(local <= radius * (1.0 + 1e-15), "{norm}: {local}, at most {radius}");
        assert!(local >= 0.6 * radius, "{norm}: {local}, of {radius}");
        // The outputs are equal: no class, no radius.
        let second = &result["inputs"][1];
        assert!(second["class"].is_null() && second["local_radius"].as_f64() == Some(0.0));
    }
    let asked = ["certify", "m.json", "--input", "x.txt", "--norm", "linf", "--radius", "0.01"];
    let run = folder.run(&asked);
    assert_eq!(run.status.code(), Some(1));
    assert!(
        text(&run.stdout).contains("1 of 2 keep their class within 0.01"),
        "{}",
        text(&run.stdout)
    );
}

#[test]
fn the_class_is_kept_nearer_than_the_radius() {
    // f_0 = 0, f_1 = x + 1: at x = 0 the class is 1, and at x = -1, at distance exactly 1, the outputs are equal.
    let folder = Folder::new();
    folder.write(
        "m.json",
        r#"{"format": "lipbound-network/1", "name": "m", "input_shape": [1], "layers": [
{"type": "dense", "weight": [[0.0], [1.0]], "bias": [0.0, 1.0]}]}"#,
    );
    folder.write("x.txt", "0\n");
    // 0.3 is a decimal: the margin is 1 - 0.3 wherever its f64 lies.
    folder.write("decimal.txt", "-0.3\n");
    let certify = |input: &str, norm: &str, radius: &str| {
        folder.run(&["certify", "m.json", "--input", input, "--norm", norm, "--radius", radius])
    };
    for norm in ["l1", "l2", "linf"] {
        for (input, radius, status) in [
            ("x.txt", "1", 1),
            ("x.txt", "1.0", 1),
            ("x.txt", "0.9999999999999999999", 0),
            ("x.txt", "0.999", 0),
            ("decimal.txt", "0.7", 1),
            ("decimal.txt", "0.6999999999", 0),
        ] {
            let run = certify(input, norm, radius);
            assert_eq!(run.status.code(), Some(status), "{norm} {radius}: {}", text(&run.stdout));
            let words = format!("{} of 1 keep their class within {radius}: proved", 1 - status);
            assert!(text(&run.stdout).contains(&words), "{}", text(&run.stdout));
        }
        for wrong in ["0", "-1", "nan", "1e-400", "inf", "1e999", "-0.0"] {
            assert!(failure(certify("x.txt", norm, wrong)).contains("expected a"), "{wrong}");
        }
    }
    folder.write("nan.txt", "nan\n");
    assert!(failure(certify("nan.txt", "l1", "1")).contains("expected a finite number"));
}

#[test]
fn decimal_ends_of_a_box_mean_the_decimals() {
    // 10 relu(x - b) with b = f64(0.3), which is below three tenths, and with the next number, which is above.
    let folder = Folder::new();
    let model = |b: f64| {
        format!(
            r#"{{"format": "lipbound-network/1", "name": "m", "input_shape": [1], "layers": [
{{"type": "dense", "weight": [[1.0]], "bias": [{:?}]}}, {{"type": "relu"}},
{{"type": "dense", "weight": [[10.0]], "bias": [0.0]}}]}}"#,
            -b
        )
    };
    folder.write("below.json", &model(0.3));
    folder.write("above.json", &model(0.3f64.next_up()));
    folder.write("box.json", "[[0, 0.3]]");
    folder.write("box.txt", "0 0.3\n");
    folder.write("tight.txt", "0.3 0.30000000000000001\n");
    let on = |file: &str, region: &[&str]| -> (f64, f64) {
        let fixed = ["compute", file, "--norm", "linf", "--bounds", "k5,l", "--format", "json"];
        let report = &json(&stdout(folder.run(&[&fixed[..], region].concat())))["reports"][0];
        (report["lower"].as_f64().expect("a bound"), report["best"].as_f64().expect("a bound"))
    };
    for region in [
        &["--box", "0,0.3"][..],
        &["--box", "0,3e-1"],
        &["--box", "box.json"],
        &["--box", "box.txt"],
        &["--center", "0", "--radius", "0.3"],
        &["--center", "0.1", "--radius", "0.2"],
        &["--box", "tight.txt"],
    ] {
        // On [0, 3/10] there is a part behind b.
        let (lower, upper) = on("below.json", region);
        assert!(upper >= 10.0, "{region:?}: {lower} {upper}");
        // And none behind the number above it, so nothing may be claimed from below.
        let (lower, _) = on("above.json", region);
        assert!(lower == 0.0, "{region:?}: {lower}");
    }
    let table = stdout(folder.run(&["compute", "below.json", "--norm", "linf", "--box", "0,0.3"]));
    let said = "input 0 is between 0.0 and 0.30000000000000004";
    assert!(table.replace("\n      ", " ").contains(said), "{table}");
}

#[test]
fn an_input_is_held_at_the_decimal() {
    // relu(+-(x_1 - f64(0.1)) + 1e-30 x_0) 1e30 with x_1 held at one tenth, which is below its nearest f64 by 5.6e-18:
    // with - the ReLU is on and L = 1, with + it is off and L = 0.
    let folder = Folder::new();
    folder.write("box.txt", "0 1\n0.1 0.10\n");
    for (sign, exact) in [(-1.0, 1.0), (1.0, 0.0)] {
        let model = format!(
            r#"{{"format": "lipbound-network/1", "name": "m", "input_shape": [2], "layers": [
{{"type": "dense", "weight": [[{:e}, {sign:?}]], "bias": [{:?}]}}, {{"type": "relu"}},
{{"type": "dense", "weight": [[1e30]], "bias": [0.0]}}]}}"#,
            sign * 1e-30,
            -sign * 0.1
        );
        folder.write("m.json", &model);
        for norm in ["l1", "linf"] {
            let run = ["compute", "m.json", "--norm", norm, "--box", "box.txt", "--format", "json"];
            let report = &json(&stdout(folder.run(&run)))["reports"][0];
            let (lower, best) = (report["lower"].as_f64(), report["best"].as_f64());
            let (lower, best) = (lower.expect("a bound"), best.expect("a bound"));
            // 1e-30 times 1e30 as f64 is 1 to a few units in the last place.
            assert!(
                lower <= exact && exact * (1.0 - 1e-15) <= best,
                "{norm} {sign}: {lower} {best}"
            );
        }
    }
}

#[test]
fn the_lower_end_of_k_on_a_box_is_not_above_it() {
    // One sigmoid: K = L = its slope at 6, from mpmath.
    let folder = Folder::new();
    folder.write(
        "m.json",
        r#"{"format": "lipbound-network/1", "name": "m", "input_shape": [1], "layers": [
{"type": "dense", "weight": [[1.0]], "bias": [0.0]}, {"type": "sigmoid"},
{"type": "dense", "weight": [[1.0]], "bias": [0.0]}]}"#,
    );
    let exact = 0.002_466_509_291_360_047_8_f64;
    for norm in ["l1", "l2", "linf"] {
        let run =
            ["compute", "m.json", "--norm", norm, "--bounds", "k", "--box=6,6.000000000000001"];
        let report = json(&stdout(folder.run(&[&run[..], &["--format", "json"]].concat())));
        let k = &report["reports"][0]["bounds"][0];
        // The number above is the nearest one, and it is below the slope: 0.0024665092913600478182...
        let lower = k["lower"].as_f64().expect("a bound");
        assert!(lower <= exact && lower >= exact * (1.0 - 1e-13), "{norm}: {lower:e}");
        assert!(k["upper"].as_f64().expect("a bound") >= exact, "{norm}");
    }
}

#[test]
fn mistakes_get_one_clear_error() {
    let folder = folder();
    folder.write("short.txt", "1 2\n");
    folder.write("long.txt", "1 2 3\n");
    folder.write("one.json", &program::model(2.0));
    let compute = |arguments: &[&str]| folder.run(&[&["compute", "m.json"], arguments].concat());
    for (run, said) in [
        (
            compute(&["--box", "1,0"]),
            "input 0 has the ends 1 and 0, expected two finite numbers in order",
        ),
        (compute(&["--box", "1,1"]), "the box is a single point"),
        (compute(&["--box", "short.txt"]), "found 1 rows, but the model has 2 inputs"),
        (compute(&["--box", "nowhere.txt"]), "--box takes LO,HI or a file; found nowhere.txt"),
        (compute(&["--center", "0", "--radius", "-1"]), "found -1, expected a positive number"),
        (compute(&["--center", "0"]), "--radius"),
        (compute(&["--margin", "0,0"]), "expected two different outputs"),
        (compute(&["--margin", "0,7"]), "--margin 0,7: the model has the outputs 0 to 1"),
        (compute(&["--margin", "x"]), "expected two outputs such as 0,1, or all"),
        (compute(&["--time-limit", "5 parsecs"]), "expected ms, s, m or h"),
        (
            folder.run(&["certify", "one.json", "--input", "short.txt", "--norm", "l1"]),
            "a class needs at least two outputs to choose from",
        ),
        (
            folder.run(&["certify", "m.json", "--input", "long.txt", "--norm", "l1"]),
            "found numbers of shape 3, expected rows of 2",
        ),
        (
            folder.run(&["certify", "m.json", "--input", "short.txt", "--norm", "l3"]),
            "found l3, expected l1, l2 or linf",
        ),
    ] {
        let message = failure(run);
        assert!(message.contains(said), "{said}: {message}");
        assert!(!message.contains("panicked"), "{message}");
    }
}
