//! The search for L: over the linear regions that a network really has.
//!
//! A part of the search is a set of inputs, a box or the whole space cut by half-spaces on which the
//! arguments of chosen neurons are on one side of a kink. On it the slopes are narrowed, and the largest
//! norm over the narrowed slopes (K5 or Ksdp of them) bounds L there. A part is split at a kink of the
//! earliest layer that still matters, so that the new boundary is a hyperplane, or in half along an
//! input. Parts without inner points are dropped, with a proof (see [`super::halfspace`]).

use std::sync::Arc;

use ndarray::{Array1, Array2, Axis};

use super::expansion::{Expansion, Interval, Layers};
use super::halfspace::{ExactNetwork, HalfSpace, Interior, has_interior, interior};
use super::part::{Cut, Node};
use super::relaxation::Relaxation;
use super::slopes::progress;
use super::{Outcome, Split, Tree, best_first, enough};
use crate::bounds::l::L;
use crate::bounds::lower::lower_bounds;
use crate::bounds::lower::verify::{jacobian_norm_down, norm_of};
use crate::bounds::perturbation::radius_up;
use crate::bounds::{Problem, Proved, Stop, memory};
use crate::network::lowering::LoweredNetwork;
use crate::network::ranges::{Propagation, Ranges};
use crate::network::{Chain, InputBox, Slopes};
use crate::numeric::rounding::{max_up, scale_down, scale_up};
use crate::numeric::{Interval as Range, Norm};

/// Boxes of at most this many inputs are halved while many neurons are undecided; with more inputs,
/// cutting at kinks is better (10 inputs and 25 neurons: 8,000 parts against 53,000).
const FEW_INPUTS: usize = 6;

/// The number of neurons that matter from which a box is halved instead of cut at a kink. On ACAS Xu
/// 1_1 in [-0.05, 0.05]^5, output 0, linf: 4 need 4,700 parts, 8 need 3,500; with 24 the search does not
/// end in ten times the time, as Ksdp is far above L where neurons cannot be undecided independently.
const MANY_NEURONS: usize = 8;

/// The most neurons that matter for which Ksdp is tried on a box that is halved next.
const RELAXED: usize = 64;

/// What the parts have in common.
struct Regions<'a> {
    network: &'a LoweredNetwork,
    exact: Option<ExactNetwork>,
    propagation: Propagation<'a>,
    chain: Chain,
    layers: Layers,
    is_transposed: bool,
    /// The norm of the network, and the one in the orientation of the layers.
    norm: Norm,
    row_norm: Norm,
    relaxation: Relaxation,
}

/// Lower and upper bounds of L without the powers of two of the maps. The network has no pools.
pub fn search(problem: &Problem, network: &LoweredNetwork, norm: Norm) -> Outcome {
    let stop = problem.search_stop();
    let regions = Regions::new(network, norm, stop.clone());
    let exponent = network.chain.exponent();
    if problem.proved("l", norm).lower == 0.0 {
        lower_bounds(problem, &[norm]);
    }
    let Proved { lower, upper } = problem.proved("l", norm);
    let known = scale_down(lower, -exponent);
    let limits = (memory::room(&L, problem, norm), scale_up(upper, -exponent));
    let mut roots = Split { found: known.max(0.0), ..Split::default() };
    let start = Node {
        rows: (0..regions.layers.outputs()).collect(),
        starts: vec![None; regions.layers.outputs()],
        input: network.input.clone(),
        ranges: Arc::new(Ranges::unlimited(network)),
        kinks: 0,
        half_spaces: Vec::new(),
        point: None,
        cut: Cut::Halve(0),
    };
    regions.consider(start, roots.found, &mut roots);
    let say = |outcome: &Outcome| progress("L", norm, outcome, &|x: f64| scale_up(x, exponent));
    best_first(&regions, roots, problem.options(), &stop, limits, say)
}

