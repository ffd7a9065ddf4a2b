//! Dense matrix products with their a-priori rounding errors, and products of absolute values.
//!
//! All entry points split their work in blocks of a fixed size, each of them computed by one
//! thread, so a result does not depend on the number of threads.
#![expect(
    clippy::float_arithmetic,
    reason = "sums to nearest, whose error DotError bounds; `raise` makes up for its own roundings"
)]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, CowArray, Ix2};
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, IntoParallelRefIterator, ParallelIterator,
};

use super::grid::Grid;
use super::rounding::{MIN_SUBNORMAL, gamma, upper};

/// Rows of the result that one task computes.
const ROW_BLOCK: usize = 128;

/// Rows and columns of a matrix in column-major order that one task multiplies by a vector.
const SUMS: usize = 2048;
const COLUMNS: usize = 64;

/// Floating-point operations below which a product is not worth a second thread.
const PARALLEL_WORK: usize = 1 << 20;

/// The rounding error of a computed dot product `fl(a.b)` of `terms` terms, in any order of
/// summation, with or without fused operations:
/// `|fl(a.b) - a.b| <= relative * |a|.|b| + absolute`
/// (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., eq. 3.4 and section 2.1:
/// each of the products may underflow by at most half the smallest subnormal; sums do not).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DotError {
    /// `gamma_n`, or 0 where the computation is exact (see [`Grid`]).
    pub relative: f64,
    /// The underflow, or 0 where the computation is exact.
    pub absolute: f64,
}

impl DotError {
    /// No error at all.
    pub const NONE: DotError = DotError { relative: 0.0, absolute: 0.0 };

    /// The error of dot products of `terms` terms of numbers on the grids `a` and `b`.
    pub fn new(a: Grid, b: Grid, terms: usize) -> DotError {
        if a.exact_products(b, terms) {
            DotError::NONE
        } else {
            DotError { relative: gamma(terms), absolute: terms as f64 * MIN_SUBNORMAL }
        }
    }

    /// An upper bound of the exact value of a dot product of nonnegative numbers that was computed
    /// as `y`: `y >= (1 - gamma_n) exact - absolute`, so `exact <= (y + absolute) / (1 - gamma_n)`.
    /// As `1 / (1 - gamma_n) <= 1 + gamma_2n` and the operations below lose at most `(1 - u)^3`,
    /// the factor `1 + gamma_(2n+4)` is large enough, and `gamma_2n <= 2 gamma_n (1 + 2 gamma_n)`
    /// while `n u <= 1/3`.
    pub fn raise(self, y: f64) -> f64 {
        if self == DotError::NONE {
            return upper(y);
        }
        let g = self.relative;
        if g >= 0.5 {
            return f64::INFINITY;
        }
        let factor = 1.0 + (2.0 * g * (1.0 + 2.0 * g) + 8.0 * f64::EPSILON);
        upper((y + self.absolute) * factor)
    }
}

/// `a b`, computed with rounding to nearest: `a` is `m x k`, `b` is `k x n`, the result `m x n`.
/// The error is that of [`DotError::new`] with `k` terms.
pub fn multiply(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut out = Array2::zeros((a.nrows(), b.ncols()));
    multiply_into(out.view_mut(), a, b, false);
    out
}

/// Zeros in memory that is not used any more, which for large arrays takes a fraction of the time that
/// new memory takes.
pub fn zeros((rows, columns): (usize, usize), mut memory: Vec<f64>) -> Array2<f64> {
    if memory.capacity() < rows * columns {
        return Array2::zeros((rows, columns));
    }
    memory.clear();
    memory.resize(rows * columns, 0.0);
    Array2::from_shape_vec((rows, columns), memory).unwrap_or_default() // of this shape
}

