//! Where norms are attained: the row, the column or the singular vectors that are their derivatives.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::bounds::Refusal;
use crate::bounds::problem::Oriented;
use crate::numeric::decompose::thin_svd;
use crate::numeric::{Csr, Matrix, Norm, product};

/// The norm of a matrix and its derivative with respect to the entries.
///
/// # Errors
/// Singular vectors that are not found.
pub fn of_matrix(matrix: &Matrix, norm: Norm) -> Result<(f64, Matrix), Refusal> {
    match norm {
        Norm::Linf => {
            let sums = matrix.row_abs_sums_up();
            let row = first_largest(sums.iter().copied());
            let one = Array2::from_shape_fn((matrix.rows(), 1), |(i, _)| f64::from(i == row));
            let ones = Array2::ones((matrix.columns(), 1));
            let selected = matrix.select_rows(&[row]);
            let signs = super::backward::signed_outer(
                &selected,
                one.slice(ndarray::s![row..row + 1, ..]),
                ones.view(),
            );
            let entries: Vec<(usize, f64)> =
                (0..matrix.columns()).map(|j| (j, signs.get(0, j))).collect();
            let place = Csr::from_rows(matrix.rows(), matrix.columns(), |i, push| {
                if i == row {
                    entries.iter().for_each(|&(j, sign)| push(j, sign));
                }
            });
            Ok((sums[row], Matrix::sparse(place)))
        }
        Norm::L1 => {
            let (value, place) = of_matrix(&matrix.transposed(), Norm::Linf)?;
            Ok((value, place.transposed()))
        }
        Norm::L2 if is_partial_permutation(matrix) => {
            // All singular values are 1 (the map between an activation and a pooling): the first entry.
            let first = matrix.as_sparse().and_then(|a| {
                (0..a.rows()).find_map(|i| a.row(i).next().map(|(j, value)| (i, j, value)))
            });
            let place = Csr::from_rows(matrix.rows(), matrix.columns(), |i, push| {
                first.iter().filter(|e| e.0 == i).for_each(|&(_, j, value)| push(j, value));
            });
            Ok((if first.is_some() { 1.0 } else { 0.0 }, Matrix::sparse(place)))
        }
        Norm::L2 => {
            let (value, u, v) = top_singular(matrix)?;
            Ok((value, Matrix::dense(outer(&u, &v))))
        }
    }
}

/// Whether no row and no column has more than one entry, and that 1 or -1.
fn is_partial_permutation(matrix: &Matrix) -> bool {
    matrix.is_signed_selection() && matrix.transposed().is_signed_selection()
}

/// The same for a block `M start` of a nonnegative `M` (see [`Oriented::norm_up`]).
///
/// # Errors
/// As [`of_matrix`].
pub fn of_block(
    oriented: &Oriented<'_>,
    norm: Norm,
    block: ArrayView2<'_, f64>,
) -> Result<(f64, Array2<f64>), Refusal> {
    if oriented.sums_rows(norm) {
        let row = first_largest(block.column(0).iter().copied());
        return Ok((block[[row, 0]], unit(block.nrows(), row)));
    }
    if norm == Norm::L2 {
        let (value, u, v) = top_singular(&Matrix::dense(block.to_owned()))?;
        return Ok((value, outer(&u.mapv(f64::abs), &v.mapv(f64::abs))));
    }
    let sums = block.sum_axis(Axis(0));
    let column = first_largest(sums.iter().copied());
    let ones = Array2::from_shape_fn(block.dim(), |(_, j)| f64::from(j == column));
    Ok((sums[column], ones))
}

/// A block `start` and a derivative `lambda` such that the norm of a matrix `M`, of which `push` gives
/// `M x`, has the derivative `lambda start^T` with respect to `M`: one column each, where that is enough.
pub struct Contracted {
    /// The norm.
    pub value: f64,
    /// What enters the chain.
    pub start: Array2<f64>,
    /// The derivative with respect to what comes out.
    pub lambda: Array2<f64>,
}

