//! The geometry that convolutions and poolings share: windows that slide over one or two axes.
//!
//! A signal of shape channels x length is treated as channels x 1 x length, so that all code is for two
//! axes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::show_shape;

/// One number for all spatial axes, or one for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PerAxis {
    /// The same for every axis.
    All(usize),
    /// One for each axis (for paddings also two for each: all at the beginning, then all at the end).
    Each(Vec<usize>),
}

/// Windows along one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// The number of taps.
    pub kernel: usize,
    /// The distance between windows.
    pub stride: usize,
    /// The distance between taps.
    pub dilation: usize,
    /// Padding before and behind.
    pub padding: (usize, usize),
}

/// The sizes that are refused: nothing trained has them, and products of them could overflow.
const LARGEST: usize = 1 << 20;

impl Axis {
    /// The number of windows over `length` elements; with `ceil` a last window that starts inside the
    /// padded input may reach beyond it (PyTorch's rule: it must start before the padding behind).
    ///
    /// # Errors
    /// A window that is longer than the padded input.
    pub fn count(self, length: usize, ceil: bool) -> Result<usize, String> {
        let reach = (self.kernel - 1) * self.dilation + 1;
        let padded = length + self.padding.0 + self.padding.1;
        if reach > padded {
            return Err(format!(
                "a window of {reach} does not fit into {padded} elements (padding included)"
            ));
        }
        let free = padded - reach;
        let mut count = free / self.stride + 1;
        if ceil
            && !free.is_multiple_of(self.stride)
            && count * self.stride < length + self.padding.0
        {
            count += 1;
        }
        Ok(count)
    }

    /// The element under tap `tap` of window `window`; `None` in the padding.
    pub fn element(self, window: usize, tap: usize, length: usize) -> Option<usize> {
        let position = window * self.stride + tap * self.dilation;
        position.checked_sub(self.padding.0).filter(|&i| i < length)
    }
}

/// The parameters of a sliding window as a file gives them.
pub struct Parameters<'a> {
    /// The number of taps on each axis.
    pub kernel: &'a [usize],
    /// The distance between windows; 1 if absent.
    pub stride: Option<&'a PerAxis>,
    /// The distance between taps; 1 if absent.
    pub dilation: Option<&'a PerAxis>,
    /// The padding; 0 if absent.
    pub padding: Option<&'a PerAxis>,
}

impl Parameters<'_> {
    /// The two axes.
    ///
    /// # Errors
    /// A number that is zero or absurd, or the wrong number of them.
    pub fn axes(&self) -> Result<[Axis; 2], String> {
        let dimensions = self.kernel.len();
        if dimensions == 0 || dimensions > 2 {
            return Err(format!("windows have one or two axes, found {dimensions}"));
        }
        let stride = per_axis("stride", self.stride, 1, dimensions)?;
        let dilation = per_axis("dilation", self.dilation, 1, dimensions)?;
        let (before, behind) = paddings(self.padding, dimensions)?;
        let axis = |d: usize| Axis {
            kernel: self.kernel[d],
            stride: stride[d],
            dilation: dilation[d],
            padding: (before[d], behind[d]),
        };
        for d in 0..dimensions {
            let a = axis(d);
            let sizes = [a.kernel, a.stride, a.dilation];
            if sizes.iter().any(|&n| n == 0 || n > LARGEST)
                || a.padding.0.max(a.padding.1) > LARGEST
            {
                return Err(format!(
                    "kernel {}, stride {} and dilation {} must be between 1 and {LARGEST}",
                    a.kernel, a.stride, a.dilation
                ));
            }
        }
        let trivial = Axis { kernel: 1, stride: 1, dilation: 1, padding: (0, 0) };
        Ok(if dimensions == 1 { [trivial, axis(0)] } else { [axis(0), axis(1)] })
    }
}

/// One number for each axis.
///
/// # Errors
/// The wrong number of them.
pub fn per_axis(
    what: &str,
    values: Option<&PerAxis>,
    default: usize,
    dimensions: usize,
) -> Result<Vec<usize>, String> {
    match values {
        None => Ok(vec![default; dimensions]),
        Some(PerAxis::All(n)) => Ok(vec![*n; dimensions]),
        Some(PerAxis::Each(values)) if values.len() == dimensions => Ok(values.clone()),
        Some(PerAxis::Each(values)) => {
            Err(format!("{what} has {} numbers, expected {dimensions}", values.len()))
        }
    }
}

fn paddings(
    values: Option<&PerAxis>,
    dimensions: usize,
) -> Result<(Vec<usize>, Vec<usize>), String> {
    if let Some(PerAxis::Each(values)) = values
        && values.len() == 2 * dimensions
    {
        return Ok((values[..dimensions].to_vec(), values[dimensions..].to_vec()));
    }
    let both = per_axis("padding", values, 0, dimensions)?;
    Ok((both.clone(), both))
}

/// The channels, height and width of a shape with `dimensions` spatial axes.
///
/// # Errors
/// Another number of axes.
pub fn planes(shape: &[usize], dimensions: usize) -> Result<[usize; 3], String> {
    match (shape, dimensions) {
        (&[c, n], 1) => Ok([c, 1, n]),
        (&[c, h, w], 2) => Ok([c, h, w]),
        _ => Err(format!(
            "takes channels and {dimensions} spatial axes, but its input has the shape {}",
            show_shape(shape)
        )),
    }
}

/// The shape of planes with `dimensions` spatial axes.
pub fn shape([c, h, w]: [usize; 3], dimensions: usize) -> Vec<usize> {
    if dimensions == 1 { vec![c, w] } else { vec![c, h, w] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_counts_follow_pytorch() {
        let axis = |kernel, stride, padding| Axis {
            kernel,
            stride,
            dilation: 1,
            padding: (padding, padding),
        };
        // Values from the formula in the documentation of torch.nn.MaxPool2d.
        assert_eq!(axis(3, 1, 0).count(28, false), Ok(26));
        assert_eq!(axis(2, 2, 0).count(11, false), Ok(5));
        assert_eq!(axis(2, 2, 0).count(11, true), Ok(6));
        assert_eq!(axis(4, 2, 1).count(28, false), Ok(14));
        // The window that would start in the padding behind is dropped: 1 + ceil((3 + 2 - 2) / 4) = 2.
        assert_eq!(axis(2, 4, 1).count(3, true), Ok(1));
        assert!(axis(5, 1, 0).count(3, false).is_err());
    }
}
