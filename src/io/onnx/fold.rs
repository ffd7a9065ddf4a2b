//! What is computed from constants alone: weights and shapes.
//!
//! A weight that the graph computes is rounded to its own type after every operation, as a runtime does;
//! the result is the network's weight.

use std::rc::Rc;

use ndarray::{ArrayD, Axis, IxDyn, SliceInfoElem, Zip};

use super::builder::Value;
use super::constant::{Constant, Data, Element, broadcast};
use super::moving;
use super::operators::{Applied, Call};
use super::tensor;
use crate::io::dtype;
use crate::network::tensor::show_shape;

fn operand(call: &Call<'_, '_>, index: usize) -> Result<Rc<Constant>, String> {
    call.constant(index, "operand")
}

/// A function of two tensors, entry by entry.
fn entrywise(
    call: &Call<'_, '_>,
    real: fn(f64, f64) -> f64,
    int: fn(i64, i64) -> Option<i64>,
) -> Applied {
    let mut values = (0..call.inputs.len()).map(|i| operand(call, i));
    let first = values.next().ok_or("has no operands")??;
    let mut total = (*first).clone();
    for value in values {
        total = pair(call, &total, &*value?, real, int)?;
    }
    Ok(total.into())
}

fn pair(
    call: &Call<'_, '_>,
    a: &Constant,
    b: &Constant,
    real: fn(f64, f64) -> f64,
    int: fn(i64, i64) -> Option<i64>,
) -> Result<Constant, String> {
    if a.element != b.element {
        return Err(format!(
            "its operands have the types {} and {}, expected the same",
            a.element.name(),
            b.element.name()
        ));
    }
    let shape = broadcast(a.shape(), b.shape())?;
    check_room(call, &shape)?;
    Ok(a.with(match (&a.data, &b.data) {
        (Data::Real(x), Data::Real(y)) => {
            let round = |x: f64, y: f64| a.element.round(real(x, y));
            Data::Real(zipped(x, y, &shape, round)?)
        }
        (Data::Int(x), Data::Int(y)) => {
            let results = zipped(x, y, &shape, int)?;
            if results.iter().any(Option::is_none) {
                return Err("an integer result does not exist or is too large".to_owned());
            }
            Data::Int(results.mapv(|n| n.unwrap_or(0)))
        }
        _ => return Err("its operands have different types".to_owned()),
    }))
}

fn zipped<T: Copy, R>(
    x: &ArrayD<T>,
    y: &ArrayD<T>,
    shape: &[usize],
    f: impl Fn(T, T) -> R,
) -> Result<ArrayD<R>, String> {
    let broadcast = |a: &'_ ArrayD<T>| a.broadcast(IxDyn(shape)).map(|v| v.to_owned());
    match (broadcast(x), broadcast(y)) {
        (Some(x), Some(y)) => Ok(Zip::from(&x).and(&y).map_collect(|&a, &b| f(a, b))),
        _ => Err("its operands cannot be broadcast together".to_owned()),
    }
}

/// Checks that a constant of that shape, which may be empty, is not far larger than the file.
fn check_room(call: &Call<'_, '_>, shape: &[usize]) -> Result<(), String> {
    match dtype::count(shape) {
        Some(n) if n <= call.room => Ok(()),
        _ => Err(format!(
            "a constant of shape {} is far larger than the file; simplify the model first, for example with onnxsim",
            show_shape(shape)
        )),
    }
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident => $real:expr, $int:expr;)*) => {
        $($(#[$doc])* pub fn $name(call: &mut Call<'_, '_>) -> Applied {
            entrywise(call, $real, $int)
        })*
    };
}

binary! {
    /// `Add`.
    add => |a, b| a + b, i64::checked_add;
    /// `Sub`.
    sub => |a, b| a - b, i64::checked_sub;
    /// `Mul`.
    mul => |a, b| a * b, i64::checked_mul;
    /// `Div`; integers towards zero.
    div => |a, b| a / b, i64::checked_div;
    /// `Min`.
    min => f64::min, |a, b| Some(a.min(b));
    /// `Max`.
    max => f64::max, |a, b| Some(a.max(b));
}

