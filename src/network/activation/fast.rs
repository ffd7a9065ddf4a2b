//! Unverified evaluation, for sampling and searching: nothing certified may depend on it.
#![expect(clippy::float_arithmetic, reason = "nothing certified depends on it")]

use super::Activation;
use crate::numeric::interval::Interval;

impl Activation {
    /// The value at `x`, to a few units in the last place.
    pub fn eval(&self, x: f64) -> f64 {
        match self {
            Activation::Identity => x,
            Activation::Relu => x.max(0.0),
            Activation::LeakyRelu { negative_slope } if x < 0.0 => negative_slope * x,
            Activation::LeakyRelu { .. } => x,
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Activation::Tanh => x.tanh(),
            Activation::Silu => x / (1.0 + (-x).exp()),
            _ => self.value(Interval::point(x)).midpoint(),
        }
    }

    /// The derivative at `x`; at a kink some number between its two limits.
    pub fn slope_at(&self, x: f64) -> f64 {
        match self {
            Activation::Identity => 1.0,
            Activation::Relu => f64::from(u8::from(x > 0.0)),
            Activation::LeakyRelu { negative_slope } if x <= 0.0 => *negative_slope,
            Activation::LeakyRelu { .. } => 1.0,
            Activation::Tanh => 1.0 - x.tanh().powi(2),
            _ => self.derivative(Interval::point(x)).midpoint(),
        }
    }
}
