//! A Markdown table per model.

use super::table::{DIGITS, Row, rows};
use super::{Report, Style, number};

/// The reports as Markdown.
pub fn write(reports: &[Report], _: Style) -> String {
    let mut text = String::new();
    for (i, report) in reports.iter().enumerate() {
        if i > 0 {
            text.push('\n');
        }
        text.push_str(&format!("### {}\n\n{}\n\n", report.model, report.summary));
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