/// The contraction of a nonnegative `M`.
///
/// # Errors
/// As [`of_matrix`].
pub fn contracted(
    oriented: &Oriented<'_>,
    norm: Norm,
    push: impl Fn(Array2<f64>) -> Array2<f64>,
) -> Result<Contracted, Refusal> {
    let block = oriented.pushed(norm, push);
    if oriented.sums_rows(norm) {
        let (value, lambda) = of_block(oriented, norm, block.view())?;
        return Ok(Contracted { value, start: oriented.start(norm), lambda });
    }
    if norm == Norm::L1 {
        // The columns go through the chain on their own.
        let sums = block.sum_axis(Axis(0));
        let column = first_largest(sums.iter().copied());
        let lambda = Array2::ones((block.nrows(), 1));
        return Ok(Contracted { value: sums[column], start: unit(block.ncols(), column), lambda });
    }
    let (value, u, v) = top_singular(&Matrix::dense(block))?;
    let (u, v) = (u.mapv(f64::abs), v.mapv(f64::abs));
    if oriented.chain.has_pool() {
        // The maximum over a window is not linear in the columns.
        return Ok(Contracted { value, start: oriented.start(norm), lambda: outer(&u, &v) });
    }
    let column = |x: Array1<f64>| x.insert_axis(Axis(1));
    Ok(Contracted { value, start: column(v), lambda: column(u) })
}

/// The place of the first of the largest numbers; 0 where there are none.
pub fn first_largest(values: impl Iterator<Item = f64>) -> usize {
    let larger = |a: (usize, f64), b: (usize, f64)| if b.1 > a.1 { b } else { a };
    values.enumerate().reduce(larger).map_or(0, |(place, _)| place)
}

/// A column of the identity.
pub fn unit(n: usize, place: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, 1), |(i, _)| f64::from(i == place))
}

fn outer(u: &Array1<f64>, v: &Array1<f64>) -> Array2<f64> {
    Array2::from_shape_fn((u.len(), v.len()), |(i, j)| u[i] * v[j])
}

/// The shorter side up to which dense matrices are decomposed as a whole.
const DECOMPOSED_SIDE: usize = 512;

/// The dimension of the Krylov spaces for larger matrices, and how often they are begun anew.
const KRYLOV: (usize, usize) = (60, 40);

/// The largest singular value with its singular vectors, approximately.
fn top_singular(a: &Matrix) -> Result<(f64, Array1<f64>, Array1<f64>), Refusal> {
    let failed = || Refusal("the singular vectors of a layer could not be computed".to_owned());
    if a.rows() > a.columns() {
        return top_singular(&a.transposed()).map(|(value, u, v)| (value, v, u));
    }
    if a.as_dense().is_some() && a.rows() <= DECOMPOSED_SIDE {
        return top_of_svd(a.to_dense().view()).ok_or_else(failed);
    }
    // Rayleigh-Ritz in Krylov spaces of A A^T from a start that no symmetry of a matrix is likely to share.
    let start = |i: usize| 1.0 + (i as f64 * 0.618_033_988_749_894_9).fract();
    let mut u = Array1::from_shape_fn(a.rows(), start);
    let at = a.transposed();
    let mut value = 0.0;
    let mut v = Array1::zeros(a.columns());
    for _ in 0..KRYLOV.1 {
        let basis = krylov(a, &at, u);
        // A^T U = Y S Z^T.
        let image = at.apply(basis.view());
        let (s, y, z) = top_of_svd(image.view()).ok_or_else(failed)?;
        u = basis.dot(&z);
        (value, v) = (s, y);
        let residual = a.apply(v.view().insert_axis(Axis(1))).column(0).to_owned() - &u * value;
        // The vectors are off by about the residual over the gap to the next singular value.
        if residual.dot(&residual).sqrt() <= 1e-12 * value {
            break;
        }
    }
    Ok((value, u, v))
}

fn top_of_svd(a: ArrayView2<'_, f64>) -> Option<(f64, Array1<f64>, Array1<f64>)> {
    let (u, s, v) = thin_svd(a)?;
    Some((*s.first()?, u.column(0).to_owned(), v.column(0).to_owned()))
}

/// An orthonormal basis of the span of `u, A A^T u, (A A^T)^2 u, ...`, in columns.
fn krylov(a: &Matrix, at: &Matrix, u: Array1<f64>) -> Array2<f64> {
    let count = KRYLOV.0.min(u.len());
    let mut basis: Array2<f64> = Array2::zeros((u.len(), count));
    let mut next = u.insert_axis(Axis(1));
    for k in 0..count {
        let before = basis.slice(ndarray::s![.., ..k]).to_owned();
        let size = next.iter().map(|x| x * x).sum::<f64>().sqrt();
        for _ in 0..2 {
            let shadow = product::multiply(before.t(), next.view());
            next -= &product::multiply(before.view(), shadow.view());
        }
        let rest = next.iter().map(|x| x * x).sum::<f64>().sqrt();
        if rest <= 1e-14 * size {
            // The space is invariant.
            return before;
        }
        next /= rest;
        basis.column_mut(k).assign(&next.column(0));
        next = a.apply(at.apply(next.view()).view());
    }
    basis
}
