//! A part of the search for L: a set of inputs.

use std::sync::Arc;

use super::halfspace::HalfSpace;
use super::{Split, enough};
use crate::network::InputBox;
use crate::network::ranges::Ranges;
use crate::numeric::rounding::max_up;
use crate::numeric::sdp::Start;

/// A part of the search.
#[derive(Debug, Clone)]
pub struct Node {
    /// The rows (in l1, columns) of the Jacobian whose bounds are not yet below the incumbent.
    pub(super) rows: Vec<usize>,
    pub(super) input: Option<InputBox>,
    /// Ranges of the arguments; at first those of the part that this is a part of.
    pub(super) ranges: Arc<Ranges>,
    /// The number of kinks at which it was cut, and the half-spaces where they are known exactly.
    pub(super) kinks: usize,
    pub(super) half_spaces: Vec<Arc<HalfSpace>>,
    /// Where the relaxations of the rows start.
    pub(super) starts: Vec<Option<Arc<Start>>>,
    /// An inner point, where one is known.
    pub(super) point: Option<Vec<f64>>,
    pub(super) cut: Cut,
}

/// How a part is split next.
#[derive(Debug, Clone)]
pub(super) enum Cut {
    /// In half along an input.
    Halve(usize),
    /// At the kink of a neuron of a stage, where its argument is this number.
    Kink(usize, usize, f64),
}

impl Node {
    /// Keeps a row, unless its bound is low enough.
    pub(super) fn keep(
        &mut self,
        row: usize,
        start: Option<Arc<Start>>,
        bound: f64,
        known: f64,
        split: &mut Split<Node>,
    ) {
        if bound <= enough(known) {
            split.settled = max_up(split.settled, bound);
        } else {
            self.rows.push(row);
            self.starts.push(start);
        }
    }
}
