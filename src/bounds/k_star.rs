//! K*: the product of the norms.

use super::side_by_side::at_most;
use super::{Bound, Certificate, Cost, Problem, Refusal, documented_bound, memory};
use crate::network::Chain;
use crate::numeric::Norm;
use crate::numeric::rounding::mul_up;

documented_bound! { KStar, "\
The product of the norms of the layers.

# Definition
K* = ||W_l|| s_l ||W_{l-1}|| ... s_1 ||W_0||, where s_r is the largest absolute slope of the r-th
nonlinearity (1 for ReLU; for max-pooling 1 in linf, the largest number of windows that share an
element in l1, its square root in l2).

# Source
Szegedy et al., \"Intriguing properties of neural networks\", ICLR 2014, section 4.3.

# Holds for
l1, l2, linf; every network.

# Order
The largest of all: K1 <= K*, K3 <= K* (l1, linf), K2 <= K* (l2).

# Cost
One norm per layer.

# Rounding
Row and column sums are rounded up; spectral norms are certified by a checked Cholesky factorisation, or
without one where no entry is negative; the product is rounded up.
" }

impl Bound for KStar {
    fn id(&self) -> &'static str {
        "k_star"
    }

    fn name(&self) -> &'static str {
        "K*"
    }

    fn documentation(&self) -> &'static str {
        DOCUMENTATION
    }

    fn cost(&self, _: &Problem, _: Norm) -> Cost {
        Cost::Cheap
    }

    fn memory(&self, problem: &Problem, norm: Norm) -> f64 {
        memory::of_lanes(largest(problem.chain(), norm))
    }

    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
        let chain = problem.chain();
        let lanes = memory::lanes(largest(chain, norm));
        let maps = at_most(lanes, chain.maps(), |map| map.mantissa_norm_up(norm)).into_iter();
        let slopes = chain.slopes().iter().map(|s| s.norms_up(norm).magnitude);
        let product = maps.chain(slopes).fold(1.0, mul_up);
        Ok(Certificate::upper_bound(self.id(), norm, problem.scaled_up(product)))
    }
}

/// The memory that the norm of one map takes.
fn largest(chain: &Chain, norm: Norm) -> f64 {
    chain.maps().iter().map(|map| memory::map_norm(map, norm)).fold(0.0, f64::max)
}
