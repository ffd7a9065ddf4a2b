//! Verified upper bounds of the spectral norm of a sparse matrix, without making it dense.
//!
//! The norm of a matrix is the largest norm of its independent blocks (the connected components of
//! the graph that joins row `i` and column `j` where `a_ij` is not zero): groups of channels, the
//! windows of a pooling, diagonals and selections fall apart this way. A block whose smaller side is
//! at most [`LARGEST_SIDE`] gets the verified bound of its Gram matrix. What is larger is bounded
//! through the kernels of the blocks that are convolutions ([`super::partition`]), and by the test of
//! Schur in any case.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::gram_eigenvalue_up;
use super::partition::partitioned_norm_up;
use crate::numeric::conv_norm::Part;
use crate::numeric::grid::Grid;
use crate::numeric::product::DotError;
use crate::numeric::rounding::{
    add_up, div_up, exponent, max_up, mul_up, scale, scale_may_round, scale_up, sqrt_up,
};
use crate::numeric::sparse::Csr;

/// The largest side of a Gram matrix: 2500 rows take 50 MB for each of five copies.
pub(super) const LARGEST_SIDE: usize = 2500;

/// The largest sum of cubed sides, and of the multiplications in the Gram matrices: some seconds.
const LARGEST_WORK: f64 = 5e10;

/// An upper bound of `||a||_2`, given also the transpose and the blocks that are convolutions or the
/// transposes of such; `+inf` where an entry is not finite.
///
/// Excess: that of [`super::spectral_norm_up`] where the blocks are small enough; else that of
/// [`super::partition`] or of the test of Schur, whichever is smaller.
pub fn sparse_spectral_norm_up(a: &Csr, transposed: &Csr, parts: &[Part]) -> f64 {
    let largest = a.values().iter().fold(0.0, |m, x| max_up(m, x.abs()));
    if largest == 0.0 || largest.is_infinite() {
        return largest;
    }
    // Entries are read divided by 2^shift: below 1. What underflows is at most 2^-1075 per entry, in
    // norm at most sqrt(m n) 2^-1075, far below half the distance of two numbers near the norm,
    // which is at least 1/2: `next_up` covers it.
    let scaled = Scaled { a, transposed, shift: exponent(largest) + 1 };
    let inexact = a.values().iter().any(|&x| scale_may_round(x, -scaled.shift));
    let finish = |norm: f64| scale_up(if inexact { norm.next_up() } else { norm }, scaled.shift);
    let blocks = blocks(&scaled);
    if scaled.is_feasible(&blocks) {
        return finish(scaled.largest_block_norm_up(blocks));
    }
    let crude = finish(blocks.iter().fold(0.0, |m, b| max_up(m, b.crude)));
    let known = crude.min(partitioned_norm_up(a, parts));
    // The same units as the entries that are read; a bound that is too small only ends the test.
    finish(scaled.schur_up(scale_up(known, -scaled.shift))).min(known)
}

/// A matrix whose entries are read divided by `2^shift`.
struct Scaled<'a> {
    a: &'a Csr,
    transposed: &'a Csr,
    shift: i32,
}

/// Rows and columns that are not coupled to any others.
#[derive(Debug, Default, Clone)]
struct Block {
    rows: Vec<usize>,
    columns: Vec<usize>,
    /// An upper bound of the norm: `sqrt(||.||_1 ||.||_inf)`.
    crude: f64,
}

impl Block {
    fn side(&self) -> usize {
        self.rows.len().min(self.columns.len())
    }
}

