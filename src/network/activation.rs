//! The activation functions: their names and parameters.
//!
//! [`table`] has the certified slopes, values and derivatives, [`lines`] linear bounds on an interval,
//! [`fast`] the unverified evaluation, [`text`] the names and descriptions.

mod attained;
pub mod fast;
pub mod lines;
pub mod table;
pub mod text;

#[cfg(test)]
mod table_tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::numeric::Interval;

/// A function of one variable that is applied to every component.
///
/// The parameters are taken as exact real numbers, with one exception: the nearest `f64` to 1/6,
/// as the `alpha` of [`Activation::HardSigmoid`], also stands for 1/6 itself. The defaults are those
/// of PyTorch (`torch.nn`). Unknown fields are refused, except on functions without parameters, where
/// serde ignores them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Activation {
    /// `x`.
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `x` for `x >= 0`, `negative_slope * x` below.
    LeakyRelu {
        /// The slope at negative arguments.
        #[serde(default = "default_negative_slope")]
        negative_slope: f64,
    },
    /// A leaky ReLU of which the negative slope was learnt.
    Prelu {
        /// One slope, or one per channel.
        slopes: Vec<f64>,
    },
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `min(max(x, min), max)`.
    HardTanh {
        /// The least value.
        #[serde(default = "minus_one")]
        min: f64,
        /// The largest value.
        #[serde(default = "one")]
        max: f64,
    },
    /// `x` for `x >= 0`, `alpha (exp(x) - 1)` below (Clevert et al. 2016).
    Elu {
        /// Minus the limit at `-inf`.
        #[serde(default = "one")]
        alpha: f64,
    },
    /// `scale * elu(x)` with the two constants of Klambauer et al. 2017.
    Selu,
    /// `max(x, 0) + min(0, alpha (exp(x/alpha) - 1))` (Barron 2017).
    Celu {
        /// Positive.
        #[serde(default = "one")]
        alpha: f64,
    },
    /// `ln(1 + exp(beta x)) / beta` (without PyTorch's switch to `x` beyond a threshold).
    Softplus {
        /// Positive.
        #[serde(default = "one")]
        beta: f64,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `min(max(alpha x + beta, 0), 1)`: 1/6 and 1/2 in PyTorch, 0.2 and 0.5 in ONNX.
    HardSigmoid {
        /// The slope in the middle.
        #[serde(default = "one_sixth")]
        alpha: f64,
        /// The value at 0.
        #[serde(default = "one_half")]
        beta: f64,
    },
    /// `tanh(x)`.
    Tanh,
    /// `x Phi(x)` with the normal distribution function `Phi` (Hendrycks & Gimpel 2016).
    Gelu {
        /// The exact function or its approximation by tanh.
        #[serde(default)]
        approximate: GeluForm,
    },
    /// `x/2 (1 + erf(x multiply / divide))`: gelu as graphs of operations write it out, with the constants
    /// that they store for `sqrt(1/2)`, which is no floating-point number.
    ErfGelu {
        /// The factor of the argument; positive.
        #[serde(default = "one")]
        multiply: f64,
        /// The divisor of the argument; positive.
        #[serde(default = "sqrt_two")]
        divide: f64,
    },
    /// `x sigmoid(x)`, also called swish.
    Silu,
    /// `x min(max(x + 3, 0), 6) / 6` (Howard et al. 2019).
    HardSwish,
    /// `x tanh(softplus(x))` (Misra 2019).
    Mish,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `ln(sigmoid(x))`.
    LogSigmoid,
    /// `x - tanh(x)`.
    Tanhshrink,
    /// `x - lambda` above `lambda`, `x + lambda` below `-lambda`, 0 between.
    Softshrink {
        /// Not negative.
        #[serde(default = "one_half")]
        lambda: f64,
    },
    /// `|x|`.
    Abs,
    /// `atan(x)`.
    Atan,
    /// `sin(x)`.
    Sin,
    /// `cos(x)`.
    Cos,
    /// `erf(x)`.
    Erf,
    /// `min(max(x, min), max)`, either limit being optional (ONNX `Clip`).
    Clip {
        /// The least value.
        #[serde(default)]
        min: Option<f64>,
        /// The largest value.
        #[serde(default)]
        max: Option<f64>,
    },
}

