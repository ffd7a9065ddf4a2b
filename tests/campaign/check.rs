//! Every bound in every norm against exact values.

use std::time::Instant;

use lipbound::bounds::lower::lower_bounds;
use lipbound::bounds::search::slopes;
use lipbound::bounds::{Bound, Options, Problem, REGISTRY};
use lipbound::network::Activation;
use lipbound::numeric::Norm;
use lipbound::numeric::rounding::scale_down;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::support::adversarial::Case;
use super::support::number;
use super::support::oracle::{Dyadic, Enclosure, Exact, Oracle};
use super::tally::Tally;

/// The name of the search for K, which [`K`](lipbound::bounds::k::K) replaces by enumeration where
/// networks are this small.
const SEARCH: &str = "k (search)";

/// A network with its exact values in one norm.
struct Facts<'a> {
    case: &'a Case,
    oracle: &'a Oracle,
    norm: Norm,
    k: Enclosure,
    /// Jacobians at points where the network is differentiable.
    jacobians: &'a [Exact],
    /// The excess over its definition that a bound may have where weights are ordinary.
    tight: f64,
}

/// What a bound said.
struct Said {
    id: &'static str,
    lower: Option<f64>,
    upper: f64,
}

/// Compares the bounds of the networks of all numbers, or of those that `LIPBOUND_CASES` and `LIPBOUND_SEED` ask
/// for, and prints a table. With ordinary weights bounds may exceed their definitions by `tight`.
pub fn campaign(
    default: u64,
    case: impl Fn(u64) -> Case + Sync + Send,
    tight: f64,
    node_limit: usize,
) {
    let (count, first) = (number("LIPBOUND_CASES", default), number("LIPBOUND_SEED", 0));
    let start = Instant::now();
    let one = |seed: u64| check(&case(seed), tight, node_limit);
    let tally =
        (first..first + count).into_par_iter().map(one).reduce(Tally::default, Tally::joined);
    println!("{}", tally.report(start.elapsed()));
    assert!(tally.violations.is_empty(), "{}", tally.complaint());
}

/// Compares all bounds of a network.
fn check(case: &Case, tight: f64, node_limit: usize) -> Tally {
    let options = Options { samples: 20, node_limit, ..Options::default() };
    let problem = Problem::new(case.lowered.clone(), options);
    let oracle = Oracle::with_weights(problem.chain(), &case.weights);
    let mut tally = Tally { networks: 1, extreme: usize::from(case.extreme), ..Tally::default() };
    let jacobians = jacobians(case, &oracle);
    let lowers = case.slopes.is_none().then(|| lower_bounds(&problem, &Norm::ALL));
    for (index, norm) in Norm::ALL.into_iter().enumerate() {
        let k = oracle.bound("k", norm).expect("K has a definition");
        let facts = Facts { case, oracle: &oracle, norm, k, jacobians: &jacobians, tight };
        if let Some(lowers) = &lowers {
            facts.check_lower("lower bound of L", lowers[index], &mut tally);
        }
        for said in answers(case, &problem, norm, &mut tally) {
            facts.check(&said, &mut tally);
        }
    }
    tally
}

/// What all bounds that apply say.
fn answers(case: &Case, problem: &Problem, norm: Norm, tally: &mut Tally) -> Vec<Said> {
    // Slopes that were put in are not those of the activations, which the search for L looks at.
    let applies = |bound: &&&dyn Bound| bound.id() != "l" || case.slopes.is_none();
    let mut answers = Vec::new();
    for bound in REGISTRY.iter().filter(applies) {
        match bound.compute(problem, norm) {
            Ok(c) => answers.push(Said { id: bound.id(), lower: c.lower, upper: c.upper }),
            Err(_) => *tally.refused.entry(bound.id()).or_default() += 1,
        }
    }
    let found = slopes::search(problem, norm);
    let lower = Some(scale_down(found.lower, problem.chain().exponent()).max(0.0));
    answers.push(Said { id: SEARCH, lower, upper: problem.scaled_up(found.upper) });
    answers
}

