//! Operations that change a value's shape but not its numbers, and those that ask for a shape.

use std::rc::Rc;

use super::batch;
use super::builder::Value;
use super::constant::{Constant, Element};
use super::operators::{Applied, Call};
use crate::io::dtype;
use crate::network::tensor::show_shape;

/// The shape of a value of any kind.
fn shape_of(value: &Value) -> Vec<usize> {
    match value {
        Value::Signal(signal) => signal.shape.clone(),
        Value::Constant(constant) | Value::Open(constant, _) => constant.shape().to_vec(),
        Value::Padded(x, before, behind) => {
            (0..before.len()).map(|a| x.shape[a] + before[a] + behind[a]).collect()
        }
    }
}

/// The first operand in the shape that `shape` makes of its own.
fn with_shape(
    call: &mut Call<'_, '_>,
    shape: impl Fn(&Call<'_, '_>, &[usize]) -> Result<Vec<usize>, String>,
) -> Applied {
    if let Value::Constant(c) = call.value(0)?.clone() {
        return Ok(c.reshaped(&shape(call, c.shape())?)?.into());
    }
    let x = call.signal(0)?;
    let inputs = call.inputs.clone();
    call.settle(&inputs, false)?;
    let new = shape(call, &x.shape)?;
    let mut place = None;
    if x.batch.is_some() {
        call.settle(&inputs, true)?;
        match shape(call, &x.wide()) {
            Ok(wide) => place = batch::reshaped(&x, &new, &wide)?,
            Err(_) => call.builder.notes.push(format!(
                "{}: its shape {} is that of a batch of 1 alone, so the model is bounded for one sample",
                call.name,
                show_shape(&new)
            )),
        }
    }
    Ok(call.builder.shaped(call.name, &x, &new, place)?.into())
}

/// `Identity`.
pub fn identity(call: &mut Call<'_, '_>) -> Applied {
    Ok(vec![call.value(0)?.clone()])
}

/// `Dropout` outside of training. Before version 12 of the operators the graph does not say which it is, and
/// runtimes take it as the identity, with and without the further result.
pub fn dropout(call: &mut Call<'_, '_>) -> Applied {
    call.attributes.ignore(&["ratio", "seed"]);
    if let Some(mode) = call.optional_constant(2, "training mode")?
        && mode.integers("its training mode")?.iter().any(|&n| n != 0)
    {
        return Err("is in training mode, where it is random; export the model in evaluation mode (model.eval())".to_owned());
    }
    identity(call)
}

/// `Cast` of a value that depends on the input.
pub fn cast(call: &mut Call<'_, '_>) -> Applied {
    call.attributes.ignore(&["saturate", "round_mode"]);
    let to = Element(call.attributes.int("to", 0)?.unsigned_abs());
    if !to.is_real() {
        return Err(format!(
            "rounds a value that depends on the input to {}, which is not continuous; remove it",
            to.name()
        ));
    }
    let mut x = call.signal(0)?;
    x.element = to;
    Ok(x.into())
}

/// `Flatten`.
pub fn flatten(call: &mut Call<'_, '_>) -> Applied {
    with_shape(call, |call, old| {
        let axis = call.attributes.int("axis", 1)?;
        let rank = old.len();
        let axis = if axis == rank as i64 { rank } else { call.axis(axis, rank)? };
        Ok(vec![old[..axis].iter().product(), old[axis..].iter().product()])
    })
}

/// `Reshape`.
pub fn reshape(call: &mut Call<'_, '_>) -> Applied {
    with_shape(call, |call, old| {
        let wanted = call.constant(1, "shape")?.integers("its shape")?;
        let keeps_zeros = call.attributes.int("allowzero", 0)? != 0;
        resolved(old, &wanted, keeps_zeros)
    })
}

/// The shape that `wanted` stands for: 0 is the old length, -1 what is left.
fn resolved(old: &[usize], wanted: &[i64], keeps_zeros: bool) -> Result<Vec<usize>, String> {
    let fail = || {
        Err(format!(
            "the shape {wanted:?} does not hold the values of shape {} (the batch is taken as 1; is it fixed to another number in the model?)",
            show_shape(old)
        ))
    };
    let length = |(axis, &n): (usize, &i64)| match n {
        0 if !keeps_zeros => old.get(axis).copied(),
        -1 => Some(1),
        _ => usize::try_from(n).ok(),
    };
    let lengths: Option<Vec<usize>> = wanted.iter().enumerate().map(length).collect();
    let Some(mut new) = lengths else { return fail() };
    let total = old.iter().product::<usize>();
    let known = dtype::count(&new);
    let free: Vec<usize> = (0..wanted.len()).filter(|&a| wanted[a] == -1).collect();
    match (free.as_slice(), known) {
        ([], Some(known)) if known == total => Ok(new),
        ([axis], Some(known)) if known > 0 && total.is_multiple_of(known) => {
            new[*axis] = total / known;
            Ok(new)
        }
        _ => fail(),
    }
}

