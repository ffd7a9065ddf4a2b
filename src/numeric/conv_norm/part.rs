//! Blocks of a matrix that are convolutions, and what products keep of them.
//!
//! A convolution that is merged with a channelwise scaling, a selection or the sum of a residual
//! connection is still a convolution, as a block of the merged matrix. Products only *propose* such
//! blocks; a proposal is compared with the matrix entry by entry, bit for bit, and dropped where it
//! differs. So a [`Part`] never depends on an argument about rounding: it says what the stored matrix
//! is, and the rounding of the product itself is in the radius of the merged map.

use std::ops::Range;

use ndarray::Array4;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::fields::ConvolutionMatrix;
use super::{ConvAxis, Convolution};
use crate::numeric::rounding::scale;
use crate::numeric::sparse::Csr;

/// The largest number of places at which a product is searched for a part of a factor.
const LARGEST_PLACES: usize = 4;

/// A block of a matrix that equals a convolution or the transpose of one.
#[derive(Debug, Clone)]
pub struct Part {
    /// The rows of the block.
    pub rows: Range<usize>,
    /// The columns of the block.
    pub columns: Range<usize>,
    convolution: Convolution,
    /// Whether the block is the transpose of the convolution.
    transposed: bool,
}

impl Part {
    /// A matrix of this shape that is the convolution.
    pub fn whole(rows: usize, columns: usize, convolution: Convolution) -> Part {
        Part { rows: 0..rows, columns: 0..columns, convolution, transposed: false }
    }

    /// The part of the transposed matrix.
    pub fn transposed(self) -> Part {
        Part {
            rows: self.columns,
            columns: self.rows,
            convolution: self.convolution,
            transposed: !self.transposed,
        }
    }

    /// The part of the matrix multiplied by `2^e`, where that is exact.
    pub fn scaled_by_power(&self, e: i32) -> Part {
        Part { convolution: self.convolution.scaled_by_power(e), ..self.clone() }
    }

    /// The part of a matrix in which `count` rows come first.
    pub fn moved_down(&self, count: usize) -> Part {
        let rows = self.rows.start + count..self.rows.end + count;
        Part { rows, ..self.clone() }
    }

    /// Whether the part contains these rows and columns.
    pub fn covers(&self, rows: &Range<usize>, columns: &Range<usize>) -> bool {
        let inside = |a: &Range<usize>, b: &Range<usize>| a.start >= b.start && a.end <= b.end;
        inside(rows, &self.rows) && inside(columns, &self.columns)
    }

    /// The convolution and whether the block is its transpose.
    pub fn matrix(&self) -> ConvolutionMatrix {
        ConvolutionMatrix { convolution: self.convolution.clone(), transposed: self.transposed }
    }

    /// An upper bound of the norm of the part and of all its submatrices.
    pub fn norm_up(&self) -> f64 {
        self.convolution.norm_up()
    }

    /// Whether the block of `matrix` (given with its transpose) equals the convolution in every entry.
    pub fn is_in(&self, matrix: &Csr, transposed: &Csr) -> bool {
        let (matrix, rows, columns) = if self.transposed {
            (transposed, &self.columns, &self.rows)
        } else {
            (matrix, &self.rows, &self.columns)
        };
        if rows.end > matrix.rows() || columns.end > matrix.columns() {
            return false;
        }
        let kernel = self.convolution.scaled_kernel();
        (rows.len(), columns.len()) == self.convolution.shape()
            && (0..rows.len()).into_par_iter().all(|i| {
                let row = matrix.row(rows.start + i).filter(|(j, _)| columns.contains(j));
                self.convolution.row_equals(&kernel, i, row.map(|(j, x)| (j - columns.start, x)))
            })
    }

    /// What may have become of the part in the product of `outer` (given with its transpose) with the
    /// matrix: wherever `outer` takes its rows in their order, times a factor for each channel.
    pub fn after(&self, outer: &Csr, outer_transposed: &Csr) -> Vec<Part> {
        // The first row that is used, and where.
        let used = self.rows.clone().find(|&r| outer_transposed.row(r).next().is_some());
        let Some(used) = used else { return Vec::new() };
        let places: Vec<usize> = outer_transposed.row(used).map(|(p, _)| p).collect();
        if places.len() > LARGEST_PLACES {
            return Vec::new();
        }
        let starts = places.into_iter().filter_map(|p| p.checked_sub(used - self.rows.start));
        starts.filter_map(|start| self.placed(outer, start)).collect()
    }

