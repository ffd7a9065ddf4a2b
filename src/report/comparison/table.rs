//! The comparison for reading: one table per norm, one row per model, at most 80 columns wide.

use super::{Change, Comparison, ratio_text};
use crate::bounds::REGISTRY;
use crate::numeric::Norm;
use crate::report::table::{BEST, BOLD, DIM, assumed_text, notes_text, styled};
use crate::report::{Style, Symbols, number};

/// The width of the text.
const WIDTH: usize = 80;
/// The widest name that is not cut.
const NAME: usize = 30;

/// The header of the lower bounds.
const LOWER: &str = "L >=";
/// The header of the ratios, with room for arrows.
const RATIO: &str = "ratio   ";

/// The comparison as text.
pub fn write(comparison: &Comparison, style: Style, symbols: Symbols) -> String {
    let names: Vec<String> = comparison.short_names().iter().map(|name| cut(name, NAME)).collect();
    let look = Look { comparison, names, style, symbols };
    let mut text = assumed_text(comparison.assumed(), style);
    text.push_str(&look.introduction());
    for block in &comparison.blocks {
        text.push('\n');
        text.push_str(&look.block(block.norm, &block.order));
    }
    text.push_str(&look.layers());
    let mut remarks = Vec::new();
    if comparison.models.len() > 1 && comparison.baseline.is_some() {
        remarks.push(look.legend());
    }
    remarks.extend(comparison.notes());
    text.push_str(&notes_text("note: ", &remarks, DIM, style));
    let errors: Vec<String> = comparison.failures().map(|(_, error)| error.to_owned()).collect();
    text.push_str(&notes_text("failed: ", &errors, WORSE, style));
    text
}

/// A name that is wider than `width`, without its middle.
fn cut(name: &str, width: usize) -> String {
    let count = name.chars().count();
    if count <= width {
        return name.to_owned();
    }
    let head: String = name.chars().take(width / 3).collect();
    let tail: String = name.chars().skip(count - (width - width / 3 - 2)).collect();
    format!("{head}..{tail}")
}

struct Look<'a> {
    comparison: &'a Comparison,
    names: Vec<String>,
    style: Style,
    symbols: Symbols,
}

/// A column of a table: the header, then a cell for each row.
struct Column {
    header: String,
    cells: Vec<Cell>,
}

#[derive(Clone, Default)]
struct Cell {
    text: String,
    style: Option<anstyle::Style>,
}

impl Column {
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| cell.text.chars().count());
        cells.fold(self.header.chars().count(), usize::max)
    }
}

