//! `lipbound compute`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};

use super::arguments::{Compute, PoolingName, Reading};
use super::part::scope;
use super::{Outcome, compare, inputs, output, plot, signals};
use crate::analysis::watched::watched;
use crate::analysis::{Question, analyse, missing, share};
use crate::bounds::k_sdp::{CERTIFICATE_SCHEMA, CertificateEntry, CertificateFile};
use crate::bounds::{Options, Problem, Progress, Stop};
use crate::io::{self, Source};
use crate::network::fingerprint::Fingerprint;
use crate::network::{LoweredNetwork, Network};
use crate::report::part::Part;
use crate::report::{FORMATS, Report, Style, summary};

/// Runs the command.
pub fn run(arguments: &'static Compute) -> anyhow::Result<Outcome> {
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
    let session = Session::new(arguments.quiet, arguments.limits.time_limit);
    let (mut reports, mut failed, mut subject) = (Vec::new(), false, None);
    for (done, source) in sources.iter().enumerate() {
        let share = session.share(sources.len() - done);
        let found =
            session.check_begin(source).and_then(|()| reports_of_source(source, arguments, &share));
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
    /// Ends after this time, from now on.
    pub(super) fn new(quiet: bool, time_limit: Option<Duration>) -> Session {
        let stop = Stop::default();
        signals::stop_first(&stop);
        let stop = time_limit.map_or(stop.clone(), |time| stop.within(time));
        Session { stop, shows_progress: !quiet && output::is_interactive() }
    }

    /// The same with an equal share of the time that is left for so many pieces of work.
    pub(super) fn share(&self, pieces: usize) -> Session {
        let stop = match self.stop.remaining() {
            Some(left) => self.stop.within(share(left, pieces)),
            None => self.stop.clone(),
        };
        Session { stop, ..*self }
    }

    fn options(&self, arguments: &Compute) -> Options {
        let options = Options {
            k4_depth_limit: arguments.k4_depth_limit,
            product_work: arguments.product_work,
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

    /// Whether the user has asked for an end, or the time is over.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }

    /// Does the work, unless it does not end soon after it was asked to.
    ///
    /// # Errors
    /// That it did not.
    pub(super) fn watched<T: Send + 'static>(
        &self,
        source: &Source,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        watched(&self.stop, work)
            .with_context(|| format!("{}: {}", source.display(), self.missing(true)))
    }

    /// Why something is missing that had begun, or not.
    pub(super) fn missing(&self, had_begun: bool) -> &'static str {
        missing(&self.stop, had_begun)
    }

    /// An error where a model is not to be begun any more.
    pub(super) fn check_begin(&self, source: &Source) -> anyhow::Result<()> {
        if self.is_stopped() {
            bail!("{}: {}", source.display(), self.missing(false));
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
    arguments: &'static Compute,
    session: &Session,
) -> anyhow::Result<(Vec<Report>, Option<Fingerprint>)> {
    let found = read(source, arguments, session)?;
    let Some(margin) = arguments.margin else {
        let subject = found.subject;
        return Ok((vec![report_of(found, None, source, arguments, session)], subject));
    };
    let differences = margin.networks(&found.lowered).with_context(|| source.display())?;
    let count = differences.len();
    let each = differences.into_iter().enumerate().map(|(done, (name, lowered))| {
        let whole = |part: &Part| format!("{}, {name}", part.whole);
        let part = found.part.clone().map(|part| Part { whole: whole(&part), ..part });
        let of_pair = Restricted { lowered, part, ..found.clone() };
        report_of(of_pair, Some(name), source, arguments, &session.share(count - done))
    });
    Ok((each.collect(), None))
}

/// Reads a model and brings it into the form that is bounded.
///
/// # Errors
/// What is wrong with it; that this did not end soon enough after it was asked to.
pub(super) fn read(
    source: &Source,
    arguments: &'static Compute,
    session: &Session,
) -> anyhow::Result<Restricted> {
    let from = source.clone();
    session.watched(source, move || {
        let network = io::read(&from, &arguments.reading.options(arguments.memory.bytes()))?;
        restricted(network, &from, arguments)
    })?
}

/// What is bounded of a model.
#[derive(Clone)]
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

/// The bounds of what is left of a network that was read from `source`, or of a difference of outputs with a name.
pub(super) fn report_of(
    found: Restricted,
    margin: Option<String>,
    source: &Source,
    arguments: &Compute,
    session: &Session,
) -> Report {
    let problem = Arc::new(Problem::new(found.lowered, session.options(arguments)));
    let question = Question {
        norms: arguments.norm.0.clone(),
        selection: arguments.bounds.clone(),
        with_lower: !arguments.no_lower,
    };
    let answer = analyse(&problem, &question);
    let mut notes = if arguments.quiet { Vec::new() } else { found.notes };
    notes.extend(answer.notes);
    Report {
        model: source.display(),
        summary: summary(&problem),
        scope: scope(&arguments.region, margin, &arguments.selected),
        part: found.part,
        assumed: found.assumed,
        notes,
        norms: answer.norms,
    }
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
