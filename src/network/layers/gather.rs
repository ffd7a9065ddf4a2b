//! Layers that only move values: transpose, slice, padding with zeros, concatenation.

use std::sync::Arc;

use ndarray::{ArrayD, Axis, IxDyn, SliceInfoElem};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{AffineMap, Layer, LayerType, Lowered, ParseError, show_shape, single};
use crate::network::linear_map::LinearMap;
use crate::network::size;
use crate::numeric::{Csr, Interval, Matrix};

macro_rules! layer_type {
    ($name:literal, $spec:ty, $make:expr) => {
        LayerType {
            name: $name,
            parse: |json, _| {
                let spec: $spec = serde_json::from_str(json.get())?;
                let make: fn($spec) -> Gather = $make;
                let layer = make(spec);
                layer.check().map_err(ParseError::Value)?;
                Ok(Arc::new(layer))
            },
            schema: |generator| generator.subschema_for::<$spec>(),
        }
    };
}

/// The layer type `transpose`.
pub const TRANSPOSE: LayerType =
    layer_type!("transpose", TransposeSpec, |spec| Gather::Transpose(spec.axes));
/// The layer type `slice`.
pub const SLICE: LayerType = layer_type!("slice", SliceSpec, |spec| Gather::Slice {
    axis: spec.axis,
    start: spec.start,
    end: spec.end,
    step: spec.step.unwrap_or(1),
});
/// The layer type `pad`.
pub const PAD: LayerType =
    layer_type!("pad", PadSpec, |spec| Gather::Pad { before: spec.before, behind: spec.behind });
/// The layer type `concat`.
pub const CONCAT: LayerType = layer_type!("concat", ConcatSpec, |spec| Gather::Concat(spec.axis));

/// A layer each of whose outputs is one of the inputs, or zero. Axes count from 0, without a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Gather {
    /// The axes in a new order.
    Transpose(Vec<usize>),
    /// Every `step`-th index of `start..end` of one axis.
    Slice {
        /// The axis.
        axis: usize,
        /// The first index.
        start: usize,
        /// The index behind the last; the length of the axis if absent.
        end: Option<usize>,
        /// The distance, at least 1.
        step: usize,
    },
    /// Zeros before and behind each axis.
    Pad {
        /// Zeros before each axis.
        before: Vec<usize>,
        /// Zeros behind each axis.
        behind: Vec<usize>,
    },
    /// The inputs side by side along an axis.
    Concat(usize),
}

/// The axes in a new order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "transpose")]
struct TransposeSpec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// The old number of each new axis.
    axes: Vec<usize>,
}

/// A part of one axis.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "slice")]
struct SliceSpec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// The axis.
    axis: usize,
    /// The first index.
    start: usize,
    /// The index behind the last; the length of the axis if absent.
    end: Option<usize>,
    /// The distance between indices; 1 if absent.
    step: Option<usize>,
}

/// Zeros around the input.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "pad")]
struct PadSpec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// Zeros before each axis.
    before: Vec<usize>,
    /// Zeros behind each axis.
    behind: Vec<usize>,
}

/// Several inputs side by side.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "concat")]
struct ConcatSpec {
    #[serde(rename = "type")]
    #[schemars(skip)]
    _type: serde::de::IgnoredAny,
    /// The axis along which the inputs are put together.
    axis: usize,
}

/// The sizes that are refused: nothing trained has them, and products of them could overflow.
const LARGEST: usize = 1 << 24;

