//! Derivatives with respect to products of maps become derivatives with respect to the maps.

use ndarray::{Array2, ArrayView2};

use super::slopes::Taken;
use crate::bounds::products::Products;
use crate::network::{Chain, Slopes};
use crate::numeric::{Csr, Matrix, product};

/// The derivatives with respect to the maps of a chain, given those with respect to the products
/// `W~_(t,s)` as if they were independent of each other.
///
/// As `W~_(t,s) = W_{t-1} C_{t-1} W~_(t-1,s)`, a derivative `A_(t,s)` with respect to `W~_(t,s)` adds
/// `A_(t,s) (C_{t-1} W~_(t-1,s))^T` to that of `W_{t-1}` and `(W_{t-1} C_{t-1})^T A_(t,s)` to that of
/// `W~_(t-1,s)`: two matrix products for each product, from the last layer to the first. The derivative with
/// respect to the centres `C_{t-1}` is the diagonal of `W_{t-1}^T` times the sum of `A_(t,s) W~_(t-1,s)^T`.
pub fn through_products(
    chain: &Chain,
    products: &Products,
    direct: impl Fn(usize, usize) -> Matrix,
) -> (Vec<Matrix>, Vec<Taken>) {
    let last = chain.depth() + 1;
    let mut maps: Vec<Matrix> = Vec::with_capacity(last);
    let mut centres: Vec<Vec<f64>> = Vec::with_capacity(chain.depth());
    // A_(t+1,s) for all s.
    let mut later: Vec<Matrix> = Vec::new();
    for t in (1..=last).rev() {
        let step = (t < last)
            .then(|| chain.maps()[t].matrix.multiply(&centre(&chain.slopes()[t - 1])).transposed());
        // Behind a pooling nothing goes on: its windows have no centre.
        let step = step.filter(|step| !is_zero(step));
        let own = |s: usize| match (&step, later.get(s).filter(|next| !is_zero(next))) {
            (Some(step), Some(next)) => direct(t, s).sum_up(&step.multiply(next)),
            _ => direct(t, s),
        };
        let mut row: Vec<Matrix> = (0..t).map(own).collect();
        let inner = (row.iter().zip(0..t - 1))
            .map(|(own, s)| (own, &products.get(t - 1, s).value))
            .filter(|(own, below)| !is_zero(own) && !is_zero(below))
            .map(|(own, below)| own.multiply(&below.transposed()))
            .reduce(|sum, term| sum.sum_up(&term));
        if let Some(slopes) = t.checked_sub(2).map(|r| &chain.slopes()[r]) {
            let map = &chain.maps()[t - 1].matrix;
            let of_stage = |inner| column_products(map, inner);
            let zeros = || vec![0.0; slopes.inputs()];
            let is_pool = slopes.diagonal().is_none();
            let found =
                if is_pool { Vec::new() } else { inner.as_ref().map_or_else(zeros, of_stage) };
            centres.push(found);
        }
        let map = match inner {
            None => row[t - 1].clone(),
            Some(inner) => {
                let centred = inner.multiply(&centre(&chain.slopes()[t - 2]).transposed());
                row[t - 1].sum_up(&centred)
            }
        };
        maps.push(map);
        row.truncate(t - 1);
        later = row;
    }
    maps.reverse();
    centres.reverse();
    (maps, Taken::of_centres(chain.slopes(), centres))
}

/// The diagonal of `A^T B`.
fn column_products(a: &Matrix, b: &Matrix) -> Vec<f64> {
    let (mut sums, mut other) = (vec![0.0; a.columns()], vec![0.0; a.columns()]);
    for i in 0..a.rows() {
        b.row_entries(i, &mut |j, value| other[j] = value);
        a.row_entries(i, &mut |j, value| sums[j] += value * other[j]);
        b.row_entries(i, &mut |j, _| other[j] = 0.0);
    }
    sums
}

fn is_zero(matrix: &Matrix) -> bool {
    matrix.grid().max == 0.0
}

/// The centre of the slopes as a matrix.
fn centre(slopes: &Slopes) -> Matrix {
    Matrix::sparse(match slopes {
        Slopes::Componentwise(d) => {
            Csr::from_rows(slopes.outputs(), slopes.inputs(), |i, push| push(i, d.centre()[i]))
        }
        Slopes::Pool(windows) => Csr::from_rows(windows.count(), windows.inputs(), |i, push| {
            if windows.passes(i) {
                windows.window(i).for_each(|j| push(j, 1.0));
            }
        }),
    })
}

/// `sign(w) o (lambda x^T)`: the derivative with respect to `w` of the sum of `lambda o (|w| x)`, with
/// `sign(0) = 0`.
pub fn signed_outer(w: &Matrix, lambda: ArrayView2<'_, f64>, x: ArrayView2<'_, f64>) -> Matrix {
    let signed = |w: f64, value: f64| match w.partial_cmp(&0.0) {
        Some(std::cmp::Ordering::Greater) => value,
        Some(std::cmp::Ordering::Less) => -value,
        _ => 0.0,
    };
    if let Some(sparse) = w.as_sparse() {
        return Matrix::sparse(Csr::from_rows(w.rows(), w.columns(), |i, push| {
            let row = lambda.row(i);
            if row.iter().any(|&l| l != 0.0) {
                sparse.row(i).for_each(|(j, w)| push(j, signed(w, row.dot(&x.row(j)))));
            }
        }));
    }
    let mut outer = product::multiply(lambda, x.t());
    if let Some(dense) = w.as_dense() {
        outer.zip_mut_with(&dense, |value, &w| *value = signed(w, *value));
    }
    Matrix::dense(outer)
}

/// What becomes of a derivative with respect to the result of [`Slopes::radius_up`] (of windows with
/// `keep`, and of each neuron times `factor`) for the block `x`: a window hands it to its first largest
/// element, column by column.
pub fn through_slopes(
    slopes: &Slopes,
    factor: impl Fn(usize) -> f64,
    keep: impl Fn(usize) -> bool,
    x: ArrayView2<'_, f64>,
    adjoint: ArrayView2<'_, f64>,
) -> Array2<f64> {
    let Slopes::Pool(windows) = slopes else {
        let mut result = adjoint.to_owned();
        for (k, mut row) in result.outer_iter_mut().enumerate() {
            row *= factor(k);
        }
        return result;
    };
    let mut result = Array2::zeros(x.dim());
    for i in (0..windows.count()).filter(|&i| keep(i)) {
        for (k, &value) in adjoint.row(i).iter().enumerate() {
            let entries = windows.window(i).map(|j| (j, x[[j, k]]));
            if let Some((j, _)) = entries.reduce(|a, b| if b.1 > a.1 { b } else { a }) {
                result[[j, k]] += value;
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;
    use crate::network::Windows;

    #[test]
    fn of_equal_elements_the_first_has_the_derivative() {
        let pool = Slopes::Pool(Windows::new(3, [vec![0, 1, 2]]));
        let x = arr2(&[[1.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 0.0, 2.0]]);
        let found =
            through_slopes(&pool, |_| 1.0, |_| true, x.view(), arr2(&[[5.0, 6.0, 7.0]]).view());
        assert_eq!(found, arr2(&[[0.0, 6.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 7.0]]));
    }
}
