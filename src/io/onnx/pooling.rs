//! Poolings and means.

use super::builder::Signal;
use super::convolution::{Slide, spatial, with_batch};
use super::operators::{Applied, Call};
use crate::network::layers::pool::{GlobalAverage, Kind, Pool};
use crate::network::layers::window::{Parameters, PerAxis};
use crate::network::tensor::show_shape;

/// `MaxPool`.
pub fn max_pool(call: &mut Call<'_, '_>) -> Applied {
    call.attributes.ignore(&["storage_order"]);
    pool(call, Kind::Max, true)
}

/// `AveragePool`.
pub fn average_pool(call: &mut Call<'_, '_>) -> Applied {
    let count_padding = call.attributes.int("count_include_pad", 0)? != 0;
    pool(call, Kind::Average, count_padding)
}

fn pool(call: &mut Call<'_, '_>, kind: Kind, count_padding: bool) -> Applied {
    let x = call.signal(0)?;
    let lengths = spatial(&x)?;
    let kernel = call.attributes.sizes("kernel_shape")?.ok_or("kernel_shape is missing")?;
    let ceil = call.attributes.int("ceil_mode", 0)? != 0;
    let slide = Slide::read(call, kernel, lengths)?;
    if ceil {
        check_ceil(&slide, lengths)?;
    }
    let parameters = Parameters {
        kernel: &slide.kernel,
        stride: Some(&PerAxis::Each(slide.strides.clone())),
        dilation: Some(&PerAxis::Each(slide.dilations.clone())),
        padding: Some(&PerAxis::Each(slide.pads.clone())),
    };
    let layer = Pool::new(kind, &parameters, ceil, count_padding)?;
    let (id, shape) = call.push(layer, &[x.id])?;
    Ok(with_batch(id, &shape).into())
}

/// Checks that no window begins in the padding behind the input: there runtimes disagree on whether it
/// is left out.
fn check_ceil(slide: &Slide, lengths: &[usize]) -> Result<(), String> {
    let axes = lengths.len();
    for (axis, &n) in lengths.iter().enumerate() {
        let before = slide.pads[axis];
        let padded = n.checked_add(before).and_then(|m| m.checked_add(slide.pads[axes + axis]));
        let reach = slide.kernel[axis].saturating_sub(1).checked_mul(slide.dilations[axis]);
        let (Some(padded), Some(reach)) = (padded, reach) else {
            return Err("the padding or dilation is too large".to_owned());
        };
        let stride = slide.strides[axis].max(1);
        let last = padded.saturating_sub(reach + 1).div_ceil(stride).saturating_mul(stride);
        if last >= n + before {
            return Err(format!(
                "ceil_mode: the last window on spatial axis {axis} begins in the padding, where runtimes disagree; export the model without ceil_mode"
            ));
        }
    }
    Ok(())
}

/// `GlobalAveragePool`.
pub fn global_average_pool(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    if x.shape.len() < 3 || x.shape[0] != 1 {
        return Err(format!(
            "its operand has the shape {}, expected a batch of 1, channels and spatial axes",
            show_shape(&x.shape)
        ));
    }
    Ok(global(call, &x)?.into())
}

fn global(call: &mut Call<'_, '_>, x: &Signal) -> Result<Signal, String> {
    let (id, shape) = call.push(GlobalAverage, &[x.id])?;
    Ok(with_batch(id, &shape))
}

/// `ReduceMean` over some axes: a global average, the other axes being its channels.
pub fn reduce_mean(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let rank = x.shape.len();
    let given = match call.optional_constant(1, "list of axes")? {
        Some(axes) => Some(axes.integers("its list of axes")?),
        None => call.attributes.ints("axes")?,
    };
    let keep = call.attributes.int("keepdims", 1)? != 0;
    if call.attributes.int("noop_with_empty_axes", 0)? != 0
        && given.as_ref().is_none_or(Vec::is_empty)
    {
        return Ok(x.into());
    }
    let mut averaged = vec![given.as_ref().is_none_or(Vec::is_empty); rank];
    for axis in given.unwrap_or_default() {
        averaged[call.axis(axis, rank)?] = true;
    }
    let (means, kept): (Vec<usize>, Vec<usize>) = (0..rank).partition(|&a| averaged[a]);
    let order: Vec<usize> = kept.iter().chain(&means).copied().collect();
    let moved = call.builder.transpose(call.name, &x, &order)?;
    let length = |axes: &[usize]| axes.iter().map(|&a| x.shape[a]).product::<usize>();
    let planes = [1, length(&kept), length(&means)];
    let moved = call.builder.shaped(call.name, moved.id, &planes)?;
    let mean = global(call, &moved)?;
    let shape: Vec<usize> = (0..rank)
        .filter(|&a| keep || !averaged[a])
        .map(|a| if averaged[a] { 1 } else { x.shape[a] })
        .collect();
    Ok(call.builder.shaped(call.name, mean.id, &shape)?.into())
}
