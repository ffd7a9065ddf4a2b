//! `lipbound check`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::arguments::{Norms, Reading, norms_parser, parse_selection};
use super::compute::{Session, lower, start_threads};
use super::memory::Memory;
use super::part::{Selected, scope};
use super::region::{Limits, Region};
use super::thresholds::{self, Number, Policy, Thresholds, policy_of};
use super::{Outcome, inputs, output, stated};
use crate::analysis::{Question, Selection, analyse, lower_bound};
use crate::bounds::{Options, Problem};
use crate::io::{self, Source};
use crate::network::LoweredNetwork;
use crate::numeric::Norm;
use crate::numeric::decimal::Decimal;
use crate::report::check::{Check, FORMATS, Failure, Format, Limit, Outcome as Checked, Verdict};
use crate::report::{Report, Style};

const HELP: &str = "\
A threshold is certified where the least upper bound is not above it, refuted
where the lower bound is above it, undecided in between. Numbers are compared
exactly, as they are written.

Without --max and --max-increase the thresholds come from lipbound.toml
(docs/ci.md), which can name the models, too.

Examples:
  lipbound check model.onnx --norm linf --max 1000
  lipbound check run/*.npz --activation relu --norm l2 --max-increase 10% \
    --against baseline.json
  lipbound check --format github --report junit=lipbound.xml

Exit status: 0 all certified, 1 something refuted or undecided, 2 an error.";

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Model files, folders, or quoted patterns [default: those that lipbound.toml names]
    #[arg(value_name = "MODEL")]
    pub models: Vec<PathBuf>,
    /// The norm of the threshold
    #[arg(long, value_name = "NORM", value_parser = norms_parser())]
    pub norm: Option<Norms>,
    /// The largest number that the bound may have
    #[arg(long, value_name = "NUMBER", value_parser = thresholds::parse_max, requires = "norm")]
    pub max: Option<Number>,
    /// By how much the bound may be above that of an earlier report, as in 10%
    #[arg(long, value_name = "PERCENT", value_parser = thresholds::parse_percent, requires = "against")]
    pub max_increase: Option<Number>,
    /// The earlier report, from `lipbound compute --format json`
    #[arg(long, value_name = "REPORT")]
    pub against: Option<PathBuf>,
    /// The file of thresholds [default: lipbound.toml in the working directory, if it is there]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["max", "max_increase"])]
    pub config: Option<PathBuf>,
    /// The bounds of which the least counts: `best` (those that take seconds), `all`, or a list
    #[arg(long, value_name = "LIST", value_parser = parse_selection)]
    pub bounds: Option<Selection>,
    /// The format of the results
    #[arg(long, value_name = "FORMAT", default_value = FORMATS[0].name, value_parser = formats_parser())]
    pub format: String,
    /// Write the results to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Also write the results to a file in another format; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", value_parser = parse_copy)]
    pub report: Vec<(String, PathBuf)>,
    #[command(flatten)]
    pub selected: Selected,
    /// The number of threads (default: one per processor); it does not change the results
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
    #[command(flatten)]
    pub memory: Memory,
    #[command(flatten)]
    pub region: Region,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub reading: Reading,
}

fn formats_parser() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(
        FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.about)),
    )
}

fn parse_copy(text: &str) -> Result<(String, PathBuf), String> {
    let known: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    let Some((name, file)) = text.split_once('=') else {
        return Err("expected FORMAT=FILE, for example junit=lipbound.xml".to_owned());
    };
    if !known.contains(&name) {
        return Err(super::arguments::unknown("format", name, &known, ""));
    }
    Ok((name.to_owned(), PathBuf::from(file)))
}

/// Runs the command.
pub fn run(arguments: &'static Arguments) -> anyhow::Result<Outcome> {
    start_threads(arguments.threads)?;
    let norms = arguments.norm.as_ref().map_or(&Norm::ALL[..], |norms| &norms.0);
    let (max, increase) = (arguments.max.as_ref(), arguments.max_increase.as_ref());
    let policy = policy_of(norms, max, increase, arguments.config.as_deref())?;
    let baseline = match arguments.against.as_ref().or(policy.against.as_ref()) {
        Some(path) => Some(Baseline { path, reports: inputs::reports(path)? }),
        None => None,
    };
    let session = Session::new(arguments.quiet, arguments.limits.time_limit);
    let run = Run { arguments, norms, policy: &policy, baseline };
    let mut results: Vec<Checked> = Vec::new();
    let sources = models(arguments, &policy)?;
    for (done, source) in sources.iter().enumerate() {
        let model = source.display();
        session.say(&model);
        let share = session.share(sources.len() - done);
        match session.check_begin(source).and_then(|()| run.model(source, &share)) {
            Ok(checks) => results.extend(checks.into_iter().map(Ok)),
            Err(error) => {
                results.push(Err(Failure { model, error: output::describe(&error) }));
            }
        }
    }
    session.clear();
    write(arguments, &results)?;
    let certified = |check: &Check| check.verdict == Verdict::Certified;
    Ok(if results.iter().any(Result::is_err) {
        Outcome::Incomplete
    } else if results.iter().flatten().all(certified) {
        Outcome::Done
    } else {
        Outcome::Failed
    })
}

fn write(arguments: &Arguments, results: &[Checked]) -> anyhow::Result<()> {
    let format = |name: &str| -> anyhow::Result<&'static Format> {
        FORMATS.iter().find(|f| f.name == name).with_context(|| format!("unknown format {name}"))
    };
    for (name, path) in &arguments.report {
        output::save(path, &(format(name)?.write)(results, Style::Plain))?;
    }
    let format = format(&arguments.format)?;
    match &arguments.output {
        Some(path) => output::save(path, &(format.write)(results, Style::Plain)),
        None => output::print(&(format.write)(results, output::style())),
    }
}

/// The models of the command line, or those that the file of thresholds names.
fn models(arguments: &Arguments, policy: &Policy) -> anyhow::Result<Vec<Source>> {
    if !arguments.models.is_empty() {
        return inputs::sources(&arguments.models);
    }
    let here = std::env::current_dir().unwrap_or_default();
    let named = policy.particular.iter().map(|(path, _)| path);
    let paths: Vec<PathBuf> =
        named.map(|path| path.strip_prefix(&here).unwrap_or(path).to_owned()).collect();
    if paths.is_empty() {
        bail!("no model to check: name one, or write [model.\"PATH\"] into {}", thresholds::FILE);
    }
    let mut sources = Vec::new();
    for path in paths {
        for source in inputs::sources(&[path])? {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
    }
    Ok(sources)
}

struct Run<'a> {
    arguments: &'static Arguments,
    norms: &'a [Norm],
    policy: &'a Policy,
    baseline: Option<Baseline<'a>>,
}

struct Baseline<'a> {
    path: &'a Path,
    reports: Vec<Report>,
}

impl Run<'_> {
    /// Checks all thresholds of a model.
    fn model(&self, source: &Source, session: &Session) -> anyhow::Result<Vec<Check>> {
        let model = source.display();
        let thresholds = self.policy.of(&model);
        let bounds = self.arguments.bounds.as_ref().or(thresholds.bounds.as_ref());
        let bounds = bounds.unwrap_or(&Selection::Default);
        let limits = self.limits(&model, &thresholds, bounds)?;
        if limits.is_empty() {
            bail!("{model}: no threshold is given for this model and norm; see docs/ci.md");
        }
        let lowered = self.read(source, &thresholds, session)?;
        let options =
            Options { node_limit: self.arguments.limits.node_limit, ..session.defaults() };
        let problem = Arc::new(Problem::new(lowered, self.arguments.memory.limited(options)));
        let norms = limits.iter().map(|(norm, _)| *norm).collect();
        let question = Question { norms, selection: bounds.clone(), with_lower: false };
        let reports = analyse(&problem, &question).norms;
        let mut checks = Vec::new();
        for (mut report, (_, limits)) in reports.into_iter().zip(limits) {
            for limit in limits {
                let mut check = Check::new(&model, &report, limit.clone());
                if check.verdict != Verdict::Certified {
                    // The lower bound is only searched for where it can tell something.
                    if report.lower.is_none() {
                        report.lower = lower_bound(&problem, report.norm);
                    }
                    check = Check::new(&model, &report, limit);
                }
                if check.verdict == Verdict::Undecided && matches!(bounds, Selection::Named(_)) {
                    let hint = "other bounds may decide it (--bounds all)";
                    check.hint.get_or_insert_with(|| hint.to_owned());
                }
                check.scope = scope(&self.arguments.region, None, &self.arguments.selected);
                checks.push(check);
            }
        }
        Ok(checks)
    }

    /// A model in the form that is bounded.
    fn read(
        &self,
        source: &Source,
        thresholds: &Thresholds,
        session: &Session,
    ) -> anyhow::Result<LoweredNetwork> {
        let (arguments, from) = (self.arguments, source.clone());
        let reading = thresholds.reading(&arguments.reading);
        session.watched(source, move || {
            let network = io::read(&from, &reading.options(arguments.memory.bytes()))?;
            stated::demand(&network, &from)?;
            arguments.memory.check_lowering(&network, &from)?;
            let lowered = lower(network, &from, &reading)?;
            arguments.selected.restricted(lowered, &arguments.region, &from)
        })?
    }

    /// The limits of a model in each norm that has any.
    fn limits(
        &self,
        model: &str,
        thresholds: &Thresholds,
        bounds: &Selection,
    ) -> anyhow::Result<Vec<(Norm, Vec<Limit>)>> {
        let mut limits = Vec::new();
        for (i, norm) in Norm::ALL.into_iter().enumerate() {
            if !self.norms.contains(&norm) {
                continue;
            }
            let mut here = Vec::new();
            if let Some(Number { text, value }) = thresholds.max[i].clone() {
                here.push(Limit::Max { text, value });
            }
            if let Some(percent) = &thresholds.increase[i] {
                let Some(baseline) = &self.baseline else {
                    bail!(
                        "max-increase needs the earlier report: give --against, or `against` in {}",
                        thresholds::FILE
                    );
                };
                let scope = scope(&self.arguments.region, None, &self.arguments.selected);
                match baseline.upper(model, norm, bounds, scope.as_deref())? {
                    Some((earlier, exact)) => here.push(Limit::Increase {
                        percent: percent.text.clone(),
                        baseline: earlier,
                        value: exact.increased_by(&percent.value),
                    }),
                    // Where all norms are meant, those of the report are.
                    None if self.arguments.norm.is_none() => {}
                    None => bail!(
                        "{}: has no bound of {model} in {norm}; write it with `lipbound compute {model} --norm {norm} --format json`",
                        baseline.path.display()
                    ),
                }
            }
            if !here.is_empty() {
                limits.push((norm, here));
            }
        }
        Ok(limits)
    }
}

impl Baseline<'_> {
    /// The earlier bound of a model: the least of those that are compared. The model is found by its
    /// path, or by the name of its file; a report of one model is the report of every model.
    fn upper(
        &self,
        model: &str,
        norm: Norm,
        bounds: &Selection,
        scope: Option<&str>,
    ) -> anyhow::Result<Option<(f64, Decimal)>> {
        let shown = self.path.display();
        let file = |name: &str| Path::new(name).file_name().map(ToOwned::to_owned);
        let mut found: Vec<&Report> = self.reports.iter().filter(|r| r.model == model).collect();
        if found.is_empty() {
            found = self.reports.iter().filter(|r| file(&r.model) == file(model)).collect();
        }
        if found.is_empty() && self.reports.len() == 1 {
            found = self.reports.iter().collect();
        }
        let report = match found.as_slice() {
            [report] => report,
            [] => bail!("{shown}: has no report of {model}; write it with `lipbound compute`"),
            _ => bail!("{shown}: has {} reports of {model}, expected one", found.len()),
        };
        if !report.assumed.is_empty() {
            bail!(
                "{shown}: its bounds of {model} rest on an assumption ({}); write it again with --activation or --arch",
                report.assumed.join("; ")
            );
        }
        if report.scope.as_deref() != scope {
            bail!(
                "{shown}: is for {}, but this check is for {}; give the same --box, --center, --radius, --inputs and --outputs",
                report.scope.as_deref().unwrap_or("all inputs and outputs"),
                scope.unwrap_or("all inputs and outputs")
            );
        }
        let Some(report) = report.norms.iter().find(|n| n.norm == norm) else { return Ok(None) };
        let counts = |id: &str| match bounds {
            Selection::Named(ids) => ids.contains(&id),
            _ => true,
        };
        let uppers = report.bounds.iter().filter(|c| c.is_upper_bound() && counts(c.id));
        let least = uppers.map(|c| c.upper).fold(f64::INFINITY, f64::min);
        Ok(Decimal::of(least).map(|exact| (least, exact)))
    }
}
