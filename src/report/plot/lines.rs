//! The bounds of several models: a line for each bound, and the lower bound as a broken one.

use super::axis::LogAxis;
use super::{At, Canvas, FAINT, GRID, LINE, LOWER, MINOR_GRID, TEXT, colour, cut, width, wrapped};
use crate::bounds::REGISTRY;
use crate::report::comparison::{Block, Comparison};

const PLOT: f64 = 270.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 80.0;
const HEAD: f64 = 44.0;
/// Above the plot of a norm.
const ABOVE: f64 = 30.0;
/// The size of the names of models.
const NAME: u32 = 11;

struct Series {
    name: String,
    colour: &'static str,
    is_lower: bool,
    /// One for each model in the order of the block.
    values: Vec<Option<f64>>,
}

/// Where the models stand, and how their names are written.
struct Columns {
    names: Vec<String>,
    step: f64,
    /// Every how many-th name is written.
    every: usize,
    turned: bool,
    /// The height that the names take.
    height: f64,
    width: f64,
}

/// A panel for each norm.
pub fn draw(comparison: &Comparison) -> Canvas {
    let mut names: Vec<String> =
        comparison.short_names().iter().map(|name| cut(name, 28)).collect();
    for (name, model) in names.iter_mut().zip(&comparison.models) {
        if model.outcome.is_err() {
            name.push_str(" (failed)");
        }
    }
    let columns = Columns::new(names);
    let panel_height = ABOVE + PLOT + columns.height;
    let full = LEFT + columns.width + RIGHT;
    let assumed = wrapped(comparison.assumed(), full);
    let head = HEAD + LINE * assumed.len() as f64;
    let height = head + panel_height * comparison.blocks.len() as f64;
    let mut canvas = Canvas::new(full, height);
    let count = comparison.models.len();
    let title = format!("Bounds of the Lipschitz constant L of {count} models");
    canvas.bold((20.0, 28.0), &title, 15, At::Start, TEXT);
    canvas.caption(&assumed, 28.0 + LINE, full);
    let mut top = head;
    for block in &comparison.blocks {
        panel(&mut canvas, comparison, block, &columns, top + ABOVE);
        top += panel_height;
    }
    canvas
}

impl Columns {
    fn new(names: Vec<String>) -> Columns {
        let count = names.len().max(1) as f64;
        let widest = names.iter().map(|name| width(name, NAME)).fold(0.0, f64::max);
        // Wide enough to read; with very many models, not wider than a page.
        let total = (count * 90.0).clamp(520.0, 1000.0);
        let step = total / count;
        let turned = widest + 10.0 > step;
        // Lines of text that are turned by 35 degrees stand 0.57 of a step apart.
        let least = if turned { 23.0 } else { 0.0 };
        let every = if step >= least { 1 } else { (least / step).ceil() as usize };
        // Turned names go down to the left, by 35 degrees.
        let height = if turned { widest * 0.574 + 30.0 } else { 34.0 };
        Columns { names, step, every, turned, height, width: total }
    }

    fn place(&self, column: usize) -> f64 {
        LEFT + self.step * (column as f64 + 0.5)
    }

    fn draw(&self, canvas: &mut Canvas, order: &[usize], bottom: f64) {
        for (column, &model) in order.iter().enumerate().step_by(self.every) {
            let x = self.place(column);
            canvas.line((x, bottom), (x, bottom + 5.0), FAINT, 1.0);
            if self.turned {
                let at = (x + 4.0, bottom + 15.0);
                canvas.turned(at, &self.names[model], NAME, At::End, -35.0);
            } else {
                canvas.text((x, bottom + 19.0), &self.names[model], NAME, At::Middle, TEXT);
            }
        }
    }
}

fn panel(canvas: &mut Canvas, comparison: &Comparison, block: &Block, columns: &Columns, top: f64) {
    let (bottom, right) = (top + PLOT, LEFT + columns.width);
    canvas.bold((20.0, top - 8.0), block.norm.id(), 13, At::Start, TEXT);
    let series = series(comparison, block);
    let values = series.iter().flat_map(|series| &series.values).flatten().copied();
    let Some(axis) = LogAxis::around(values, bottom, top) else {
        canvas.text((LEFT, top + 12.0), "no positive finite bound", 12, At::Start, FAINT);
        return;
    };
    for tick in axis.ticks() {
        let colour = if tick.label.is_some() { GRID } else { MINOR_GRID };
        canvas.line((LEFT, tick.place), (right, tick.place), colour, 1.0);
        let length = if tick.label.is_some() { 6.0 } else { 3.0 };
        canvas.line((LEFT - length, tick.place), (LEFT, tick.place), FAINT, 1.0);
        if let Some(label) = tick.label {
            canvas.text((LEFT - 9.0, tick.place + 4.0), &label, 11, At::End, FAINT);
        }
    }
    canvas.line((LEFT, top), (LEFT, bottom), FAINT, 1.0);
    canvas.line((LEFT, bottom), (right, bottom), FAINT, 1.0);
    columns.draw(canvas, &block.order, bottom);
    range_of_l(canvas, comparison, block, columns, &axis);
    for series in &series {
        for run in runs(&series.values) {
            let points: Vec<(f64, f64)> = run
                .iter()
                .map(|&(column, value)| (columns.place(column), axis.place(value)))
                .collect();
            match (points.len(), series.is_lower) {
                (1, _) => {}
                (_, true) => canvas.dashes(&points, series.colour, 2.2),
                (_, false) => canvas.polyline(&points, series.colour, 2.0),
            }
            let radius = (columns.step / 7.0).clamp(1.2, 3.5);
            for point in points {
                canvas.dot(point, radius, series.colour);
            }
        }
    }
    legend(canvas, &series, columns, &axis, (top, bottom));
}

