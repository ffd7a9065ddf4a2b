//! Matrices in all their forms against the same matrices in dense form.
#![allow(clippy::expect_used)] // a failed construction should stop the test

use super::*;
use crate::numeric::exact;
use ndarray::arr2;

fn banded(rows: usize, columns: usize) -> Csr {
    Csr::from_rows(rows, columns, |i, push| {
        for j in i.saturating_sub(1)..(i + 2).min(columns) {
            push(j, (i as f64 + 1.0) - 1.5 * j as f64);
        }
    })
}

#[test]
fn a_scaled_kernel_of_which_an_entry_is_rounded_is_no_part() {
    use crate::numeric::conv_norm::ConvAxis;
    let axis = |n| ConvAxis { taps: 1, stride: 1, dilation: 1, padding: 0, inputs: n, windows: n };
    let with = |entry: f64| {
        let kernel = ndarray::Array4::from_elem((1, 1, 1, 1), entry);
        let convolution = Convolution::new(kernel, 1, [axis(2), axis(3)]).expect("one");
        Matrix::convolution(convolution).scaled_by_power(-10)
    };
    assert_eq!(with(2048.0 * f64::MIN_POSITIVE).parts.len(), 1);
    // 2^-1012 (1 - 2^-53) / 2^10 is rounded to 2^-1022.
    let rounded = with((1.0 - f64::EPSILON / 2.0) * 1024.0 * f64::MIN_POSITIVE);
    assert_eq!((rounded.get(0, 0), rounded.parts.len()), (f64::MIN_POSITIVE, 0));
}

#[test]
fn sparse_and_dense_forms_agree() {
    let (a, b) = (banded(6, 7), banded(7, 5));
    let expected = a.to_dense().dot(&b.to_dense()); // small integers and halves: exact
    let (sa, sb) = (Matrix::sparse(a.clone()), Matrix::sparse(b.clone()));
    let (da, db) = (Matrix::dense(a.to_dense()), Matrix::dense(b.to_dense()));
    for (x, y) in [(&sa, &sb), (&sa, &db), (&da, &sb), (&da, &db)] {
        assert_eq!(x.multiply(y).to_dense(), expected);
    }
    assert_eq!(sa.norm_linf_up(), da.norm_linf_up());
    assert_eq!(sa.norm_l1_up(), da.norm_l1_up());
    assert_eq!(sa.sum_up(&sa).to_dense(), a.to_dense() * 2.0);
    assert_eq!(sa.select_rows(&[4, 0]).to_dense(), da.select_rows(&[4, 0]).to_dense());
    assert_eq!(sa.transposed().to_dense(), da.transposed().to_dense());
    assert_eq!(sa.get(2, 1), da.get(2, 1));
}

#[test]
fn nonnegative_products_that_underflow_are_raised() {
    let a = Csr::from_rows(2, 2, |i, push| push(i, 1e-200));
    for (a, b) in [
        (Matrix::sparse(a.clone()), Matrix::sparse(a.clone())),
        (Matrix::dense(a.to_dense()), Matrix::sparse(a.clone())),
        (Matrix::sparse(a.clone()), Matrix::dense(a.to_dense())),
    ] {
        let product = a.nonnegative_multiply_up(&b);
        assert!(product.get(0, 0) > 0.0 && product.get(1, 1) > 0.0); // 1e-400
    }
    let sparse = Matrix::sparse(a);
    assert_eq!(sparse.nonnegative_multiply_up(&sparse).get(0, 1), 0.0);
}

#[test]
fn the_norms_of_a_known_matrix() {
    let a = Matrix::dense(arr2(&[[1.0, -2.0], [3.0, 4.0]]));
    assert_eq!((a.norm_l1_up(), a.norm_linf_up()), (6.0, 7.0));
}

fn sparse(a: Array2<f64>) -> Matrix {
    Matrix::sparse(Csr::from_rows(a.nrows(), a.ncols(), |i, push| {
        a.row(i).iter().enumerate().for_each(|(j, &x)| push(j, x));
    }))
}

