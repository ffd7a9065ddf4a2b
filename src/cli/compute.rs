//! `lipbound compute`.

use std::path::Path;

use anyhow::{Context, bail};

use super::arguments::{Compute, PoolingName, Reading, Selection};
use super::part::scope;
use super::{Outcome, compare, inputs, output, plot, signals};
use crate::bounds::k_sdp::{CERTIFICATE_SCHEMA, CertificateEntry, CertificateFile};
use crate::bounds::lower::lower_bounds;
use crate::bounds::{self, Bound, Cost, Options, Problem, Progress, REGISTRY, Stop, memory};
use crate::io::{self, Source};
use crate::network::fingerprint::Fingerprint;
use crate::network::{LoweredNetwork, Network};
use crate::numeric::Norm;
use crate::report::part::Part;
use crate::report::{FORMATS, INTERRUPTED, NormReport, Report, Style, summary};

/// Runs the command.
pub fn run(arguments: &Compute) -> anyhow::Result<Outcome> {
    if arguments.comparing.is_wanted() {
        return compare::run(arguments);
    }
    start_threads(arguments.threads)?;
    let sources = inputs::sources(&arguments.models)?;
    let single = sources.len() == 1;
    if arguments.certificate.is_some() && !single {
        bail!("--certificate takes one model, found {}", sources.len());
    }
    if arguments.certificate.is_some() && arguments.margin.is_some() {
        bail!("--certificate is for outputs as they are; leave out --margin");
    }
    let session = Session::new(arguments.quiet);
    let (mut reports, mut failed, mut subject) = (Vec::new(), false, None);
    for source in &sources {
        let found = session
            .check_begin(source)
            .and_then(|()| reports_of_source(source, arguments, &session));
        match found {
            Ok((found, fingerprint)) => {
                subject = fingerprint;
                failed |= found.iter().any(Report::is_interrupted);
                reports.extend(found);
            }
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
    session.clear();
    if let (Some(path), Some(subject), [report]) =
        (&arguments.certificate, subject, reports.as_slice())
    {
        save_certificate(path, report, subject)?;
    }
    if !reports.is_empty() {
        match &arguments.output {
            None => output::print(&(format.write)(&reports, output::style()))?,
            Some(path) => output::save(path, &(format.write)(&reports, Style::Plain))?,
        }
    }
    // After the report, which must not be lost where the picture cannot be written.
    if let Some(path) = &arguments.comparing.plot {
        plot::save_reports(path, &reports)?;
    }
    Ok(if failed { Outcome::Incomplete } else { Outcome::Done })
}

/// Uses the number of threads that was asked for.
pub(super) fn start_threads(threads: Option<u16>) -> anyhow::Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads));
    pool.build_global().context("cannot start the threads")
}

/// What listens to the user while long computations run.
pub(super) struct Session {
    stop: Stop,
    shows_progress: bool,
}

impl Session {
    pub(super) fn new(quiet: bool) -> Session {
        let stop = Stop::default();
        signals::stop_first(&stop);
        Session { stop, shows_progress: !quiet && output::is_interactive() }
    }

    fn options(&self, arguments: &Compute) -> Options {
        let options = Options {
            k4_depth_limit: arguments.k4_depth_limit,
            product_work: arguments.product_work,
            time_limit: arguments.limits.time_limit,
            node_limit: arguments.limits.node_limit,
            timings: arguments.limits.timings,
            estimates: arguments.estimates,
            ..self.defaults()
        };
        arguments.memory.limited(options)
    }

    /// The default limits, with the session's listeners.
    pub(super) fn defaults(&self) -> Options {
        let progress =
            if self.shows_progress { Progress::new(output::progress) } else { Progress::default() };
        Options { stop: self.stop.clone(), progress, ..Options::default() }
    }

    /// Whether the user has asked for an end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }

    /// An error where a model is not to be begun any more.
    pub(super) fn check_begin(&self, source: &Source) -> anyhow::Result<()> {
        if self.is_stopped() {
            bail!("{}: {INTERRUPTED}", source.display());
        }
        Ok(())
    }

    /// Says what is being done, where somebody watches.
    pub(super) fn say(&self, text: &str) {
        if self.shows_progress {
            output::progress(text);
        }
    }

    pub(super) fn clear(&self) {
        if self.shows_progress {
            output::progress("");
        }
    }
}

fn save_certificate(path: &Path, report: &Report, subject: Fingerprint) -> anyhow::Result<()> {
    let proved = report.norms.iter().flat_map(|norm| &norm.bounds);
    let certificates: Vec<CertificateEntry> =
        proved.filter_map(|bound| CertificateEntry::of(bound, subject)).collect();
    if certificates.is_empty() {
        bail!(
            "--certificate: Ksdp was not computed (--bounds k_sdp), so there is nothing to write"
        );
    }
    let schema = CERTIFICATE_SCHEMA.to_owned();
    let file = CertificateFile { schema, model: report.model.clone(), certificates };
    output::save(path, &serde_json::to_string(&file)?)
}

fn reports_of_source(
    source: &Source,
    arguments: &Compute,
    session: &Session,
) -> anyhow::Result<(Vec<Report>, Option<Fingerprint>)> {
    let network = io::read(source, &arguments.reading.options(arguments.memory.bytes()))?;
    let Restricted { lowered, part, assumed, notes, subject } = restricted(network, source, arguments)?;
    let Some(margin) = arguments.margin else {
        let whole = (part, None);
        let report = report_of(&notes, lowered, whole, source, arguments, session);
        return Ok((vec![Report { assumed, ..report }], subject));
    };
    let differences = margin.networks(&lowered).with_context(|| source.display())?;
    let each = differences.into_iter().map(|(name, difference)| {
        let of_difference = |part: Part| Part { whole: format!("{}, {name}", part.whole), ..part };
        let part = part.clone().map(of_difference);
        let report = report_of(&notes, difference, (part, Some(name)), source, arguments, session);
        Report { assumed: assumed.clone(), ..report }
    });
    Ok((each.collect(), None))
}

