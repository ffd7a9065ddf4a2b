//! Several models side by side, each against a baseline: what is compared, and in which order.
//!
//! How a comparison is written is in the files of the output formats.

pub mod layers;
pub mod order;
mod parts;
pub mod table;

use super::{NormReport, Report, assuming};
use crate::numeric::Norm;
pub use layers::LayerNorms;
pub use order::Order;
pub use parts::join_parts;

/// One model of a comparison.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its name, as the user gave it.
    pub name: String,
    /// Its bounds, or why there are none.
    pub outcome: Result<Report, String>,
    /// The norms of its layers, where they were asked for, or why they are not known.
    pub layers: Option<Result<Vec<LayerNorms>, String>>,
}

/// Models side by side.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The models, in the order in which they were given.
    pub models: Vec<Model>,
    /// The number of the model with which the others are compared.
    pub baseline: Option<usize>,
    /// The norms, each with the models in the order in which they are shown.
    pub blocks: Vec<Block>,
}

/// The comparison in one norm.
#[derive(Debug, Clone)]
pub struct Block {
    /// The norm.
    pub norm: Norm,
    /// The numbers of the models, in the order in which they are shown.
    pub order: Vec<usize>,
}

/// How a model compares with the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Its upper bound is below the baseline's lower bound: L itself is smaller.
    ProvedBetter,
    /// Its upper bound is smaller.
    Better,
    /// The upper bounds are the same.
    Same,
    /// Its upper bound is larger.
    Worse,
    /// Its lower bound is above the baseline's upper bound: L itself is larger.
    ProvedWorse,
}

impl Change {
    /// The name in JSON and CSV.
    pub fn id(self) -> &'static str {
        match self {
            Change::ProvedBetter => "proved_better",
            Change::Better => "better",
            Change::Same => "same",
            Change::Worse => "worse",
            Change::ProvedWorse => "proved_worse",
        }
    }

    /// Arrows: down is better, twice is proved.
    pub fn arrows(self) -> &'static str {
        match self {
            Change::ProvedBetter => "↓↓",
            Change::Better => "↓",
            Change::Same => "=",
            Change::Worse => "↑",
            Change::ProvedWorse => "↑↑",
        }
    }

    /// The arrows in ASCII.
    pub fn ascii(self) -> &'static str {
        match self {
            Change::ProvedBetter => "vv",
            Change::Better => "v",
            Change::Same => "=",
            Change::Worse => "^",
            Change::ProvedWorse => "^^",
        }
    }
}

impl Comparison {
    /// Compares models with one of them. Every norm of a report gets a block.
    pub fn new(models: Vec<Model>, baseline: Option<usize>, order: Order) -> Comparison {
        let mut comparison = Comparison { models, baseline, blocks: Vec::new() };
        let has = |norm| (0..comparison.models.len()).any(|i| comparison.report(i, norm).is_some());
        let norms: Vec<Norm> = Norm::ALL.into_iter().filter(|&norm| has(norm)).collect();
        comparison.blocks = norms
            .into_iter()
            .map(|norm| Block { norm, order: order.of(&comparison, norm) })
            .collect();
        comparison
    }

    /// What is known of a model in a norm.
    pub fn report(&self, model: usize, norm: Norm) -> Option<&NormReport> {
        let report = self.models.get(model)?.outcome.as_ref().ok()?;
        report.norms.iter().find(|n| n.norm == norm)
    }

