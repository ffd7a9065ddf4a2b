//! Matrices of convolutions that are too large to be written out.
//!
//! A stage of a convolutional network is a convolution, or a few of them beside and above selections (the
//! shortcuts of residual blocks): [`Blocks`] that do not overlap. A convolution of 64 channels on 32 x 32
//! has 38 million entries, its kernel 37 thousand. What bounds need of the maps themselves (products with
//! vectors, norms) and what happens when a network is lowered (scaling of channels, selections, sums) works
//! on the blocks; for everything else the matrix is written out, once.

mod entries;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use ndarray::{Array2, ArrayView2, s};

use crate::numeric::conv_norm::Convolution;
use crate::numeric::conv_norm::assembled::Assembled;
use crate::numeric::conv_norm::fields::ConvolutionMatrix;
use crate::numeric::grid::Grid;
use crate::numeric::rounding::{add_up, max_up, mul_up, sqrt_up, upper};
use crate::numeric::sparse::Csr;
use crate::numeric::spectral::partition::ranges;
use crate::numeric::spectral::spectral_norm_up;
use entries::{Entries, sparse};

/// Blocks of a matrix that is zero elsewhere; no two of them overlap.
#[derive(Debug)]
pub(super) struct Blocks {
    pub rows: usize,
    pub columns: usize,
    blocks: Vec<Block>,
    /// The matrix and its transpose, once something needs them.
    written: OnceLock<(Arc<Csr>, Arc<Csr>)>,
}

/// A block whose first row and column are these.
#[derive(Debug, Clone)]
struct Block {
    row: usize,
    column: usize,
    entries: Entries,
}

impl Block {
    fn rows(&self) -> Range<usize> {
        self.row..self.row + self.entries.shape().0
    }

    fn columns(&self) -> Range<usize> {
        self.column..self.column + self.entries.shape().1
    }
}

impl Blocks {
    fn new(rows: usize, columns: usize, blocks: Vec<Block>) -> Blocks {
        Blocks { rows, columns, blocks, written: OnceLock::new() }
    }

    /// The matrix of a convolution.
    pub fn convolution(convolution: Convolution) -> Blocks {
        let (rows, columns) = convolution.matrix_shape(false);
        let entries = Entries::Convolution { convolution, transposed: false };
        Blocks::new(rows, columns, vec![Block { row: 0, column: 0, entries }])
    }

    /// Matrices on top of each other.
    pub fn stacked(columns: usize, parts: Vec<Part>) -> Blocks {
        let (mut rows, mut blocks) = (0, Vec::new());
        for part in parts {
            match part {
                Part::Blocks(part) => {
                    let moved = |b: &Block| Block { row: b.row + rows, ..b.clone() };
                    blocks.extend(part.blocks.iter().map(moved));
                    rows += part.rows;
                }
                Part::Sparse(a) => {
                    blocks.extend(trimmed(&a, rows));
                    rows += a.rows();
                }
            }
        }
        Blocks::new(rows, columns, blocks)
    }

    /// The transpose.
    pub fn transposed(&self) -> Blocks {
        let flipped =
            |b: &Block| Block { row: b.column, column: b.row, entries: b.entries.transposed() };
        let blocks = self.blocks.iter().map(flipped).collect();
        let written = OnceLock::new();
        if let Some((a, t)) = self.written.get() {
            let _ = written.set((t.clone(), a.clone())); // it is empty
        }
        Blocks { rows: self.columns, columns: self.rows, blocks, written }
    }