impl<'a> Regions<'a> {
    fn new(network: &'a LoweredNetwork, norm: Norm, stop: Stop) -> Regions<'a> {
        let transposed = if norm == Norm::L1 { network.chain.transposed() } else { None };
        let is_transposed = transposed.is_some();
        let chain = transposed.unwrap_or_else(|| network.chain.clone());
        let row_norm = if norm == Norm::L2 { Norm::L2 } else { Norm::Linf };
        let layers = Layers::new(&chain);
        let perturbation = radius_up(&chain, row_norm);
        Regions {
            network,
            exact: ExactNetwork::new(network),
            propagation: Propagation::new(network),
            relaxation: Relaxation::new(layers.weights.clone(), row_norm, perturbation, stop),
            layers,
            chain,
            is_transposed,
            norm,
            row_norm,
        }
    }

    /// The slopes of the stages in the orientation of the layers.
    fn oriented(&self, ranges: &Ranges) -> Vec<Vec<Interval>> {
        let mut slopes: Vec<_> =
            ranges.slopes(self.network).iter().map(Slopes::intervals).collect();
        if self.is_transposed {
            slopes.reverse();
        }
        slopes
    }

    /// The stage of a layer, and the layer of a stage.
    fn stage(&self, layer: usize) -> usize {
        if self.is_transposed { self.layers.depth() - 1 - layer } else { layer }
    }

    /// Bounds a part, decides how to split it, and adds it to the split.
    fn consider(&self, mut node: Node, known: f64, split: &mut Split<Node>) {
        if let Some(input) = &node.input {
            let Some(ranges) = self.propagation.ranges(input, &node.ranges) else { return };
            node.ranges = Arc::new(ranges);
        }
        let ranges = Arc::clone(&node.ranges);
        let slopes = self.oriented(&ranges);
        let mut expansion = self.layers.expand(&slopes, &node.rows, self.row_norm);
        self.prune(&mut node, &expansion, known, split);
        if node.rows.is_empty() {
            return;
        }
        if node.point.is_none() || !node.half_spaces.is_empty() {
            match self.interior(&node) {
                Interior::Empty => return,
                Interior::Unknown => node.point = None,
                Interior::Point(mut x) => {
                    // Linear programs end at faces, which may have been rounded outwards.
                    if let Some(input) = &node.input {
                        input.nearest(&mut x);
                    }
                    if node.point.as_ref() != Some(&x) {
                        let found = jacobian_norm_down(self.network, &x, self.norm);
                        split.found = split.found.max(found);
                    }
                    node.point = Some(x);
                }
            }
        }
        let known = known.max(split.found);
        if expansion.bounds.len() != node.rows.len() && self.row_norm != Norm::L2 {
            expansion = self.layers.expand(&slopes, &node.rows, self.row_norm);
        }
        let mut bound = expansion.largest();
        let Some(cut) = self.cut(&node, &expansion) else {
            // The Jacobian is the same on the whole part, or no cut is left that could change anything.
            bound = if expansion.most_influential().is_none() {
                let (down, up) = norm_of(&self.rows_of(&node.rows), &slopes, self.row_norm);
                if down > known && self.has_interior(&node) {
                    split.found = split.found.max(down);
                }
                bound.min(up)
            } else {
                bound.min(self.relaxed(&mut node, &slopes, known, split))
            };
            split.settled = max_up(split.settled, bound);
            return;
        };
        let matter = expansion.influential();
        if matter > 1 && (matches!(cut, Cut::Kink(..)) || matter <= RELAXED) {
            bound = bound.min(self.relaxed(&mut node, &slopes, known, split));
        }
        node.cut = cut;
        split.add(bound, known, || node);
    }

    /// Takes out the rows that are done with.
    fn prune(&self, node: &mut Node, expansion: &Expansion, known: f64, split: &mut Split<Node>) {
        if self.row_norm == Norm::L2 {
            if expansion.largest() <= enough(known) {
                split.settled = max_up(split.settled, expansion.largest());
                node.rows.clear();
            }
            return;
        }
        let starts = std::mem::take(&mut node.starts);
        let rows = std::mem::take(&mut node.rows);
        for ((row, start), &bound) in rows.into_iter().zip(starts).zip(&expansion.bounds) {
            node.keep(row, start, bound, known, split);
        }
    }

    fn interior(&self, node: &Node) -> Interior {
        if node.half_spaces.is_empty() {
            let middle = |b: &InputBox| b.sides().iter().map(|side| side.midpoint()).collect();
            let x = node.input.as_ref().map_or_else(|| vec![0.0; self.network.inputs()], middle);
            return Interior::Point(x);
        }
        let hint = node.point.as_deref();
        interior(&node.half_spaces, node.input.as_ref(), self.network.inputs(), hint)
    }

    /// Whether a part is proved to have inner points: then its slopes occur.
    fn has_interior(&self, node: &Node) -> bool {
        let (half_spaces, dimension) = (&node.half_spaces, self.network.inputs());
        // Where a kink was cut at without a half-space, what is left may be nothing.
        node.half_spaces.len() == node.kinks
            && has_interior(half_spaces, node.input.as_ref(), dimension, node.point.as_deref())
    }

    fn rows_of(&self, rows: &[usize]) -> Chain {
        if self.row_norm == Norm::L2 { self.chain.clone() } else { self.chain.select_outputs(rows) }
    }

    /// How to split a part; `None` where nothing is left to decide or nothing can be.
    fn cut(&self, node: &Node, expansion: &Expansion) -> Option<Cut> {
        let ranges = &node.ranges;
        expansion.most_influential()?;
        let matter = expansion.influential();
        let halved = || {
            let input = node.input.as_ref()?;
            self.longest(input, ranges, expansion).map(Cut::Halve)
        };
        let few = node.input.as_ref().is_some_and(|b| {
            (0..b.dimension()).filter(|&j| !b.is_constant(j)).count() <= FEW_INPUTS
        });
        if few && matter > MANY_NEURONS && node.kinks == 0 {
            return halved();
        }
        self.kink(ranges, expansion).or_else(halved)
    }

    /// The kink to split at: of the earliest stage with one that matters, the most influential neuron.
    fn kink(&self, ranges: &Ranges, expansion: &Expansion) -> Option<Cut> {
        for stage in 0..self.layers.depth() {
            let influence = &expansion.influence[self.stage(stage)];
            if influence.iter().all(|&x| x <= 0.0) {
                continue;
            }
            let inside = |k: usize| self.kink_inside(ranges, (stage, k));
            let candidates = (0..influence.len())
                .filter(|&k| influence[k] > 0.0)
                .filter_map(|k| inside(k).map(|threshold| (influence[k], k, threshold)));
            let best = candidates.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            return best.map(|(_, k, threshold)| self.decidable(ranges, (stage, k), threshold));
        }
        None
    }

    /// The cut at a neuron, or at one before it. Where only some inputs move, neurons that these do not reach
    /// have no influence of their own, but they decide where the others are on.
    fn decidable(&self, ranges: &Ranges, neuron: (usize, usize), threshold: f64) -> Cut {
        let mut cut = (neuron, threshold);
        if let Some(exact) = self.exact.as_ref().filter(|_| self.network.is_part()) {
            // Each is of an earlier stage than the one before.
            while let Some(missing) = exact.undecided(self.network, ranges, cut.0) {
                let Some(threshold) = self.kink_inside(ranges, missing) else { break };
                cut = (missing, threshold);
            }
        }
        Cut::Kink(cut.0.0, cut.0.1, cut.1)
    }

    /// A kink of a neuron's activation inside its range.
    fn kink_inside(&self, ranges: &Ranges, (stage, k): (usize, usize)) -> Option<f64> {
        let range = ranges.arguments[stage][k];
        let kinks = self.network.stages[stage].activation(k)?.kinks();
        let mut open = kinks.into_iter().filter(|t| t.lo == t.hi).map(|t| t.lo);
        open.find(|&t| range.lo < t && t < range.hi)
    }

    /// The input along which to halve a box: where the arguments of the neurons that matter vary most.
    #[expect(clippy::float_arithmetic, reason = "decides the order of the search only")]
    fn longest(&self, input: &InputBox, ranges: &Ranges, expansion: &Expansion) -> Option<usize> {
        let n = input.dimension();
        let mut score = vec![0.0; n];
        let radii: Array1<f64> = (0..n).map(|j| input.radius(j)).collect();
        let slopes = ranges.slopes(self.network);
        let mut reach: Array2<f64> = Array2::from_diag(&radii);
        for (stage, map) in self.network.value_maps().enumerate() {
            // How far each input moves each argument, through the centres of the slopes.
            reach = map.matrix.apply(reach.view());
            let influence = &expansion.influence[self.stage(stage)];
            for (k, row) in reach.outer_iter().enumerate().filter(|(k, _)| influence[*k] > 0.0) {
                let total: f64 = row.iter().map(|x| x.abs()).sum();
                if total > 0.0 {
                    row.iter()
                        .zip(&mut score)
                        .for_each(|(x, s)| *s += influence[k] * x.abs() / total);
                }
            }
            if let Some(d) = slopes[stage].diagonal() {
                reach *= &Array1::from(d.centre().to_vec()).insert_axis(Axis(1));
            }
        }
        let splittable = (0..n).filter(|&j| input.middle(j).is_some());
        splittable.max_by(|&a, &b| score[a].total_cmp(&score[b]).then(b.cmp(&a)))
    }

    /// Ksdp of the rows that are left; takes out those that it finishes.
    fn relaxed(
        &self,
        node: &mut Node,
        slopes: &[Vec<Interval>],
        known: f64,
        split: &mut Split<Node>,
    ) -> f64 {
        if self.row_norm == Norm::L2 {
            let start = node.starts.first().and_then(Option::as_ref);
            let (bound, next) = self.relaxation.bound(slopes, 0, known, start);
            node.starts = vec![next];
            return bound;
        }
        let mut largest = 0.0f64;
        let starts = std::mem::take(&mut node.starts);
        for (row, start) in std::mem::take(&mut node.rows).into_iter().zip(starts) {
            let (bound, next) = self.relaxation.bound(slopes, row, known, start.as_ref());
            largest = max_up(largest, bound);
            node.keep(row, next, bound, known, split);
        }
        largest
    }
}

impl Tree for Regions<'_> {
    type Node = Node;