impl Facts<'_> {
    fn check(&self, said: &Said, tally: &mut Tally) {
        tally.comparisons += 1;
        let &Said { id, upper, .. } = said;
        if let Some(lower) = said.lower {
            self.check_lower(id, lower, tally);
            if lower > upper {
                self.violation(id, lower, "is above the upper end", tally);
            }
        }
        if upper.is_nan() || upper < 0.0 {
            return self.violation(id, upper, "is not a bound", tally);
        }
        if upper == f64::INFINITY {
            tally.infinite += 1;
            if !self.case.extreme && self.tight.is_finite() {
                self.violation(id, upper, "comes from ordinary numbers", tally);
            }
            return;
        }
        let exact = Dyadic::of(upper);
        if id == "l" {
            if !at_most(self.jacobians, self.norm, &exact) {
                self.violation(id, upper, "is below the norm at a point", tally);
            }
        } else if exact < self.k.upper && !at_most(self.oracle.vertices(), self.norm, &exact) {
            self.violation(id, upper, "is below K", tally);
        }
        self.check_definition(id, upper, &exact, tally);
    }

    /// The distance from the bound's own definition.
    fn check_definition(&self, id: &'static str, upper: f64, exact: &Dyadic, tally: &mut Tally) {
        let extreme = self.case.extreme;
        if matches!(id, "k2" | "k_sdp" | "k_l2") {
            if let Some(distance) = distance(exact, &self.k.lower) {
                tally.over_k.entry((id, extreme)).or_default().push(distance);
            }
            return;
        }
        let definition = if id == SEARCH { "k" } else { id };
        let Some(truth) = self.oracle.bound(definition, self.norm) else { return };
        if *exact < truth.lower {
            self.violation(id, upper, "is below its definition", tally);
        }
        match distance(exact, &truth.lower) {
            Some(distance) => {
                if !extreme && distance > self.tight {
                    self.violation(id, upper, "is not tight", tally);
                }
                tally.excess.entry((id, extreme)).or_default().push(distance);
            }
            None => tally.incomparable += 1,
        }
    }

    /// A lower bound is at most K. (In l2 a number one rounding above K would pass.)
    fn check_lower(&self, id: &str, lower: f64, tally: &mut Tally) {
        tally.comparisons += 1;
        let exceeds = |lower: f64| {
            let exact = Dyadic::of(lower);
            exact > self.k.upper
                || exact > self.k.lower && at_most(self.oracle.vertices(), self.norm, &exact)
        };
        if !(0.0..f64::INFINITY).contains(&lower) {
            self.violation(id, lower, "is not a lower bound", tally);
        } else if exceeds(lower) && exceeds(lower.next_down().max(0.0)) {
            self.violation(id, lower, "as a lower bound is above K", tally);
        }
    }

    /// Notes that the number of a bound `is` wrong in some way.
    fn violation(&self, id: &str, number: f64, is: &str, tally: &mut Tally) {
        let kind = format!("{id} in {} {is}", self.norm);
        let text = format!("{id} in {}: {number:e} {is}\n{}", self.norm, self.case.describe());
        tally.violations.push((kind, text));
    }
}

/// Whether the norms of all matrices are at most a number.
fn at_most(matrices: &[Exact], norm: Norm, number: &Dyadic) -> bool {
    matrices.iter().all(|j| match norm {
        Norm::L2 => j.spectral_norm_at_most(number),
        _ => j.norm(norm).upper <= *number,
    })
}

/// `value / truth - 1`, where `truth` is a normal number.
fn distance(value: &Dyadic, truth: &Dyadic) -> Option<f64> {
    let normal = *truth >= Dyadic::of(f64::MIN_POSITIVE) && *truth <= Dyadic::of(f64::MAX);
    let difference = value.minus(truth);
    let sign = if difference.is_negative() { -1.0 } else { 1.0 };
    normal.then(|| sign * difference.abs().ratio(truth))
}

/// The exact Jacobians at a few random points, where all activations are piecewise linear.
fn jacobians(case: &Case, oracle: &Oracle) -> Vec<Exact> {
    if case.slopes.is_some() {
        return Vec::new();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(case.seed ^ 0x706f_696e_7473);
    let biases: Vec<Vec<Dyadic>> =
        case.biases.iter().map(|b| b.iter().map(|&x| Dyadic::of(x)).collect()).collect();
    let slope = |r: usize, i: usize, y: &Dyadic| piece(&case.activations[r], i, y);
    let point = |_| {
        let size = 10f64.powi(rng.random_range(-3..=3));
        let x = (0..case.widths[0]).map(|_| Dyadic::of(rng.random_range(-size..size))).collect();
        oracle.jacobian(x, &biases, slope)
    };
    (0..4).filter_map(point).collect()
}

/// The slope and the value of an activation at a point; `None` at a kink, and where the graph is curved.
fn piece(activation: &Activation, neuron: usize, y: &Dyadic) -> Option<(Dyadic, Dyadic)> {
    let positive = !y.is_negative();
    let times = |slope: Dyadic| (slope.clone(), slope.times(y));
    let leaky = |slope: f64| times(if positive { Dyadic::ONE } else { Dyadic::of(slope) });
    if y.is_zero() {
        return None;
    }
    match activation.for_channel(neuron) {
        Activation::Relu => Some(leaky(0.0)),
        Activation::LeakyRelu { negative_slope } => Some(leaky(negative_slope)),
        Activation::Abs => Some(leaky(-1.0)),
        Activation::HardTanh { min: -1.0, max: 1.0 } => match y.abs().cmp(&Dyadic::ONE) {
            std::cmp::Ordering::Less => Some(times(Dyadic::ONE)),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => {
                Some((Dyadic::ZERO, if positive { Dyadic::ONE } else { Dyadic::ONE.negated() }))
            }
        },
        _ => None,
    }
}
