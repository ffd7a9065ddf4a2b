//! The bounds of one model: a bar for each, and the lower bound as a line.

use super::axis::LogAxis;
use super::{At, Canvas, FAINT, GRID, LINE, LOWER, MINOR_GRID, TEXT, colour, cut, width, wrapped};
use crate::bounds::find;
use crate::report::{NormReport, Report, assuming, number};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 110.0;
const HEAD: f64 = 58.0;
const ROW: f64 = 24.0;
/// Above the bars of a norm (title and label of the lower bound), and below them (numbers).
const ABOVE: f64 = 42.0;
const BELOW: f64 = 38.0;

/// A panel for each norm.
pub fn draw(report: &Report) -> Canvas {
    let rows = |norm: &NormReport| norm.bounds.len().max(1) as f64;
    let heights = report.norms.iter().map(|norm| ABOVE + ROW * rows(norm) + BELOW);
    let assumed = wrapped(assuming(&report.assumed), WIDTH);
    let head = HEAD + LINE * assumed.len() as f64;
    let mut canvas = Canvas::new(WIDTH, head + heights.sum::<f64>());
    canvas.bold((20.0, 28.0), &cut(&report.model, 80), 15, At::Start, TEXT);
    let scope = report.scope.as_ref().map_or(String::new(), |scope| format!("; {scope}"));
    let line = cut(&format!("{}{scope}", report.summary), 100);
    canvas.text((20.0, 47.0), &line, 12, At::Start, FAINT);
    canvas.caption(&assumed, 47.0 + LINE, WIDTH);
    let mut top = head;
    for norm in &report.norms {
        panel(&mut canvas, norm, top);
        top += ABOVE + ROW * rows(norm) + BELOW;
    }
    canvas
}

fn panel(canvas: &mut Canvas, norm: &NormReport, top: f64) {
    let (first, bottom) = (top + ABOVE, top + ABOVE + ROW * norm.bounds.len() as f64);
    canvas.bold((20.0, first - 12.0), norm.norm.id(), 13, At::Start, TEXT);
    let values = norm.bounds.iter().map(|c| c.upper).chain(norm.lower);
    let Some(axis) = LogAxis::around(values, LEFT, WIDTH - RIGHT) else {
        canvas.text((LEFT, first + 12.0), "no positive finite bound", 12, At::Start, FAINT);
        return;
    };
    for tick in axis.ticks() {
        let colour = if tick.label.is_some() { GRID } else { MINOR_GRID };
        canvas.line((tick.place, first), (tick.place, bottom), colour, 1.0);
        let length = if tick.label.is_some() { 6.0 } else { 3.0 };
        canvas.line((tick.place, bottom), (tick.place, bottom + length), FAINT, 1.0);
        if let Some(label) = tick.label {
            canvas.text((tick.place, bottom + 19.0), &label, 11, At::Middle, FAINT);
        }
    }
    let best = norm.best().map(|best| best.upper);
    let place_of_lower = norm.lower.filter(|&lower| lower > 0.0).map(|lower| axis.place(lower));
    for (row, certificate) in norm.bounds.iter().enumerate() {
        let y = first + ROW * row as f64;
        let name = find(certificate.id).map_or(certificate.id, |bound| bound.name());
        let is_estimate = !certificate.is_upper_bound();
        let name = if is_estimate { format!("~{name}") } else { name.to_owned() };
        let is_best = Some(certificate.upper) == best && !is_estimate;
        let end = axis.place(certificate.upper);
        canvas.rectangle(LEFT, y + 4.0, end - LEFT, ROW - 8.0, colour(certificate.id));
        let value = number::upper(certificate.upper, 6);
        let value = match (is_estimate, is_best) {
            (true, _) => format!("~{value} (estimate)"),
            (_, true) => format!("{value} best"),
            _ => value,
        };
        let mut place = end + 6.0;
        if place_of_lower.is_some_and(|x| x > place - 4.0 && x < place + width(&value, 12)) {
            // Beside the line of the lower bound, not on it.
            place = place_of_lower.unwrap_or(place) + 6.0;
        }
        if is_best {
            canvas.bold((LEFT - 8.0, y + 16.0), &name, 12, At::End, TEXT);
            canvas.bold((place, y + 16.0), &value, 12, At::Start, TEXT);
        } else {
            canvas.text((LEFT - 8.0, y + 16.0), &name, 12, At::End, TEXT);
            canvas.text((place, y + 16.0), &value, 12, At::Start, TEXT);
        }
    }
    canvas.line((LEFT, first), (LEFT, bottom), FAINT, 1.0);
    canvas.line((LEFT, bottom), (WIDTH - RIGHT, bottom), FAINT, 1.0);
    if let (Some(lower), Some(x)) = (norm.lower, place_of_lower) {
        canvas.dashes(&[(x, first - 8.0), (x, bottom)], LOWER, 1.6);
        let label = format!("L ≥ {}", number::lower(lower, 6));
        // The label stands where it is within the picture and beside the name of the norm.
        let half = width(&label, 12) / 2.0;
        let middle = x.clamp(LEFT + half, WIDTH - 20.0 - half);
        canvas.text((middle, first - 13.0), &label, 12, At::Middle, TEXT);
    }
}
