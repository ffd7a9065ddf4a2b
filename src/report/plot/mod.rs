//! Pictures of bounds: of one model as bars, of several as lines. Pure functions that return the bytes
//! of a file; the letters of PNG files come with the program.
#![expect(
    clippy::float_arithmetic,
    reason = "places on a picture; numbers are written by `number`"
)]

mod axis;
mod bars;
mod lines;

use kuva::backend::raster::RasterBackend;
use kuva::backend::svg::SvgBackend;
use kuva::render::render::{PathData, Primitive, Scene, TextAnchor};

use super::Report;
use super::comparison::Comparison;
use crate::bounds::REGISTRY;

/// A file format of pictures. A new one is one line in [`FORMATS`].
pub struct Format {
    /// The extension of the file.
    pub extension: &'static str,
    write: fn(&Scene) -> Result<Vec<u8>, String>,
}

/// All formats.
pub const FORMATS: &[Format] =
    &[Format { extension: "svg", write: svg }, Format { extension: "png", write: png }];

/// The bounds of a comparison against the models, or of a single model as bars.
///
/// # Errors
/// Nothing to draw, or a picture that is too large.
pub fn draw(comparison: &Comparison, format: &Format) -> Result<Vec<u8>, String> {
    let reports: Vec<&Report> =
        comparison.models.iter().filter_map(|model| model.outcome.as_ref().ok()).collect();
    let canvas = match reports.as_slice() {
        [] => return Err("there is nothing to draw: no model could be bounded".to_owned()),
        [report] if comparison.models.len() == 1 => bars::draw(report),
        _ => lines::draw(comparison),
    };
    (format.write)(&canvas.scene)
}

fn svg(scene: &Scene) -> Result<Vec<u8>, String> {
    Ok(SvgBackend::new().render_scene(scene).into_bytes())
}

fn png(scene: &Scene) -> Result<Vec<u8>, String> {
    const PIXELS: f64 = 1e8;
    let scale = RasterBackend::new().scale;
    if scene.width * scene.height * f64::from(scale * scale) > PIXELS {
        return Err("the picture would be too large for PNG; SVG has no limit".to_owned());
    }
    RasterBackend::new().render_scene(scene)
}

const TEXT: &str = "#222222";
const FAINT: &str = "#777777";
const GRID: &str = "#d8d8d8";
const MINOR_GRID: &str = "#f0f0f0";
const LOWER: &str = "#222222";

/// The colour of a bound, the same in all pictures: a palette that colour-blind readers can tell apart.
fn colour(id: &str) -> &'static str {
    const PALETTE: [&str; 10] = [
        "#8c8c8c", "#e69f00", "#56b4e9", "#b8860b", "#cc79a7", "#0072b2", "#d55e00", "#a6761d",
        "#009e73", "#6a3d9a",
    ];
    let index = REGISTRY.iter().position(|bound| bound.id() == id).unwrap_or(0);
    PALETTE[index % PALETTE.len()]
}

/// A drawing with the few shapes that the pictures have.
struct Canvas {
    scene: Scene,
}

/// How a text stands at its point.
#[derive(Clone, Copy)]
enum At {
    Start,
    Middle,
    End,
}

impl Canvas {
    fn new(width: f64, height: f64) -> Canvas {
        let mut scene = Scene::new(width, height);
        scene.font_family = Some("DejaVu Sans, Verdana, Helvetica, Arial, sans-serif".to_owned());
        scene.text_color = Some(TEXT.to_owned());
        Canvas { scene }
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        self.scene.add(Primitive::Line {
            x1: from.0,
            y1: from.1,
            x2: to.0,
            y2: to.1,
            stroke: colour.into(),
            stroke_width: width,
            stroke_dasharray: None,
        });
    }

    fn polyline(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        self.scene.add(Primitive::PolyLine {
            points: points.to_vec(),
            stroke: colour.into(),
            stroke_width: width,
            stroke_dasharray: None,
        });
    }