/// The axes that an operation names, in an operand or (before opset 13) in an attribute.
fn axes(call: &Call<'_, '_>) -> Result<Option<Vec<i64>>, String> {
    match call.optional_constant(1, "list of axes")? {
        Some(axes) => Ok(Some(axes.integers("its list of axes")?)),
        None => call.attributes.ints("axes"),
    }
}

/// `Squeeze`. Without a list of axes, all of length 1.
pub fn squeeze(call: &mut Call<'_, '_>) -> Applied {
    let batch = match call.value(0)? {
        Value::Signal(x) => x.batch,
        _ => None,
    };
    // Of the output only the shape is open, which does not matter.
    if batch.is_some() && axes(call)?.is_none() && !call.is_output {
        return Err("removes all axes of length 1, among them that of a batch of one sample but not that of several; export the model with the axes named, or with a fixed batch size".to_owned());
    }
    with_shape(call, |call, old| {
        let mut dropped: Vec<bool> =
            (0..old.len()).map(|a| old[a] == 1 && Some(a) != batch).collect();
        if let Some(axes) = axes(call)? {
            dropped.fill(false);
            for axis in axes {
                let axis = call.axis(axis, old.len())?;
                if old[axis] != 1 {
                    return Err(format!("axis {axis} of {} has not the length 1", show_shape(old)));
                }
                dropped[axis] = true;
            }
        }
        Ok((0..old.len()).filter(|&a| !dropped[a]).map(|a| old[a]).collect())
    })
}

/// `Unsqueeze`.
pub fn unsqueeze(call: &mut Call<'_, '_>) -> Applied {
    with_shape(call, |call, old| {
        let axes = axes(call)?.ok_or("its list of axes is missing")?;
        let rank = old.len() + axes.len();
        let mut inserted = vec![false; rank];
        for axis in axes {
            let axis = call.axis(axis, rank)?;
            if std::mem::replace(&mut inserted[axis], true) {
                return Err(format!("axis {axis} is named twice"));
            }
        }
        let mut rest = old.iter().copied();
        Ok(inserted.iter().map(|&one| if one { 1 } else { rest.next().unwrap_or(1) }).collect())
    })
}

/// Numbers that follow from the shape of the first operand, for a batch of 1 and for a long one.
fn measured(
    call: &Call<'_, '_>,
    measure: impl Fn(&[usize]) -> Result<Constant, String>,
) -> Applied {
    let value = call.value(0)?;
    let one = measure(&shape_of(value))?;
    let many = match value {
        Value::Signal(x) | Value::Padded(x, ..) if x.batch.is_some() => {
            let mut wide = shape_of(value);
            if let Some(axis) = x.batch {
                wide[axis] = x.wide()[axis];
            }
            measure(&wide)?
        }
        _ => return Ok(one.into()),
    };
    if one == many {
        return Ok(one.into());
    }
    Ok(vec![Value::Open(Rc::new(one), Some(Rc::new(many)))])
}

/// `Shape`.
pub fn shape(call: &mut Call<'_, '_>) -> Applied {
    let (start, end) = (call.attributes.int("start", 0)?, call.attributes.int("end", i64::MAX)?);
    measured(call, |shape| {
        let rank = shape.len() as i64;
        let bound =
            |n: i64| (if n < 0 { n.saturating_add(rank) } else { n }).clamp(0, rank) as usize;
        let part = shape.get(bound(start)..bound(end)).unwrap_or_default();
        Ok(Constant::ints(part.iter().map(|&n| n as i64).collect()))
    })
}

/// `Size`.
pub fn size(call: &mut Call<'_, '_>) -> Applied {
    measured(call, |shape| {
        let count = dtype::count(shape).and_then(|n| i64::try_from(n).ok());
        Constant::ints(vec![count.ok_or("its operand is too large")?]).reshaped(&[])
    })
}
