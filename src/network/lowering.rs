//! From a [`Network`] to the form that is evaluated and bounded.
//!
//! Nonlinear layers are grouped in stages by the number of nonlinear layers before them. Between two
//! stages everything is affine and is merged into one map. A value that a stage does not change but
//! that is needed after it (the shortcut of a residual block) passes through as neurons whose slope
//! is 1.

use std::sync::Arc;

use super::affine::{apply, composed, identity, selection, stacked};
use super::exact_map::ExactMap;
use super::layers::{AffineMap, Lowered};
use super::linear_map::LinearMap;
use super::moved::Moved;
use super::slopes::Windows;
use super::stage::Stage;
use super::{Activation, Chain, InputBox, LayerError, Network, size};
use crate::numeric::{Csr, Interval, Matrix};

/// A network as `W_l S_l ... S_1 W_0` with its biases and activations: the [`Chain`] says what its
/// Jacobians can be, the rest what it computes.
#[derive(Debug, Clone)]
pub struct LoweredNetwork {
    /// The maps and the slopes.
    pub chain: Chain,
    /// Enclosures of the biases, one vector for each map.
    pub biases: Vec<Vec<Interval>>,
    /// For each map and its biases the exact ones, where those above are rounded and these are known.
    pub exact: Vec<Option<Arc<ExactMap>>>,
    /// The nonlinear functions, one for each of the chain's slopes.
    pub stages: Vec<Stage>,
    /// The inputs that are considered; `None` for all. The slopes of the chain hold for these.
    pub input: Option<InputBox>,
    /// The inputs with respect to which the network is bounded; `None` for all.
    pub(super) moved: Option<Moved>,
}

impl LoweredNetwork {
    /// The map `W_r` on values, with its biases.
    pub fn affine_map(&self, r: usize) -> AffineMap {
        AffineMap {
            linear: self.value_map(r).clone(),
            bias: self.biases[r].clone(),
            exact: self.exact[r].clone(),
        }
    }

    /// An enclosure of `W_r x + b_r` for a vector `x` of intervals.
    pub fn affine(&self, r: usize, x: &[Interval]) -> Vec<Interval> {
        apply(self.value_map(r), &self.biases[r], x)
    }

    /// The network whose outputs are the differences `f_i - f_j` of the given pairs.
    pub fn differences(&self, pairs: &[(usize, usize)]) -> LoweredNetwork {
        let last = self.chain.depth();
        let rows = Csr::from_rows(pairs.len(), self.chain.outputs(), |row, push| {
            let (i, j) = pairs[row];
            match i.cmp(&j) {
                std::cmp::Ordering::Less => [(i, 1.0), (j, -1.0)].map(|(k, x)| push(k, x)),
                std::cmp::Ordering::Greater => [(j, -1.0), (i, 1.0)].map(|(k, x)| push(k, x)),
                std::cmp::Ordering::Equal => [(), ()],
            };
        });
        let outer = LinearMap::new(Matrix::sparse(rows));
        let mut network = self.with_last(|map| outer.after(map));
        let biases = &self.biases[last];
        network.biases[last] = pairs.iter().map(|&(i, j)| biases[i] - biases[j]).collect();
        network
    }

    /// An enclosure of the outputs at a point, of which every coordinate is only known to lie in an interval.
    pub fn outputs_at(&self, x: &[Interval]) -> Vec<Interval> {
        let mut state = x.to_vec();
        for (r, stage) in self.stages.iter().enumerate() {
            state = stage.values(&self.affine(r, &state));
        }
        self.affine(self.stages.len(), &state)
    }

    /// The network with some of its outputs only.
    pub fn select_outputs(&self, outputs: &[usize]) -> LoweredNetwork {
        let mut selected = self.with_last(|map| map.select_rows(outputs));
        let last = self.chain.depth();
        selected.biases[last] = outputs.iter().map(|&i| self.biases[last][i]).collect();
        selected
    }
}

impl Network {
    /// The network as an alternation of affine maps and nonlinearities.
    ///
    /// # Errors
    /// The first layer whose shapes do not fit or that cannot be bounded.
    pub fn lower(&self) -> Result<LoweredNetwork, LayerError> {
        let (shapes, layers) = self.lowered_layers()?;
        Ok(Lowering::new(self, &shapes, &layers).run())
    }

    /// [`Network::lower`] for a network that is not needed any more: the tensors of a layer become those of its
    /// map, or are given up as soon as it is lowered.
    ///
    /// # Errors
    /// As [`Network::lower`].
    pub fn into_lowered(mut self) -> Result<LoweredNetwork, LayerError> {
        let shapes = self.shapes()?;
        let mut layers = Vec::with_capacity(self.nodes.len());
        for index in 0..self.nodes.len() {
            let inputs = self.inputs_of(index, &shapes);
            // From here on only the places of the nodes are looked at.
            let layer =
                std::mem::replace(&mut self.nodes[index].layer, Arc::new(Activation::Identity));
            let kind = layer.kind();
            let lowered = layer.into_lowered(&inputs);
            layers
                .push(lowered.map_err(|reason| LayerError { kind, ..self.error(index, reason) })?);
        }
        Ok(Lowering::new(&self, &shapes, &layers).run())
    }