/// The two forms of [`Activation::Gelu`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeluForm {
    /// `x Phi(x)`.
    #[default]
    None,
    /// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
    Tanh,
}

fn default_negative_slope() -> f64 {
    0.01
}

fn minus_one() -> f64 {
    -1.0
}

fn one() -> f64 {
    1.0
}

fn sqrt_two() -> f64 {
    std::f64::consts::SQRT_2
}

fn one_half() -> f64 {
    0.5
}

#[expect(clippy::float_arithmetic, reason = "the nearest number to 1/6, which stands for it")]
fn one_sixth() -> f64 {
    1.0 / 6.0
}

impl Activation {
    /// Every activation function once, with its default parameters.
    pub fn all() -> Vec<Activation> {
        use Activation as A;
        vec![
            A::Identity,
            A::Relu,
            A::LeakyRelu { negative_slope: default_negative_slope() },
            A::Prelu { slopes: vec![0.25] },
            A::Relu6,
            A::HardTanh { min: -1.0, max: 1.0 },
            A::Elu { alpha: 1.0 },
            A::Selu,
            A::Celu { alpha: 1.0 },
            A::Softplus { beta: 1.0 },
            A::Sigmoid,
            A::HardSigmoid { alpha: one_sixth(), beta: 0.5 },
            A::Tanh,
            A::Gelu { approximate: GeluForm::None },
            A::Gelu { approximate: GeluForm::Tanh },
            A::ErfGelu { multiply: 1.0, divide: sqrt_two() },
            A::Silu,
            A::HardSwish,
            A::Mish,
            A::Softsign,
            A::LogSigmoid,
            A::Tanhshrink,
            A::Softshrink { lambda: 0.5 },
            A::Abs,
            A::Atan,
            A::Sin,
            A::Cos,
            A::Erf,
            A::Clip { min: None, max: None },
        ]
    }

    /// The function of one channel: the leaky ReLU of that channel's slope for [`Activation::Prelu`]
    /// (its only slope when there is one), the function itself otherwise. A channel that has no slope
    /// keeps them all, which is safe.
    pub fn for_channel(&self, channel: usize) -> Activation {
        let Activation::Prelu { slopes } = self else { return self.clone() };
        let slope = if slopes.len() == 1 { slopes.first() } else { slopes.get(channel) };
        match slope {
            Some(&negative_slope) => Activation::LeakyRelu { negative_slope },
            None => self.clone(),
        }
    }

    /// Whether the graph consists of finitely many straight pieces.
    pub fn is_piecewise_linear(&self) -> bool {
        use Activation as A;
        match self {
            A::Identity | A::Relu | A::LeakyRelu { .. } | A::Prelu { .. } | A::Relu6 => true,
            A::HardTanh { .. } | A::HardSigmoid { .. } | A::Softshrink { .. } => true,
            A::Abs | A::Clip { .. } => true,
            A::Elu { alpha } => *alpha == 0.0,
            _ => false,
        }
    }

    /// Where the slope jumps, as enclosures of the points, for a piecewise linear function; none for
    /// the others.
    pub fn kinks(&self) -> Vec<Interval> {
        match self {
            Activation::Prelu { .. } => vec![Interval::ZERO],
            _ if self.is_piecewise_linear() => {
                self.derivative_turnings().into_iter().map(|turning| turning.at).collect()
            }
            _ => vec![],
        }
    }

    /// An enclosure of the slopes at the inner points of `x`: as [`Activation::derivative`], but a kink
    /// at an end of `x` does not count.
    pub fn slopes_inside(&self, x: Interval) -> Interval {
        if *self == Activation::Relu && x.lo < x.hi {
            let least = f64::from(u8::from(x.lo >= 0.0));
            return Interval { lo: least, hi: f64::from(u8::from(x.hi > 0.0)) };
        }
        let exact = |k: &Interval| k.lo == k.hi;
        if x.lo < x.hi && self.is_piecewise_linear() && self.kinks().iter().all(exact) {
            // Kinks are floating-point numbers, so every straight piece inside of x has a point in the
            // interval between the neighbours of its ends.
            let (lo, hi) = (x.lo.next_up(), x.hi.next_down());
            return self.derivative(if lo <= hi { Interval { lo, hi } } else { x });
        }
        self.derivative(x)
    }

