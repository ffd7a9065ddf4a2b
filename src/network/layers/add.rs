//! Sums of several values: residual connections.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{AffineMap, Layer, LayerType, Lowered, ParseError, show_shape};
use crate::network::linear_map::LinearMap;
use crate::network::size;
use crate::numeric::{Csr, Interval, Matrix};

/// The layer type `add`.
pub const TYPE: LayerType = LayerType {
    name: "add",
    parse: |json, _| {
        let spec: Spec = serde_json::from_str(json.get())?;
        Ok(Arc::new(Add::new(spec.signs).map_err(ParseError::Value)?))
    },
    schema: |generator| generator.subschema_for::<Spec>(),
};

/// The sum of the inputs, some of them negated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Add {
    signs: Vec<f64>,
}

/// The sum of several inputs of the same shape.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "add")]
struct Spec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// 1 or -1 for each input; all 1 if absent.
    #[serde(default)]
    signs: Vec<f64>,
}

impl Add {
    /// The sum with a sign for each input; all are added where `signs` is empty.
    ///
    /// # Errors
    /// A sign other than 1 and -1.
    pub fn new(signs: Vec<f64>) -> Result<Add, String> {
        match signs.iter().find(|s| s.abs() != 1.0) {
            None => Ok(Add { signs }),
            Some(bad) => Err(format!("signs: found {bad}, expected 1 or -1")),
        }
    }
}

impl Layer for Add {
    fn kind(&self) -> &'static str {
        TYPE.name
    }

    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        let shapes: Vec<String> = inputs.iter().map(|s| show_shape(s)).collect();
        if !self.signs.is_empty() && self.signs.len() != inputs.len() {
            return Err(format!("has {} signs for {} inputs", self.signs.len(), inputs.len()));
        }
        match inputs {
            [first, rest @ ..] if rest.iter().all(|s| s == first) => Ok(first.clone()),
            _ => Err(format!("takes inputs of the same shape, found {}", shapes.join(", "))),
        }
    }

    fn lower(&self, inputs: &[Vec<usize>]) -> Result<Lowered, String> {
        let n = size(&self.output_shape(inputs)?);
        let sign = |k: usize| self.signs.get(k).copied().unwrap_or(1.0);
        let sums = Csr::from_rows(n, n * inputs.len(), |i, push| {
            (0..inputs.len()).for_each(|k| push(k * n + i, sign(k)));
        });
        Ok(Lowered::Affine(AffineMap {
            linear: LinearMap::new(Matrix::sparse(sums)),
            bias: vec![Interval::ZERO; n],
            exact: None,
        }))
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "type": TYPE.name, "signs": self.signs })
    }
}
