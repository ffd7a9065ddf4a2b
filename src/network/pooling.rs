//! Max-pooling written out with ReLUs.

use std::convert::Infallible;

use super::affine::composed;
use super::layers::AffineMap;
use super::lowering::LoweredNetwork;
use super::slopes::Windows;
use super::stage::Stage;
use super::{Activation, Chain, LinearMap};
use crate::numeric::{Csr, Interval, Matrix};

/// How the bounds see a max-pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// As a nonlinearity that selects one element of each window.
    #[default]
    Implicit,
    /// As layers of ReLUs: `max(a, b) = b + R(a - b)`, windows halved in stages.
    Explicit,
}

impl LoweredNetwork {
    /// The network with every max-pooling written out: the values of each window are paired in stages,
    /// `max(a, b) = b + R(a - b)`. In the first stage `b` is carried by a ReLU of its own where the
    /// values are known to be nonnegative (they come from a ReLU), else as a neuron of slope 1; maxima
    /// are carried in the same way. Linear maps that meet are merged.
    ///
    /// Source: F. Pintore and B. Despres, arXiv 2410.21053, section on convolutional networks, where
    /// the bounds of this form are found to be far looser; it is here for that comparison.
    pub fn with_explicit_pools(self) -> LoweredNetwork {
        let written = |network: LoweredNetwork| Ok::<_, Infallible>(network.written_out());
        let Ok(network) = self.through_all_inputs(written);
        network
    }

    /// The same, where all inputs may move.
    fn written_out(self) -> LoweredNetwork {
        let (mut maps, mut biases, mut exact) = (Vec::new(), Vec::new(), Vec::new());
        let mut stages: Vec<Stage> = Vec::new();
        // What the next map has to be applied to.
        let mut pending: Option<AffineMap> = None;
        for r in 0..=self.chain.depth() {
            let own = self.affine_map(r);
            let mut map = match pending.take() {
                Some(inner) => composed(&own, &inner),
                None => own,
            };
            match self.stages.get(r) {
                Some(Stage::Pool(windows)) => {
                    let nonnegative = is_nonnegative(&map, stages.last());
                    pending = Some(self.write_out(windows, nonnegative, map, |map, stage| {
                        maps.push(map.linear);
                        biases.push(map.bias);
                        exact.push(map.exact);
                        stages.push(stage);
                    }));
                    continue;
                }
                Some(stage) => stages.push(stage.clone()),
                None => {}
            }
            map.bias.shrink_to_fit();
            maps.push(map.linear);
            biases.push(map.bias);
            exact.push(map.exact);
        }
        let slopes = stages.iter().map(Stage::slopes).collect();
        LoweredNetwork {
            chain: Chain::new(maps, slopes),
            biases,
            exact,
            stages,
            input: self.input.clone(),
            moved: None,
        }
    }

    /// Emits the stages of one pooling behind `map`; returns what is left to be applied.
    fn write_out(
        &self,
        windows: &Windows,
        nonnegative: bool,
        map: AffineMap,
        mut emit: impl FnMut(AffineMap, Stage),
    ) -> AffineMap {
        // The candidates of each window, as sums of components of the current state.
        let mut candidates: Vec<Vec<Vec<usize>>> =
            (0..windows.count()).map(|i| windows.window(i).map(|j| vec![j]).collect()).collect();
        let mut state = map;
        let mut width = windows.inputs();
        while candidates.iter().any(|window| window.len() > 1) {
            let mut rows: Vec<Vec<(usize, f64)>> = Vec::new();
            let mut kinds: Vec<(Activation, usize)> = Vec::new();
            let mut next: Vec<Vec<Vec<usize>>> = Vec::new();
            let carried = if nonnegative { Activation::Relu } else { Activation::Identity };
            for window in &candidates {
                let mut merged = Vec::new();
                for pair in window.chunks(2) {
                    let mut value = Vec::new();
                    let last = &pair[pair.len() - 1];
                    if let [a, b] = pair {
                        // R(a - b)
                        value.push(rows.len());
                        let plus = a.iter().map(|&j| (j, 1.0));
                        rows.push(plus.chain(b.iter().map(|&j| (j, -1.0))).collect());
                        kinds.push((Activation::Relu, 1));
                    }
                    value.push(rows.len());
                    rows.push(last.iter().map(|&j| (j, 1.0)).collect());
                    kinds.push((carried.clone(), 1));
                    merged.push(value);
                }
                next.push(merged);
            }
            emit(composed(&sums(rows, width), &state), Stage::Componentwise(kinds));
            width = next.iter().flatten().map(Vec::len).sum();
            state = identity(width);
            candidates = next;
        }
        let rows = candidates
            .into_iter()
            .map(|window| window.into_iter().flatten().map(|j| (j, 1.0)).collect())
            .collect();
        composed(&sums(rows, width), &state)
    }
}

