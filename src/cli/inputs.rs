//! Which files the arguments stand for: patterns and folders become files, reports are told from models.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::io::{self, Source};
use crate::report::comparison::order::natural;
use crate::report::{Report, json};

/// What one argument, or several, stand for.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A model to read.
    Model(Source),
    /// A report that was written before.
    Report(PathBuf),
}

/// The models that the arguments stand for.
///
/// # Errors
/// A pattern that matches nothing, a folder without models, no model at all.
pub fn sources(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    Ok(io::sources(&expand(paths)?)?)
}

/// The models and reports that the arguments stand for, in their order.
///
/// # Errors
/// As [`sources`].
pub fn items(paths: &[PathBuf]) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut models: Vec<PathBuf> = Vec::new();
    for path in expand(paths)? {
        if is_report(&path) {
            items.extend(models_of(&mut models)?);
            items.push(Item::Report(path));
        } else {
            models.push(path);
        }
    }
    items.extend(models_of(&mut models)?);
    Ok(items)
}

fn models_of(paths: &mut Vec<PathBuf>) -> anyhow::Result<Vec<Item>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let sources = io::sources(&std::mem::take(paths))?;
    Ok(sources.into_iter().map(Item::Model).collect())
}

/// The reports in a file.
///
/// # Errors
/// What is wrong with the file; that there are none.
pub fn reports(path: &Path) -> anyhow::Result<Vec<Report>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{shown}: cannot be read"))?;
    let reports = json::read(&text).map_err(|reason| anyhow::anyhow!("{shown}: {reason}"))?;
    if reports.is_empty() {
        bail!("{shown}: holds no report of any model, so there is nothing to compare");
    }
    Ok(reports)
}

/// Patterns (for shells that leave them as they are) and folders replaced by what is in them.
fn expand(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(folder(path)?);
        } else if is_pattern(path) && !path.exists() {
            files.extend(matches(path)?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

fn matches(pattern: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = pattern.display();
    let found = glob::glob(&pattern.to_string_lossy())
        .with_context(|| format!("{shown}: not a pattern that can be read"))?;
    let mut files = Vec::new();
    for path in found {
        files.push(path.with_context(|| format!("{shown}: a folder cannot be read"))?);
    }
    if files.is_empty() {
        bail!("{shown}: no file matches this pattern; check the path");
    }
    sort(&mut files);
    Ok(files)
}

/// The models and reports in a folder; the folder itself where its NPY files are one model.
fn folder(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = path.display();
    let entries = std::fs::read_dir(path).with_context(|| format!("{shown}: cannot be read"))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.with_context(|| format!("{shown}: cannot be read"))?.path();
        let file = file.strip_prefix(".").map_or(file.clone(), Path::to_owned);
        if has_extension(&file, "npy") {
            return Ok(vec![path.to_owned()]);
        }
        let known = io::REGISTRY.iter().flat_map(|format| format.extensions);
        let is_known = known.into_iter().any(|e| has_extension(&file, e));
        if is_known && file.is_file() && (!has_extension(&file, "json") || is_json_input(&file)) {
            files.push(file);
        }
    }
    if files.is_empty() {
        bail!("{shown}: the folder has no models and no reports; see docs/formats.md");
    }
    sort(&mut files);
    Ok(files)
}

fn sort(files: &mut [PathBuf]) {
    files.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Whether a file is a report of this program.
pub fn is_report(path: &Path) -> bool {
    has_extension(path, "json") && head(path).is_some_and(|head| json::sniff(&head))
}

/// Whether a JSON file is for this program: folders of checkpoints often hold others.
fn is_json_input(path: &Path) -> bool {
    head(path).is_some_and(|head| {
        let text = String::from_utf8_lossy(&head);
        json::sniff(&head)
            || ["\"lipbound-network/", "\"weights\""].iter().any(|key| text.contains(key))
    })
}

fn head(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    std::fs::File::open(path).ok()?.take(4096).read_to_end(&mut head).ok()?;
    Some(head)
}
