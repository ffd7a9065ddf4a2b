//! Networks from an ordered list of named tensors, as NPZ, NPY, safetensors and PyTorch files give
//! them.

mod chain;
mod evidence;
mod grouping;
mod names;
mod order;
mod pruning;

use ndarray::ArrayD;

use super::error::{ReadError, some_of};
use super::source::natural_key;
use super::{Layout, ReadOptions, arch};
use crate::network::tensor::{check_finite, show_shape};
use crate::network::{Activation, Network, Origin};
use chain::DenseChain;
use names::{Scheme, classify};

/// What the order of the tensors means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorOrder {
    /// The user gave it: tensors whose names say nothing are taken in that order.
    Given,
    /// The file has it: layers come in the order of their first tensor, in which a program made them.
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
    /// What their order means.
    pub order: TensorOrder,
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

/// Whether two labels differ in their numbers only, and the first has the smaller one.
pub(super) fn are_in_series(first: &str, second: &str) -> bool {
    order::is_ascending(&[first, second])
}

impl Group {
    /// Whether there are tensors for the same roles, of the same shapes.
    pub fn has_form_of(&self, other: &Group) -> bool {
        let has = |entry: &Entry| {
            let twin = self.get(entry.role);
            twin.is_some_and(|twin| twin.tensor.shape() == entry.tensor.shape())
        };
        self.entries.len() == other.entries.len() && other.entries.iter().all(has)
    }

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
        let fail = |(place, reason)| ReadError { file: file.clone(), place, reason };
        let (mut tensors, pruned) = pruning::applied(tensors).map_err(fail)?;
        let schemes: Vec<Option<Scheme>> = tensors.iter().map(|(n, _)| classify(n)).collect();
        let positional = schemes.iter().all(|s| matches!(s, Some(Scheme::Position(_))))
            || schemes.iter().all(Option::is_none) && are_in_order(&mut tensors, order);
        let groups = if positional {
            grouping::by_position(tensors, &schemes)
        } else {
            grouping::by_name(tensors, schemes, order)
        };
        let groups = groups.map_err(fail)?;
        let note = (pruned > 0).then(|| {
            format!("{pruned} pruned tensors, each taken as NAME_orig * NAME_mask under its NAME")
        });
        Ok(StateDict { file, name, groups, order, notes: note.into_iter().collect() })
    }

    /// Dense layers in order.
    pub(super) fn dense(file: String, name: String, groups: Vec<Group>) -> StateDict {
        StateDict { file, name, groups, order: TensorOrder::Given, notes: Vec::new() }
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
                let place = format!("layer {}", group.label);
                return Err(ReadError::at(&self.file, place, self.with_draft(&reason)));
            }
        }
        if let Some((label, reason)) = evidence::of(&self.groups) {
            return Err(ReadError::at(
                &self.file,
                format!("layer {label}"),
                self.with_draft(&reason),
            ));
        }
        let activation = options.activation.clone().unwrap_or(Activation::Relu);
        let found = self.into_chain(&activation, options.layout)?;
        let assumption = assumption(&found);
        let mut network = found.network;
        match &options.activation {
            None => network.assumed.push(assumption),
            Some(activation) if network.nodes.len() > 1 => {
                network.notes.push(activation_note(activation));
            }
            Some(_) => {}
        }
        Ok(network)
    }

    /// The reason why tensors alone do not do, with a draft of the architecture.
    fn with_draft(&self, reason: &str) -> String {
        format!(
            "{reason}; tensors alone do not say how such layers are connected: give the architecture with --arch FILE, or export the model to ONNX. A first draft of that file follows; {}.\n{}",
            arch::open_questions(self),
            arch::draft(self)
        )
    }
}

/// Whether tensors whose names do not say what they are have an order; puts them into that of their numbers,
/// where only their names give one.
fn are_in_order(tensors: &mut [(String, ArrayD<f64>)], order: TensorOrder) -> bool {
    let names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    match order {
        TensorOrder::Given => true,
        TensorOrder::File => false,
        TensorOrder::Names => {
            let numbered = order::is_numbered(&names);
            tensors.sort_by_cached_key(|(name, _)| natural_key(name));
            numbered
        }
    }
}

/// What is assumed of tensors that are taken as a plain chain, where the user has not said that they are one.
fn assumption(found: &DenseChain) -> String {
    let ways = if found.both_ways { ", each stored as outputs x inputs" } else { "" };
    let ways = match found.by_position {
        true => format!("{ways}, each vector the bias of the matrix before it"),
        false => ways.to_owned(),
    };
    let layers = some_of(&found.layers);
    let what = match found.layers.len() {
        1 => format!("that {layers} is the whole network, with nothing before or after it{ways}"),
        _ => format!(
            "ReLU between the layers {layers}, in this order{ways}, and nothing before, beside or after them"
        ),
    };
    format!("{what}: the file holds only weights (--activation or --arch says what is there)")
}

/// What is said of the activation between layers that the user has named.
pub(super) fn activation_note(activation: &Activation) -> String {
    format!("activation between layers: {} (--activation)", activation.name())
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
