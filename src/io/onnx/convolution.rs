//! Convolutions and batch normalisation.

use super::batch;
use super::builder::{Signal, is_batched};
use super::operators::{Applied, Call};
use crate::network::layers::batch_norm::BatchNorm;
use crate::network::layers::conv::{Conv, Geometry};
use crate::network::layers::conv_transpose::ConvTranspose;
use crate::network::layers::window::PerAxis;
use crate::network::tensor::show_shape;

/// The lengths of windows and of the axes that they slide over.
pub struct Slide {
    /// The number of taps on each axis.
    pub kernel: Vec<usize>,
    /// The distance between windows.
    pub strides: Vec<usize>,
    /// The distance between taps.
    pub dilations: Vec<usize>,
    /// The padding: all at the beginning, then all at the end.
    pub pads: Vec<usize>,
}

/// The lengths of the spatial axes of a value with a batch of 1.
///
/// # Errors
/// Another number of axes, another batch.
pub fn spatial(x: &Signal) -> Result<&[usize], String> {
    check_first(x)?;
    match x.shape.as_slice() {
        [1, _, spatial @ ..] if (1..=2).contains(&spatial.len()) => Ok(spatial),
        [1, _, ..] => Err(format!(
            "its operand has the shape {}; one or two spatial axes are supported",
            show_shape(&x.shape)
        )),
        _ => Err(format!(
            "its operand has the shape {}, expected a batch of 1, channels and spatial axes; export the model with a batch of 1",
            show_shape(&x.shape)
        )),
    }
}

/// Checks that an open batch is on the first axis.
///
/// # Errors
/// It is on another.
pub fn check_first(x: &Signal) -> Result<(), String> {
    if x.batch.is_some_and(|axis| axis != 0) { batch::mixed() } else { Ok(()) }
}

impl Slide {
    /// The parameters of windows with `kernel` taps over axes of the given lengths.
    ///
    /// # Errors
    /// Parameters that do not fit together.
    pub fn read(
        call: &Call<'_, '_>,
        kernel: Vec<usize>,
        lengths: &[usize],
    ) -> Result<Slide, String> {
        let axes = lengths.len();
        let list = |name: &'static str, default: usize, count: usize| {
            let values = call.attributes.sizes(name)?.unwrap_or_else(|| vec![default; count]);
            if values.len() == count {
                return Ok(values);
            }
            Err(format!("attribute {name}: found {} numbers, expected {count}", values.len()))
        };
        let (strides, dilations) = (list("strides", 1, axes)?, list("dilations", 1, axes)?);
        let mut slide = Slide { kernel, strides, dilations, pads: vec![0; 2 * axes] };
        if slide.kernel.len() != axes {
            let found = slide.kernel.len();
            return Err(format!("its windows have {found} axes, expected {axes}"));
        }
        match call.attributes.text("auto_pad", "NOTSET")? {
            "NOTSET" | "" => slide.pads = list("pads", 0, 2 * axes)?,
            "VALID" => call.attributes.ignore(&["pads"]),
            "SAME_UPPER" => slide.pad_same(lengths, true)?,
            "SAME_LOWER" => slide.pad_same(lengths, false)?,
            other => {
                return Err(format!(
                    "attribute auto_pad: found {other}, expected NOTSET, VALID, SAME_UPPER or SAME_LOWER"
                ));
            }
        }
        Ok(slide)
    }

    /// The padding with which there is one window for each `stride` elements.
    fn pad_same(&mut self, lengths: &[usize], upper: bool) -> Result<(), String> {
        let axes = lengths.len();
        for (axis, &n) in lengths.iter().enumerate() {
            let (k, s, d) = (self.kernel[axis], self.strides[axis], self.dilations[axis]);
            let sizes = (k.checked_sub(1), s.checked_sub(1));
            let (Some(last), Some(_)) = sizes else {
                return Err("kernel and stride must be at least 1".to_owned());
            };
            let reach = last.checked_mul(d).ok_or("the dilation is too large")?;
            let covered = ((n.div_ceil(s) - 1) * s).checked_add(reach).map(|c| c + 1);
            let total = covered.ok_or("the dilation is too large")?.saturating_sub(n);
            let (small, large) = (total / 2, total - total / 2);
            self.pads[axis] = if upper { small } else { large };
            self.pads[axes + axis] = if upper { large } else { small };
        }
        Ok(())
    }

    /// Whether one window for each `stride` elements leaves elements at the end out, by more than none.
    pub fn skips(&self, lengths: &[usize]) -> bool {
        lengths.iter().enumerate().any(|(axis, &n)| {
            let s = self.strides[axis].max(1);
            (n.div_ceil(s).saturating_sub(1) * s).saturating_add(self.kernel[axis]) < n
        })
    }

    /// Adds paddings of all axes of a value, of which only the spatial ones may be padded.
    ///
    /// # Errors
    /// The batch or the channels are padded, or by too much.
    pub fn pad(&mut self, before: &[usize], behind: &[usize]) -> Result<(), String> {
        if before[..2].iter().chain(&behind[..2]).any(|&n| n > 0) {
            return Err("its operand is padded with minus infinity along its channels; export the model without that".to_owned());
        }
        for (pad, more) in self.pads.iter_mut().zip(before[2..].iter().chain(&behind[2..])) {
            *pad = pad.checked_add(*more).ok_or("the padding is too large")?;
        }
        Ok(())
    }

    fn geometry(self, groups: usize) -> Geometry {
        Geometry {
            stride: Some(PerAxis::Each(self.strides)),
            padding: Some(PerAxis::Each(self.pads)),
            dilation: Some(PerAxis::Each(self.dilations)),
            groups,
        }
    }
}