impl Scaled<'_> {
    fn value(&self, x: f64) -> f64 {
        scale(x, -self.shift)
    }

    /// Whether all blocks can have their Gram matrix.
    fn is_feasible(&self, blocks: &[Block]) -> bool {
        let cube = |side: usize| (side as f64).powi(3);
        let entries = |m: &Csr, i: &usize| m.row(*i).count() as f64;
        let gram = |b: &Block| {
            let tall = b.rows.len() > b.columns.len();
            let (inner, m) = if tall { (&b.rows, self.a) } else { (&b.columns, self.transposed) };
            inner.iter().map(|i| entries(m, i).powi(2)).sum::<f64>()
        };
        blocks.iter().all(|b| b.side() <= LARGEST_SIDE)
            && blocks.iter().map(|b| cube(b.side())).sum::<f64>() <= LARGEST_WORK
            && blocks.iter().map(gram).sum::<f64>() <= LARGEST_WORK
    }

    /// The largest of the bounds of the blocks.
    fn largest_block_norm_up(&self, mut blocks: Vec<Block>) -> f64 {
        // Blocks that cannot be the largest are skipped, so begin with those that may be.
        blocks.sort_by(|a, b| b.crude.total_cmp(&a.crude));
        let mut places = vec![0u32; self.a.rows().max(self.a.columns())];
        let mut norm = 0.0;
        for block in &blocks {
            if block.crude > norm {
                norm = max_up(norm, self.block_norm_up(block, &mut places));
            }
        }
        norm
    }

    /// An upper bound of the norm of one block. `places` is scratch space.
    fn block_norm_up(&self, block: &Block, places: &mut [u32]) -> f64 {
        let tall = block.rows.len() > block.columns.len();
        let (outer, inner, m) = if tall {
            (&block.columns, &block.rows, self.transposed)
        } else {
            (&block.rows, &block.columns, self.a)
        };
        for (place, &j) in inner.iter().enumerate() {
            places[j] = place as u32;
        }
        let part = Csr::from_rows(outer.len(), inner.len(), |i, push| {
            m.row(outer[i]).for_each(|(j, x)| push(places[j] as usize, self.value(x)));
        });
        if outer.len() == 1 {
            let squares = part.values().iter().fold(0.0, |sum, &x| add_up(sum, mul_up(x, x)));
            return sqrt_up(squares).min(block.crude);
        }
        let grid = Grid::of(part.values());
        let error = DotError::new(grid, grid, part.longest_row());
        let gram = gram(&part, &part.transposed());
        let squared = gram_eigenvalue_up(gram.view(), error, mul_up(block.crude, block.crude));
        sqrt_up(squared).min(block.crude)
    }

    /// The test of Schur: for all positive vectors `x`, `y`,
    /// `||A||_2^2 <= max_i (|A| y)_i / x_i * max_j (|A|^T x)_j / y_j`
    /// (I. Schur, J. reine angew. Math. 140, 1911: by the inequality of Cauchy and Schwarz
    /// `(sum_j |a_ij| |v_j|)^2 <= sum_j |a_ij| y_j sum_j |a_ij| v_j^2 / y_j`). With `x = y = 1` it is
    /// `||A||_inf ||A||_1`; steps of the power method on `|A|` make it almost `|| |A| ||_2`.
    ///
    /// Ends early where it will not come below `known`.
    fn schur_up(&self, known: f64) -> f64 {
        const STEPS: usize = 24;
        let mut y = vec![1.0; self.a.columns()];
        let mut best = f64::INFINITY;
        for _ in 0..STEPS {
            let from_y = self.abs_apply_up(self.a, &y);
            let x = positive(&from_y);
            let from_x = self.abs_apply_up(self.transposed, &x);
            let bound = mul_up(largest_ratio_up(&from_y, &x), largest_ratio_up(&from_x, &y));
            #[expect(clippy::float_arithmetic, reason = "decides when to stop")]
            let stalled = bound > best * (1.0 - 1e-6);
            best = bound.min(best);
            // A step seldom gains as much as 1/4.
            #[expect(clippy::float_arithmetic, reason = "decides when to stop")]
            let hopeless = sqrt_up(best) > 1.25 * known;
            if stalled || hopeless {
                break;
            }
            y = positive(&from_x);
        }
        sqrt_up(best)
    }

    /// An upper bound of `|m| x` for a nonnegative vector; 0 exactly for empty rows.
    fn abs_apply_up(&self, m: &Csr, x: &[f64]) -> Vec<f64> {
        let error = DotError { relative: super::gamma(m.longest_row()), absolute: 0.0 };
        #[expect(
            clippy::float_arithmetic,
            reason = "a sum to nearest, raised; an integer times a power of two is exact"
        )]
        let row = |i: usize| {
            let sum: f64 = m.row(i).map(|(j, a)| self.value(a).abs() * x[j]).sum();
            // Each product may underflow by half the smallest subnormal.
            let lost = m.row(i).count() as f64 * f64::from_bits(1);
            if lost == 0.0 { 0.0 } else { error.raise(add_up(sum, lost)) }
        };
        (0..m.rows()).into_par_iter().with_min_len(64).map(row).collect()
    }
}

/// The largest `a_i / b_i`, rounded up, over the `i` with `a_i > 0` (the others are empty rows).
fn largest_ratio_up(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).filter(|(a, _)| **a > 0.0).fold(0.0, |m, (&a, &b)| max_up(m, div_up(a, b)))
}

/// The vector scaled to a largest entry near 1, with every entry positive (any positive vector will
/// do, so nothing here is rounded in a direction).
#[expect(clippy::float_arithmetic, reason = "any positive vector will do")]
fn positive(v: &[f64]) -> Vec<f64> {
    let largest = v.iter().fold(f64::MIN_POSITIVE, |m: f64, &x| m.max(x));
    v.iter().map(|&x| (x / largest).max(1e-30)).collect()
}

