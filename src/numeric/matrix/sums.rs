//! Sums of matrices, rounded up.

use super::{Entries, Matrix};
use crate::numeric::rounding::add_up;

impl Matrix {
    /// An upper bound of `self + other`, entry by entry.
    pub fn sum_up(&self, other: &Matrix) -> Matrix {
        if let (Entries::Blocks(a), Entries::Blocks(b)) = (&self.entries, &other.entries)
            && let Some(sum) = a.sum_up(b)
        {
            return Matrix::blocks(sum);
        }
        if let (Some(a), Some(b)) = (self.as_sparse(), other.as_sparse()) {
            return Matrix::sparse(a.sum_up(b));
        }
        let mut sum = self.to_dense();
        sum.zip_mut_with(&other.to_dense(), |a, &b| *a = add_up(*a, b));
        Matrix::dense(sum)
    }
}