/// The shape of a kernel's windows, which the attribute `kernel_shape` must repeat.
fn taps(call: &Call<'_, '_>, weight: &[usize]) -> Result<Vec<usize>, String> {
    let taps = weight.get(2..).unwrap_or_default().to_vec();
    match call.attributes.sizes("kernel_shape")? {
        Some(given) if given != taps => Err(format!(
            "attribute kernel_shape: found {given:?}, but its weight has the shape {}",
            show_shape(weight)
        )),
        _ => Ok(taps),
    }
}

fn groups(call: &Call<'_, '_>) -> Result<usize, String> {
    let group = call.attributes.int("group", 1)?;
    usize::try_from(group).map_err(|_| format!("attribute group: found {group}"))
}

/// A value with the batch of `x` and the given shape in the network.
pub fn with_batch(x: &Signal, id: usize, shape: &[usize]) -> Signal {
    Signal { shape: std::iter::once(1).chain(shape.iter().copied()).collect(), ..x.same(id) }
}

/// `Conv`.
pub fn conv(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let lengths = spatial(&x)?;
    let weight = call.constant(1, "weight")?.reals("its weight")?;
    let bias = call.optional_constant(2, "bias")?.map(|b| b.reals("its bias")).transpose()?;
    let slide = Slide::read(call, taps(call, weight.shape())?, lengths)?;
    let geometry = slide.geometry(groups(call)?);
    let layer = Conv::new(lengths.len(), weight, bias, &geometry)?;
    let (id, shape) = call.push(layer, &[x.id])?;
    Ok(with_batch(&x, id, &shape).into())
}

/// `ConvTranspose`.
pub fn conv_transpose(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    let lengths = spatial(&x)?;
    let automatic = call.attributes.text("auto_pad", "NOTSET")?;
    if !matches!(automatic, "NOTSET" | "" | "VALID") || call.attributes.has("output_shape") {
        return Err("auto_pad and output_shape of a transposed convolution are not supported; export it with pads and output_padding".to_owned());
    }
    let weight = call.constant(1, "weight")?.reals("its weight")?;
    let bias = call.optional_constant(2, "bias")?.map(|b| b.reals("its bias")).transpose()?;
    let slide = Slide::read(call, taps(call, weight.shape())?, lengths)?;
    let geometry = slide.geometry(groups(call)?);
    let extra = call.attributes.sizes("output_padding")?.map(PerAxis::Each);
    let layer = ConvTranspose::new(lengths.len(), weight, bias, &geometry, extra.as_ref())?;
    let (id, shape) = call.push(layer, &[x.id])?;
    Ok(with_batch(&x, id, &shape).into())
}

/// `BatchNormalization` with the statistics of training.
pub fn batch_normalization(call: &mut Call<'_, '_>) -> Applied {
    let x = call.signal(0)?;
    call.attributes.ignore(&["momentum"]);
    // Before version 14 there are further results in training only.
    let is_training = call.attributes.int("training_mode", 0)? != 0;
    if is_training || call.node.outputs.len() > 1 {
        return Err("is in training mode, where it depends on the batch; export the model in evaluation mode (model.eval())".to_owned());
    }
    if call.attributes.int("spatial", 1)? != 1 {
        return Err("attribute spatial: found 0, expected 1".to_owned());
    }
    check_first(&x)?;
    if !is_batched(&x.shape) {
        return Err(format!(
            "its operand has the shape {}, expected a batch of 1 and channels; export the model with a batch of 1",
            show_shape(&x.shape)
        ));
    }
    let values = |index: usize, what: &str| call.constant(index, what)?.reals(what);
    let (weight, bias) = (values(1, "scale")?, values(2, "bias")?);
    let (mean, variance) = (values(3, "mean")?, values(4, "variance")?);
    let epsilon = call.attributes.float("epsilon", 1e-5)?;
    let layer = BatchNorm::new(Some(weight), Some(bias), mean, variance, epsilon)?;
    let (id, _) = call.push(layer, &[x.id])?;
    Ok(x.same(id).into())
}
