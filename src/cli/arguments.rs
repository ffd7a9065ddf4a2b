//! The arguments, from which help and completions are made.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::compare::Comparing;
use super::memory::Memory;
use super::part::Selected;
use super::region::{Limits, Margin, Region, parse_margin};
use crate::analysis::Selection;
use crate::bounds::REGISTRY;
use crate::io::{Layout, ReadOptions};
use crate::network::Activation;
use crate::numeric::Norm;
use crate::report::FORMATS;

const EXAMPLES: &str = "\
Examples:
  lipbound compute model.json --norm l1
  lipbound compute model.npz --activation tanh --bounds all
  lipbound compute w0.npy w1.npy w2.npy --format json -o report.json
  lipbound compare checkpoints/ --norm linf
  lipbound check model.onnx --norm l2 --max 20
  lipbound certify model.onnx --input images.npy --norm linf
  lipbound gradient model.npz --bound k5 -o grads.npz
  lipbound inspect model.npz
  lipbound explain k5

Exit status: 0 success, 1 a check failed, 2 an error or an interruption that
left something out, 130 or 143 ended by a SIGINT or SIGTERM a second after the first.";

/// Certified Lipschitz bounds of neural networks.
///
/// Reads the weights of a trained network and answers: how much can the output move when the input
/// moves? Every number called an upper bound is one, rounding included.
#[derive(Debug, Parser)]
#[command(name = "lipbound", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compute bounds of the Lipschitz constant of one or more models
    Compute(Compute),
    /// Compare the bounds of several models, such as the checkpoints of a training run
    #[command(after_help = super::compare::HELP)]
    Compare(Compute),
    /// Check bounds against thresholds, for scripts and CI
    Check(super::check::Arguments),
    /// Certify how far inputs can be moved before a classifier may change its answer
    Certify(super::certify::Arguments),
    /// Compute the gradient of a bound with respect to the weights, for training
    Gradient(super::gradient::Arguments),
    /// Show the layers of a model: shapes, parameters, norms
    Inspect(Inspect),
    /// Explain a bound: definition, source, cost, rounding
    Explain(Explain),
    /// Check a certificate of Ksdp again, without the solver
    Verify(Verify),
    /// Convert a model to another format (by the extension of OUT)
    Convert(Convert),
    /// Print the JSON Schema of the JSON model format
    #[command(after_help = "Examples:\n  lipbound schema > lipbound-network.schema.json")]
    Schema,
    /// Print completions for a shell
    Completions(super::manual::Completions),
    /// Write manual pages to a folder
    Man(super::manual::Man),
}

/// How models are read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading models")]
pub struct Reading {
    /// How the bounds see max-pooling: as it is, or written out with ReLUs (looser; for comparison)
    #[arg(long, value_name = "FORM", default_value = "implicit")]
    pub pooling: PoolingName,
    /// The activation between the layers, for files that hold only weights: says that the network is a plain
    /// chain of dense layers with it between them, and nothing else
    #[arg(long, value_name = "NAME", value_parser = parse_activation, conflicts_with = "arch")]
    pub activation: Option<Activation>,
    /// How weight matrices are stored: outputs x inputs (PyTorch) or inputs x outputs (Keras)
    #[arg(long, value_name = "ORDER", default_value = "out-in")]
    pub layout: LayoutName,
    /// The architecture (native JSON without weights), for files that hold only weights
    #[arg(long, value_name = "FILE")]
    pub arch: Option<PathBuf>,
    /// For .nnet files: include the normalisation of inputs and outputs in the network
    #[arg(long)]
    pub nnet_normalise: bool,
}

impl Reading {
    /// The same for the readers, which may take so many bytes.
    pub fn options(&self, memory_limit: usize) -> ReadOptions {
        ReadOptions {
            memory_limit: Some(memory_limit),
            activation: self.activation.clone(),
            layout: match self.layout {
                LayoutName::OutIn => Layout::OutIn,
                LayoutName::InOut => Layout::InOut,
            },
            arch: self.arch.clone(),
            nnet_normalise: self.nnet_normalise,
        }
    }
}

/// How the bounds see max-pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PoolingName {
    /// a nonlinearity that selects
    Implicit,
    /// layers of ReLUs
    Explicit,
}

/// The order of the axes of a weight matrix.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LayoutName {
    /// outputs x inputs
    OutIn,
    /// inputs x outputs
    InOut,
}

/// Arguments of `compute`.
#[derive(Debug, Args)]
#[command(after_help = "\
Several .npy files in a row are the weights of one model, in order; every
other file is a model of its own, and so is a directory of .npy files. `-`
reads a model from standard input.

The default bounds are those that take seconds at most for this network; `all`
computes every bound that is possible. Ctrl-C or SIGTERM ends long computations
with what they have proved so far. `best` in the reports is the least upper
bound that holds. With --baseline, --sort or --layers the models are compared as
by `lipbound compare`.

Examples:
  lipbound compute model.json --norm l1
  lipbound compute model.npz --bounds k_star,k5 --format csv
  lipbound compute w0.npy w1.npy w2.npy --activation tanh
  lipbound compute model.onnx --plot bounds.svg
  lipbound compute a.npz b.npz --baseline a.npz
  cat model.json | lipbound compute -")]
