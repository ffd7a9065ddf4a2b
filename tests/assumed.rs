//! What is assumed of a network is said first, and nothing is proved of it.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;

use std::io::{Cursor, Write};

use program::{Folder, failure, json, stdout, text};

/// The parts of an NPY file of version 1 with 64-bit numbers.
fn array(shape: &str, numbers: &[f64]) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

/// A folder with the weights of x -> 2 max(x, 0) - max(-x, 0), whose constant is 2, and what is needed beside.
fn folder() -> Folder {
    let folder = Folder::new();
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let tensors = [
        ("fc1.weight.npy", array("(2, 1)", &[1.0, -1.0])),
        ("fc1.bias.npy", array("(2,)", &[0.0, 0.0])),
        ("fc2.weight.npy", array("(1, 2)", &[2.0, -1.0])),
    ];
    for (name, bytes) in tensors {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(name, options).expect("a new file");
        archive.write_all(&bytes).expect("memory");
    }
    let bytes = archive.finish().expect("memory").into_inner();
    std::fs::write(folder.path("m.npz"), &bytes).expect("written");
    std::fs::write(folder.path("n.npz"), bytes).expect("written");
    let layers = r#"[{"type": "dense"}, {"type": "relu"}, {"type": "dense"}]"#;
    folder.write("arch.json", &format!(r#"{{"input_shape": [1], "layers": {layers}}}"#));
    folder.write("x.txt", "1\n");
    folder
}

const WHAT: &str = "assuming ReLU between the layers fc1, fc2, in this order,";

/// The text without line breaks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_format_says_it_first_and_quiet_does_not_silence_it() {
    let folder = folder();
    for command in ["compute", "compare"] {
        for quiet in [&[][..], &["--quiet"]] {
            let run = |format: &str| {
                let arguments = [command, "m.npz", "n.npz", "--bounds", "k5", "--format", format];
                stdout(folder.run(&[&arguments[..], quiet].concat()))
            };
            assert!(flat(&run("table")).starts_with(WHAT), "{}", run("table"));
            let markdown = run("markdown");
            let mut lines = markdown.lines().filter(|line| !line.is_empty());
            let first = lines.find(|line| !line.starts_with('#')).expect("a line");
            assert!(first.starts_with(&format!("**{WHAT}")), "{markdown}");
            let document = json(&run("json"));
            for entry in document["reports"].as_array().expect("a list") {
                let said = entry["assumed"][0].as_str().expect("a sentence");
                assert!(format!("assuming {said}").starts_with(WHAT), "{said}");
            }
            let csv = run("csv");
            let (header, rows) = csv.split_once('\n').expect("a header");
            assert!(header.ends_with(",assumed"), "{header}");
            assert!(rows.lines().all(|row| row.contains("\"ReLU between the layers fc1, fc2,")));
        }
    }
    for command in ["inspect", "gradient"] {
        let rest: &[&str] = if command == "gradient" { &["--bound", "k5", "-q"] } else { &[] };
        let text = stdout(folder.run(&[&[command, "m.npz"], rest].concat()));
        assert!(text.starts_with(WHAT), "{text}");
    }
    for models in [&["m.npz"][..], &["m.npz", "n.npz"]] {
        let plot = ["--bounds", "k5", "--plot", "out.svg", "--quiet"];
        stdout(folder.run(&[&["compute"], models, &plot].concat()));
        let picture = folder.read("out.svg");
        assert!(picture.contains(&WHAT[..40]), "{picture}");
    }
}

#[test]
fn what_the_user_says_is_not_assumed() {
    let folder = folder();
    for said in [["--activation", "relu"], ["--arch", "arch.json"]] {
        let arguments = [&["compute", "m.npz", "--format", "json"][..], &said].concat();
        let report = json(&stdout(folder.run(&arguments)));
        assert!(report["reports"][0]["assumed"].is_null(), "{report}");
        let table = stdout(folder.run(&[&["compute", "m.npz"][..], &said].concat()));
        assert!(table.starts_with("m.npz\n"), "{table}");
    }
    let both = ["compute", "m.npz", "--activation", "relu", "--arch", "arch.json"];
    assert!(failure(folder.run(&both)).contains("cannot be used with"));
}

#[test]
fn proofs_demand_that_nothing_is_assumed() {
    let folder = folder();
    let proof = ["--bounds", "k_sdp", "--norm", "l2", "--certificate", "proof.json"];
    stdout(folder.run(&[&["compute", "m.npz"], &proof[..]].concat()));
    let commands: [&[&str]; 4] = [
        &["check", "m.npz", "--norm", "l2", "--max", "3"],
        &["certify", "m.npz", "--input", "x.txt", "--norm", "l2"],
        &["verify", "proof.json", "m.npz"],
        &["convert", "m.npz", "out.json"],
    ];
    for command in commands {
        let output = folder.run(command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let said = flat(&(text(&output.stdout) + &text(&output.stderr)));
        for wanted in [WHAT, "no proof", "add --activation relu", "lipbound.toml", "--arch"] {
            assert!(said.contains(wanted), "{command:?}: {said}");
        }
    }
    assert!(!folder.path("out.json").exists());
    for command in [commands[0], commands[2], commands[3]] {
        for said in [["--activation", "relu"], ["--arch", "arch.json"]] {
            assert_eq!(
                folder.run(&[command, &said].concat()).status.code(),
                Some(0),
                "{command:?}"
            );
        }
    }
    // What was converted says what it is.
    stdout(folder.run(&["check", "out.json", "--norm", "l2", "--max", "3"]));
}

#[test]
fn the_file_of_thresholds_can_say_it() {
    let folder = folder();
    let check = |toml: &str, models: &[&str]| {
        folder.write("lipbound.toml", toml);
        let output = folder.run(&[&["check"], models].concat());
        (output.status.code(), text(&output.stdout))
    };
    let both: &[&str] = &["m.npz", "n.npz"];
    assert_eq!(check("max.l2 = 3\n", both).0, Some(2));
    assert_eq!(check("max.l2 = 3\nactivation = 'relu'\n", both).0, Some(0));
    assert_eq!(check("max.l2 = 3\narch = 'arch.json'\n", both).0, Some(0));
    let (code, said) = check("max.l2 = 3\n[model.'m.npz']\nactivation = 'relu'\n", both);
    assert_eq!(code, Some(2));
    assert!(said.contains("1 certified") && said.contains("1 failed"), "{said}");
    // The command line comes first.
    folder.write("lipbound.toml", "max.l2 = 3\narch = 'nowhere.json'\n");
    let output = folder.run(&["check", "m.npz", "--activation", "relu"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    // An earlier report that rests on an assumption is no threshold.
    let report = ["compute", "m.npz", "--norm", "l2", "--format", "json", "-o", "base.json"];
    stdout(folder.run(&report));
    let against = ["check", "m.npz", "--max-increase", "5%", "--against", "base.json"];
    let said = folder.run(&[&against[..], &["--activation", "relu"]].concat());
    assert_eq!(said.status.code(), Some(2));
    assert!(flat(&text(&said.stdout)).contains("rest on an assumption"), "{}", text(&said.stdout));
    stdout(folder.run(&[&report[..], &["--activation", "relu"]].concat()));
    stdout(folder.run(&[&against[..], &["--activation", "relu"]].concat()));
}