    /// The matrix written out, and its transpose.
    pub fn written(&self) -> &(Arc<Csr>, Arc<Csr>) {
        self.written.get_or_init(|| {
            let parts: Vec<(usize, usize, Csr)> =
                self.blocks.iter().map(|b| (b.row, b.column, b.entries.written())).collect();
            let a = Csr::from_rows(self.rows, self.columns, |i, push| {
                let mut row: Vec<(usize, f64)> = Vec::new();
                for (first, column, part) in &parts {
                    if let Some(r) = i.checked_sub(*first).filter(|&r| r < part.rows()) {
                        row.extend(part.row(r).map(|(j, x)| (column + j, x)));
                    }
                }
                row.sort_unstable_by_key(|&(j, _)| j);
                row.into_iter().for_each(|(j, x)| push(j, x));
            });
            let t = a.transposed();
            (Arc::new(a), Arc::new(t))
        })
    }

    /// A grid that contains all entries (those of kernels at taps that never touch the input too).
    pub fn grid(&self) -> Grid {
        let kernels: Vec<ndarray::Array4<f64>> = self
            .blocks
            .iter()
            .filter_map(|b| match &b.entries {
                Entries::Convolution { convolution, .. } => Some(convolution.scaled_kernel()),
                Entries::Sparse(..) => None,
            })
            .collect();
        let stored = self.blocks.iter().flat_map(|b| match &b.entries {
            Entries::Convolution { .. } => [].iter(),
            Entries::Sparse(a, _) => a.values().iter(),
        });
        Grid::of(kernels.iter().flatten().chain(stored))
    }

    /// The number of entries.
    pub fn count(&self) -> usize {
        self.blocks.iter().map(|b| b.entries.count()).sum()
    }

    /// The number of bytes that the blocks take, and the matrix where it has been written out.
    pub fn held_bytes(&self) -> usize {
        let of = |b: &Block| match &b.entries {
            Entries::Convolution { convolution, .. } => convolution.kernel_bytes(),
            Entries::Sparse(a, _) => 24 * a.entries(),
        };
        let written = self.written.get().map_or(0, |(a, _)| 24 * a.entries());
        written + self.blocks.iter().map(of).sum::<usize>()
    }

    /// The largest number of entries in a row.
    pub fn longest_row(&self) -> usize {
        let cuts = ranges(self.blocks.iter().map(Block::rows), self.rows);
        let terms = |range: &Range<usize>| -> usize {
            let here = self.blocks.iter().filter(|b| covers(&b.rows(), range));
            here.map(|b| b.entries.longest_row()).sum()
        };
        cuts.iter().map(terms).max().unwrap_or(0)
    }

    /// The matrix with every entry mapped by `f`, which must map 0 to 0.
    pub fn map(&self, f: &dyn Fn(f64) -> f64) -> Blocks {
        let mapped = |b: &Block| Block { entries: b.entries.map(f), ..b.clone() };
        Blocks::new(self.rows, self.columns, self.blocks.iter().map(mapped).collect())
    }

    /// An upper bound of the sum of two matrices of the same structure; `None` where it differs.
    pub fn sum_up(&self, other: &Blocks) -> Option<Blocks> {
        if self.blocks.len() != other.blocks.len() {
            return None;
        }
        let sum = |(a, b): (&Block, &Block)| {
            let entries = match (&a.entries, &b.entries) {
                (
                    Entries::Convolution { convolution: p, transposed },
                    Entries::Convolution { convolution: q, transposed: same },
                ) if transposed == same => {
                    Entries::Convolution { convolution: p.sum_up(q)?, transposed: *transposed }
                }
                (Entries::Sparse(p, _), Entries::Sparse(q, _))
                    if (p.rows(), p.columns()) == (q.rows(), q.columns()) =>
                {
                    sparse(p.sum_up(q))
                }
                _ => return None,
            };
            ((a.row, a.column) == (b.row, b.column)).then_some(Block { entries, ..*a })
        };
        let blocks: Option<Vec<Block>> = self.blocks.iter().zip(&other.blocks).map(sum).collect();
        blocks.map(|blocks| Blocks::new(self.rows, self.columns, blocks))
    }

