//! The table for reading: one row per bound, one column per norm.

use super::{NormReport, Report, Style, assuming, number};
use crate::bounds::{Guarantee, REGISTRY};

/// Significant digits of the numbers.
pub const DIGITS: usize = 6;

/// One bound in all norms.
pub struct Row {
    /// The name of the bound.
    pub name: String,
    /// Its values, one for each norm of the report.
    pub cells: Vec<Option<Cell>>,
}

/// One value as it is shown.
#[derive(Clone)]
pub struct Cell {
    /// The number, rounded up.
    pub text: String,
    /// How many times smaller than K*, where that is known.
    pub ratio: Option<f64>,
    /// Whether it is the least proved upper bound of its norm.
    pub best: bool,
    /// Whether nothing is proved of it.
    pub estimate: bool,
}

/// The rows of a report's table.
pub fn rows(report: &Report) -> Vec<Row> {
    let mut rows = Vec::new();
    for bound in REGISTRY {
        for estimate in [false, true] {
            let cells: Vec<Option<Cell>> =
                report.norms.iter().map(|norm| cell(norm, bound.id(), estimate)).collect();
            if cells.iter().any(Option::is_some) {
                let suffix = if estimate { " ~" } else { "" };
                rows.push(Row { name: format!("{}{suffix}", bound.name()), cells });
            }
        }
    }
    rows
}

fn cell(norm: &NormReport, id: &str, estimate: bool) -> Option<Cell> {
    let is_estimate = |guarantee| guarantee == Guarantee::Estimate;
    let found = norm.bounds.iter().find(|c| c.id == id && is_estimate(c.guarantee) == estimate)?;
    let least = norm.best().filter(|best| best.upper.is_finite());
    let best = !estimate && least.is_some_and(|best| best.upper == found.upper);
    #[expect(clippy::float_arithmetic, reason = "a ratio for reading")]
    let ratio = |k: f64| k / found.upper;
    let k_star = norm.upper("k_star").filter(|k| k.is_finite() && found.upper > 0.0);
    Some(Cell {
        text: number::upper(found.upper, DIGITS),
        ratio: k_star.map(ratio).filter(|_| id != "k_star" && !estimate),
        best,
        estimate,
    })
}

/// The reports as tables of plain text, at most 80 columns wide for three norms.
pub fn write(reports: &[Report], style: Style) -> String {
    let mut text = String::new();
    for (i, report) in reports.iter().enumerate() {
        if i > 0 {
            text.push('\n');
        }
        text.push_str(&one(report, style));
    }
    text
}

fn one(report: &Report, style: Style) -> String {
    let mut text = assumed_text(assuming(&report.assumed), style);
    text.push_str(&format!("{}\n{}\n", styled(&report.model, BOLD, style), report.summary));
    if let Some(scope) = &report.scope {
        text.push_str(&format!("{scope}\n"));
    }
    text.push('\n');
    let rows = rows(report);
    text.push_str(&header(report, style));
    for row in &rows {
        text.push_str(&line(row, style));
    }
    text.push('\n');
    for norm in &report.norms {
        if let Some(sentence) = sentence(norm) {
            text.push_str(&format!("{}\n", styled(&sentence, BOLD, style)));
        }
    }
    let mut notes = report.notes.clone();
    for norm in &report.norms {
        let remarks = norm.bounds.iter().filter_map(|c| c.note.clone());
        let refusals = grouped(&norm.refused);
        for note in remarks.chain(refusals) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    if rows.iter().any(|row| row.name.ends_with('~')) {
        notes.push("~ marks estimates: nothing is proved of them".to_owned());
    }
    text.push_str(&notes_text("note: ", &notes, DIM, style));
    text
}

/// What is assumed, above everything else.
pub(super) fn assumed_text(lines: impl IntoIterator<Item = String>, style: Style) -> String {
    let mut text = String::new();
    for line in lines {
        for line in textwrap::wrap(&line, textwrap::Options::new(78).subsequent_indent("  ")) {
            text.push_str(&format!("{}\n", styled(&line, BOLD, style)));
        }
    }
    text
}

/// Remarks below a table, wrapped, each with a label; nothing where there are none.
pub(super) fn notes_text(
    label: &str,
    notes: &[String],
    with: anstyle::Style,
    style: Style,
) -> String {
    let mut text = String::new();
    let indent = " ".repeat(label.len());
    for note in notes {
        if text.is_empty() {
            text.push('\n');
        }
        let options = textwrap::Options::new(78).initial_indent(label).subsequent_indent(&indent);
        for line in textwrap::wrap(note, options) {
            text.push_str(&format!("{}\n", styled(&line, with, style)));
        }
    }
    text
}

/// Bounds that were left out, those with the same reason together.
fn grouped(refused: &[(&'static str, String)]) -> Vec<String> {
    let mut groups: Vec<(&String, Vec<&str>)> = Vec::new();
    for (id, reason) in refused {
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, ids)) => ids.push(id),
            None => groups.push((reason, vec![id])),
        }
    }
    groups.into_iter().map(|(reason, ids)| format!("{}: {reason}", ids.join(", "))).collect()
}

