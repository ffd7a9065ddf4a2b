//! Sums, differences, products and quotients of which at least one operand depends on the input.

use ndarray::{ArrayD, Axis, Ix1, IxDyn};

use super::builder::{Form, Signal, Value, is_batched, net_shape};
use super::constant::{Constant, broadcast};
use super::operators::{Applied, Call};
use crate::network::Activation;
use crate::network::layers::add::Add;
use crate::network::layers::dense::Dense;
use crate::network::layers::scale::Scale;

/// `Add`.
pub fn add(call: &mut Call<'_, '_>) -> Applied {
    match (call.value(0)?.clone(), call.value(1)?.clone()) {
        (Value::Signal(x), Value::Signal(y)) => Ok(combine(call, &x, &y, vec![])?.into()),
        (Value::Signal(x), Value::Constant(c)) | (Value::Constant(c), Value::Signal(x)) => {
            Ok(shift(call, &x, &c, 1.0, false)?.into())
        }
        _ => Err("has no operand that depends on the input".to_owned()),
    }
}

/// `Sub`.
pub fn sub(call: &mut Call<'_, '_>) -> Applied {
    match (call.value(0)?.clone(), call.value(1)?.clone()) {
        (Value::Signal(x), Value::Signal(y)) => Ok(combine(call, &x, &y, vec![1.0, -1.0])?.into()),
        (Value::Signal(x), Value::Constant(c)) => Ok(shift(call, &x, &c, -1.0, false)?.into()),
        (Value::Constant(c), Value::Signal(x)) => Ok(shift(call, &x, &c, 1.0, true)?.into()),
        _ => Err("has no operand that depends on the input".to_owned()),
    }
}

/// `Sum` of any number of operands.
pub fn sum(call: &mut Call<'_, '_>) -> Applied {
    let mut values = call.inputs.clone().into_iter().flatten();
    let mut total = values.next().ok_or("has no operands")?;
    for value in values {
        total = Value::Signal(match (total, value) {
            (Value::Signal(x), Value::Signal(y)) => combine(call, &x, &y, vec![])?,
            (Value::Signal(x), Value::Constant(c)) | (Value::Constant(c), Value::Signal(x)) => {
                shift(call, &x, &c, 1.0, false)?
            }
            _ => return Err("has several constant operands; simplify the model first".to_owned()),
        });
    }
    Ok(vec![total])
}

/// The sum of two values, with signs.
pub fn combine(
    call: &mut Call<'_, '_>,
    x: &Signal,
    y: &Signal,
    signs: Vec<f64>,
) -> Result<Signal, String> {
    let shape = broadcast(&x.shape, &y.shape)?;
    let x = call.builder.expand(call.name, x, &shape)?;
    let y = call.builder.expand(call.name, y, &shape)?;
    let (id, _) = call.push(Add::new(signs)?, &[x.id, y.id])?;
    Ok(Signal { id, shape })
}

/// A constant as it is broadcast to a value of the given shape, in the terms of the network.
fn aligned(values: ArrayD<f64>, shape: &[usize]) -> ArrayD<f64> {
    let mut values = values;
    while values.ndim() < shape.len() {
        values = values.insert_axis(Axis(0));
    }
    if is_batched(shape) {
        values = values.index_axis_move(Axis(0), 0);
    }
    while values.ndim() > 0 && values.shape()[0] == 1 {
        values = values.index_axis_move(Axis(0), 0);
    }
    values
}