    /// The models that failed, in the order given, with their errors.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.models.iter().filter_map(|model| {
            let error = model.outcome.as_ref().err()?;
            Some((model.name.as_str(), error.as_str()))
        })
    }

    /// The baseline's report, where it is of the same inputs and outputs as the model's: others are not to
    /// be compared.
    fn old(&self, model: usize, norm: Norm) -> Option<&NormReport> {
        let baseline = self.baseline?;
        let scope = |i: usize| self.models.get(i)?.outcome.as_ref().ok().map(|r| &r.scope);
        (scope(model)? == scope(baseline)?).then(|| self.report(baseline, norm))?
    }

    /// The least upper bound of a model, divided by the baseline's. It is for reading: nothing is
    /// proved by it.
    pub fn ratio(&self, model: usize, norm: Norm) -> Option<f64> {
        let new = self.report(model, norm)?.best()?.upper;
        quotient(new, self.old(model, norm)?.best()?.upper)
    }

    /// The number of one bound, divided by the baseline's.
    pub fn bound_ratio(&self, model: usize, norm: Norm, id: &str) -> Option<f64> {
        let new = self.report(model, norm)?.upper(id)?;
        quotient(new, self.old(model, norm)?.upper(id)?)
    }

    /// Whether a model is better or worse than the baseline.
    pub fn change(&self, model: usize, norm: Norm) -> Option<Change> {
        let (new, old) = (self.report(model, norm)?, self.old(model, norm)?);
        let (new_upper, old_upper) = (new.best()?.upper, old.best()?.upper);
        Some(if self.baseline == Some(model) || new_upper == old_upper {
            Change::Same
        } else if old.lower.is_some_and(|lower| new_upper < lower) {
            Change::ProvedBetter
        } else if new.lower.is_some_and(|lower| lower > old_upper) {
            Change::ProvedWorse
        } else if new_upper < old_upper {
            Change::Better
        } else {
            Change::Worse
        })
    }

    /// The name of the baseline.
    pub fn baseline_name(&self) -> Option<&str> {
        Some(self.models.get(self.baseline?)?.name.as_str())
    }

    /// The names of the models without the folders and the extension that all of them share.
    pub fn short_names(&self) -> Vec<String> {
        let names: Vec<&str> = self.models.iter().map(|m| m.name.as_str()).collect();
        let (start, end) = (shared_folder(&names), shared_extension(&names));
        names.iter().map(|name| name[start..name.len() - end].to_owned()).collect()
    }

    /// What is assumed of the models, in lines that begin with "assuming", or with a model's name where
    /// something else is assumed of others.
    pub fn assumed(&self) -> Vec<String> {
        let reports = || self.models.iter().filter_map(|m| Some((m, m.outcome.as_ref().ok()?)));
        let mut all: Vec<&[String]> = reports().map(|(_, r)| r.assumed.as_slice()).collect();
        all.dedup();
        match all.as_slice() {
            [] => Vec::new(),
            [one] => assuming(one).collect(),
            _ => {
                let lines = reports().flat_map(|(model, report)| {
                    assuming(&report.assumed).map(|line| format!("{}: {line}", model.name))
                });
                lines.collect()
            }
        }
    }

    /// What the reports remark, each remark once.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        for model in &self.models {
            let Ok(report) = &model.outcome else { continue };
            if let Some(scope) = &report.scope {
                let same = |r: &Report| r.scope.as_ref() == Some(scope);
                let all = self.models.iter().filter_map(|m| m.outcome.as_ref().ok()).all(same);
                let whose = if all { "all models".to_owned() } else { model.name.clone() };
                let note = format!("{whose}: {scope}");
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            let refused = report.norms.iter().flat_map(|norm| &norm.refused);
            let refused = refused.map(|(id, reason)| format!("{id}: {reason}"));
            for note in report.notes.iter().cloned().chain(refused) {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
        notes
    }
}

/// `new / old`, where that is a number.
#[expect(clippy::float_arithmetic, reason = "a ratio for reading")]
fn quotient(new: f64, old: f64) -> Option<f64> {
    if new == old {
        return new.is_finite().then_some(1.0);
    }
    Some(new / old).filter(|ratio| ratio.is_finite())
}

/// The number of bytes up to the last folder that all names begin with.
fn shared_folder(names: &[&str]) -> usize {
    let Some((first, rest)) = names.split_first() else { return 0 };
    let folder = |name: &str| name.rfind(['/', '\\']).map_or(0, |at| at + 1);
    let mut shared = folder(first);
    for name in rest {
        while !(shared <= folder(name) && name.as_bytes()[..shared] == first.as_bytes()[..shared]) {
            shared = folder(first[..shared].trim_end_matches(['/', '\\']));
        }
    }
    shared
}

