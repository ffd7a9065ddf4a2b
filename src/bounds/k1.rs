//! K1: the bound of Combettes and Pesquet.

use super::product_norms::ProductNorms;
use super::streamed::Wanted;
use super::{Bound, Certificate, Cost, Problem, Refusal, documented_bound, memory};
use crate::network::Chain;
use crate::numeric::Norm;
use crate::numeric::rounding::{add_up, mul_up};

documented_bound! { K1, "\
The bound of Combettes and Pesquet: an average of products of norms over all ways to cut the network.

# Definition
K1 = 2^-l * sum over the subsets {r_1 < ... < r_n} of {1..l} of
||W_(l+1,r_n)|| ... ||W_(r_2,r_1)|| ||W_(r_1,0)||, where W_(t,s) = W_{t-1} ... W_s. For slopes in
[c - rho, c + rho] the centres c multiply the uncut layers and the radii rho the cut ones.

# Source
P. L. Combettes and J.-C. Pesquet, \"Lipschitz certificates for layered network structures driven by
averaged activation operators\", SIAM J. Math. Data Sci. 2(2), 2020, Theorem 4.2 (proposed there for
l2; Pintore and Despres, arXiv 2410.21053, use it in every norm).

# Holds for
l1, l2, linf; every network (a max-pooling is always cut).

# Order
K4 <= K1 (l1, linf), Ksdp <= K1 <= K*. Where products end early, the value lies between K1 and K*.

# Cost
Not 2^l: with c_0 = 1 and c_t = sum over s < t of ||W_(t,s)|| c_s, K1 = 2^-l c_{l+1}: l(l+1)/2 matrix
products (shared with K5) and as many norms. In l1 and linf, products that would take more than 2 GiB are
not kept; where forming them would take more than some minutes, they end early, as in K5.

# Rounding
Each norm includes the rounding error of its product, bounded a priori; the recursion is rounded up.
" }

impl Bound for K1 {
    fn id(&self) -> &'static str {
        "k1"
    }

    fn name(&self) -> &'static str {
        "K1"
    }

    fn documentation(&self) -> &'static str {
        DOCUMENTATION
    }

    fn cost(&self, problem: &Problem, norm: Norm) -> Cost {
        match problem.check_memory() {
            Err(refusal) if norm == Norm::L2 => Cost::Refused(refusal),
            _ if problem.keeps_products() => Cost::Cheap,
            _ => Cost::Expensive,
        }
    }

    #[expect(clippy::float_arithmetic, reason = "an estimate of memory")]
    fn memory(&self, problem: &Problem, norm: Norm) -> f64 {
        // The products, and norms of some of them at a time; of absolute values only sums are held.
        let maps = problem.chain().maps();
        let rows = maps.iter().map(|map| map.rows()).max().unwrap_or(0);
        let columns = maps.iter().map(|map| map.columns()).max().unwrap_or(0);
        let norms = maps.iter().map(|map| memory::map_norm(map, norm)).fold(0.0, f64::max);
        let of_product = match norm {
            Norm::L2 => memory::of_lanes(memory::product_norm_l2(maps)),
            Norm::L1 | Norm::Linf => memory::dense_norm(rows, columns, norm),
        };
        memory::products_or_rows(problem, norm == Norm::L2, Wanted::All) + norms.max(of_product)
    }

    fn is_monotone(&self) -> bool {
        false
    }

    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
        let chain = problem.chain();
        let (mantissa, note) = if norm == Norm::L2 {
            (average_up(chain, problem.product_norms_l2()?, norm), None)
        } else if problem.keeps_products() {
            let norms = ProductNorms::new(chain, problem.products()?, norm);
            (average_up(chain, &norms, norm), None)
        } else {
            let products = problem.streamed("K1", Wanted::All);
            let norms = ProductNorms::streamed(chain, &products, norm)?;
            (average_up(chain, &norms, norm), products.remark("K*"))
        };
        let found = Certificate::upper_bound(self.id(), norm, problem.scaled_up(mantissa));
        Ok(Certificate { note, ..found })
    }
}

/// The average over all ways to cut, given the norms of the products, without the powers of two; `norm` is that of
/// the hidden layers.
fn average_up(chain: &Chain, norms: &ProductNorms, norm: Norm) -> f64 {
    // cut[s] = c_s times the norm of the radius of the slopes after it, whole[s] times that of the slopes.
    let (mut cut, mut whole) = (vec![1.0], vec![1.0]);
    for t in 1..=chain.depth() + 1 {
        let end = norms.end(t);
        let factor = |s: usize| if s > 0 && s == end { whole[s] } else { cut[s] };
        let c = (end..t).fold(0.0, |sum, s| add_up(sum, mul_up(norms.get(t, s), factor(s))));
        let slopes = chain.slopes().get(t - 1).map(|s| s.norms_up(norm));
        cut.push(mul_up(slopes.map_or(1.0, |s| s.radius), c));
        whole.push(mul_up(slopes.map_or(1.0, |s| s.magnitude), c));
    }
    cut[chain.depth() + 1]
}