    fn split(&self, node: &Node, known: f64) -> Split<Node> {
        let mut split = Split::default();
        match node.cut {
            Cut::Halve(input) => {
                let halves = node.input.as_ref().and_then(|b| b.halves(input));
                for half in halves.into_iter().flatten() {
                    // A box has a middle of its own to look at; in a polyhedron any inner point is welcome.
                    let point = node.point.clone().filter(|_| !node.half_spaces.is_empty());
                    let child = Node { input: Some(half), point, ..node.clone() };
                    self.consider(child, known, &mut split);
                }
            }
            Cut::Kink(stage, neuron, threshold) => {
                let exact = self.exact.as_ref();
                let half_space = exact.and_then(|exact| {
                    exact.above(self.network, &node.ranges, (stage, neuron), threshold)
                });
                let opposite = half_space.as_ref().map(HalfSpace::opposite);
                // A neuron whose argument is a constant is on one side of the kink, or at it, where either slope will do.
                let constant = half_space.as_ref().filter(|h| h.is_constant());
                let decided = constant.map(|h| usize::from(!h.contains_origin()));
                let sides = [
                    (Range::new(threshold, f64::INFINITY), half_space),
                    (Range::new(f64::NEG_INFINITY, threshold), opposite),
                ];
                for (number, (side, half_space)) in sides.into_iter().enumerate() {
                    if decided.is_some_and(|decided| decided != number) {
                        continue;
                    }
                    let mut ranges = Ranges::clone(&node.ranges);
                    let range = &mut ranges.arguments[stage][neuron];
                    let Some(half) = range.intersect(side) else { continue };
                    *range = half;
                    let mut child =
                        Node { ranges: Arc::new(ranges), kinks: node.kinks + 1, ..node.clone() };
                    child.half_spaces.extend(half_space.map(Arc::new));
                    self.consider(child, known, &mut split);
                }
            }
        }
        split
    }

    fn bytes(&self, node: &Node) -> usize {
        let ranges =
            node.ranges.arguments.iter().map(|layer| size_of_val(&layer[..])).sum::<usize>();
        let starts = node.starts.iter().flatten().map(|start| start.bytes()).sum::<usize>();
        // The half-spaces before the last are those of the part that this is a part of.
        let half_space = node.half_spaces.last().map_or(0, |half_space| half_space.bytes());
        let inputs = 4 * size_of::<f64>() * self.network.inputs();
        size_of_val(node) + ranges + starts + half_space + inputs
    }
}

#[cfg(test)]
#[path = "regions_tests.rs"]
mod tests;
