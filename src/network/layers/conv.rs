//! Convolutions over one or two axes, with stride, padding, dilation and groups.

use std::sync::Arc;

use ndarray::{Array4, ArrayD, Ix4};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::window::{Axis, Parameters, PerAxis, planes, shape};
use super::{AffineMap, Layer, LayerType, Lowered, ParseError, Parsed, show_shape, single};
use crate::network::linear_map::LinearMap;
use crate::network::pull_back::MapGradient;
use crate::network::tensor::{TensorSource, Tensors, to_json};
use crate::numeric::conv_norm::{ConvAxis, Convolution};
use crate::numeric::{Interval, Matrix};

/// The layer type `conv1d`.
pub const CONV1D: LayerType = LayerType {
    name: "conv1d",
    parse: |json, tensors| parse(json, tensors, 1),
    schema: |generator| generator.subschema_for::<Spec>(),
};

/// The layer type `conv2d`.
pub const CONV2D: LayerType = LayerType {
    name: "conv2d",
    parse: |json, tensors| parse(json, tensors, 2),
    schema: |generator| generator.subschema_for::<Spec>(),
};

/// A convolution, in the convention of machine learning (a correlation with the kernel), with zero
/// padding.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv {
    dimensions: usize,
    /// Output channels x input channels of a group x height x width.
    weight: Array4<f64>,
    bias: Vec<f64>,
    axes: [Axis; 2],
    groups: usize,
}

/// A convolution (a correlation with the kernel, as in machine learning) with zero padding.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "convolution")]
struct Spec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// The kernel: output channels x input channels per group x spatial axes.
    weight: Option<TensorSource>,
    /// One number for each output channel; zero if absent.
    bias: Option<TensorSource>,
    /// The distance between windows; 1 if absent.
    stride: Option<PerAxis>,
    /// Zeros around the input; 0 if absent.
    padding: Option<PerAxis>,
    /// The distance between taps of the kernel; 1 if absent.
    dilation: Option<PerAxis>,
    /// The number of groups of channels; 1 if absent.
    groups: Option<usize>,
}

fn parse(json: &RawValue, tensors: &mut dyn Tensors, dimensions: usize) -> Parsed {
    let spec: Spec = serde_json::from_str(json.get())?;
    let weight = tensors.resolve("weight", spec.weight)?;
    let bias = tensors.resolve_optional("bias", spec.bias)?;
    let geometry = Geometry {
        stride: spec.stride,
        padding: spec.padding,
        dilation: spec.dilation,
        groups: spec.groups.unwrap_or(1),
    };
    let conv = Conv::new(dimensions, weight, bias, &geometry).map_err(ParseError::Value)?;
    Ok(Arc::new(conv))
}

/// Everything about a convolution but its weights.
#[derive(Debug, Clone, Default)]
pub struct Geometry {
    /// The distance between windows; 1 if absent.
    pub stride: Option<PerAxis>,
    /// Zeros around the input; 0 if absent.
    pub padding: Option<PerAxis>,
    /// The distance between taps; 1 if absent.
    pub dilation: Option<PerAxis>,
    /// The number of groups of channels.
    pub groups: usize,
}

impl Conv {
    /// A convolution over `dimensions` (1 or 2) axes. The weight has shape output channels x input
    /// channels per group x spatial axes, the bias one entry for each output channel.
    ///
    /// # Errors
    /// Shapes and numbers that do not fit together.
    pub fn new(
        dimensions: usize,
        weight: ArrayD<f64>,
        bias: Option<ArrayD<f64>>,
        geometry: &Geometry,
    ) -> Result<Conv, String> {
        let weight = kernel(weight, dimensions)?;
        let (out, _, height, width) = weight.dim();
        let groups = geometry.groups;
        if groups == 0 || !out.is_multiple_of(groups) {
            return Err(format!(
                "groups: {out} output channels cannot be split into {groups} groups"
            ));
        }
        let taps = if dimensions == 1 { vec![width] } else { vec![height, width] };
        let parameters = Parameters {
            kernel: &taps,
            stride: geometry.stride.as_ref(),
            dilation: geometry.dilation.as_ref(),
            padding: geometry.padding.as_ref(),
        };
        Ok(Conv {
            dimensions,
            bias: channel_bias(bias, out)?,
            axes: parameters.axes()?,
            groups,
            weight,
        })
    }

    fn outputs(&self, input: &[usize]) -> Result<[usize; 3], String> {
        let [c, h, w] = planes(input, self.dimensions)?;
        let (out, per_group, ..) = self.weight.dim();
        if c != per_group * self.groups {
            return Err(format!(
                "its kernel takes {} channels ({per_group} in each of {} groups), but its input has {c} ({})",
                per_group * self.groups,
                self.groups,
                show_shape(input)
            ));
        }
        Ok([out, self.axes[0].count(h, false)?, self.axes[1].count(w, false)?])
    }
}

/// A kernel with two spatial axes.
pub(super) fn kernel(weight: ArrayD<f64>, dimensions: usize) -> Result<Array4<f64>, String> {
    let found = show_shape(weight.shape());
    let weight = if dimensions == 1 && weight.ndim() == 3 {
        weight.insert_axis(ndarray::Axis(2))
    } else {
        weight
    };
    match weight.into_dimensionality::<Ix4>() {
        Ok(weight) if !weight.is_empty() => Ok(weight),
        _ => Err(format!(
            "weight: found shape {found}, expected {} axes (channels, channels, and {dimensions} spatial), none of them empty",
            dimensions + 2
        )),
    }
}