/// `part part^T` with rounding to nearest, each entry in the order of the columns.
#[expect(
    clippy::float_arithmetic,
    reason = "dot products to nearest, with the error that `gram_eigenvalue_up` is given"
)]
fn gram(part: &Csr, transposed: &Csr) -> Array2<f64> {
    let n = part.rows();
    let mut out = Array2::zeros((n, n));
    let rows = out.axis_chunks_iter_mut(Axis(0), 1).into_par_iter().enumerate();
    rows.for_each(|(i, mut row)| {
        if let Some(row) = row.as_slice_mut() {
            for (k, x) in part.row(i) {
                for (j, y) in transposed.row(k) {
                    row[j] += x * y;
                }
            }
        }
    });
    symmetric(out.view())
}

/// The lower half, mirrored: sums that were computed twice agree bit for bit already.
fn symmetric(g: ArrayView2<'_, f64>) -> Array2<f64> {
    Array2::from_shape_fn(g.dim(), |(i, j)| g[[i.max(j), i.min(j)]])
}

/// The connected components of the rows and columns, in the order of their first row.
fn blocks(scaled: &Scaled<'_>) -> Vec<Block> {
    let (rows, columns) = (scaled.a.rows(), scaled.a.columns());
    let mut parents: Vec<u32> = (0..(rows + columns) as u32).collect();
    for i in 0..rows {
        for (j, _) in scaled.a.row(i) {
            let (p, q) = (root(&mut parents, i), root(&mut parents, rows + j));
            parents[p.max(q)] = p.min(q) as u32;
        }
    }
    let row_sums = scaled.abs_apply_up(scaled.a, &vec![1.0; columns]);
    let column_sums = scaled.abs_apply_up(scaled.transposed, &vec![1.0; rows]);
    let mut numbers = vec![usize::MAX; rows + columns];
    let mut blocks: Vec<Block> = Vec::new();
    let mut largest: Vec<(f64, f64)> = Vec::new();
    for node in 0..rows + columns {
        let sum = if node < rows { row_sums[node] } else { column_sums[node - rows] };
        if sum == 0.0 {
            continue;
        }
        let root = root(&mut parents, node);
        if numbers[root] == usize::MAX {
            numbers[root] = blocks.len();
            blocks.push(Block::default());
            largest.push((0.0, 0.0));
        }
        let number = numbers[root];
        if node < rows {
            blocks[number].rows.push(node);
            largest[number].0 = max_up(largest[number].0, sum);
        } else {
            blocks[number].columns.push(node - rows);
            largest[number].1 = max_up(largest[number].1, sum);
        }
    }
    for (block, (row, column)) in blocks.iter_mut().zip(largest) {
        block.crude = sqrt_up(mul_up(row, column));
    }
    blocks
}

