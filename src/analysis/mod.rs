//! Answers: which bounds of a network are computed, in which order, and when that ends.

pub mod watched;

use std::sync::Arc;
use std::time::Duration;

use crate::bounds::lower::lower_bounds;
use crate::bounds::{
    self, Bound, Certificate, Cost, Guarantee, Problem, Proved, REGISTRY, Refusal, Stop, memory,
};
use crate::numeric::Norm;
use watched::watched;

/// Which bounds are computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Those that take seconds at most.
    Default,
    /// All that end.
    All,
    /// Those with these ids.
    Named(Vec<&'static str>),
}

/// What is asked of a network.
#[derive(Debug, Clone)]
pub struct Question {
    /// The norms.
    pub norms: Vec<Norm>,
    /// The bounds.
    pub selection: Selection,
    /// Whether lower bounds of L are wanted, too.
    pub with_lower: bool,
}

/// The answers for one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Norm by norm, in the order of the question.
    pub norms: Vec<NormReport>,
    /// What the user should know about all of them.
    pub notes: Vec<String>,
}

/// The answers for one network in one norm.
#[derive(Debug, Clone, PartialEq)]
pub struct NormReport {
    /// The norm.
    pub norm: Norm,
    /// A proved lower bound of L; `None` where it was not asked for.
    pub lower: Option<f64>,
    /// The bounds, in the order of the registry, estimates included.
    pub bounds: Vec<Certificate>,
    /// Bounds that were asked for and cannot be computed: id and reason.
    pub refused: Vec<(&'static str, String)>,
}

/// Why something is missing: the user has asked for an end before it had begun.
const NOT_BEGUN: &str = "not begun before the interruption";

/// The user has asked for an end, and it did not come soon enough.
const NOT_FINISHED: &str = "not finished before the interruption";

/// Why something is missing that had begun before `stop` was set, or not.
pub fn missing(stop: &Stop, had_begun: bool) -> &'static str {
    match (stop.is_asked(), had_begun) {
        (true, false) => NOT_BEGUN,
        (true, true) => NOT_FINISHED,
        (false, false) => "not begun within the time limit",
        (false, true) => "not finished within the time limit",
    }
}

impl NormReport {
    /// The least upper bound that holds.
    pub fn best(&self) -> Option<&Certificate> {
        let proved = self.bounds.iter().filter(|c| c.is_upper_bound());
        proved.min_by(|a, b| a.upper.total_cmp(&b.upper))
    }

    /// The number of a bound that holds, by its id.
    pub fn upper(&self, id: &str) -> Option<f64> {
        self.bounds.iter().find(|c| c.id == id && c.is_upper_bound()).map(|c| c.upper)
    }

    /// Whether an interruption left out a bound that was asked for.
    pub fn is_interrupted(&self) -> bool {
        self.refused.iter().any(|(_, reason)| [NOT_BEGUN, NOT_FINISHED].contains(&reason.as_str()))
    }
}

/// Computes what is asked for, the quick bounds of all norms first. Work that does not end within a second of a
/// request to stop ([`bounds::Stop`]) is given up: its thread goes on until the process ends.
pub fn analyse(problem: &Arc<Problem>, question: &Question) -> Answer {
    let mut run = Run::new(problem, question);
    if question.with_lower {
        run.lower();
    }
    let wanted = run.wanted(&question.selection);
    let (searches, others): (Vec<Task>, Vec<Task>) =
        wanted.into_iter().partition(|task| task.bound.is_search());
    for task in &others {
        run.bound(task);
    }
    // A search starts from the best that is known.
    let searched: Vec<usize> = searches.iter().map(|task| task.report).collect();
    for &report in &searched {
        run.prepare(report);
    }
    for (done, task) in searches.iter().enumerate() {
        if let Some(left) = problem.options().stop.remaining() {
            problem.limit_search(share(left, searches.len() - done));
        }
        run.bound(task);
    }
    run.answer()
}

/// Says why K1 and, in l2, K2 can be above K*, where they are by more than rounding: with the same slope interval for all
/// components of a stage the theory has them below it.
fn explain_larger(report: &mut NormReport) {
    let Some(k_star) = report.upper("k_star") else { return };
    for (id, reason) in [
        (
            "k1",
            "K1 takes the largest centre and the largest radius of the slopes of a stage, which can belong to different components (those of a shortcut have the slope 1)",
        ),
        (
            "k2",
            "K2 bounds maxima over many slopes from above only, and splits shortcuts like weights",
        ),
    ] {
        // A number that is equal to K* may be rounded to one above it.
        let clearly = k_star * (1.0 + 1e-9);
        let is_larger =
            |c: &&mut Certificate| c.id == id && c.is_upper_bound() && c.upper > clearly;
        // K2 is at most K* in l2 only.
        let expected = id == "k2" && report.norm != Norm::L2;
        if let Some(bound) = report.bounds.iter_mut().find(is_larger).filter(|_| !expected) {
            let name = if id == "k1" { "K1" } else { "K2" };
            let why = format!("{name} {}: K* is smaller: {reason}", report.norm);
            bound.note =
                Some(bound.note.take().map_or(why.clone(), |note| format!("{note}; {why}")));
        }
    }
}

/// The best lower bound of L in a norm that sampling and the bounds so far have found; `None` where it would take too
/// much memory or time.
pub fn lower_bound(problem: &Arc<Problem>, norm: Norm) -> Option<f64> {
    memory::check_lower(problem, &[norm]).ok()?;
    let shared = Arc::clone(problem);
    watched(&problem.options().stop, move || lower_bounds(&shared, &[norm]))?;
    Some(problem.proved("l", norm).lower)
}

