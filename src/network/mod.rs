//! What a model file says ([`Network`]), and what the bounds see of it ([`Chain`]).

// A bound must not be too small because of rounding: every operation on floating-point numbers is one of
// `numeric::rounding`, or says at its place why it may be rounded to nearest. Tests may calculate freely.
#![cfg_attr(not(test), warn(clippy::float_arithmetic))]

pub mod activation;
mod affine;
pub mod attained;
pub mod chain;
pub mod exact_map;
pub mod fingerprint;
pub mod input_box;
pub mod layers;
pub mod linear_map;
pub mod lowering;
mod moved;
pub mod pooling;
pub mod pull_back;
pub mod ranges;
pub mod slopes;
pub mod stage;
pub mod tensor;

use std::sync::Arc;

pub use activation::Activation;
pub use chain::Chain;
pub use input_box::InputBox;
pub use layers::Layer;
pub use linear_map::LinearMap;
pub use lowering::LoweredNetwork;
pub use pooling::Pooling;
pub use slopes::{Diagonal, Slopes, Windows};
pub use stage::Stage;

/// A network as a file describes it: layers, each of them applied to the input or to the results of
/// earlier layers.
#[derive(Debug, Clone)]
pub struct Network {
    /// The name that the file gives, or the file's name.
    pub name: String,
    /// The shape of the input, without a batch dimension.
    pub input_shape: Vec<usize>,
    /// The layers in an order in which each comes after those that it uses. The last one is the
    /// output.
    pub nodes: Vec<Node>,
    /// What the reader assumed, because neither the file nor the user says it; each sentence goes on from
    /// "assuming". Nothing is proved of the user's network where anything is assumed.
    pub assumed: Vec<String>,
    /// What else the user should know of how the file was read.
    pub notes: Vec<String>,
}

/// One layer of a [`Network`] with its place in it.
#[derive(Debug, Clone)]
pub struct Node {
    /// The name of the layer in the file, or its type and number.
    pub name: String,
    /// What the layer does.
    pub layer: Arc<dyn Layer>,
    /// The values it is applied to: 0 is the network's input, `i + 1` the result of node `i`.
    pub inputs: Vec<usize>,
    /// The tensors of the file from which the layer got its parameters; empty where the file does not
    /// hold them one by one (ONNX computes some of them).
    pub origins: Vec<Origin>,
}

/// A tensor of a file that is a parameter of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// The parameter, as the layer calls it: `weight`, `bias`, ...
    pub parameter: String,
    /// The tensor's name in the file; `None` where it has no name of its own (JSON).
    pub name: Option<String>,
    /// Its shape in the file.
    pub shape: Vec<usize>,
    /// Whether the layer takes the transposed matrix.
    pub transposed: bool,
}

/// A layer that does not fit where it stands, or that cannot be bounded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("layer {index} ({name}, {kind}): {reason}")]
pub struct LayerError {
    /// The position of the layer, from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: &'static str,
    /// What was found and what was expected.
    pub reason: String,
}

impl Node {
    /// A layer whose parameters are not those of a file.
    pub fn new(name: impl Into<String>, layer: Arc<dyn Layer>, inputs: Vec<usize>) -> Node {
        Node { name: name.into(), layer, inputs, origins: Vec::new() }
    }
}

impl Network {
    /// A network whose layers follow each other, checked for shapes.
    ///
    /// # Errors
    /// The first layer whose shapes do not fit its predecessor.
    pub fn sequential(
        name: impl Into<String>,
        input_shape: Vec<usize>,
        layers: Vec<Arc<dyn Layer>>,
    ) -> Result<Network, LayerError> {
        let nodes = layers
            .into_iter()
            .enumerate()
            .map(|(i, layer)| Node::new(format!("layer {i}"), layer, vec![i]))
            .collect();
        let network = Network {
            name: name.into(),
            input_shape,
            nodes,
            assumed: Vec::new(),
            notes: Vec::new(),
        };
        network.shapes()?;
        Ok(network)
    }

    /// The shapes of all values: of the input, then of each layer's result.
    ///
    /// # Errors
    /// The first layer whose inputs do not have a shape that it takes.
    pub fn shapes(&self) -> Result<Vec<Vec<usize>>, LayerError> {
        let mut shapes = vec![self.input_shape.clone()];
        if let Some(reason) = too_large(&self.input_shape) {
            return Err(self.error(0, format!("its network's input {reason}")));
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let inputs: Vec<Vec<usize>> = node.inputs.iter().map(|&i| shapes[i].clone()).collect();
            let shape = node.layer.output_shape(&inputs);
            let shape = shape.map_err(|reason| self.error(index, reason))?;
            if let Some(reason) = too_large(&shape) {
                return Err(self.error(index, format!("its result {reason}")));
            }
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// The number of trained parameters.
    pub fn parameters(&self) -> usize {
        self.nodes.iter().map(|node| node.layer.parameters()).sum()
    }

    fn error(&self, index: usize, reason: String) -> LayerError {
        let node = self.nodes.get(index);
        let (name, kind) = node.map_or(("", ""), |node| (&node.name, node.layer.kind()));
        LayerError { index, name: name.to_owned(), kind, reason }
    }
}

/// The most components that a value may have, so that a small file cannot ask for more memory than there is.
const LARGEST: usize = 1 << 26;

/// What is wrong with a value of this shape, if it is too large.
fn too_large(shape: &[usize]) -> Option<String> {
    let count = shape.iter().try_fold(1usize, |n, &length| n.checked_mul(length));
    match count {
        Some(n) if n <= LARGEST => None,
        _ => Some(format!(
            "has the shape {}, more than {LARGEST} components; the file is damaged",
            tensor::show_shape(shape)
        )),
    }
}

/// The number of elements of a tensor of the given shape.
pub fn size(shape: &[usize]) -> usize {
    shape.iter().product()
}