    /// A broken line, dash by dash: the two file formats do not agree on patterns.
    fn dashes(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        const DASH: f64 = 5.0;
        const GAP: f64 = 4.5;
        let mut done = 0.0;
        for pair in points.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let at = |t: f64| {
                (from.0 + (to.0 - from.0) * t / length, from.1 + (to.1 - from.1) * t / length)
            };
            let mut start = -done % (DASH + GAP);
            while start < length {
                let end = (start + DASH).min(length);
                if end > 0.0 {
                    self.line(at(start.max(0.0)), at(end), colour, width);
                }
                start += DASH + GAP;
            }
            done += length;
        }
    }

    fn area(&mut self, points: &[(f64, f64)], colour: &str, opacity: f64) {
        let mut d = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            d.push_str(&format!("{}{x:.2} {y:.2} ", if i == 0 { "M" } else { "L" }));
        }
        d.push('Z');
        self.scene.add(Primitive::Path(Box::new(PathData {
            d,
            fill: Some(colour.into()),
            stroke: "none".into(),
            stroke_width: 0.0,
            opacity: Some(opacity),
            stroke_dasharray: None,
        })));
    }

    fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, colour: &str) {
        self.scene.add(Primitive::Rect {
            x,
            y,
            width,
            height,
            fill: colour.into(),
            stroke: None,
            stroke_width: None,
            opacity: None,
        });
    }

    fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: &str) {
        self.scene.add(Primitive::Circle {
            cx: x,
            cy: y,
            r: radius,
            fill: colour.into(),
            fill_opacity: None,
            stroke: Some("white".into()),
            stroke_width: Some(1.0),
        });
    }

    fn text(&mut self, (x, y): (f64, f64), text: &str, size: u32, at: At, colour: &str) {
        self.label((x, y), text, size, at, colour, None, false);
    }

    fn bold(&mut self, (x, y): (f64, f64), text: &str, size: u32, at: At, colour: &str) {
        self.label((x, y), text, size, at, colour, None, true);
    }

    /// Lines of text above the first panel of a picture of that width.
    fn caption(&mut self, lines: &[String], top: f64, width: f64) {
        for (row, line) in lines.iter().enumerate() {
            let y = top + LINE * row as f64;
            self.text((20.0, y), &cut(line, letters(width)), CAPTION, At::Start, TEXT);
        }
    }

    fn turned(&mut self, (x, y): (f64, f64), text: &str, size: u32, at: At, angle: f64) {
        self.label((x, y), text, size, at, TEXT, Some(angle), false);
    }

    #[allow(clippy::too_many_arguments)] // the three above are what is called
    fn label(
        &mut self,
        (x, y): (f64, f64),
        text: &str,
        size: u32,
        at: At,
        colour: &str,
        rotate: Option<f64>,
        bold: bool,
    ) {
        self.scene.add(Primitive::Text {
            x,
            y,
            // Dollars would begin a formula.
            content: text.replace('$', "\\$"),
            size,
            anchor: match at {
                At::Start => TextAnchor::Start,
                At::Middle => TextAnchor::Middle,
                At::End => TextAnchor::End,
            },
            rotate,
            bold,
            color: Some(colour.into()),
        });
    }
}

/// The size of the letters of captions, and the distance of their lines.
const CAPTION: u32 = 12;
const LINE: f64 = 17.0;

/// How many letters of a caption fit into a picture.
fn letters(width: f64) -> usize {
    ((width - 40.0) / (f64::from(CAPTION) * 0.61)) as usize
}

/// Sentences as lines that fit into a picture.
fn wrapped(sentences: impl IntoIterator<Item = String>, width: f64) -> Vec<String> {
    let lines = |sentence: String| {
        let lines = textwrap::wrap(&sentence, letters(width));
        lines.into_iter().map(|line| line.into_owned()).collect::<Vec<_>>()
    };
    sentences.into_iter().flat_map(lines).collect()
}

/// About the width of a text.
fn width(text: &str, size: u32) -> f64 {
    text.chars().count() as f64 * f64::from(size) * 0.61
}

/// A text that is at most `count` characters long, without its middle.
fn cut(text: &str, count: usize) -> String {
    let length = text.chars().count();
    if length <= count {
        return text.to_owned();
    }
    let head: String = text.chars().take(count / 3).collect();
    let tail: String = text.chars().skip(length - (count - count / 3 - 1)).collect();
    format!("{head}…{tail}")
}