    /// The shapes of all values, and each layer on its own.
    pub(super) fn lowered_layers(&self) -> Result<(Vec<Vec<usize>>, Vec<Lowered>), LayerError> {
        let shapes = self.shapes()?;
        let layers = (0..self.nodes.len()).map(|index| self.lowered_layer(index, &shapes));
        let layers: Vec<Lowered> = layers.collect::<Result<_, _>>()?;
        Ok((shapes, layers))
    }

    /// One layer on its own, given the shapes of all values.
    pub(super) fn lowered_layer(
        &self,
        index: usize,
        shapes: &[Vec<usize>],
    ) -> Result<Lowered, LayerError> {
        let lowered = self.nodes[index].layer.lower(&self.inputs_of(index, shapes));
        lowered.map_err(|reason| self.error(index, reason))
    }

    /// The shapes of what enters a layer.
    fn inputs_of(&self, index: usize, shapes: &[Vec<usize>]) -> Vec<Vec<usize>> {
        self.nodes[index].inputs.iter().map(|&i| shapes[i].clone()).collect()
    }
}

/// The values around one stage.
pub(super) struct StageValues {
    /// The results of its nonlinear layers.
    nonlinear: Vec<usize>,
    /// The values that pass through.
    passed: Vec<usize>,
    function: Stage,
}

impl StageValues {
    /// The nodes of its nonlinear layers, in the order of their values.
    pub(super) fn nonlinear_nodes(&self) -> impl Iterator<Item = usize> + '_ {
        self.nonlinear.iter().map(|v| v - 1)
    }
}

