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
//!   the row, so the error is that of [`crate::numeric::product::DotError`] with as many terms.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use super::{ConvAxis, Convolution};
use crate::numeric::product::multiply;
use crate::numeric::rounding::add_up;
use crate::numeric::sparse::Csr;

/// Entries of the gathered blocks that one task multiplies: 1 MiB.
const TASK_ENTRIES: usize = 1 << 17;

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

/// The rows of one group of channels and one pair of classes.
struct Shifts<'a> {
    group: usize,
    vertical: &'a Class,
    horizontal: &'a Class,
    /// Channels of the group that are targets x (channels of the group that are sources, taps, taps).
    kernel: Array2<f64>,
}

/// One side of a convolution: channels of a group x height x width.
#[derive(Clone, Copy)]
struct Side {
    channels: usize,
    height: usize,
    width: usize,
}

impl Side {
    fn index(self, group: usize, channel: usize, y: usize, x: usize) -> usize {
        ((group * self.channels + channel) * self.height + y) * self.width + x
    }
}

impl Convolution {
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
    fn side(&self, input: bool) -> Side {
        let (out, per_group, ..) = self.kernel.dim();
        let size = |axis: &ConvAxis| if input { axis.inputs } else { axis.windows };
        Side {
            channels: if input { per_group } else { out / self.groups },
            height: size(&self.axes[0]),
            width: size(&self.axes[1]),
        }
    }

