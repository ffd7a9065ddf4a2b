//! Every command that README.md and docs/ show is run as it is written, and where its output is shown
//! and does not depend on files that are not here, it is compared.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

use program::{Folder, text};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A matrix as an NPY file.
fn npy(rows: usize, columns: usize) -> Vec<u8> {
    let shape =
        format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let header = format!("{shape:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(header.as_bytes());
    for i in 0..rows * columns {
        bytes.extend(((i * 7 % 5) as f64 - 2.0).to_le_bytes());
    }
    bytes
}

/// A folder with the files that the commands name.
fn folder() -> Folder {
    let folder = Folder::new();
    for name in ["examples", "checkpoints", "reports", "nets"] {
        std::fs::create_dir(folder.path(name)).expect("a folder");
    }
    let copy = |from: &str, to: &str| {
        std::fs::copy(root().join(from), folder.path(to)).expect("a copy");
    };
    copy("examples/mnist_mlp.npz", "examples/mnist_mlp.npz");
    copy("examples/greedy.json", "examples/greedy.json");
    std::fs::create_dir(folder.path("examples/training")).expect("a folder");
    for name in ["plain", "decay", "k3", "k5"] {
        let path = format!("examples/training/{name}.npz");
        copy(&path, &path);
    }
    copy("tests/data/networks/random-2-8x10x6x3.json", "model.json");
    copy("tests/data/onnx/operators/elu.onnx", "model.onnx");
    for (name, rows, columns) in [("w0.npy", 3, 2), ("w1.npy", 3, 3), ("w2.npy", 1, 3)] {
        std::fs::write(folder.path(name), npy(rows, columns)).expect("written");
    }
    std::fs::write(folder.path("x.npy"), npy(1, 8)).expect("written");
    std::fs::write(folder.path("images.npy"), npy(3, 8)).expect("written");
    let arch = r#"{"format": "lipbound-network/1", "input_shape": [8], "layers": [{"type": "dense"},
{"type": "relu"}, {"type": "dense"}, {"type": "relu"}, {"type": "dense"}]}"#;
    folder.write("arch.json", arch);
    for name in ["model.npz", "model.safetensors", "a.npz", "b.npz", "epoch1.npz", "epoch2.npz"]
        .iter()
        .chain(&[
            "checkpoints/epoch0.npz",
            "checkpoints/epoch1.npz",
            "nets/steering.npz",
            "nets/a.npz",
        ])
    {
        let output = folder.run(&["convert", "model.json", name]);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    }
    folder
}

/// A command with the line it is on, and the output that is shown below it.
struct Shown {
    line: usize,
    command: String,
    output: Option<String>,
}

/// The commands in the blocks of a page that are not in another language.
fn commands(page: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let (mut fenced, mut inside, mut open) = (false, false, false);
    for (index, line) in page.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            fenced = !fenced;
            inside = fenced && matches!(language, "" | "console");
            open = false;
        } else if inside {
            let command = line.strip_prefix("$ ");
            let is_command = command.is_some() || line.starts_with("lipbound ");
            let text = command.unwrap_or(line).replace("cargo run --release -- ", "lipbound ");
            if is_command && text.starts_with("lipbound ") {
                open = command.is_some();
                let output = open.then(String::new);
                shown.push(Shown { line: index + 1, command: text, output });
            } else if let (true, Some(last)) = (open, shown.last_mut()) {
                let output = last.output.get_or_insert_with(String::new);
                output.push_str(line);
                output.push('\n');
            }
        }
    }
    shown
}

/// Whether a page shows what the program prints. It may leave out the notes at the end. Numbers may differ
/// in their last digits from one processor to another.
fn assert_shown(page: &str, printed: &str, place: &str) {
    let mut lines = printed.trim_end().lines();
    for shown in page.trim_end().lines() {
        let line = lines.next().unwrap_or_default();
        let number = |word: &str| word.trim_matches(['*', '(', ')', ',', ';']).parse::<f64>();
        let (shown_words, words) = (shown.split_whitespace(), line.split_whitespace());
        let same = shown_words.clone().count() == words.clone().count()
            && shown_words.zip(words).all(|(a, b)| match (number(a), number(b)) {
                (Ok(x), Ok(y)) => (x - y).abs() <= 2e-3 * x.abs(),
                _ => a == b,
            });
        assert!(same, "{place}\nshown:   {shown}\nprinted: {line}");
    }
    let rest: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let is_notes = rest.first().is_none_or(|line| line.starts_with("note: "));
    assert!(is_notes, "{place}: the page leaves out {rest:?}");
}

fn run(folder: &Folder, command: &str) -> std::process::Output {
    let program = assert_cmd::cargo::cargo_bin("lipbound");
    let mut paths = vec![program.parent().expect("a folder").to_owned()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    Command::new("sh")
        .args(["-c", command])
        .current_dir(folder.path(""))
        .env("PATH", std::env::join_paths(paths).expect("paths"))
        .env("NO_COLOR", "1")
        .output()
        .expect("a shell")
}

#[cfg(unix)]
#[test]
fn every_command_of_the_documentation_runs() {
    let mut pages = vec![root().join("README.md")];
    for entry in std::fs::read_dir(root().join("docs")).expect("a folder") {
        pages.push(entry.expect("an entry").path());
    }
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    let (mut count, mut compared) = (0, 0);
    for page in pages {
        let folder = folder();
        for shown in commands(&std::fs::read_to_string(&page).expect("text")) {
            let Shown { line, command, output } = shown;
            let place = format!("{}, line {line}: {command}", page.display());
            let result = run(&folder, &command);
            // A check may fail; a mistake in the command may not. Files that a page names are made in
            // `folder` above.
            let is_check = command.starts_with("lipbound check") && result.status.code() == Some(1);
            assert!(
                result.status.success() || is_check,
                "{place}\n{}{}",
                text(&result.stdout),
                text(&result.stderr)
            );
            count += 1;
            let is_here = command.contains("examples/");
            if let Some(output) = output.filter(|_| is_here) {
                assert_shown(&output, &text(&result.stdout), &place);
                compared += 1;
            }
        }
    }
    assert!(count >= 20 && compared >= 4, "{count} commands, {compared} compared");
}

#[test]
fn the_thresholds_of_the_page_on_ci_can_be_read() {
    let page = std::fs::read_to_string(root().join("docs/ci.md")).expect("text");
    let block = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let folder = folder();
    folder.write("lipbound.toml", block.expect("a block"));
    let baseline = ["compute", "nets/a.npz", "nets/steering.npz", "--format", "json"];
    let rest = ["--activation", "relu", "-o", "baseline.json"];
    let output = folder.run(&[&baseline[..], &rest].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = folder.run(&["check", "--format", "github", "--report", "junit=lipbound.xml"]);
    let found = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{found}{}", text(&output.stderr));
    assert!(found.contains("::error file=nets/steering.npz"), "{found}");
    assert!(folder.read("lipbound.xml").contains("nets/a.npz"));
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages: Vec<PathBuf> = std::fs::read_dir(root().join("docs"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.push(root().join("README.md"));
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("text");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            let path = page.parent().unwrap_or(Path::new("")).join(target);
            assert!(path.exists(), "{}: {target}", page.display());
        }
    }
}