/// A network on the way to its chain. A value is 0 for the input and `i + 1` for the result of node `i`.
pub(super) struct Lowering<'a> {
    network: &'a Network,
    layers: &'a [Lowered],
    sizes: Vec<usize>,
    /// For each value, the number of stages before it.
    depths: Vec<usize>,
    /// For each value, the number of stages behind which it is still needed as it is.
    last_uses: Vec<usize>,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(
        network: &'a Network,
        shapes: &[Vec<usize>],
        layers: &'a [Lowered],
    ) -> Lowering<'a> {
        let mut depths = vec![0];
        for (node, layer) in network.nodes.iter().zip(layers) {
            let before = node.inputs.iter().map(|&i| depths[i]).max().unwrap_or(0);
            // A pool and an activation cannot share a stage: the pools get the next one.
            depths.push(before + usize::from(is_nonlinear(layer)));
        }
        let sizes = shapes.iter().map(|s| size(s)).collect();
        let mut lowering = Lowering { network, layers, sizes, depths, last_uses: Vec::new() };
        lowering.separate_pools();
        lowering.last_uses = lowering.find_last_uses();
        lowering
    }

    /// The last use of each value: behind the stages before an affine layer, in the last of the stages
    /// before a nonlinear one, which is then its own; the output is used behind all of them.
    fn find_last_uses(&self) -> Vec<usize> {
        let mut last = vec![0; self.sizes.len()];
        for (i, node) in self.network.nodes.iter().enumerate() {
            let stages = self.depths[i + 1] - usize::from(is_nonlinear(&self.layers[i]));
            for &value in &node.inputs {
                last[value] = last[value].max(stages);
            }
        }
        let output = self.network.nodes.len();
        last[output] = last[output].max(self.depths[output]);
        last
    }

    /// Moves pools to later stages until no stage holds both a pool and an activation.
    fn separate_pools(&mut self) {
        loop {
            let is_pool = |i: usize| matches!(self.layers[i], Lowered::MaxPool(_));
            let clash = (0..self.layers.len()).find(|&i| {
                is_pool(i)
                    && (0..self.layers.len()).any(|j| {
                        matches!(self.layers[j], Lowered::Activation(_))
                            && self.depths[j + 1] == self.depths[i + 1]
                    })
            });
            let Some(pool) = clash else { return };
            self.depths[pool + 1] += 1;
            for (i, node) in self.network.nodes.iter().enumerate() {
                let before = node.inputs.iter().map(|&v| self.depths[v]).max().unwrap_or(0);
                let least = before + usize::from(is_nonlinear(&self.layers[i]));
                self.depths[i + 1] = self.depths[i + 1].max(least);
            }
        }
    }

    fn run(self) -> LoweredNetwork {
        let mut expressions = self.inputs();
        let (mut maps, mut biases, mut exact) = (Vec::new(), Vec::new(), Vec::new());
        let (mut slopes, mut stages) = (Vec::new(), Vec::new());
        for depth in 0.. {
            self.affine_values(depth, &mut expressions);
            let stage = self.stage_at(depth);
            let parts: Vec<&AffineMap> = self
                .mapped_values(stage.as_ref())
                .into_iter()
                .filter_map(|v| expressions[v].as_ref())
                .collect();
            let map = stacked(&parts);
            maps.push(map.linear);
            biases.push(map.bias);
            exact.push(map.exact);
            let Some(stage) = stage else { break };
            expressions = self.entered(&stage);
            slopes.push(stage.function.slopes());
            stages.push(stage.function);
        }
        let chain = Chain::new(maps, slopes);
        LoweredNetwork { chain, biases, exact, stages, input: None, moved: None }
    }

    /// The values before the first map: the input is the state.
    pub(super) fn inputs(&self) -> Vec<Option<AffineMap>> {
        let mut expressions: Vec<Option<AffineMap>> = vec![None; self.sizes.len()];
        expressions[0] = Some(identity(self.sizes[0]));
        expressions
    }

    /// The number of components of a value.
    pub(super) fn size(&self, value: usize) -> usize {
        self.sizes[value]
    }

    /// The stage behind the values of a depth; `None` behind the last.
    pub(super) fn stage_at(&self, depth: usize) -> Option<StageValues> {
        let (output, count) = (self.network.nodes.len(), self.sizes.len());
        if depth == self.depths[output] {
            return None;
        }
        let nonlinear: Vec<usize> = (1..count)
            .filter(|&v| self.depths[v] == depth + 1 && is_nonlinear(&self.layers[v - 1]))
            .collect();
        let passed: Vec<usize> = (0..count)
            .filter(|&v| self.depths[v] <= depth && self.is_needed_after(v, depth))
            .collect();
        let function = self.stage(&nonlinear, &passed);
        Some(StageValues { nonlinear, passed, function })
    }

    /// The values of which the map before a stage consists, from top to bottom.
    pub(super) fn mapped_values(&self, stage: Option<&StageValues>) -> Vec<usize> {
        let Some(stage) = stage else { return vec![self.network.nodes.len()] };
        let sources = stage.nonlinear.iter().map(|&v| self.network.nodes[v - 1].inputs[0]);
        sources.chain(stage.passed.iter().copied()).collect()
    }

    /// The values behind a stage: those that live on are rows of the new state.
    pub(super) fn entered(&self, stage: &StageValues) -> Vec<Option<AffineMap>> {
        let width = stage.function.outputs();
        let mut expressions: Vec<Option<AffineMap>> = vec![None; self.sizes.len()];
        let mut start = 0;
        for &v in stage.nonlinear.iter().chain(&stage.passed) {
            expressions[v] = Some(selection(start, self.sizes[v], width));
            start += self.sizes[v];
        }
        expressions
    }

    /// Whether node `i` is affine and between the stages `depth` and `depth + 1`.
    pub(super) fn is_affine_at(&self, i: usize, depth: usize) -> bool {
        self.depths[i + 1] == depth && !is_nonlinear(&self.layers[i])
    }

    /// Whether a value is the result of such a node.
    pub(super) fn is_affine_value_at(&self, value: usize, depth: usize) -> bool {
        value.checked_sub(1).is_some_and(|i| self.is_affine_at(i, depth))
    }

    /// Fills in the values of a depth that are affine in the current state.
    pub(super) fn affine_values(&self, depth: usize, expressions: &mut [Option<AffineMap>]) {
        for (i, node) in self.network.nodes.iter().enumerate() {
            if self.depths[i + 1] != depth || expressions[i + 1].is_some() {
                continue;
            }
            let inputs: Vec<&AffineMap> =
                node.inputs.iter().filter_map(|&v| expressions[v].as_ref()).collect();
            if inputs.len() != node.inputs.len() {
                continue;
            }
            let map = match &self.layers[i] {
                Lowered::Reshape => inputs[0].clone(),
                Lowered::Affine(map) => composed(map, &stacked(&inputs)),
                Lowered::Activation(_) | Lowered::MaxPool(_) => continue,
            };
            expressions[i + 1] = Some(map);
        }
    }

    /// Whether a value that exists after stage `depth` is used behind the next stage other than as
    /// an input of that stage.
    fn is_needed_after(&self, value: usize, depth: usize) -> bool {
        self.last_uses[value] > depth
    }

    fn stage(&self, nonlinear: &[usize], passed: &[usize]) -> Stage {
        let pools = nonlinear.iter().any(|&v| matches!(self.layers[v - 1], Lowered::MaxPool(_)));
        if !pools {
            let mut parts: Vec<(Activation, usize)> = Vec::new();
            for &v in nonlinear {
                if let Lowered::Activation(activations) = &self.layers[v - 1] {
                    parts.extend(activations.iter().cloned());
                }
            }
            parts.extend(passed.iter().map(|&v| (Activation::Identity, self.sizes[v])));
            return Stage::Componentwise(parts);
        }
        let mut windows: Vec<Vec<usize>> = Vec::new();
        let mut start = 0;
        for &v in nonlinear {
            if let Lowered::MaxPool(pool) = &self.layers[v - 1] {
                windows
                    .extend((0..pool.count()).map(|i| pool.window(i).map(|j| start + j).collect()));
                start += pool.inputs();
            }
        }
        for &v in passed {
            windows.extend((start..start + self.sizes[v]).map(|j| vec![j]));
            start += self.sizes[v];
        }
        Stage::Pool(Windows::new(start, windows))
    }
}

pub(super) fn is_nonlinear(layer: &Lowered) -> bool {
    matches!(layer, Lowered::Activation(_) | Lowered::MaxPool(_))
}
