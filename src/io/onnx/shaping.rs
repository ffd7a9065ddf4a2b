//! Operations that change a value's shape but not its numbers, and those that ask for a shape.

use super::builder::{Value, count};
use super::constant::{Constant, Element};
use super::operators::{Applied, Call};
use crate::network::tensor::show_shape;

/// The shape of a value of either kind.
fn shape_of(value: &Value) -> &[usize] {
    match value {
        Value::Signal(signal) => &signal.shape,
        Value::Constant(constant) => constant.shape(),
    }
}

/// The first operand in another shape.
fn with_shape(call: &mut Call<'_, '_>, shape: &[usize]) -> Applied {
    match call.value(0)?.clone() {
        Value::Signal(x) => Ok(call.builder.shaped(call.name, x.id, shape)?.into()),
        Value::Constant(c) => Ok(c.reshaped(shape)?.into()),
    }
}

/// `Identity`.
pub fn identity(call: &mut Call<'_, '_>) -> Applied {
    Ok(vec![call.value(0)?.clone()])
}

/// `Dropout` outside of training.
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
    identity(call)
}

/// `Flatten`.
pub fn flatten(call: &mut Call<'_, '_>) -> Applied {
    let shape = shape_of(call.value(0)?).to_vec();
    let axis = call.attributes.int("axis", 1)?;
    let rank = shape.len();
    let axis = if axis == rank as i64 { rank } else { call.axis(axis, rank)? };
    let length = |part: &[usize]| part.iter().product::<usize>();
    with_shape(call, &[length(&shape[..axis]), length(&shape[axis..])])
}

/// `Reshape`.
pub fn reshape(call: &mut Call<'_, '_>) -> Applied {
    let old = shape_of(call.value(0)?).to_vec();
    let wanted = call.constant(1, "shape")?.integers("its shape")?;
    let keeps_zeros = call.attributes.int("allowzero", 0)? != 0;
    let new = resolved(&old, &wanted, keeps_zeros)?;
    with_shape(call, &new)
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
    let total: usize = old.iter().product();
    let known = crate::io::dtype::count(&new);
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

/// `Squeeze`.
pub fn squeeze(call: &mut Call<'_, '_>) -> Applied {
    let old = shape_of(call.value(0)?).to_vec();
    let mut dropped: Vec<bool> = old.iter().map(|&n| n == 1).collect();
    if let Some(axes) = axes(call)? {
        dropped.fill(false);
        for axis in axes {
            let axis = call.axis(axis, old.len())?;
            if old[axis] != 1 {
                return Err(format!("axis {axis} of {} has not the length 1", show_shape(&old)));
            }
            dropped[axis] = true;
        }
    }
    let new: Vec<usize> = (0..old.len()).filter(|&a| !dropped[a]).map(|a| old[a]).collect();
    with_shape(call, &new)
}

/// `Unsqueeze`.
pub fn unsqueeze(call: &mut Call<'_, '_>) -> Applied {
    let old = shape_of(call.value(0)?).to_vec();
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
    let new: Vec<usize> =
        inserted.iter().map(|&one| if one { 1 } else { rest.next().unwrap_or(1) }).collect();
    with_shape(call, &new)
}

/// `Shape`; the batch counts as 1.
pub fn shape(call: &mut Call<'_, '_>) -> Applied {
    let shape = shape_of(call.value(0)?).to_vec();
    let rank = shape.len() as i64;
    let bound = |n: i64| (if n < 0 { n.saturating_add(rank) } else { n }).clamp(0, rank) as usize;
    let start = bound(call.attributes.int("start", 0)?);
    let end = bound(call.attributes.int("end", rank)?);
    let part = shape.get(start..end).unwrap_or_default();
    Ok(Constant::ints(part.iter().map(|&n| n as i64).collect()).into())
}

/// `Size`.
pub fn size(call: &mut Call<'_, '_>) -> Applied {
    let n = count(shape_of(call.value(0)?))?;
    Ok(Constant::ints(vec![n as i64]).reshaped(&[])?.into())
}
