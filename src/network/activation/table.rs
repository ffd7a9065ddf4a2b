//! Certified values, derivatives and slopes of the activation functions.
//!
//! One mechanism serves all: between two *turning points* a function (or its derivative) is
//! monotone, so its range over an interval is the hull of its values at the two ends and at the
//! turning points inside. A kink is a turning point of the derivative at which it takes the hull of
//! its two one-sided limits (the Clarke derivative). By the mean value theorem every difference
//! quotient over an interval lies in the range of the derivative there.

use super::{Activation, GeluForm};
use crate::numeric::interval::Interval;
use crate::numeric::interval::erf::TWO_OVER_SQRT_PI;

/// A place where a function stops being monotone, and its values there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turning {
    pub(super) at: Interval,
    pub(super) value: Interval,
}

/// The constants of selu as PyTorch prints them: 1.6732632423543772848170429916717 and
/// 1.0507009873554804934193349852946.
const SELU_ALPHA: Interval = Interval::around(1.673_263_242_354_377_2);
const SELU_SCALE: Interval = Interval::around(1.050_700_987_355_480_5);
/// sqrt(2/pi).
pub(super) const SQRT_TWO_OVER_PI: Interval = Interval::around(0.797_884_560_802_865_4);
/// The coefficient 0.044715 of gelu's approximation, as a decimal and as an `f64`.
pub(super) const GELU_CUBIC: Interval = Interval::around(0.044_715);

fn turning(at: Interval, value: Interval) -> Turning {
    Turning { at, value }
}

/// A turning point known to about 16 digits. The tests prove that it lies within 1e-9 of `at` (the
/// function is flat there, so the place matters little) and its value within 1e-15 of `value`.
fn near(at: f64, value: f64) -> Turning {
    #[expect(clippy::float_arithmetic, reason = "the tests prove these very intervals")]
    let around = |x: f64, radius: f64| Interval::new(x - radius, x + radius);
    turning(around(at, 1e-9), around(value, 1e-15))
}

fn kink(at: f64, left: f64, right: f64) -> Turning {
    turning(at.into(), Interval::from(left).hull(right.into()))
}

/// The hull of the values at the ends and at the turning points that may lie in `x`.
fn range(x: Interval, f: impl Fn(f64) -> Interval, turnings: &[Turning]) -> Interval {
    let ends = f(x.lo).hull(f(x.hi));
    let inside = turnings.iter().filter(|t| t.at.intersect(x).is_some());
    inside.fold(ends, |hull, t| hull.hull(t.value))
}

impl Activation {
    /// An interval `[alpha, beta]` that contains the slope `(f(x) - f(y)) / (x - y)` of every
    /// two points of the real line; each end is the exact infimum or supremum rounded outward
    /// (by at most a few units in the last place). For [`Activation::Prelu`], of all channels.
    pub fn slopes(&self) -> (f64, f64) {
        let slopes = self.derivative(Interval::ENTIRE);
        (slopes.lo, slopes.hi)
    }

    /// The slopes of one channel, see [`Activation::for_channel`].
    pub fn slopes_of_channel(&self, channel: usize) -> (f64, f64) {
        self.for_channel(channel).slopes()
    }

    /// An enclosure of the values on `x`, rounded outward.
    pub fn value(&self, x: Interval) -> Interval {
        match self {
            // The usual one, without a look at its turning points.
            Activation::Relu => return x.max(Interval::ZERO),
            Activation::Sin => return x.sin(),
            Activation::Cos => return x.cos(),
            _ => {}
        }
        range(x, |p| self.value_at(p), &self.value_turnings())
    }

    /// An enclosure of the slopes between any two points of `x`: the hull of the Clarke
    /// derivatives on `x`, rounded outward. A kink at an end of `x` counts.
    pub fn derivative(&self, x: Interval) -> Interval {
        match self {
            Activation::Sin => return x.cos(),
            Activation::Cos => return -x.sin(),
            Activation::Prelu { slopes } => {
                let leaky = slopes.iter().map(|&a| Activation::LeakyRelu { negative_slope: a });
                let all = leaky.map(|f| f.derivative(x)).reduce(Interval::hull);
                return all.unwrap_or(Interval::ENTIRE);
            }
            _ => {}
        }
        let bound = range(x, |p| self.derivative_at(p), &self.derivative_turnings());
        bound.intersect(self.sure_slopes()).unwrap_or(bound)
    }