/// What is bounded of a model.
pub(super) struct Restricted {
    /// The network on the inputs and with the outputs that were asked for.
    pub lowered: LoweredNetwork,
    /// Which part of the model that is.
    pub part: Option<Part>,
    /// What is assumed of the network.
    pub assumed: Vec<String>,
    /// The remarks on both.
    pub notes: Vec<String>,
    /// What tells it from others, where a certificate is asked for.
    subject: Option<Fingerprint>,
}

/// The network in the form that is bounded.
pub(super) fn restricted(
    network: Network,
    source: &Source,
    arguments: &Compute,
) -> anyhow::Result<Restricted> {
    let (assumed, mut notes) = (network.assumed.clone(), network.notes.clone());
    arguments.memory.check_lowering(&network, source)?;
    let selected = &arguments.selected;
    let is_told_apart = selected.is_part() || arguments.certificate.is_some();
    let model = is_told_apart.then(|| network.fingerprint()).transpose();
    let model = model.with_context(|| source.display())?;
    let lowered = lower(network, source, &arguments.reading)?;
    let (lowered, note) = arguments.region.restrict(lowered).with_context(|| source.display())?;
    notes.extend(note);
    let part = model.filter(|_| selected.is_part());
    let part = part.map(|model| selected.part_of(&lowered, model));
    let lowered = selected.select(lowered, source)?;
    let pooling = arguments.reading.pooling;
    let subject = model.map(|model| selected.subject_of(&lowered, model, pooling));
    Ok(Restricted { lowered, part, assumed, notes, subject })
}

/// The bounds of a network that was read from `source` with these remarks: of a part
/// of it, or of a difference of outputs with a name.
pub(super) fn report_of(
    notes: &[String],
    lowered: LoweredNetwork,
    (part, margin): (Option<Part>, Option<String>),
    source: &Source,
    arguments: &Compute,
    session: &Session,
) -> Report {
    let problem = Problem::new(lowered, session.options(arguments));
    let norms = &arguments.norm.0;
    let mut notes = if arguments.quiet { Vec::new() } else { notes.to_vec() };
    let mut lowers: Vec<Option<f64>> = vec![None; norms.len()];
    if !arguments.no_lower {
        match memory::check_lower(&problem, norms) {
            Ok(()) => lowers = lower_bounds(&problem, norms).into_iter().map(Some).collect(),
            Err(refusal) => notes.push(refusal.to_string()),
        }
    }
    let norms = norms
        .iter()
        .zip(lowers)
        .map(|(&norm, lower)| norm_report(&problem, norm, lower, &arguments.bounds))
        .collect();
    let scope = scope(&arguments.region, margin, &arguments.selected);
    let (model, summary) = (source.display(), summary(&problem));
    Report { model, summary, scope, part, assumed: Vec::new(), notes, norms }
}

/// The network in the form that is bounded.
pub(super) fn lower(
    network: Network,
    source: &Source,
    reading: &Reading,
) -> anyhow::Result<LoweredNetwork> {
    let lowered = network.into_lowered().with_context(|| source.display())?;
    Ok(match reading.pooling {
        PoolingName::Explicit => lowered.with_explicit_pools(),
        PoolingName::Implicit => lowered,
    })
}

/// The bounds of a network in one norm.
pub(super) fn norm_report(
    problem: &Problem,
    norm: Norm,
    lower: Option<f64>,
    selection: &Selection,
) -> NormReport {
    let mut report = NormReport { norm, lower, bounds: Vec::new(), refused: Vec::new() };
    for &bound in REGISTRY {
        let cost = bound.cost(problem, norm);
        let left_out = match (selection, &cost) {
            (Selection::Default, Cost::Expensive) => "takes longer; --bounds all computes it",
            (Selection::Default | Selection::All, Cost::Open) => {
                "a search that may not end; where it is named, --time-limit ends it"
            }
            _ => "",
        };
        if !left_out.is_empty() {
            report.refused.push((bound.id(), left_out.to_owned()));
        }
        let wanted = match selection {
            Selection::Default => cost == Cost::Cheap,
            Selection::All => cost != Cost::Open,
            Selection::Named(ids) => ids.contains(&bound.id()),
        };
        // Once the user wants an end, what takes seconds is still done, and what ends early is.
        let stopped = problem.options().stop.is_set();
        let too_late =
            stopped && matches!(cost, Cost::Expensive | Cost::Open) && !bound.heeds_stop();
        if wanted && too_late {
            report.refused.push((bound.id(), INTERRUPTED.to_owned()));
        } else if wanted {
            add(&mut report, bound, problem);
        }
    }
    // The search for L may have found a better point than the sampling.
    let searched = report.bounds.iter().filter(|c| c.id == "l").filter_map(|c| c.lower);
    if let Some(lower) = &mut report.lower {
        *lower = searched.fold(*lower, f64::max);
    }
    report
}

fn add(report: &mut NormReport, bound: &dyn Bound, problem: &Problem) {
    match bounds::compute(bound, problem, report.norm) {
        Ok(certificate) => report.bounds.push(certificate),
        Err(refusal) => report.refused.push((bound.id(), refusal.to_string())),
    }
    if problem.options().estimates && memory::check(bound, problem, report.norm).is_ok() {
        report.bounds.extend(bound.estimate(problem, report.norm));
    }
}