/// The number of bytes of the extension that all names end with, where something is left without it.
fn shared_extension(names: &[&str]) -> usize {
    let extension = |name: &str| -> usize {
        let file = name.rfind(['/', '\\']).map_or(0, |at| at + 1);
        let dot = name.rfind('.').filter(|&dot| dot > file);
        dot.map_or(0, |dot| name.len() - dot)
    };
    let Some(first) = names.first() else { return 0 };
    let length = extension(first);
    let ending = &first[first.len() - length..];
    let shared = |name: &&str| extension(name) == length && name.ends_with(ending);
    if names.iter().all(shared) { length } else { 0 }
}

/// A ratio for reading: `0.983`, `12.4`, `1.2e7`.
pub fn ratio_text(ratio: f64) -> String {
    if ratio != 0.0 && ratio < 0.0005 {
        format!("{ratio:.1e}")
    } else if ratio < 9.9995 {
        format!("{ratio:.3}")
    } else if ratio < 999.95 {
        format!("{ratio:.1}")
    } else if ratio < 1e6 {
        format!("{ratio:.0}")
    } else {
        format!("{ratio:.1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Comparison, Model, Order, ratio_text, shared_extension, shared_folder};
    use crate::bounds::Certificate;
    use crate::numeric::Norm;
    use crate::report::{NormReport, Report};

    fn model(name: &str, lower: f64, upper: f64) -> Model {
        let bounds = vec![Certificate::upper_bound("k5", Norm::L2, upper)];
        let norm = NormReport { norm: Norm::L2, lower: Some(lower), bounds, refused: Vec::new() };
        let report = Report {
            model: name.to_owned(),
            summary: String::new(),
            scope: None,
            part: None,
            assumed: Vec::new(),
            notes: Vec::new(),
            norms: vec![norm],
        };
        Model { name: name.to_owned(), outcome: Ok(report), layers: None }
    }

    #[test]
    fn a_change_is_proved_only_by_disjoint_intervals() {
        let models = [
            ("a", 2.0, 4.0),
            ("b", 1.0, 1.5),
            ("c", 1.0, 3.0),
            ("d", 1.0, 4.0),
            ("e", 3.0, 5.0),
            ("f", 4.5, 5.0),
            ("g", 1.0, 2.0),
            ("h", 4.0, 9.0),
        ];
        let models = models.map(|(name, lower, upper)| model(name, lower, upper)).to_vec();
        let comparison = Comparison::new(models, Some(0), Order::Given);
        let changes: Vec<_> = (0..8).map(|i| comparison.change(i, Norm::L2)).collect();
        let expected = [
            Change::Same,
            Change::ProvedBetter,
            Change::Better,
            Change::Same,
            Change::Worse,
            Change::ProvedWorse,
            // Intervals that touch prove nothing.
            Change::Better,
            Change::Worse,
        ];
        assert_eq!(changes, expected.map(Some));
        assert_eq!(comparison.ratio(2, Norm::L2), Some(0.75));
        assert_eq!(comparison.ratio(2, Norm::L1), None);
    }

    #[test]
    fn shared_folders_are_whole_folders() {
        assert_eq!(shared_folder(&["a/b/x1", "a/b/x2"]), 4);
        assert_eq!(shared_folder(&["a/b/x1", "a/bc/x2"]), 2);
        assert_eq!(shared_folder(&["x1", "a/x2"]), 0);
        assert_eq!(shared_folder(&["/x1", "/x2"]), 1);
        assert_eq!(shared_folder(&["a/x1"]), 2);
        assert_eq!(shared_folder(&["é/x", "è/x"]), 0);
        assert_eq!(shared_folder(&[]), 0);
    }

    #[test]
    fn shared_extensions_leave_a_name() {
        assert_eq!(shared_extension(&["a/x1.npz", "b.npz"]), 4);
        assert_eq!(shared_extension(&["x1.npz", "x1.json"]), 0);
        assert_eq!(shared_extension(&["x.1.npz", ".npz"]), 0);
        assert_eq!(shared_extension(&["a.b/x", "a.b/y"]), 0);
    }

    #[test]
    fn ratios_are_short() {
        let texts = [0.0, 0.00001, 0.98349, 1.0, 9.9999, 12.44, 999.99, 1234.5, 2.5e7];
        let expected =
            ["0.000", "1.0e-5", "0.983", "1.000", "10.0", "12.4", "1000", "1234", "2.5e7"];
        assert_eq!(texts.map(ratio_text), expected);
    }
}
