//! The example `examples/training/train.py`, with a few steps, where Python has numpy.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;

use std::path::Path;
use std::process::Command;

use program::{Folder, stdout, text};

fn python() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command.current_dir(root).env("LIPBOUND", assert_cmd::cargo::cargo_bin("lipbound"));
    command
}

#[test]
#[allow(clippy::print_stderr)] // a skipped test says so
fn training_with_a_penalty_lowers_the_bound() {
    let has_numpy = python().args(["-c", "import numpy"]).output();
    if !has_numpy.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: python3 with numpy is not here");
        return;
    }
    let folder = Folder::new();
    // The gradient of K3 in numpy is compared with that of lipbound by the script itself.
    let script = ["examples/training/train.py", "--steps", "200", "--every", "20"];
    let output = python().args(script).arg(folder.path("")).output().expect("it runs");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let arguments = ["compute", "plain.npz", "k5.npz", "--norm", "linf", "--bounds", "k5"];
    let csv = stdout(folder.run(&[&arguments[..], &["--no-lower", "--format", "csv"]].concat()));
    let upper = |model: &str| -> f64 {
        let row = csv.lines().find(|row| row.starts_with(model)).expect("a row");
        row.split(',').nth(4).expect("upper").parse().expect("a number")
    };
    // Without the penalty it is larger by a factor of 78 after 3000 steps (docs/training.md).
    assert!(upper("k5.npz") * 2.0 < upper("plain.npz"), "{csv}");
}
