//! `lipbound gradient`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use ndarray::ArrayD;

use super::arguments::{PoolingName, Reading, unknown};
use super::certify::parse_norm;
use super::compute::{lower, start_threads};
use super::memory::Memory;
use super::{Outcome, output};
use crate::bounds::gradient::{available, gradient};
use crate::bounds::{self, Options, Problem, find};
use crate::io;
use crate::network::layers::show_shape;
use crate::network::pull_back::{Parameter, SlopeEnds};
use crate::numeric::Norm;
use crate::report::{assuming, number};

const HELP: &str = "\
Written is one array for each weight and bias of the file, and for the learnt
slopes of PReLU, under its name and in its shape, so that `w - rate * grads[name]`
is a step of gradient descent. Biases do not enter the bounds: their gradient is
0. The statistics of batch normalisations are taken as constants.

The gradient is ordinary floating point; nothing of it is certified. Where the
bound is not differentiable it is a subgradient: of equal rows, columns or
elements of a window the first, and 0 for |w| at w = 0. Each bound is homogeneous
in each layer's weights, so the sum of the entries of W * grads[W] is the bound.

Examples:
  lipbound gradient model.npz --bound k5 -o grads.npz
  lipbound gradient model.npz --bound k_star --norm l2 -o grads.npz
  lipbound gradient model.json --bound k3 --norm l1    # the table only";

/// Arguments of `gradient`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The model
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// The bound: k_star, k1, k3, k4 or k5
    #[arg(long, value_name = "BOUND", value_parser = parse_bound)]
    pub bound: &'static str,
    /// The norm on inputs and outputs: l1, l2 or linf
    #[arg(long, value_name = "NORM", default_value = "linf", value_parser = parse_norm)]
    pub norm: Norm,
    /// The file for the gradient (.npz)
    #[arg(long, short, value_name = "FILE", value_parser = parse_output)]
    pub output: Option<PathBuf>,
    /// The largest depth for which K4 sums over its 2^depth subsets
    #[arg(long, value_name = "LAYERS", default_value_t = 20)]
    pub k4_depth_limit: usize,
    /// The number of threads (default: one per processor)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Print no notes
    #[arg(long, short)]
    pub quiet: bool,
    #[command(flatten)]
    pub memory: Memory,
    #[command(flatten)]
    pub reading: Reading,
}

fn parse_bound(text: &str) -> Result<&'static str, String> {
    let known: Vec<&'static str> = available().collect();
    if let Some(id) = known.iter().find(|id| **id == text) {
        return Ok(id);
    }
    Err(match find(text) {
        Some(_) => format!("{text} has no gradient; available are {}", known.join(", ")),
        None => unknown("bound", text, &known, ""),
    })
}

fn parse_output(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("npz") => Ok(path),
        _ => Err("the gradient is written as NPZ; give a name that ends in .npz".to_owned()),
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    start_threads(arguments.threads)?;
    if arguments.reading.pooling == PoolingName::Explicit {
        bail!(
            "--pooling explicit: the layers that it adds are not those of the file; the gradient is that of the bound with max-poolings as they are"
        );
    }
    let sources = io::sources(std::slice::from_ref(&arguments.model))?;
    let source = sources.first().context("no model was given")?;
    let network = io::read(source, &arguments.reading.options(arguments.memory.bytes()))?;
    arguments.memory.check_lowering(&network, source)?;
    let lowered = lower(network.clone(), source, &arguments.reading)?;
    let options = Options { k4_depth_limit: arguments.k4_depth_limit, ..Options::default() };
    let problem = Problem::new(lowered, arguments.memory.limited(options));
    let bound = find(arguments.bound).context("unknown bound")?;
    let upper =
        bounds::compute(bound, &problem, arguments.norm).with_context(|| source.display())?.upper;
    let found = gradient(&problem, arguments.bound, arguments.norm);
    let found = found.with_context(|| source.display())?;
    let slopes: Vec<SlopeEnds<'_>> =
        found.slopes.iter().map(|g| (g.alpha.as_slice(), g.beta.as_slice())).collect();
    let parameters = network.pull_back(&found.maps, &slopes).with_context(|| source.display())?;
    if let Some(path) = &arguments.output {
        save(path, &parameters)?;
    }
    let assumed: String = assuming(&network.assumed).map(|line| line + "\n").collect();
    let title = format!(
        "{assumed}{}\n{} in {} is at most {}\n\n",
        source.display(),
        bound.name(),
        arguments.norm,
        number::upper(upper, 6)
    );
    output::print(&(title + &table(&parameters)))?;
    if !arguments.quiet {
        network.notes.iter().for_each(|note| output::note(note));
        for (index, node) in network.nodes.iter().enumerate() {
            if node.layer.kind() == "prelu" && !network.learns_slopes(index) {
                let note = "they are not in the file, so they are taken as constants";
                output::note(&format!("the slopes of {}: {note}", node.name));
            }
        }
    }
    Ok(Outcome::Done)
}

fn save(path: &Path, parameters: &[Parameter]) -> anyhow::Result<()> {
    let arrays: Vec<(String, ArrayD<f64>)> =
        parameters.iter().map(|p| (p.name.clone(), p.gradient.clone())).collect();
    let bytes = io::npz::archive(&arrays)
        .map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))?;
    output::save_bytes(path, &bytes)
}

/// One row for each parameter that enters the bound.
#[expect(clippy::float_arithmetic, reason = "of derivatives, of which nothing is certified")]
fn table(parameters: &[Parameter]) -> String {
    let width = parameters.iter().map(|p| p.name.chars().count()).fold(20, usize::max);
    let mut text = format!(
        "{:<width$} {:<14} {:>12} {:>12} {:>9}\n",
        "gradient of", "shape", "l2 norm", "largest", "nonzero"
    );
    for parameter in parameters {
        let entries = &parameter.gradient;
        let nonzero = entries.iter().filter(|&&x| x != 0.0).count();
        if nonzero == 0 {
            continue;
        }
        let norm = entries.iter().map(|x| x * x).sum::<f64>().sqrt();
        let largest = entries.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let share = 100.0 * nonzero as f64 / entries.len() as f64;
        text.push_str(&format!(
            "{:<width$} {:<14} {:>12} {:>12} {:>8.1}%\n",
            parameter.name,
            show_shape(entries.shape()),
            short(norm),
            short(largest),
            share
        ));
    }
    text
}

/// Five significant digits, rounded to nearest: nothing is certified here.
fn short(x: f64) -> String {
    number::nearest(x, 5)
}
