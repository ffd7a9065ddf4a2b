//! Functions of one number that are applied to every component.

use super::arithmetic::scale;
use super::batch;
use super::builder::{Signal, Value, is_batched, net_shape};
use super::constant::{Constant, Data, Element};
use super::fold;
use super::operators::{Applied, Call};
use crate::network::Activation;
use crate::network::activation::GeluForm;
use crate::network::tensor::show_shape;

/// The function of the first operand, which may be a constant.
fn apply(call: &mut Call<'_, '_>, function: Activation) -> Applied {
    if let Value::Constant(_) = call.value(0)? {
        return fold::activation(call, &function);
    }
    let x = call.signal(0)?;
    Ok(call.activate(function, &x)?.into())
}

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident => $activation:expr;)*) => {
        $($(#[$doc])* pub fn $name(call: &mut Call<'_, '_>) -> Applied {
            apply(call, $activation)
        })*
    };
}

plain! {
    /// `Relu`.
    relu => Activation::Relu;
    /// `Sigmoid`.
    sigmoid => Activation::Sigmoid;
    /// `Tanh`.
    tanh => Activation::Tanh;
    /// `Softplus`.
    softplus => Activation::Softplus { beta: 1.0 };
    /// `Softsign`.
    softsign => Activation::Softsign;
    /// `HardSwish`.
    hard_swish => Activation::HardSwish;
    /// `Mish`.
    mish => Activation::Mish;
    /// `Erf`.
    erf => Activation::Erf;
    /// `Abs`.
    abs => Activation::Abs;
    /// `Sin`.
    sin => Activation::Sin;
    /// `Cos`.
    cos => Activation::Cos;
    /// `Atan`.
    atan => Activation::Atan;
}

/// `LeakyRelu`.
pub fn leaky_relu(call: &mut Call<'_, '_>) -> Applied {
    let negative_slope = call.attributes.float("alpha", 0.01)?;
    apply(call, Activation::LeakyRelu { negative_slope })
}

/// `Elu`.
pub fn elu(call: &mut Call<'_, '_>) -> Applied {
    let alpha = call.attributes.float("alpha", 1.0)?;
    apply(call, Activation::Elu { alpha })
}

/// `Selu`: `gamma` times an ELU, with the constants that ONNX gives (those of the paper in single precision).
pub fn selu(call: &mut Call<'_, '_>) -> Applied {
    let alpha = call.attributes.float("alpha", 1.673_263_2)?;
    let gamma = call.attributes.float("gamma", 1.050_701)?;
    let x = call.signal(0)?;
    let y = call.activate(Activation::Elu { alpha }, &x)?;
    Ok(scale(call, &y, ndarray::arr0(gamma).into_dyn(), false)?.into())
}

/// `Celu`.
pub fn celu(call: &mut Call<'_, '_>) -> Applied {
    let alpha = call.attributes.float("alpha", 1.0)?;
    apply(call, Activation::Celu { alpha })
}

/// `HardSigmoid`.
pub fn hard_sigmoid(call: &mut Call<'_, '_>) -> Applied {
    let alpha = call.attributes.float("alpha", 0.2)?;
    let beta = call.attributes.float("beta", 0.5)?;
    apply(call, Activation::HardSigmoid { alpha, beta })
}

/// `Swish`: `x sigmoid(alpha x)`.
pub fn swish(call: &mut Call<'_, '_>) -> Applied {
    let alpha = call.attributes.float("alpha", 1.0)?;
    if alpha != 1.0 {
        return Err(format!("attribute alpha: found {alpha}, only 1 is supported"));
    }
    apply(call, Activation::Silu)
}

/// `Gelu`.
pub fn gelu(call: &mut Call<'_, '_>) -> Applied {
    let approximate = match call.attributes.text("approximate", "none")? {
        "none" => GeluForm::None,
        "tanh" => GeluForm::Tanh,
        other => {
            return Err(format!("attribute approximate: found {other}, expected none or tanh"));
        }
    };
    apply(call, Activation::Gelu { approximate })
}