/// A function of one tensor, entry by entry.
fn unary(call: &Call<'_, '_>, real: fn(f64) -> f64, int: fn(i64) -> Option<i64>) -> Applied {
    let x = operand(call, 0)?;
    Ok(x.with(match &x.data {
        Data::Real(values) => Data::Real(values.mapv(|v| x.element.round(real(v)))),
        Data::Int(values) => {
            if values.iter().any(|&n| int(n).is_none()) {
                return Err("an integer result does not exist or is too large".to_owned());
            }
            Data::Int(values.mapv(|n| int(n).unwrap_or(0)))
        }
    })
    .into())
}

/// `Neg`.
pub fn neg(call: &mut Call<'_, '_>) -> Applied {
    unary(call, |x| -x, i64::checked_neg)
}

/// `Abs`.
pub fn abs(call: &mut Call<'_, '_>) -> Applied {
    unary(call, f64::abs, i64::checked_abs)
}

/// `Sqrt`.
pub fn sqrt(call: &mut Call<'_, '_>) -> Applied {
    unary(call, f64::sqrt, |_| None)
}

/// `Reciprocal`.
pub fn reciprocal(call: &mut Call<'_, '_>) -> Applied {
    unary(call, |x| 1.0 / x, |_| None)
}

/// `Cast`; real numbers become integers by cutting off.
pub fn cast(call: &mut Call<'_, '_>) -> Applied {
    call.attributes.ignore(&["saturate", "round_mode"]);
    let x = operand(call, 0)?;
    let to = Element(call.attributes.int("to", 0)?.unsigned_abs());
    let data = match &x.data {
        Data::Real(values) if to.is_real() => Data::Real(values.mapv(|v| to.round(v))),
        Data::Int(_) if to.is_real() => Data::Real(x.reals("its operand")?.mapv(|v| to.round(v))),
        Data::Int(values) if to == Element::BOOL => Data::Int(values.mapv(|n| i64::from(n != 0))),
        Data::Int(values) if matches!(to.0, 6 | 7) => Data::Int(values.clone()),
        Data::Real(values) if to == Element::I64 => Data::Int(values.mapv(|v| v as i64)),
        _ => {
            return Err(format!(
                "a conversion from {} to {} is not supported",
                x.element.name(),
                to.name()
            ));
        }
    };
    Ok(Constant { element: to, data }.into())
}

/// Applies the same change to the entries of either type.
macro_rules! both {
    ($constant:expr, $values:ident => $result:expr) => {
        match &$constant.data {
            Data::Real($values) => $constant.with(Data::Real($result)),
            Data::Int($values) => $constant.with(Data::Int($result)),
        }
    };
}

/// `Transpose`.
pub fn transpose(call: &mut Call<'_, '_>) -> Applied {
    let x = operand(call, 0)?;
    let rank = x.shape().len();
    let order = moving::order(call, rank)?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        return Err(format!("{order:?} is not an order of {rank} axes"));
    }
    let axes = IxDyn(&order);
    Ok(both!(x, v => v.view().permuted_axes(axes).as_standard_layout().into_owned()).into())
}

