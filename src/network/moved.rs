//! Some of the inputs of a network, with respect to which it is bounded.

use super::{LinearMap, LoweredNetwork};
use crate::numeric::Matrix;

/// Which inputs may move, and the first map of the network with the columns of all of them.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    /// Their numbers, as columns of `first`.
    inputs: Vec<usize>,
    first: LinearMap,
}

impl LoweredNetwork {
    /// The network as a function of some of its inputs only, each named once, while the others have any
    /// values (of the box, where there is one): of every Jacobian the columns of these inputs are left. What
    /// a norm of it is at most is the Lipschitz constant of `x_S -> f(x_S, x_rest)` for the worst `x_rest`.
    ///
    /// The chain has these columns of `W_0` only. Slopes and values are still those at all inputs, for which
    /// [`LoweredNetwork::value_map`] keeps the whole map.
    pub fn select_inputs(&self, inputs: &[usize]) -> LoweredNetwork {
        let mut selected = self.with_all_inputs();
        let first = selected.chain.maps()[0].clone();
        selected.chain = selected.chain.with_first(first.select_columns(inputs));
        selected.moved = Some(Moved { inputs: inputs.to_vec(), first });
        selected
    }

    /// Whether the network is bounded with respect to some of its inputs only.
    pub fn is_part(&self) -> bool {
        self.moved.is_some()
    }

    /// The same, bounded with respect to all inputs.
    pub fn with_all_inputs(&self) -> LoweredNetwork {
        let mut whole = self.clone();
        if let Some(moved) = whole.moved.take() {
            whole.chain = whole.chain.with_first(moved.first);
        }
        whole
    }

    /// A function of networks that are bounded with respect to all inputs, for this one.
    pub(super) fn through_all_inputs<E>(
        &self,
        change: impl FnOnce(LoweredNetwork) -> Result<LoweredNetwork, E>,
    ) -> Result<LoweredNetwork, E> {
        let changed = change(self.with_all_inputs())?;
        Ok(match &self.moved {
            None => changed,
            Some(moved) => changed.select_inputs(&moved.inputs),
        })
    }

    /// The network with a function applied to its last map.
    pub(super) fn with_last(&self, change: impl Fn(&LinearMap) -> LinearMap) -> LoweredNetwork {
        let last = self.chain.depth();
        let mut network = self.clone();
        network.chain = self.chain.with_last(change(&self.chain.maps()[last]));
        // The only map is the first one, too.
        if let Some(moved) = network.moved.as_mut().filter(|_| last == 0) {
            moved.first = change(&moved.first);
        }
        network
    }

    /// The map `W_r` on values: with the columns of all inputs.
    pub fn value_map(&self, r: usize) -> &LinearMap {
        match &self.moved {
            Some(moved) if r == 0 => &moved.first,
            _ => &self.chain.maps()[r],
        }
    }

    /// The maps on values, as far as the last stage.
    pub fn value_maps(&self) -> impl Iterator<Item = &LinearMap> {
        (0..self.stages.len()).map(|r| self.value_map(r))
    }

    /// The dimension of the points at which the network has values.
    pub fn inputs(&self) -> usize {
        self.value_map(0).columns()
    }
}

impl LinearMap {
    /// The given columns, in the given order.
    fn select_columns(&self, columns: &[usize]) -> LinearMap {
        let select = |m: &Matrix| m.transposed().select_rows(columns).transposed();
        LinearMap {
            matrix: select(&self.matrix),
            radius: self.radius.as_ref().map(select),
            exponent: self.exponent,
        }
    }
}