/// Whether the values are copies of outputs of nonnegative activations.
fn is_nonnegative(map: &AffineMap, before: Option<&Stage>) -> bool {
    let Some(Stage::Componentwise(parts)) = before else { return false };
    let positive =
        |a: &Activation| matches!(a, Activation::Relu | Activation::Relu6 | Activation::Sigmoid);
    let copies = map.linear.radius.is_none()
        && map.linear.matrix.is_signed_selection()
        && map.linear.matrix.as_sparse().is_some_and(|m| m.values().iter().all(|&x| x > 0.0));
    copies
        && parts.iter().all(|(a, _)| positive(a))
        && map.bias.iter().all(|b| *b == Interval::ZERO)
}

/// The map with the given rows of `(column, value)`.
fn sums(mut rows: Vec<Vec<(usize, f64)>>, columns: usize) -> AffineMap {
    rows.iter_mut().for_each(|row| row.sort_unstable_by_key(|&(j, _)| j));
    let bias = vec![Interval::ZERO; rows.len()];
    let csr = Csr::from_rows(rows.len(), columns, |i, push| {
        rows[i].iter().for_each(|&(j, x)| push(j, x))
    });
    AffineMap::new(LinearMap::new(Matrix::sparse(csr)), bias)
}

fn identity(n: usize) -> AffineMap {
    AffineMap::new(LinearMap::identity(n), vec![Interval::ZERO; n])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::layers::conv::{Conv, Geometry};
    use crate::network::{Layer, Network};
    use ndarray::Array3;
    use std::sync::Arc;

    #[test]
    fn a_product_that_underflowed_makes_a_copy_no_copy() {
        // The first of 8 values is h_0 - 2^-1200 h_1 for outputs of ReLUs: negative where only h_1 is not 0.
        const N: usize = 8;
        let power = |e: i32| 2f64.powi(e);
        let channels = |entry: &dyn Fn(usize, usize) -> f64| -> Arc<dyn Layer> {
            let kernel = Array3::from_shape_fn((N, N, 1), |(i, j, _)| entry(i, j)).into_dyn();
            let geometry = Geometry { groups: 1, ..Geometry::default() };
            Arc::new(Conv::new(1, kernel, None, &geometry).expect("a layer"))
        };
        let of_diagonal = |first: f64, others: f64| {
            move |i: usize, j: usize| match (i, j) {
                (0, 0) => first,
                _ if i == j => others,
                _ => 0.0,
            }
        };
        let relu: Arc<dyn Layer> = Arc::new(Activation::Relu);
        let second = channels(&of_diagonal(1.0, power(-600)));
        let third = channels(&|i, j| match (i, j) {
            (0, 1) => -power(-600),
            _ => of_diagonal(1.0, power(600))(i, j),
        });
        let layers = vec![relu, second, third];
        let network = Network::sequential("copies", vec![N, 1], layers).expect("a network");
        let lowered = network.lower().expect("a network");
        let before = Some(&lowered.stages[0]);
        let map = |linear: LinearMap| AffineMap::new(linear, lowered.biases[1].clone());
        let merged = lowered.chain.maps()[1].clone();
        let radius = merged.radius.as_ref().map(|radius| radius.get(0, 1));
        assert!(radius.is_some_and(|r| r > 0.0) && merged.matrix.get(0, 1) == 0.0);
        assert!(is_nonnegative(&map(LinearMap { radius: None, ..merged.clone() }), before));
        assert!(!is_nonnegative(&map(merged), before));
    }
}
