//! State dicts of dense layers as networks: a chain, with an activation between the layers.

use std::sync::Arc;

use ndarray::{Array1, Array2, Ix2};

use super::order;
use super::{Group, StateDict, TensorOrder};
use crate::io::error::{ReadError, layer_error, some_of};
use crate::io::{Layout, arch};
use crate::network::layers::dense::Dense;
use crate::network::tensor::show_shape;
use crate::network::{Activation, Layer, Network, Node, Origin};

/// The weight of a dense layer, outputs x inputs.
struct Weight {
    name: String,
    matrix: Array2<f64>,
    /// What the tensors of its layer are for the network.
    origins: Vec<Origin>,
}

/// Dense layers that follow each other, with an activation between them.
pub(super) struct DenseChain {
    pub network: Network,
    /// The names of the layers, in the order in which they are applied.
    pub layers: Vec<String>,
    /// Whether the transposed matrices would chain, too, so that only the reader says how they are stored.
    pub both_ways: bool,
    /// Whether vectors are biases because of their places, not of their names.
    pub by_position: bool,
}

impl StateDict {
    /// Dense layers with an activation between them.
    ///
    /// # Errors
    /// Weights that are not matrices, shapes that do not chain, or that chain in several orders.
    pub fn into_dense(self, activation: &Activation, layout: Layout) -> Result<Network, ReadError> {
        Ok(self.into_chain(activation, layout)?.network)
    }

    /// The same with what is to be said of it.
    ///
    /// # Errors
    /// As [`StateDict::into_dense`].
    pub(super) fn into_chain(
        mut self,
        activation: &Activation,
        layout: Layout,
    ) -> Result<DenseChain, ReadError> {
        let mut notes = std::mem::take(&mut self.notes);
        let mut weights = Vec::with_capacity(self.groups.len());
        let mut groups = std::mem::take(&mut self.groups);
        for group in &mut groups {
            weights.push(self.weight(group, layout)?);
        }
        self.groups = groups;
        let has_kernels = self.groups.iter().any(|group| group.get("kernel").is_some());
        if has_kernels {
            notes.push("kernels are taken as inputs x outputs, as Keras stores them".to_owned());
        }
        match self.order {
            TensorOrder::Given => self.check_chain(&weights)?,
            TensorOrder::File => {
                self.check_chain(&weights)?;
                self.check_order(&mut weights)?;
            }
            TensorOrder::Names => notes.extend(self.find_order(&mut weights)?),
        }
        let both_ways = layout == Layout::OutIn && !has_kernels && self.chains_both_ways(&weights);
        // Without names that say it, a layer is called after its weight.
        let is_unnamed = |(group, weight): (&Group, &Weight)| {
            group.label == weight.name && group.get("bias").is_some()
        };
        let by_position = self.groups.iter().zip(&weights).any(is_unnamed);
        let input_shape = weights.first().map(|w| vec![w.matrix.ncols()]).unwrap_or_default();
        let mut nodes: Vec<Node> = Vec::with_capacity(2 * weights.len());
        let mut layers = Vec::with_capacity(weights.len());
        for (group, Weight { name, matrix: weight, origins }) in self.groups.iter().zip(weights) {
            if !nodes.is_empty() {
                let index = nodes.len();
                let layer: Arc<dyn Layer> = Arc::new(activation.clone());
                nodes.push(Node::new(format!("layer {index}"), layer, vec![index]));
            }
            let bias = self.bias(group, weight.nrows(), &name)?;
            let dense = Dense::new(weight, bias).map_err(|error| {
                ReadError::at(&self.file, format!("tensor {name}"), error.reason)
            })?;
            let inputs = vec![nodes.len()];
            let name = node_name(group, &name);
            layers.push(name.clone());
            nodes.push(Node { name, layer: Arc::new(dense), inputs, origins });
        }
        let network = Network { name: self.name, input_shape, nodes, assumed: Vec::new(), notes };
        network.shapes().map_err(|error| layer_error(&self.file, error))?;
        Ok(DenseChain { network, layers, both_ways, by_position })
    }

    /// The weight of a dense layer, which is moved out of the group: it may be large.
    fn weight(&self, group: &mut Group, layout: Layout) -> Result<Weight, ReadError> {
        let origins = group.entries.iter().map(|entry| entry.origin(layout)).collect();
        let has_kernel = group.get("kernel").is_some();
        let role = if has_kernel { "kernel" } else { "weight" };
        let Some(entry) = group.entries.iter_mut().find(|entry| entry.role == role) else {
            let reason = "has no weight; check the names of the tensors";
            return Err(ReadError::at(&self.file, format!("layer {}", group.label), reason));
        };
        let shape = show_shape(entry.tensor.shape());
        let matrix = std::mem::take(&mut entry.tensor).into_dimensionality::<Ix2>();
        let matrix = matrix.map_err(|_| {
            let reason = format!("found shape {shape}, expected a matrix (outputs x inputs)");
            ReadError::at(&self.file, format!("tensor {}", entry.name), reason)
        })?;
        let transposed = has_kernel || layout == Layout::InOut;
        let matrix = if transposed { matrix.t().as_standard_layout().into_owned() } else { matrix };
        Ok(Weight { name: entry.name.clone(), matrix, origins })
    }

