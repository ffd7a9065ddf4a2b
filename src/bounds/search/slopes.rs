//! The search for K: over the ends of the slope intervals, neuron by neuron.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as AtomicOrdering};

use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::ascent::ascend;
use super::expansion::{Interval, Layers};
use super::relaxation::Relaxation;
use super::{Outcome, Split, Tree, best_first, enough};
use crate::bounds::k::K;
use crate::bounds::lower::verify::norm_of;
use crate::bounds::perturbation::radius_up;
use crate::bounds::side_by_side::side_by_side;
use crate::bounds::{Problem, Stop, memory};
use crate::network::attained::Ends;
use crate::network::{Chain, Slopes};
use crate::numeric::rounding::{max_up, scale_up};
use crate::numeric::sdp::Start;
use crate::numeric::{Interval as Range, Norm};

/// Which end of its slope interval a neuron has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Either,
    Alpha,
    Beta,
}

/// A part of the search: one row of the Jacobian (in l2 all of them), and the ends that are fixed.
#[derive(Debug, Clone)]
pub struct Node {
    row: usize,
    ends: Vec<End>,
    /// The neuron that is fixed next: its layer and number.
    branch: (usize, usize),
    /// Where the relaxations of its parts start.
    start: Option<Arc<Start>>,
}

/// What the nodes have in common.
pub struct SlopeTree {
    chain: Chain,
    layers: Layers,
    slopes: Vec<Vec<Interval>>,
    norm: Norm,
    relaxation: Relaxation,
    /// Slopes at the ends of the intervals that occur, where the ends themselves are rounded.
    attained: Option<Vec<Vec<Ends>>>,
    /// With these, the largest norm that was found: the bits of a number that is not negative.
    lower: AtomicU64,
}

/// What is known of the ends of a problem's slope intervals. Intervals that are not those of the activations were
/// given, so they are exact.
pub fn attained(problem: &Problem) -> Attained {
    let intervals = || problem.chain().slopes().iter().map(Slopes::intervals);
    let slopes = intervals();
    let network = problem.network();
    let of_activations = network.stages.iter().map(|stage| stage.slopes().intervals());
    if network.input.is_none() && !intervals().eq(of_activations) {
        return Attained::Exactly;
    }
    let Some(found) = network.attained_slopes() else { return Attained::Unknown };
    let exact =
        |(&(alpha, beta), ends): (&Interval, &Ends)| *ends == [alpha, beta].map(Range::point);
    let mut layers = slopes.zip(&found);
    let is_exact = layers.all(|(slopes, ends)| slopes.iter().zip(ends).all(exact));
    if is_exact { Attained::Exactly } else { Attained::Between(found) }
}

/// What is known of the ends of the slope intervals.
#[derive(Debug, Clone)]
pub enum Attained {
    /// They are slopes that occur.
    Exactly,
    /// Slopes near them occur, which are enclosed.
    Between(Vec<Vec<Ends>>),
    /// Nothing.
    Unknown,
}

/// Lower and upper bounds of K without the powers of two of the maps. The chain has no pools.
pub fn search(problem: &Problem, norm: Norm) -> Outcome {
    let attained = attained(problem);
    let exactly = matches!(attained, Attained::Exactly);
    let (stop, exponent) = (problem.search_stop(), problem.chain().exponent());
    let tree = SlopeTree::new(problem, norm, attained, stop.clone());
    let roots = tree.roots(&stop);
    let say = |outcome: &Outcome| progress("K", norm, outcome, &|x: f64| problem.scaled_up(x));
    let ceiling = scale_up(problem.proved("k", norm).upper, -exponent);
    let limits = (memory::room(&K, problem, norm), ceiling);
    let outcome = best_first(&tree, roots, problem.options(), &stop, limits, say);
    // The search compares norms at the ends of the intervals; what is proved is the norm at slopes that occur.
    let occurs = f64::from_bits(tree.lower.into_inner());
    Outcome { lower: if exactly { outcome.lower } else { occurs }, ..outcome }
}

/// A line on how far a search is, with numbers to nearest; `scaled` turns them into those of the user.
pub fn progress(name: &str, norm: Norm, outcome: &Outcome, scaled: &dyn Fn(f64) -> f64) -> String {
    format!(
        "{name} {norm}: between about {:.6} and {:.6}, {} parts, {} open",
        scaled(outcome.lower),
        scaled(outcome.upper),
        outcome.nodes,
        outcome.open
    )
}

impl SlopeTree {
    fn new(problem: &Problem, norm: Norm, attained: Attained, stop: Stop) -> SlopeTree {
        let oriented = problem.oriented(norm);
        let chain = oriented.chain.clone();
        let mut attained = match attained {
            Attained::Between(ends) => Some(ends),
            Attained::Exactly | Attained::Unknown => None,
        };
        if oriented.is_transposed
            && let Some(layers) = &mut attained
        {
            layers.reverse();
        }
        let slopes: Vec<Vec<Interval>> = chain.slopes().iter().map(Slopes::intervals).collect();
        let layers = Layers::new(&chain);
        let norm = if norm == Norm::L2 { Norm::L2 } else { Norm::Linf };
        let perturbation = radius_up(&chain, norm);
        let relaxation = Relaxation::new(layers.weights.clone(), norm, perturbation, stop);
        let lower = AtomicU64::new(0.0f64.to_bits());
        SlopeTree { chain, layers, slopes, norm, relaxation, attained, lower }
    }

