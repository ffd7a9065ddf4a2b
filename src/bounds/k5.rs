//! K5: the norm of the sum over all cuts.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2, Axis};

use super::pool_hull;
use super::problem::Oriented;
use super::products::{Apply, ProductError, add_block_up};
use super::streamed::Wanted;
use super::{Bound, Certificate, Cost, Problem, Refusal, documented_bound, memory};
use crate::network::{Chain, LinearMap};
use crate::numeric::Norm;
use crate::numeric::rounding::{add_up, max_up, mul_up};

documented_bound! { K5, "\
The norm of the sum over all ways to cut the network (K4 with the norm outside of the sum).

# Definition
K5 = ||M||, M = 2^-l * sum over the subsets {r_1 < ... < r_n} of {1..l} of
|W_(l+1,r_n)| ... |W_(r_2,r_1)| |W_(r_1,0)|, where W_(t,s) = W_{t-1} ... W_s. For slopes in
[c - rho, c + rho] the centres c multiply the uncut layers and the radii rho the cut ones.

# Source
This program. Proof: write each slope matrix as D_r = C_r + R_r Z_r with |Z_r| <= I and expand; entry by
entry |J| <= M, and the three norms are monotone in the absolute values of the entries.

# Holds for
l1, l2, linf; every network. A max-pooling is always cut: its radius is the maximum over each window. In l1
the columns are followed one by one, and a window becomes the hull of its entries, which is tighter.

# Order
K <= Ksdp <= K5 <= K4 (l1, linf); K <= K5 <= K4 in l2. Where products end early (see Cost), the value lies
between K5 and K3.

# Cost
With v_0 = 1 and v_t = sum over s < t of |W_(t,s)| rho_s v_s, K5 = max v_{l+1} in linf; l1 by the
transpose: l(l+1)/2 matrix products, shared with K1, and as many matrix-vector products. Products that
would take more than 2 GiB are not kept: blocks of their rows go down through the layers instead. Where that
would take more than some minutes (5e12 multiplications, --product-work), products end early, and a note
says so: with a stage e for each t, v_t = sum over e < s < t of |W_(t,s)| rho_s v_s, plus |W_(t,e)| m_e v_e
with the largest absolute slopes m_e. The stages depend on the shapes of the layers alone.

# Rounding
The error of each computed product is bounded by gamma times the product of the absolute values, which
is applied to the vectors along with it: one matrix-vector product more per layer. Everything is
rounded up, also where products end early. The excess over the exact value is about l^2 n 1e-16 relative for
layers of width n.
" }

impl Bound for K5 {
    fn id(&self) -> &'static str {
        "k5"
    }

    fn name(&self) -> &'static str {
        "K5"
    }

    fn documentation(&self) -> &'static str {
        DOCUMENTATION
    }

    fn cost(&self, problem: &Problem, norm: Norm) -> Cost {
        let oriented = problem.oriented(norm);
        if norm == Norm::L1
            && oriented.chain.has_pool()
            && let Err(refusal) = problem.check_memory()
        {
            return Cost::Refused(refusal);
        }
        if !oriented.keeps_products() {
            return Cost::Expensive;
        }
        // The entries of the products, at 8 to 24 bytes each.
        problem.price(norm, problem.products_bytes() / 8)
    }

    #[expect(clippy::float_arithmetic, reason = "an estimate of memory")]
    fn memory(&self, problem: &Problem, norm: Norm) -> f64 {
        // The products; blocks of columns for each cut and for the errors.
        let oriented = problem.oriented(norm);
        let pushed = memory::pushed(&oriented, norm, memory::columns(&oriented, norm), 3.0);
        let must = norm == Norm::L1 && oriented.chain.has_pool();
        memory::products_or_rows(problem, must, Wanted::Branching) + pushed
    }

    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
        let oriented = problem.oriented(norm);
        let (mantissa, remark) = mantissa_up(&oriented, norm)?;
        let found = Certificate::upper_bound(self.id(), norm, problem.scaled_up(mantissa));
        Ok(Certificate { note: remark, ..found })
    }
}

/// The bound without the powers of two of the maps, and what is to be said of it.
fn mantissa_up(oriented: &Oriented<'_>, norm: Norm) -> Result<(f64, Option<String>), Refusal> {
    let chain = oriented.chain;
    let mut remark = None;
    let hulls = norm == Norm::L1 && chain.has_pool();
    let block = if hulls {
        let products = oriented.products()?;
        oriented.pushed(norm, |start| pool_hull::entries_up(chain, products, start))
    } else if oriented.keeps_products() {
        let products = oriented.products()?;
        oriented.pushed(norm, |start| apply_up(chain, products, start))
    } else {
        let products = oriented.streamed("K5", Wanted::Branching);
        let block = oriented.pushed(norm, |start| match oriented.is_transposed() {
            true => products.transposed_apply_up(chain, start),
            false => apply_up(chain, &products, start),
        });
        products.finished()?;
        remark = products.remark("K3");
        block
    };
    Ok((oriented.norm_up(norm, block.view()), remark))
}