    /// Slopes known in closed form, which cut off what rounding adds to `[0, 1]` and the like.
    fn sure_slopes(&self) -> Interval {
        use Activation as A;
        match self {
            A::Tanh | A::Softsign | A::LogSigmoid | A::Tanhshrink | A::Atan => {
                Interval::new(0.0, 1.0)
            }
            A::Softplus { .. } | A::Celu { .. } => Interval::new(0.0, 1.0),
            A::Sigmoid => Interval::new(0.0, 0.25),
            _ => Interval::ENTIRE,
        }
    }

    /// An enclosure of the value at one number, or of the limit at an infinity.
    pub(super) fn value_at(&self, p: f64) -> Interval {
        use Activation as A;
        let x = Interval::point(p);
        match self {
            A::Identity => x,
            A::Relu => x.max(Interval::ZERO),
            A::LeakyRelu { negative_slope: a } => {
                if p >= 0.0 {
                    x
                } else {
                    x.scale(*a)
                }
            }
            A::Prelu { slopes } => {
                let values = slopes.iter().map(|&a| A::LeakyRelu { negative_slope: a }.value_at(p));
                values.reduce(Interval::hull).unwrap_or(Interval::ENTIRE)
            }
            A::Relu6 => clamp(x, 0.0, 6.0),
            A::HardTanh { min, max } => clamp(x, *min, *max),
            A::Clip { min, max } => {
                clamp(x, min.unwrap_or(f64::NEG_INFINITY), max.unwrap_or(f64::INFINITY))
            }
            A::Elu { alpha } => {
                if p >= 0.0 {
                    x
                } else {
                    x.exp_m1().scale(*alpha)
                }
            }
            A::Selu if p >= 0.0 => SELU_SCALE * x,
            A::Selu => SELU_SCALE * SELU_ALPHA * x.exp_m1(),
            A::Celu { .. } if p >= 0.0 => x,
            A::Celu { alpha } => (x / (*alpha).into()).exp_m1().scale(*alpha),
            A::Softplus { beta } => {
                // max(x, 0) + ln(1 + exp(-|beta x|)) / beta.
                let tail = (-x.scale(*beta).abs()).exp().ln_1p() / (*beta).into();
                x.max(Interval::ZERO) + tail
            }
            A::Sigmoid => x.sigmoid(),
            A::HardSigmoid { alpha, beta } => {
                clamp(middle_slope(*alpha) * x + (*beta).into(), 0.0, 1.0)
            }
            A::Tanh => x.tanh(),
            A::Gelu { approximate: GeluForm::None } => x * x.normal_cdf(),
            A::Gelu { approximate: GeluForm::Tanh } => x * gelu_argument(x).scale(2.0).sigmoid(),
            A::ErfGelu { .. } if p == f64::NEG_INFINITY => Interval::ZERO,
            A::ErfGelu { multiply, divide } => x * erf_gate(erf_argument(x, *multiply, *divide)),
            A::Silu => x * x.sigmoid(),
            A::HardSwish if p >= 3.0 => x,
            A::HardSwish => x * clamp(x + 3.0.into(), 0.0, 6.0) / 6.0.into(),
            A::Mish => x * x.ln_1p_exp().tanh(),
            A::Softsign if p.is_infinite() => Interval::point(p.signum()),
            A::Softsign => x / (Interval::ONE + x.abs()),
            A::LogSigmoid => -(-x).ln_1p_exp(),
            A::Tanhshrink => x - x.tanh(),
            A::Softshrink { lambda } => {
                let up = (x - (*lambda).into()).max(Interval::ZERO);
                up + (x + (*lambda).into()).min(Interval::ZERO)
            }
            A::Abs => x.abs(),
            A::Atan => x.atan(),
            A::Sin => x.sin(),
            A::Cos => x.cos(),
            A::Erf => x.erf(),
        }
    }