/// `out += a b` when `accumulate`, else `out = a b`, with rounding to nearest. `out` must be in
/// row-major order.
pub fn multiply_into(
    mut out: ArrayViewMut2<'_, f64>,
    a: ArrayView2<'_, f64>,
    b: ArrayView2<'_, f64>,
    accumulate: bool,
) {
    debug_assert_eq!(a.ncols(), b.nrows());
    debug_assert_eq!((a.nrows(), b.ncols()), out.dim());
    let (a, b) = (faer_layout(a), faer_layout(b));
    let accum = if accumulate { Accum::Add } else { Accum::Replace };
    let block = |index: usize, mut rows: ArrayViewMut2<'_, f64>| {
        let (count, columns) = rows.dim();
        let left = faer_view(&a).subrows(index * ROW_BLOCK, count);
        if let Some(slice) = rows.as_slice_mut() {
            let dst = MatMut::from_row_major_slice_mut(slice, count, columns);
            matmul(dst, accum, left, faer_view(&b), 1.0, Par::Seq);
        }
    };
    let work = a.nrows() * a.ncols() * b.ncols();
    let blocks = out.axis_chunks_iter_mut(Axis(0), ROW_BLOCK);
    if work < PARALLEL_WORK || a.nrows() <= ROW_BLOCK {
        blocks.into_iter().enumerate().for_each(|(i, rows)| block(i, rows));
    } else {
        blocks.into_par_iter().enumerate().for_each(|(i, rows)| block(i, rows));
    }
    #[cfg(test)]
    spoil(out, a.view(), b.view());
}

/// Gives every entry of a product nearly the largest error that it may have, where tests ask for that.
#[cfg(test)]
fn spoil(mut out: ArrayViewMut2<'_, f64>, a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) {
    use super::rounding::coarse;
    if coarse::sums_are_wrong() {
        let sizes = a.mapv(f64::abs).dot(&b.mapv(f64::abs));
        out.zip_mut_with(&sizes, |x, &size| *x = coarse::wrong_sum(*x, size, a.ncols()));
    }
}