/// *L is between a and b.*
fn sentence(norm: &NormReport) -> Option<String> {
    let upper = norm.best()?.upper;
    let text = match norm.lower {
        Some(lower) if lower == upper && number::is_short(upper, DIGITS) => {
            format!("L = {}", number::upper(upper, DIGITS))
        }
        // A finished search: the two numbers would look the same.
        Some(lower) if let Some((text, digits)) = number::agreed(lower, upper, DIGITS, 8) => {
            format!("L = {text} to {digits} digits")
        }
        Some(lower) if upper.is_finite() => {
            let (lower, upper) = (number::lower(lower, DIGITS), number::upper(upper, DIGITS));
            format!("L is between {lower} and {upper}")
        }
        None if upper.is_finite() => format!("L is at most {}", number::upper(upper, DIGITS)),
        Some(lower) => format!(
            "L is at least {}; no upper bound fits in 64-bit numbers",
            number::lower(lower, DIGITS)
        ),
        None => "no upper bound of L fits in 64-bit numbers".to_owned(),
    };
    Some(format!("{:<4}  {text}", norm.norm.id()))
}

/// The width of a number's column.
const NUMBER: usize = 13;
/// The width of a ratio's column.
const RATIO: usize = 9;

fn header(report: &Report, style: Style) -> String {
    let mut line = format!("{:<6}", "bound");
    for norm in &report.norms {
        line.push_str(&format!("{:>NUMBER$}{:>RATIO$}", norm.norm.id(), "K*/"));
    }
    format!("{}\n", styled(line.trim_end(), DIM, style))
}

fn line(row: &Row, style: Style) -> String {
    let mut line = format!("{:<6}", row.name);
    for cell in &row.cells {
        let Some(cell) = cell else {
            line.push_str(&" ".repeat(NUMBER + RATIO));
            continue;
        };
        let mark = if cell.best { "*" } else { " " };
        let number = if cell.estimate { format!("~{}", cell.text) } else { cell.text.clone() };
        // Denormal numbers fill the column.
        let number = format!(" {number:>width$}{mark}", width = NUMBER - 2);
        let number = match (cell.best, cell.estimate) {
            (true, _) => styled(&number, BEST, style),
            (_, true) => styled(&number, DIM, style),
            _ => number,
        };
        let ratio = cell.ratio.map_or(String::new(), ratio_text);
        line.push_str(&format!("{number}{ratio:>RATIO$}"));
    }
    format!("{}\n", line.trim_end())
}

/// A ratio with two or three digits.
fn ratio_text(ratio: f64) -> String {
    if ratio < 10.0 {
        format!("{ratio:.2}")
    } else if ratio < 1000.0 {
        format!("{ratio:.1}")
    } else if ratio < 1e6 {
        format!("{ratio:.0}")
    } else {
        format!("{ratio:.1e}")
    }
}

pub(super) const BOLD: anstyle::Style = anstyle::Style::new().bold();
pub(super) const DIM: anstyle::Style = anstyle::Style::new().dimmed();
pub(super) const BEST: anstyle::Style =
    anstyle::Style::new().bold().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Green)));

/// Text with a style, where styles are shown.
pub(super) fn styled(text: &str, with: anstyle::Style, style: Style) -> String {
    match style {
        Style::Plain => text.to_owned(),
        Style::Coloured => format!("{with}{text}{with:#}"),
    }
}