/// `x + sign c`, or `c - x`.
pub fn shift(
    call: &mut Call<'_, '_>,
    x: &Signal,
    c: &Constant,
    sign: f64,
    negate: bool,
) -> Result<Signal, String> {
    let shape = broadcast(&x.shape, c.shape())?;
    let values = c.reals("its constant operand")?.mapv(|v| sign * v);
    let x = call.builder.expand(call.name, x, &shape)?;
    if !negate && values.iter().all(|&v| v == 0.0) {
        return Ok(x);
    }
    let values = aligned(values, &shape);
    if !negate && let Some(sum) = into_bias(call, &x, &values)? {
        return Ok(sum);
    }
    let form = call.builder.form(x.id).cloned();
    let offset = values.first().copied().filter(|_| values.len() == 1 && !negate);
    let multiply = negate.then(|| ndarray::arr0(-1.0).into_dyn());
    let (id, _) = call.push(Scale { multiply, divide: None, add: Some(values) }, &[x.id])?;
    if let (Some(form), Some(offset)) = (form, offset) {
        let offset = form.offset + offset;
        call.builder.set_form(id, Form { offset, ..form });
    }
    Ok(Signal { id, shape })
}

/// A summand of the product with a matrix becomes the bias of that layer: the same function.
fn into_bias(
    call: &mut Call<'_, '_>,
    x: &Signal,
    values: &ArrayD<f64>,
) -> Result<Option<Signal>, String> {
    let Some((weight, name, input)) = call.builder.plain(x.id) else { return Ok(None) };
    let shape = net_shape(&x.shape);
    if shape != [weight.nrows()] {
        return Ok(None);
    }
    let bias = values.broadcast(IxDyn(shape)).ok_or("the bias does not fit")?.to_owned();
    let bias = bias.into_dimensionality::<Ix1>().map_err(|error| error.to_string())?;
    let dense = Dense::new(weight.clone(), bias).map_err(|error| error.to_string())?;
    let name = name.to_owned();
    let (id, _) = call.builder.push(&name, std::sync::Arc::new(dense), &[input])?;
    Ok(Some(Signal { id, shape: x.shape.clone() }))
}

/// `Neg`.
pub fn neg(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    Ok(scale(call, &x, ndarray::arr0(-1.0).into_dyn(), false)?.into())
}

/// `Mul`.
pub fn mul(call: &mut Call<'_, '_>) -> Applied {
    match (call.value(0)?.clone(), call.value(1)?.clone()) {
        (Value::Signal(x), Value::Signal(y)) => match product(call, &x, &y)? {
            Some(signal) => Ok(signal.into()),
            None => Err("multiplies two values that depend on the input, which has no finite slope on the whole space (x*sigmoid(x), mish and gelu are recognised); replace it".to_owned()),
        },
        (Value::Signal(x), Value::Constant(c)) | (Value::Constant(c), Value::Signal(x)) => {
            let values = c.reals("its constant operand")?;
            Ok(scale(call, &x, values, false)?.into())
        }
        _ => Err("has no operand that depends on the input".to_owned()),
    }
}

/// `Div`.
pub fn div(call: &mut Call<'_, '_>) -> Applied {
    match (call.value(0)?.clone(), call.value(1)?.clone()) {
        (Value::Signal(x), Value::Constant(c)) => {
            let values = c.reals("its divisor")?;
            Ok(scale(call, &x, values, true)?.into())
        }
        _ => Err("divides by a value that depends on the input, which has no finite slope on the whole space; replace it".to_owned()),
    }
}

/// The product with constants, or the quotient.
pub fn scale(
    call: &mut Call<'_, '_>,
    x: &Signal,
    values: ArrayD<f64>,
    divide: bool,
) -> Result<Signal, String> {
    let shape = broadcast(&x.shape, values.shape())?;
    let x = call.builder.expand(call.name, x, &shape)?;
    if values.iter().all(|&v| v == 1.0) {
        return Ok(x);
    }
    let values = aligned(values, &shape);
    let only = values.first().copied().filter(|_| values.len() == 1);
    let form = call.builder.form(x.id).cloned();
    let layer = if divide {
        Scale { divide: Some(values), ..Scale::default() }
    } else {
        Scale { multiply: Some(values), ..Scale::default() }
    };
    layer.check()?;
    let (id, _) = call.push(layer, &[x.id])?;
    if let Some(factor) = only.map(|v| if divide { 1.0 / v } else { v }) {
        let form = form.unwrap_or(Form {
            of: x.id,
            inner: 1.0,
            function: Activation::Identity,
            outer: 1.0,
            offset: 0.0,
        });
        let (outer, offset) = (factor * form.outer, factor * form.offset);
        call.builder.set_form(id, Form { outer, offset, ..form });
    }
    Ok(Signal { id, shape })
}

