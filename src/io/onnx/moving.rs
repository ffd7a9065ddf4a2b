//! Operations that move, select and repeat values.

use super::batch;
use super::builder::{Signal, Value, count};
use super::operators::{Applied, Call};

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
    let mut parts: Vec<(usize, [usize; 3])> = Vec::new();
    for i in 0..starts.len() {
        let axis = call.axis(axes[i], shape.len())?;
        if parts.iter().any(|(other, _)| *other == axis) {
            return Err(format!("axis {axis} is named twice"));
        }
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
    let inputs = call.inputs.clone();
    call.settle(&inputs, false)?;
    let parts = slices(call, &x.shape)?;
    if let Some(batch) = x.batch {
        call.settle(&inputs, true)?;
        let wide = x.wide();
        for (one, many) in parts.iter().zip(slices(call, &wide)?) {
            let whole = |n: usize| [0, n, 1];
            let apart = if one.0 == batch {
                one.1 == whole(x.shape[batch]) && many.1 == whole(wide[batch])
            } else {
                *one == many
            };
            if !apart {
                return batch::mixed();
            }
        }
    }
    for (axis, part) in parts {
        x = call.builder.slice(call.name, &x, axis, part)?;
    }
    Ok(x.into())
}

/// The lengths of the parts of a `Split` of an axis of the given length.
pub fn lengths(call: &Call<'_, '_>, axis: usize, length: usize) -> Result<Vec<usize>, String> {
    let parts = call.node.outputs.len();
    let given = match call.optional_constant(1, "list of lengths")? {
        Some(lengths) => Some(lengths.integers("its list of lengths")?),
        None => call.attributes.ints("split")?,
    };
    let told = call.attributes.int("num_outputs", parts as i64)?;
    if usize::try_from(told) != Ok(parts) || given.is_some() && call.attributes.has("num_outputs") {
        return Err(format!(
            "attribute num_outputs: found {told} for {parts} results, expected their number, or a list of lengths"
        ));
    }
    let lengths: Vec<usize> = match given {
        Some(given) => given.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect(),
        // Since version 18 the last part may be shorter.
        None => {
            let each = length.div_ceil(parts.max(1));
            (0..parts).map(|i| length.saturating_sub(i * each).min(each)).collect()
        }
    };
    let sum = lengths.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
    let uneven = call.opset < 18 && !length.is_multiple_of(parts.max(1));
    let automatic = call.optional(1).is_none() && !call.attributes.has("split");
    if sum != Some(length) || lengths.len() != parts || lengths.contains(&0) || automatic && uneven
    {
        return Err(format!(
            "axis {axis} of length {length} cannot be split into {parts} parts of lengths {lengths:?}"
        ));
    }
    Ok(lengths)
}

/// `Split`.
pub fn split(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let axis = call.axis(call.attributes.int("axis", 0)?, x.shape.len())?;
    batch::check_apart(&x, axis)?;
    let mut start = 0;
    let mut values = Vec::new();
    for n in lengths(call, axis, x.shape[axis])? {
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
    if let Value::Constant(_) = call.value(0)? {
        return Err("looks up values at an index that depends on the input, which is not continuous; bound the part after it".to_owned());
    }
    let x = call.signal(0)?;
    let axis = call.axis(call.attributes.int("axis", 0)?, x.shape.len())?;
    batch::check_apart(&x, axis)?;
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
    let place = x.batch.map(|a| if a < axis { a } else { a + index_shape.len() - 1 });
    let mut shape = x.shape.clone();
    shape.splice(axis..=axis, index_shape);
    Ok(call.builder.shaped(call.name, &selected, &shape, place)?.into())
}

/// `Expand`.
pub fn expand(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let inputs = call.inputs.clone();
    let target = |call: &Call<'_, '_>, from: &[usize]| -> Result<Vec<usize>, String> {
        let wanted = call.constant(1, "shape")?.integers("its shape")?;
        let wanted: Result<Vec<usize>, _> = wanted.iter().map(|&n| usize::try_from(n)).collect();
        let wanted = wanted.map_err(|_| "its shape has a negative length".to_owned())?;
        super::constant::broadcast(from, &wanted)
    };
    call.settle(&inputs, false)?;
    let shape = target(call, &x.shape)?;
    count(&shape)?;
    if x.batch.is_some() {
        call.settle(&inputs, true)?;
        let wide = target(call, &x.wide()).or_else(|_| batch::mixed())?;
        batch::reshaped(&x, &shape, &wide)?;
    }
    Ok(call.builder.expand(call.name, &x, &shape)?.into())
}
