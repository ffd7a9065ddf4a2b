//! One convolution from blocks of a matrix.
//!
//! The maps of a residual block, `x -> (W x, x)` and `(h, p) -> W h + p`, consist of convolutions and
//! selections beside and above each other. Over the same windows of the same elements they are one
//! convolution with more channels: a selection, or a convolution with fewer taps, has its entries at those taps
//! that lie over the same elements, and zeros at the others. Entries are only copied, and each block is one
//! whose every entry is found in the kernel and the other way round, so nothing is rounded.

use std::collections::BTreeMap;

use ndarray::Array4;

use super::{ConvAxis, Convolution};
use crate::numeric::sparse::Csr;

/// A convolution that is being put together.
#[derive(Debug)]
pub struct Assembled {
    kernel: Array4<f64>,
    axes: [ConvAxis; 2],
}

impl Assembled {
    /// Nothing yet, with room for a matrix of this shape and the taps of these axes; `None` where rows or columns
    /// are not whole channels.
    pub fn new((rows, columns): (usize, usize), axes: [ConvAxis; 2]) -> Option<Assembled> {
        let [windows, inputs] = planes(&axes);
        let fits = rows.is_multiple_of(windows) && columns.is_multiple_of(inputs);
        let shape = (rows / windows, columns / inputs, axes[0].taps, axes[1].taps);
        fits.then(|| Assembled { kernel: Array4::zeros(shape), axes })
    }

    /// Adds the matrix of a convolution whose first row and column are these; `None` where it is none over the
    /// same windows.
    pub fn add_convolution(
        &mut self,
        (row, column): (usize, usize),
        convolution: &Convolution,
    ) -> Option<()> {
        let [windows, inputs] = planes(&self.axes);
        if !row.is_multiple_of(windows) || !column.is_multiple_of(inputs) {
            return None;
        }
        let taps = |k: usize| same_taps(&convolution.axes[k], &self.axes[k]);
        let (vertical, horizontal) = (taps(0)?, taps(1)?);
        let kernel = convolution.scaled_kernel();
        let (out, per_group, ..) = kernel.dim();
        let of_group = out / convolution.groups;
        for ((o, k, a, b), &x) in kernel.indexed_iter() {
            if let (Some(a), Some(b)) = (vertical[a], horizontal[b]) {
                let input = o / of_group * per_group + k;
                self.kernel[[row / windows + o, column / inputs + input, a, b]] = x;
            }
        }
        Some(())
    }

    /// Adds a matrix whose first row and column are these; `None` where it is no convolution over these windows.
    pub fn add_sparse(&mut self, (row, column): (usize, usize), matrix: &Csr) -> Option<()> {
        let [windows, inputs] = planes(&self.axes);
        let [vertical, horizontal] = self.axes;
        let tap = |axis: &ConvAxis, window: usize, element: usize| {
            (0..axis.taps).find(|&tap| axis.element(window, tap) == Some(element))
        };
        // Of each tap its entry, and how often it is met.
        let mut found: BTreeMap<[usize; 4], (f64, usize)> = BTreeMap::new();
        for i in 0..matrix.rows() {
            let (o, window) = ((row + i) / windows, (row + i) % windows);
            for (j, x) in matrix.row(i) {
                let (k, element) = ((column + j) / inputs, (column + j) % inputs);
                let (width, across) = (horizontal.windows, horizontal.inputs);
                let a = tap(&vertical, window / width, element / across)?;
                let b = tap(&horizontal, window % width, element % across)?;
                let (value, count) = found.entry([o, k, a, b]).or_insert((x, 0));
                if value.to_bits() != x.to_bits() {
                    return None;
                }
                *count += 1;
            }
        }
        for ([o, k, a, b], (value, count)) in found {
            if count != touched(&vertical, a) * touched(&horizontal, b) {
                return None;
            }
            self.kernel[[o, k, a, b]] = value;
        }
        Some(())
    }

    /// The convolution.
    pub fn convolution(self) -> Option<Convolution> {
        Convolution::new(self.kernel, 1, self.axes)
    }
}

/// The number of windows and of elements of a channel.
fn planes(axes: &[ConvAxis; 2]) -> [usize; 2] {
    [axes[0].windows * axes[1].windows, axes[0].inputs * axes[1].inputs]
}

/// The number of windows in which a tap lies over an element.
fn touched(axis: &ConvAxis, tap: usize) -> usize {
    (0..axis.windows).filter(|&window| axis.element(window, tap).is_some()).count()
}

/// For each tap of `from` that of `to` over the same element in every window, `None` for one that lies over no
/// element in any window; `None` where there is no such tap, or other windows or elements.
fn same_taps(from: &ConvAxis, to: &ConvAxis) -> Option<Vec<Option<usize>>> {
    if (from.windows, from.inputs) != (to.windows, to.inputs) {
        return None;
    }
    let elements =
        |axis: &ConvAxis, tap| (0..axis.windows).map(move |w| axis.element(w, tap)).collect();
    let all: Vec<Vec<Option<usize>>> = (0..to.taps).map(|tap| elements(to, tap)).collect();
    let of = |tap: usize| {
        let wanted: Vec<Option<usize>> = elements(from, tap);
        if wanted.iter().all(Option::is_none) {
            return Some(None);
        }
        all.iter().position(|found| *found == wanted).map(Some)
    };
    (0..from.taps).map(of).collect()
}

#[cfg(test)]
#[path = "assembled_tests.rs"]
mod tests;
