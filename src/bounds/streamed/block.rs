//! A block of rows of a product, and the rows that are shifts of them.

use ndarray::{Array2, ArrayView2, Axis};

use crate::bounds::products::add_block_up;
use crate::numeric::conv_norm::fields::{Fields, Place};
use crate::numeric::grid::Grid;
use crate::numeric::product::abs_apply_up;
use crate::numeric::rounding::{add_up, max_up};

/// Entries that are gathered at once for the products with copies of rows: 64 MiB.
pub(super) const GATHERED_ENTRIES: usize = 1 << 23;

/// Rows of a product, as columns.
pub(super) struct Block<'a> {
    pub x: ArrayView2<'a, f64>,
    pub rows: Rows<'a>,
}

/// Which rows a block holds.
pub(super) enum Rows<'a> {
    /// These, with all their columns.
    Whole(&'a [usize]),
    /// Those of the channels at the first place of a class, behind a step; the columns are those of the field.
    Fields(&'a Fields, usize),
}

impl Block<'_> {
    /// An upper bound of the largest sum of absolute values of a row.
    pub fn norm_linf_up(&self) -> f64 {
        let ones = Array2::ones((self.x.nrows(), 1));
        absolute_up(self.x.t(), ones.view()).iter().copied().fold(0.0, max_up)
    }

    /// Adds the sums of the absolute values of each column, with all copies of the rows, rounded up.
    pub fn add_column_sums_up(&self, sums: &mut [f64]) {
        let ones = Array2::ones((self.x.ncols(), 1));
        let new = absolute_up(self.x, ones.view());
        match self.rows {
            Rows::Whole(_) => sums.iter_mut().zip(&new).for_each(|(a, &b)| *a = add_up(*a, b)),
            Rows::Fields(fields, step) => {
                for place in fields.places() {
                    for (j, &b) in fields.columns(step, place).zip(&new) {
                        sums[j] = add_up(sums[j], b);
                    }
                }
            }
        }
    }

    /// Adds upper bounds of the products of the transposed absolute values of the rows, and of their copies, with `w`.
    pub fn add_transposed_products_up(&self, w: ArrayView2<'_, f64>, sums: &mut Array2<f64>) {
        match self.rows {
            Rows::Whole(rows) => {
                let new = absolute_up(self.x, w.select(Axis(0), rows).view());
                add_block_up(sums, new.view());
            }
            Rows::Fields(fields, step) => {
                let each = (self.x.nrows() * w.ncols()).max(1);
                for places in fields.places().chunks((GATHERED_ENTRIES / each).max(1)) {
                    let new = absolute_up(self.x, gathered_rows(fields, places, w).view());
                    for (place, new) in
                        places.iter().zip(new.axis_chunks_iter(Axis(1), w.ncols().max(1)))
                    {
                        for (j, new) in fields.columns(step, place).zip(new.outer_iter()) {
                            sums.row_mut(j).zip_mut_with(&new, |a, &b| *a = add_up(*a, b));
                        }
                    }
                }
            }
        }
    }

    /// Adds upper bounds of the products of the absolute values of the rows, and of their copies, with `v`.
    pub fn add_products_up(&self, v: ArrayView2<'_, f64>, total: &mut Array2<f64>) {
        let mut add = |rows: &mut dyn Iterator<Item = usize>, new: ArrayView2<'_, f64>| {
            for (i, new) in rows.zip(new.axis_iter(Axis(0))) {
                total.row_mut(i).zip_mut_with(&new, |a, &b| *a = add_up(*a, b));
            }
        };
        match self.rows {
            Rows::Whole(rows) => {
                add(&mut rows.iter().copied(), absolute_up(self.x.t(), v).view());
            }
            Rows::Fields(fields, step) => {
                let each = (self.x.nrows() * v.ncols()).max(1);
                for places in fields.places().chunks((GATHERED_ENTRIES / each).max(1)) {
                    let gathered = gathered(fields, step, places, v);
                    let new = absolute_up(self.x.t(), gathered.view());
                    for (place, new) in
                        places.iter().zip(new.axis_chunks_iter(Axis(1), v.ncols().max(1)))
                    {
                        add(&mut fields.rows(place), new);
                    }
                }
            }
        }
    }
}

/// The rows of `w` that are those of some places, side by side: rows of a place x (places, columns).
fn gathered_rows(fields: &Fields, places: &[Place], w: ArrayView2<'_, f64>) -> Array2<f64> {
    let k = w.ncols();
    let size = places.first().map_or(0, |place| fields.rows(place).count());
    let mut out = Array2::zeros((size, places.len() * k));
    for (place, mut block) in places.iter().zip(out.axis_chunks_iter_mut(Axis(1), k.max(1))) {
        for (mut row, i) in block.outer_iter_mut().zip(fields.rows(place)) {
            row.assign(&w.row(i));
        }
    }
    out
}

/// The rows of `v` in the fields of some places, side by side: elements of a field x (places, columns).
fn gathered(fields: &Fields, step: usize, places: &[Place], v: ArrayView2<'_, f64>) -> Array2<f64> {
    let k = v.ncols();
    let size = places.first().map_or(0, |place| fields.columns(step, place).count());
    let mut out = Array2::zeros((size, places.len() * k));
    for (p, place) in places.iter().enumerate() {
        let mut block = out.slice_mut(ndarray::s![.., p * k..(p + 1) * k]);
        for (mut row, j) in block.outer_iter_mut().zip(fields.columns(step, place)) {
            row.assign(&v.row(j));
        }
    }
    out
}

/// An upper bound of `|a| x`; `x` is nonnegative.
fn absolute_up(a: ArrayView2<'_, f64>, x: ArrayView2<'_, f64>) -> Array2<f64> {
    abs_apply_up(a, Grid::of_matrix(a), x)
}