/// A bias with one entry for each channel.
pub(super) fn channel_bias(bias: Option<ArrayD<f64>>, channels: usize) -> Result<Vec<f64>, String> {
    match bias {
        None => Ok(vec![0.0; channels]),
        Some(bias) if bias.len() == channels => Ok(bias.iter().copied().collect()),
        Some(bias) => Err(format!(
            "bias: found shape {}, expected {channels} entries, one for each output channel",
            show_shape(bias.shape())
        )),
    }
}

/// The derivative with respect to a kernel, given that with respect to its [`matrix`].
///
/// # Errors
/// As [`convolution`].
#[expect(clippy::float_arithmetic, reason = "a derivative, of which nothing is certified")]
pub(super) fn kernel_gradient(
    kernel: &Array4<f64>,
    groups: usize,
    axes: [Axis; 2],
    input: [usize; 3],
    windows: [usize; 3],
    gradient: &Matrix,
) -> Result<Array4<f64>, String> {
    let convolution = convolution(kernel, groups, axes, input, windows)?;
    let mut result = Array4::zeros(kernel.dim());
    let mut row = vec![0.0; gradient.columns()];
    for i in 0..gradient.rows() {
        gradient.row_entries(i, &mut |j, value| row[j] = value);
        convolution.for_row(false, i, |j, tap| result[tap] += row[j]);
        gradient.row_entries(i, &mut |j, _| row[j] = 0.0);
    }
    Ok(result)
}

/// The kernel as files with `dimensions` spatial axes have it.
pub(super) fn in_file(kernel: Array4<f64>, dimensions: usize) -> ArrayD<f64> {
    let kernel = kernel.into_dyn();
    if dimensions == 1 { kernel.index_axis_move(ndarray::Axis(2), 0) } else { kernel }
}

/// The matrix of [`convolution`].
///
/// # Errors
/// As there.
pub(super) fn matrix(
    kernel: &Array4<f64>,
    groups: usize,
    axes: [Axis; 2],
    input: [usize; 3],
    windows: [usize; 3],
) -> Result<Matrix, String> {
    convolution(kernel, groups, axes, input, windows).map(Matrix::convolution)
}

/// The convolution that maps planes of the shape `input` to `windows` (each channels, height, width).
/// The kernel has shape output channels x input channels of a group x height x width.
///
/// # Errors
/// Sizes beyond the arithmetic of positions.
fn convolution(
    kernel: &Array4<f64>,
    groups: usize,
    [vertical, horizontal]: [Axis; 2],
    input: [usize; 3],
    windows: [usize; 3],
) -> Result<Convolution, String> {
    let axes = [vertical.lattice(input[1], windows[1]), horizontal.lattice(input[2], windows[2])];
    Convolution::new(kernel.clone(), groups, axes).ok_or_else(|| {
        "its strides, dilations, paddings and planes have to be smaller than 2^28".to_owned()
    })
}

impl Axis {
    /// The axis of a convolution over `inputs` elements with the given number of windows.
    fn lattice(self, inputs: usize, windows: usize) -> ConvAxis {
        ConvAxis {
            taps: self.kernel,
            stride: self.stride,
            dilation: self.dilation,
            padding: self.padding.0,
            inputs,
            windows,
        }
    }
}

impl Layer for Conv {
    fn kind(&self) -> &'static str {
        if self.dimensions == 1 { CONV1D.name } else { CONV2D.name }
    }

    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        Ok(shape(self.outputs(single(inputs)?)?, self.dimensions))
    }

    fn parameters(&self) -> usize {
        self.weight.len() + self.bias.len()
    }

    fn lower(&self, inputs: &[Vec<usize>]) -> Result<Lowered, String> {
        let input = single(inputs)?;
        let windows = self.outputs(input)?;
        let [out, rows, columns] = windows;
        let planes = planes(input, self.dimensions)?;
        let linear = matrix(&self.weight, self.groups, self.axes, planes, windows)?;
        let each = |i: usize| Interval::point(self.bias[i / (rows * columns)]);
        Ok(Lowered::Affine(AffineMap {
            linear: LinearMap::new(linear),
            bias: (0..out * rows * columns).map(each).collect(),
            exact: None,
        }))
    }

    fn pull_back(
        &self,
        inputs: &[Vec<usize>],
        gradient: &MapGradient<'_>,
    ) -> Result<Vec<(&'static str, ArrayD<f64>)>, String> {
        let input = single(inputs)?;
        let windows = self.outputs(input)?;
        let planes = planes(input, self.dimensions)?;
        let gradient = gradient.matrix();
        let weight =
            kernel_gradient(&self.weight, self.groups, self.axes, planes, windows, &gradient)?;
        let bias = ArrayD::zeros(vec![self.bias.len()]);
        Ok(vec![("weight", in_file(weight, self.dimensions)), ("bias", bias)])
    }

    fn to_json(&self) -> serde_json::Value {
        let from = if self.dimensions == 1 { 1 } else { 0 };
        let axes = &self.axes[from..];
        let mut padding: Vec<usize> = axes.iter().map(|a| a.padding.0).collect();
        padding.extend(axes.iter().map(|a| a.padding.1));
        let weight = in_file(self.weight.clone(), self.dimensions);
        serde_json::json!({
            "type": self.kind(),
            "weight": to_json(&weight),
            "bias": self.bias,
            "stride": axes.iter().map(|a| a.stride).collect::<Vec<_>>(),
            "padding": padding,
            "dilation": axes.iter().map(|a| a.dilation).collect::<Vec<_>>(),
            "groups": self.groups,
        })
    }
}
