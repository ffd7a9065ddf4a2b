//! The entries of one block.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

use crate::numeric::conv_norm::{Convolution, of_channels};
use crate::numeric::matrix::multiply::sparse_apply;
use crate::numeric::sparse::Csr;
use crate::numeric::spectral::sparse::sparse_spectral_norm_up;

#[derive(Debug, Clone)]
pub enum Entries {
    /// The matrix of a convolution, or the transpose of one.
    Convolution { convolution: Convolution, transposed: bool },
    /// A matrix and its transpose.
    Sparse(Arc<Csr>, Arc<Csr>),
}

impl Entries {
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Entries::Convolution { convolution, transposed } => {
                convolution.matrix_shape(*transposed)
            }
            Entries::Sparse(a, _) => (a.rows(), a.columns()),
        }
    }

    pub fn transposed(&self) -> Entries {
        match self {
            Entries::Convolution { convolution, transposed } => {
                Entries::Convolution { convolution: convolution.clone(), transposed: !transposed }
            }
            Entries::Sparse(a, t) => Entries::Sparse(t.clone(), a.clone()),
        }
    }

    pub fn written(&self) -> Csr {
        match self {
            Entries::Convolution { convolution, transposed: false } => convolution.to_sparse(),
            Entries::Convolution { convolution, transposed: true } => {
                convolution.to_sparse().transposed()
            }
            Entries::Sparse(a, _) => (**a).clone(),
        }
    }

    pub fn map(&self, f: &dyn Fn(f64) -> f64) -> Entries {
        match self {
            Entries::Convolution { convolution, transposed } => {
                Entries::Convolution { convolution: convolution.map(f), transposed: *transposed }
            }
            Entries::Sparse(a, _) => sparse(a.map(|_, x| f(x))),
        }
    }

    /// The entries with row `i` multiplied by `factors[i]`, with rounding to nearest; `None` where a
    /// convolution does not stay one.
    #[expect(
        clippy::float_arithmetic,
        reason = "to nearest, as it says; DotError bounds products of one term, too"
    )]
    pub fn scaled_rows(&self, factors: &[f64]) -> Option<Entries> {
        if factors.iter().all(|&f| f == 1.0) {
            return Some(self.clone());
        }
        match self {
            Entries::Convolution { convolution, transposed } => {
                let factors = of_channels(factors, convolution.channel_size(*transposed))?;
                let convolution = convolution.with_scaled_channels(&factors, *transposed)?;
                Some(Entries::Convolution { convolution, transposed: *transposed })
            }
            Entries::Sparse(a, _) => Some(sparse(a.map(|i, x| factors[i] * x))),
        }
    }

    pub fn apply(
        &self,
        x: ArrayView2<'_, f64>,
        f: &(dyn Fn(f64) -> f64 + Sync),
        memory: Vec<f64>,
    ) -> Array2<f64> {
        match self {
            Entries::Convolution { convolution, transposed } => {
                convolution.apply(*transposed, x, f, memory)
            }
            Entries::Sparse(a, _) => sparse_apply(a, x, f),
        }
    }

    pub fn longest_row(&self) -> usize {
        match self {
            Entries::Convolution { convolution, transposed } => {
                convolution.longest_row(*transposed)
            }
            Entries::Sparse(a, _) => a.longest_row(),
        }
    }

    pub fn count(&self) -> usize {
        match self {
            Entries::Convolution { convolution, .. } => convolution.matrix_entries(),
            Entries::Sparse(a, _) => a.entries(),
        }
    }

    pub fn norm_l2_up(&self) -> f64 {
        match self {
            Entries::Convolution { convolution, .. } => convolution.norm_up(),
            Entries::Sparse(a, t) => sparse_spectral_norm_up(a, t, &[]),
        }
    }
}

pub fn sparse(entries: Csr) -> Entries {
    let transposed = entries.transposed();
    Entries::Sparse(Arc::new(entries), Arc::new(transposed))
}