#[test]
fn lengths_of_rows_are_rounded_up() {
    // Columns with the squares 2 and 26, rows with 5, 22 and 1; each square, sum and root is rounded up.
    let entries = arr2(&[[1.0, -2.0], [0.0, 22f64.sqrt()], [1.0, 0.0]]);
    for a in [Matrix::dense(entries.clone()), sparse(entries)] {
        let all = [
            (a.row_lengths_up(), vec![5.0, 22.0, 1.0]),
            (a.transposed().row_lengths_up(), vec![2.0, 26.0]),
        ];
        for (found, squares) in all {
            assert_eq!(found.len(), squares.len());
            for (found, square) in found.into_iter().zip(squares) {
                let relative = found / f64::sqrt(square) - 1.0;
                assert!((0.0..1e-14).contains(&relative), "{found}");
            }
        }
    }
    // The nearest number to the root of 3 is below it.
    let root = Matrix::dense(Array2::ones((1, 3))).row_lengths_up()[0];
    assert!(exact(root) * exact(root) >= exact(3.0) && root <= 1.732050807568878, "{root}");
    // 1e-200 squared is no number; what is stored is nonzero, and so is its length.
    let tiny = Matrix::dense(arr2(&[[1e-200]]));
    assert!(tiny.row_lengths_up()[0] >= 1e-200);
}

#[test]
fn the_identity_alone_is_the_identity() {
    assert!(Matrix::identity(3).is_identity() && sparse(arr2(&[[1.0]])).is_identity());
    for other in [
        arr2(&[[0.0, 1.0], [1.0, 0.0]]),
        arr2(&[[1.0, 0.0], [0.0, 2.0]]),
        arr2(&[[1.0, 1.0], [0.0, 1.0]]),
        arr2(&[[1.0, 0.0], [0.0, 0.0]]),
    ] {
        assert!(!sparse(other).is_identity());
    }
    assert!(!sparse(arr2(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])).is_identity());
    assert!(!sparse(arr2(&[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])).is_identity());
}

#[test]
fn terms_and_support_are_those_of_the_entries() {
    let a = banded(6, 7);
    let sparse = Matrix::sparse(a.clone());
    // Entries i + 1 - 1.5 j: none is zero in row 3, columns 2 to 4; 3 - 1.5 * 2 is in row 2.
    assert_eq!(sparse.row_support(3), Some(vec![2, 3, 4]));
    assert_eq!(sparse.row_support(2), Some(vec![1, 3]));
    assert_eq!((sparse.terms(), Matrix::dense(a.to_dense()).terms()), (3, 7));
    assert_eq!(Matrix::dense(a.to_dense()).row_support(3), None);
    // More rows than a task has; as many columns as a panel, more of them, and none.
    let a = banded(200, 3);
    let matrix = Matrix::sparse(a.clone());
    for columns in [256, 300] {
        let x = Array2::from_shape_fn((3, columns), |(i, j)| (i * 7 + j) as f64);
        assert_eq!(matrix.apply(x.view()), a.to_dense().dot(&x)); // small halves: exact
    }
    assert_eq!(matrix.apply(Array2::zeros((3, 0)).view()).dim(), (200, 0));
}

#[test]
fn stacked_convolutions_stay_parts() {
    use crate::numeric::conv_norm::ConvAxis;
    let axis = |n| ConvAxis { taps: 1, stride: 1, dilation: 1, padding: 0, inputs: n, windows: n };
    let kernel = ndarray::Array4::from_elem((1, 1, 1, 1), 3.0);
    let convolution = Convolution::new(kernel, 1, [axis(2), axis(3)]).expect("one");
    let matrix = Matrix::convolution(convolution);
    let whole = matrix.as_convolution().expect("a convolution");
    assert_eq!(whole.convolution.to_sparse().to_dense(), matrix.to_dense());
    assert!(matrix.transposed().as_convolution().is_some_and(|c| c.transposed));
    let stacked = Matrix::stacked(&[&Matrix::identity(6), &matrix, &matrix]);
    let whole = stacked.as_convolution().expect("more channels");
    assert_eq!(whole.convolution.to_sparse().to_dense(), stacked.to_dense());
    let rows: Vec<_> = stacked.parts.iter().map(|p| p.rows.clone()).collect();
    assert_eq!(rows, [6..12, 12..18]);
    assert!(stacked.parts.iter().all(|p| stacked.has_part(p)));
}
