//! Networks from an ordered list of named tensors, as NPZ, NPY, safetensors and PyTorch files give
//! them.

mod grouping;
mod names;
mod order;

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayD, Ix2};

use super::error::{ReadError, layer_error, some_of};
use super::{Layout, ReadOptions, arch};
use crate::network::layers::dense::Dense;
use crate::network::tensor::{check_finite, show_shape};
use crate::network::{Activation, Layer, Network, Node, Origin};
use names::{Scheme, classify};

/// What the order of the tensors means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorOrder {
    /// The user gave it: tensors whose names say nothing are taken in that order.
    Given,
    /// The file has it: layers come in the order of their first tensor.
    File,
    /// It means nothing: layers are sorted by name, numbers by value.
    Names,
}

/// The tensors of a file, grouped by layer.
#[derive(Debug, Clone)]
pub struct StateDict {
    /// The file as messages name it.
    pub file: String,
    /// The model's name.
    pub name: String,
    /// The layers with tensors, in order.
    pub groups: Vec<Group>,
    /// Whether the order is that of the network; otherwise it is only that of the names.
    pub ordered: bool,
    /// What the reader of the file has to say.
    pub notes: Vec<String>,
}

/// The tensors of one layer.
#[derive(Debug, Clone)]
pub struct Group {
    /// What their names have in common, for example `fc1`.
    pub label: String,
    /// The tensors.
    pub entries: Vec<Entry>,
}

/// One tensor.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is in its layer, for example `weight`.
    pub role: &'static str,
    /// Its name in the file.
    pub name: String,
    /// Its entries, all finite.
    pub tensor: ArrayD<f64>,
}

/// The weight of a dense layer, outputs x inputs.
struct Weight {
    name: String,
    matrix: Array2<f64>,
    /// What the tensors of its layer are for the network.
    origins: Vec<Origin>,
}

impl Entry {
    /// What the tensor is for the network.
    pub fn origin(&self, layout: Layout) -> Origin {
        let is_matrix = self.tensor.ndim() == 2;
        let in_out = self.role == "kernel" || self.role == "weight" && layout == Layout::InOut;
        Origin {
            parameter: if self.role == "kernel" { "weight" } else { self.role }.to_owned(),
            name: Some(self.name.clone()),
            shape: self.tensor.shape().to_vec(),
            transposed: is_matrix && in_out,
        }
    }
}

impl Group {
    /// The tensor of that role.
    pub fn get(&self, role: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.role == role)
    }
}

impl StateDict {
    /// Groups named tensors by layer.
    ///
    /// # Errors
    /// No tensors, entries that are not finite, names that do not say what a tensor is.
    pub fn new(
        file: String,
        name: String,
        tensors: Vec<(String, ArrayD<f64>)>,
        order: TensorOrder,
    ) -> Result<StateDict, ReadError> {
        if tensors.is_empty() {
            let reason = "the file has no tensors, expected weights and biases";
            return Err(ReadError::new(file, reason));
        }
        for (name, tensor) in &tensors {
            check_finite(&format!("tensor {name}"), tensor)
                .map_err(|error| ReadError::at(&file, error.what, error.reason))?;
        }
        let schemes: Vec<Option<Scheme>> = tensors.iter().map(|(n, _)| classify(n)).collect();
        let positional = schemes.iter().all(|s| matches!(s, Some(Scheme::Position(_))))
            || order == TensorOrder::Given && schemes.iter().all(Option::is_none);
        let groups = if positional {
            grouping::by_position(tensors, &schemes)
        } else {
            grouping::by_name(tensors, schemes, order)
        };
        let groups =
            groups.map_err(|(place, reason)| ReadError { file: file.clone(), place, reason })?;
        let labels: Vec<&str> = groups.iter().map(|group| group.label.as_str()).collect();
        let ordered = order != TensorOrder::Names || order::is_numbered(&labels);
        Ok(StateDict { file, name, groups, ordered, notes: Vec::new() })
    }

    /// Dense layers in order.
    pub(super) fn dense(file: String, name: String, groups: Vec<Group>) -> StateDict {
        StateDict { file, name, groups, ordered: true, notes: Vec::new() }
    }

    /// The network: that of the architecture file if there is one, otherwise dense layers with an
    /// activation between them.
    ///
    /// # Errors
    /// Tensors that do not determine a network, shapes that do not chain.
    pub fn into_network(self, options: &ReadOptions) -> Result<Network, ReadError> {
        if let Some(path) = &options.arch {
            let notes = self.notes.clone();
            let mut network = arch::build(self, path, options)?;
            network.notes.extend(notes);
            return Ok(network);
        }
        for group in &self.groups {
            if let Some(reason) = incomplete(group) {
                return Err(ReadError::at(&self.file, format!("layer {}", group.label), reason));
            }
            if let Some(reason) = not_dense(group) {
                let reason = format!(
                    "{reason}; tensors alone do not say how such layers are connected: give the architecture with --arch FILE, or export the model to ONNX. A first draft of that file follows; {}.\n{}",
                    arch::open_questions(&self),
                    arch::draft(&self)
                );
                return Err(ReadError::at(&self.file, format!("layer {}", group.label), reason));
            }
        }
        let activation = options.activation.clone().unwrap_or(Activation::Relu);
        let mut network = self.into_dense(&activation, options.layout)?;
        if network.nodes.len() > 1 {
            network.notes.push(activation_note(options));
        }
        Ok(network)
    }

