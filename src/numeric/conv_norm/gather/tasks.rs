//! The products with the kernel of some places and columns, as tasks that write their own rows.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::{Shifts, Side};

/// Entries of the gathered blocks that one task multiplies: 1 MiB.
const TASK_ENTRIES: usize = 1 << 17;

/// Columns that one task multiplies, even where that is more than [`TASK_ENTRIES`].
const TASK_COLUMNS: usize = 256;

/// Some columns of `x` and of the result.
pub(super) struct ColumnBlock<'a> {
    columns: Range<usize>,
    /// For each group and place, whether a row of `x` that belongs there has an entry other than zero.
    used: Vec<bool>,
    /// The rows of the result, until a task takes them.
    rows: Vec<Option<&'a mut [f64]>>,
}

impl<'a> ColumnBlock<'a> {
    pub(super) fn of(
        sources: Side,
        groups: usize,
        x: ArrayView2<'_, f64>,
        y: &'a mut Array2<f64>,
    ) -> Vec<ColumnBlock<'a>> {
        let rows = y.nrows();
        let block = |(b, x): (usize, ArrayView2<'_, f64>)| ColumnBlock {
            columns: b * TASK_COLUMNS..b * TASK_COLUMNS + x.ncols(),
            used: sources.used_places(groups, x),
            rows: Vec::with_capacity(rows),
        };
        let mut blocks: Vec<ColumnBlock<'_>> = x
            .axis_chunks_iter(Axis(1), TASK_COLUMNS)
            .into_par_iter()
            .enumerate()
            .map(block)
            .collect();
        for row in y.axis_iter_mut(Axis(0)) {
            let parts = row.into_slice().unwrap_or_default().chunks_mut(TASK_COLUMNS);
            blocks.iter_mut().zip(parts).for_each(|(block, part)| block.rows.push(Some(part)));
        }
        blocks
    }
}

/// Some columns of some of the places of rows that are shifts of each other, with the rows of the result:
/// those of the first channel, then those of the second, ...
pub(super) struct Task<'a> {
    places: Vec<(usize, usize)>,
    columns: Range<usize>,
    rows: Vec<&'a mut [f64]>,
}

impl Task<'_> {
    /// Writes a product of channels x (places, columns) where it belongs.
    pub(super) fn write(self, product: ArrayView2<'_, f64>) {
        let count = self.places.len();
        let mut rows = self.rows.into_iter();
        for channel in product.outer_iter() {
            let Some(channel) = channel.to_slice() else { continue }; // products are in standard layout
            let blocks = channel.chunks(channel.len() / count);
            blocks.zip(rows.by_ref().take(count)).for_each(|(b, row)| row.copy_from_slice(b));
        }
    }
}

impl Shifts<'_> {
    /// Whether one of the sources of a place is used.
    fn is_used(&self, used: &[bool], sources: Side, (v, h): (usize, usize)) -> bool {
        let first = self.group * sources.height * sources.width;
        let (above, across) = (&self.vertical.targets[v].1, &self.horizontal.targets[h].1);
        above.iter().any(|y| across.iter().any(|x| used[first + y * sources.width + x]))
    }

    /// The places over entries other than zero in some columns, in parts for one task each, whose rows are
    /// taken out of those of the result.
    pub(super) fn tasks<'a>(
        &self,
        [targets, sources]: [Side; 2],
        block: &mut ColumnBlock<'a>,
    ) -> Vec<Task<'a>> {
        let places: Vec<(usize, usize)> =
            self.places().filter(|&place| self.is_used(&block.used, sources, place)).collect();
        let rows = &mut block.rows;
        let of_task = |places: &[(usize, usize)]| Task {
            places: places.to_vec(),
            columns: block.columns.clone(),
            rows: (0..targets.channels)
                .flat_map(|channel| places.iter().map(move |&place| (channel, place)))
                .filter_map(|(channel, place)| rows[self.target(targets, channel, place)].take())
                .collect(),
        };
        let terms = sources.channels * self.vertical.taps.len() * self.horizontal.taps.len();
        let entries = terms * block.columns.len();
        places.chunks((TASK_ENTRIES / entries.max(1)).max(1)).map(of_task).collect()
    }

    /// The rows of `x` that each place of a task needs, one below the other for the channels and taps, the
    /// places side by side; in the buffer.
    pub(super) fn gathered<'b>(
        &self,
        sources: Side,
        task: &Task<'_>,
        x: ArrayView2<'_, f64>,
        buffer: &'b mut Vec<f64>,
    ) -> ArrayView2<'b, f64> {
        let (all, columns) = (x.ncols(), task.columns.len());
        let width = self.horizontal.taps.len();
        let taps = self.vertical.taps.len() * width;
        let x = x.to_slice().unwrap_or_default(); // in standard layout, see `apply`
        buffer.clear();
        for r in 0..sources.channels * taps {
            let (channel, a, b) = (r / taps, r % taps / width, r % width);
            for &(v, h) in &task.places {
                let (y, z) = (self.vertical.targets[v].1[a], self.horizontal.targets[h].1[b]);
                let start = all * sources.index(self.group, channel, y, z) + task.columns.start;
                buffer.extend_from_slice(&x[start..start + columns]);
            }
        }
        // As many as were written.
        let shape = (sources.channels * taps, task.places.len() * columns);
        ArrayView2::from_shape(shape, buffer).unwrap_or_else(|_| ArrayView2::from(&[[0.0; 0]; 0]))
    }
}

impl Side {
    /// For each group and place, whether a row of `x` that belongs there is not zero.
    fn used_places(self, groups: usize, x: ArrayView2<'_, f64>) -> Vec<bool> {
        let plane = self.height * self.width;
        let mut used = vec![false; groups * plane];
        for (i, row) in x.outer_iter().enumerate() {
            let place = i / plane / self.channels * plane + i % plane;
            used[place] = used[place] || row.iter().any(|&v| v != 0.0);
        }
        used
    }
}
