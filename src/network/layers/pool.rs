//! Max-pooling and average-pooling over one or two axes.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::window::{Axis, Parameters, PerAxis, per_axis, planes, shape};
use super::{AffineMap, Layer, LayerType, Lowered, ParseError, Parsed, show_shape, single};
use crate::network::linear_map::LinearMap;
use crate::network::slopes::Windows;
use crate::network::tensor::Tensors;
use crate::numeric::{Csr, Interval, Matrix};

macro_rules! layer_type {
    ($name:literal, $kind:expr, $dimensions:literal) => {
        LayerType {
            name: $name,
            parse: |json, tensors| parse(json, tensors, $kind, $dimensions),
            schema: |generator| generator.subschema_for::<Spec>(),
        }
    };
}

/// The layer type `max_pool1d`.
pub const MAX1D: LayerType = layer_type!("max_pool1d", Kind::Max, 1);
/// The layer type `max_pool2d`.
pub const MAX2D: LayerType = layer_type!("max_pool2d", Kind::Max, 2);
/// The layer type `avg_pool1d`.
pub const AVERAGE1D: LayerType = layer_type!("avg_pool1d", Kind::Average, 1);
/// The layer type `avg_pool2d`.
pub const AVERAGE2D: LayerType = layer_type!("avg_pool2d", Kind::Average, 2);
/// The layer type `global_avg_pool`.
pub const GLOBAL: LayerType = LayerType {
    name: "global_avg_pool",
    parse: |json, _| {
        let _: GlobalSpec = serde_json::from_str(json.get())?;
        Ok(Arc::new(GlobalAverage))
    },
    schema: |generator| generator.subschema_for::<GlobalSpec>(),
};

/// What is taken of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The largest element.
    Max,
    /// The mean.
    Average,
}

/// A pooling layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    kind: Kind,
    dimensions: usize,
    axes: [Axis; 2],
    ceil: bool,
    count_padding: bool,
}

/// A pooling over windows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "pooling")]
struct Spec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// The size of the windows.
    kernel_size: PerAxis,
    /// The distance between windows; the size of the windows if absent.
    stride: Option<PerAxis>,
    /// The padding (it never wins a maximum); 0 if absent.
    padding: Option<PerAxis>,
    /// The distance between the elements of a window; 1 if absent.
    dilation: Option<PerAxis>,
    /// Whether a last window may reach beyond the input; false if absent.
    #[serde(default)]
    ceil_mode: bool,
    /// For averages: whether the padding counts as zeros; true if absent.
    count_include_pad: Option<bool>,
}

fn parse(json: &RawValue, _: &mut dyn Tensors, kind: Kind, dimensions: usize) -> Parsed {
    let spec: Spec = serde_json::from_str(json.get())?;
    let kernel = per_axis("kernel_size", Some(&spec.kernel_size), 1, dimensions)
        .map_err(ParseError::Value)?;
    let parameters = Parameters {
        kernel: &kernel,
        stride: Some(spec.stride.as_ref().unwrap_or(&spec.kernel_size)),
        dilation: spec.dilation.as_ref(),
        padding: spec.padding.as_ref(),
    };
    let count_padding = spec.count_include_pad.unwrap_or(true);
    let pool = Pool::new(kind, &parameters, spec.ceil_mode, count_padding);
    Ok(Arc::new(pool.map_err(ParseError::Value)?))
}

impl Pool {
    /// A pooling over windows with one or two axes.
    ///
    /// # Errors
    /// Numbers that do not fit together.
    pub fn new(
        kind: Kind,
        parameters: &Parameters<'_>,
        ceil: bool,
        count_padding: bool,
    ) -> Result<Pool, String> {
        let axes = parameters.axes()?;
        Ok(Pool { kind, dimensions: parameters.kernel.len(), axes, ceil, count_padding })
    }

    fn outputs(&self, input: &[usize]) -> Result<[usize; 3], String> {
        let [c, h, w] = planes(input, self.dimensions)?;
        let rows = self.axes[0].count(h, self.ceil)?;
        Ok([c, rows, self.axes[1].count(w, self.ceil)?])
    }

    /// The elements of each window, in row-major order, and by how many an average divides.
    fn windows(&self, input: &[usize]) -> Result<Vec<(Vec<usize>, usize)>, String> {
        let [_, h, w] = planes(input, self.dimensions)?;
        let [c, rows, columns] = self.outputs(input)?;
        let [vertical, horizontal] = self.axes;
        // With padding counted, the part of a window that reaches beyond the padding does not count.
        let counted = |axis: Axis, window: usize, n: usize| {
            let end = n + axis.padding.0 + axis.padding.1;
            (0..axis.kernel).filter(|tap| window * axis.stride + tap * axis.dilation < end).count()
        };
        let mut windows = Vec::with_capacity(c * rows * columns);
        for i in 0..c * rows * columns {
            let (channel, y, x) = (i / (rows * columns), i / columns % rows, i % columns);
            let mut elements = Vec::new();
            for a in 0..vertical.kernel {
                let Some(row) = vertical.element(y, a, h) else { continue };
                for b in 0..horizontal.kernel {
                    if let Some(column) = horizontal.element(x, b, w) {
                        elements.push((channel * h + row) * w + column);
                    }
                }
            }
            if elements.is_empty() {
                return Err("a window lies in the padding alone; the padding must be smaller than the window".to_owned());
            }
            let divisor = if self.count_padding {
                counted(vertical, y, h) * counted(horizontal, x, w)
            } else {
                elements.len()
            };
            windows.push((elements, divisor));
        }
        Ok(windows)
    }
}

