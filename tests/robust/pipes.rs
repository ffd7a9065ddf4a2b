//! Readers that go away.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::lipbound;
use crate::program::{self, Folder, text};

/// Models whose report in CSV is larger than the buffer of a pipe (64 KB on Linux).
fn many(folder: &Folder) -> Vec<String> {
    let names: Vec<String> = (0..150).map(|i| format!("{}{i}.json", "long".repeat(25))).collect();
    names.iter().for_each(|name| folder.write(name, &program::model(2.0)));
    names
}

#[test]
fn a_reader_of_one_line_ends_the_program_silently() {
    let folder = Folder::new();
    let names = many(&folder);
    for (command, status) in [("compute", 0), ("compare", 0)] {
        let mut child = lipbound(&folder)
            .arg(command)
            .args(&names)
            .args(["--format", "csv", "--bounds", "k1,k3,k4,k5", "--no-lower"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        assert!(lines.next().expect("a line").expect("text").starts_with("model,"));
        drop(lines);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(status), ""));
    }
    // The verdict of a check does not depend on who reads it.
    let mut child = lipbound(&folder)
        .arg("check")
        .args(&names)
        .args(["--norm", "l1", "--max", "1", "--bounds", "k5", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), ""));
}

#[test]
fn a_closed_standard_output_is_no_error() {
    let folder = Folder::new();
    folder.write("m.json", &program::model(2.0));
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_lipbound")]).current_dir(folder.path(""));
        command.env("NO_COLOR", "1").output().expect("a shell")
    };
    for arguments in
        ["compute m.json", "inspect m.json", "explain", "check m.json --norm l1 --max 2"]
    {
        let output = shell(&format!("exec \"$0\" {arguments} >&-"));
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    }
    // With both closed nothing can be said, but the status tells.
    let output = shell("exec \"$0\" check m.json --norm l1 --max 1 >&- 2>&-");
    assert_eq!(output.status.code(), Some(1));
    let output = shell("exec \"$0\" compute missing.json >&- 2>&-");
    assert_eq!(output.status.code(), Some(2));
    // A report in a file does not need standard output.
    let output = shell("exec \"$0\" compute m.json -o report.txt >&-");
    assert_eq!(output.status.code(), Some(0));
    assert!(folder.read("report.txt").contains("L = 2"));
}
