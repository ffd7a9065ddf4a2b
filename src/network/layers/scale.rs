//! Multiplying by constants and adding constants, element by element.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{AffineMap, Layer, LayerType, Lowered, ParseError, Parsed, show_shape, single};
use crate::network::linear_map::LinearMap;
use crate::network::pull_back::MapGradient;
use crate::network::tensor::{TensorSource, Tensors, to_json};
use crate::numeric::rounding::{max_up, sub_up};
use crate::numeric::{Csr, Interval, Matrix};

/// The layer type `scale`.
pub const TYPE: LayerType =
    LayerType { name: "scale", parse, schema: |generator| generator.subschema_for::<Spec>() };

/// `y = (x * multiply / divide) + add`, element by element; the constants are broadcast over the input
/// from its last axis on, as in NumPy.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scale {
    /// Factors; 1 if absent.
    pub multiply: Option<ArrayD<f64>>,
    /// Divisors; 1 if absent.
    pub divide: Option<ArrayD<f64>>,
    /// Summands; 0 if absent.
    pub add: Option<ArrayD<f64>>,
}

/// Constants that multiply, divide and are added, element by element (broadcast as in NumPy).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "scale")]
struct Spec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// Factors; 1 if absent.
    multiply: Option<TensorSource>,
    /// Divisors; 1 if absent.
    divide: Option<TensorSource>,
    /// Summands, after the multiplication; 0 if absent.
    add: Option<TensorSource>,
}

fn parse(json: &RawValue, tensors: &mut dyn Tensors) -> Parsed {
    let spec: Spec = serde_json::from_str(json.get())?;
    let scale = Scale {
        multiply: tensors.resolve_optional("multiply", spec.multiply)?,
        divide: tensors.resolve_optional("divide", spec.divide)?,
        add: tensors.resolve_optional("add", spec.add)?,
    };
    scale.check().map_err(ParseError::Value)?;
    Ok(Arc::new(scale))
}

