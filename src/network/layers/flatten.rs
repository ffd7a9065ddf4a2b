//! Flattening a tensor to a vector, in row-major order.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Layer, LayerType, Lowered, Parsed, single};
use crate::network::size;
use crate::network::tensor::Tensors;

/// The layer type `flatten`.
pub const TYPE: LayerType =
    LayerType { name: "flatten", parse, schema: |generator| generator.subschema_for::<Spec>() };

/// All values of the input as one vector, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Flatten;

/// All values of the input as one vector, in row-major order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "flatten")]
struct Spec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
}

fn parse(json: &RawValue, _: &mut dyn Tensors) -> Parsed {
    let _: Spec = serde_json::from_str(json.get())?;
    Ok(Arc::new(Flatten))
}

impl Layer for Flatten {
    fn kind(&self) -> &'static str {
        TYPE.name
    }

    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        Ok(vec![size(single(inputs)?)])
    }

    fn lower(&self, _: &[Vec<usize>]) -> Result<Lowered, String> {
        Ok(Lowered::Reshape)
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "type": TYPE.name })
    }
}
