//! Operations that move, select and repeat values, and padding.

use super::builder::{Signal, Value, count, is_batched};
use super::operators::{Applied, Call};
use crate::network::layers::gather::Gather;
use crate::network::tensor::show_shape;

/// The order of axes of a `Transpose`: reversed if it is not given.
pub fn order(call: &Call<'_, '_>, rank: usize) -> Result<Vec<usize>, String> {
    Ok(call.attributes.sizes("perm")?.unwrap_or_else(|| (0..rank).rev().collect()))
}

/// `Transpose`.
pub fn transpose(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let order = order(call, x.shape.len())?;
    Ok(call.builder.transpose(call.name, &x, &order)?.into())
}

/// `Concat` of values that all depend on the input.
pub fn concat(call: &mut Call<'_, '_>) -> Applied {
    let parts: Result<Vec<Signal>, String> = (0..call.inputs.len())
        .map(|i| {
            call.signal(i).map_err(|reason| {
                format!("{reason}; putting constants beside such values is not supported")
            })
        })
        .collect();
    let parts = parts?;
    let rank = parts.first().map_or(0, |part| part.shape.len());
    let axis = call.axis(call.attributes.int("axis", 0)?, rank)?;
    Ok(call.builder.concat(call.name, &parts, axis)?.into())
}

/// The parts that a `Slice` takes: axis, start, end and step for each.
pub fn slices(call: &Call<'_, '_>, shape: &[usize]) -> Result<Vec<(usize, [usize; 3])>, String> {
    let list = |index: usize, name: &'static str| -> Result<Option<Vec<i64>>, String> {
        match call.optional_constant(index, name)? {
            Some(constant) => constant.integers(name).map(Some),
            None => call.attributes.ints(name),
        }
    };
    let starts = list(1, "starts")?.ok_or("starts is missing")?;
    let ends = list(2, "ends")?.ok_or("ends is missing")?;
    let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|&n| n != starts.len()) {
        return Err("starts, ends, axes and steps differ in length".to_owned());
    }
    let mut parts = Vec::new();
    for i in 0..starts.len() {
        let axis = call.axis(axes[i], shape.len())?;
        let length = shape[axis] as i64;
        let bound = |n: i64| (if n < 0 { n.saturating_add(length) } else { n }).clamp(0, length);
        let step = usize::try_from(steps[i]).ok().filter(|&s| s > 0).ok_or_else(|| {
            format!("found the step {}, only positive steps are supported", steps[i])
        })?;
        parts.push((axis, [bound(starts[i]) as usize, bound(ends[i]) as usize, step]));
    }
    Ok(parts)
}

/// `Slice`.
pub fn slice(call: &mut Call<'_, '_>) -> Applied {
    let mut x = call.signal(0)?;
    for (axis, part) in slices(call, &x.shape)? {
        x = call.builder.slice(call.name, &x, axis, part)?;
    }
    Ok(x.into())
}

/// `Split`.
pub fn split(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let axis = call.axis(call.attributes.int("axis", 0)?, x.shape.len())?;
    let (length, parts) = (x.shape[axis], call.node.outputs.len());
    call.attributes.ignore(&["num_outputs"]);
    let given = match call.optional_constant(1, "list of lengths")? {
        Some(lengths) => Some(lengths.integers("its list of lengths")?),
        None => call.attributes.ints("split")?,
    };
    let lengths: Vec<usize> = match given {
        Some(given) => given.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect(),
        None => {
            let each = length.div_ceil(parts.max(1));
            (0..parts).map(|i| length.saturating_sub(i * each).min(each)).collect()
        }
    };
    let sum = lengths.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
    if sum != Some(length) || lengths.len() != parts || lengths.contains(&0) {
        return Err(format!(
            "axis {axis} of length {length} cannot be split into {parts} parts of lengths {lengths:?}"
        ));
    }
    let mut start = 0;
    let mut values = Vec::new();
    for n in lengths {
        let part = call.builder.slice(call.name, &x, axis, [start, start + n, 1])?;
        values.push(Value::Signal(part));
        start += n;
    }
    Ok(values)
}

/// The indices that a `Gather` takes of an axis of the given length, counted from the front.
pub fn indices(call: &Call<'_, '_>, length: usize) -> Result<Vec<usize>, String> {
    let given = call.constant(1, "list of indices")?.integers("its list of indices")?;
    let index = |&n: &i64| {
        let from_front = if n < 0 { n.checked_add(length as i64) } else { Some(n) };
        let index = from_front.and_then(|n| usize::try_from(n).ok()).filter(|&i| i < length);
        index.ok_or_else(|| format!("index {n} does not exist, the axis has {length} entries"))
    };
    given.iter().map(index).collect()
}

