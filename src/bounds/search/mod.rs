//! Best-first branch and bound.
//!
//! A search knows a proved lower bound of the largest value (the *incumbent*) and keeps the parts of
//! the problem that may hold a larger one in a queue, the most promising first. Whenever it ends, by
//! itself or because it is stopped, the largest value lies between the incumbent and the largest bound
//! of a part.

pub mod ascent;
pub mod count;
pub mod expansion;
pub mod halfspace;
mod part;
mod polyhedron;
pub mod regions;
pub mod relaxation;
pub mod slopes;

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::side_by_side::side_by_side;
use super::{Certificate, Cost, Guarantee, Options, Refusal, Stop};
use crate::network::{Chain, LinearMap};
use crate::numeric::Norm;
use crate::numeric::rounding::max_up;

/// Parts that are split side by side; fixed, so that the result does not depend on the threads.
const WAVE: usize = 32;

/// A part is done with when its bound exceeds the incumbent by no more than this, relatively: the
/// interval of a finished search is narrower than 1e-9.
const TOLERANCE: f64 = 5e-10;

/// Numbers that a part of a search may take up; more is refused before any work is done.
const LARGEST: usize = 1 << 24;

/// Whether a chain is small enough to be searched, with dense matrices and a row for each neuron.
///
/// # Errors
/// A refusal with the estimate.
#[expect(clippy::float_arithmetic, reason = "sizes for a message")]
pub fn check_size(chain: &Chain) -> Result<(), Refusal> {
    let maps = chain.maps();
    let weights =
        maps.iter().map(|m| m.rows().saturating_mul(m.columns())).fold(0, usize::saturating_add);
    let widest = maps.iter().map(LinearMap::columns).max().unwrap_or(0);
    let rows = (chain.neurons() + chain.outputs()).saturating_mul(widest);
    let needed = weights.saturating_add(rows);
    if needed <= LARGEST {
        return Ok(());
    }
    Err(Refusal(format!(
        "a search needs dense matrices, here {:.1} GiB for each part, more than {:.1} GiB; K5 is an upper bound",
        needed as f64 * 8.0 / f64::from(1 << 30),
        LARGEST as f64 * 8.0 / f64::from(1 << 30)
    )))
}

/// The price of a search over so many undecided neurons, which takes seconds up to `cheap` of them and
/// minutes up to `foreseeable`; a refusal where the chain is too large.
pub fn price(chain: &Chain, cheap: usize, foreseeable: usize) -> Cost {
    if let Err(refusal) = check_size(chain) {
        return Cost::Refused(refusal);
    }
    let neurons = chain.neurons();
    if neurons <= cheap {
        Cost::Cheap
    } else if neurons <= foreseeable {
        Cost::Expensive
    } else {
        Cost::Open
    }
}

/// A problem that can be split into parts.
pub trait Tree: Sync {
    /// A part of the problem.
    type Node: Send + Sync;

    /// Splits a part, given the incumbent; parts whose bounds are at most [`enough`] of it need not be
    /// bounded any better.
    fn split(&self, node: &Self::Node, known: f64) -> Split<Self::Node>;

    /// The memory of a part that waits, in bytes, with what others may share with it.
    fn bytes(&self, node: &Self::Node) -> usize;
}

/// What became of a part.
#[derive(Debug)]
pub struct Split<N> {
    /// The parts that are left, each with a proved upper bound of its values.
    pub open: Vec<(f64, N)>,
    /// A proved upper bound of everything that is done with.
    pub settled: f64,
    /// A proved lower bound of the largest value of the whole problem.
    pub found: f64,
}

impl<N> Default for Split<N> {
    fn default() -> Split<N> {
        Split { open: Vec::new(), settled: 0.0, found: 0.0 }
    }
}

impl<N> Split<N> {
    /// Both together.
    pub fn joined(mut self, other: Split<N>) -> Split<N> {
        self.open.extend(other.open);
        Split {
            open: self.open,
            settled: max_up(self.settled, other.settled),
            found: self.found.max(other.found),
        }
    }

    /// Adds a part with its bound: to the open ones where that is above what is enough.
    pub fn add(&mut self, bound: f64, known: f64, node: impl FnOnce() -> N) {
        if bound <= enough(known) {
            self.settled = max_up(self.settled, bound);
        } else {
            self.open.push((bound, node()));
        }
    }
}

/// The bound at which a part is done with.
#[expect(
    clippy::float_arithmetic,
    reason = "decides when to stop: the bounds of what is done with are kept"
)]
pub fn enough(known: f64) -> f64 {
    known * (1.0 + TOLERANCE)
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// A proved lower bound of the largest value.
    pub lower: f64,
    /// A proved upper bound.
    pub upper: f64,
    /// The parts that were split.
    pub nodes: usize,
    /// The parts that are left.
    pub open: usize,
    /// How long it took.
    pub time: Duration,
    /// Whether it was stopped because the parts that are left take all the memory that they may.
    pub full: bool,
}