    /// The part in the rows of the product that begin with `start`; `None` where they are too few.
    fn placed(&self, outer: &Csr, start: usize) -> Option<Part> {
        let rows = start..start.checked_add(self.rows.len())?;
        if rows.end > outer.rows() {
            return None;
        }
        let each = self.convolution.channel_size(self.transposed);
        let factor = |i: usize| {
            let column = self.rows.start + i;
            outer.row(start + i).find(|&(j, _)| j == column).map_or(0.0, |(_, x)| x)
        };
        let factors: Vec<f64> = (0..self.rows.len()).step_by(each).map(factor).collect();
        let convolution = self.convolution.with_scaled_channels(&factors, self.transposed)?;
        Some(Part { rows, convolution, ..self.clone() })
    }
}

impl Convolution {
    /// The rows and columns of the matrix.
    pub(super) fn shape(&self) -> (usize, usize) {
        let (out, per_group, ..) = self.kernel.dim();
        let inputs = per_group * self.groups;
        (out * self.channel_size(false), inputs * self.channel_size(true))
    }

    /// The number of elements of a channel of the output or the input.
    pub(in crate::numeric) fn channel_size(&self, of_input: bool) -> usize {
        let size = |axis: &ConvAxis| if of_input { axis.inputs } else { axis.windows };
        size(&self.axes[0]) * size(&self.axes[1])
    }

    /// The kernel times the power of two, with rounding to nearest: exact for entries that a matrix
    /// holds.
    pub(in crate::numeric) fn scaled_kernel(&self) -> Array4<f64> {
        self.kernel.mapv(self.scaling())
    }

    /// The entry of the matrix that lies at an index in the kernel.
    pub(in crate::numeric) fn entry(&self) -> impl Fn([usize; 4]) -> f64 + '_ {
        let scaled = self.scaling();
        move |tap| scaled(self.kernel[tap])
    }

    /// What [`Convolution::scaled_kernel`] does with an entry.
    pub(in crate::numeric) fn scaling(&self) -> impl Fn(f64) -> f64 + use<> {
        let exponent = self.exponent;
        move |x| scale(x, exponent)
    }

    /// The convolution with each channel of the output, or of the input, multiplied by its factor,
    /// rounded to nearest as the entries of the product of the matrices are. `None` where the number
    /// of factors is another one.
    #[expect(
        clippy::float_arithmetic,
        reason = "rounded as the product that it stands for, whose error is bounded"
    )]
    pub(in crate::numeric) fn with_scaled_channels(
        &self,
        factors: &[f64],
        of_input: bool,
    ) -> Option<Convolution> {
        let mut kernel = self.scaled_kernel();
        let (out, per_group, ..) = kernel.dim();
        let count = if of_input { per_group * self.groups } else { out };
        if factors.len() != count {
            return None;
        }
        let per_output = out / self.groups;
        for ((o, k, ..), x) in kernel.indexed_iter_mut() {
            *x *= if of_input { factors[o / per_output * per_group + k] } else { factors[o] };
        }
        Convolution::new(kernel, self.groups, self.axes)
    }

    /// Whether row `i` of the matrix for this (scaled) kernel has these entries, in this order.
    fn row_equals(
        &self,
        kernel: &Array4<f64>,
        i: usize,
        mut row: impl Iterator<Item = (usize, f64)>,
    ) -> bool {
        let [vertical, horizontal] = &self.axes;
        let (out, per_group, height, width) = kernel.dim();
        let each = self.channel_size(false);
        let (channel, y, x) = (i / each, i % each / horizontal.windows, i % horizontal.windows);
        let first = channel / (out / self.groups) * per_group;
        for k in 0..per_group {
            for a in 0..height {
                let Some(r) = vertical.element(y, a) else { continue };
                for b in 0..width {
                    let value = kernel[[channel, k, a, b]];
                    let Some(c) = horizontal.element(x, b).filter(|_| value != 0.0) else {
                        continue;
                    };
                    let column = ((first + k) * vertical.inputs + r) * horizontal.inputs + c;
                    if row.next() != Some((column, value)) {
                        return false;
                    }
                }
            }
        }
        row.next().is_none()
    }
}
