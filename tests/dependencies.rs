//! What is built into the program and its tests: the oldest compiler that it asks for, licences and sources.
#![allow(clippy::expect_used)] // tests fail by panicking

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).expect("text")
}

/// The packages that are built here, this one among them.
fn packages() -> Vec<Value> {
    let cargo = env!("CARGO");
    let version = Command::new(cargo).arg("-vV").output().expect("cargo runs");
    let version = String::from_utf8(version.stdout).expect("UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 100, "{} packages", packages.len());
    packages.clone()
}

fn name(package: &Value) -> String {
    format!("{} {}", package["name"].as_str().expect("a name"), package["version"])
}

/// The first two numbers of a version, by which `1.95` and `1.95.0` are the same.
fn version(text: &str) -> Vec<u32> {
    let mut numbers = text.split('.').map(|number| number.parse().expect("a number"));
    numbers.by_ref().take(2).collect()
}

#[test]
fn the_documented_rust_version_is_the_declared_one_and_enough_for_every_dependency() {
    let declared = env!("CARGO_PKG_RUST_VERSION");
    let readme = read("README.md");
    assert!(readme.contains(&format!("Rust {declared} or newer")), "README.md: {declared}");
    for package in packages() {
        if let Some(needed) = package["rust_version"].as_str() {
            assert!(version(needed) <= version(declared), "{}: {needed}", name(&package));
        }
    }
}

/// Whether a licence expression (SPDX, or the older form with `/` for OR) can be met with licences that are allowed.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    // OR binds weaker than AND. The only parentheses that occur are around a part joined by AND.
    let parts = |text: &str, operator: &str| -> Vec<String> {
        let (mut parts, mut depth) = (vec![String::new()], 0);
        for word in text.replace('(', " ( ").replace(')', " ) ").split_whitespace() {
            depth += i32::from(word == "(") - i32::from(word == ")");
            match parts.last_mut() {
                Some(last) if depth > 0 || word != operator => last.push_str(&format!("{word} ")),
                _ => parts.push(String::new()),
            }
        }
        parts
    };
    let text = expression.replace('/', " OR ");
    let text = text.trim();
    for (operator, all) in [("OR", false), ("AND", true)] {
        let parts = parts(text, operator);
        if parts.len() > 1 {
            let mut parts = parts.iter().map(|part| is_allowed(part, allowed));
            return if all { parts.all(|fine| fine) } else { parts.any(|fine| fine) };
        }
    }
    match text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => is_allowed(inner, allowed),
        None => allowed.contains(&text),
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("GPL-3.0-only/MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("(GPL-3.0-only OR MIT) AND Unicode-3.0", true),
        ("(GPL-3.0-only OR MIT) AND Zlib", false),
        ("GPL-3.0-only OR MIT AND Zlib", false),
        ("MIT OR GPL-3.0-only AND Zlib", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn licences_and_sources_of_the_dependencies_are_those_of_deny_toml() {
    let text = read("deny.toml");
    let policy = toml::de::DeTable::parse(&text).expect("TOML");
    let policy = policy.get_ref();
    let allowed = policy["licenses"].get_ref()["allow"].get_ref().as_array().expect("a list");
    let allowed: Vec<&str> =
        allowed.iter().map(|name| name.get_ref().as_str().expect("text")).collect();
    let mut unused = allowed.clone();
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(licence, &allowed), "{}: {licence:?}", name(&package));
        unused.retain(|used| !licence.contains(used));
        let is_own = package["name"] == env!("CARGO_PKG_NAME");
        let source = package["source"].as_str().unwrap_or_default();
        // Not a git repository; another registry would have to be configured.
        assert!(is_own || source.starts_with("registry+"), "{}: {source:?}", name(&package));
    }
    assert!(unused.is_empty(), "deny.toml allows what nothing needs: {unused:?}");
}
