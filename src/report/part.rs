//! Reports of some outputs or inputs of a model, and what follows from all of them for the whole.
//!
//! For each x write J for the Jacobian of the whole model and J_P for its rows (outputs) or columns (inputs) of
//! a part P. The parts have each row, or each column, once. Then
//! - linf of outputs, l1 of inputs: ||J|| = max ||J_P||, as the norm is the largest row sum (column sum);
//! - l1 of outputs, linf of inputs: ||J|| <= sum of ||J_P||, as each column sum (row sum) is the sum of its parts;
//! - l2: ||J||^2 <= sum of ||J_P||^2, as J^T J (or J J^T) is the sum of those of the parts, which are positive
//!   semidefinite;
//! - always: ||J|| >= ||J_P||, as a part of a matrix has no larger norm.
//!
//! The supremum of a maximum is the maximum of the suprema, and that of a sum at most their sum: so it is with L
//! for J(x), and with K for the products over all slopes.

use super::NormReport;
use crate::bounds::{Certificate, Guarantee, REGISTRY};
use crate::numeric::Norm;
use crate::numeric::rounding::{exponent, max_up, mul_up, scale_up, sqrt_up, sum_up};

/// What of a model is in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Its outputs: rows of the Jacobian.
    Outputs,
    /// Its inputs: columns of the Jacobian.
    Inputs,
}

impl Axis {
    /// The name in reports.
    pub fn id(self) -> &'static str {
        match self {
            Axis::Outputs => "outputs",
            Axis::Inputs => "inputs",
        }
    }

    /// Some of them in words, as scopes name them.
    pub fn in_words(self, numbers: &[usize]) -> String {
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        format!("{} {}", self.id(), numbers.join(", "))
    }
}

/// Which part of a model a report is of.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Outputs or inputs.
    pub axis: Axis,
    /// Their numbers, in the order in which they were named.
    pub numbers: Vec<usize>,
    /// How many the model has.
    pub count: usize,
    /// What tells the model, with its box and its differences of outputs, from others.
    pub whole: String,
}

impl Part {
    /// As it is in a scope, at the end.
    pub fn in_words(&self) -> String {
        self.axis.in_words(&self.numbers)
    }

    /// The scope of the whole, given that of the part.
    pub fn scope_of_whole(&self, scope: &str) -> Option<String> {
        let rest = scope.strip_suffix(&self.in_words())?;
        let rest = rest.strip_suffix(", ").unwrap_or(rest);
        (!rest.is_empty()).then(|| rest.to_owned())
    }

    /// Whether both are of the same whole.
    pub fn fits(&self, other: &Part) -> bool {
        self.whole == other.whole && self.axis == other.axis && self.count == other.count
    }
}

/// How the bounds of parts combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The largest.
    Largest,
    /// The sum.
    Sum,
    /// The root of the sum of squares.
    Root,
}

impl Rule {
    /// The rule for a norm; see the head of this file for the proofs.
    pub fn of(axis: Axis, norm: Norm) -> Rule {
        match (axis, norm) {
            (Axis::Outputs, Norm::Linf) | (Axis::Inputs, Norm::L1) => Rule::Largest,
            (Axis::Outputs, Norm::L1) | (Axis::Inputs, Norm::Linf) => Rule::Sum,
            (_, Norm::L2) => Rule::Root,
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Largest => "the largest",
            Rule::Sum => "the sum",
            Rule::Root => "the root of the sum of the squares",
        }
    }

    /// An upper bound of the combination of nonnegative numbers; exact for one of them, and for the largest.
    pub fn combined_up(self, values: &[f64]) -> f64 {
        let largest = values.iter().copied().fold(0.0, max_up);
        match self {
            _ if values.len() == 1 => largest,
            Rule::Largest => largest,
            Rule::Sum => sum_up(values.iter().copied()),
            Rule::Root if largest == 0.0 || !largest.is_finite() => largest,
            Rule::Root => {
                // By a power of two, so that squares neither overflow nor all underflow.
                let e = exponent(largest);
                let scaled = values.iter().map(|&x| scale_up(x, -e));
                scale_up(sqrt_up(sum_up(scaled.map(|x| mul_up(x, x)))), e)
            }
        }
    }
}

