//! Sums, differences, products and quotients of which at least one operand depends on the input.

use ndarray::{ArrayD, Axis, Ix1, IxDyn};

use super::batch;
use super::builder::{Signal, Value, is_batched, net_shape};
use super::constant::{Constant, broadcast};
use super::operators::{Applied, Call};
use super::pattern::product;
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
    let mut values: Vec<Value> = call.inputs.clone().into_iter().flatten().collect();
    // One that depends on the input first; sums of real numbers have no order.
    values.sort_by_key(|value| matches!(value, Value::Constant(_)));
    let mut values = values.into_iter();
    let mut total = values.next().ok_or("has no operands")?;
    for value in values {
        total = Value::Signal(match (total, value) {
            (Value::Signal(x), Value::Signal(y)) => combine(call, &x, &y, vec![])?,
            (Value::Signal(x), Value::Constant(c)) | (Value::Constant(c), Value::Signal(x)) => {
                shift(call, &x, &c, 1.0, false)?
            }
            _ => return Err("has an operand that is not supported".to_owned()),
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
    batch::broadcast(x, y, shape.len())?;
    let x = call.builder.expand(call.name, x, &shape)?;
    let y = call.builder.expand(call.name, y, &shape)?;
    let (id, _) = call.push(Add::new(signs)?, &[x.id, y.id])?;
    Ok(Signal { batch: x.batch.and(y.batch), ..x.same(id) })
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
    batch::check_constant(x, c.shape())?;
    let values = c.reals("its constant operand")?.mapv(|v| sign * v);
    let x = call.builder.expand(call.name, x, &shape)?;
    if !negate && values.iter().all(|&v| v == 0.0) {
        return Ok(x);
    }
    let values = aligned(values, &shape);
    if !negate && let Some(sum) = into_bias(call, &x, &values)? {
        return Ok(sum);
    }
    let summand = values.first().copied().filter(|_| values.len() == 1 && !negate);
    let form = summand.and_then(|summand| call.form(x.id).plus(summand));
    let multiply = negate.then(|| ndarray::arr0(-1.0).into_dyn());
    let (id, _) = call.push(Scale { multiply, divide: None, add: Some(values) }, &[x.id])?;
    if let Some(form) = form {
        call.builder.set_form(id, form);
    }
    Ok(x.same(id))
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
    Ok(Some(x.same(id)))
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
    batch::check_constant(x, values.shape())?;
    let x = call.builder.expand(call.name, x, &shape)?;
    if values.iter().all(|&v| v == 1.0) {
        return Ok(x);
    }
    let values = aligned(values, &shape);
    let only = values.first().copied().filter(|_| values.len() == 1);
    let form = only.and_then(|v| {
        let form = call.form(x.id);
        if divide { form.over(v) } else { form.times(v) }
    });
    let layer = if divide {
        Scale { divide: Some(values), ..Scale::default() }
    } else {
        Scale { multiply: Some(values), ..Scale::default() }
    };
    layer.check()?;
    let (id, _) = call.push(layer, &[x.id])?;
    if let Some(form) = form {
        call.builder.set_form(id, form);
    }
    Ok(x.same(id))
}

/// The product, if it is not rounded: `fma(x, y, -fl(x y))` is the rounding error of the product as long as
/// that is far from underflow.
pub fn exact_product(x: f64, factor: f64) -> Option<f64> {
    let product = x * factor;
    let is_zero = x == 0.0 || factor == 0.0;
    let is_normal = product.abs() > 1e-250 && product.is_finite();
    let is_exact = is_zero || is_normal && x.mul_add(factor, -product) == 0.0;
    is_exact.then_some(product)
}

/// The quotient, if it is not rounded.
pub fn exact_quotient(x: f64, divisor: f64) -> Option<f64> {
    let quotient = x / divisor;
    (exact_product(quotient, divisor) == Some(x)).then_some(quotient)
}

/// The sum, if it is not rounded: the rounding error is exactly what this computes (Knuth).
pub fn exact_sum(x: f64, y: f64) -> Option<f64> {
    let sum = x + y;
    let z = sum - x;
    let error = (x - (sum - z)) + (y - z);
    (error == 0.0).then_some(sum)
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
    batch::check_constant(&x, c.shape())?;
    let x = call.builder.expand(call.name, &x, &shape)?;
    Ok(call.activate(function(first), &x)?.into())
}
