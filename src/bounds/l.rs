//! L: the Lipschitz constant itself, by branch and bound.

use super::search::{check_size, price, regions::search};
use super::{Bound, Certificate, Cost, Problem, Refusal, documented_bound, memory};
use crate::network::Stage;
use crate::numeric::Norm;
use crate::numeric::rounding::{scale_down, scale_up};

documented_bound! { L, "\
The Lipschitz constant itself, over the whole space or a box.

# Definition
L = sup ||J(x)|| over the inputs x (of a box) at which the network is differentiable: the largest norm
over the linear regions that the network really has. K also counts combinations of slopes that occur at
no input.

# Source
M. Jordan and A. Dimakis, \"Exactly computing the local Lipschitz constant of ReLU networks\", NeurIPS 2020
(the problem; a mixed-integer program there); A. Bhowmick, M. D'Souza and G. Raghavan, \"LipBaB: computing
exact Lipschitz constant of ReLU networks\", ICANN 2021 (branch and bound). The search here is this
program's.

# Holds for
l1, l2, linf; piecewise linear activations exactly, max-poolings written out with ReLUs; smooth
activations only on a box, where the interval narrows for as long as the search runs.

# Order
L <= K <= every other bound.

# Cost
Best-first search over sets of inputs, each bounded by K5 and Ksdp of the slopes that are possible on it.
Exponential in the worst case; --time-limit and --node-limit end it, and what is printed then is an
interval that holds. In the default set up to 16 neurons with an undecided slope, in `all` up to 32; of smooth
activations only where it is named.

# Rounding
Ranges of arguments, K5 and Ksdp are rounded outwards. A region is dropped only where these ranges or
exact integer arithmetic show that it has no inner point. The lower end is the norm of the Jacobian at a
point, rounded down.
" }

impl Bound for L {
    fn id(&self) -> &'static str {
        "l"
    }

    fn name(&self) -> &'static str {
        "L"
    }

    fn documentation(&self) -> &'static str {
        DOCUMENTATION
    }

    fn cost(&self, problem: &Problem, _: Norm) -> Cost {
        let network = problem.network();
        let kinks = |stage: &Stage| match stage {
            Stage::Componentwise(parts) => parts.iter().any(|(a, _)| !a.kinks().is_empty()),
            Stage::Pool(_) => true,
        };
        if network.input.is_none()
            && !network.stages.is_empty()
            && !network.stages.iter().any(kinks)
        {
            return Cost::Refused(Refusal(
                "the search for L needs kinks to cut at, and these activations are smooth; on a box (--box) it can halve, and K bounds L everywhere".to_owned(),
            ));
        }
        // Smooth slopes narrow with the parts for as long as it runs: five neurons can take minutes.
        let is_smooth = |stage: &Stage| match stage {
            Stage::Componentwise(parts) => parts.iter().any(|(a, _)| !a.is_piecewise_linear()),
            Stage::Pool(_) => false,
        };
        if network.stages.iter().any(is_smooth) {
            return check_size(problem.chain()).map_or_else(Cost::Refused, |()| Cost::Open);
        }
        // A max-pooling is searched as it is written out with ReLUs, which are more than its windows.
        if problem.chain().has_pool() && problem.chain().neurons() <= FORESEEABLE {
            return price(&network.clone().with_explicit_pools().chain, CHEAP, FORESEEABLE);
        }
        price(problem.chain(), CHEAP, FORESEEABLE)
    }

    fn memory(&self, problem: &Problem, _: Norm) -> f64 {
        // Half-spaces and their linear programs, in whole numbers, are many small blocks.
        memory::search(&problem.network().with_all_inputs().chain, 5.0)
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
        let explicit;
        let network = if problem.chain().has_pool() {
            explicit = problem.network().clone().with_explicit_pools();
            check_size(&explicit.chain)?;
            &explicit
        } else {
            problem.network()
        };
        let outcome = search(problem, network, norm);
        let exponent = network.chain.exponent();
        let (lower, upper) =
            (scale_down(outcome.lower, exponent).max(0.0), scale_up(outcome.upper, exponent));
        Ok(outcome.certificate(self.id(), norm, (lower, upper), problem.options()))
    }
}

/// The number of undecided neurons up to which the search is part of the default set.
const CHEAP: usize = 16;

/// The number of undecided neurons up to which random and trained networks took seconds to a minute.
const FORESEEABLE: usize = 32;
