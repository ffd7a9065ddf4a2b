//! The JSON report: stable and versioned (`lipbound-report/1`), and the comparison that contains it
//! (`lipbound-comparison/1`).

pub mod read;

use serde::Serialize;
use serde_json::value::RawValue;

use super::comparison::{Change, Comparison};
use super::{NormReport, Report, Style, Symbols, number};
use crate::numeric::Norm;
pub use read::{read, sniff};

/// The name and version of the format.
pub const SCHEMA: &str = "lipbound-report/1";
/// The name and version of the format of comparisons.
pub const COMPARISON_SCHEMA: &str = "lipbound-comparison/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<&'a str>,
    reports: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layers: Vec<Layers<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    assumed: &'a [String],
    model: &'a str,
    norm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<PartEntry<'a>>,
    lower: Option<Box<RawValue>>,
    best: Option<Box<RawValue>>,
    best_id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
    bounds: Vec<Bound<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
}

#[derive(Serialize)]
struct PartEntry<'a> {
    axis: &'static str,
    numbers: &'a [usize],
    count: usize,
    whole: &'a str,
}

#[derive(Serialize)]
struct Bound<'a> {
    id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower: Option<Box<RawValue>>,
    upper: Option<Box<RawValue>>,
    guarantee: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct Refused<'a> {
    id: &'static str,
    reason: &'a str,
}

#[derive(Serialize)]
struct Layers<'a> {
    model: &'a str,
    norm: &'static str,
    layer: &'a str,
    upper: Option<Box<RawValue>>,
    ratio: Option<f64>,
}

#[derive(Serialize)]
struct Failed<'a> {
    model: &'a str,
    error: &'a str,
}

/// The reports as one JSON document. Numbers read back exactly, and the decimals are bounds themselves: those of
/// upper bounds are rounded up, those of lower bounds down. What is not known, or not finite, is `null`.
pub fn write(reports: &[Report], _: Style) -> String {
    let entries = reports.iter().flat_map(|r| r.norms.iter().map(|norm| entry(r, norm)));
    text(&Document {
        schema: SCHEMA,
        baseline: None,
        reports: entries.collect(),
        layers: Vec::new(),
        failed: Vec::new(),
    })
}

/// A comparison as one JSON document: that of the reports, with the ratios to the baseline and with
/// what failed.
pub fn compare(comparison: &Comparison, _: Style, _: Symbols) -> String {
    let mut document = Document {
        schema: COMPARISON_SCHEMA,
        baseline: comparison.baseline_name(),
        reports: Vec::new(),
        layers: Vec::new(),
        failed: Vec::new(),
    };
    for block in &comparison.blocks {
        for &model in &block.order {
            document.reports.extend(compared(comparison, model, block.norm));
            document.layers.extend(layers(comparison, model, block.norm));
        }
    }
    let failed = comparison.failures().map(|(model, error)| Failed { model, error });
    document.failed = failed.collect();
    text(&document)
}

fn compared(comparison: &Comparison, model: usize, norm: Norm) -> Option<Entry<'_>> {
    let report = comparison.models[model].outcome.as_ref().ok()?;
    let mut entry = entry(report, comparison.report(model, norm)?);
    entry.model = &comparison.models[model].name;
    entry.ratio = comparison.ratio(model, norm);
    entry.change = comparison.change(model, norm).map(Change::id);
    for bound in entry.bounds.iter_mut().filter(|bound| bound.guarantee != "estimate") {
        bound.ratio = comparison.bound_ratio(model, norm, bound.id);
    }
    Some(entry)
}

fn layers(comparison: &Comparison, model: usize, norm: Norm) -> Vec<Layers<'_>> {
    let mut entries = Vec::new();
    for (index, layer) in comparison.layers(model).unwrap_or_default().iter().enumerate() {
        entries.push(Layers {
            model: &comparison.models[model].name,
            norm: norm.id(),
            layer: &layer.name,
            upper: layer.norm(norm).and_then(number::json_upper),
            ratio: comparison.layer_ratio(model, index, norm),
        });
    }
    entries
}

fn entry<'a>(report: &'a Report, norm: &'a NormReport) -> Entry<'a> {
    let best = norm.best();
    Entry {
        assumed: &report.assumed,
        model: &report.model,
        norm: norm.norm.id(),
        scope: report.scope.as_deref(),
        part: report.part.as_ref().map(|part| PartEntry {
            axis: part.axis.id(),
            numbers: &part.numbers,
            count: part.count,
            whole: &part.whole,
        }),
        lower: norm.lower.and_then(number::json_lower),
        best: best.and_then(|c| number::json_upper(c.upper)),
        best_id: best.filter(|c| c.upper.is_finite()).map(|c| c.id),
        ratio: None,
        change: None,
        bounds: norm
            .bounds
            .iter()
            .map(|c| Bound {
                id: c.id,
                lower: c.lower.and_then(number::json_lower),
                upper: number::json_upper(c.upper),
                guarantee: c.guarantee.id(),
                ratio: None,
                note: c.note.as_deref(),
            })
            .collect(),
        refused: norm.refused.iter().map(|(id, reason)| Refused { id, reason }).collect(),
        notes: &report.notes,
    }
}

fn text(document: &Document<'_>) -> String {
    // Only maps with keys that are not strings could fail to serialise; there are none.
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}
