//! Unverified evaluation, for sampling and searching: nothing certified may depend on it.
#![expect(clippy::float_arithmetic, reason = "nothing certified depends on it")]

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, TAU};

use super::{Activation, GeluForm};
use crate::numeric::interval::Interval;

impl Activation {
    /// The value at `x`, to a few units in the last place.
    pub fn eval(&self, x: f64) -> f64 {
        use Activation as A;
        match self {
            A::Identity => x,
            A::Relu => x.max(0.0),
            A::LeakyRelu { negative_slope } if x < 0.0 => negative_slope * x,
            A::LeakyRelu { .. } => x,
            A::Sigmoid => sigmoid(x),
            A::Tanh => x.tanh(),
            A::Silu => x * sigmoid(x),
            A::Gelu { approximate: GeluForm::None } => x * normal_cdf(x),
            A::Gelu { approximate: GeluForm::Tanh } => x * sigmoid(2.0 * gelu_argument(x)),
            A::ErfGelu { multiply, divide } => 0.5 * x * libm::erfc(-x * multiply / divide),
            A::Mish => x * softplus(x).tanh(),
            A::Softplus { beta } => softplus(beta * x) / beta,
            A::LogSigmoid => -softplus(-x),
            A::Elu { .. } | A::Celu { .. } if x >= 0.0 => x,
            A::Elu { alpha } => alpha * x.exp_m1(),
            A::Celu { alpha } => alpha * (x / alpha).exp_m1(),
            A::Erf => libm::erf(x),
            A::Atan => x.atan(),
            A::Sin => x.sin(),
            A::Cos => x.cos(),
            A::Abs => x.abs(),
            A::Softsign => x / (1.0 + x.abs()),
            A::Tanhshrink => x - x.tanh(),
            _ => self.value(Interval::point(x)).midpoint(),
        }
    }

    /// The derivative at `x`; at a kink some number between its two limits.
    pub fn slope_at(&self, x: f64) -> f64 {
        use Activation as A;
        match self {
            A::Identity => 1.0,
            A::Relu => f64::from(u8::from(x > 0.0)),
            A::LeakyRelu { negative_slope } if x <= 0.0 => *negative_slope,
            A::LeakyRelu { .. } => 1.0,
            A::Sigmoid => sigmoid(x) * sigmoid(-x),
            A::Tanh => 1.0 - x.tanh().powi(2),
            A::Silu => sigmoid(x) * (1.0 + x * sigmoid(-x)),
            A::Gelu { approximate: GeluForm::None } => normal_cdf(x) + x * normal_pdf(x),
            A::Gelu { approximate: GeluForm::Tanh } => {
                let u = 2.0 * gelu_argument(x);
                let slope = 2.0 * SQRT_TWO_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * x * x);
                sigmoid(u) + x * slope * sigmoid(u) * sigmoid(-u)
            }
            A::ErfGelu { multiply, divide } => {
                let scale = multiply / divide;
                let density = FRAC_2_SQRT_PI * scale * (-(scale * x).powi(2)).exp();
                0.5 * (libm::erfc(-scale * x) + x * density)
            }
            A::Mish => {
                let t = softplus(x).tanh();
                t + x * (1.0 - t * t) * sigmoid(x)
            }
            A::Softplus { beta } => sigmoid(beta * x),
            A::LogSigmoid => sigmoid(-x),
            A::Elu { .. } | A::Celu { .. } if x > 0.0 => 1.0,
            A::Elu { alpha } => alpha * x.exp(),
            A::Celu { alpha } => (x / alpha).exp(),
            A::Erf => FRAC_2_SQRT_PI * (-x * x).exp(),
            A::Atan => 1.0 / (1.0 + x * x),
            A::Sin => x.cos(),
            A::Cos => -x.sin(),
            A::Softsign => (1.0 + x.abs()).powi(-2),
            A::Tanhshrink => x.tanh().powi(2),
            _ => self.derivative(Interval::point(x)).midpoint(),
        }
    }
}

/// sqrt(2/pi).
const SQRT_TWO_OVER_PI: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

/// The coefficient of gelu's approximation.
const GELU_CUBIC: f64 = 0.044_715;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + e^x)`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn gelu_argument(x: f64) -> f64 {
    SQRT_TWO_OVER_PI * (x + GELU_CUBIC * x * x * x)
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

fn normal_pdf(x: f64) -> f64 {
    (-0.5 * x * x).exp() / TAU.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_slopes_are_near_their_enclosures() {
        for activation in Activation::all() {
            // None of these points is a kink.
            for x in [-40.0, -5.3, -1.7, -0.4, 0.2, 0.9, 2.2, 6.1, 33.0] {
                let value = activation.value(Interval::point(x));
                let slope = activation.derivative(Interval::point(x));
                let near = |found: f64, exact: Interval| {
                    // A few units in the last place of the terms, the largest of which is |x|.
                    (found - exact.midpoint()).abs() <= 1e-14 * (1.0 + x.abs())
                };
                assert!(near(activation.eval(x), value), "{activation:?} at {x}");
                // That of x sigmoid'(x) and the like has a factor x more.
                assert!(near(activation.slope_at(x), slope), "{activation:?}' at {x}");
            }
        }
    }
}
