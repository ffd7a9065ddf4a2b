//! Markdown: a table per model, or per norm of a comparison.

use super::comparison::{Change, Comparison, ratio_text};
use super::table::{DIGITS, Row, rows};
use super::{NormReport, Report, Style, Symbols, assuming, number};
use crate::bounds::REGISTRY;
use crate::numeric::Norm;

/// The reports as Markdown.
pub fn write(reports: &[Report], _: Style) -> String {
    let mut text = String::new();
    for (i, report) in reports.iter().enumerate() {
        if i > 0 {
            text.push('\n');
        }
        let scope = report.scope.as_ref().map_or(String::new(), |scope| format!("; {scope}"));
        text.push_str(&format!("### {}\n\n", report.model));
        text.push_str(&assumed(assuming(&report.assumed)));
        text.push_str(&format!("{}{scope}\n\n", report.summary));
        let norms: Vec<String> = report.norms.iter().map(|n| n.norm.id().to_owned()).collect();
        text.push_str(&format!("| bound | {} |\n", norms.join(" | ")));
        text.push_str(&format!("| --- |{}\n", " ---: |".repeat(norms.len())));
        for row in rows(report) {
            text.push_str(&format!("| {} | {} |\n", row.name, cells(&row).join(" | ")));
        }
        let lower = |x: Option<f64>| x.map_or(String::new(), |x| number::lower(x, DIGITS));
        let lowers: Vec<String> = report.norms.iter().map(|n| lower(n.lower)).collect();
        if lowers.iter().any(|x| !x.is_empty()) {
            text.push_str(&format!("| L is at least | {} |\n", lowers.join(" | ")));
        }
        for note in &report.notes {
            text.push_str(&format!("\nNote: {note}\n"));
        }
    }
    text
}

fn cells(row: &Row) -> Vec<String> {
    row.cells
        .iter()
        .map(|cell| match cell {
            None => String::new(),
            Some(cell) if cell.estimate => format!("~{} (estimate)", cell.text),
            Some(cell) if cell.best => format!("**{}**", cell.text),
            Some(cell) => cell.text.clone(),
        })
        .collect()
}

/// What is assumed, each sentence a paragraph.
fn assumed(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| format!("**{line}**\n\n")).collect()
}

/// A comparison as Markdown: a table per norm, one row per model.
pub fn compare(comparison: &Comparison, _: Style, _: Symbols) -> String {
    let mut text = assumed(comparison.assumed());
    for (i, block) in comparison.blocks.iter().enumerate() {
        if i > 0 {
            text.push('\n');
        }
        text.push_str(&format!("### {}\n\n", block.norm));
        text.push_str(&compared(comparison, block.norm, &block.order));
    }
    text.push_str(&layers(comparison));
    let mut remarks = comparison.notes();
    if let Some(name) = comparison.baseline_name().filter(|_| comparison.models.len() > 1) {
        remarks.insert(0, format!(
            "ratio is the least bound divided by that of {}; ↓ better, ↑ worse, ↓↓ and ↑↑ proved of L itself",
            escaped(name)
        ));
    }
    for remark in remarks {
        text.push_str(&format!("\nNote: {remark}\n"));
    }
    for (name, error) in comparison.failures() {
        text.push_str(&format!("\nFailed: {}: {}\n", escaped(name), escaped(error)));
    }
    text
}

fn compared(comparison: &Comparison, norm: Norm, order: &[usize]) -> String {
    let names = comparison.short_names();
    let reports: Vec<_> = order.iter().map(|&i| comparison.report(i, norm)).collect();
    let known = |id: &str| reports.iter().flatten().any(|r| r.upper(id).is_some());
    let bounds: Vec<_> = REGISTRY.iter().filter(|bound| known(bound.id())).collect();
    let with_ratio = comparison.baseline.is_some() && order.len() > 1;
    let mut header: Vec<String> = vec!["model".to_owned(), "L is at least".to_owned()];
    header.extend(bounds.iter().map(|bound| bound.name().to_owned()));
    header.extend(with_ratio.then(|| "ratio".to_owned()));
    let mut text = format!("| {} |\n", header.join(" | "));
    text.push_str(&format!("| --- |{}\n", " ---: |".repeat(header.len() - 1)));
    for (&model, report) in order.iter().zip(reports) {
        let mut row = vec![escaped(&names[model])];
        row.push(match (&comparison.models[model].outcome, report) {
            (Err(_), _) => "failed".to_owned(),
            (_, report) => {
                let lower = report.and_then(|r| r.lower);
                lower.map_or(String::new(), |x| number::lower(x, DIGITS))
            }
        });
        row.extend(bounds.iter().map(|bound| bound_cell(report, bound.id())));
        if with_ratio {
            let ratio = comparison.ratio(model, norm).map_or(String::new(), ratio_text);
            let arrow = comparison.change(model, norm).map_or("", Change::arrows);
            row.push(format!("{ratio} {arrow}").trim().to_owned());
        }
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

fn bound_cell(report: Option<&NormReport>, id: &str) -> String {
    let Some((report, upper)) = report.and_then(|r| Some((r, r.upper(id)?))) else {
        return String::new();
    };
    let text = number::upper(upper, DIGITS);
    let best = report.best().is_some_and(|best| best.upper == upper);
    if best { format!("**{text}**") } else { text }
}

/// The norms of the layers with their ratios, where they were asked for.
fn layers(comparison: &Comparison) -> String {
    let mut text = String::new();
    let names = comparison.short_names();
    let norms: Vec<Norm> = comparison.blocks.iter().map(|block| block.norm).collect();
    let order = comparison.blocks.first().map_or(&[][..], |block| &block.order);
    for &model in order {
        for (index, layer) in comparison.layers(model).unwrap_or_default().iter().enumerate() {
            if text.is_empty() {
                let header: Vec<&str> = norms.iter().flat_map(|n| [n.id(), "ratio"]).collect();
                text.push_str("\n### Norms of the layers\n\n| model | layer | ");
                text.push_str(&format!("{} |\n", header.join(" | ")));
                text.push_str(&format!("| --- | --- |{}\n", " ---: |".repeat(header.len())));
            }
            let mut row = vec![escaped(&names[model]), escaped(&layer.name)];
            for &norm in &norms {
                row.push(layer.norm(norm).map_or(String::new(), |x| number::upper(x, DIGITS)));
                let ratio = comparison.layer_ratio(model, index, norm);
                row.push(ratio.map_or(String::new(), ratio_text));
            }
            text.push_str(&format!("| {} |\n", row.join(" | ")));
        }
    }
    text
}

/// Text for a cell: a bar would end it.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