    /// The slope and an enclosure of the intercept of the straight piece that contains `x`; `None` where
    /// there is more than one piece, or the function is not piecewise linear.
    pub fn piece(&self, x: Interval) -> Option<(f64, Interval)> {
        if *self == Activation::Identity {
            return Some((1.0, Interval::ZERO));
        }
        let slope = self.slopes_inside(x);
        if *self == Activation::Relu {
            return (slope.lo == slope.hi).then_some((slope.lo, Interval::ZERO));
        }
        if !self.is_piecewise_linear() || slope.lo != slope.hi {
            return None;
        }
        // The piece ends at a kink next to x, at which the value is known best.
        let kinks = self.kinks();
        let below = kinks.iter().filter(|k| k.hi <= x.lo).max_by(|a, b| a.lo.total_cmp(&b.lo));
        let above = kinks.iter().filter(|k| k.lo >= x.hi).min_by(|a, b| a.lo.total_cmp(&b.lo));
        let end = below.or(above).filter(|k| k.lo == k.hi)?.lo;
        let value = self.value(Interval::point(end));
        Some((slope.lo, value - Interval::point(end).scale(slope.lo)))
    }

    /// Checks the parameters; the message names the parameter, its value and what is allowed.
    ///
    /// # Errors
    /// When a parameter is not finite or outside its domain.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            Activation::LeakyRelu { negative_slope } => {
                self.finite("negative_slope", *negative_slope)
            }
            Activation::Prelu { slopes } if slopes.is_empty() => {
                Err("prelu: slopes is empty, expected one slope or one per channel".to_string())
            }
            Activation::Prelu { slopes } => {
                slopes.iter().try_for_each(|s| self.finite("slopes", *s))
            }
            Activation::HardTanh { min, max } => self.ordered(Some(*min), Some(*max)),
            Activation::Clip { min, max } => self.ordered(*min, *max),
            Activation::Elu { alpha } => self.finite("alpha", *alpha),
            Activation::Celu { alpha } => self.positive("alpha", *alpha),
            Activation::ErfGelu { multiply, divide } => {
                self.positive("multiply", *multiply)?;
                self.positive("divide", *divide)
            }
            Activation::Softplus { beta } => self.positive("beta", *beta),
            Activation::HardSigmoid { alpha, beta } => {
                self.finite("alpha", *alpha)?;
                self.finite("beta", *beta)
            }
            Activation::Softshrink { lambda } if *lambda < 0.0 => Err(format!(
                "softshrink: lambda is {lambda}, expected a number that is not negative"
            )),
            Activation::Softshrink { lambda } => self.finite("lambda", *lambda),
            _ => Ok(()),
        }
    }

    fn finite(&self, parameter: &str, value: f64) -> Result<(), String> {
        if value.is_finite() {
            return Ok(());
        }
        Err(format!("{}: {parameter} is {value}, expected a finite number", self.name()))
    }

    fn positive(&self, parameter: &str, value: f64) -> Result<(), String> {
        self.finite(parameter, value)?;
        if value > 0.0 {
            return Ok(());
        }
        Err(format!("{}: {parameter} is {value}, expected a positive number", self.name()))
    }

    fn ordered(&self, min: Option<f64>, max: Option<f64>) -> Result<(), String> {
        min.map_or(Ok(()), |min| self.finite("min", min))?;
        max.map_or(Ok(()), |max| self.finite("max", max))?;
        match (min, max) {
            (Some(min), Some(max)) if min > max => {
                Err(format!("{}: min is {min} and max is {max}, expected min <= max", self.name()))
            }
            _ => Ok(()),
        }
    }
}
