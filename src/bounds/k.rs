//! K: the largest norm over all vertices of the slope intervals, by branch and bound.

use super::search::slopes::search;
use super::{Bound, Certificate, Cost, Problem, Refusal, documented_bound};
use crate::numeric::Norm;
use crate::numeric::rounding::scale_down;

documented_bound! { K, "\
The largest norm over all choices of the slopes: what every other bound here approximates from above.

# Definition
K = max of ||W_l D_l ... D_1 W_0|| over all diagonal D_r with entries in the slope intervals [alpha,
beta] (for ReLU, over all 0/1 diagonals). The norm is convex in each D_r, so the maximum is at ends of
the intervals.

# Source
A. Virmaux and K. Scaman, \"Lipschitz regularity of deep neural networks\", NeurIPS 2018, section 4;
F. Pintore and B. Despres, arXiv 2410.21053.

# Holds for
l1, l2, linf; networks without max-pooling and with at most about 24 hidden neurons.

# Order
L <= K <= every other bound.

# Cost
2^N rank-one updates for N neurons whose slope is not fixed: layer by layer, every prefix once; within
a layer each neuron's update is added on a path of a binary tree, so no error accumulates.

# Rounding
Each matrix is a sum along a path of at most N products, so its error is at most gamma times K3's
matrix; that is added to the largest computed norm. In l2 the norms of the candidates are certified.
" }

impl Bound for K {
    fn id(&self) -> &'static str {
        "k"
    }

    fn name(&self) -> &'static str {
        "K"
    }

    fn documentation(&self) -> &'static str {
        DOCUMENTATION
    }

    fn cost(&self, problem: &Problem, _: Norm) -> Cost {
        let chain = problem.chain();
        if chain.has_pool() {
            return Cost::Refused(Refusal(
                "K is for componentwise activations, and this network has a max-pooling; K5 handles it, and so does --pooling explicit".to_owned(),
            ));
        }
        if problem.entries() > LARGEST {
            return Cost::Refused(Refusal(format!(
                "the search for K needs dense matrices, and {} weights are too many; K5 is an upper bound of it",
                problem.entries()
            )));
        }
        let leaf = (chain.inputs() * chain.outputs()) as f64;
        let enumerated = 2f64.powi(chain.neurons() as i32) * leaf;
        if enumerated < 5e8 { Cost::Cheap } else { Cost::Expensive }
    }

    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
        if let Cost::Refused(refusal) = self.cost(problem, norm) {
            return Err(refusal);
        }
        let outcome = search(problem, norm);
        let lower = scale_down(outcome.lower, problem.chain().exponent());
        let upper = problem.scaled_up(outcome.upper);
        Ok(outcome.certificate(self.id(), norm, lower, upper))
    }
}

/// Networks with more weights are not searched.
const LARGEST: usize = 1 << 24;