/// `ThresholdedRelu` jumps at its threshold, unless that is 0.
pub fn thresholded_relu(call: &mut Call<'_, '_>) -> Applied {
    let alpha = call.attributes.float("alpha", 1.0)?;
    if alpha != 0.0 {
        return Err("jumps at its threshold, so it has no finite slope there; use Relu".to_owned());
    }
    relu(call)
}

/// `Shrink`, where it is continuous.
pub fn shrink(call: &mut Call<'_, '_>) -> Applied {
    let lambda = call.attributes.float("lambd", 0.5)?;
    let bias = call.attributes.float("bias", 0.0)?;
    if lambda != bias {
        return Err("jumps at its threshold, so it has no finite slope there; use a soft shrinkage (bias = lambd)".to_owned());
    }
    apply(call, Activation::Softshrink { lambda })
}

/// `Clip`: limits that numbers of the operand's type cannot exceed are none. Before version 11 of the
/// operators the limits are attributes, and those that are not given the largest numbers of single precision.
pub fn clip(call: &mut Call<'_, '_>) -> Applied {
    let element = match call.value(0)? {
        Value::Constant(c) => c.element,
        _ => call.signal(0)?.element,
    };
    let largest = f64::from(f32::MAX);
    // Of an unknown type all limits count.
    let is_short = matches!(element, Element::F32 | Element::F16 | Element::BF16);
    let limit = |index: usize, name: &'static str, none: f64| -> Result<Option<f64>, String> {
        let value = match call.optional_constant(index, name)? {
            Some(constant) => limit_of(&constant, name)?,
            None if call.opset < 11 => {
                f64::from(call.attributes.any_float(name, none.clamp(-largest, largest) as f32)?)
            }
            None => none,
        };
        let beyond = is_short && value.abs() >= largest || value.is_infinite();
        match beyond && value.is_sign_positive() == none.is_sign_positive() {
            true => Ok(None),
            false if value.is_finite() => Ok(Some(value)),
            false => Err(format!("its limit {name} is {value}, expected a number")),
        }
    };
    let (min, max) = (limit(1, "min", f64::NEG_INFINITY)?, limit(2, "max", f64::INFINITY)?);
    if min.is_none() && max.is_none() {
        return Ok(vec![call.value(0)?.clone()]);
    }
    apply(call, Activation::Clip { min, max })
}

/// A limit, which may be infinite.
fn limit_of(constant: &Constant, name: &str) -> Result<f64, String> {
    if let Data::Real(values) = &constant.data
        && let (1, Some(x)) = (values.len(), values.first())
        && x.is_infinite()
    {
        return Ok(*x);
    }
    constant.scalar(name)
}

/// `PRelu` with one slope, one for each channel, or one for each component.
pub fn prelu(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let constant = call.constant(1, "slope")?;
    let slopes = constant.reals("its slope")?;
    if slopes.len() == 1 {
        let slopes = slopes.iter().copied().collect();
        return Ok(call.activate(Activation::Prelu { slopes }, &x)?.into());
    }
    batch::check_constant(&x, slopes.shape())?;
    let each = slopes.broadcast(ndarray::IxDyn(&x.shape)).ok_or_else(|| {
        format!(
            "its slope has the shape {}, which cannot be broadcast to its operand ({})",
            show_shape(slopes.shape()),
            show_shape(&x.shape)
        )
    })?;
    let each: Vec<f64> = each.iter().copied().collect();
    let channels = net_shape(&x.shape)[0];
    let size = each.len() / channels.max(1);
    let by_channel = each.chunks(size.max(1)).all(|c| c.iter().all(|s| *s == c[0]));
    if by_channel && is_batched(&x.shape) {
        let slopes = each.iter().step_by(size.max(1)).copied().collect();
        return Ok(call.activate(Activation::Prelu { slopes }, &x)?.into());
    }
    let flat = call.builder.shaped(call.name, &x, &[each.len()], None)?;
    let y: Signal = call.activate(Activation::Prelu { slopes: each }, &flat)?;
    Ok(call.builder.shaped(call.name, &y, &x.shape, x.batch)?.into())
}
