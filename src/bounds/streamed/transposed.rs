//! K5 of the transposed chain, from rows of the products of the chain itself.
//!
//! With `u_(l+1) = 1` and, from the last layer down, `w_t = R_t u_t`, `u_s = sum over t > s of |W~_(t,s)|^T w_t` is
//! the recursion of K5 for the transposed Jacobian. All of `w_t` is known when the rows of the products with `t`
//! as their end go down, and they pass by every `s` for which there is one: so l1 takes the rows of linf, and
//! ends them where linf does. What the products that end early at `s` contribute to `u_s` is multiplied by `M_s` in
//! place of `R_s` (see [`super::spans`], read from the right).

use ndarray::Array2;

use super::Streamed;
use crate::bounds::k5::Errors;
use crate::bounds::products::{Apply, add_block_up};
use crate::network::Chain;

impl Streamed<'_> {
    /// An upper bound of `M^T start` for a block of nonnegative columns, where `M` is the matrix of
    /// [`crate::bounds::k5::apply_up`] and `transposed` the transposed chain; without the powers of two.
    pub fn transposed_apply_up(&self, transposed: &Chain, start: Array2<f64>) -> Array2<f64> {
        let chain = self.chain;
        let (last, columns) = (chain.depth() + 1, start.ncols());
        let zeros = |s: usize| Array2::<f64>::zeros((chain.maps()[s].columns(), columns));
        // What products contribute to `u_s` from above, and those of them that end early.
        let mut passing: Vec<Array2<f64>> = (0..last).map(zeros).collect();
        let mut ending = passing.clone();
        // From the last one down: `w_t`.
        let mut entering = vec![start];
        let mut errors = Errors::default();
        for t in (1..=last).rev() {
            let new = &entering[last - t];
            let end = self.end(t);
            self.for_blocks(t, |s, block| {
                let sums = if s > 0 && s == end { &mut ending } else { &mut passing };
                block.add_transposed_products_up(new.view(), &mut sums[s]);
            });
            let s = t - 1;
            errors.extend(transposed, last - s, new.view());
            let above = entering.iter().enumerate().map(|(k, w)| (self.error(last - k, s), w));
            let error = errors.of_products_up(above);
            let Some(slopes) = s.checked_sub(1).map(|r| &chain.slopes()[r]) else {
                add_block_up(&mut passing[0], error.view());
                break;
            };
            // The largest slopes are at least the radii.
            let ends_here = (t..=last).any(|t| self.end(t) == s);
            let sums = if ends_here { &mut ending } else { &mut passing };
            add_block_up(&mut sums[s], error.view());
            let mut next = slopes.radius_up(passing[s].view());
            if ends_here {
                add_block_up(&mut next, slopes.magnitude_up(ending[s].view()).view());
            }
            entering.push(next);
        }
        passing.swap_remove(0)
    }
}
