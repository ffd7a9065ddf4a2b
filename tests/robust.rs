//! What happens when something goes wrong around the program: signals, full disks, closed pipes, broken
//! files among many; and that the threads do not change a byte.
#![allow(clippy::expect_used)] // tests fail by panicking
#![allow(clippy::print_stderr)] // a skipped test says so

mod program;

#[path = "robust/determinism.rs"]
mod determinism;
#[path = "robust/disk.rs"]
mod disk;
#[path = "robust/many.rs"]
mod many;
#[path = "robust/pipes.rs"]
mod pipes;
#[cfg(unix)]
#[path = "robust/signals.rs"]
mod signals;

use std::path::{Path, PathBuf};
use std::process::Command;

use program::Folder;

/// A file of the examples.
pub fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).display().to_string()
}

/// A network of the tests.
pub fn network(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/networks");
    folder.join(name).display().to_string()
}

/// The program, to be started in a folder.
pub fn lipbound(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lipbound"));
    command.current_dir(folder.path("")).env("NO_COLOR", "1").env("COLUMNS", "80");
    command
}

/// The names of all files in a folder, hidden ones too.
pub fn files(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path("")).expect("a folder");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<PathBuf> = entries.map(|entry| PathBuf::from(name(entry))).collect();
    names.sort();
    names.into_iter().map(|name| name.display().to_string()).collect()
}
