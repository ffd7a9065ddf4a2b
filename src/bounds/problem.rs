//! What the bounds of one network share.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ndarray::{Array2, s};

use super::product_norms::ProductNorms;
use super::products::Products;
use super::streamed::{Streamed, Wanted};
use super::{Certificate, Cost, Options, Refusal, Stop};
use crate::network::{Chain, LoweredNetwork};
use crate::numeric::Norm;
use crate::numeric::rounding::scale_up;

/// The bytes that products of maps may take where there is another way: keeping them saves time where
/// several bounds use them, but 2 GiB is what a small machine can spare.
const LARGEST_KEPT: usize = 2 << 30;

/// The bytes up to which the products of a network on a box may be made twice.
const LARGEST_TWICE: usize = 256 << 20;

/// A network to be bounded, with what its bounds share, computed once when first needed.
#[derive(Debug)]
pub struct Problem {
    network: LoweredNetwork,
    options: Options,
    transposed: Option<Chain>,
    products_bytes: OnceLock<usize>,
    products: OnceLock<Products>,
    transposed_products: OnceLock<Products>,
    product_norms_l2: OnceLock<ProductNorms>,
    results: Mutex<HashMap<(&'static str, Norm), Computed>>,
    /// The best that is proved of K and of L so far.
    proved: Mutex<HashMap<(Quantity, Norm), Proved>>,
    /// The time that the next search may take.
    search_limit: Mutex<Option<Duration>>,
    /// The same problem with the slopes of all inputs, where the network is on a box.
    everywhere: OnceLock<Option<Box<Problem>>>,
}

/// What is bounded: K and L are searched for, everything else bounds both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Quantity {
    K,
    L,
}

/// Proved bounds of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proved {
    /// It is at least this.
    pub lower: f64,
    /// It is at most this.
    pub upper: f64,
}

/// A bound, or why there is none.
type Computed = Result<Certificate, Refusal>;

/// A chain with its products in the orientation in which a norm is computed.
#[derive(Clone, Copy)]
pub struct Oriented<'a> {
    /// The chain, or its transpose.
    pub chain: &'a Chain,
    problem: &'a Problem,
    /// Whether it is the transpose, whose layers are in the opposite order.
    pub is_transposed: bool,
}

impl Problem {
    /// The problem of bounding `network`.
    pub fn new(network: LoweredNetwork, options: Options) -> Problem {
        let transposed = network.chain.transposed();
        Problem {
            network,
            options,
            transposed,
            products_bytes: OnceLock::new(),
            products: OnceLock::new(),
            transposed_products: OnceLock::new(),
            product_norms_l2: OnceLock::new(),
            results: Mutex::default(),
            proved: Mutex::default(),
            search_limit: Mutex::default(),
            everywhere: OnceLock::new(),
        }
    }

    /// The problem with the slopes of all inputs, where the network is on a box and not too large: what bounds it
    /// everywhere bounds it on the box, too.
    pub fn everywhere(&self) -> Option<&Problem> {
        let new = || {
            // Products of its own take as much memory again.
            let network =
                self.network.everywhere().filter(|_| self.products_bytes() <= LARGEST_TWICE)?;
            Some(Box::new(Problem::new(network, self.options.clone())))
        };
        self.everywhere.get_or_init(new).as_deref()
    }

    /// The best that is proved so far of what the bound with this id is: of L for `l`, else of K.
    pub fn proved(&self, id: &str, norm: Norm) -> Proved {
        let quantity = if id == "l" { Quantity::L } else { Quantity::K };
        let proved = self.proved.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = Proved { lower: 0.0, upper: f64::INFINITY };
        proved.get(&(quantity, norm)).copied().unwrap_or(nothing)
    }

    /// Keeps what is proved, of L where `id` is `l`, else of K. As L <= K, an upper bound of K is one of L, a lower
    /// bound of L one of K.
    pub fn keep_proved(&self, id: &str, norm: Norm, found: Proved) {
        let mut proved = self.proved.lock().unwrap_or_else(PoisonError::into_inner);
        for (quantity, is_above, is_below) in
            [(Quantity::K, id != "l", true), (Quantity::L, true, id == "l")]
        {
            let nothing = Proved { lower: 0.0, upper: f64::INFINITY };
            let known = proved.entry((quantity, norm)).or_insert(nothing);
            if is_above {
                known.upper = known.upper.min(found.upper);
            }
            if is_below {
                known.lower = known.lower.max(found.lower);
            }
        }
    }

