//! The fully connected layer `y = W x + b`.

use std::sync::Arc;

use ndarray::{ArcArray2, Array1, Array2, ArrayD, Ix1, Ix2};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{AffineMap, Layer, LayerType, Lowered, Parsed, show_shape, single};
use crate::network::linear_map::LinearMap;
use crate::network::pull_back::MapGradient;
use crate::network::size;
use crate::network::tensor::{TensorError, TensorSource, Tensors, to_json};
use crate::numeric::{Interval, Matrix};

/// The layer type `dense`.
pub const TYPE: LayerType =
    LayerType { name: "dense", parse, schema: |generator| generator.subschema_for::<Spec>() };

/// `y = W x + b` for a vector `x`; the weight `W` has shape outputs x inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// Shared with the map that the layer is.
    weight: ArcArray2<f64>,
    bias: Array1<f64>,
}

/// A fully connected layer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "dense")]
struct Spec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// The weight, of shape outputs x inputs.
    weight: Option<TensorSource>,
    /// The bias, of length outputs; zero if absent.
    bias: Option<TensorSource>,
}

fn parse(json: &RawValue, tensors: &mut dyn Tensors) -> Parsed {
    let spec: Spec = serde_json::from_str(json.get())?;
    let weight = tensors.resolve("weight", spec.weight)?;
    let found = show_shape(weight.shape());
    let weight = weight.into_dimensionality::<Ix2>().map_err(|_| {
        let reason = format!("found shape {found}, expected a matrix (outputs x inputs)");
        TensorError::new("weight", reason)
    })?;
    let bias = tensors.resolve_optional("bias", spec.bias)?;
    let bias = match bias {
        None => Array1::zeros(weight.nrows()),
        Some(bias) => {
            let found = show_shape(bias.shape());
            bias.into_dimensionality::<Ix1>().map_err(|_| {
                let reason =
                    format!("found shape {found}, expected a vector of {}", weight.nrows());
                TensorError::new("bias", reason)
            })?
        }
    };
    Ok(Arc::new(Dense::new(weight, bias)?))
}

impl Dense {
    /// The layer with the given weight (outputs x inputs) and bias (outputs).
    ///
    /// # Errors
    /// A bias whose length is not the number of rows of the weight; a weight without rows or
    /// columns.
    pub fn new(weight: Array2<f64>, bias: Array1<f64>) -> Result<Dense, TensorError> {
        let (rows, columns) = weight.dim();
        if rows == 0 || columns == 0 {
            let reason =
                format!("found shape {rows}x{columns}, expected at least one row and column");
            return Err(TensorError::new("weight", reason));
        }
        if bias.len() != rows {
            let reason = format!(
                "found {} entries, expected {rows}, one for each row of the {rows}x{columns} weight",
                bias.len()
            );
            return Err(TensorError::new("bias", reason));
        }
        Ok(Dense { weight: weight.into_shared(), bias })
    }

    /// The weight, outputs x inputs.
    pub fn weight(&self) -> &ArcArray2<f64> {
        &self.weight
    }

    /// The bias, one entry for each output.
    pub fn bias(&self) -> &Array1<f64> {
        &self.bias
    }
}

/// The map has the weights themselves where nobody else has them.
fn lowered(layer: Dense) -> Lowered {
    Lowered::Affine(AffineMap {
        linear: LinearMap::new(Matrix::shared(layer.weight)),
        bias: layer.bias.iter().map(|&b| Interval::point(b)).collect(),
        exact: None,
    })
}

impl Layer for Dense {
    fn kind(&self) -> &'static str {
        TYPE.name
    }

    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        let input = single(inputs)?;
        let (rows, columns) = self.weight.dim();
        if size(input) == columns {
            return Ok(vec![rows]);
        }
        let mut reason = format!(
            "its {rows}x{columns} weight takes {columns} values, but its input has {} ({})",
            size(input),
            show_shape(input)
        );
        if size(input) == rows {
            reason.push_str("; the transposed weight would fit: is it stored as inputs x outputs (--layout in-out)?");
        }
        Err(reason)
    }

    fn parameters(&self) -> usize {
        self.weight.len() + self.bias.len()
    }

    fn lower(&self, _: &[Vec<usize>]) -> Result<Lowered, String> {
        Ok(lowered(self.clone()))
    }

    fn into_lowered(self: Arc<Self>, _: &[Vec<usize>]) -> Result<Lowered, String> {
        Ok(lowered(Arc::unwrap_or_clone(self)))
    }

    fn pull_back(
        &self,
        _: &[Vec<usize>],
        gradient: &MapGradient<'_>,
    ) -> Result<Vec<(&'static str, ArrayD<f64>)>, String> {
        let bias = Array1::zeros(self.bias.len()).into_dyn();
        Ok(vec![("weight", gradient.matrix().to_dense().into_dyn()), ("bias", bias)])
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "type": TYPE.name,
            "weight": to_json(&self.weight.to_owned().into_dyn()),
            "bias": to_json(&self.bias.clone().into_dyn()),
        })
    }
}
