//! Reading reports back: those of `lipbound compute --format json`, and comparisons.

use serde::Deserialize;

use super::{COMPARISON_SCHEMA, SCHEMA};
use crate::bounds::{Certificate, Guarantee, REGISTRY};
use crate::numeric::Norm;
use crate::report::part::{Axis, Part};
use crate::report::{NormReport, Report};

#[derive(Deserialize)]
struct Document {
    schema: String,
    reports: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    assumed: Vec<String>,
    model: String,
    norm: String,
    scope: Option<String>,
    part: Option<PartEntry>,
    lower: Option<f64>,
    bounds: Vec<Bound>,
    #[serde(default)]
    refused: Vec<Refused>,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Deserialize)]
struct PartEntry {
    axis: String,
    numbers: Vec<usize>,
    count: usize,
    whole: String,
}

#[derive(Deserialize)]
struct Bound {
    id: String,
    lower: Option<f64>,
    upper: Option<f64>,
    guarantee: String,
    note: Option<String>,
}

#[derive(Deserialize)]
struct Refused {
    id: String,
    reason: String,
}

/// Whether a file that begins with these bytes is a report and not a model.
pub fn sniff(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    head.trim_start().starts_with('{')
        && ["\"lipbound-report/", "\"lipbound-comparison/"].iter().any(|name| head.contains(name))
}

/// The reports in a document. Bounds of a later version of the program, with ids that this one does not
/// know, are left out.
///
/// # Errors
/// What is wrong with the document.
pub fn read(text: &str) -> Result<Vec<Report>, String> {
    let document: Document = serde_json::from_str(text).map_err(|error| {
        format!("not a report ({error}); expected what `lipbound compute --format json` writes")
    })?;
    if ![SCHEMA, COMPARISON_SCHEMA].contains(&document.schema.as_str()) {
        return Err(format!(
            "found the format {}, expected {SCHEMA} or {COMPARISON_SCHEMA}",
            document.schema
        ));
    }
    let mut reports: Vec<Report> = Vec::new();
    for (index, entry) in document.reports.into_iter().enumerate() {
        let place = format!("reports[{index}]");
        let norm = norm(&entry, &place)?;
        let part = part(&entry, &place)?;
        match reports.iter_mut().find(|report| report.model == entry.model) {
            Some(report) => {
                if report.scope != entry.scope || report.part != part {
                    return Err(format!(
                        "{place}: {} has a scope of its own, expected one for each model",
                        entry.model
                    ));
                }
                if report.norms.iter().any(|known| known.norm == norm.norm) {
                    return Err(format!(
                        "{place}: {} has a second entry for the norm {}; expected one for each norm",
                        entry.model, entry.norm
                    ));
                }
                report.norms.push(norm);
                report.assume(&entry.assumed);
            }
            None => reports.push(Report {
                model: entry.model,
                summary: String::new(),
                scope: entry.scope,
                part,
                assumed: entry.assumed,
                notes: entry.notes,
                norms: vec![norm],
            }),
        }
    }
    Ok(reports)
}

fn part(entry: &Entry, place: &str) -> Result<Option<Part>, String> {
    let Some(found) = &entry.part else { return Ok(None) };
    let axis = [Axis::Outputs, Axis::Inputs].into_iter().find(|axis| axis.id() == found.axis);
    let axis = axis.ok_or_else(|| {
        format!("{place}: part: found the axis {}, expected outputs or inputs", found.axis)
    })?;
    if let Some(number) = found.numbers.iter().find(|&&number| number >= found.count) {
        return Err(format!(
            "{place}: part: found the number {number}, but the model has the {} 0 to {}",
            axis.id(),
            found.count.saturating_sub(1)
        ));
    }
    let (numbers, count, whole) = (found.numbers.clone(), found.count, found.whole.clone());
    let part = Part { axis, numbers, count, whole };
    let words = part.in_words();
    if !entry.scope.as_deref().is_some_and(|scope| scope.ends_with(&words)) {
        return Err(format!(
            "{place}: the scope does not end with the part ({words}); write the report again"
        ));
    }
    Ok(Some(part))
}

fn norm(entry: &Entry, place: &str) -> Result<NormReport, String> {
    let norm = Norm::ALL.into_iter().find(|norm| norm.id() == entry.norm);
    let norm = norm.ok_or_else(|| {
        format!("{place}: found the norm {}, expected l1, l2 or linf", entry.norm)
    })?;
    let mut bounds = Vec::new();
    for bound in &entry.bounds {
        bounds.extend(certificate(bound, norm, place)?);
    }
    let known = |id: &str| REGISTRY.iter().map(|bound| bound.id()).find(|known| *known == id);
    let refused = entry.refused.iter().filter_map(|r| Some((known(&r.id)?, r.reason.clone())));
    let report = NormReport { norm, lower: entry.lower, bounds, refused: refused.collect() };
    let upper = report.best().map_or(f64::INFINITY, |best| best.upper);
    if let Some(lower) = report.lower.filter(|&lower| lower > upper) {
        return Err(format!(
            "{place}: the lower bound {lower} is above the upper bound {upper}; write the report again"
        ));
    }
    Ok(report)
}

