//! Transposed convolutions over one or two axes.

use std::sync::Arc;

use ndarray::{Array4, ArrayD};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::conv::{Geometry, channel_bias, in_file, kernel, kernel_gradient, matrix};
use super::window::{Axis, Parameters, PerAxis, per_axis, planes, shape};
use super::{AffineMap, Layer, LayerType, Lowered, ParseError, Parsed, show_shape, single};
use crate::network::linear_map::LinearMap;
use crate::network::pull_back::MapGradient;
use crate::network::tensor::{TensorSource, Tensors, to_json};
use crate::numeric::Interval;

/// The layer type `conv_transpose1d`.
pub const CONV1D: LayerType = LayerType {
    name: "conv_transpose1d",
    parse: |json, tensors| parse(json, tensors, 1),
    schema: |generator| generator.subschema_for::<Spec>(),
};

/// The layer type `conv_transpose2d`.
pub const CONV2D: LayerType = LayerType {
    name: "conv_transpose2d",
    parse: |json, tensors| parse(json, tensors, 2),
    schema: |generator| generator.subschema_for::<Spec>(),
};

/// A transposed convolution: the transpose of the linear part of a convolution, plus a bias.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvTranspose {
    dimensions: usize,
    /// Input channels x output channels of a group x height x width.
    weight: Array4<f64>,
    bias: Vec<f64>,
    axes: [Axis; 2],
    output_padding: [usize; 2],
    groups: usize,
}

/// A transposed convolution.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "transposed_convolution")]
struct Spec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// The kernel: input channels x output channels per group x spatial axes.
    weight: Option<TensorSource>,
    /// One number for each output channel; zero if absent.
    bias: Option<TensorSource>,
    /// The distance between the windows of the convolution; 1 if absent.
    stride: Option<PerAxis>,
    /// The padding of the convolution: what is cut off around the output; 0 if absent.
    padding: Option<PerAxis>,
    /// Elements added behind the output; 0 if absent.
    output_padding: Option<PerAxis>,
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
    let extra = spec.output_padding.as_ref();
    let layer = ConvTranspose::new(dimensions, weight, bias, &geometry, extra);
    Ok(Arc::new(layer.map_err(ParseError::Value)?))
}

impl ConvTranspose {
    /// A transposed convolution over `dimensions` (1 or 2) axes. The weight has shape input channels x
    /// output channels per group x spatial axes, the bias one entry for each output channel.
    ///
    /// # Errors
    /// Shapes and numbers that do not fit together.
    pub fn new(
        dimensions: usize,
        weight: ArrayD<f64>,
        bias: Option<ArrayD<f64>>,
        geometry: &Geometry,
        output_padding: Option<&PerAxis>,
    ) -> Result<ConvTranspose, String> {
        let weight = kernel(weight, dimensions)?;
        let (inputs, per_group, height, width) = weight.dim();
        let groups = geometry.groups;
        if groups == 0 || !inputs.is_multiple_of(groups) {
            return Err(format!(
                "groups: {inputs} input channels cannot be split into {groups} groups"
            ));
        }
        let taps = if dimensions == 1 { vec![width] } else { vec![height, width] };
        let parameters = Parameters {
            kernel: &taps,
            stride: geometry.stride.as_ref(),
            dilation: geometry.dilation.as_ref(),
            padding: geometry.padding.as_ref(),
        };
        let extra = per_axis("output_padding", output_padding, 0, dimensions)?;
        let output_padding = if dimensions == 1 { [0, extra[0]] } else { [extra[0], extra[1]] };
        let bias = channel_bias(bias, per_group * groups)?;
        Ok(ConvTranspose {
            dimensions,
            bias,
            axes: parameters.axes()?,
            output_padding,
            groups,
            weight,
        })
    }

    fn outputs(&self, input: &[usize]) -> Result<[usize; 3], String> {
        let [c, h, w] = planes(input, self.dimensions)?;
        if c != self.weight.dim().0 {
            return Err(format!(
                "its kernel takes {} channels, but its input has {c} ({})",
                self.weight.dim().0,
                show_shape(input)
            ));
        }
        let length = |axis: Axis, n: usize, extra: usize| {
            let full = (n.max(1) - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1 + extra;
            full.checked_sub(axis.padding.0 + axis.padding.1).filter(|&n| n > 0).ok_or_else(|| {
                format!("its padding leaves nothing of an input of shape {}", show_shape(input))
            })
        };
        let [vertical, horizontal] = self.axes;
        Ok([
            self.bias.len(),
            length(vertical, h, self.output_padding[0])?,
            length(horizontal, w, self.output_padding[1])?,
        ])
    }
}

impl Layer for ConvTranspose {
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
        let outputs = self.outputs(input)?;
        let [out, rows, columns] = outputs;
        let planes = planes(input, self.dimensions)?;
        // The convolution that it transposes goes from the outputs to the inputs.
        let transposed = matrix(&self.weight, self.groups, self.axes, outputs, planes)?;
        let each = |i: usize| Interval::point(self.bias[i / (rows * columns)]);
        Ok(Lowered::Affine(AffineMap {
            linear: LinearMap::new(transposed.transposed()),
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
        let outputs = self.outputs(input)?;
        let planes = planes(input, self.dimensions)?;
        let gradient = gradient.matrix().transposed();
        let weight =
            kernel_gradient(&self.weight, self.groups, self.axes, outputs, planes, &gradient)?;
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
            "output_padding": self.output_padding[from..].to_vec(),
            "dilation": axes.iter().map(|a| a.dilation).collect::<Vec<_>>(),
            "groups": self.groups,
        })
    }
}