/// `x * f(x)` where that is a known activation.
fn product(call: &mut Call<'_, '_>, x: &Signal, y: &Signal) -> Result<Option<Signal>, String> {
    if x.shape != y.shape {
        return Ok(None);
    }
    for (x, y) in [(x, y), (y, x)] {
        let Some(form) = call.builder.form(y.id).cloned() else { continue };
        let bare = form.outer == 1.0 && form.offset == 0.0 && form.inner == 1.0;
        if bare && form.of == x.id && form.function == Activation::Sigmoid {
            return call.activate(Activation::Silu, x).map(Some);
        }
        let below = call.builder.form(form.of);
        let softplus = below.is_some_and(|f| {
            f.of == x.id
                && f.function == Activation::Softplus { beta: 1.0 }
                && (f.outer, f.offset, f.inner) == (1.0, 0.0, 1.0)
        });
        if bare && form.function == Activation::Tanh && softplus {
            return call.activate(Activation::Mish, x).map(Some);
        }
        if form.of == x.id && form.function == Activation::Erf && form.outer == form.offset {
            return gelu(call, x, &form);
        }
    }
    Ok(None)
}

/// `a x (1 + erf(k x)) = 2a s gelu(x/s)` with `s = 1/(k sqrt(2))`. Its slopes are those of `2a gelu`
/// whatever `s` is, so a `k` that is the rounded `1/sqrt(2)` does not change what they are; 1e-6 admits
/// single precision and no other function that anybody uses.
fn gelu(call: &mut Call<'_, '_>, x: &Signal, form: &Form) -> Result<Option<Signal>, String> {
    let nearly_one = form.inner * std::f64::consts::SQRT_2;
    if (nearly_one - 1.0).abs() > 1e-6 {
        return Ok(None);
    }
    let function = Activation::Gelu { approximate: Default::default() };
    let gelu = call.activate(function, x)?;
    let note = format!("{}: x (1 + erf(x/sqrt(2))) is taken as gelu", call.name);
    call.builder.notes.push(note);
    scale(call, &gelu, ndarray::arr0(2.0 * form.outer).into_dyn(), false).map(Some)
}

/// `Min` with a constant.
pub fn min(call: &mut Call<'_, '_>) -> Applied {
    clip(call, |c| Activation::Clip { min: None, max: Some(c) })
}

/// `Max` with a constant.
pub fn max(call: &mut Call<'_, '_>) -> Applied {
    clip(call, |c| Activation::Clip { min: Some(c), max: None })
}

fn clip(call: &mut Call<'_, '_>, function: fn(f64) -> Activation) -> Applied {
    let (x, c) = match (call.value(0)?.clone(), call.optional(1).cloned()) {
        (Value::Signal(x), None) => return Ok(x.into()),
        (Value::Signal(x), Some(Value::Constant(c)))
        | (Value::Constant(c), Some(Value::Signal(x)))
            if call.inputs.len() == 2 =>
        {
            (x, c)
        }
        _ => return Err("the extremum of two values that depend on the input is not supported; write max(a, b) as b + relu(a - b)".to_owned()),
    };
    let values = c.reals("its constant operand")?;
    let Some(&first) = values.first().filter(|&&v| values.iter().all(|&w| w == v)) else {
        return Err("only the extremum with a single number is supported".to_owned());
    };
    let shape = broadcast(&x.shape, c.shape())?;
    let x = call.builder.expand(call.name, &x, &shape)?;
    Ok(call.activate(function(first), &x)?.into())
}
