//! `--plot`: pictures of bounds.

use std::path::{Path, PathBuf};

use super::output;
use crate::report::Report;
use crate::report::comparison::{Comparison, Model, Order};
use crate::report::plot::{FORMATS, Format, draw};

/// Reads the path of a picture, whose extension says its format.
pub fn parse(text: &str) -> Result<PathBuf, String> {
    match format(Path::new(text)) {
        Some(_) => Ok(PathBuf::from(text)),
        None => {
            let known: Vec<String> = FORMATS.iter().map(|f| format!(".{}", f.extension)).collect();
            Err(format!("found {text:?}, expected a name that ends in {}", known.join(" or ")))
        }
    }
}

fn format(path: &Path) -> Option<&'static Format> {
    let extension = path.extension()?;
    FORMATS.iter().find(|format| extension.eq_ignore_ascii_case(format.extension))
}

/// Draws a comparison.
pub fn save(path: &Path, comparison: &Comparison) -> anyhow::Result<()> {
    let Some(format) = format(path) else { anyhow::bail!("{}: unknown format", path.display()) };
    let shown = path.display();
    let bytes = draw(comparison, format).map_err(|reason| anyhow::anyhow!("{shown}: {reason}"))?;
    output::save_bytes(path, &bytes)
}

/// Draws reports.
pub fn save_reports(path: &Path, reports: &[Report]) -> anyhow::Result<()> {
    let model = |report: &Report| Model {
        name: report.model.clone(),
        outcome: Ok(report.clone()),
        layers: None,
    };
    save(path, &Comparison::new(reports.iter().map(model).collect(), None, Order::Name))
}
