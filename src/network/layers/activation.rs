//! Activations as layers: one function for all components, or one for each channel.

use std::cmp::Ordering;
use std::sync::Arc;

use ndarray::{Array1, ArrayD};
use serde_json::value::RawValue;

use super::{Layer, Lowered, ParseError, Parsed, show_shape, single};
use crate::network::{Activation, size};

/// Whether `name` is the name of an activation in the JSON format.
pub fn is_name(name: &str) -> bool {
    Activation::all().iter().any(|activation| activation.name() == name)
}

/// Reads an activation from its JSON object.
///
/// # Errors
/// Unknown or missing parameters, or parameters outside of what the activation takes.
pub fn parse(json: &RawValue) -> Parsed {
    let activation: Activation = serde_json::from_str(json.get())?;
    activation.validate().map_err(ParseError::Value)?;
    Ok(Arc::new(activation))
}

impl Layer for Activation {
    fn kind(&self) -> &'static str {
        self.name()
    }

    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        let input = single(inputs)?;
        match self {
            Activation::Prelu { slopes } if slopes.len() > 1 => {
                // Channels are the first axis of the input.
                let channels = input.first().copied().unwrap_or(1);
                if channels == slopes.len() {
                    Ok(input.to_vec())
                } else {
                    Err(format!(
                        "has {} slopes, but its input has {channels} channels ({})",
                        slopes.len(),
                        show_shape(input)
                    ))
                }
            }
            _ => Ok(input.to_vec()),
        }
    }

    fn parameters(&self) -> usize {
        match self {
            Activation::Prelu { slopes } => slopes.len(),
            _ => 0,
        }
    }

    fn lower(&self, inputs: &[Vec<usize>]) -> Result<Lowered, String> {
        let count = size(single(inputs)?);
        Ok(match self {
            Activation::Identity => Lowered::Reshape,
            Activation::Prelu { slopes } => {
                let channels = slopes.len();
                let per_channel =
                    (0..channels).map(|c| (self.for_channel(c), count / channels)).collect();
                Lowered::Activation(per_channel)
            }
            _ => Lowered::Activation(vec![(self.clone(), count)]),
        })
    }

    #[expect(clippy::float_arithmetic, reason = "a derivative, of which nothing is certified")]
    fn pull_back_slopes(&self, alpha: &[f64], beta: &[f64]) -> Vec<(&'static str, ArrayD<f64>)> {
        let Activation::Prelu { slopes } = self else { return Vec::new() };
        let size = (alpha.len() / slopes.len().max(1)).max(1);
        let sums = alpha.chunks(size).zip(beta.chunks(size));
        let each = slopes.iter().zip(sums).map(|(&slope, (alpha, beta))| {
            // The interval is that of the slope and 1; where they meet, the mean of both sides.
            let (lower, upper): (f64, f64) = (alpha.iter().sum(), beta.iter().sum());
            match slope.partial_cmp(&1.0) {
                Some(Ordering::Less) => lower,
                Some(Ordering::Greater) => upper,
                _ => lower / 2.0 + upper / 2.0,
            }
        });
        vec![("slopes", Array1::from_iter(each).into_dyn())]
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
    }
}
