//! The JSON report: stable and versioned (`lipbound-report/1`).

use serde::Serialize;

use super::{Report, Style};

/// The name and version of the format.
pub const SCHEMA: &str = "lipbound-report/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    reports: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    model: &'a str,
    norm: &'static str,
    lower: Option<f64>,
    best: Option<f64>,
    best_id: Option<&'static str>,
    bounds: Vec<Bound<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
}

#[derive(Serialize)]
struct Bound<'a> {
    id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower: Option<f64>,
    upper: Option<f64>,
    guarantee: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct Refused<'a> {
    id: &'static str,
    reason: &'a str,
}

/// The reports as one JSON document. Numbers read back exactly; what is not known, or not finite, is
/// `null`.
pub fn write(reports: &[Report], _: Style) -> String {
    let finite = |x: f64| x.is_finite().then_some(x);
    let mut entries = Vec::new();
    for report in reports {
        for norm in &report.norms {
            let best = norm.best();
            entries.push(Entry {
                model: &report.model,
                norm: norm.norm.id(),
                lower: norm.lower.and_then(finite),
                best: best.and_then(|c| finite(c.upper)),
                best_id: best.filter(|c| c.upper.is_finite()).map(|c| c.id),
                bounds: norm
                    .bounds
                    .iter()
                    .map(|c| Bound {
                        id: c.id,
                        lower: c.lower.and_then(finite),
                        upper: finite(c.upper),
                        guarantee: c.guarantee.id(),
                        note: c.note.as_deref(),
                    })
                    .collect(),
                refused: norm.refused.iter().map(|(id, reason)| Refused { id, reason }).collect(),
                notes: &report.notes,
            });
        }
    }
    let document = Document { schema: SCHEMA, reports: entries };
    // Only maps with keys that are not strings could fail to serialise; there are none.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}