/// What follows for the whole from reports of all its parts in one norm.
///
/// # Errors
/// Why nothing does: outputs or inputs that are missing or in several parts, no bound that all parts have.
pub fn join(parts: &[(&Part, &NormReport)]) -> Result<NormReport, String> {
    let Some((first, report)) = parts.first() else { return Err("there are none".to_owned()) };
    check_partition(parts)?;
    let rule = Rule::of(first.axis, report.norm);
    let mut bounds = Vec::new();
    for bound in REGISTRY {
        let of_part = |(_, report): &(&Part, &NormReport)| {
            report.bounds.iter().find(|c| c.id == bound.id() && c.is_upper_bound()).cloned()
        };
        let found: Option<Vec<Certificate>> = parts.iter().map(of_part).collect();
        bounds.extend(found.map(|found| joined(&found, rule)));
    }
    if bounds.is_empty() {
        return Err("no bound is in the reports of all parts".to_owned());
    }
    let mut refused: Vec<(&'static str, String)> = Vec::new();
    for entry in parts.iter().flat_map(|(_, report)| &report.refused) {
        if !refused.contains(entry) && !bounds.iter().any(|c: &Certificate| c.id == entry.0) {
            refused.push(entry.clone());
        }
    }
    let lower = parts.iter().filter_map(|(_, report)| report.lower).reduce(f64::max);
    Ok(NormReport { norm: report.norm, lower, bounds, refused })
}

fn joined(parts: &[Certificate], rule: Rule) -> Certificate {
    let uppers: Vec<f64> = parts.iter().map(|c| c.upper).collect();
    let (id, norm) = (parts[0].id, parts[0].norm);
    let mut joined = Certificate::upper_bound(id, norm, rule.combined_up(&uppers));
    let lowers: Option<Vec<f64>> = parts.iter().map(|c| c.lower).collect();
    let encloses = parts.iter().all(|c| c.guarantee == Guarantee::Enclosure);
    if let Some(lowers) = lowers.filter(|_| encloses) {
        joined.guarantee = Guarantee::Enclosure;
        joined.lower = lowers.into_iter().reduce(f64::max);
    }
    match parts {
        [only] => Certificate { note: only.note.clone(), ..joined },
        _ => joined.with_note(format!("{} of {} parts", rule.name(), parts.len())),
    }
}

/// Whether each output or input is in one part.
fn check_partition(parts: &[(&Part, &NormReport)]) -> Result<(), String> {
    let (axis, count) = (parts[0].0.axis.id(), parts[0].0.count);
    let mut times = vec![0usize; count];
    for &number in parts.iter().flat_map(|(part, _)| &part.numbers) {
        if let Some(times) = times.get_mut(number) {
            *times += 1;
        }
    }
    let with = |wanted: fn(usize) -> bool| {
        let numbers = (0..count).filter(|&i| wanted(times[i]));
        let numbers: Vec<String> = numbers.map(|i| i.to_string()).collect();
        let (few, more) = numbers.split_at(numbers.len().min(10));
        let more =
            if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        (!few.is_empty()).then(|| few.join(", ") + &more)
    };
    let missing = with(|times| times == 0).map(|list| format!("missing {axis}: {list}"));
    let twice = with(|times| times > 1).map(|list| format!("{axis} in several parts: {list}"));
    let reasons: Vec<String> = missing.into_iter().chain(twice).collect();
    if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Part, Rule, join};
    use crate::bounds::{Certificate, Guarantee};
    use crate::numeric::Norm;
    use crate::report::NormReport;

    #[test]
    fn combinations_are_never_below_and_tight() {
        // 3, 4, 5 at scales at which the squares overflow and underflow.
        for scale in [1.0, 2f64.powi(900), 2f64.powi(-1000)] {
            let root = Rule::Root.combined_up(&[3.0 * scale, 4.0 * scale]);
            assert!(root >= 5.0 * scale && root <= 5.0 * scale * (1.0 + 1e-15), "{root}");
        }
        // 1 + 2^-60 is not a number of 53 bits.
        assert_eq!(Rule::Sum.combined_up(&[1.0, 2f64.powi(-60)]), 1.0f64.next_up());
        assert_eq!(Rule::Sum.combined_up(&[1.5, 2.25]), 3.75);
        assert_eq!(Rule::Largest.combined_up(&[0.1, 0.3, 0.2]), 0.3);
        for rule in [Rule::Largest, Rule::Sum, Rule::Root] {
            assert_eq!(rule.combined_up(&[0.1]), 0.1);
            assert_eq!(rule.combined_up(&[0.0, 0.0]), 0.0);
            assert_eq!(rule.combined_up(&[1.0, f64::INFINITY]), f64::INFINITY);
        }
    }

    fn part(numbers: &[usize]) -> Part {
        let (numbers, whole) = (numbers.to_vec(), "0".to_owned());
        Part { axis: Axis::Outputs, numbers, count: 3, whole }
    }

    fn report(norm: Norm, bounds: Vec<Certificate>, lower: Option<f64>) -> NormReport {
        NormReport { norm, lower, bounds, refused: Vec::new() }
    }

    #[test]
    fn an_interval_of_l_is_joined_on_both_sides() {
        let l = |lower: f64, upper: f64| Certificate {
            lower: Some(lower),
            guarantee: Guarantee::Enclosure,
            ..Certificate::upper_bound("l", Norm::L2, upper)
        };
        let a = report(Norm::L2, vec![l(2.5, 3.0)], Some(2.5));
        let b = report(Norm::L2, vec![l(3.5, 4.0)], None);
        let joined = join(&[(&part(&[2, 0]), &a), (&part(&[1]), &b)]).expect("all parts");
        assert_eq!((joined.lower, joined.bounds[0].lower), (Some(2.5), Some(3.5)));
        assert_eq!(joined.bounds[0].guarantee, Guarantee::Enclosure);
        assert!((5.0..5.0 * (1.0 + 1e-15)).contains(&joined.bounds[0].upper));
    }

    #[test]
    fn estimates_and_bounds_that_a_part_lacks_are_left_out() {
        let k5 = |x: f64| Certificate::upper_bound("k5", Norm::Linf, x);
        let estimate = Certificate {
            guarantee: Guarantee::Estimate,
            ..Certificate::upper_bound("k2", Norm::Linf, 1.0)
        };
        let with = report(Norm::Linf, vec![estimate.clone(), k5(1.0)], None);
        let without = report(Norm::Linf, vec![estimate], None);
        let all = part(&[0, 1]);
        let joined = join(&[(&all, &with), (&part(&[2]), &with)]).expect("all parts");
        assert_eq!(joined.bounds.len(), 1);
        let reason =
            join(&[(&all, &with), (&part(&[2]), &without)]).expect_err("nothing in common");
        assert_eq!(reason, "no bound is in the reports of all parts");
        let reason = join(&[(&all, &with), (&part(&[1]), &with)]).expect_err("no partition");
        assert_eq!(reason, "missing outputs: 2; outputs in several parts: 1");
    }

    #[test]
    fn the_scope_of_the_whole_is_the_rest() {
        let part = part(&[1, 2]);
        assert_eq!(part.scope_of_whole("outputs 1, 2"), None);
        assert_eq!(
            part.scope_of_whole("in the box 0,1, outputs 1, 2").as_deref(),
            Some("in the box 0,1")
        );
    }
}
