//! `lipbound certify`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::arguments::{Reading, parse_selection};
use super::compute::{Session, lower, start_threads};
use super::memory::Memory;
use super::region::parse_radius;
use super::{Outcome, output, stated};
use crate::analysis::Selection;
use crate::bounds::REGISTRY;
use crate::bounds::certify::Certifier;
use crate::io;
use crate::io::numbers::read_table;
use crate::numeric::{Interval, Norm};
use crate::report::certification::{Certifications, Radius};

const HELP: &str = "\
The class of an input is the largest output. It is kept at every distance below
the radius, and at the radius itself nothing is said. The radius `everywhere` divides the
differences of outputs by Lipschitz bounds that hold everywhere, `nearby` by bounds
of the slopes that are possible around the input.

Examples:
  lipbound certify model.npz --activation relu --input images.npy --norm linf
  lipbound certify model.onnx --input x.json --norm l2 --radius 0.1

Exit status: 0 done (with --radius: all inputs reach it), 1 some do not, 2 an error.";

/// Arguments of `certify`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The model: a classifier
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// The inputs, one per row: npy (also a batch of images), JSON or lines of numbers
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// The norm in which inputs are moved: l1, l2 or linf
    #[arg(long, value_name = "NORM", value_parser = parse_norm)]
    pub norm: Norm,
    /// Ask whether every input keeps its class up to and at this distance
    #[arg(long, value_name = "R", allow_negative_numbers = true, value_parser = parse_radius)]
    pub radius: Option<Radius>,
    /// The bounds that hold everywhere: `default` (those that take seconds), or a list
    #[arg(long, value_name = "LIST", default_value = "default", value_parser = parse_selection)]
    pub bounds: Selection,
    /// The format of the results
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: FormatName,
    /// Write the results to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The number of threads (default: one per processor); it does not change the results
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
    #[command(flatten)]
    pub memory: Memory,
    #[command(flatten)]
    pub reading: Reading,
}

/// How the results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    /// aligned, for reading
    Table,
    /// for programs
    Json,
}

pub(super) fn parse_norm(text: &str) -> Result<Norm, String> {
    let found = Norm::ALL.into_iter().find(|norm| norm.id() == text);
    found.ok_or_else(|| format!("found {text}, expected l1, l2 or linf"))
}

/// Runs the command.
pub fn run(arguments: &'static Arguments) -> anyhow::Result<Outcome> {
    start_threads(arguments.threads)?;
    let session = Session::new(arguments.quiet, None);
    let sources = io::sources(std::slice::from_ref(&arguments.model))?;
    let source = sources.first().context("no model was given")?;
    let from = source.clone();
    let lowered = session.watched(source, move || -> anyhow::Result<_> {
        let network = io::read(&from, &arguments.reading.options(arguments.memory.bytes()))?;
        stated::demand(&network, &from)?;
        arguments.memory.check_lowering(&network, &from)?;
        lower(network, &from, &arguments.reading)
    })??;
    let table = read_table(&arguments.input, lowered.chain.inputs())?;
    let bounds = match &arguments.bounds {
        Selection::Default => Vec::new(),
        Selection::All => REGISTRY.iter().map(|bound| bound.id()).collect(),
        Selection::Named(ids) => ids.clone(),
    };
    let options = arguments.memory.limited(session.defaults());
    let certifier = Certifier::new(lowered, arguments.norm, bounds, options);
    let certifier = Arc::new(Mutex::new(certifier.with_context(|| source.display())?));
    let count = table.nearest.nrows();
    let mut inputs = Vec::with_capacity(count);
    while inputs.len() < count && !session.is_stopped() {
        let i = inputs.len();
        session.say(&format!("input {i} of {count}"));
        let numbers = (0..table.nearest.ncols()).map(|j| table.number(i, j));
        let x: Vec<Interval> = numbers.map(|number| number.enclosure).collect();
        let certifier = Arc::clone(&certifier);
        let work = move || certifier.lock().unwrap_or_else(PoisonError::into_inner).certify(&x);
        // What has begun may be finished within a second; it is missing otherwise.
        let Ok(found) = session.watched(source, work) else { break };
        inputs.push(found.with_context(|| source.display())?);
    }
    session.clear();
    let missing = count - inputs.len();
    let result = Certifications {
        model: source.display(),
        norm: arguments.norm,
        inputs,
        wanted: arguments.radius.clone(),
    };
    let text = match arguments.format {
        FormatName::Table => result.table(),
        FormatName::Json => result.json(),
    };
    match &arguments.output {
        None => output::print(&text)?,
        Some(path) => output::save(path, &text)?,
    }
    if missing > 0 {
        output::error(&anyhow::anyhow!("{missing} of {count} inputs: {}", session.missing(false)));
        return Ok(Outcome::Incomplete);
    }
    let failed = result.certified().is_some_and(|count| count < result.inputs.len());
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}
