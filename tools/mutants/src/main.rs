//! Writes a copy of the source tree in which every mutant is compiled and one is switched on by the
//! environment: `a + b` becomes `(if crate::mutant::off(17, 2) { a + b } else if ... { a - b } ...)`.
//!
//! `lipbound-mutants SOURCE TARGET LIST UNVIABLE` rewrites `src/bounds` and `src/numeric` of SOURCE into
//! TARGET and writes the mutants to LIST. Those with the keys in UNVIABLE are left out of the code and keep
//! their numbers. A mutated branch holds the original operands, since only one mutant is on at a time; so the text
//! grows with the depth of the nesting, not exponentially.

mod changes;
mod emit;
mod find;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

type Failure = Box<dyn std::error::Error>;

/// What the mutated program asks: which mutant is on, or which ones are reached.
const SWITCH: &str = include_str!("switch.rs");

fn main() -> Result<(), Failure> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [source, target, list, unviable] = &arguments[..] else {
        return Err("usage: lipbound-mutants SOURCE TARGET LIST UNVIABLE".into());
    };
    let unviable: HashSet<String> = serde_json::from_slice(&fs::read(unviable)?)?;
    let mut files = Vec::new();
    for folder in ["src/bounds", "src/numeric"] {
        sources(&source.join(folder), &mut files)?;
    }
    let mut mutants = Vec::new();
    for path in &files {
        let name = path.strip_prefix(source)?.to_string_lossy().into_owned();
        let text = fs::read_to_string(path)?;
        let sites = find::sites(&text).map_err(|error| format!("{name}: {error}"))?;
        let mutated = emit::emit(&text, &name, sites, &unviable, &mut mutants);
        write_if_changed(&target.join(&name), &mutated)?;
    }
    write_if_changed(&target.join("src/mutant.rs"), SWITCH)?;
    let library = fs::read_to_string(source.join("src/lib.rs"))?;
    let (head, tail) = library.split_at(library.find("pub mod").ok_or("src/lib.rs has no module")?);
    let allow = "#![allow(warnings, arithmetic_overflow, unconditional_panic)]\n";
    write_if_changed(&target.join("src/lib.rs"), &format!("{head}{allow}pub mod mutant;\n{tail}"))?;
    fs::write(list, serde_json::to_string(&mutants)?)?;
    println!("{} mutants in {} files, {} left out", mutants.len(), files.len(), unviable.len());
    Ok(())
}

/// The Rust files below a folder in order, without those that hold only tests.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        let name = path.to_string_lossy();
        if path.is_dir() {
            sources(&path, files)?;
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Leaves the time of a file alone that stays the same.
fn write_if_changed(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text)
}