/// The same matrix in one of the two layouts that faer reads without a copy.
fn faer_layout(a: ArrayView2<'_, f64>) -> CowArray<'_, f64, Ix2> {
    if a.is_standard_layout() || a.t().is_standard_layout() {
        CowArray::from(a)
    } else {
        CowArray::from(a.as_standard_layout().into_owned())
    }
}

/// A view of a matrix from [`faer_layout`].
pub(super) fn faer_view<'a>(a: &'a CowArray<'_, f64, Ix2>) -> MatRef<'a, f64> {
    let (rows, columns) = a.dim();
    if let Some(slice) = a.as_slice() {
        MatRef::from_row_major_slice(slice, rows, columns)
    } else if let Some(slice) = a.as_slice_memory_order() {
        MatRef::from_column_major_slice(slice, rows, columns)
    } else {
        // `faer_layout` leaves no other case; an empty view is wrong only in shape and so is caught.
        MatRef::from_row_major_slice(&[], 0, 0)
    }
}

/// An upper bound of `|a| x` for a block `x` of nonnegative columns: `a` is `m x n`, `x` is
/// `n x k`, the result `m x k`. `grid` contains the entries of `a`.
pub fn abs_apply_up(a: ArrayView2<'_, f64>, grid: Grid, x: ArrayView2<'_, f64>) -> Array2<f64> {
    let error = DotError::new(grid, Grid::of_matrix(x), a.ncols());
    let mut y = if x.ncols() == 1 {
        abs_matrix_vector(a, x.column(0)).insert_axis(Axis(1))
    } else {
        multiply(a.mapv(f64::abs).view(), x)
    };
    y.mapv_inplace(|value| error.raise(value));
    y
}

/// `|a| x` for one vector, with rounding to nearest, reading `a` once in memory order.
fn abs_matrix_vector(a: ArrayView2<'_, f64>, x: ArrayView1<'_, f64>) -> ndarray::Array1<f64> {
    let x = x.to_vec();
    let parallel = a.len() >= PARALLEL_WORK;
    let columns: Option<Vec<&[f64]>> = a.columns().into_iter().map(|c| c.to_slice()).collect();
    let Some(columns) = columns.filter(|_| !a.is_standard_layout()) else {
        let row = |i: usize| match a.row(i).as_slice() {
            Some(row) => abs_dot(row, &x),
            None => a.row(i).iter().zip(&x).map(|(p, v)| p.abs() * v).sum(),
        };
        let n = a.nrows();
        let y: Vec<f64> = if parallel {
            (0..n).into_par_iter().with_min_len(16).map(row).collect()
        } else {
            (0..n).map(row).collect()
        };
        return y.into();
    };
    // Column-major: the columns are added up, one after the other because several at the same place of a memory page
    // get in each other's way. A task has some columns of some rows, so that its sums stay in the fastest cache.
    let block = |(start, first): (usize, usize)| {
        let (end, last) = ((start + SUMS).min(a.nrows()), (first + COLUMNS).min(a.ncols()));
        let mut y = vec![0.0; end - start];
        for (column, v) in columns[first..last].iter().zip(&x[first..last]) {
            add_multiple(&mut y, &column[start..end], *v);
        }
        y
    };
    let blocks: Vec<(usize, usize)> = (0..a.nrows())
        .step_by(SUMS)
        .flat_map(|start| (0..a.ncols()).step_by(COLUMNS).map(move |first| (start, first)))
        .collect();
    let parts: Vec<Vec<f64>> = if parallel {
        blocks.par_iter().copied().map(block).collect()
    } else {
        blocks.iter().copied().map(block).collect()
    };
    let mut y = vec![0.0; a.nrows()];
    for ((start, _), part) in blocks.into_iter().zip(parts) {
        y[start..].iter_mut().zip(part).for_each(|(y, p)| *y += p);
    }
    y.into()
}

/// `y += |a| x`, 16 numbers at a time, which the compiler keeps in vector registers.
fn add_multiple(y: &mut [f64], a: &[f64], x: f64) {
    let (y16, y_rest) = y.as_chunks_mut::<16>();
    let (a16, a_rest) = a.as_chunks::<16>();
    for (y, a) in y16.iter_mut().zip(a16) {
        let mut sums = *y;
        for k in 0..16 {
            sums[k] += a[k].abs() * x;
        }
        *y = sums;
    }
    y_rest.iter_mut().zip(a_rest).for_each(|(y, a)| *y += a.abs() * x);
}

/// `sum |a_i| x_i` with eight partial sums, which the compiler keeps in vector registers.
fn abs_dot(a: &[f64], x: &[f64]) -> f64 {
    let mut sums = [0.0f64; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (x8, x_rest) = x.as_chunks::<8>();
    for (a, x) in a8.iter().zip(x8) {
        for k in 0..8 {
            sums[k] += a[k].abs() * x[k];
        }
    }
    let rest: f64 = a_rest.iter().zip(x_rest).map(|(a, x)| a.abs() * x).sum();
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h)) + rest
}