    /// An enclosure of the derivative at one number (not a kink: those are turning points), or of
    /// its limit at an infinity.
    fn derivative_at(&self, p: f64) -> Interval {
        self.derivative_formula(Interval::point(p))
    }

    /// The derivative evaluated in interval arithmetic on an interval without a kink inside.
    pub(super) fn derivative_formula(&self, x: Interval) -> Interval {
        use Activation as A;
        let p = x.midpoint();
        match self {
            A::Identity => Interval::ONE,
            A::Relu => step(p > 0.0),
            A::LeakyRelu { negative_slope } => (if p > 0.0 { 1.0 } else { *negative_slope }).into(),
            A::Relu6 => step(p > 0.0 && p < 6.0),
            A::HardTanh { min, max } => step(p > *min && p < *max),
            A::Clip { min, max } => step(min.is_none_or(|m| p > m) && max.is_none_or(|m| p < m)),
            A::Elu { .. } | A::Celu { .. } if p > 0.0 => Interval::ONE,
            A::Elu { alpha } => x.exp().scale(*alpha),
            A::Celu { alpha } => (x / (*alpha).into()).exp(),
            A::Selu if p > 0.0 => SELU_SCALE,
            A::Selu => SELU_SCALE * SELU_ALPHA * x.exp(),
            A::Softplus { beta } => x.scale(*beta).sigmoid(),
            // s (1 - s) = s(x) s(-x), without cancellation.
            A::Sigmoid => x.sigmoid() * (-x).sigmoid(),
            A::HardSigmoid { alpha, beta } => {
                let y = middle_slope(*alpha) * x + (*beta).into();
                let (inside, outside) = (y.lo > 0.0 && y.hi < 1.0, y.hi < 0.0 || y.lo > 1.0);
                match (inside, outside) {
                    (true, _) => middle_slope(*alpha),
                    (_, true) => Interval::ZERO,
                    // Rounding leaves the side open.
                    _ => middle_slope(*alpha).hull(Interval::ZERO),
                }
            }
            A::Tanh => sech_squared(x),
            A::Gelu { approximate: GeluForm::None } => x.normal_cdf() + x * x.normal_pdf(),
            A::Gelu { approximate: GeluForm::Tanh } => gelu_tanh_derivative(x),
            A::ErfGelu { multiply, divide } => {
                let u = erf_argument(x, *multiply, *divide);
                if u.lo > 40.0 || u.hi < -40.0 {
                    // There |u| exp(-u^2) is below the smallest f64; u itself may be infinite.
                    return erf_gate(u) + Interval::new(-f64::MIN_POSITIVE, f64::MIN_POSITIVE);
                }
                erf_gate(u) + u * TWO_OVER_SQRT_PI.scale(0.5) * (-u.square()).exp()
            }
            A::Silu => x.sigmoid() * (Interval::ONE + x * (-x).sigmoid()),
            A::HardSwish if p.abs() > 3.0 => step(p > 0.0),
            A::HardSwish => (x.scale(2.0) + 3.0.into()) / 6.0.into(),
            A::Mish => {
                let s = x.ln_1p_exp();
                s.tanh() + x * sech_squared(s) * x.sigmoid()
            }
            A::Softsign => Interval::ONE / (Interval::ONE + x.abs()).square(),
            A::LogSigmoid => (-x).sigmoid(),
            A::Tanhshrink => x.tanh().square(),
            A::Softshrink { lambda } => step(*lambda == 0.0 || p.abs() > *lambda),
            A::Abs => Interval::point(if p > 0.0 { 1.0 } else { -1.0 }),
            A::Atan => Interval::ONE / (Interval::ONE + x.square()),
            A::Erf => TWO_OVER_SQRT_PI * (-x.square()).exp(),
            A::Sin | A::Cos | A::Prelu { .. } => self.derivative(x),
        }
    }

