//! The matrix of a convolution, used without being written out.
//!
//! Row `(o, p)` of the matrix holds the kernel's entries of output channel `o` at the taps that lie over
//! the input in window `p`. Windows over which the same taps lie are shifts of each other, so everything
//! that is asked of their rows needs one copy of the kernel for all of them: along an axis there is a
//! class of windows in the interior and a few at the borders ([`Classes`]). The transpose is of the same
//! form, with the elements of the input in place of the windows (one class more for each phase of a
//! stride).
//!
//! - A row sum of absolute values depends on the channel and the class alone.
//! - A product with a block of columns is, for each class, one matrix product of the part of the kernel
//!   at its taps with the elements of the block under them. The terms of each dot product are those of
//!   the row, so the error is that of [`crate::numeric::product::DotError`] with as many terms. Windows
//!   over zeros alone are left out.

mod tasks;

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::{ConvAxis, Convolution};
use crate::numeric::product::{multiply, zeros};
use crate::numeric::rounding::add_up;
use crate::numeric::sparse::Csr;
use tasks::{ColumnBlock, Task};

/// The targets along one axis (windows, or elements of the input for the transpose) by the taps that
/// touch them.
type Classes = Vec<Class>;

/// Targets that are touched by the same taps.
struct Class {
    taps: Vec<usize>,
    /// Each target with its source under each of the taps.
    targets: Vec<(usize, Vec<usize>)>,
}

fn classes(axis: &ConvAxis, transposed: bool) -> Classes {
    let count = if transposed { axis.inputs } else { axis.windows };
    let mut touched: Vec<(Vec<usize>, Vec<usize>)> = vec![Default::default(); count];
    for tap in 0..axis.taps {
        for window in 0..axis.windows {
            let Some(element) = axis.element(window, tap) else { continue };
            let (target, source) = if transposed { (element, window) } else { (window, element) };
            touched[target].0.push(tap);
            touched[target].1.push(source);
        }
    }
    let mut classes: BTreeMap<Vec<usize>, Vec<(usize, Vec<usize>)>> = BTreeMap::new();
    for (target, (taps, sources)) in touched.into_iter().enumerate() {
        classes.entry(taps).or_default().push((target, sources));
    }
    classes.into_iter().map(|(taps, targets)| Class { taps, targets }).collect()
}

impl ConvAxis {
    /// The elements under a window, or the windows over an element for the transpose, in increasing
    /// order, each with the tap that lies there.
    pub(super) fn sources(&self, transposed: bool, target: usize) -> Vec<(usize, usize)> {
        if !transposed {
            return (0..self.taps).filter_map(|o| Some((self.element(target, o)?, o))).collect();
        }
        let over = |o: usize| {
            let first = (target + self.padding).checked_sub(o * self.dilation)?;
            let window = first / self.stride;
            let fits = first % self.stride == 0 && window < self.windows;
            fits.then_some((window, o))
        };
        (0..self.taps).rev().filter_map(over).collect()
    }
}

/// The rows of one group of channels and one pair of classes.
struct Shifts<'a> {
    group: usize,
    vertical: &'a Class,
    horizontal: &'a Class,
}

/// One side of a convolution: channels of a group x height x width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Side {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Side {
    fn index(self, group: usize, channel: usize, y: usize, x: usize) -> usize {
        ((group * self.channels + channel) * self.height + y) * self.width + x
    }
}

impl Convolution {
    /// The vertical and the horizontal axis.
    pub fn axes(&self) -> &[ConvAxis; 2] {
        &self.axes
    }

    /// The number of taps of an input channel.
    pub fn taps(&self) -> usize {
        self.axes[0].taps * self.axes[1].taps
    }

    /// The number of bytes of the kernel.
    pub fn kernel_bytes(&self) -> usize {
        8 * self.kernel.len()
    }

    /// The rows and columns of the matrix, or of its transpose.
    pub fn matrix_shape(&self, transposed: bool) -> (usize, usize) {
        let (rows, columns) = self.shape();
        if transposed { (columns, rows) } else { (rows, columns) }
    }

