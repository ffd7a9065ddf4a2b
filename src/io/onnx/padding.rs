//! Padding.

use super::batch;
use super::builder::{Value, count, is_batched};
use super::constant::Data;
use super::operators::{Applied, Call};
use crate::network::layers::gather::Gather;
use crate::network::tensor::show_shape;

/// The number that a `Pad` pads with.
///
/// # Errors
/// Another mode, or no number.
pub fn value(call: &Call<'_, '_>) -> Result<f64, String> {
    let mode = call.attributes.text("mode", "constant")?;
    if mode != "constant" {
        return Err(format!("attribute mode: found {mode}, only constant is supported"));
    }
    let Some(value) = call.optional_constant(2, "value")? else {
        return Ok(f64::from(call.attributes.any_float("value", 0.0)?));
    };
    match &value.data {
        Data::Real(numbers) if numbers.len() == 1 && numbers.iter().all(|x| !x.is_nan()) => {
            Ok(numbers.sum())
        }
        _ => value.scalar("its value"),
    }
}

/// `Pad` with zeros, or with minus infinity before a max-pooling.
pub fn pad(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let value = value(call)?;
    let (before, behind) = lengths(call, &x.shape)?;
    if let Some(axis) = x.batch.filter(|&a| before[a] + behind[a] > 0) {
        batch::check_apart(&x, axis)?;
    }
    if value == f64::NEG_INFINITY {
        return Ok(vec![Value::Padded(x, before, behind)]);
    }
    if value != 0.0 {
        return Err(format!(
            "pads with {value}; supported are 0, and minus infinity before a max-pooling"
        ));
    }
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
    Ok(call.builder.shaped(call.name, &x.same(id), &shape, x.batch)?.into())
}

/// The numbers of entries that are put before and behind each axis.
///
/// # Errors
/// Axes that do not exist or are named twice, negative numbers or too many.
pub fn lengths(call: &Call<'_, '_>, shape: &[usize]) -> Result<(Vec<usize>, Vec<usize>), String> {
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
    let (mut before, mut behind, mut named) = (vec![0; rank], vec![0; rank], vec![false; rank]);
    for (i, &axis) in axes.iter().enumerate() {
        let axis = call.axis(axis, rank)?;
        if std::mem::replace(&mut named[axis], true) {
            return Err(format!("axis {axis} is named twice"));
        }
        before[axis] = size(given[i])?;
        behind[axis] = size(given[axes.len() + i])?;
    }
    Ok((before, behind))
}
