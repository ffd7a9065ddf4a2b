//! What is computed from constants alone by moving, selecting and repeating entries, and by making them.

use std::rc::Rc;

use ndarray::{ArrayD, Axis, IxDyn, SliceInfoElem};

use super::builder::Value;
use super::constant::{Constant, Data, Element, broadcast};
use super::fold::{check_room, operand};
use super::operators::{Applied, Call};
use super::{moving, padding, sparse, tensor};

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
    if call.attributes.names().count() != 1 {
        return Err("has several values, or none; the file is damaged".to_owned());
    }
    if let Some(stored) = call.attributes.tensor("value")? {
        return Ok(tensor::read(stored, call.folder)?.into());
    }
    if let Some(stored) = call.attributes.sparse_tensor("sparse_value")? {
        return Ok(sparse::read(stored, call.folder, call.room)?.into());
    }
    match call.attributes.numbers()? {
        Some(constant) => Ok(vec![Value::Constant(Rc::new(constant))]),
        None => Err("is not a tensor or a number; texts are not supported".to_owned()),
    }
}

/// `Split`.
pub fn split(call: &mut Call<'_, '_>) -> Applied {
    let x = operand(call, 0)?;
    let axis = call.axis(call.attributes.int("axis", 0)?, x.shape().len())?;
    let mut start = 0;
    let mut parts = Vec::new();
    for n in moving::lengths(call, axis, x.shape()[axis])? {
        let range = ndarray::Slice::from(start..start + n);
        parts.push(both!(x, v => v.slice_axis(Axis(axis), range).to_owned()));
        start += n;
    }
    Ok(parts.into_iter().map(|part| Value::Constant(Rc::new(part))).collect())
}

/// `Pad` with a number.
pub fn pad(call: &mut Call<'_, '_>) -> Applied {
    let x = operand(call, 0)?;
    let Data::Real(values) = &x.data else {
        return Err("padding integers is not supported".to_owned());
    };
    let value = padding::value(call)?;
    let (before, behind) = padding::lengths(call, x.shape())?;
    let shape: Vec<usize> =
        (0..before.len()).map(|a| x.shape()[a] + before[a] + behind[a]).collect();
    check_room(call, &shape)?;
    let mut padded = ArrayD::from_elem(IxDyn(&shape), value);
    let inner = |axis: ndarray::AxisDescription| {
        let a = axis.axis.index();
        ndarray::Slice::from(before[a]..before[a] + x.shape()[a])
    };
    padded.slice_each_axis_mut(inner).assign(values);
    Ok(x.with(Data::Real(padded)).into())
}

/// `Range` of integers.
pub fn range(call: &mut Call<'_, '_>) -> Applied {
    call.attributes.ignore(&["stash_type"]);
    let one = |index: usize, what: &str| -> Result<i64, String> {
        let values = call.constant(index, what)?.integers(what)?;
        values
            .first()
            .copied()
            .filter(|_| values.len() == 1)
            .ok_or(format!("{what} is not a number"))
    };
    let (start, limit, step) = (one(0, "its start")?, one(1, "its limit")?, one(2, "its step")?);
    let span = i128::from(limit) - i128::from(start);
    let step = Some(i128::from(step)).filter(|&s| s != 0).ok_or("its step is 0")?;
    // Rounded up: as many as lie before the limit.
    let count = ((span + step - step.signum()) / step).max(0);
    let count = usize::try_from(count).map_err(|_| "the result is too large".to_owned())?;
    check_room(call, &[count])?;
    let values = (0..count as i128).map(|i| (i128::from(start) + i * step) as i64).collect();
    Ok(Constant { element: operand(call, 0)?.element, ..Constant::ints(values) }.into())
}