    /// One node for each row, those with the largest bounds first in the ascent.
    fn roots(&self, stop: &Stop) -> Split<Node> {
        let rows = if self.norm == Norm::L2 { 1 } else { self.layers.outputs() };
        let neurons = self.slopes.iter().map(Vec::len).sum();
        let found = (0..rows)
            .into_par_iter()
            .map(|row| {
                if stop.is_set() {
                    return 0.0;
                }
                let (_, slopes) = ascend(&self.layers, &self.slopes, row, self.norm);
                let points: Vec<Vec<Interval>> =
                    slopes.iter().map(|layer| layer.iter().map(|&x| (x, x)).collect()).collect();
                self.occurs(&self.chain, &points);
                norm_of(&self.chain, &points, self.norm).0
            })
            .reduce(|| 0.0, f64::max);
        // Rows that the time does not suffice for keep their K5.
        let bounded = side_by_side(&(0..rows).collect::<Vec<_>>(), |&row| {
            let mut split = Split { found, ..Split::default() };
            let known = if stop.is_set() { f64::INFINITY } else { found };
            self.consider(row, vec![End::Either; neurons], None, found, known, &mut split);
            split
        });
        bounded.into_iter().fold(Split::default(), Split::joined)
    }

    fn narrowed(&self, ends: &[End]) -> Vec<Vec<Interval>> {
        let mut end = ends.iter();
        let mut fixed = |&(a, b): &Interval| match end.next() {
            Some(End::Alpha) => (a, a),
            Some(End::Beta) => (b, b),
            _ => (a, b),
        };
        self.slopes.iter().map(|layer| layer.iter().map(&mut fixed).collect()).collect()
    }

    /// Keeps the norm at slopes that occur, which are at or between the ends of these intervals.
    fn occurs(&self, chain: &Chain, slopes: &[Vec<Interval>]) {
        let Some(attained) = &self.attained else { return };
        let near =
            |((&(alpha, beta), &(a, b)), [small, large]): ((&Interval, &Interval), &Ends)| {
                let chosen = match (a == b, a == alpha, a == beta) {
                    (true, true, _) => *small,
                    (true, _, true) => *large,
                    _ => small.hull(*large),
                };
                (chosen.lo, chosen.hi)
            };
        let layers = self.slopes.iter().zip(slopes).zip(attained);
        let slopes: Vec<Vec<Interval>> = layers
            .map(|((whole, part), ends)| whole.iter().zip(part).zip(ends).map(near).collect())
            .collect();
        let down = norm_of(chain, &slopes, self.norm).0;
        self.lower.fetch_max(down.max(0.0).to_bits(), AtomicOrdering::Relaxed);
    }

    /// Bounds a part and adds it to the split; by Ksdp as well where K5 is above `relaxed_above`.
    fn consider(
        &self,
        row: usize,
        ends: Vec<End>,
        start: Option<&Arc<Start>>,
        known: f64,
        relaxed_above: f64,
        split: &mut Split<Node>,
    ) {
        let slopes = self.narrowed(&ends);
        let rows: Vec<usize> =
            if self.norm == Norm::L2 { (0..self.layers.outputs()).collect() } else { vec![row] };
        let expansion = self.layers.expand(&slopes, &rows, self.norm);
        let mut bound = expansion.largest();
        let Some(branch) = expansion.most_influential() else {
            let chain = match self.norm {
                Norm::L2 => &self.chain,
                _ => &self.chain.select_outputs(&[row]),
            };
            // No neuron that is left has any influence: take the middle of its interval.
            self.occurs(chain, &slopes);
            let (down, up) = norm_of(chain, &slopes, self.norm);
            split.settled = max_up(split.settled, up.min(bound));
            split.found = split.found.max(down);
            return;
        };
        let mut next = None;
        if bound > enough(relaxed_above) {
            let (relaxed, inner) = self.relaxation.bound(&slopes, row, known, start);
            bound = bound.min(relaxed);
            next = inner;
        }
        split.add(bound, known, || Node { row, ends, branch, start: next });
    }
}

impl Tree for SlopeTree {
    type Node = Node;

    fn split(&self, node: &Node, known: f64) -> Split<Node> {
        let (layer, neuron) = node.branch;
        let index = self.slopes[..layer].iter().map(Vec::len).sum::<usize>() + neuron;
        let mut split = Split::default();
        for end in [End::Alpha, End::Beta] {
            let mut ends = node.ends.clone();
            ends[index] = end;
            self.consider(node.row, ends, node.start.as_ref(), known, known, &mut split);
        }
        split
    }

    fn bytes(&self, node: &Node) -> usize {
        let start = node.start.as_ref().map_or(0, |start| start.bytes());
        size_of_val(node) + size_of_val(&node.ends[..]) + start
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;
    use crate::bounds::networks_for_tests::relu_problem;
    use crate::numeric::rounding::power_of_two;

    #[test]
    fn bounds_of_what_is_done_with_are_kept() {
        // 3 max(2 x, 0) with either end of the only slope, 0 or 6 without the powers of two of the maps.
        let problem = relu_problem([arr2(&[[2.0]]), arr2(&[[3.0]])]);
        let slope = 6.0 * power_of_two(-problem.chain().exponent());
        for norm in Norm::ALL {
            let tree = SlopeTree::new(&problem, norm, Attained::Exactly, Stop::default());
            let split = |end: End| {
                let mut split = Split::default();
                tree.consider(0, vec![end], None, 0.0, f64::INFINITY, &mut split);
                split
            };
            let (off, on) = (split(End::Alpha), split(End::Beta));
            assert_eq!((off.settled, off.found, off.open.len()), (0.0, 0.0, 0), "{norm}");
            let bounds = slope * (1.0 - 1e-9)..slope * (1.0 + 1e-9);
            assert!(slope <= on.settled && bounds.contains(&on.settled), "{norm}: {}", on.settled);
            assert!(on.found <= slope && bounds.contains(&on.found), "{norm}: {}", on.found);
        }
    }
}
