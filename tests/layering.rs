//! Imports point down: numeric <- network <- io, bounds <- analysis <- report <- cli.
#![allow(clippy::expect_used)] // tests fail by panicking

use std::path::Path;

/// Each module with those that it may use.
const LAYERS: [(&str, &[&str]); 7] = [
    ("numeric", &[]),
    ("network", &["numeric"]),
    ("io", &["network", "numeric"]),
    ("bounds", &["network", "numeric"]),
    ("analysis", &["bounds", "network", "numeric"]),
    ("report", &["analysis", "bounds", "network", "numeric"]),
    ("cli", &["io", "report", "analysis", "bounds", "network", "numeric"]),
];

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn imports_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (module, allowed) in LAYERS {
        let mut files = Vec::new();
        sources(&root.join(module), &mut files);
        assert!(!files.is_empty(), "{module}");
        for file in files {
            let text = std::fs::read_to_string(&file).expect("text");
            for (other, _) in LAYERS {
                let uses = text.contains(&format!("crate::{other}::"))
                    || text.contains(&format!("crate::{{{other}"));
                let fine = other == module || allowed.contains(&other) || !uses;
                assert!(fine, "{} uses {other}", file.display());
            }
        }
    }
}