    /// Gives the next search this time at most.
    pub fn limit_search(&self, time: Duration) {
        let mut limit = self.search_limit.lock().unwrap_or_else(PoisonError::into_inner);
        *limit = Some(time);
    }

    /// When a search that begins now has to stop.
    pub fn search_stop(&self) -> Stop {
        let limit = *self.search_limit.lock().unwrap_or_else(PoisonError::into_inner);
        let least = self.options.time_limit.into_iter().chain(limit).min();
        let stop = &self.options.stop;
        least.map_or_else(|| stop.clone(), |time| stop.within(time))
    }

    /// What an earlier call with the same bound and norm returned; otherwise what `compute` does.
    pub fn remembered(
        &self,
        id: &'static str,
        norm: Norm,
        compute: impl FnOnce() -> Computed,
    ) -> Computed {
        let results = || self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let known = results().get(&(id, norm)).cloned();
        known.unwrap_or_else(|| {
            let computed = compute();
            results().insert((id, norm), computed.clone());
            computed
        })
    }

    /// The chain of the network.
    pub fn chain(&self) -> &Chain {
        &self.network.chain
    }

    /// The network.
    pub fn network(&self) -> &LoweredNetwork {
        &self.network
    }

    /// The limits.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The orientation in which blocks of columns are pushed through the chain for `norm`:
    /// transposed for l1, as `||J||_1 = ||J^T||_inf`; for l2, as `||J||_2 = ||J^T||_2`, the one that
    /// starts at the narrower end. A chain with a max-pooling has only one orientation.
    pub fn oriented(&self, norm: Norm) -> Oriented<'_> {
        let wanted = match norm {
            Norm::Linf => false,
            Norm::L1 => true,
            Norm::L2 => self.chain().outputs() < self.chain().inputs(),
        };
        match &self.transposed {
            Some(transposed) if wanted => {
                Oriented { chain: transposed, problem: self, is_transposed: true }
            }
            _ => Oriented { chain: self.chain(), problem: self, is_transposed: false },
        }
    }

    /// The products of the maps of the chain.
    ///
    /// # Errors
    /// A refusal where they would take more memory than the limit.
    pub fn products(&self) -> Result<&Products, Refusal> {
        self.check_memory()?;
        Ok(self.products.get_or_init(|| Products::new(self.chain())))
    }

    /// The norms of the products in l2.
    ///
    /// # Errors
    /// As [`Problem::products`].
    pub fn product_norms_l2(&self) -> Result<&ProductNorms, Refusal> {
        let products = self.products()?;
        let new = || ProductNorms::new(self.chain(), products, Norm::L2);
        Ok(self.product_norms_l2.get_or_init(new))
    }

    /// Whether the products of the maps have been computed.
    pub fn has_products(&self) -> bool {
        self.products.get().is_some()
    }

    /// An estimate of the bytes that the products of the maps take.
    pub fn products_bytes(&self) -> usize {
        *self.products_bytes.get_or_init(|| Products::bytes(self.chain()))
    }

    /// Whether the products of the maps fit into the memory limit.
    ///
    /// # Errors
    /// A refusal with the estimate where they do not.
    #[expect(clippy::float_arithmetic, reason = "sizes for a message")]
    pub fn check_memory(&self) -> Result<(), Refusal> {
        let (needed, limit) = (self.products_bytes(), self.options.memory_limit);
        if needed <= limit {
            return Ok(());
        }
        Err(Refusal(format!(
            "the products of the layers need {:.1} GiB, more than the limit of {:.1} GiB; k_star and k3 need no products",
            needed as f64 / f64::from(1 << 30),
            limit as f64 / f64::from(1 << 30)
        )))
    }

    /// Whether the products of the maps are kept; otherwise [`Problem::streamed`] takes their place where
    /// only row or column sums are needed.
    pub fn keeps_products(&self) -> bool {
        let Options { memory_limit, ceiling, .. } = self.options;
        self.products_bytes() <= memory_limit.min(LARGEST_KEPT).min(ceiling / 2)
    }

    /// These rows of the products of the maps without keeping them; `bound` is what progress is told of.
    pub fn streamed(&self, bound: &'static str, rows: Wanted) -> Streamed<'_> {
        Streamed::new(self.chain(), &self.options, bound, rows)
    }

    /// Whether work on `entries` stored entries of matrices takes seconds at most in `norm`, where each
    /// is applied to all columns of [`Oriented::start`].
    #[expect(clippy::float_arithmetic, reason = "an estimate of work")]
    pub fn price(&self, norm: Norm, entries: usize) -> Cost {
        let columns = self.oriented(norm).start_columns(norm);
        if entries as f64 * columns as f64 <= 1e10 { Cost::Cheap } else { Cost::Expensive }
    }

    /// The number of stored entries of all maps.
    pub fn entries(&self) -> usize {
        self.chain().maps().iter().map(|m| m.matrix.stored_entries()).sum()
    }

    /// A number computed from the maps without their exponents, as a bound of the network.
    pub fn scaled_up(&self, mantissa: f64) -> f64 {
        scale_up(mantissa, self.chain().exponent())
    }
}