impl Outcome {
    /// The quantity `id`, known to lie between two numbers, with a remark on the search.
    pub fn certificate(
        &self,
        id: &'static str,
        norm: Norm,
        (lower, upper): (f64, f64),
        options: &Options,
    ) -> Certificate {
        let name = if id == "k" { "K" } else { "L" };
        let note = match (self.nodes, self.open) {
            (0, 0) => None,
            (nodes, 0) => Some(format!("{name} {norm}: {nodes} parts searched")),
            (nodes, open) => {
                let why = if self.full { " (--memory-limit)" } else { "" };
                Some(format!("{name} {norm}: stopped with {open} parts left{why}, after {nodes}"))
            }
        };
        // Times are no part of a report that should be the same every time.
        let time = format!(" ({:.2} s)", self.time.as_secs_f64());
        let note = note.map(|note| if options.timings { note + &time } else { note });
        Certificate {
            lower: Some(lower),
            guarantee: Guarantee::Enclosure,
            note,
            ..Certificate::upper_bound(id, norm, upper)
        }
    }
}

struct Entry<N> {
    bound: f64,
    number: usize,
    node: N,
}

impl<N> PartialEq for Entry<N> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<N> Eq for Entry<N> {}

impl<N> PartialOrd for Entry<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<N> Ord for Entry<N> {
    /// The largest bound first, the older of two equal ones.
    fn cmp(&self, other: &Self) -> Ordering {
        self.bound.total_cmp(&other.bound).then(other.number.cmp(&self.number))
    }
}

/// The parts that wait, the most promising first.
struct Queue<'a, T: Tree> {
    tree: &'a T,
    entries: BinaryHeap<Entry<T::Node>>,
    /// The parts that have ever waited.
    number: usize,
    /// The memory of those that wait.
    bytes: usize,
}

impl<T: Tree> Queue<'_, T> {
    fn new(tree: &T) -> Queue<'_, T> {
        Queue { tree, entries: BinaryHeap::new(), number: 0, bytes: 0 }
    }

    fn push(&mut self, bound: f64, node: T::Node) {
        self.number += 1;
        self.bytes += self.tree.bytes(&node);
        self.entries.push(Entry { bound, number: self.number, node });
    }

    fn pop(&mut self) -> Option<Entry<T::Node>> {
        let entry = self.entries.pop()?;
        self.bytes -= self.tree.bytes(&entry.node);
        Some(entry)
    }
}

/// What an allocator takes for many small blocks between large ones that come and go, at most.
const SLACK: f64 = 2.0;

/// Searches from the given parts until `stop` is set; those that wait may take `room` bytes, and `progress` words a line
/// on how far the search is. Without the powers of two of the maps, the largest value is at most `ceiling`.
#[expect(clippy::float_arithmetic, reason = "decides when to stop: what is left counts")]
pub fn best_first<T: Tree>(
    tree: &T,
    roots: Split<T::Node>,
    options: &Options,
    stop: &Stop,
    (room, ceiling): (f64, f64),
    progress: impl Fn(&Outcome) -> String,
) -> Outcome {
    let start = Instant::now();
    let mut queue = Queue::new(tree);
    let mut outcome = Outcome {
        lower: roots.found,
        upper: roots.settled,
        nodes: 0,
        open: 0,
        time: Duration::ZERO,
        full: false,
    };
    let mut settled = roots.settled;
    roots.open.into_iter().for_each(|(bound, node)| queue.push(bound, node));
    loop {
        let top = queue.entries.peek().map_or(0.0, |entry| entry.bound);
        outcome.upper = max_up(max_up(settled, top).min(ceiling), outcome.lower);
        outcome.open = queue.entries.len();
        outcome.time = start.elapsed();
        if top.min(ceiling) <= enough(outcome.lower) {
            outcome.open = 0;
            return outcome;
        }
        outcome.full = SLACK * queue.bytes as f64 > room;
        if outcome.full || outcome.nodes >= options.node_limit || stop.is_set() {
            return outcome;
        }
        options
            .progress
            .say(|| format!("{}, {:.0} s", progress(&outcome), outcome.time.as_secs_f64()));
        let mut wave = Vec::with_capacity(WAVE);
        while wave.len() < WAVE {
            match queue.pop() {
                Some(entry) if entry.bound > enough(outcome.lower) => wave.push(entry),
                Some(entry) => {
                    settled = max_up(settled, entry.bound);
                    break;
                }
                None => break,
            }
        }
        outcome.nodes += wave.len();
        let splits = side_by_side(&wave, |entry| tree.split(&entry.node, outcome.lower));
        for (entry, split) in wave.into_iter().zip(splits) {
            outcome.lower = outcome.lower.max(split.found);
            // A part is never larger than the whole: the smaller bound holds.
            settled = max_up(settled, split.settled.min(entry.bound));
            for (bound, node) in split.open {
                queue.push(bound.min(entry.bound), node);
            }
        }
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