impl Scale {
    /// Checks that nothing is divided by zero.
    ///
    /// # Errors
    /// A divisor that is zero.
    pub fn check(&self) -> Result<(), String> {
        match &self.divide {
            Some(divide) if divide.iter().any(|&x| x == 0.0) => {
                Err("divide: an entry is 0".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn constants(&self) -> impl Iterator<Item = &ArrayD<f64>> {
        [&self.multiply, &self.divide, &self.add].into_iter().flatten()
    }
}

/// What `f` makes of a constant broadcast to the input's shape, without writing it out; leading axes of length
/// 1 (a batch) are dropped.
fn with_broadcast<T>(
    constant: &ArrayD<f64>,
    shape: &[usize],
    f: impl FnOnce(ndarray::ArrayViewD<'_, f64>) -> T,
) -> Result<T, String> {
    let mut constant = constant.view();
    while constant.ndim() > shape.len() && constant.shape()[0] == 1 {
        constant = constant.index_axis_move(ndarray::Axis(0), 0);
    }
    let values = constant.broadcast(IxDyn(shape)).ok_or_else(|| {
        format!(
            "a constant of shape {} cannot be broadcast to the input of shape {}",
            show_shape(constant.shape()),
            show_shape(shape)
        )
    })?;
    Ok(f(values))
}

/// A constant broadcast to the input's shape.
fn broadcast(constant: &ArrayD<f64>, shape: &[usize]) -> Result<Vec<f64>, String> {
    with_broadcast(constant, shape, |values| values.iter().copied().collect())
}

/// The sums of values of the input's shape over the axes along which a constant is broadcast.
fn summed(
    values: Vec<f64>,
    input: &[usize],
    constant: &ArrayD<f64>,
) -> Result<ArrayD<f64>, String> {
    let shape = constant.shape();
    let shape = &shape[shape.len().saturating_sub(input.len())..];
    let values = ArrayD::from_shape_vec(input, values).map_err(|error| error.to_string())?;
    let mut sums = values;
    while sums.ndim() > shape.len() {
        sums = sums.sum_axis(ndarray::Axis(0));
    }
    for (axis, &length) in shape.iter().enumerate() {
        if length == 1 {
            sums = sums.sum_axis(ndarray::Axis(axis)).insert_axis(ndarray::Axis(axis));
        }
    }
    sums.into_shape_with_order(constant.shape()).map_err(|error| error.to_string())
}

/// The affine map with the enclosed diagonal and bias.
///
/// # Errors
/// A factor that is not finite.
pub(super) fn diagonal(factors: Vec<Interval>, bias: Vec<Interval>) -> Result<Lowered, String> {
    if let Some(bad) = factors.iter().position(|f| !f.magnitude().is_finite()) {
        return Err(format!("the factor of component {bad} is not finite"));
    }
    let n = factors.len();
    let matrix = |entry: &dyn Fn(Interval) -> f64| {
        Csr::from_rows(n, n, |i, push| push(i, entry(factors[i])))
    };
    let centre = matrix(&|f| f.midpoint());
    let radius = matrix(&|f| {
        let m = f.midpoint();
        max_up(sub_up(f.hi, m), sub_up(m, f.lo))
    });
    let radius = (radius.entries() > 0).then(|| Matrix::sparse(radius));
    Ok(Lowered::Affine(AffineMap {
        linear: LinearMap::with_radius(Matrix::sparse(centre), radius),
        bias,
        exact: None,
    }))
}

impl Layer for Scale {
    fn kind(&self) -> &'static str {
        TYPE.name
    }

    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        let input = single(inputs)?;
        self.constants().try_for_each(|c| with_broadcast(c, input, |_| ()))?;
        Ok(input.to_vec())
    }

    fn lower(&self, inputs: &[Vec<usize>]) -> Result<Lowered, String> {
        let input = single(inputs)?;
        let n = crate::network::size(input);
        let values = |c: &Option<ArrayD<f64>>, default: f64| match c {
            None => Ok(vec![default; n]),
            Some(c) => broadcast(c, input),
        };
        let (multiply, divide) = (values(&self.multiply, 1.0)?, values(&self.divide, 1.0)?);
        let factors =
            multiply.iter().zip(&divide).map(|(&m, &d)| Interval::point(m) / Interval::point(d));
        let bias = values(&self.add, 0.0)?.into_iter().map(Interval::point).collect();
        diagonal(factors.collect(), bias)
    }

    #[expect(clippy::float_arithmetic, reason = "a derivative, of which nothing is certified")]
    fn pull_back(
        &self,
        inputs: &[Vec<usize>],
        gradient: &MapGradient<'_>,
    ) -> Result<Vec<(&'static str, ArrayD<f64>)>, String> {
        let input = single(inputs)?;
        let n = crate::network::size(input);
        let values = |c: &Option<ArrayD<f64>>| match c {
            None => Ok(vec![1.0; n]),
            Some(c) => broadcast(c, input),
        };
        let (multiply, divide) = (values(&self.multiply)?, values(&self.divide)?);
        let diagonal = gradient.diagonal();
        let mut found = Vec::new();
        if let Some(constant) = &self.multiply {
            let each = (0..n).map(|i| diagonal[i] / divide[i]).collect();
            found.push(("multiply", summed(each, input, constant)?));
        }
        if let Some(constant) = &self.divide {
            let each = (0..n).map(|i| -diagonal[i] * multiply[i] / divide[i] / divide[i]);
            found.push(("divide", summed(each.collect(), input, constant)?));
        }
        if let Some(constant) = &self.add {
            found.push(("add", ArrayD::zeros(constant.shape())));
        }
        Ok(found)
    }

    fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({ "type": TYPE.name });
        for (name, c) in
            [("multiply", &self.multiply), ("divide", &self.divide), ("add", &self.add)]
        {
            if let Some(c) = c {
                json[name] = to_json(c);
            }
        }
        json
    }
}