/// Upper bounds of the sums of the absolute values of each row.
pub fn row_abs_sums_up(a: ArrayView2<'_, f64>, grid: Grid) -> Vec<f64> {
    let ones = Array2::ones((a.ncols(), 1));
    abs_apply_up(a, grid, ones.view()).into_raw_vec_and_offset().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::exact;
    use dashu::rational::RBig;
    use proptest::prelude::{prop_assert, proptest};

    fn matrix(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
        use rand::{Rng, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_fn((rows, columns), |_| rng.random_range(-1.0..1.0))
    }

    proptest! {
        #[test]
        fn applied_absolute_values_are_upper_bounds_and_tight(
            m in 1usize..7, n in 1usize..40, k in 1usize..4, seed in 0u64..1000, transposed: bool,
        ) {
            let a = if transposed { matrix(n, m, seed).reversed_axes() } else { matrix(m, n, seed) };
            let x = matrix(n, k, seed + 1).mapv(f64::abs);
            let y = abs_apply_up(a.view(), Grid::of(a.iter()), x.view());
            for i in 0..m {
                for j in 0..k {
                    let sum: RBig = (0..n)
                        .map(|t| exact(a[[i, t]].abs()) * exact(x[[t, j]]))
                        .fold(RBig::ZERO, |s, p| s + p);
                    prop_assert!(exact(y[[i, j]]) >= sum);
                    // raise() adds at most 2 gamma_n + 8 eps on top of gamma_n.
                    prop_assert!(exact(y[[i, j]] * (1.0 - 1e-13)) <= sum);
                }
            }
        }
    }

    #[test]
    fn raised_products_are_upper_bounds_however_large_the_error_is() {
        for relative in [1e-16, 1e-9, 1e-3, 0.1, 0.25, 1.0 / 3.0] {
            for absolute in [0.0, 1e-3, 1.0] {
                let raised = DotError { relative, absolute }.raise(1.0);
                let least = (exact(1.0) + exact(absolute)) / (exact(1.0) - exact(relative));
                assert!(exact(raised) >= least, "{relative} {absolute}: {raised}");
                // 1 / (1 - g) <= 1 + 2g while g <= 1/2, so the factor is at most its square and 8 eps.
                let most = (1.0 + absolute) * (1.0 + 2.0 * relative).powi(2) * (1.0 + 1e-14);
                assert!(raised <= most, "{relative} {absolute}: {raised}");
            }
        }
        assert_eq!(DotError { relative: 0.5, absolute: 0.0 }.raise(1.0), f64::INFINITY);
    }

    #[test]
    fn integers_stay_exact() {
        let a = Array2::from_shape_fn((3, 4), |(i, j)| i as f64 - j as f64);
        assert_eq!(row_abs_sums_up(a.view(), Grid::of(a.iter())), vec![6.0, 4.0, 4.0]);
    }

    #[test]
    fn either_layout_is_read_whole() {
        // Rows and columns beyond those of one task: the sum of i + j over all j, an integer.
        for (m, n) in
            [(1, 1), (1, 300), (3, 257), (2100, 300), (SUMS, COLUMNS), (SUMS + 1, COLUMNS + 1)]
        {
            let entry = |i: usize, j: usize| {
                if i % 2 == j % 3 { (i + j) as f64 } else { -((i + j) as f64) }
            };
            let rows = Array2::from_shape_fn((m, n), |(i, j)| entry(i, j));
            let columns = Array2::from_shape_fn((n, m), |(j, i)| entry(i, j)).reversed_axes();
            let sums: Vec<f64> = (0..m).map(|i| (n * i + n * (n - 1) / 2) as f64).collect();
            for a in [rows, columns] {
                assert_eq!(row_abs_sums_up(a.view(), Grid::of(a.iter())), sums);
            }
        }
    }

    #[test]
    fn large_products_do_not_depend_on_the_layout_or_the_threads() {
        let (a, b) = (matrix(300, 200, 1), matrix(200, 150, 2));
        let c = multiply(a.view(), b.view());
        let expected = a.dot(&b);
        let gap = (&c - &expected).mapv(f64::abs).iter().copied().fold(0.0, f64::max);
        assert!(gap <= 2.0 * gamma(200) * 200.0); // each product within gamma_n |A||B|
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("pool");
        assert_eq!(pool.install(|| multiply(a.view(), b.view())), c);
    }

    #[test]
    fn overflow_becomes_infinity() {
        let a = ndarray::arr2(&[[1e308, 1e308]]);
        assert_eq!(row_abs_sums_up(a.view(), Grid::of(a.iter())), vec![f64::INFINITY]);
    }

    #[test]
    fn strided_views_are_read_as_they_are() {
        // Integers: exact in any order. Every second row and column lies apart in memory.
        let a = Array2::from_shape_fn((9, 14), |(i, j)| (3 * i) as f64 - (2 * j) as f64);
        let view = a.slice(ndarray::s![..;2, ..;2]);
        for view in [view, view.t()] {
            let n = view.ncols();
            let x = Array2::from_shape_fn((n, 2), |(i, j)| (i + j) as f64);
            let expected = view.mapv(f64::abs).dot(&x);
            let grid = Grid::of(view.iter());
            assert_eq!(abs_apply_up(view, grid, x.view()), expected);
            let first = abs_apply_up(view, grid, x.slice(ndarray::s![.., ..1]));
            assert_eq!(first.column(0), expected.column(0));
            assert_eq!(multiply(view, x.view()), view.dot(&x));
        }
    }
}