impl Look<'_> {
    fn introduction(&self) -> String {
        let count = self.comparison.models.len();
        let models = if count == 1 { "1 model".to_owned() } else { format!("{count} models") };
        let baseline = match self.comparison.baseline_name() {
            Some(name) if count > 1 => format!(", compared with {name}"),
            _ => String::new(),
        };
        format!("{}\n", styled(&format!("{models}{baseline}"), BOLD, self.style))
    }

    fn legend(&self) -> String {
        let arrow = |change: Change| self.arrow(change);
        format!(
            "ratio is the least bound (marked *) divided by the baseline's; {} smaller (better), {} larger (worse), {} {} proved of L itself",
            arrow(Change::Better),
            arrow(Change::Worse),
            arrow(Change::ProvedBetter),
            arrow(Change::ProvedWorse)
        )
    }

    fn arrow(&self, change: Change) -> &'static str {
        match self.symbols {
            Symbols::Unicode => change.arrows(),
            Symbols::Ascii => change.ascii(),
        }
    }

    /// The table of one norm, with as many digits as fit.
    fn block(&self, norm: Norm, order: &[usize]) -> String {
        let name_width = order.iter().map(|&i| self.names[i].chars().count()).max();
        let name_width = name_width.unwrap_or(0).max(norm.id().len());
        let fits = |columns: &[Column]| {
            name_width + columns.iter().map(|c| c.width() + 2).sum::<usize>() <= WIDTH
        };
        let mut columns = self.columns(norm, order, 4);
        if let Some(wide) =
            [6, 5].map(|digits| self.columns(norm, order, digits)).into_iter().find(|c| fits(c))
        {
            columns = wide;
        } else if !fits(&columns) && columns.len() > 2 {
            // What matters most comes into the first part.
            let at = columns.iter().position(|c| c.header == RATIO).unwrap_or(0);
            let lower = usize::from(columns[0].header == LOWER);
            if at > lower {
                columns[lower..=at].rotate_right(1);
            }
        }
        let mut text = String::new();
        let mut columns = columns.as_slice();
        while !columns.is_empty() {
            let mut width = name_width;
            let fits = columns.iter().take_while(|column| {
                width += column.width() + 2;
                width <= WIDTH
            });
            let (now, later) = columns.split_at(fits.count().max(1));
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&self.part(norm, order, name_width, now));
            columns = later;
        }
        text
    }

    fn part(&self, norm: Norm, order: &[usize], name_width: usize, columns: &[Column]) -> String {
        let mut header = format!("{:<name_width$}", norm.id());
        for column in columns {
            header.push_str(&format!("  {:>width$}", column.header, width = column.width()));
        }
        let mut text = format!("{}\n", styled(header.trim_end(), DIM, self.style));
        for (row, &model) in order.iter().enumerate() {
            let mut line = format!("{:<name_width$}", self.names[model]);
            if self.comparison.report(model, norm).is_none() {
                let reason = match &self.comparison.models[model].outcome {
                    Err(_) => styled("failed, see below", WORSE, self.style),
                    Ok(_) => styled("not in the report", DIM, self.style),
                };
                text.push_str(&format!("{line}  {reason}\n"));
                continue;
            }
            for column in columns {
                let cell = &column.cells[row];
                let padded = format!("{:>width$}", cell.text, width = column.width());
                let padded = match cell.style {
                    Some(with) => styled(&padded, with, self.style),
                    None => padded,
                };
                line.push_str("  ");
                line.push_str(&padded);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// The lower bound, the bounds, the ratio.
    fn columns(&self, norm: Norm, order: &[usize], digits: usize) -> Vec<Column> {
        let reports: Vec<_> = order.iter().map(|&i| self.comparison.report(i, norm)).collect();
        let mut columns = Vec::new();
        if reports.iter().flatten().any(|report| report.lower.is_some()) {
            let text = |x: f64| number::lower(x, digits);
            let cells = reports.iter().map(|report| {
                let text = report.and_then(|r| r.lower).map_or(String::new(), text);
                Cell { text, style: None }
            });
            columns.push(Column { header: LOWER.to_owned(), cells: cells.collect() });
        }
        for bound in REGISTRY {
            for estimate in [false, true] {
                let cells = reports.iter().map(|report| {
                    let found = report.and_then(|report| {
                        let mut bounds = report.bounds.iter();
                        let found = bounds
                            .find(|c| c.id == bound.id() && c.is_upper_bound() != estimate)?;
                        let best = report.best().is_some_and(|b| b.upper == found.upper);
                        Some((number::upper(found.upper, digits), best && !estimate))
                    });
                    match found {
                        None => Cell::default(),
                        Some((text, true)) => Cell { text: format!("{text}*"), style: Some(BEST) },
                        Some((text, false)) if estimate => {
                            Cell { text: format!("~{text} "), style: Some(DIM) }
                        }
                        Some((text, false)) => Cell { text: format!("{text} "), style: None },
                    }
                });
                let header = format!("{}{} ", bound.name(), if estimate { "~" } else { "" });
                let column = Column { header, cells: cells.collect() };
                if column.cells.iter().any(|cell| !cell.text.is_empty()) {
                    columns.push(column.tightened());
                }
            }
        }
        if order.len() > 1 && self.comparison.baseline.is_some() {
            let cells = order.iter().map(|&i| self.ratio(i, norm));
            columns.push(Column { header: RATIO.to_owned(), cells: cells.collect() });
        }
        columns
    }

    fn ratio(&self, model: usize, norm: Norm) -> Cell {
        let ratio = self.comparison.ratio(model, norm).map_or(String::new(), ratio_text);
        let change = self.comparison.change(model, norm);
        let arrow = change.map_or("", |change| self.arrow(change));
        Cell { text: format!("{ratio} {arrow:<2}"), style: change.and_then(colour) }
    }

    /// The norms of the layers, where they were asked for.
    fn layers(&self) -> String {
        let comparison = self.comparison;
        if comparison.models.iter().all(|model| model.layers.is_none()) {
            return String::new();
        }
        let norms: Vec<Norm> = comparison.blocks.iter().map(|block| block.norm).collect();
        let mut header = format!("{:<20}", "norms of the layers");
        for norm in &norms {
            header.push_str(&format!("{:>11}{:<9}", norm.id(), "   ratio"));
        }
        let mut text = format!("\n{}\n", styled(header.trim_end(), DIM, self.style));
        let order = comparison.blocks.first().map_or(&[][..], |block| &block.order);
        for &model in order {
            match &comparison.models[model].layers {
                None => continue,
                Some(Err(reason)) => {
                    let remark = textwrap::wrap(reason, WIDTH - 2);
                    let remark: Vec<String> = remark.iter().map(|l| format!("  {l}\n")).collect();
                    text.push_str(&format!("{}\n{}", self.names[model], remark.concat()));
                }
                Some(Ok(layers)) => {
                    text.push_str(&format!("{}\n", self.names[model]));
                    for (index, layer) in layers.iter().enumerate() {
                        let mut line = format!("  {:<18}", cut(&layer.name, 18));
                        for &norm in &norms {
                            line.push_str(&self.layer(model, index, norm));
                        }
                        text.push_str(&format!("{}\n", line.trim_end()));
                    }
                }
            }
        }
        text
    }

    /// The norm of a layer and its ratio; the layer that moved most is marked.
    fn layer(&self, model: usize, index: usize, norm: Norm) -> String {
        let value = self.comparison.layers(model).and_then(|layers| layers.get(index)?.norm(norm));
        let value = value.map_or(String::new(), |x| number::upper(x, 5));
        let ratio = match self.comparison.layer_ratio(model, index, norm) {
            Some(ratio) if self.comparison.baseline != Some(model) => ratio,
            _ => return format!("{value:>11}{:9}", ""),
        };
        let change = match ratio {
            r if r < 1.0 => Change::Better,
            r if r > 1.0 => Change::Worse,
            _ => Change::Same,
        };
        let most = self.comparison.moved_most(model, norm) == Some(index);
        let mark = if most { "*" } else { " " };
        let text = format!("{:>6} {}{mark}", ratio_text(ratio), self.arrow(change));
        let text = match colour(change) {
            Some(with) if most => styled(&text, with, self.style),
            _ => text,
        };
        format!("{value:>11}{text}")
    }
}

impl Column {
    /// Without the room for a mark that no cell has.
    fn tightened(mut self) -> Column {
        if self.cells.iter().any(|cell| cell.text.ends_with('*')) {
            return self;
        }
        self.header.truncate(self.header.trim_end().len());
        for cell in &mut self.cells {
            cell.text.truncate(cell.text.trim_end().len());
        }
        self
    }
}

const WORSE: anstyle::Style =
    anstyle::Style::new().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Red)));
const BETTER: anstyle::Style =
    anstyle::Style::new().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Green)));

fn colour(change: Change) -> Option<anstyle::Style> {
    match change {
        Change::ProvedBetter | Change::Better => Some(BETTER),
        Change::Same => None,
        Change::Worse | Change::ProvedWorse => Some(WORSE),
    }
}