    /// The number of entries of the matrix: of all windows, the taps that lie over the input.
    pub fn matrix_entries(&self) -> usize {
        let touched = |axis: &ConvAxis| {
            (0..axis.taps)
                .map(|o| (0..axis.windows).filter(|&p| axis.element(p, o).is_some()).count())
                .sum::<usize>()
        };
        let (out, per_group, ..) = self.kernel.dim();
        out * per_group * touched(&self.axes[0]) * touched(&self.axes[1])
    }

    /// The largest number of entries in a row of the matrix, or of its transpose.
    pub fn longest_row(&self, transposed: bool) -> usize {
        let longest = |axis: &ConvAxis| {
            classes(axis, transposed).iter().map(|c| c.taps.len()).max().unwrap_or(0)
        };
        self.side(!transposed).channels * longest(&self.axes[0]) * longest(&self.axes[1])
    }

    /// The convolution with every entry of its kernel mapped.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Convolution {
        self.with_kernel(self.scaled_kernel().mapv_into(f))
    }

    /// An upper bound of the sum of two convolutions; `None` unless their kernels have the same shape and
    /// lie in the same way.
    pub fn sum_up(&self, other: &Convolution) -> Option<Convolution> {
        let mut kernel = self.scaled_kernel();
        let same = self.axes == other.axes
            && self.groups == other.groups
            && kernel.dim() == other.kernel.dim();
        same.then(|| {
            kernel.zip_mut_with(&other.scaled_kernel(), |a, &b| *a = add_up(*a, b));
            self.with_kernel(kernel)
        })
    }

    fn with_kernel(&self, kernel: ndarray::Array4<f64>) -> Convolution {
        Convolution { kernel: std::sync::Arc::new(kernel), exponent: 0, ..self.clone() }
    }

    /// The targets or the sources of the windows: the output of the convolution, or its input.
    pub(super) fn side(&self, input: bool) -> Side {
        let (out, per_group, ..) = self.kernel.dim();
        let size = |axis: &ConvAxis| if input { axis.inputs } else { axis.windows };
        Side {
            channels: if input { per_group } else { out / self.groups },
            height: size(&self.axes[0]),
            width: size(&self.axes[1]),
        }
    }

    /// The part of the kernel that lies over the input in these rows, `f` being applied to its entries:
    /// channels of the group that are targets x (channels of the group that are sources, taps, taps).
    fn kernel_of(
        &self,
        rows: &Shifts<'_>,
        transposed: bool,
        f: impl Fn(f64) -> f64,
    ) -> Array2<f64> {
        let (targets, sources) = (self.side(transposed).channels, self.side(!transposed).channels);
        let outputs = self.side(false).channels;
        let (vertical, horizontal) = (&rows.vertical.taps, &rows.horizontal.taps);
        let (scaled, width) = (self.scaling(), vertical.len() * horizontal.len());
        let mut part = Array2::zeros((targets, sources * width));
        for (target, mut row) in part.outer_iter_mut().enumerate() {
            let Some(row) = row.as_slice_mut() else { continue };
            for (source, entries) in row.chunks_mut(width.max(1)).enumerate() {
                let (o, k) = if transposed { (source, target) } else { (target, source) };
                let taps = self.kernel.slice(s![rows.group * outputs + o, k, .., ..]);
                let positions =
                    vertical.iter().flat_map(|&a| horizontal.iter().map(move |&b| [a, b]));
                for (entry, tap) in entries.iter_mut().zip(positions) {
                    *entry = f(scaled(taps[tap]));
                }
            }
        }
        part
    }

    /// The product of the matrix, or of its transpose, with a block of columns, `f` being applied to the
    /// entries of the matrix, with rounding to nearest. The result takes the place of what is in `memory`.
    pub fn apply(
        &self,
        transposed: bool,
        x: ArrayView2<'_, f64>,
        f: impl Fn(f64) -> f64 + Sync,
        memory: Vec<f64>,
    ) -> Array2<f64> {
        let x = x.as_standard_layout();
        let (targets, sources) = (self.side(transposed), self.side(!transposed));
        let mut y = zeros((self.matrix_shape(transposed).0, x.ncols()), memory);
        if y.is_empty() {
            return y;
        }
        let mut blocks = ColumnBlock::of(sources, self.groups, x.view(), &mut y);
        let (vertical, horizontal) =
            (classes(&self.axes[0], transposed), classes(&self.axes[1], transposed));
        let tasks: Vec<(Shifts<'_>, Vec<Task<'_>>)> = self
            .shifts(&vertical, &horizontal)
            .map(|rows| {
                let of_block = |block| rows.tasks([targets, sources], block);
                let tasks = blocks.iter_mut().flat_map(of_block).collect();
                (rows, tasks)
            })
            .collect();
        tasks.into_par_iter().filter(|(_, tasks)| !tasks.is_empty()).for_each(|(rows, tasks)| {
            let kernel = self.kernel_of(&rows, transposed, &f);
            // One buffer for each thread, as asking for and giving back such sizes takes time.
            tasks.into_par_iter().for_each_init(Vec::new, |buffer, task| {
                let gathered = rows.gathered(sources, &task, x.view(), buffer);
                task.write(multiply(kernel.view(), gathered).view());
            });
        });
        y
    }

    /// The sets of rows that are shifts of each other.
    fn shifts<'a>(
        &self,
        vertical: &'a Classes,
        horizontal: &'a Classes,
    ) -> impl Iterator<Item = Shifts<'a>> {
        (0..self.groups).flat_map(move |group| {
            vertical.iter().flat_map(move |vertical| {
                horizontal.iter().map(move |horizontal| Shifts { group, vertical, horizontal })
            })
        })
    }

    /// Upper bounds of the sums of the absolute values of each row of the matrix or of its transpose.
    pub fn row_abs_sums_up(&self, transposed: bool) -> Vec<f64> {
        let mut sums = vec![0.0; self.matrix_shape(transposed).0];
        let targets = self.side(transposed);
        let (vertical, horizontal) =
            (classes(&self.axes[0], transposed), classes(&self.axes[1], transposed));
        let shifts: Vec<Shifts<'_>> = self.shifts(&vertical, &horizontal).collect();
        let of_channels = |rows: &Shifts<'_>| -> Vec<f64> {
            let kernel = self.kernel_of(rows, transposed, f64::abs);
            kernel.outer_iter().map(|row| row.iter().copied().fold(0.0, add_up)).collect()
        };
        let found: Vec<Vec<f64>> = shifts.par_iter().map(of_channels).collect();
        for (rows, found) in shifts.iter().zip(found) {
            for (channel, sum) in found.into_iter().enumerate() {
                for place in rows.places() {
                    sums[rows.target(targets, channel, place)] = sum;
                }
            }
        }
        sums
    }

    /// Calls `entry(column, index in the kernel)` for the entries of row `i` of the matrix or of its
    /// transpose, in the order of the columns.
    pub fn for_row(&self, transposed: bool, i: usize, mut entry: impl FnMut(usize, [usize; 4])) {
        let (targets, sources) = (self.side(transposed), self.side(!transposed));
        let outputs = self.side(false).channels;
        let plane = targets.height * targets.width;
        let (channel, y, x) = (i / plane, i % plane / targets.width, i % targets.width);
        let (group, target) = (channel / targets.channels, channel % targets.channels);
        let vertical = self.axes[0].sources(transposed, y);
        let horizontal = self.axes[1].sources(transposed, x);
        for source in 0..sources.channels {
            let (o, k) = if transposed { (source, target) } else { (target, source) };
            for &(row, a) in &vertical {
                for &(column, b) in &horizontal {
                    let j = sources.index(group, source, row, column);
                    entry(j, [group * outputs + o, k, a, b]);
                }
            }
        }
    }

    /// The matrix written out.
    pub fn to_sparse(&self) -> Csr {
        let kernel = self.scaled_kernel();
        let (rows, columns) = self.shape();
        Csr::from_rows(rows, columns, |i, push| {
            self.for_row(false, i, |j, tap| push(j, kernel[tap]))
        })
    }
}

impl Shifts<'_> {
    /// The targets, by their numbers in both classes.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let across = self.horizontal.targets.len();
        (0..self.vertical.targets.len()).flat_map(move |v| (0..across).map(move |h| (v, h)))
    }

    /// The row of a channel and a place.
    fn target(&self, targets: Side, channel: usize, (v, h): (usize, usize)) -> usize {
        let (y, x) = (self.vertical.targets[v].0, self.horizontal.targets[h].0);
        targets.index(self.group, channel, y, x)
    }
}
