//! The norm of a matrix some of whose blocks are convolutions.
//!
//! **Lemma.** Let the rows and the columns of `A` be cut in consecutive ranges, with blocks `A_ij`, and
//! `N = (n_ij)` with `n_ij >= ||A_ij||_2`. Then `||A||_2 <= ||N||_2`.
//!
//! *Proof.* `||A x||^2 = sum_i ||sum_j A_ij x_j||^2 <= sum_i (sum_j n_ij ||x_j||)^2`, which is the
//! square of the length of `N v` for the vector `v = (||x_j||)_j` of the length of `x`.
//!
//! For a residual connection, `[C; I]` or `[C, I]`, it is `sqrt(||C||^2 + 1)`: nothing is lost.

use std::ops::Range;

use ndarray::Array2;

use super::sparse::{LARGEST_SIDE, sparse_spectral_norm_up};
use super::spectral_norm_up;
use crate::numeric::conv_norm::Part;
use crate::numeric::sparse::Csr;

/// The largest number of blocks.
const LARGEST_COUNT: usize = 16;

/// An upper bound of `||a||_2` by means of the blocks of `a` that are convolutions; `+inf` where there
/// is none or too many.
pub(super) fn partitioned_norm_up(a: &Csr, parts: &[Part]) -> f64 {
    let (all_rows, all_columns) = (0..a.rows(), 0..a.columns());
    let whole = covering_norm_up(parts, &all_rows, &all_columns);
    let rows = ranges(parts.iter().map(|p| p.rows.clone()), a.rows());
    let columns = ranges(parts.iter().map(|p| p.columns.clone()), a.columns());
    let count = rows.len() * columns.len();
    if count <= 1 || count > LARGEST_COUNT {
        return whole;
    }
    let norms = Array2::from_shape_fn((rows.len(), columns.len()), |(i, j)| {
        block_norm_up(a, parts, &rows[i], &columns[j])
    });
    whole.min(spectral_norm_up(norms.view()))
}

/// An upper bound of the norm of a block that lies inside or outside of every part.
fn block_norm_up(a: &Csr, parts: &[Part], rows: &Range<usize>, columns: &Range<usize>) -> f64 {
    let known = covering_norm_up(parts, rows, columns);
    if known.is_finite() && rows.len().min(columns.len()) > LARGEST_SIDE {
        return known; // without a copy of what may be most of the matrix
    }
    let block = Csr::from_rows(rows.len(), columns.len(), |i, push| {
        let row = a.row(rows.start + i).filter(|(j, _)| columns.contains(j));
        row.for_each(|(j, x)| push(j - columns.start, x));
    });
    sparse_spectral_norm_up(&block, &block.transposed(), &[]).min(known)
}

/// The least of the bounds of the parts that contain the block; `+inf` where there is none.
fn covering_norm_up(parts: &[Part], rows: &Range<usize>, columns: &Range<usize>) -> f64 {
    let covering = parts.iter().filter(|p| p.covers(rows, columns));
    covering.fold(f64::INFINITY, |least, p| least.min(p.norm_up()))
}

/// `0..n` cut at the ends of all ranges.
pub(in crate::numeric) fn ranges(
    parts: impl Iterator<Item = Range<usize>>,
    n: usize,
) -> Vec<Range<usize>> {
    let mut cuts: Vec<usize> = parts.flat_map(|r| [r.start, r.end]).chain([0, n]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts.windows(2).map(|w| w[0]..w[1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::conv_norm::{ConvAxis, Convolution};

    #[test]
    fn ranges_are_cut_at_all_ends() {
        assert_eq!(ranges([2..5, 5..7, 0..2].into_iter(), 9), [0..2, 2..5, 5..7, 7..9]);
        assert_eq!(ranges([0..4, 0..4].into_iter(), 4), std::slice::from_ref(&(0..4)));
        assert_eq!(ranges([].into_iter(), 3), std::slice::from_ref(&(0..3)));
        assert!(ranges([].into_iter(), 0).is_empty());
    }

    /// `[3 I, 4 I]` and its transpose have the norm 5.
    #[test]
    fn two_blocks_in_a_row_or_a_column_are_both_looked_at() {
        let n = 3;
        let axis =
            |n| ConvAxis { taps: 1, stride: 1, dilation: 1, padding: 0, inputs: n, windows: n };
        let kernel = ndarray::Array4::from_elem((1, 1, 1, 1), 3.0);
        let convolution = Convolution::new(kernel, 1, [axis(1), axis(n)]).expect("valid");
        let row = Csr::from_rows(n, 2 * n, |i, push| {
            push(i, 3.0);
            push(n + i, 4.0);
        });
        let part = Part::whole(n, n, convolution);
        for (a, part) in [(row.transposed(), part.clone().transposed()), (row, part)] {
            assert_eq!(partitioned_norm_up(&a, &[]), f64::INFINITY);
            let norm = partitioned_norm_up(&a, &[part]);
            assert!((5.0..5.0 * (1.0 + 1e-12)).contains(&norm), "{norm}");
        }
    }
}