/// `Gather` with known indices.
pub fn gather(call: &mut Call<'_, '_>) -> Applied {
    let x = match call.value(0)? {
        Value::Signal(x) => x.clone(),
        Value::Constant(_) => {
            return Err("looks up values at an index that depends on the input, which is not continuous; bound the part after it".to_owned());
        }
    };
    let axis = call.axis(call.attributes.int("axis", 0)?, x.shape.len())?;
    let index_shape = call.constant(1, "list of indices")?.shape().to_vec();
    let indices = indices(call, x.shape[axis])?;
    let [first, rest @ ..] = indices.as_slice() else { return Err("has no indices".to_owned()) };
    let step = rest.first().map_or(1, |second| second.saturating_sub(*first));
    let is_regular = step > 0 && indices.iter().enumerate().all(|(i, &j)| j == first + i * step);
    let selected = if is_regular {
        let end = first + (indices.len() - 1) * step + 1;
        call.builder.slice(call.name, &x, axis, [*first, end, step])?
    } else {
        let mut parts = Vec::new();
        for &i in &indices {
            parts.push(call.builder.slice(call.name, &x, axis, [i, i + 1, 1])?);
        }
        call.builder.concat(call.name, &parts, axis)?
    };
    let mut shape = x.shape.clone();
    shape.splice(axis..=axis, index_shape);
    Ok(call.builder.shaped(call.name, selected.id, &shape)?.into())
}

/// `Expand`.
pub fn expand(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let wanted = call.constant(1, "shape")?.integers("its shape")?;
    let wanted: Result<Vec<usize>, _> = wanted.iter().map(|&n| usize::try_from(n)).collect();
    let wanted = wanted.map_err(|_| "its shape has a negative length".to_owned())?;
    let shape = super::constant::broadcast(&x.shape, &wanted)?;
    Ok(call.builder.expand(call.name, &x, &shape)?.into())
}

/// `Pad` with zeros.
pub fn pad(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let mode = call.attributes.text("mode", "constant")?;
    if mode != "constant" {
        return Err(format!("attribute mode: found {mode}, only constant (zeros) is supported"));
    }
    let value = match call.optional_constant(2, "value")? {
        Some(value) => value.scalar("its value")?,
        None => call.attributes.float("value", 0.0)?,
    };
    if value != 0.0 {
        return Err(format!("pads with {value}, only 0 is supported"));
    }
    let (before, behind) = paddings(call, &x.shape)?;
    let shape: Vec<usize> =
        (0..x.shape.len()).map(|a| x.shape[a] + before[a] + behind[a]).collect();
    count(&shape)?;
    if shape == x.shape {
        return Ok(x.into());
    }
    let padded = (0..x.shape.len()).filter(|&a| shape[a] != x.shape[a]);
    let (id, shift) = call.builder.with_axes(call.name, &x, padded)?;
    let (before, behind) = (before[shift..].to_vec(), behind[shift..].to_vec());
    let (id, _) = call.push(Gather::Pad { before, behind }, &[id])?;
    debug_assert!(shift == 0 || is_batched(&shape));
    Ok(call.builder.shaped(call.name, id, &shape)?.into())
}

/// The numbers of zeros before and behind each axis.
fn paddings(call: &Call<'_, '_>, shape: &[usize]) -> Result<(Vec<usize>, Vec<usize>), String> {
    let rank = shape.len();
    let given = match call.optional_constant(1, "pads")? {
        Some(pads) => pads.integers("pads")?,
        None => call.attributes.ints("pads")?.ok_or("pads is missing")?,
    };
    let axes = match call.optional_constant(3, "axes")? {
        Some(axes) => axes.integers("axes")?,
        None => (0..rank as i64).collect(),
    };
    if given.len() != 2 * axes.len() {
        return Err(format!(
            "pads has {} numbers, expected {} for an operand of shape {}",
            given.len(),
            2 * axes.len(),
            show_shape(shape)
        ));
    }
    let limit = super::builder::LARGEST;
    let size = |n: i64| {
        usize::try_from(n).ok().filter(|&n| n <= limit).ok_or_else(|| {
            format!("pads: found {n}, expected numbers from 0 to {limit} (to cut off, use Slice)")
        })
    };
    let (mut before, mut behind) = (vec![0; rank], vec![0; rank]);
    for (i, &axis) in axes.iter().enumerate() {
        let axis = call.axis(axis, rank)?;
        before[axis] = size(given[i])?;
        behind[axis] = size(given[axes.len() + i])?;
    }
    Ok((before, behind))
}