    /// Where the function turns. The minima of the smooth ones are proved in the tests.
    pub(super) fn value_turnings(&self) -> Vec<Turning> {
        use Activation as A;
        match self {
            // A negative slope makes these turn at 0, where they vanish.
            A::LeakyRelu { .. } | A::Prelu { .. } | A::Elu { .. } | A::Abs => {
                vec![turning(Interval::ZERO, Interval::ZERO)]
            }
            A::Gelu { approximate: GeluForm::None } => {
                vec![near(-0.751_791_524_693_564_5, -0.169_971_207_479_903_66)]
            }
            A::Gelu { approximate: GeluForm::Tanh } => {
                vec![near(-0.752_461_422_071_016_3, -0.170_040_750_571_254_06)]
            }
            // gelu(x) = s gelu(x/s) with s = divide / (multiply sqrt(2)).
            A::ErfGelu { multiply, divide } => {
                let scale = Interval::point(*divide)
                    / (Interval::point(*multiply) * Interval::from(2.0).sqrt());
                let gelu = A::Gelu { approximate: GeluForm::None }.value_turnings();
                gelu.iter().map(|t| turning(t.at * scale, t.value * scale)).collect()
            }
            A::Silu => vec![near(-1.278_464_542_761_073_7, -0.278_464_542_761_073_8)],
            A::HardSwish => vec![turning((-1.5).into(), (-0.375).into())],
            A::Mish => vec![near(-1.192_431_214_515_495_2, -0.308_843_413_017_250_43)],
            _ => vec![],
        }
    }

    /// Where the derivative turns or jumps.
    ///
    /// That the smooth ones have no others: `gelu'' = phi(x) (2 - x^2)`. `silu''` has the sign of
    /// `2 - x tanh(x/2)`, even and decreasing in `|x|`. Gelu's approximation, with its argument
    /// `u = c (x + a x^3)`: the sign of `1 + 6 a x^2 - c x (1 + 3 a x^2)^2 tanh(u)`, even, and divided
    /// by `1 + 6 a x^2` it decreases in `|x|` because `(1 + 3 a x^2)^2 / (1 + 6 a x^2) =
    /// 1 + 9 a^2 x^4 / (1 + 6 a x^2)` increases. `mish''` has the sign of `2 + x h(x)` with
    /// `h = (1 - s) - 2 t s` decreasing from 1 to -2 (s the logistic function, t = tanh(softplus)), and
    /// h(0) = -1/10: x h increases up to the zero of h, is positive from there to 0 and decreases
    /// after 0.
    pub(super) fn derivative_turnings(&self) -> Vec<Turning> {
        use Activation as A;
        match self {
            A::Relu => vec![kink(0.0, 0.0, 1.0)],
            A::LeakyRelu { negative_slope } => vec![kink(0.0, *negative_slope, 1.0)],
            A::Relu6 => vec![kink(0.0, 0.0, 1.0), kink(6.0, 1.0, 0.0)],
            A::HardTanh { min, max } => clip_kinks(Some(*min), Some(*max)),
            A::Clip { min, max } => clip_kinks(*min, *max),
            A::Elu { alpha } => vec![kink(0.0, *alpha, 1.0)],
            A::Selu => vec![turning(Interval::ZERO, SELU_SCALE.hull(SELU_SCALE * SELU_ALPHA))],
            A::HardSigmoid { alpha, .. } if *alpha == 0.0 => vec![],
            A::HardSigmoid { alpha, beta } => {
                let (a, b) = (middle_slope(*alpha), Interval::point(*beta));
                let value = a.hull(Interval::ZERO);
                [0.0, 1.0].map(|y| turning((Interval::point(y) - b) / a, value)).to_vec()
            }
            A::Softshrink { lambda } if *lambda == 0.0 => vec![],
            A::Softshrink { lambda } => vec![kink(-lambda, 1.0, 0.0), kink(*lambda, 0.0, 1.0)],
            A::Abs => vec![kink(0.0, -1.0, 1.0)],
            A::HardSwish => vec![kink(-3.0, 0.0, -0.5), kink(3.0, 1.5, 1.0)],
            A::Sigmoid => vec![turning(Interval::ZERO, 0.25.into())],
            A::Tanh | A::Softsign | A::Atan => vec![turning(Interval::ZERO, Interval::ONE)],
            A::Tanhshrink => vec![turning(Interval::ZERO, Interval::ZERO)],
            A::Erf => vec![turning(Interval::ZERO, TWO_OVER_SQRT_PI)],
            A::Gelu { approximate: GeluForm::None } => vec![
                near(-std::f64::consts::SQRT_2, -0.128_904_145_185_154_78),
                near(std::f64::consts::SQRT_2, 1.128_904_145_185_154_7),
            ],
            A::Gelu { approximate: GeluForm::Tanh } => vec![
                near(-1.418_504_008_790_828_3, -0.128_993_068_658_771_78),
                near(1.418_504_008_790_828_3, 1.128_993_068_658_771_8),
            ],
            // Where the argument of erf is -1 and 1: the second derivative has the sign of 1 - u^2.
            A::ErfGelu { multiply, divide } => {
                let at = Interval::point(*divide) / (*multiply).into();
                let gelu = A::Gelu { approximate: GeluForm::None }.derivative_turnings();
                gelu.iter().zip([-at, at]).map(|(t, at)| turning(at, t.value)).collect()
            }
            A::Silu => vec![
                near(-2.399_357_280_515_467_5, -0.099_839_320_128_866_91),
                near(2.399_357_280_515_467_5, 1.099_839_320_128_867),
            ],
            A::Mish => vec![
                near(-2.256_376_396_360_793, -0.112_526_122_389_462_55),
                near(1.490_571_179_485_428_4, 1.088_498_161_251_728),
            ],
            _ => vec![],
        }
    }
}

