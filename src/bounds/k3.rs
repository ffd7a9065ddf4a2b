//! K3: the norm of the product of the absolute values.

use super::{Bound, Certificate, Cost, Problem, Refusal, documented_bound, memory};
use crate::numeric::Norm;

documented_bound! { K3, "\
The norm of the product of the absolute values of the layers.

# Definition
K3 = || |W_l| S_l |W_{l-1}| ... S_1 |W_0| ||, where S_r holds the largest absolute slopes (the identity
for ReLU); a max-pooling takes the maximum over each window.

# Source
F. Pintore and B. Despres, \"Computable Lipschitz bounds for deep neural networks\", arXiv 2410.21053.

# Holds for
l1, l2, linf; every network. A max-pooling in l2: the maximum is taken in each column of the product.

# Order
K4 <= K3 <= K* (l1, linf); K <= K3 in every norm.

# Cost
One matrix-vector product per layer in linf and l1; in l2, and in l1 behind a max-pooling, the product
is formed from its narrower end.

# Rounding
Sums of nonnegative numbers, inflated by their a-priori error bound.
" }

impl Bound for K3 {
    fn id(&self) -> &'static str {
        "k3"
    }

    fn name(&self) -> &'static str {
        "K3"
    }

    fn documentation(&self) -> &'static str {
        DOCUMENTATION
    }

    fn cost(&self, problem: &Problem, norm: Norm) -> Cost {
        problem.price(norm, problem.entries())
    }

    fn memory(&self, problem: &Problem, norm: Norm) -> f64 {
        // A block of columns before and behind a layer.
        let oriented = problem.oriented(norm);
        memory::pushed(&oriented, norm, memory::columns(&oriented, norm), 1.0)
    }

    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
        let oriented = problem.oriented(norm);
        let block = oriented.pushed(norm, |mut block| {
            for (r, map) in oriented.chain.maps().iter().enumerate() {
                if let Some(slopes) = r.checked_sub(1).map(|r| &oriented.chain.slopes()[r]) {
                    block = slopes.magnitude_up(block.view());
                }
                block = map.magnitude_apply_up(block.view());
            }
            block
        });
        let norm_up = oriented.norm_up(norm, block.view());
        Ok(Certificate::upper_bound(self.id(), norm, problem.scaled_up(norm_up)))
    }
}
