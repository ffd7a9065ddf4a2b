//! Running the program in tests: in the folder of the test networks, or in one of their own.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

/// The program with a terminal's usual width and no colours.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("lipbound").expect("the program");
    command.current_dir(folder).env("NO_COLOR", "1").env("COLUMNS", "80");
    command
}

/// A run in the folder of the test networks.
pub fn lipbound(arguments: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/networks");
    command(&folder).args(arguments).output().expect("it runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

/// Standard output of a run that succeeded.
pub fn stdout(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Standard error of a run that ended with status 2 and printed nothing.
pub fn failure(output: Output) -> String {
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr)
}

/// A model with one hidden neuron and the Lipschitz constant `slope` in every norm.
pub fn model(slope: f64) -> String {
    format!(
        r#"{{"format": "lipbound-network/1", "name": "m", "input_shape": [1], "layers": [
{{"type": "dense", "weight": [[1.0]], "bias": [0.0]}}, {{"type": "relu"}},
{{"type": "dense", "weight": [[{slope:?}]], "bias": [0.0]}}]}}"#
    )
}

/// A temporary folder in which the program runs.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, contents: &str) {
        std::fs::write(self.path(name), contents).expect("written");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file")
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        command(self.0.path()).args(arguments).output().expect("it runs")
    }
}
