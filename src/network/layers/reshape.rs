//! A new shape for the same values, in row-major order.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Layer, LayerType, Lowered, show_shape, single};
use crate::network::size;

/// The layer type `reshape`.
pub const TYPE: LayerType = LayerType {
    name: "reshape",
    parse: |json, _| {
        let spec: Spec = serde_json::from_str(json.get())?;
        Ok(Arc::new(Reshape { shape: spec.shape }))
    },
    schema: |generator| generator.subschema_for::<Spec>(),
};

/// A new shape for the same values.
#[derive(Debug, Clone, PartialEq)]
pub struct Reshape {
    /// The shape, without a batch; one entry may be -1 (what is left).
    pub shape: Vec<i64>,
}

/// A new shape for the same values, in row-major order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "reshape")]
struct Spec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// The shape, without a batch; one entry may be -1 (what is left).
    shape: Vec<i64>,
}

impl Layer for Reshape {
    fn kind(&self) -> &'static str {
        TYPE.name
    }

    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        let input = single(inputs)?;
        let total = size(input);
        let fixed = self.shape.iter().filter(|&&n| n != -1);
        let known = fixed.clone().try_fold(1usize, |p, &n| usize::try_from(n).ok()?.checked_mul(p));
        let free = self.shape.len() - fixed.count();
        let rest = known.filter(|&k| k > 0).map(|k| total / k);
        let shape: Vec<usize> =
            self.shape.iter().map(|&n| usize::try_from(n).ok().or(rest).unwrap_or(0)).collect();
        if free > 1 || known.is_none() || size(&shape) != total {
            return Err(format!(
                "the shape {:?} does not hold the {total} values of its input ({})",
                self.shape,
                show_shape(input)
            ));
        }
        Ok(shape)
    }

    fn lower(&self, _: &[Vec<usize>]) -> Result<Lowered, String> {
        Ok(Lowered::Reshape)
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "type": TYPE.name, "shape": self.shape })
    }
}