fn clamp(x: Interval, min: f64, max: f64) -> Interval {
    x.max(min.into()).min(max.into())
}

fn step(on: bool) -> Interval {
    if on { Interval::ONE } else { Interval::ZERO }
}

/// The kinks of `min(max(x, min), max)`; none when the function is constant.
fn clip_kinks(min: Option<f64>, max: Option<f64>) -> Vec<Turning> {
    if min.is_some() && min == max {
        return vec![];
    }
    let low = min.map(|at| kink(at, 0.0, 1.0));
    let high = max.map(|at| kink(at, 1.0, 0.0));
    low.into_iter().chain(high).collect()
}

/// The slope of the hard sigmoid: the number itself, unless it stands for 1/6, which is above its nearest
/// `f64`.
#[expect(clippy::float_arithmetic, reason = "the nearest number to 1/6 is what is meant")]
fn middle_slope(alpha: f64) -> Interval {
    if alpha == 1.0 / 6.0 { Interval::new(alpha, alpha.next_up()) } else { alpha.into() }
}

/// `1 / cosh(x)^2 = 4 s(2x) s(-2x)` with the logistic function s.
pub(super) fn sech_squared(x: Interval) -> Interval {
    let y = x.scale(2.0);
    (y.sigmoid() * (-y).sigmoid()).scale(4.0)
}

/// The argument of erf in [`Activation::ErfGelu`].
pub(super) fn erf_argument(x: Interval, multiply: f64, divide: f64) -> Interval {
    x.scale(multiply) / divide.into()
}

/// `(1 + erf(u)) / 2 = erfc(-u) / 2`, without cancellation.
fn erf_gate(u: Interval) -> Interval {
    (-u).erfc().scale(0.5)
}

/// The argument of tanh in gelu's approximation.
pub(super) fn gelu_argument(x: Interval) -> Interval {
    SQRT_TWO_OVER_PI * x * (Interval::ONE + GELU_CUBIC * x.square())
}

/// With `s` the logistic function at `2u`: `s + 2 x u' s (1 - s)`.
fn gelu_tanh_derivative(x: Interval) -> Interval {
    if x.magnitude() > 100.0 {
        // There |u| > 30000, so the second term vanishes to below the smallest f64.
        let s = gelu_argument(x).scale(2.0).sigmoid();
        return s + Interval::new(-f64::MIN_POSITIVE, f64::MIN_POSITIVE);
    }
    let u = gelu_argument(x).scale(2.0);
    let slope = SQRT_TWO_OVER_PI * (Interval::ONE + GELU_CUBIC.scale(3.0) * x.square());
    u.sigmoid() + x.scale(2.0) * slope * u.sigmoid() * (-u).sigmoid()
}