impl Layer for Pool {
    fn kind(&self) -> &'static str {
        match (self.kind, self.dimensions) {
            (Kind::Max, 1) => MAX1D.name,
            (Kind::Max, _) => MAX2D.name,
            (Kind::Average, 1) => AVERAGE1D.name,
            (Kind::Average, _) => AVERAGE2D.name,
        }
    }

    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        Ok(shape(self.outputs(single(inputs)?)?, self.dimensions))
    }

    fn lower(&self, inputs: &[Vec<usize>]) -> Result<Lowered, String> {
        let input = single(inputs)?;
        let windows = self.windows(input)?;
        let size: usize = input.iter().product();
        match self.kind {
            Kind::Max => Ok(Lowered::MaxPool(Windows::new(size, windows.into_iter().map(|w| w.0)))),
            Kind::Average => Ok(Lowered::Affine(averages(size, &windows))),
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let axes = &self.axes[if self.dimensions == 1 { 1 } else { 0 }..];
        let mut padding: Vec<usize> = axes.iter().map(|a| a.padding.0).collect();
        padding.extend(axes.iter().map(|a| a.padding.1));
        let mut json = serde_json::json!({
            "type": self.kind(),
            "kernel_size": axes.iter().map(|a| a.kernel).collect::<Vec<_>>(),
            "stride": axes.iter().map(|a| a.stride).collect::<Vec<_>>(),
            "padding": padding,
            "dilation": axes.iter().map(|a| a.dilation).collect::<Vec<_>>(),
            "ceil_mode": self.ceil,
        });
        if self.kind == Kind::Average {
            json["count_include_pad"] = self.count_padding.into();
        }
        json
    }
}

/// The means of windows: entries 1/n, enclosed where they are not representable.
fn averages(inputs: usize, windows: &[(Vec<usize>, usize)]) -> AffineMap {
    // Windows have at most 2^40 elements, which is exact.
    #[expect(clippy::float_arithmetic, reason = "`error` bounds its rounding")]
    let weight = |divisor: usize| 1.0 / divisor as f64;
    // A correctly rounded quotient is off by less than the distance to its neighbour.
    #[expect(clippy::float_arithmetic, reason = "exact: the distance of neighbours")]
    let error = |divisor: usize| {
        if divisor.is_power_of_two() { 0.0 } else { weight(divisor).next_up() - weight(divisor) }
    };
    let matrix = |entry: &dyn Fn(usize) -> f64| {
        Csr::from_rows(windows.len(), inputs, |i, push| {
            let (elements, divisor) = &windows[i];
            elements.iter().for_each(|&j| push(j, entry(*divisor)));
        })
    };
    let radius = matrix(&error);
    let radius = (radius.entries() > 0).then(|| Matrix::sparse(radius));
    AffineMap {
        linear: LinearMap::with_radius(Matrix::sparse(matrix(&weight)), radius),
        bias: vec![Interval::ZERO; windows.len()],
        exact: None,
    }
}

/// The mean over all spatial positions of each channel; the spatial axes stay, with length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalAverage;

/// The mean over all spatial positions of each channel; the spatial axes stay, with length 1.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "global_avg_pool")]
struct GlobalSpec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
}

impl Layer for GlobalAverage {
    fn kind(&self) -> &'static str {
        GLOBAL.name
    }

    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        match single(inputs)? {
            [channels, rest @ ..] if !rest.is_empty() => {
                Ok(std::iter::once(*channels).chain(rest.iter().map(|_| 1)).collect())
            }
            other => Err(format!(
                "takes channels and spatial axes, but its input has the shape {}",
                show_shape(other)
            )),
        }
    }

    fn lower(&self, inputs: &[Vec<usize>]) -> Result<Lowered, String> {
        let input = single(inputs)?;
        self.output_shape(inputs)?;
        let size: usize = input.iter().product();
        let area = size / input[0];
        let windows: Vec<(Vec<usize>, usize)> =
            (0..input[0]).map(|c| ((c * area..(c + 1) * area).collect(), area)).collect();
        Ok(Lowered::Affine(averages(size, &windows)))
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "type": GLOBAL.name })
    }
}