    /// `f(self) x` for a block of columns, with `f` applied to each entry, with rounding to nearest.
    pub fn apply(
        &self,
        x: ArrayView2<'_, f64>,
        f: &(dyn Fn(f64) -> f64 + Sync),
        memory: Vec<f64>,
    ) -> Array2<f64> {
        let part = |block: &Block, memory: Vec<f64>| {
            block.entries.apply(x.slice(s![block.columns(), ..]), f, memory)
        };
        let mut y = match self.blocks.as_slice() {
            [only] if only.entries.shape() == (self.rows, self.columns) => part(only, memory),
            blocks => {
                let mut y = Array2::zeros((self.rows, x.ncols()));
                for block in blocks {
                    let mut out = y.slice_mut(s![block.rows(), ..]);
                    out += &part(block, Vec::new());
                }
                y
            }
        };
        y.par_mapv_inplace(upper);
        y
    }

    /// Upper bounds of the sums of the absolute values of each row.
    pub fn row_abs_sums_up(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.rows];
        for block in &self.blocks {
            let part: Vec<f64> = match &block.entries {
                Entries::Convolution { convolution, transposed } => {
                    convolution.row_abs_sums_up(*transposed)
                }
                Entries::Sparse(a, _) => (0..a.rows())
                    .map(|i| a.row(i).fold(0.0, |sum, (_, x)| add_up(sum, x.abs())))
                    .collect(),
            };
            for (sum, x) in sums[block.rows()].iter_mut().zip(part) {
                *sum = add_up(*sum, x);
            }
        }
        sums
    }

    /// An upper bound of the spectral norm: of the matrix of the norms of the blocks (the lemma in
    /// [`crate::numeric::spectral`]'s part on partitions), and by `sqrt(||.||_1 ||.||_inf)`.
    pub fn norm_l2_up(&self) -> f64 {
        let largest = |sums: Vec<f64>| sums.into_iter().fold(0.0, max_up);
        let crude = sqrt_up(mul_up(
            largest(self.row_abs_sums_up()),
            largest(self.transposed().row_abs_sums_up()),
        ));
        let rows = ranges(self.blocks.iter().map(Block::rows), self.rows);
        let columns = ranges(self.blocks.iter().map(Block::columns), self.columns);
        let norms: Vec<f64> = self.blocks.iter().map(|b| b.entries.norm_l2_up()).collect();
        // A part of a block has at most the norm of the block.
        let cell = |(i, j): (usize, usize)| {
            let inside =
                |b: &Block| covers(&b.rows(), &rows[i]) && covers(&b.columns(), &columns[j]);
            let found = self.blocks.iter().position(inside);
            found.map_or(0.0, |k| norms[k])
        };
        let cells = Array2::from_shape_fn((rows.len(), columns.len()), cell);
        let partitioned = match cells.as_slice() {
            Some([only]) => *only,
            _ => spectral_norm_up(cells.view()),
        };
        partitioned.min(crude)
    }

    /// Calls `entry(column, value)` for the entries of row `i`, in no order.
    pub fn for_row(&self, i: usize, mut entry: impl FnMut(usize, f64)) {
        for block in self.blocks.iter().filter(|b| b.rows().contains(&i)) {
            let row = i - block.row;
            match &block.entries {
                Entries::Convolution { convolution, transposed } => {
                    let value = convolution.entry();
                    convolution.for_row(*transposed, row, |j, tap| {
                        entry(block.column + j, value(tap));
                    });
                }
                Entries::Sparse(a, _) => a.row(row).for_each(|(j, x)| entry(block.column + j, x)),
            }
        }
    }

    /// The convolution whose matrix this is, or the transpose of whose matrix, where it is one: a single block, or
    /// several that make up one ([`Assembled`]).
    pub fn as_convolution(&self) -> Option<ConvolutionMatrix> {
        if let [Block { entries: Entries::Convolution { convolution, transposed }, .. }] =
            self.blocks.as_slice()
            && convolution.matrix_shape(*transposed) == (self.rows, self.columns)
        {
            let convolution = convolution.clone();
            return Some(ConvolutionMatrix { convolution, transposed: *transposed });
        }
        let (convolution, transposed) = self.largest_kernel()?;
        if transposed {
            return self.transposed().as_convolution().map(ConvolutionMatrix::into_transposed);
        }
        let mut whole = Assembled::new((self.rows, self.columns), *convolution.axes())?;
        for Block { row, column, entries } in &self.blocks {
            match entries {
                Entries::Convolution { transposed: true, .. } => return None,
                Entries::Convolution { convolution, .. } => {
                    whole.add_convolution((*row, *column), convolution)?;
                }
                Entries::Sparse(a, _) => whole.add_sparse((*row, *column), a)?,
            }
        }
        let convolution = whole.convolution()?;
        Some(ConvolutionMatrix { convolution, transposed: false })
    }

    /// The convolution with the most taps, and whether the block is its transpose.
    fn largest_kernel(&self) -> Option<(&Convolution, bool)> {
        let kernels = self.blocks.iter().filter_map(|block| match &block.entries {
            Entries::Convolution { convolution, transposed } => Some((convolution, *transposed)),
            Entries::Sparse(..) => None,
        });
        kernels.max_by_key(|(convolution, _)| convolution.taps())
    }

    /// `outer self`, with rounding to nearest, where `outer` only moves the rows of the blocks as they
    /// are and multiplies each channel by a factor, so that no entry is a sum; `None` otherwise.
    pub fn selected_by(&self, outer: &Csr) -> Option<Blocks> {
        let ranges = ranges(self.blocks.iter().map(Block::rows), self.rows);
        if self.blocks.iter().any(|b| !ranges.contains(&b.rows())) {
            return None;
        }
        let mut placed: Vec<Option<(usize, Vec<f64>)>> = vec![None; ranges.len()];
        for i in 0..outer.rows() {
            for (j, x) in outer.row(i) {
                let k = ranges.partition_point(|r| r.end <= j);
                let offset = j - ranges[k].start;
                let first = i.checked_sub(offset)?;
                let (known, factors) =
                    placed[k].get_or_insert_with(|| (first, vec![0.0; ranges[k].len()]));
                // The only place of these rows, so no two entries lie at one offset.
                if *known != first {
                    return None;
                }
                factors[offset] = x;
            }
        }
        let mut blocks: Vec<Block> = Vec::new();
        for block in &self.blocks {
            let k = ranges.iter().position(|r| *r == block.rows())?;
            let Some((first, factors)) = &placed[k] else { continue };
            if first + factors.len() > outer.rows() {
                return None;
            }
            let entries = block.entries.scaled_rows(factors)?;
            blocks.push(Block { row: *first, column: block.column, entries });
        }
        let meet = |a: Range<usize>, b: Range<usize>| a.start < b.end && b.start < a.end;
        let overlap = blocks.iter().enumerate().any(|(k, a)| {
            blocks[..k].iter().any(|b| meet(a.rows(), b.rows()) && meet(a.columns(), b.columns()))
        });
        (!overlap).then(|| Blocks::new(outer.rows(), self.columns, blocks))
    }
}

/// What can be stacked.
pub(super) enum Part {
    Blocks(Arc<Blocks>),
    Sparse(Arc<Csr>),
}

/// The block of the columns that hold entries, `row` being its first row; `None` where there are none.
fn trimmed(a: &Csr, row: usize) -> Option<Block> {
    let used = || (0..a.rows()).flat_map(|i| a.row(i).map(|(j, _)| j));
    let (first, last) = (used().min()?, used().max()?);
    let entries = Csr::from_rows(a.rows(), last + 1 - first, |i, push| {
        a.row(i).for_each(|(j, x)| push(j - first, x));
    });
    Some(Block { row, column: first, entries: sparse(entries) })
}

/// Whether a range contains another.
fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    inner.start >= outer.start && inner.end <= outer.end
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