    /// The bias of a layer with `rows` outputs: a vector, or a matrix with one row or column.
    fn bias(&self, group: &Group, rows: usize, weight: &str) -> Result<Array1<f64>, ReadError> {
        let Some(entry) = group.get("bias") else { return Ok(Array1::zeros(rows)) };
        let shape = entry.tensor.shape();
        if entry.tensor.len() == rows && shape.iter().filter(|&&n| n != 1).count() <= 1 {
            return Ok(entry.tensor.iter().copied().collect());
        }
        let found = show_shape(shape);
        let reason =
            format!("found shape {found}, expected {rows}, one for each output of {weight}");
        Err(ReadError::at(&self.file, format!("tensor {}", entry.name), reason))
    }

    /// Puts the layers into the only order in which they chain; what is to be said of it.
    fn find_order(&mut self, weights: &mut Vec<Weight>) -> Result<Option<String>, ReadError> {
        let labels: Vec<&str> = self.groups.iter().map(|group| group.label.as_str()).collect();
        if order::is_numbered(&labels) {
            self.check_chain(weights)?;
            return Ok(None);
        }
        let shapes: Vec<(usize, usize)> = weights.iter().map(|w| w.matrix.dim()).collect();
        let Some(order) = order::only_chain(&shapes, &labels) else {
            let names: Vec<&str> = weights.iter().map(|w| w.name.as_str()).collect();
            let reason = format!(
                "the file does not keep the order of the layers, and neither their names nor their shapes determine it ({})",
                some_of(&names)
            );
            return Err(self.undetermined(weights, &reason));
        };
        let mut old: Vec<_> =
            std::mem::take(&mut self.groups).into_iter().zip(weights.drain(..)).map(Some).collect();
        for (group, weight) in order.iter().filter_map(|&i| old.get_mut(i)?.take()) {
            self.groups.push(group);
            weights.push(weight);
        }
        let labels: Vec<&str> = self.groups.iter().map(|g| g.label.as_str()).collect();
        Ok(Some(format!("order of the layers, from their shapes: {}", labels.join(", "))))
    }

    /// Checks that the layers, which chain in the order of the file, do so in no other one: it is the order in
    /// which a program made them, and not always that in which it applies them.
    fn check_order(&mut self, weights: &mut [Weight]) -> Result<(), ReadError> {
        let labels: Vec<&str> = self.groups.iter().map(|group| group.label.as_str()).collect();
        if order::is_ascending(&labels) {
            return Ok(());
        }
        let shapes: Vec<(usize, usize)> = weights.iter().map(|w| w.matrix.dim()).collect();
        let only = order::only_chain(&shapes, &labels);
        if only.is_some_and(|order| order.is_sorted()) {
            return Ok(());
        }
        let names: Vec<&str> = weights.iter().map(|w| w.name.as_str()).collect();
        let reason = format!(
            "the layers also fit together in another order than that of the file, which is the order in which they were made and need not be that in which they are applied ({})",
            some_of(&names)
        );
        Err(self.undetermined(weights, &reason))
    }

    /// The error of layers whose order is not known, with a draft that shows shapes as they are in the file.
    fn undetermined(&mut self, weights: &mut [Weight], reason: &str) -> ReadError {
        for (group, weight) in self.groups.iter_mut().zip(weights.iter_mut()) {
            let entry = group.entries.iter_mut().find(|entry| entry.name == weight.name);
            let in_file = weight.origins.iter().find(|o| o.name.as_ref() == Some(&weight.name));
            let matrix = std::mem::take(&mut weight.matrix);
            let is_turned = in_file.is_some_and(|origin| origin.transposed);
            let matrix = if is_turned { matrix.reversed_axes() } else { matrix };
            if let Some(entry) = entry {
                entry.tensor = matrix.into_dyn();
            }
        }
        let draft = arch::draft(self);
        let reason = format!("{reason}; give the order with --arch FILE, for example\n{draft}");
        ReadError::new(&self.file, reason)
    }

    /// Whether the transposed matrices would chain, and their biases fit.
    fn chains_both_ways(&self, weights: &[Weight]) -> bool {
        let chain = weights.windows(2).all(|pair| match pair {
            [a, b] => a.matrix.ncols() == b.matrix.nrows(),
            _ => true,
        });
        let fits = |(group, weight): (&Group, &Weight)| {
            group.get("bias").is_none_or(|bias| bias.tensor.len() == weight.matrix.ncols())
        };
        chain && self.groups.iter().zip(weights).all(fits)
    }

    fn check_chain(&self, weights: &[Weight]) -> Result<(), ReadError> {
        for pair in weights.windows(2) {
            let [Weight { name: first, matrix: a, .. }, Weight { name: second, matrix: b, .. }] =
                pair
            else {
                continue;
            };
            if a.nrows() == b.ncols() {
                continue;
            }
            let mut reason = format!(
                "its shape {} takes {} inputs, but {first} ({}) gives {} outputs",
                show_shape(b.shape()),
                b.ncols(),
                show_shape(a.shape()),
                a.nrows()
            );
            let transposed = weights.windows(2).all(|pair| match pair {
                [a, b] => a.matrix.ncols() == b.matrix.nrows(),
                _ => true,
            });
            reason.push_str(if transposed {
                "; the transposed shapes do chain: if the weights are stored as inputs x outputs, as in Keras, add --layout in-out"
            } else {
                "; check that no layer is missing and that the layers are in order"
            });
            return Err(ReadError::at(&self.file, format!("tensor {second}"), reason));
        }
        Ok(())
    }
}

/// The name of a dense layer: what its tensors' names have in common, or its weight's name.
fn node_name(group: &Group, weight: &str) -> String {
    if weight.starts_with(&group.label) { group.label.clone() } else { weight.to_owned() }
}
