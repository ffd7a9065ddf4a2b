//! K: the largest norm over all vertices of the slope intervals, by branch and bound.

use super::enumerate::enumerate;
use super::search::price;
use super::search::slopes::{Attained, attained, search};
use super::{Bound, Certificate, Cost, Guarantee, Problem, Refusal, documented_bound, memory};
use crate::numeric::Norm;
use crate::numeric::rounding::scale_down;

documented_bound! { K, "\
The largest norm over all choices of the slopes: what every other bound here approximates from above.

# Definition
K = max of ||W_l D_l ... D_1 W_0|| over all diagonal D_r with entries in the slope intervals [alpha,
beta] (for ReLU, over all 0/1 diagonals). The norm is convex in each D_r, so the maximum is at ends of
the intervals. On a box, [alpha, beta] is the hull of the slopes that occur on it.

# Source
A. Virmaux and K. Scaman, \"Lipschitz regularity of deep neural networks\", NeurIPS 2018, section 4;
F. Pintore and B. Despres, arXiv 2410.21053.

# Holds for
l1, l2, linf; networks without max-pooling.

# Order
L <= K <= every other bound.

# Cost
Best-first branch and bound on the ends of the slope intervals, one tree for each row of the Jacobian
(column in l1; in l2 one), bounded by K5 and Ksdp of what is left. Exponential in the worst case, but 60
neurons take seconds. --time-limit and --node-limit end it with an interval that holds. Very small
networks are enumerated, and searched as well where rounding leaves a wide interval. In the default set
up to 24 neurons, in `all` up to 64.

# Rounding
K5 and Ksdp are rounded outwards, and so are the slope intervals of the upper end. The lower end is the norm at
slopes that occur, rounded down. A finished search everywhere ends with an interval narrower than 1e-9; on a box
the arguments of deeper layers are only known between bounds, so the interval can be wider.
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
        price(chain, CHEAP, FORESEEABLE)
    }

    fn memory(&self, problem: &Problem, _: Norm) -> f64 {
        memory::search(problem.chain(), 2.5)
    }

    fn heeds_stop(&self) -> bool {
        true
    }

    fn is_search(&self) -> bool {
        true
    }

    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
        if let Cost::Refused(refusal) = self.cost(problem, norm) {
            return Err(refusal);
        }
        let (chain, exponent) = (problem.chain(), problem.chain().exponent());
        #[expect(clippy::float_arithmetic, reason = "decides what is enumerated")]
        let entries = 2f64.powi(chain.neurons() as i32) * (chain.inputs() * chain.outputs()) as f64;
        let (mut lower, mut upper) = (0.0, f64::INFINITY);
        if entries <= ENUMERATED && matches!(attained(problem), Attained::Exactly) {
            (lower, upper) = enumerate(chain, norm);
            #[expect(clippy::float_arithmetic, reason = "decides what is searched as well")]
            let closed = upper <= lower * CLOSED;
            if closed {
                return Ok(Certificate {
                    lower: Some(scale_down(lower, exponent).max(0.0)),
                    guarantee: Guarantee::Enclosure,
                    ..Certificate::upper_bound(self.id(), norm, problem.scaled_up(upper))
                });
            }
        }
        let outcome = search(problem, norm);
        let lower = scale_down(lower.max(outcome.lower), exponent).max(0.0);
        let upper = problem.scaled_up(upper.min(outcome.upper));
        Ok(outcome.certificate(self.id(), norm, (lower, upper), problem.options()))
    }
}

/// The number of neurons up to which the search is part of the default set.
const CHEAP: usize = 24;

/// The number of neurons up to which random and trained networks took seconds to a minute.
const FORESEEABLE: usize = 64;

/// The entries of all Jacobians up to which they are enumerated: milliseconds, and exact where the weights
/// are binary fractions of few digits.
const ENUMERATED: f64 = 1e5;

/// What an enumeration has to reach to be the last word, as a finished search does. Weights of very different
/// sizes can leave more, because the errors of enumeration are bounded for all Jacobians at once.
const CLOSED: f64 = 1.0 + 1e-9;

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr2};

    use super::*;
    use crate::bounds::networks_for_tests::relu_problem;

    #[test]
    fn both_ways_give_both_ends() {
        // The largest of 3 a - 4 b for a, b in [0, 1], without rounding; and 17 neurons that add up, which are
        // searched to 1e-9.
        let enumerated = relu_problem([Array2::ones((2, 1)), arr2(&[[3.0, -4.0]])]);
        let searched = relu_problem([Array2::ones((17, 1)), Array2::ones((1, 17))]);
        for (problem, value, tolerance) in [(enumerated, 4.0, 0.0), (searched, 17.0, 1e-9)] {
            let found = K.compute(&problem, Norm::Linf).expect("K");
            let lower = found.lower.expect("a lower end");
            assert!(value * (1.0 - tolerance) <= lower && lower <= value, "{lower}");
            assert!(value <= found.upper && found.upper <= value * (1.0 + tolerance));
            assert_eq!(found.guarantee, Guarantee::Enclosure);
        }
    }
}
