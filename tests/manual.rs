//! Help, completions, manual pages, suggestions, pipes.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;

use std::io::Read;
use std::process::{Command, Stdio};

use program::{Folder, failure, lipbound, stdout};

fn subcommands() -> Vec<String> {
    let help = stdout(lipbound(&["--help"]));
    let list = help.split("Commands:\n").nth(1).expect("commands");
    let list = list.split("\n\n").next().expect("commands");
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(ToOwned::to_owned).collect()
}

#[test]
fn every_subcommand_has_help_with_examples_in_80_columns() {
    let names = subcommands();
    assert!(names.len() >= 10 && names.contains(&"compare".to_owned()), "{names:?}");
    for name in names.iter().filter(|name| *name != "help") {
        let help = stdout(lipbound(&[name, "--help"]));
        assert!(help.contains("Examples:\n"), "{name}");
        assert!(help.contains(&format!("lipbound {name}")), "{name}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
        // Lines that are wrapped by hand stay as they are.
        let after = help.split("Examples:\n").nth(1).expect("examples");
        let examples = after.split("\n\n").next().expect("examples");
        assert!(
            examples.trim_end().lines().all(|line| line.starts_with("  ")),
            "{name}: {examples}"
        );
    }
}

#[test]
fn completions_know_all_subcommands() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = stdout(lipbound(&["completions", shell]));
        for name in subcommands() {
            assert!(script.contains(&name), "{shell}: {name}");
        }
        assert!(script.contains("--max-increase") || script.contains("max-increase"), "{shell}");
    }
    // A shell, where there is one, accepts its script.
    let folder = Folder::new();
    folder.write("bash", &stdout(lipbound(&["completions", "bash"])));
    if let Ok(status) = Command::new("bash").arg("-n").arg(folder.path("bash")).status() {
        assert!(status.success());
    }
}

#[test]
fn manual_pages_are_written_for_all_subcommands() {
    let folder = Folder::new();
    assert_eq!(stdout(folder.run(&["man", "share/man1"])), "");
    assert!(folder.read("share/man1/lipbound.1").contains("lipbound\\-compare"));
    for name in subcommands().iter().filter(|name| *name != "help") {
        let page = folder.read(&format!("share/man1/lipbound-{name}.1"));
        assert!(page.contains("Examples:"), "{name}");
    }
    folder.write("file", "");
    assert!(failure(folder.run(&["man", "file"])).contains("file: cannot make the folder"));
}

#[test]
fn misspelt_names_get_suggestions() {
    for (arguments, suggestion) in [
        (&["comptue", "x2-l1.json"][..], "'compute'"),
        (&["compute", "x2-l1.json", "--bound", "k5"], "'--bounds'"),
        (&["compute", "x2-l1.json", "--bounds", "ksdp"], "did you mean k_sdp?"),
        (&["compute", "x2-l1.json", "--norm", "linfty"], "'linf'"),
        (&["compute", "x2-l1.json", "--format", "jsn"], "'json'"),
        (&["compare", "x2-l1.json", "--sort", "nmae"], "did you mean name?"),
        (&["completions", "bsh"], "'bash'"),
        (&["explain", "activation"], "did you mean"),
    ] {
        let error = failure(lipbound(arguments));
        assert!(error.contains(suggestion), "{arguments:?}: {error}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let program = assert_cmd::cargo::cargo_bin("lipbound");
    for arguments in [&["completions", "bash"][..], &["schema"], &["--help"], &["explain"]] {
        let mut child = Command::new(&program)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        // Closed before anything is read.
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
        assert_eq!((errors.as_str(), child.wait().expect("it ends").code()), ("", Some(0)));
    }
}

#[test]
fn standard_input_is_a_model() {
    let folder = Folder::new();
    let run = |arguments: &[&str]| {
        let mut command = program::command(&folder.path(""));
        let output = command.args(arguments).write_stdin(program::model(2.0)).output();
        stdout(output.expect("it runs"))
    };
    assert!(run(&["compute", "-", "--norm", "l1"]).contains("L = 2"));
    assert!(run(&["compare", "-", "--norm", "l1"]).contains("standard input"));
    assert!(run(&["check", "-", "--norm", "l1", "--max", "2"]).contains("1 certified"));
    let mut child = program::command(&folder.path(""));
    let twice = child.args(["compute", "-", "-"]).write_stdin(program::model(1.0)).output();
    assert!(failure(twice.expect("it runs")).contains("only be read once"));
}