/// One bound in one norm.
struct Task {
    /// The place of the norm's report.
    report: usize,
    bound: &'static dyn Bound,
    cost: Cost,
}

struct Run<'a> {
    problem: &'a Arc<Problem>,
    with_lower: bool,
    reports: Vec<NormReport>,
    notes: Vec<String>,
}

impl<'a> Run<'a> {
    fn new(problem: &'a Arc<Problem>, question: &Question) -> Run<'a> {
        let empty = |&norm: &Norm| NormReport {
            norm,
            lower: None,
            bounds: Vec::new(),
            refused: Vec::new(),
        };
        let reports = question.norms.iter().map(empty).collect();
        Run { problem, with_lower: question.with_lower, reports, notes: Vec::new() }
    }

    /// Looks for lower bounds of L.
    fn lower(&mut self) {
        let norms: Vec<Norm> = self.reports.iter().map(|report| report.norm).collect();
        if let Err(refusal) = memory::check_lower(self.problem, &norms) {
            self.notes.push(refusal.to_string());
            return;
        }
        let problem = Arc::clone(self.problem);
        let found = watched(&self.problem.options().stop, move || lower_bounds(&problem, &norms));
        match found {
            Some(lowers) => {
                for (report, lower) in self.reports.iter_mut().zip(lowers) {
                    report.lower = Some(lower);
                }
            }
            None => self.notes.push(format!("the lower bound: {}", self.given_up())),
        }
    }

    /// The bounds that are computed; what is left out is said in the reports.
    fn wanted(&mut self, selection: &Selection) -> Vec<Task> {
        let mut tasks = Vec::new();
        for (index, report) in self.reports.iter_mut().enumerate() {
            for &bound in REGISTRY {
                let cost = bound.cost(self.problem, report.norm);
                let left_out = match (selection, &cost) {
                    (Selection::Default, Cost::Expensive) => {
                        "takes longer; --bounds all computes it"
                    }
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
                if wanted {
                    tasks.push(Task { report: index, bound, cost });
                }
            }
        }
        tasks
    }

    /// Computes a bound, and its estimate where that is asked for.
    fn bound(&mut self, task: &Task) {
        let (bound, norm) = (task.bound, self.reports[task.report].norm);
        let stop = &self.problem.options().stop;
        // Once an end is asked for, what takes seconds is still tried, and what ends early is.
        let takes_long = matches!(task.cost, Cost::Expensive | Cost::Open);
        let found = if stop.is_set() && takes_long && !bound.heeds_stop() {
            Err(Refusal(missing(stop, false).to_owned()))
        } else {
            self.computed(bound, norm)
        };
        match found {
            Ok(certificate) => self.reports[task.report].bounds.push(certificate),
            Err(refusal) => self.reports[task.report].refused.push((bound.id(), refusal.0)),
        }
        if self.problem.options().estimates && memory::check(bound, self.problem, norm).is_ok() {
            let problem = Arc::clone(self.problem);
            let estimate = watched(stop, move || bound.estimate(&problem, norm)).flatten();
            self.reports[task.report].bounds.extend(estimate);
        }
    }

    fn computed(&self, bound: &'static dyn Bound, norm: Norm) -> Result<Certificate, Refusal> {
        let problem = Arc::clone(self.problem);
        let work = move || bounds::compute(bound, &problem, norm);
        match watched(&self.problem.options().stop, work) {
            Some(found) => found,
            None if bound.is_search() => self.not_searched(bound, norm),
            None => Err(Refusal(self.given_up().to_owned())),
        }
    }

    /// What is known of the quantity of a search that was given up before it had begun.
    fn not_searched(&self, bound: &dyn Bound, norm: Norm) -> Result<Certificate, Refusal> {
        let Proved { lower, upper } = self.problem.proved(bound.id(), norm);
        if upper == f64::INFINITY {
            return Err(Refusal(self.given_up().to_owned()));
        }
        Ok(Certificate {
            lower: Some(lower),
            guarantee: Guarantee::Enclosure,
            note: Some(format!("{} {norm}: stopped before it had begun to search", bound.name())),
            ..Certificate::upper_bound(bound.id(), norm, upper)
        })
    }

    /// Computes those quick bounds of a norm that can be the least, whether they are reported or not: a problem
    /// remembers them.
    fn prepare(&self, report: usize) {
        let norm = self.reports[report].norm;
        for bound in ["k_star", "k1", "k5", "k_l2", "k_sdp"].into_iter().filter_map(bounds::find) {
            if bound.cost(self.problem, norm) == Cost::Cheap {
                let _ = self.computed(bound, norm);
            }
        }
    }

    fn given_up(&self) -> &'static str {
        missing(&self.problem.options().stop, true)
    }

    fn answer(mut self) -> Answer {
        let place = |id: &str| REGISTRY.iter().position(|bound| bound.id() == id);
        for report in &mut self.reports {
            explain_larger(report);
            report.bounds.sort_by_key(|c| (place(c.id), !c.is_upper_bound()));
            report.refused.sort_by_key(|(id, _)| place(id));
            // A search may have found a better point than the sampling.
            if self.with_lower {
                let proved = self.problem.proved("l", report.norm).lower;
                report.lower = report.lower.map(|lower| lower.max(proved));
            }
        }
        Answer { norms: self.reports, notes: self.notes }
    }
}

/// An equal share of the time that is left for so many pieces of work.
pub fn share(left: Duration, pieces: usize) -> Duration {
    left / u32::try_from(pieces.max(1)).unwrap_or(u32::MAX)
}