/// `None` for a bound that this version does not know.
fn certificate(bound: &Bound, norm: Norm, place: &str) -> Result<Option<Certificate>, String> {
    let Some(id) = REGISTRY.iter().map(|known| known.id()).find(|id| *id == bound.id) else {
        return Ok(None);
    };
    let all = [Guarantee::UpperBound, Guarantee::Enclosure, Guarantee::Estimate];
    let guarantee = all.into_iter().find(|g| g.id() == bound.guarantee);
    let guarantee = guarantee.ok_or_else(|| {
        let expected = all.map(Guarantee::id).join(", ");
        format!("{place}: {id}: found the guarantee {}, expected {expected}", bound.guarantee)
    })?;
    if bound.upper.is_some_and(|upper| upper < 0.0) {
        return Err(format!("{place}: {id}: found a negative bound, expected a number from 0"));
    }
    let upper = bound.upper.unwrap_or(f64::INFINITY);
    let note = bound.note.clone();
    Ok(Some(Certificate { id, norm, lower: bound.lower, upper, guarantee, note, proof: None }))
}

#[cfg(test)]
mod tests {
    use super::{read, sniff};
    use crate::bounds::Certificate;
    use crate::numeric::Norm;
    use crate::report::part::{Axis, Part};
    use crate::report::{NormReport, Report, Style, json};

    #[test]
    fn what_is_written_reads_back() {
        let bounds = vec![
            Certificate::upper_bound("k_star", Norm::L1, f64::INFINITY),
            Certificate::upper_bound("k5", Norm::L1, 0.1 + 0.2).with_note("by hand"),
        ];
        let refused = vec![("k_sdp", "takes longer".to_owned())];
        let norm = NormReport { norm: Norm::L1, lower: Some(1e-300), bounds, refused };
        let other = NormReport { norm: Norm::L2, lower: None, ..norm.clone() };
        let report = |model: &str, norms| Report {
            model: model.to_owned(),
            summary: String::new(),
            scope: (model == "a").then(|| "inputs in the box 0,1, outputs 0, 2".to_owned()),
            part: (model == "a").then(|| Part {
                axis: Axis::Outputs,
                numbers: vec![0, 2],
                count: 3,
                whole: "0123456789abcdef".to_owned(),
            }),
            assumed: vec!["ReLU".to_owned()],
            notes: vec!["a remark".to_owned()],
            norms,
        };
        let mut l2 = report("b", vec![other]);
        l2.norms[0].bounds.iter_mut().for_each(|c| c.norm = Norm::L2);
        let reports = vec![report("a", vec![norm]), l2];
        let text = json::write(&reports, Style::Plain);
        assert_eq!(read(&text), Ok(reports));
        assert!(sniff(text.as_bytes()) && !sniff(b"{\"format\": \"lipbound-network/1\"}"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let entry = |norm: &str, lower: &str, bound: &str| {
            format!(
                r#"{{"schema": "lipbound-report/1", "reports": [{{"model": "m", "norm": "{norm}", "lower": {lower}, "bounds": [{bound}]}}]}}"#
            )
        };
        let bound = r#"{"id": "k5", "upper": 1.0, "guarantee": "upper_bound"}"#;
        let error = |text: &str| read(text).expect_err("an error");
        assert!(error("[]").contains("not a report"));
        let later = r#"{"schema": "lipbound-report/9", "reports": []}"#;
        assert!(error(later).contains("lipbound-report/9"));
        assert!(error(&entry("l3", "null", bound)).contains("expected l1, l2 or linf"));
        assert!(error(&entry("l1", "2.0", bound)).contains("above the upper bound"));
        assert!(error(&entry("l1", "0", &bound.replace("1.0", "-1"))).contains("negative"));
        assert!(error(&entry("l1", "0", &bound.replace("upper_bound", "proof"))).contains("proof"));
        let of_part = |scope: &str, axis: &str, number: usize| {
            let part = format!(
                r#""norm": "l1", "scope": "{scope}", "part": {{"axis": "{axis}", "numbers": [{number}], "count": 2, "whole": "0"}},"#
            );
            error(&entry("l1", "0", bound).replace(r#""norm": "l1","#, &part))
        };
        assert!(of_part("rows 1", "rows", 1).contains("expected outputs or inputs"));
        assert!(of_part("outputs 2", "outputs", 2).contains("the outputs 0 to 1"));
        assert!(of_part("outputs 0", "outputs", 1).contains("does not end with the part"));
        let newer = entry("l1", "0", &bound.replace("k5", "k9"));
        assert_eq!(read(&newer).map(|r| r[0].norms[0].bounds.len()), Ok(0));
    }
}