/// An upper bound of `M start` for a block of nonnegative columns, without the powers of two of the
/// maps; `M` is the matrix of the definition of K5, with larger entries where products end early.
pub fn apply_up(chain: &Chain, products: &impl Apply, start: Array2<f64>) -> Array2<f64> {
    let last = chain.depth() + 1;
    let is_end = |s: usize| (s + 1..=last).any(|t| products.end(t) == s);
    let mut cuts: Vec<Cut> = vec![(0, start)];
    // Of the stages at which products end, all that comes times the largest slopes.
    let mut ends: BTreeMap<usize, Array2<f64>> = BTreeMap::new();
    let mut errors = Errors::default();
    let mut v = cuts[0].1.clone();
    for t in 1..=last {
        if let Some(s) = t.checked_sub(1).filter(|&s| s > 0) {
            let slopes = &chain.slopes()[s - 1];
            cuts.push((s, slopes.radius_up(v.view())));
            if is_end(s) {
                ends.insert(s, slopes.magnitude_up(v.view()));
                errors.cover(&v);
            }
        }
        errors.extend(chain, t, cuts[t - 1].1.view());
        let end = products.end(t);
        let mut swap = |cuts: &mut Vec<Cut>| {
            if let Some(all) = ends.get_mut(&end) {
                std::mem::swap(&mut cuts[end].1, all);
            }
        };
        swap(&mut cuts);
        v = errors.total_up(products, t, &cuts[end..]);
        products.add_up(t, &cuts[end..], &mut v);
        swap(&mut cuts);
    }
    v
}

/// A stage `s` with the block `R_s v_s` (and `R_0 = I`) that starts there.
pub type Cut = (usize, Array2<f64>);

/// What the error terms of the products (see [`super::products`]) add up to for a set of cut vectors.
#[derive(Default)]
pub struct Errors {
    /// `sum over s of A_(t,s) R_s v_s`.
    pub(super) absolute_product: Option<Array2<f64>>,
    /// `sum over s of B_(t,s) R_s v_s`; `None` while no map has a radius.
    pub(super) radius_product: Option<Array2<f64>>,
}

impl Errors {
    /// Goes on to layer `t`, where `x = R_{t-1} v_{t-1}` joins:
    /// `a_t = M (|C| a_{t-1} + x)` and `b_t = M |C| b_{t-1} + radius (|C| a_{t-1} + x)`.
    pub fn extend(&mut self, chain: &Chain, t: usize, x: ArrayView2<'_, f64>) {
        let (entering, carried) = self.centred(chain, t);
        let mut joined = x.to_owned();
        if let Some(a) = entering {
            add_block_up(&mut joined, a.view());
        }
        self.pass(&chain.maps()[t - 1], &joined, carried);
    }

    /// `|C| a_{t-1}` and `|C| b_{t-1}` in front of map `t`, where there are such.
    pub(super) fn centred(
        &self,
        chain: &Chain,
        t: usize,
    ) -> (Option<Array2<f64>>, Option<Array2<f64>>) {
        let slopes = t.checked_sub(2).map(|r| &chain.slopes()[r]);
        let of = |block: &Option<Array2<f64>>| Some(slopes?.centre_up(block.as_ref()?.view()));
        (of(&self.absolute_product), of(&self.radius_product))
    }

    /// Makes `a_t` at least `v`, for products that end at `t`. Then, from there on, `a` also covers the products of
    /// the absolute values of the maps above with `M_t v`, as `M_t <= |C_t| + R_t`.
    fn cover(&mut self, v: &Array2<f64>) {
        if let Some(a) = &mut self.absolute_product {
            a.zip_mut_with(v, |a, &v| *a = max_up(*a, v));
        }
    }

    /// Goes through a map: `a = M entering` and `b = M carried + radius entering`.
    pub(super) fn pass(
        &mut self,
        map: &LinearMap,
        entering: &Array2<f64>,
        carried: Option<Array2<f64>>,
    ) {
        let carried = carried.map(|b| map.magnitude_apply_up(b.view()));
        let new = map.radius.as_ref().map(|r| r.abs_apply_up(entering.view()));
        self.radius_product = match (carried, new) {
            (Some(mut b), Some(new)) => {
                add_block_up(&mut b, new.view());
                Some(b)
            }
            (b, new) => b.or(new),
        };
        self.absolute_product = Some(map.magnitude_apply_up(entering.view()));
    }