impl Oriented<'_> {
    /// The products in this orientation.
    ///
    /// # Errors
    /// As [`Problem::products`].
    pub fn products(&self) -> Result<&Products, Refusal> {
        let products = self.problem.products()?;
        if !self.is_transposed {
            return Ok(products);
        }
        Ok(self.problem.transposed_products.get_or_init(|| products.transposed()))
    }

    /// The limits.
    pub fn options(&self) -> &Options {
        self.problem.options()
    }

    /// As [`Problem::keeps_products`].
    pub fn keeps_products(&self) -> bool {
        self.problem.keeps_products()
    }

    /// As [`Problem::streamed`]: the products of the chain of the network, in either orientation.
    pub fn streamed(&self, bound: &'static str, rows: Wanted) -> Streamed<'_> {
        self.problem.streamed(bound, rows)
    }

    /// Whether the chain is the transpose of that of the network.
    pub fn is_transposed(&self) -> bool {
        self.is_transposed
    }

    /// The block of columns with which the chain is entered: a column of ones where `norm` is the
    /// l-infinity norm in this orientation, the identity otherwise.
    pub fn start(&self, norm: Norm) -> Array2<f64> {
        if self.sums_rows(norm) {
            Array2::ones((self.chain.inputs(), 1))
        } else {
            Array2::eye(self.chain.inputs())
        }
    }

    /// What becomes of [`Oriented::start`] in a function that treats every column on its own. The identity
    /// goes through in blocks of columns, so that memory stays bounded by the widest layer times the
    /// block.
    pub fn pushed(&self, norm: Norm, push: impl Fn(Array2<f64>) -> Array2<f64>) -> Array2<f64> {
        const BLOCK: usize = 256;
        let inputs = self.chain.inputs();
        if self.sums_rows(norm) || inputs <= BLOCK {
            return push(self.start(norm));
        }
        let mut result = Array2::zeros((self.chain.outputs(), inputs));
        for first in (0..inputs).step_by(BLOCK) {
            let end = (first + BLOCK).min(inputs);
            let unit = |(i, j): (usize, usize)| if i == first + j { 1.0 } else { 0.0 };
            let block = push(Array2::from_shape_fn((inputs, end - first), unit));
            result.slice_mut(s![.., first..end]).assign(&block);
        }
        result
    }

    /// The number of columns of [`Oriented::start`].
    pub fn start_columns(&self, norm: Norm) -> usize {
        if self.sums_rows(norm) { 1 } else { self.chain.inputs() }
    }

    /// Whether `norm` is the largest row sum in this orientation.
    pub fn sums_rows(&self, norm: Norm) -> bool {
        match norm {
            Norm::Linf => !self.is_transposed,
            Norm::L1 => self.is_transposed,
            Norm::L2 => false,
        }
    }

    /// An upper bound of `norm` of a nonnegative matrix `M`, given the block `M start` that came
    /// out of the chain.
    pub fn norm_up(&self, norm: Norm, block: ndarray::ArrayView2<'_, f64>) -> f64 {
        use crate::numeric::rounding::{add_up, max_up};
        if self.sums_rows(norm) {
            return block.iter().copied().fold(0.0, max_up);
        }
        if norm == Norm::L2 {
            return crate::numeric::spectral::spectral_norm_up(block);
        }
        let columns = block.columns().into_iter();
        columns.map(|c| c.iter().copied().fold(0.0, add_up)).fold(0.0, max_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::networks_for_tests::relu_problem;

    #[test]
    fn columns_go_through_in_blocks() {
        for inputs in [200, 300] {
            let problem = relu_problem([Array2::eye(inputs)]);
            let push = |block: Array2<f64>| {
                assert!(block.ncols() <= 256, "memory is not bounded");
                block
            };
            let oriented = problem.oriented(Norm::Linf);
            assert_eq!(oriented.pushed(Norm::Linf, push), Array2::<f64>::ones((inputs, 1)));
            for norm in [Norm::L1, Norm::L2] {
                assert_eq!(oriented.pushed(norm, push), Array2::<f64>::eye(inputs), "{norm}");
            }
        }
    }
}
