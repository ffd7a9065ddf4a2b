//! The layers: one file each. A new layer is one file here and one line in [`REGISTRY`].

pub mod activation;
pub mod add;
pub mod batch_norm;
pub mod conv;
pub mod conv_transpose;
pub mod dense;
pub mod flatten;
pub mod gather;
pub mod pool;
pub mod reshape;
pub mod scale;
pub mod window;

use std::fmt::Debug;

use ndarray::ArrayD;
use schemars::{Schema, SchemaGenerator};
use serde_json::value::RawValue;
use std::sync::Arc;

use super::exact_map::ExactMap;
use super::linear_map::LinearMap;
use super::pull_back::MapGradient;
use super::slopes::Windows;
use super::tensor::{TensorError, Tensors};
use super::{Activation, tensor};
use crate::numeric::Interval;

/// A layer of a network: a function of one or more tensors.
pub trait Layer: Debug + Send + Sync {
    /// The type's name in files and messages, for example `dense`.
    fn kind(&self) -> &'static str;

    /// The shape of the result for inputs of the given shapes.
    ///
    /// # Errors
    /// What was found and what was expected, where the shapes do not fit.
    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String>;

    /// The number of trained parameters.
    fn parameters(&self) -> usize {
        0
    }

    /// The layer as a function of its inputs, flattened in row-major order and concatenated.
    ///
    /// # Errors
    /// Why the layer cannot be bounded.
    fn lower(&self, inputs: &[Vec<usize>]) -> Result<Lowered, String>;

    /// [`Layer::lower`] for a layer that is not needed any more: its tensors may become those of the map.
    ///
    /// # Errors
    /// As [`Layer::lower`].
    fn into_lowered(self: Arc<Self>, inputs: &[Vec<usize>]) -> Result<Lowered, String> {
        self.lower(inputs)
    }

    /// Derivatives with respect to the layer's trained parameters, each with the name of the parameter
    /// and in its shape, given the derivative with respect to the linear part that [`Layer::lower`]
    /// gives (without its rounding). What the linear part does not depend on (a bias) gets zeros.
    ///
    /// # Errors
    /// Why there are none; layers without parameters have nothing to say.
    fn pull_back(
        &self,
        _inputs: &[Vec<usize>],
        _gradient: &MapGradient<'_>,
    ) -> Result<Vec<(&'static str, ArrayD<f64>)>, String> {
        if self.parameters() == 0 {
            return Ok(Vec::new());
        }
        Err(format!(
            "there is no derivative with respect to the parameters of a {} layer; write the network with dense and convolutional layers",
            self.kind()
        ))
    }

    /// The same with respect to parameters of the slopes of an activation, given the derivatives with respect to
    /// the lower and the upper ends of the slope interval of each component.
    fn pull_back_slopes(&self, _alpha: &[f64], _beta: &[f64]) -> Vec<(&'static str, ArrayD<f64>)> {
        Vec::new()
    }

    /// The layer as the JSON format writes it (see [`LayerType::parse`]).
    fn to_json(&self) -> serde_json::Value;
}

/// What a layer does, in the terms of the bounds.
#[derive(Debug, Clone)]
pub enum Lowered {
    /// The values stay as they are; only the shape changes.
    Reshape,
    /// `x -> map x + bias`.
    Affine(AffineMap),
    /// Each activation is applied to the given number of consecutive components.
    Activation(Vec<(Activation, usize)>),
    /// The maximum over each window.
    MaxPool(Windows),
}

/// An affine map `x -> linear x + bias`.
#[derive(Debug, Clone)]
pub struct AffineMap {
    /// The linear part.
    pub linear: LinearMap,
    /// Enclosures of the components of the bias.
    pub bias: Vec<Interval>,
    /// The exact map, where the numbers above are rounded and it is known.
    pub exact: Option<Arc<ExactMap>>,
}

impl AffineMap {
    /// The map with these numbers.
    pub fn new(linear: LinearMap, bias: Vec<Interval>) -> AffineMap {
        AffineMap { linear, bias, exact: None }
    }
}

/// One line of the table of layer types.
pub struct LayerType {
    /// The name: the value of `type` in the JSON format.
    pub name: &'static str,
    /// Reads the layer from the JSON object that describes it.
    pub parse: fn(&RawValue, &mut dyn Tensors) -> Parsed,
    /// The JSON Schema of that object, without the field `type`.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// A layer's JSON object that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// The object does not have the form of this layer.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// One of its tensors cannot be read.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A value is outside what the layer takes.
    #[error("{0}")]
    Value(String),
}

/// What comes of a layer's JSON object.
pub type Parsed = Result<Arc<dyn Layer>, ParseError>;

/// All types of layers except the activations, which have a table of their own.
pub const REGISTRY: &[LayerType] = &[
    dense::TYPE,
    conv::CONV1D,
    conv::CONV2D,
    conv_transpose::CONV1D,
    conv_transpose::CONV2D,
    pool::MAX1D,
    pool::MAX2D,
    pool::AVERAGE1D,
    pool::AVERAGE2D,
    pool::GLOBAL,
    batch_norm::TYPE,
    scale::TYPE,
    add::TYPE,
    gather::CONCAT,
    gather::TRANSPOSE,
    gather::SLICE,
    gather::PAD,
    reshape::TYPE,
    flatten::TYPE,
];

/// Reads a layer of the given type, which may be one of [`REGISTRY`] or an activation; `None` for
/// an unknown type.
pub fn parse(type_name: &str, json: &RawValue, tensors: &mut dyn Tensors) -> Option<Parsed> {
    if let Some(entry) = REGISTRY.iter().find(|entry| entry.name == type_name) {
        return Some((entry.parse)(json, tensors));
    }
    activation::is_name(type_name).then(|| activation::parse(json))
}

/// The names of all types of layers, for messages.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = REGISTRY.iter().map(|entry| entry.name).collect();
    names.extend(Activation::all().iter().map(Activation::name));
    names
}

/// The single input shape of a layer that takes one.
///
/// # Errors
/// The number of inputs found, where it is not one.
pub fn single(inputs: &[Vec<usize>]) -> Result<&[usize], String> {
    match inputs {
        [only] => Ok(only),
        _ => Err(format!("takes one input, found {}", inputs.len())),
    }
}

/// A shape as messages show it, for example `3x32x32`.
pub fn show_shape(shape: &[usize]) -> String {
    tensor::show_shape(shape)
}