/// `Concat`.
pub fn concat(call: &mut Call<'_, '_>) -> Applied {
    let parts: Result<Vec<Rc<Constant>>, String> =
        (0..call.inputs.len()).map(|i| operand(call, i)).collect();
    let parts = parts?;
    let first = parts.first().ok_or("has no operands")?;
    let axis = call.axis(call.attributes.int("axis", 0)?, first.shape().len())?;
    let (mut reals, mut ints) = (Vec::new(), Vec::new());
    for part in &parts {
        match &part.data {
            Data::Real(values) => reals.push(values.view()),
            Data::Int(values) => ints.push(values.view()),
        }
    }
    let lengths = parts.iter().try_fold(0usize, |sum, part| sum.checked_add(part.count()));
    check_room(call, &[lengths.ok_or("the result is too large")?])?;
    let fail = |_| "its operands cannot be put together".to_owned();
    let data = if ints.is_empty() {
        Data::Real(ndarray::concatenate(Axis(axis), &reals).map_err(fail)?)
    } else if reals.is_empty() {
        Data::Int(ndarray::concatenate(Axis(axis), &ints).map_err(fail)?)
    } else {
        return Err("its operands have different types".to_owned());
    };
    Ok(first.with(data).into())
}

/// `Slice`.
pub fn slice(call: &mut Call<'_, '_>) -> Applied {
    let x = operand(call, 0)?;
    let mut info = vec![SliceInfoElem::from(..); x.shape().len()];
    for (axis, [start, end, step]) in moving::slices(call, x.shape())? {
        let step = isize::try_from(step).map_err(|_| "the step is too large".to_owned())?;
        let end = Some(end.max(start) as isize);
        info[axis] = SliceInfoElem::Slice { start: start as isize, end, step };
    }
    Ok(both!(x, v => v.slice(info.as_slice()).to_owned()).into())
}

/// `Gather`.
pub fn gather(call: &mut Call<'_, '_>) -> Applied {
    let x = operand(call, 0)?;
    let axis = call.axis(call.attributes.int("axis", 0)?, x.shape().len())?;
    let indices = moving::indices(call, x.shape()[axis])?;
    let mut shape = x.shape().to_vec();
    shape.splice(axis..=axis, operand(call, 1)?.shape().iter().copied());
    check_room(call, &shape)?;
    let selected = both!(x, v => v.select(Axis(axis), &indices));
    Ok(selected.reshaped(&shape)?.into())
}

/// `Expand`.
pub fn expand(call: &mut Call<'_, '_>) -> Applied {
    let x = operand(call, 0)?;
    let shape = broadcast(x.shape(), &lengths(call, 1)?)?;
    check_room(call, &shape)?;
    let target = IxDyn(&shape);
    let fail = || "its operand cannot be broadcast to that shape".to_owned();
    Ok(both!(x, v => v.broadcast(target).ok_or_else(fail)?.to_owned()).into())
}

/// The shape that operand `index` is.
fn lengths(call: &Call<'_, '_>, index: usize) -> Result<Vec<usize>, String> {
    let values = call.constant(index, "shape")?.integers("its shape")?;
    let lengths: Result<Vec<usize>, _> = values.iter().map(|&n| usize::try_from(n)).collect();
    lengths.map_err(|_| format!("the shape {values:?} has a negative length"))
}

/// `ConstantOfShape`.
pub fn constant_of_shape(call: &mut Call<'_, '_>) -> Applied {
    let shape = lengths(call, 0)?;
    check_room(call, &shape)?;
    let value = match call.attributes.tensor("value")? {
        Some(stored) => tensor::read(stored, call.folder)?,
        None => Constant {
            element: Element::F32,
            data: Data::Real(ndarray::Array1::zeros(1).into_dyn()),
        },
    };
    if value.count() != 1 {
        return Err("attribute value: expected a single number".to_owned());
    }
    let target = IxDyn(&shape);
    let value = value.reshaped(&[])?;
    let fail = || "the shape is too large".to_owned();
    Ok(both!(value, v => v.broadcast(target).ok_or_else(fail)?.to_owned()).into())
}

/// `Constant`.
pub fn constant(call: &mut Call<'_, '_>) -> Applied {
    if let Some(stored) = call.attributes.tensor("value")? {
        return Ok(tensor::read(stored, call.folder)?.into());
    }
    match call.attributes.numbers()? {
        Some(constant) => Ok(vec![Value::Constant(Rc::new(constant))]),
        None => Err("has no value of a type that is supported (tensors and numbers)".to_owned()),
    }
}
