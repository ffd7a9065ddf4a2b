//! `lipbound compute`.

use anyhow::{Context, bail};

use super::arguments::{Compute, Selection};
use super::{Outcome, output};
use crate::bounds::lower::lower_bounds;
use crate::bounds::{Bound, Cost, Options, Problem, REGISTRY};
use crate::io::{self, Source};
use crate::numeric::Norm;
use crate::report::{FORMATS, NormReport, Report, Style, summary};

/// Runs the command.
pub fn run(arguments: &Compute) -> anyhow::Result<Outcome> {
    if let Some(threads) = arguments.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads));
        pool.build_global().context("cannot start the threads")?;
    }
    let sources = io::sources(&arguments.models)?;
    let single = sources.len() == 1;
    let (mut reports, mut failed) = (Vec::new(), false);
    for source in &sources {
        match report(source, arguments) {
            Ok(report) => reports.push(report),
            Err(error) if single => return Err(error),
            Err(error) => {
                // The other models are independent of this one.
                output::error(&error);
                failed = true;
            }
        }
    }
    let format = FORMATS.iter().find(|format| format.name == arguments.format);
    let Some(format) = format else { bail!("unknown format {}", arguments.format) };
    if !reports.is_empty() {
        match &arguments.output {
            None => output::print(&(format.write)(&reports, output::style()))?,
            Some(path) => output::save(path, &(format.write)(&reports, Style::Plain))?,
        }
    }
    Ok(if failed { Outcome::Incomplete } else { Outcome::Done })
}

fn report(source: &Source, arguments: &Compute) -> anyhow::Result<Report> {
    let network = io::read(source, &arguments.reading.options())?;
    let mut lowered = network.lower().with_context(|| source.display())?;
    if !arguments.outputs.is_empty() {
        let count = lowered.chain.outputs();
        if let Some(bad) = arguments.outputs.iter().find(|&&i| i >= count) {
            bail!(
                "{}: --outputs asks for output {bad}, but the model has the outputs 0 to {}",
                source.display(),
                count - 1
            );
        }
        lowered = lowered.select_outputs(&arguments.outputs);
    }
    let options = Options {
        k4_depth_limit: arguments.k4_depth_limit,
        enumeration_limit: arguments.enumeration_limit,
        estimates: arguments.estimates,
        ..Options::default()
    };
    let problem = Problem::new(lowered, options);
    let norms = &arguments.norm.0;
    let lowers: Vec<Option<f64>> = if arguments.no_lower {
        vec![None; norms.len()]
    } else {
        lower_bounds(&problem, norms).into_iter().map(Some).collect()
    };
    let norms = norms
        .iter()
        .zip(lowers)
        .map(|(&norm, lower)| norm_report(&problem, norm, lower, &arguments.bounds))
        .collect();
    let notes = if arguments.quiet { Vec::new() } else { network.notes.clone() };
    Ok(Report { model: source.display(), summary: summary(&problem), notes, norms })
}

fn norm_report(
    problem: &Problem,
    norm: Norm,
    lower: Option<f64>,
    selection: &Selection,
) -> NormReport {
    let mut report = NormReport { norm, lower, bounds: Vec::new(), refused: Vec::new() };
    for &bound in REGISTRY {
        let cost = bound.cost(problem, norm);
        let wanted = match selection {
            Selection::Default => cost == Cost::Cheap,
            Selection::All => true,
            Selection::Named(ids) => ids.contains(&bound.id()),
        };
        if wanted {
            add(&mut report, bound, problem);
        }
    }
    report
}

fn add(report: &mut NormReport, bound: &dyn Bound, problem: &Problem) {
    match bound.compute(problem, report.norm) {
        Ok(certificate) => report.bounds.push(certificate),
        Err(refusal) => report.refused.push((bound.id(), refusal.to_string())),
    }
    if problem.options().estimates {
        report.bounds.extend(bound.estimate(problem, report.norm));
    }
}