    /// Calls `use_rows` for each set of rows that are shifts of each other, `f` being applied to the
    /// entries of the kernel.
    fn for_shifts(
        &self,
        transposed: bool,
        f: impl Fn(f64) -> f64,
        mut use_rows: impl FnMut(&Shifts<'_>),
    ) {
        let kernel = self.scaled_kernel();
        let (vertical, horizontal) =
            (classes(&self.axes[0], transposed), classes(&self.axes[1], transposed));
        let (targets, sources) = (self.side(transposed).channels, self.side(!transposed).channels);
        let outputs = self.side(false).channels;
        for group in 0..self.groups {
            for vertical in &vertical {
                for horizontal in &horizontal {
                    let terms = sources * vertical.taps.len() * horizontal.taps.len();
                    let mut entries = Vec::with_capacity(targets * terms);
                    for target in 0..targets {
                        for source in 0..sources {
                            let (o, k) =
                                if transposed { (source, target) } else { (target, source) };
                            let taps = kernel.slice(s![group * outputs + o, k, .., ..]);
                            for &a in &vertical.taps {
                                entries.extend(horizontal.taps.iter().map(|&b| f(taps[[a, b]])));
                            }
                        }
                    }
                    // As many as were pushed.
                    let Ok(kernel) = Array2::from_shape_vec((targets, terms), entries) else {
                        continue;
                    };
                    use_rows(&Shifts { group, vertical, horizontal, kernel });
                }
            }
        }
    }

    /// The product of the matrix, or of its transpose, with a block of columns, `f` being applied to the
    /// entries of the matrix, with rounding to nearest.
    pub fn apply(
        &self,
        transposed: bool,
        x: ArrayView2<'_, f64>,
        f: impl Fn(f64) -> f64,
    ) -> Array2<f64> {
        let x = x.as_standard_layout();
        let mut y = Array2::zeros((self.matrix_shape(transposed).0, x.ncols()));
        let (targets, sources) = (self.side(transposed), self.side(!transposed));
        self.for_shifts(transposed, f, |rows| {
            rows.apply(targets, sources, x.view(), y.view_mut());
        });
        y
    }

    /// Upper bounds of the sums of the absolute values of each row of the matrix or of its transpose.
    pub fn row_abs_sums_up(&self, transposed: bool) -> Vec<f64> {
        let mut sums = vec![0.0; self.matrix_shape(transposed).0];
        let targets = self.side(transposed);
        self.for_shifts(transposed, f64::abs, |rows| {
            for (channel, row) in rows.kernel.outer_iter().enumerate() {
                let sum = row.iter().copied().fold(0.0, add_up);
                for (y, _) in &rows.vertical.targets {
                    for (x, _) in &rows.horizontal.targets {
                        sums[targets.index(rows.group, channel, *y, *x)] = sum;
                    }
                }
            }
        });
        sums
    }

    /// The columns of the entries of row `i` of the matrix or of its transpose, in increasing order.
    pub fn row_support(&self, transposed: bool, i: usize) -> Vec<usize> {
        let (targets, sources) = (self.side(transposed), self.side(!transposed));
        let plane = targets.height * targets.width;
        let (group, y, x) =
            (i / plane / targets.channels, i % plane / targets.width, i % targets.width);
        let along = |axis: &ConvAxis, target: usize| -> Vec<usize> {
            if transposed {
                let reaches =
                    |&p: &usize| (0..axis.taps).any(|o| axis.element(p, o) == Some(target));
                (0..axis.windows).filter(reaches).collect()
            } else {
                (0..axis.taps).filter_map(|o| axis.element(target, o)).collect()
            }
        };
        let (vertical, horizontal) = (along(&self.axes[0], y), along(&self.axes[1], x));
        let mut columns = Vec::new();
        for channel in 0..sources.channels {
            for &y in &vertical {
                columns.extend(horizontal.iter().map(|&x| sources.index(group, channel, y, x)));
            }
        }
        columns
    }

    /// Calls `entry(column, index in the kernel)` for the entries of row `i` of the matrix, in the order
    /// of the columns.
    pub fn for_taps(&self, i: usize, mut entry: impl FnMut(usize, [usize; 4])) {
        let (targets, sources) = (self.side(false), self.side(true));
        let [vertical, horizontal] = &self.axes;
        let (channel, y, x) = (
            i / (targets.height * targets.width),
            i / targets.width % targets.height,
            i % targets.width,
        );
        for k in 0..sources.channels {
            for a in 0..vertical.taps {
                let Some(row) = vertical.element(y, a) else { continue };
                for b in 0..horizontal.taps {
                    if let Some(column) = horizontal.element(x, b) {
                        let j = sources.index(channel / targets.channels, k, row, column);
                        entry(j, [channel, k, a, b]);
                    }
                }
            }
        }
    }

    /// The matrix written out.
    pub fn to_sparse(&self) -> Csr {
        let kernel = self.scaled_kernel();
        let (rows, columns) = self.shape();
        Csr::from_rows(rows, columns, |i, push| self.for_taps(i, |j, tap| push(j, kernel[tap])))
    }
}

impl Shifts<'_> {
    fn apply(
        &self,
        targets: Side,
        sources: Side,
        x: ArrayView2<'_, f64>,
        mut y: ArrayViewMut2<'_, f64>,
    ) {
        let (terms, columns) = (self.kernel.ncols(), x.ncols());
        if terms == 0 || columns == 0 {
            return;
        }
        let places: Vec<(usize, usize)> = (0..self.vertical.targets.len())
            .flat_map(|v| (0..self.horizontal.targets.len()).map(move |h| (v, h)))
            .collect();
        let tasks: Vec<&[(usize, usize)]> =
            places.chunks((TASK_ENTRIES / (terms * columns)).max(1)).collect();
        let products: Vec<Array2<f64>> = tasks
            .par_iter()
            .map(|places| multiply(self.kernel.view(), self.gathered(sources, places, x).view()))
            .collect();
        let Some(y) = y.as_slice_mut() else { return };
        for (places, product) in tasks.iter().zip(&products) {
            for (channel, row) in product.outer_iter().enumerate() {
                let blocks = row.to_slice().unwrap_or_default().chunks(columns);
                for (&(v, h), block) in places.iter().zip(blocks) {
                    let (row_of, column_of) =
                        (self.vertical.targets[v].0, self.horizontal.targets[h].0);
                    let start = columns * targets.index(self.group, channel, row_of, column_of);
                    y[start..start + columns].copy_from_slice(block);
                }
            }
        }
    }

    /// The rows of `x` that each place needs, one below the other for the channels and taps, the places
    /// side by side.
    fn gathered(
        &self,
        sources: Side,
        places: &[(usize, usize)],
        x: ArrayView2<'_, f64>,
    ) -> Array2<f64> {
        let columns = x.ncols();
        let mut block = Array2::zeros((self.kernel.ncols(), places.len() * columns));
        let width = self.horizontal.taps.len();
        let taps = self.vertical.taps.len() * width;
        let x = x.to_slice().unwrap_or_default(); // in standard layout, see `apply`
        for (r, mut row) in block.outer_iter_mut().enumerate() {
            let Some(row) = row.as_slice_mut() else { continue };
            let (channel, a, b) = (r / taps, r % taps / width, r % width);
            for (&(v, h), block) in places.iter().zip(row.chunks_mut(columns)) {
                let (y, z) = (self.vertical.targets[v].1[a], self.horizontal.targets[h].1[b]);
                let start = columns * sources.index(self.group, channel, y, z);
                block.copy_from_slice(&x[start..start + columns]);
            }
        }
        block
    }
}
