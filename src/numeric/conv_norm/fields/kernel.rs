//! The kernel of a convolution as rows of a product are multiplied with it.

use ndarray::{Array2, Axis, s};

use super::ConvolutionMatrix;

/// The kernel of a map as [`super::Fields::step`] multiplies with it: for each tap, the parts that hold entries.
#[derive(Debug)]
pub struct TransposedKernel {
    pub(super) taps: Vec<Vec<Piece>>,
    /// The channels of the rows of the map.
    pub(super) rows: usize,
}

/// Some entries of a tap: channels of the columns x channels of the rows, from these on.
#[derive(Debug)]
pub(super) struct Piece {
    pub column: usize,
    pub row: usize,
    pub entries: Array2<f64>,
}

impl TransposedKernel {
    /// That of a map. The channels of a group have nothing to do with those of another.
    pub fn new(map: &ConvolutionMatrix) -> TransposedKernel {
        let kernel = map.convolution.scaled_kernel();
        let groups = map.convolution.groups;
        let (out, per_group, height, width) = kernel.dim();
        let of_group = out / groups;
        let piece = |k: usize, group: usize| {
            let outputs = group * of_group..(group + 1) * of_group;
            let taps = kernel.slice(s![outputs, .., k / width, k % width]);
            let (outputs, inputs) = (group * of_group, group * per_group);
            if map.transposed {
                Piece { column: outputs, row: inputs, entries: taps.to_owned() }
            } else {
                let entries = taps.t().as_standard_layout().into_owned();
                Piece { column: inputs, row: outputs, entries }
            }
        };
        let tap = |k: usize| (0..groups).filter_map(|group| piece(k, group).trimmed()).collect();
        let rows = if map.transposed { per_group * groups } else { out };
        TransposedKernel { taps: (0..height * width).map(tap).collect(), rows }
    }
}

impl Piece {
    /// Without channels at either end that hold zeros alone, as those of a selection do at all taps but one;
    /// `None` where all of them do.
    fn trimmed(self) -> Option<Piece> {
        let used = |axis: usize| {
            let mut lanes = self.entries.axis_iter(Axis(axis)).map(|x| x.iter().any(|&x| x != 0.0));
            let first = lanes.clone().position(|used| used)?;
            Some(first..lanes.rposition(|used| used)? + 1)
        };
        let (columns, rows) = (used(0)?, used(1)?);
        if (columns.len(), rows.len()) == self.entries.dim() {
            return Some(self);
        }
        let (column, row) = (self.column + columns.start, self.row + rows.start);
        Some(Piece { column, row, entries: self.entries.slice(s![columns, rows]).to_owned() })
    }
}
