//! Batch normalisation with the statistics of training: a fixed affine map of each channel.

use std::sync::Arc;

use ndarray::{Array1, ArrayD};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::conv::channel_bias;
use super::scale::diagonal;
use super::{Layer, LayerType, Lowered, ParseError, Parsed, show_shape, single};
use crate::network::pull_back::MapGradient;
use crate::network::size;
use crate::network::tensor::{TensorSource, Tensors};
use crate::numeric::Interval;

/// The layer type `batch_norm`.
pub const TYPE: LayerType =
    LayerType { name: "batch_norm", parse, schema: |generator| generator.subschema_for::<Spec>() };

/// `y = (x - mean) / sqrt(variance + epsilon) * weight + bias` for each channel (the first axis).
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNorm {
    weight: Vec<f64>,
    bias: Vec<f64>,
    mean: Vec<f64>,
    variance: Vec<f64>,
    epsilon: f64,
}

/// Batch normalisation with fixed statistics, for each channel (the first axis).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "batch_norm")]
struct Spec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// The factor; 1 if absent.
    weight: Option<TensorSource>,
    /// The summand; 0 if absent.
    bias: Option<TensorSource>,
    /// The mean of each channel.
    running_mean: Option<TensorSource>,
    /// The variance of each channel.
    running_var: Option<TensorSource>,
    /// Added to the variance; 1e-5 if absent.
    eps: Option<f64>,
}

fn parse(json: &RawValue, tensors: &mut dyn Tensors) -> Parsed {
    let spec: Spec = serde_json::from_str(json.get())?;
    let weight = tensors.resolve_optional("weight", spec.weight)?;
    let bias = tensors.resolve_optional("bias", spec.bias)?;
    let mean = tensors.resolve("running_mean", spec.running_mean)?;
    let variance = tensors.resolve("running_var", spec.running_var)?;
    let norm = BatchNorm::new(weight, bias, mean, variance, spec.eps.unwrap_or(1e-5));
    Ok(Arc::new(norm.map_err(ParseError::Value)?))
}

impl BatchNorm {
    /// The layer with the given parameters, one of each for every channel.
    ///
    /// # Errors
    /// Lengths that differ; a variance that is negative, or zero together with `epsilon`.
    pub fn new(
        weight: Option<ArrayD<f64>>,
        bias: Option<ArrayD<f64>>,
        mean: ArrayD<f64>,
        variance: ArrayD<f64>,
        epsilon: f64,
    ) -> Result<BatchNorm, String> {
        let channels = mean.len();
        if variance.len() != channels {
            return Err(format!(
                "running_var has {} entries, running_mean {channels}",
                variance.len()
            ));
        }
        let weight = match weight {
            None => vec![1.0; channels],
            given => channel_bias(given, channels).map_err(|e| e.replacen("bias", "weight", 1))?,
        };
        #[expect(
            clippy::float_arithmetic,
            reason = "a sum that is rounded to nearest keeps its sign"
        )]
        let valid = |v: &f64| v + epsilon > 0.0 && *v >= 0.0;
        if let Some(bad) = variance.iter().find(|v| !valid(v)) {
            return Err(format!(
                "running_var: found {bad} with eps {epsilon}; variances must be positive"
            ));
        }
        Ok(BatchNorm {
            weight,
            bias: channel_bias(bias, channels)?,
            mean: mean.iter().copied().collect(),
            variance: variance.iter().copied().collect(),
            epsilon,
        })
    }

    /// Enclosures of the factor and the summand of a channel.
    fn coefficients(&self, channel: usize) -> (Interval, Interval) {
        let point = Interval::point;
        let deviation = (point(self.variance[channel]) + point(self.epsilon)).sqrt();
        let factor = point(self.weight[channel]) / deviation;
        (factor, point(self.bias[channel]) - point(self.mean[channel]) * factor)
    }
}

impl Layer for BatchNorm {
    fn kind(&self) -> &'static str {
        TYPE.name
    }

    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        let input = single(inputs)?;
        if input.first() == Some(&self.mean.len()) {
            return Ok(input.to_vec());
        }
        Err(format!(
            "has {} channels, but its input has the shape {}",
            self.mean.len(),
            show_shape(input)
        ))
    }

    fn parameters(&self) -> usize {
        2 * self.mean.len()
    }

    fn lower(&self, inputs: &[Vec<usize>]) -> Result<Lowered, String> {
        let count = size(single(inputs)?);
        let each = count / self.mean.len().max(1);
        let coefficients: Vec<_> = (0..self.mean.len()).map(|c| self.coefficients(c)).collect();
        let of = |i: usize| coefficients[i / each];
        diagonal((0..count).map(|i| of(i).0).collect(), (0..count).map(|i| of(i).1).collect())
    }

    #[expect(clippy::float_arithmetic, reason = "a derivative, of which nothing is certified")]
    fn pull_back(
        &self,
        inputs: &[Vec<usize>],
        gradient: &MapGradient<'_>,
    ) -> Result<Vec<(&'static str, ArrayD<f64>)>, String> {
        let channels = self.mean.len();
        let each = size(single(inputs)?) / channels.max(1);
        let mut weight = vec![0.0; channels];
        for (i, g) in gradient.diagonal().into_iter().enumerate() {
            weight[i / each] += g / (self.variance[i / each] + self.epsilon).sqrt();
        }
        let weight = Array1::from(weight).into_dyn();
        Ok(vec![("weight", weight), ("bias", ArrayD::zeros(vec![channels]))])
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "type": TYPE.name,
            "weight": self.weight,
            "bias": self.bias,
            "running_mean": self.mean,
            "running_var": self.variance,
            "eps": self.epsilon,
        })
    }
}