pub struct Compute {
    /// Model files
    #[arg(required = true, value_name = "MODEL")]
    pub models: Vec<PathBuf>,
    /// The norm on inputs and outputs
    #[arg(long, value_name = "NORM", default_value = "all", value_parser = norms_parser())]
    pub norm: Norms,
    /// `default`, `all`, or a list of bounds such as k_star,k1,k5
    #[arg(long, value_name = "LIST", default_value = "default", value_parser = parse_selection)]
    pub bounds: Selection,
    /// The format of the report
    #[arg(long, value_name = "FORMAT", default_value = FORMATS[0].name, value_parser = formats_parser())]
    pub format: String,
    #[command(flatten)]
    pub selected: Selected,
    /// Also show numbers of which nothing is proved (greedy K2), marked as estimates
    #[arg(long)]
    pub estimates: bool,
    /// Leave out the lower bound of L, which is searched for by sampling
    #[arg(long)]
    pub no_lower: bool,
    /// The largest depth for which K4 sums over its 2^depth subsets
    #[arg(long, value_name = "LAYERS", default_value_t = 20)]
    pub k4_depth_limit: usize,
    /// The multiplications that products of layers may take in K1 and K5 of large networks; beyond them the products
    /// end early and the bounds are larger (`inf`: all products)
    #[arg(long, value_name = "N", default_value = "5e12", value_parser = parse_work)]
    pub product_work: f64,
    /// The number of threads (default: one per processor); it does not change the results
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Write the multipliers that prove Ksdp to a file, for `lipbound verify`
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// Print nothing but the report
    #[arg(long, short)]
    pub quiet: bool,
    /// Write the report to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Bound f_I - f_J instead of the outputs; `all` for each pair, in a report of its own
    #[arg(long, value_name = "I,J|all", value_parser = parse_margin, conflicts_with = "outputs")]
    pub margin: Option<Margin>,
    #[command(flatten)]
    pub region: Region,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub memory: Memory,
    #[command(flatten)]
    pub comparing: Comparing,
    #[command(flatten)]
    pub reading: Reading,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lipbound inspect model.npz
  lipbound inspect model.onnx w0.npy w1.npy

The norms are upper bounds of those of the layers' linear parts;
`lipbound compare --layers` compares them between models.")]
pub struct Inspect {
    /// Model files
    #[arg(required = true, value_name = "MODEL")]
    pub models: Vec<PathBuf>,
    #[command(flatten)]
    pub reading: Reading,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lipbound explain                # all bounds, and how they compare
  lipbound explain k5
  lipbound explain activations    # all activations, with their slopes")]
pub struct Explain {
    /// A bound (k_star, k5, ...), or `activations`; without it, an overview
    #[arg(value_name = "BOUND")]
    pub topic: Option<String>,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lipbound compute model.onnx --bounds k_sdp --certificate proof.json
  lipbound verify proof.json model.onnx

Exit status: 0 verified, 1 rejected, 2 an error.")]
pub struct Verify {
    /// The certificate that `lipbound compute --certificate` wrote
    #[arg(value_name = "CERTIFICATE")]
    pub certificate: PathBuf,
    /// The model, with the parts and the box that the certificate is for, as they were given to `compute`
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    #[command(flatten)]
    pub selected: Selected,
    #[command(flatten)]
    pub region: Region,
    #[command(flatten)]
    pub reading: Reading,
}

/// Arguments of `convert`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lipbound convert model.onnx model.json
  lipbound convert weights.npz model.json --activation tanh")]
pub struct Convert {
    /// The model to read
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// The file to write
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    #[command(flatten)]
    pub reading: Reading,
}

/// The norms that were asked for.
#[derive(Debug, Clone)]
pub struct Norms(pub Vec<Norm>);

/// Reads the name of a norm, or `all`.
pub(super) fn norms_parser() -> impl TypedValueParser<Value = Norms> {
    let values = Norm::ALL.iter().map(|norm| PossibleValue::new(norm.id()));
    let all = PossibleValue::new("all");
    PossibleValuesParser::new(values.chain([all])).map(|text| {
        let chosen: Vec<Norm> = Norm::ALL.into_iter().filter(|norm| norm.id() == text).collect();
        Norms(if chosen.is_empty() { Norm::ALL.to_vec() } else { chosen })
    })
}

fn formats_parser() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(
        FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.about)),
    )
}

/// Reads the names of bounds.
pub(super) fn parse_selection(text: &str) -> Result<Selection, String> {
    match text {
        "default" | "best" => return Ok(Selection::Default),
        "all" => return Ok(Selection::All),
        _ => {}
    }
    let wanted: Vec<&str> =
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let known: Vec<&'static str> = REGISTRY.iter().map(|bound| bound.id()).collect();
    for name in &wanted {
        if !known.contains(name) {
            return Err(unknown("bound", name, &known, "default and all"));
        }
    }
    if wanted.is_empty() {
        return Err("found no name of a bound".to_owned());
    }
    Ok(Selection::Named(known.into_iter().filter(|id| wanted.contains(id)).collect()))
}

fn parse_work(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x: &f64| *x >= 0.0);
    number.ok_or_else(|| "expected a number of multiplications such as 1e13, or inf".to_owned())
}

pub(super) fn parse_activation(text: &str) -> Result<Activation, String> {
    let names: Vec<&'static str> = Activation::all().iter().map(Activation::name).collect();
    Activation::parse(text)
        .ok_or_else(|| unknown("activation", text, &names, "their usual other names"))
}

/// The message for a name that is not known, with the nearest one that is.
pub fn unknown(what: &str, name: &str, known: &[&str], also: &str) -> String {
    const SHOWN: usize = 60;
    let nearest = known
        .iter()
        .map(|k| (strsim::jaro_winkler(name, k), k))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = nearest.map_or(String::new(), |(_, k)| format!(" (did you mean {k}?)"));
    let also = if also.is_empty() { String::new() } else { format!(", and {also}") };
    let some = known.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    let more = if known.len() > SHOWN { ", ..." } else { "" };
    format!("unknown {what} {name}{hint}; known are {some}{more}{also}")
}
