//! `lipbound compare`, and `lipbound compute` where it is asked to compare.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::arguments::{Compute, unknown};
use super::compute::{Session, report_of, restricted, start_threads};
use super::inputs::{self, Item};
use super::{Outcome, output};
use crate::analysis::Selection;
use crate::bounds::REGISTRY;
use crate::io::{self, Source};
use crate::report::comparison::{Comparison, Model, Order, join_parts, layers};
use crate::report::{FORMATS, NormReport, Report, Style, Symbols};

/// What follows the options in the help of `lipbound compare`.
pub const HELP: &str = "\
MODEL is a model file, a folder of them, a pattern ('run/*.npz', quoted where
the shell does not know it), or a report that `lipbound compute --format json`
wrote, on this machine or another. A model that cannot be read is a row with
its error, the others go on, and the exit status is 2.

Examples:
  lipbound compare checkpoints/ --norm linf
  lipbound compare 'run/epoch*.npz' --baseline epoch0 --sort best
  lipbound compare before.npz after.npz --layers
  lipbound compare reports/*.json --format markdown";

/// What is compared, and how it is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Comparing models")]
pub struct Comparing {
    /// Compare with this model: one of those given, another file, or a report of one model
    /// [default of compare: the first]
    #[arg(long, value_name = "MODEL")]
    pub baseline: Option<PathBuf>,
    /// Sort by `name` (epoch2 before epoch10), `given`, `best`, `lower`, or a bound such as k5
    #[arg(long, value_name = "KEY", value_parser = parse_order)]
    pub sort: Option<Order>,
    /// Also show the norms of the layers, and which of them moved most
    #[arg(long)]
    pub layers: bool,
    /// Also draw the bounds, as .svg or .png: one model as bars, several as lines
    #[arg(long, value_name = "FILE", value_parser = super::plot::parse)]
    pub plot: Option<PathBuf>,
}

impl Comparing {
    /// Whether `compute` is asked to compare.
    pub fn is_wanted(&self) -> bool {
        self.baseline.is_some() || self.sort.is_some() || self.layers
    }
}

fn parse_order(text: &str) -> Result<Order, String> {
    let mut known = vec!["name", "given", "best", "lower"];
    known.extend(REGISTRY.iter().map(|bound| bound.id()));
    match text {
        "name" => Ok(Order::Name),
        "given" => Ok(Order::Given),
        "best" => Ok(Order::Best),
        "lower" => Ok(Order::Lower),
        _ => match REGISTRY.iter().find(|bound| bound.id() == text) {
            Some(bound) => Ok(Order::Bound(bound.id())),
            None => Err(unknown("key", text, &known, "")),
        },
    }
}

/// Runs the command.
pub fn run(arguments: &'static Compute) -> anyhow::Result<Outcome> {
    if arguments.margin.is_some() {
        bail!("--margin is for `lipbound compute` without --baseline, --sort and --layers");
    }
    start_threads(arguments.threads)?;
    if arguments.certificate.is_some() {
        bail!("--certificate belongs to the bounds of one model; use `lipbound compute` for it");
    }
    let mut items = inputs::items(&arguments.models)?;
    let baseline = arguments.comparing.baseline.as_deref();
    if let Some(path) = baseline.filter(|path| !is_among(path, &items) && path.exists()) {
        items.splice(0..0, inputs::items(&[path.to_owned()])?);
    }
    let session = Session::new(arguments.quiet, arguments.limits.time_limit);
    let mut models = join_parts(models(&items, arguments, &session));
    session.clear();
    if arguments.quiet {
        models.iter_mut().filter_map(|m| m.outcome.as_mut().ok()).for_each(|r| r.notes.clear());
    }
    let interrupted =
        models.iter().any(|model| model.outcome.as_ref().is_ok_and(Report::is_interrupted));
    let order = arguments.comparing.sort.unwrap_or(Order::Name);
    let number = match baseline {
        Some(path) => Some(find_baseline(path, &models)?),
        None => first(&models, order),
    };
    let comparison = Comparison::new(models, number, order);
    let format = FORMATS.iter().find(|format| format.name == arguments.format);
    let Some(format) = format else { bail!("unknown format {}", arguments.format) };
    match &arguments.output {
        None => output::print(&(format.compare)(&comparison, output::style(), output::symbols()))?,
        Some(path) => {
            output::save(path, &(format.compare)(&comparison, Style::Plain, Symbols::Ascii))?;
        }
    }
    let mut outcome = if interrupted { Outcome::Incomplete } else { Outcome::Done };
    for (_, error) in comparison.failures() {
        if arguments.output.is_some() || !output::is_terminal() {
            output::error(&anyhow::anyhow!("{error}"));
        }
        outcome = Outcome::Incomplete;
    }
    // After the report, which must not be lost where the picture cannot be written.
    if let Some(path) = &arguments.comparing.plot {
        super::plot::save(path, &comparison)?;
    }
    Ok(outcome)
}

/// Bounds of all items; what fails is an entry with its error.
fn models(items: &[Item], arguments: &'static Compute, session: &Session) -> Vec<Model> {
    let mut models = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match item {
            Item::Model(source) => {
                session.say(&format!("{} of {}: {}", index + 1, items.len(), source.display()));
                let share = session.share(items.len() - index);
                add(&mut models, computed(source, arguments, &share), "computed here", arguments);
            }
            Item::Report(path) => match inputs::reports(path) {
                Ok(reports) => {
                    for report in reports {
                        let label = path.display().to_string();
                        add(&mut models, reported(report, arguments), &label, arguments);
                    }
                }
                Err(error) => models.push(Model {
                    name: path.display().to_string(),
                    outcome: Err(output::describe(&error)),
                    layers: None,
                }),
            },
        }
    }
    models
}

fn computed(source: &Source, arguments: &'static Compute, session: &Session) -> Model {
    let name = source.display();
    if session.is_stopped() {
        return Model { name, outcome: Err(session.missing(false).to_owned()), layers: None };
    }
    let from = source.clone();
    let done = session.watched(source, move || -> anyhow::Result<_> {
        let network = io::read(&from, &arguments.reading.options(arguments.memory.bytes()))?;
        let kept = arguments.comparing.layers.then(|| network.clone());
        let found = restricted(network, &from, arguments)?;
        Ok((found, kept.map(|network| layers::layer_norms(&network, &arguments.norm.0))))
    });
    match done.and_then(|found| found) {
        Ok((found, layers)) => {
            let report = report_of(found, None, source, arguments, session);
            Model { name, outcome: Ok(report), layers }
        }
        Err(error) => Model { name, outcome: Err(output::describe(&error)), layers: None },
    }
}

/// The part of a report that was asked for.
fn selected(mut report: Report, arguments: &Compute) -> Report {
    report.norms.retain(|norm| arguments.norm.0.contains(&norm.norm));
    for norm in &mut report.norms {
        if let Selection::Named(ids) = &arguments.bounds {
            norm.bounds.retain(|bound| ids.contains(&bound.id));
        }
        norm.bounds.retain(|bound| arguments.estimates || bound.is_upper_bound());
        norm.lower = norm.lower.filter(|_| !arguments.no_lower);
    }
    if arguments.quiet {
        report.notes.clear();
    }
    report
}

/// What a report says of a model, as far as it was asked for.
fn reported(report: Report, arguments: &Compute) -> Model {
    let reason = "a report holds no norms of layers; compare the model's file itself";
    let layers = arguments.comparing.layers.then(|| Err(reason.to_owned()));
    Model { name: report.model.clone(), outcome: Ok(selected(report, arguments)), layers }
}

/// Adds a model. What is known of the same model and does not contradict becomes one, so that norms and
/// bounds can be computed on several machines; otherwise `label` tells them apart.
fn add(models: &mut Vec<Model>, mut model: Model, label: &str, arguments: &Compute) {
    if let Ok(new) = &model.outcome {
        let same = |known: &&mut Model| {
            known.outcome.as_ref().is_ok_and(|old| old.model == new.model && agree(old, new))
        };
        let found = models.iter_mut().find(same);
        if let Some(Model { outcome: Ok(old), layers, .. }) = found {
            merge(old, new.clone());
            // The name is all that tells that they are of one model.
            let note = "reports of models with the same name are put together";
            if !arguments.quiet && !old.notes.iter().any(|known| known == note) {
                old.notes.push(note.to_owned());
            }
            if model.layers.as_ref().is_some_and(Result::is_ok) {
                *layers = model.layers;
            }
            return;
        }
        if models.iter().any(|known| known.name == model.name && known.outcome.is_ok()) {
            model.name = format!("{} ({label})", model.name);
        }
    }
    models.push(model);
}

/// Whether two reports of a model are of the same inputs and outputs, and have no different numbers under
/// the same name.
fn agree(a: &Report, b: &Report) -> bool {
    if a.scope != b.scope || a.part != b.part {
        return false;
    }
    let pairs = a.norms.iter().flat_map(|x| b.norms.iter().map(move |y| (x, y)));
    pairs.filter(|(x, y)| x.norm == y.norm).all(|(x, y)| {
        let upper = |norm: &NormReport| norm.best().map_or(f64::INFINITY, |best| best.upper);
        let fits = |x: &NormReport, y: &NormReport| x.lower.is_none_or(|lower| lower <= upper(y));
        let same = |id: &str| match (x.upper(id), y.upper(id)) {
            (Some(x), Some(y)) => x == y,
            _ => true,
        };
        fits(x, y) && fits(y, x) && REGISTRY.iter().all(|bound| same(bound.id()))
    })
}

fn merge(known: &mut Report, report: Report) {
    known.assume(&report.assumed);
    for norm in report.norms {
        let Some(old) = known.norms.iter_mut().find(|old| old.norm == norm.norm) else {
            known.norms.push(norm);
            continue;
        };
        old.lower = match (old.lower, norm.lower) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        for bound in norm.bounds {
            if !old.bounds.iter().any(|b| b.id == bound.id && b.guarantee == bound.guarantee) {
                old.bounds.push(bound);
            }
        }
        let place = |id: &str| REGISTRY.iter().position(|bound| bound.id() == id);
        old.bounds.sort_by_key(|bound| place(bound.id));
        old.refused.extend(norm.refused);
        let bounds = &old.bounds;
        old.refused.retain(|(id, _)| !bounds.iter().any(|b| b.id == *id));
    }
}

fn is_among(path: &Path, items: &[Item]) -> bool {
    let shown = path.display().to_string();
    items.iter().any(|item| match item {
        Item::Model(source) => source.display() == shown,
        Item::Report(file) => file == path,
    })
}

/// The first model that has bounds.
fn first(models: &[Model], order: Order) -> Option<usize> {
    let mut numbers: Vec<usize> = (0..models.len()).collect();
    if order != Order::Given {
        numbers.sort_by(|&a, &b| {
            crate::report::comparison::order::natural(&models[a].name, &models[b].name)
        });
    }
    numbers.into_iter().find(|&i| models[i].outcome.is_ok())
}

/// The model that the user names: as it was given, or by the name of its file with or without its
/// extension.
fn find_baseline(path: &Path, models: &[Model]) -> anyhow::Result<usize> {
    let shown = path.display().to_string();
    if inputs::is_report(path) {
        let reports = inputs::reports(path)?;
        let [report] = reports.as_slice() else {
            bail!(
                "--baseline {shown}: the report is of {} models, expected one; name one of its models",
                reports.len()
            );
        };
        let with_file = format!("{} ({shown})", report.model);
        let known = |name: &String| models.iter().position(|model| model.name == *name);
        return known(&with_file)
            .or_else(|| known(&report.model))
            .with_context(|| format!("--baseline {shown}: the report has no bounds"));
    }
    let exact = |model: &Model| model.name == shown;
    let by_file = |model: &Model| Path::new(&model.name).file_name() == Some(path.as_os_str());
    let by_stem = |model: &Model| Path::new(&model.name).file_stem() == Some(path.as_os_str());
    let ways: [&dyn Fn(&Model) -> bool; 3] = [&exact, &by_file, &by_stem];
    for way in ways {
        let found: Vec<usize> = (0..models.len()).filter(|&i| way(&models[i])).collect();
        match found.as_slice() {
            [] => {}
            [one] => return Ok(*one),
            [one, ..] if way(&models[*one]) && models[*one].name == shown => return Ok(*one),
            _ => bail!("--baseline {shown} names {} models; give its path", found.len()),
        }
    }
    let known: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    bail!("--baseline: {}", unknown("model", &shown, &known, ""))
}