/// The representative of a node; halves the path to it.
fn root(parents: &mut [u32], mut node: usize) -> usize {
    while parents[node] as usize != node {
        parents[node] = parents[parents[node] as usize];
        node = parents[node] as usize;
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::Matrix;
    use crate::numeric::exact;
    use crate::numeric::rounding::power_of_two;
    use dashu::rational::RBig;
    use ndarray::arr2;

    fn sparse(a: &Array2<f64>) -> Csr {
        Csr::from_rows(a.nrows(), a.ncols(), |i, push| {
            a.row(i).iter().enumerate().for_each(|(j, &x)| push(j, x));
        })
    }

    #[test]
    fn blocks_are_found_and_bounded() {
        // Two interleaved blocks: [[3, 0], [4, 5]] (norm sqrt 45) and [1 2] (norm sqrt 5).
        let a = sparse(&arr2(&[[3.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 2.0], [4.0, 0.0, 5.0, 0.0]]));
        let t = a.transposed();
        let scaled = Scaled { a: &a, transposed: &t, shift: 0 };
        let found = blocks(&scaled);
        assert_eq!((found[0].rows.clone(), found[0].columns.clone()), (vec![0, 2], vec![0, 2]));
        assert_eq!((found[1].rows.clone(), found[1].columns.clone()), (vec![1], vec![1, 3]));
        let norm = sparse_spectral_norm_up(&a, &t, &[]);
        assert!(norm >= 45f64.sqrt() && norm <= 45f64.sqrt() * (1.0 + 1e-13));
        let schur = scaled.schur_up(f64::INFINITY);
        assert!(schur >= 45f64.sqrt() && schur <= 45f64.sqrt() * (1.0 + 1e-3), "{schur}");
    }

    #[test]
    fn selections_with_repetitions_count_them() {
        // Every row is a signed unit vector, but the norm is sqrt 2.
        let twice = Matrix::sparse(sparse(&arr2(&[[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])));
        let norm = twice.norm_l2_up();
        assert!(norm >= 2f64.sqrt() && norm <= 2f64.sqrt() * (1.0 + 1e-15));
        assert_eq!(Matrix::identity(5).norm_l2_up(), 1.0);
        assert_eq!(Matrix::sparse(Csr::from_rows(3, 2, |_, _| ())).norm_l2_up(), 0.0);
    }

    #[test]
    fn extreme_scales_neither_overflow_nor_vanish() {
        for scale in [1e-300, 1e-200, 1e200, 1e300, 5e-324] {
            let a = sparse(&(arr2(&[[3.0, 0.0], [4.0, 5.0]]) * scale));
            let norm = sparse_spectral_norm_up(&a, &a.transposed(), &[]);
            let exact = 45f64.sqrt() * scale;
            assert!(norm >= exact && (scale < 1e-310 || norm <= exact * (1.0 + 1e-12)));
        }
    }

    /// A row of `k` ones has the norm `sqrt(k)`, and the test of Schur finds no more than its square root.
    #[test]
    fn norms_of_one_row_are_rounded_once() {
        for k in 1..40u32 {
            let row = sparse(&Array2::from_elem((1, k as usize), -1.0));
            for (a, t) in [(row.clone(), row.transposed()), (row.transposed(), row)] {
                let up = exact(sparse_spectral_norm_up(&a, &t, &[]));
                let below = exact(sparse_spectral_norm_up(&a, &t, &[]).next_down());
                assert!(&up * &up >= RBig::from(k) && &below * &below < RBig::from(k), "{k}");
            }
        }
        let row = sparse(&arr2(&[[3.0, 0.0, -4.0]]));
        assert_eq!(sparse_spectral_norm_up(&row, &row.transposed(), &[]), 5.0);
    }

    #[test]
    fn norms_of_rows_that_are_the_same_are_rounded_once() {
        // The trace of the Gram matrix is the square of the norm.
        for k in 2..40u32 {
            let a = sparse(&Array2::from_elem((2, k as usize), -1.0));
            let up = exact(sparse_spectral_norm_up(&a, &a.transposed(), &[]));
            assert!(&up * &up >= RBig::from(2 * k), "{k}");
        }
    }

    #[test]
    fn entries_that_scaling_loses_count() {
        // sqrt(2^2000 + 2^-200) is above 2^1000; scaled to entries below 1, 2^-100 is 0.
        let large = power_of_two(1000);
        for small in [power_of_two(-100), -power_of_two(-100)] {
            let row = sparse(&arr2(&[[large, small]]));
            let norm = sparse_spectral_norm_up(&row, &row.transposed(), &[]);
            assert_eq!(norm, large.next_up());
        }
        for x in [f64::INFINITY, f64::NAN] {
            let a = sparse(&arr2(&[[1.0, 2.0], [x, 1.0]]));
            assert_eq!(sparse_spectral_norm_up(&a, &a.transposed(), &[]), f64::INFINITY);
        }
    }

    /// Two orthogonal rows of `n` entries 1 or -1: the norm is `sqrt(n)`, but `sqrt(2 n)` of the absolute values.
    #[test]
    fn long_blocks_of_few_rows_have_their_gram_matrix() {
        let n = LARGEST_SIDE + 100;
        let rows = Array2::from_shape_fn((2, n), |(i, j)| if i * j % 2 == 0 { 1.0 } else { -1.0 });
        let a = sparse(&rows);
        for (a, t) in [(&a, &a.transposed()), (&a.transposed(), &a)] {
            let norm = sparse_spectral_norm_up(a, t, &[]) / (n as f64).sqrt();
            assert!((1.0 - 1e-15..1.0 + 1e-12).contains(&norm), "{norm}");
        }
    }

    #[test]
    fn sums_of_absolute_values_are_not_below_the_exact_ones() {
        // 1 and 1000 times 2^-54, each of which is lost beside 1.
        let small = power_of_two(-54);
        let a =
            sparse(&Array2::from_shape_fn((1, 1001), |(_, j)| if j == 0 { -1.0 } else { small }));
        let scaled = Scaled { a: &a, transposed: &a.transposed(), shift: 0 };
        let sum = exact(scaled.abs_apply_up(&a, &[1.0; 1001])[0]);
        let expected = exact(1.0) + RBig::from(1000) * exact(small);
        // 2 gamma_1001 and 8 EPSILON, and as much again for the rounding of these.
        assert!(sum >= expected && sum <= expected * exact(1.0 + 4.0 * super::super::gamma(1001)));
        // What vanishes altogether.
        let tiny = sparse(&arr2(&[[power_of_two(-1000)]]));
        let scaled = Scaled { a: &tiny, transposed: &tiny, shift: 0 };
        assert_eq!(scaled.abs_apply_up(&tiny, &[power_of_two(-100)]), [5e-324]);
    }
}
