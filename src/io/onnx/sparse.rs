//! Sparse tensors: the entries that are not zero, and where they are.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};

use super::constant::{Constant, Data};
use super::proto::SparseTensor;
use super::tensor;
use crate::io::dtype;
use crate::network::tensor::show_shape;

/// Reads a sparse tensor as a full one of at most `room` entries. Its indices are places in row-major order,
/// or one index for each axis.
///
/// # Errors
/// A tensor that cannot be read or is too large; indices that do not fit.
pub fn read(
    sparse: &SparseTensor<'_>,
    folder: Option<&Path>,
    room: usize,
) -> Result<Constant, String> {
    let (Some(values), Some(indices)) = (&sparse.values, &sparse.indices) else {
        return Err(
            "is sparse, but its values or indices are missing; the file is damaged".to_owned()
        );
    };
    let shape: Option<Vec<usize>> =
        sparse.dims.iter().map(|&n| usize::try_from(n as i64).ok()).collect();
    let count = shape.as_deref().and_then(dtype::count).filter(|&n| n <= room);
    let (Some(shape), Some(count)) = (shape, count) else {
        return Err("is sparse, and far larger than the file; store it in full".to_owned());
    };
    let values = tensor::read(values, folder)?;
    let indices = tensor::read(indices, folder)?;
    let at = places(&indices, &shape, values.count())?;
    if at.iter().any(|&i| i >= count) || !at.is_sorted_by(|i, j| i < j) {
        return Err("is sparse, and its indices do not exist, are repeated or out of order; the file is damaged".to_owned());
    }
    fn full<T: Copy + Default>(
        values: &ArrayD<T>,
        at: &[usize],
        shape: &[usize],
        count: usize,
    ) -> Result<ArrayD<T>, String> {
        let mut all = vec![T::default(); count];
        for (&i, &value) in at.iter().zip(values) {
            all[i] = value;
        }
        ArrayD::from_shape_vec(IxDyn(shape), all).map_err(|error| error.to_string())
    }
    Ok(values.with(match &values.data {
        Data::Real(reals) => Data::Real(full(reals, &at, &shape, count)?),
        Data::Int(ints) => Data::Int(full(ints, &at, &shape, count)?),
    }))
}

/// The places of the entries in row-major order.
fn places(indices: &Constant, shape: &[usize], entries: usize) -> Result<Vec<usize>, String> {
    let numbers: Option<Vec<usize>> =
        indices.integers("its indices")?.iter().map(|&n| usize::try_from(n).ok()).collect();
    let numbers = numbers.ok_or("is sparse, and has a negative index; the file is damaged")?;
    match *indices.shape() {
        [n] if n == entries => Ok(numbers),
        [n, rank] if n == entries && rank == shape.len() && rank > 0 => {
            let place = |index: &[usize]| {
                let inside = index.iter().zip(shape).all(|(i, n)| i < n);
                // Beyond the end if some index is.
                let end = shape.iter().product();
                if inside { index.iter().zip(shape).fold(0, |at, (i, n)| at * n + i) } else { end }
            };
            Ok(numbers.chunks(rank).map(place).collect())
        }
        _ => Err(format!(
            "is sparse with {entries} values, but its indices have the shape {}; the file is damaged",
            show_shape(indices.shape())
        )),
    }
}