    /// `relative a_t + b_t + absolute (sum of the entries of the cut vectors)`, after
    /// [`Errors::extend`] to layer `t`.
    pub fn total_up(&self, products: &impl Apply, t: usize, cuts: &[Cut]) -> Array2<f64> {
        self.of_products_up(cuts.iter().map(|(s, x)| (products.error(t, *s), x)))
    }

    /// The same for products with these errors and the vectors that they are applied to.
    pub(super) fn of_products_up<'a>(
        &self,
        products: impl Iterator<Item = (ProductError, &'a Array2<f64>)> + Clone,
    ) -> Array2<f64> {
        // The largest coefficient of these products.
        let relative = products.clone().map(|(error, _)| error.relative).fold(0.0, f64::max);
        let mut total = match (&self.absolute_product, &self.radius_product) {
            (Some(a), b) => {
                let mut total = a.mapv(|a| mul_up(relative, a));
                if let Some(b) = b {
                    add_block_up(&mut total, b.view());
                }
                total
            }
            (None, _) => Array2::zeros((0, 0)), // there is no layer 0
        };
        for (ProductError { absolute, .. }, x) in products {
            if absolute > 0.0 {
                for (mut column, x) in total.axis_iter_mut(Axis(1)).zip(x.axis_iter(Axis(1))) {
                    let sum = x.iter().copied().fold(0.0, add_up);
                    column.mapv_inplace(|e| add_up(e, mul_up(absolute, sum)));
                }
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    /// Products of which only the errors are known: the one from the start and one other.
    struct Known;

    impl Apply for Known {
        fn error(&self, _: usize, s: usize) -> ProductError {
            let (relative, absolute) = [(0.125, 0.5), (0.25, 0.0)][s];
            ProductError { relative, absolute }
        }

        fn add_up(&self, _: usize, _: &[(usize, Array2<f64>)], _: &mut Array2<f64>) {}
    }

    #[test]
    fn errors_are_those_of_the_cuts() {
        // The largest coefficient 1/4 of a = 8, b = 1, and 1/2 of the entries 1 + 2 of the first cut vector.
        let mut errors =
            Errors { absolute_product: Some(arr2(&[[8.0]])), radius_product: Some(arr2(&[[1.0]])) };
        let cuts = [(0, arr2(&[[1.0], [2.0]])), (1, arr2(&[[4.0]]))];
        assert_eq!(errors.total_up(&Known, 2, &cuts), arr2(&[[2.0 + 1.0 + 1.5]]));
        errors.radius_product = None;
        assert_eq!(errors.total_up(&Known, 2, &cuts[1..]), arr2(&[[2.0]]));
    }

    /// A relative error of 1/8 and nothing else; what starts above stage 1 ends there.
    struct Ending;

    impl Apply for Ending {
        fn error(&self, _: usize, _: usize) -> ProductError {
            ProductError { relative: 0.125, absolute: 0.0 }
        }

        fn end(&self, t: usize) -> usize {
            t / 2
        }

        fn add_up(&self, t: usize, cuts: &[(usize, Array2<f64>)], total: &mut Array2<f64>) {
            if t == 1 {
                add_block_up(total, arr2(&[[2.0]]).dot(&cuts[0].1).view());
            }
        }
    }

    #[test]
    fn errors_of_products_that_end_early_are_those_of_all_that_comes() {
        // Maps 2 and 3, slopes [-1/4, 3/4]: v_1 = 2 + 2/8, and the error of the second product is 1/8 of
        // 3 (1/4 + 1/2) v_1, whose error of 1/4 is not to be lost. Up to the directed roundings.
        let map = |x: f64| LinearMap {
            matrix: crate::numeric::Matrix::dense(arr2(&[[x]])),
            radius: None,
            exponent: 0,
        };
        let slopes = crate::network::Diagonal::new(vec![-0.25], vec![0.75]);
        let slopes = crate::network::Slopes::Componentwise(slopes);
        let chain = Chain::new(vec![map(2.0), map(3.0)], vec![slopes]);
        let found = apply_up(&chain, &Ending, arr2(&[[1.0]]))[[0, 0]];
        let expected = 0.125 * 3.0 * 0.75 * 2.25;
        assert!((expected..=expected * (1.0 + 1e-14)).contains(&found), "{found} {expected}");
    }
}
