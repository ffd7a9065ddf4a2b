//! The norms of a matrix.

use ndarray::Array2;

use super::{Entries, Matrix};
use crate::numeric::rounding::{max_up, mul_up, sqrt_up};
use crate::numeric::spectral::sparse::sparse_spectral_norm_up;
use crate::numeric::spectral::spectral_norm_up;

impl Matrix {
    /// An upper bound of the spectral norm, verified: see [`crate::numeric::spectral`] for dense and
    /// [`crate::numeric::spectral::sparse`] for sparse matrices.
    pub fn norm_l2_up(&self) -> f64 {
        match &self.entries {
            Entries::Dense(a) => spectral_norm_up(a.view()),
            Entries::Sparse(a, t) => sparse_spectral_norm_up(a, t, &self.parts),
            Entries::Blocks(blocks) => blocks.norm_l2_up(),
        }
    }

    /// Upper bounds of the sums of the absolute values of each row.
    pub fn row_abs_sums_up(&self) -> Vec<f64> {
        if let Entries::Blocks(blocks) = &self.entries {
            return blocks.row_abs_sums_up();
        }
        let ones = Array2::ones((self.columns(), 1));
        self.abs_apply_up(ones.view()).into_raw_vec_and_offset().0
    }

    /// An upper bound of the l-infinity operator norm: the largest row sum of absolute values.
    pub fn norm_linf_up(&self) -> f64 {
        self.row_abs_sums_up().into_iter().fold(0.0, max_up)
    }

    /// An upper bound of the l1 operator norm: the largest column sum of absolute values.
    pub fn norm_l1_up(&self) -> f64 {
        self.transposed().norm_linf_up()
    }

    /// Upper bounds of the Euclidean lengths of the rows.
    pub fn row_lengths_up(&self) -> Vec<f64> {
        let squares = self.map_entries(|x| mul_up(x, x)).row_abs_sums_up();
        squares.into_iter().map(sqrt_up).collect()
    }
}