impl Gather {
    /// Checks the numbers that do not depend on the input.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Gather::Transpose(axes) => {
                let mut sorted = axes.clone();
                sorted.sort_unstable();
                if sorted.iter().copied().eq(0..axes.len()) {
                    Ok(())
                } else {
                    Err(format!(
                        "axes: found {axes:?}, expected each of 0 to {} once",
                        axes.len().max(1) - 1
                    ))
                }
            }
            Gather::Slice { step: 0, .. } => Err("step: found 0, expected at least 1".to_owned()),
            Gather::Pad { before, behind } if before.len() != behind.len() => {
                Err(format!("before has {} numbers, behind {}", before.len(), behind.len()))
            }
            Gather::Pad { before, behind } if before.iter().chain(behind).any(|&n| n > LARGEST) => {
                Err(format!("more than {LARGEST} zeros"))
            }
            _ => Ok(()),
        }
    }

    /// The shape of the result; no element is touched, because a shape can be far larger than its file.
    ///
    /// # Errors
    /// Inputs that do not fit.
    fn resized(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        if let Gather::Concat(axis) = self {
            return joined(inputs, *axis).ok_or_else(|| {
                let shapes: Vec<String> = inputs.iter().map(|s| show_shape(s)).collect();
                let shapes = shapes.join(", ");
                format!("inputs of shapes {shapes} cannot be put together along axis {axis}")
            });
        }
        let mut shape = single(inputs)?.to_vec();
        let axes = |what: &str, count: usize| {
            let found = show_shape(&shape);
            Err(format!("{what} {count} axes, but its input has the shape {found}"))
        };
        match self {
            Gather::Transpose(order) if order.len() != shape.len() => {
                return axes("orders", order.len());
            }
            Gather::Pad { before, .. } if before.len() != shape.len() => {
                return axes("pads", before.len());
            }
            Gather::Transpose(order) => {
                shape = order.iter().filter_map(|&a| shape.get(a).copied()).collect();
            }
            Gather::Slice { axis, start, end, step } => {
                let length = shape.get(*axis).copied().unwrap_or(0);
                let end = end.unwrap_or(length).min(length);
                if *start >= end {
                    return Err(format!(
                        "axis {axis} from {start} to {end} is empty for an input of shape {}",
                        show_shape(&shape)
                    ));
                }
                shape[*axis] = (end - start).div_ceil(*step);
            }
            Gather::Pad { before, behind } => {
                for (length, (a, b)) in shape.iter_mut().zip(before.iter().zip(behind)) {
                    *length = length.saturating_add(*a).saturating_add(*b);
                }
            }
            Gather::Concat(_) => {}
        }
        Ok(shape)
    }

    /// For each element of the output the number of the input element, counted from 1; 0 for zero.
    fn indices(&self, inputs: &[Vec<usize>]) -> Result<ArrayD<usize>, String> {
        let full = self.resized(inputs)?;
        let mut next = 1;
        let mut arrays: Vec<ArrayD<usize>> = Vec::new();
        for shape in inputs {
            let count = size(shape);
            let numbers = (next..next + count).collect();
            next += count;
            let array = ArrayD::from_shape_vec(IxDyn(shape), numbers);
            arrays.push(array.map_err(|error| error.to_string())?);
        }
        if let Gather::Concat(axis) = self {
            let views: Vec<_> = arrays.iter().map(|a| a.view()).collect();
            return ndarray::concatenate(Axis(*axis), &views).map_err(|e| e.to_string());
        }
        let array = arrays.remove(0);
        let part = |axis: usize, start: usize, length: usize, step: usize| {
            let all = (0..array.ndim()).map(|a| {
                if a != axis {
                    return SliceInfoElem::from(..);
                }
                let end = Some((start + length) as isize);
                SliceInfoElem::Slice { start: start as isize, end, step: step as isize }
            });
            all.collect::<Vec<SliceInfoElem>>()
        };
        match self {
            Gather::Transpose(axes) => Ok(array.permuted_axes(IxDyn(axes))),
            Gather::Slice { axis, start, end, step } => {
                let length = array.shape()[*axis];
                let end = end.unwrap_or(length).min(length);
                // Larger steps take the first element, too.
                let info = part(*axis, *start, end - start, (*step).min(length));
                Ok(array.slice(info.as_slice()).to_owned())
            }
            Gather::Pad { before, .. } => {
                let mut out = ArrayD::zeros(IxDyn(&full));
                let inner = |a: usize| SliceInfoElem::Slice {
                    start: before[a] as isize,
                    end: Some((before[a] + array.shape()[a]) as isize),
                    step: 1,
                };
                let info: Vec<SliceInfoElem> = (0..array.ndim()).map(inner).collect();
                out.slice_mut(info.as_slice()).assign(&array);
                Ok(out)
            }
            Gather::Concat(_) => Ok(array),
        }
    }
}

/// The shape of all inputs put together along an axis; `None` where they do not fit.
fn joined(inputs: &[Vec<usize>], axis: usize) -> Option<Vec<usize>> {
    let (first, rest) = inputs.split_first()?;
    let mut shape = first.clone();
    let mut total = *first.get(axis)?;
    for other in rest {
        let same = |(a, (x, y)): (usize, (&usize, &usize))| a == axis || x == y;
        if other.len() != shape.len() || !first.iter().zip(other).enumerate().all(same) {
            return None;
        }
        total = total.checked_add(other[axis])?;
    }
    shape[axis] = total;
    Some(shape)
}

impl Layer for Gather {
    fn kind(&self) -> &'static str {
        match self {
            Gather::Transpose(_) => TRANSPOSE.name,
            Gather::Slice { .. } => SLICE.name,
            Gather::Pad { .. } => PAD.name,
            Gather::Concat(_) => CONCAT.name,
        }
    }

    fn output_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        self.resized(inputs)
    }

    fn lower(&self, inputs: &[Vec<usize>]) -> Result<Lowered, String> {
        let indices: Vec<usize> = self.indices(inputs)?.iter().copied().collect();
        let columns = inputs.iter().map(|s| size(s)).sum();
        let rows = Csr::from_rows(indices.len(), columns, |i, push| {
            if indices[i] > 0 {
                push(indices[i] - 1, 1.0);
            }
        });
        Ok(Lowered::Affine(AffineMap {
            linear: LinearMap { matrix: Matrix::sparse(rows), radius: None, exponent: 0 },
            bias: vec![Interval::ZERO; indices.len()],
            exact: None,
        }))
    }

    fn to_json(&self) -> serde_json::Value {
        let kind = self.kind();
        match self {
            Gather::Transpose(axes) => serde_json::json!({ "type": kind, "axes": axes }),
            Gather::Slice { axis, start, end, step } => {
                serde_json::json!({ "type": kind, "axis": axis, "start": start, "end": end, "step": step })
            }
            Gather::Pad { before, behind } => {
                serde_json::json!({ "type": kind, "before": before, "behind": behind })
            }
            Gather::Concat(axis) => serde_json::json!({ "type": kind, "axis": axis }),
        }
    }
}
