//! What is told to the user: the answers for one network, and one file per output format.
//!
//! Everything here is a pure function of a [`Report`]; nothing is printed.

// What is shown of a bound is rounded in its direction (`report::number`), and bounds are combined by
// operations of `numeric::rounding`: all others say at their place what they are for. Tests may calculate
// freely.
#![cfg_attr(not(test), warn(clippy::float_arithmetic))]

pub mod certification;
pub mod check;
pub mod comparison;
pub mod csv;
pub mod json;
pub mod markdown;
pub mod number;
pub mod part;
pub mod plot;
pub mod table;

pub use crate::analysis::NormReport;
use crate::bounds::Problem;
use comparison::Comparison;
use part::Part;

/// The answers for one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The model's name, as the user gave it.
    pub model: String,
    /// Its size, for the reader.
    pub summary: String,
    /// The inputs and outputs that the bounds are for, in words; `None` for all of them.
    pub scope: Option<String>,
    /// Which part of the model that is, where it is some outputs or some inputs; they end the scope.
    pub part: Option<Part>,
    /// What was assumed while reading it, because neither the file nor the user says it; each sentence goes on
    /// from "assuming". It is said first, in every format.
    pub assumed: Vec<String>,
    /// What else was remarked.
    pub notes: Vec<String>,
    /// The answers, norm by norm.
    pub norms: Vec<NormReport>,
}

impl Report {
    /// Adds what another report of the same model assumes.
    pub fn assume(&mut self, more: &[String]) {
        for sentence in more {
            if !self.assumed.contains(sentence) {
                self.assumed.push(sentence.clone());
            }
        }
    }

    /// Whether an interruption left out a bound that was asked for.
    pub fn is_interrupted(&self) -> bool {
        self.norms.iter().any(NormReport::is_interrupted)
    }
}

/// The formats in which reports are written. A new one is one file here and one line in
/// [`FORMATS`].
pub struct Format {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// Writes the reports; with styles only where asked for.
    pub write: fn(&[Report], Style) -> String,
    /// Writes a comparison of several models.
    pub compare: fn(&Comparison, Style, Symbols) -> String,
}

/// Whether the text is for a terminal that shows colours, and how wide it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// No escape sequences.
    Plain,
    /// With colours.
    Coloured,
}

/// Which characters a text may have, outside names that the user gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbols {
    /// ASCII only.
    Ascii,
    /// Arrows and other symbols too.
    Unicode,
}

/// All output formats, the default first.
#[rustfmt::skip] // one line for each format
pub const FORMATS: &[Format] = &[
    Format { name: "table", about: "aligned, for reading", write: table::write, compare: comparison::table::write },
    Format { name: "json", about: "for programs; see docs/json.md", write: json::write, compare: json::compare },
    Format { name: "csv", about: "one row per model, norm and bound", write: csv::write, compare: csv::compare },
    Format { name: "markdown", about: "for a page or a job summary", write: markdown::write, compare: markdown::compare },
];

/// What is assumed, in lines of text.
pub fn assuming(assumed: &[String]) -> impl Iterator<Item = String> + '_ {
    assumed.iter().map(|sentence| format!("assuming {sentence}"))
}

/// A line on the size of a network.
pub fn summary(problem: &Problem) -> String {
    let chain = problem.chain();
    let plural =
        |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    let pools = chain.slopes().iter().filter(|s| s.diagonal().is_none()).count();
    let layers = plural(chain.depth() - pools, "hidden layer");
    let pools =
        if pools == 0 { String::new() } else { format!(", {}", plural(pools, "max-pooling")) };
    format!(
        "{} -> {}, {layers}{pools}, {}",
        plural(chain.inputs(), "input"),
        plural(chain.outputs(), "output"),
        plural(chain.neurons(), "neuron")
    )
}