fn series(comparison: &Comparison, block: &Block) -> Vec<Series> {
    let reports: Vec<_> = block.order.iter().map(|&i| comparison.report(i, block.norm)).collect();
    let positive = |x: Option<f64>| x.filter(|x| x.is_finite() && *x > 0.0);
    let upper = |id: &str| {
        let values = reports.iter().map(|report| positive(report.and_then(|r| r.upper(id))));
        values.collect()
    };
    let bounds = REGISTRY.iter().map(|bound| Series {
        name: bound.name().to_owned(),
        colour: colour(bound.id()),
        is_lower: false,
        values: upper(bound.id()),
    });
    let mut all: Vec<Series> = bounds.collect();
    // The lower bound comes last, so that it is drawn over the others.
    all.push(Series {
        name: "L ≥".to_owned(),
        colour: LOWER,
        is_lower: true,
        values: reports.iter().map(|report| positive(report.and_then(|r| r.lower))).collect(),
    });
    all.retain(|series| series.values.iter().any(Option::is_some));
    all
}

/// The values without gaps: runs of neighbouring columns.
fn runs(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut runs: Vec<Vec<(usize, f64)>> = Vec::new();
    let mut is_open = false;
    for (column, value) in values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) if is_open => run.push((column, *value)),
            (Some(value), _) => runs.push(vec![(column, *value)]),
            (None, _) => {}
        }
        is_open = value.is_some();
    }
    runs
}

/// The band between lower and least upper bound, in which L is.
fn range_of_l(
    canvas: &mut Canvas,
    comparison: &Comparison,
    block: &Block,
    columns: &Columns,
    axis: &LogAxis,
) {
    let known = |&model: &usize| {
        let report = comparison.report(model, block.norm)?;
        let (lower, upper) = (report.lower?, report.best()?.upper);
        (lower > 0.0 && upper.is_finite()).then_some((lower, upper))
    };
    let ranges: Vec<Option<(f64, f64)>> = block.order.iter().map(known).collect();
    let uppers: Vec<Option<f64>> = ranges.iter().map(|range| range.map(|r| r.1)).collect();
    for run in runs(&uppers).into_iter().filter(|run| run.len() > 1) {
        let point = |column: usize, value: f64| (columns.place(column), axis.place(value));
        let mut outline: Vec<(f64, f64)> = run.iter().map(|&(c, x)| point(c, x)).collect();
        let below = run.iter().rev().filter_map(|&(c, _)| Some(point(c, ranges[c]?.0)));
        outline.extend(below);
        canvas.area(&outline, "#009e73", 0.10);
    }
}

/// The names of the lines at their right ends, moved apart where they would overlap.
fn legend(
    canvas: &mut Canvas,
    series: &[Series],
    columns: &Columns,
    axis: &LogAxis,
    (top, bottom): (f64, f64),
) {
    const APART: f64 = 14.0;
    let mut labels: Vec<(f64, f64, &Series)> = series
        .iter()
        .filter_map(|series| {
            let last = series.values.iter().rposition(Option::is_some)?;
            let place = axis.place(series.values[last]?);
            Some((place, columns.place(last), series))
        })
        .collect();
    // Lines that end in one place keep their order, the lower bound below the others.
    let rank = |label: &(f64, f64, &Series)| ((label.0 * 2.0).round() as i64, label.2.is_lower);
    labels.sort_by_key(rank);
    let mut places: Vec<f64> = labels.iter().map(|label| label.0).collect();
    for i in 1..places.len() {
        places[i] = places[i].max(places[i - 1] + APART);
    }
    let mut limit = bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(limit);
        limit = *place - APART;
    }
    let text = LEFT + columns.width + 14.0;
    for ((end, x, series), place) in labels.into_iter().zip(places) {
        let place = place.max(top - APART);
        canvas.line((x + 6.0, end), (text - 4.0, place), series.colour, 0.8);
        canvas.bold((text, place + 4.0), &series.name, 12, At::Start, series.colour);
    }
}