    /// Dense layers with an activation between them.
    ///
    /// # Errors
    /// Weights that are not matrices, shapes that do not chain.
    pub(super) fn into_dense(
        mut self,
        activation: &Activation,
        layout: Layout,
    ) -> Result<Network, ReadError> {
        let mut notes = std::mem::take(&mut self.notes);
        let mut weights = Vec::with_capacity(self.groups.len());
        let mut groups = std::mem::take(&mut self.groups);
        for group in &mut groups {
            weights.push(self.weight(group, layout)?);
        }
        self.groups = groups;
        if self.groups.iter().any(|group| group.get("kernel").is_some()) {
            notes.push("kernels are taken as inputs x outputs, as Keras stores them".to_owned());
        }
        if !self.ordered {
            notes.push(self.find_order(&mut weights)?);
        }
        self.check_chain(&weights)?;
        let input_shape = weights.first().map(|w| vec![w.matrix.ncols()]).unwrap_or_default();
        let mut nodes: Vec<Node> = Vec::with_capacity(2 * weights.len());
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
            nodes.push(Node { name, layer: Arc::new(dense), inputs, origins });
        }
        let network = Network { name: self.name, input_shape, nodes, notes };
        network.shapes().map_err(|error| layer_error(&self.file, error))?;
        Ok(network)
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

    /// Puts the layers into the only order in which they chain, and says so.
    fn find_order(&mut self, weights: &mut Vec<Weight>) -> Result<String, ReadError> {
        let shapes: Vec<(usize, usize)> = weights.iter().map(|w| w.matrix.dim()).collect();
        let Some(order) = order::only_chain(&shapes) else {
            // The draft shows the shapes as they are in the file.
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
            let names: Vec<&str> = weights.iter().map(|w| w.name.as_str()).collect();
            let reason = format!(
                "the file does not keep the order of the layers, and neither their names nor their shapes determine it ({}); give the order with --arch FILE, for example\n{}",
                some_of(&names),
                arch::draft(self)
            );
            return Err(ReadError::new(&self.file, reason));
        };
        let mut old: Vec<_> =
            std::mem::take(&mut self.groups).into_iter().zip(weights.drain(..)).map(Some).collect();
        for (group, weight) in order.iter().filter_map(|&i| old.get_mut(i)?.take()) {
            self.groups.push(group);
            weights.push(weight);
        }
        let labels: Vec<&str> = self.groups.iter().map(|g| g.label.as_str()).collect();
        Ok(format!("order of the layers, from their shapes: {}", labels.join(", ")))
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

/// What is said of the activation between layers.
pub(super) fn activation_note(options: &ReadOptions) -> String {
    match &options.activation {
        None => "activation between layers: relu (assumed; --activation changes it)".to_owned(),
        Some(f) => format!("activation between layers: {} (--activation)", f.name()),
    }
}

/// Why the tensors are not those of any layer.
fn incomplete(group: &Group) -> Option<String> {
    if group.entries.iter().all(|entry| entry.role == "bias") {
        return Some("has a bias but no weight; check that no tensor is missing".to_owned());
    }
    let scalar = group.entries.iter().find(|entry| entry.tensor.ndim() == 0)?;
    Some(format!("{} is a scalar, expected a matrix (outputs x inputs)", scalar.name))
}

/// Why the tensors are not those of a dense layer.
fn not_dense(group: &Group) -> Option<String> {
    let other = group.entries.iter().find(|e| !matches!(e.role, "weight" | "kernel" | "bias"));
    if let Some(entry) = other {
        return Some(format!("{} belongs to a normalisation layer", entry.name));
    }
    let weights: Vec<&Entry> = group.entries.iter().filter(|e| e.role != "bias").collect();
    match weights.as_slice() {
        [] => None,
        [entry] if entry.tensor.ndim() == 2 => None,
        [entry] => {
            let shape = show_shape(entry.tensor.shape());
            let kind = match entry.tensor.ndim() {
                3..=5 => "is a convolution's, not a matrix",
                1 => "is a vector (a normalisation or a learnt slope), not a matrix",
                _ => "is not a matrix",
            };
            Some(format!("{} of shape {shape} {kind}", entry.name))
        }
        _ => Some("has both a weight and a kernel".to_owned()),
    }
}
