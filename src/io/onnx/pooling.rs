//! Poolings and means.

use super::batch;
use super::builder::{Signal, Value};
use super::convolution::{Slide, check_first, spatial, with_batch};
use super::fold_sums::reduced;
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
    // Padding with minus infinity never wins a maximum, as the padding of a pooling.
    let (x, padding) = match call.value(0)?.clone() {
        Value::Padded(x, before, behind) if kind == Kind::Max => (x, Some((before, behind))),
        _ => (call.signal(0)?, None),
    };
    let lengths = spatial(&x)?;
    let kernel = call.attributes.sizes("kernel_shape")?.ok_or("kernel_shape is missing")?;
    let mut ceil = call.attributes.int("ceil_mode", 0)? != 0;
    let automatic = call.attributes.text("auto_pad", "NOTSET")?;
    let mut slide = Slide::read(call, kernel, lengths)?;
    let is_same = automatic.starts_with("SAME");
    if is_same && slide.dilations.iter().zip(&slide.kernel).any(|(&d, &k)| d > 1 && k > 1) {
        return Err(format!(
            "auto_pad {automatic} with dilations: runtimes pad as if there were none, unlike the documents of ONNX; export the model with explicit pads"
        ));
    }
    if is_same && slide.skips(lengths) {
        return Err(format!(
            "auto_pad {automatic} with strides larger than the windows: the padding would be negative, where runtimes disagree; export the model with explicit pads"
        ));
    }
    if is_same && ceil {
        return Err(format!(
            "auto_pad {automatic} with ceil_mode is not supported; export the model with explicit pads"
        ));
    }
    if let Some((before, behind)) = padding {
        if is_same {
            return Err(format!(
                "auto_pad {automatic} of an operand that is padded with minus infinity is not supported; export the model with explicit pads"
            ));
        }
        slide.pad(&before, &behind)?;
    }
    if ceil {
        shorten(&mut slide, lengths, count_padding && kind == Kind::Average)?;
        ceil = check_ceil(&slide, lengths)?;
    }
    let parameters = Parameters {
        kernel: &slide.kernel,
        stride: Some(&PerAxis::Each(slide.strides.clone())),
        dilation: Some(&PerAxis::Each(slide.dilations.clone())),
        padding: Some(&PerAxis::Each(slide.pads.clone())),
    };
    let layer = Pool::new(kind, &parameters, ceil, count_padding)?;
    let (id, shape) = call.push(layer, &[x.id])?;
    Ok(with_batch(&x, id, &shape).into())
}

/// Cuts windows that are larger than the padded input off at its end: with ceil_mode there is one of them,
/// if the next would begin behind the end.
fn shorten(slide: &mut Slide, lengths: &[usize], divides_by_all: bool) -> Result<(), String> {
    let axes = lengths.len();
    for (axis, &n) in lengths.iter().enumerate() {
        let padded = n.checked_add(slide.pads[axis]);
        let padded = padded.and_then(|m| m.checked_add(slide.pads[axes + axis]));
        let reach = slide.kernel[axis].saturating_sub(1).checked_mul(slide.dilations[axis]);
        let sizes = padded.zip(reach.and_then(|r| r.checked_add(1)));
        let Some((padded, reach)) = sizes else {
            return Err("the padding or dilation is too large".to_owned());
        };
        if reach <= padded {
            continue;
        }
        if reach - padded >= slide.strides[axis] || divides_by_all {
            return Err(format!(
                "ceil_mode: a window of {reach} does not fit into the {padded} elements of spatial axis {axis} (padding included); export the model without ceil_mode"
            ));
        }
        slide.kernel[axis] = padded.div_ceil(slide.dilations[axis].max(1));
        slide.strides[axis] = padded;
    }
    Ok(())
}

/// Whether a last window reaches beyond the padded input. None may begin in the padding behind the input:
/// there runtimes disagree on whether it is left out.
fn check_ceil(slide: &Slide, lengths: &[usize]) -> Result<bool, String> {
    let axes = lengths.len();
    for (axis, &n) in lengths.iter().enumerate() {
        let before = slide.pads[axis];
        let padded = n.checked_add(before).and_then(|m| m.checked_add(slide.pads[axes + axis]));
        let reach = slide.kernel[axis].saturating_sub(1).checked_mul(slide.dilations[axis]);
        let (Some(padded), Some(reach)) = (padded, reach) else {
            return Err("the padding or dilation is too large".to_owned());
        };
        let stride = slide.strides[axis].max(1);
        let last =
            padded.saturating_sub(reach.saturating_add(1)).div_ceil(stride).saturating_mul(stride);
        if last >= n + before {
            return Err(format!(
                "ceil_mode: the last window on spatial axis {axis} begins in the padding, where runtimes disagree; export the model without ceil_mode"
            ));
        }
    }
    Ok(true)
}

/// `GlobalAveragePool`.
pub fn global_average_pool(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    check_first(&x)?;
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
    Ok(with_batch(x, id, &shape))
}

/// `ReduceMean` over some axes: a global average, the other axes being its channels.
pub fn reduce_mean(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let rank = x.shape.len();
    let keep = call.attributes.int("keepdims", 1)? != 0;
    let Some(averaged) = reduced(call, rank)? else { return Ok(x.into()) };
    if x.batch.is_some_and(|axis| averaged[axis]) {
        return batch::mixed();
    }
    let place = x.batch.map(|axis| (0..axis).filter(|&a| keep || !averaged[a]).count());
    let (means, kept): (Vec<usize>, Vec<usize>) = (0..rank).partition(|&a| averaged[a]);
    let order: Vec<usize> = kept.iter().chain(&means).copied().collect();
    let moved = call.builder.transpose(call.name, &x, &order)?;
    let length = |axes: &[usize]| axes.iter().map(|&a| x.shape[a]).product::<usize>();
    let planes = [1, length(&kept), length(&means)];
    let moved = call.builder.shaped(call.name, &moved, &planes, None)?;
    let mean = global(call, &moved)?;
    let shape: Vec<usize> = (0..rank)
        .filter(|&a| keep || !averaged[a])
        .map(|a| if averaged[a] { 1 } else { x.shape[a] })
        .collect();
    Ok(call.builder.shaped(call.name, &mean, &shape, place)?.into())
}
