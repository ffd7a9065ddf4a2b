//! Derivatives of bounds with respect to the maps of a chain, by hand-written reverse mode.
//!
//! They are estimates in ordinary floating point: nothing of them is certified. Where a bound is not
//! differentiable they are one subgradient of the expression that is evaluated: of several largest rows
//! (or columns, or elements of a window) the first, `0` for the absolute value at 0, and in l2 one
//! pair of singular vectors. Activations enter by the intervals of their slopes, whose ends have derivatives, too.
//!
//! Cost: K*, K1's recursion, K3 and K5's recursion are as expensive backwards as forwards. The products
//! `W~_(t,s)` of K1, K4 and K5 take two matrix products backwards for the one that makes them, so with
//! them a derivative costs about three times the bound, `l (l + 1) / 2` products for depth `l`. K4 keeps
//! its `2^l` vectors.
#![expect(clippy::float_arithmetic, reason = "derivatives are estimates")]

mod backward;
mod cuts;
mod extremal;
mod hull;
mod layers;
mod slopes;

use super::problem::Oriented;
use super::{Problem, Refusal};
use crate::network::{Chain, Slopes};
use crate::numeric::{Matrix, Norm};
pub use slopes::SlopeGradient;
use slopes::Taken;

/// A bound with its derivatives, neither of them certified.
#[derive(Debug, Clone)]
pub struct Gradient {
    /// The bound in ordinary floating point.
    pub value: f64,
    /// The derivatives with respect to the maps `W_0 .. W_l` of the chain, exponents included.
    pub maps: Vec<Matrix>,
    /// Those with respect to the ends of the slope intervals of the stages `1 .. l`.
    pub slopes: Vec<SlopeGradient>,
}

/// A bound and its derivatives, those with respect to the maps without their powers of two.
struct Derivatives {
    value: f64,
    maps: Vec<Matrix>,
    slopes: Vec<Taken>,
}

type Computed = Result<Derivatives, Refusal>;

type Compute = fn(&Problem, Norm) -> Computed;

/// The bounds that have derivatives here.
const AVAILABLE: &[(&str, Compute)] = &[
    ("k_star", layers::k_star),
    ("k1", layers::k1),
    ("k3", layers::k3),
    ("k4", cuts::k4),
    ("k5", cuts::k5),
];

/// The ids of the bounds that have derivatives.
pub fn available() -> impl Iterator<Item = &'static str> {
    AVAILABLE.iter().map(|(id, _)| *id)
}

/// The derivatives of the bound `id` in `norm` with respect to the maps of the chain.
///
/// # Errors
/// Why there are none, and what has some instead.
pub fn gradient(problem: &Problem, id: &str, norm: Norm) -> Result<Gradient, Refusal> {
    let Some((_, compute)) = AVAILABLE.iter().find(|(known, _)| *known == id) else {
        let known: Vec<&str> = available().collect();
        return Err(Refusal(format!("{id} has no gradient here; {} have one", known.join(", "))));
    };
    let Derivatives { value, maps, slopes } = compute(problem, norm)?;
    let chain = problem.chain();
    // The bound is 2^e b(M_0, ..) for W_r = 2^(e_r) M_r with e the sum of the e_r.
    let scaled = |(r, g): (usize, Matrix)| {
        g.scaled_by_power(chain.exponent().saturating_sub(chain.maps()[r].exponent))
    };
    let maps: Vec<Matrix> = maps.into_iter().enumerate().map(scaled).collect();
    let value = problem.scaled_up(value);
    let scale = problem.scaled_up(1.0);
    let ends = |(taken, slopes): (&Taken, &Slopes)| taken.ends(slopes, scale);
    let slopes: Vec<SlopeGradient> = slopes.iter().zip(chain.slopes()).map(ends).collect();
    let infinite = |g: &SlopeGradient| g.alpha.iter().chain(&g.beta).any(|x| !x.is_finite());
    if !value.is_finite()
        || maps.iter().any(|g| !g.grid().max.is_finite())
        || slopes.iter().any(infinite)
    {
        return Err(Refusal(format!(
            "the gradient of {id} in {norm} is beyond the largest number of 64-bit floating point; scale the weights down"
        )));
    }
    Ok(Gradient { value, maps, slopes })
}

/// Whether a chain is the transposed one of the problem.
fn is_transposed(problem: &Problem, oriented: &Oriented<'_>) -> bool {
    !std::ptr::eq(oriented.chain, problem.chain())
}

/// Derivatives for an oriented chain, as those of the problem's own chain.
fn in_order(problem: &Problem, oriented: &Oriented<'_>, found: Derivatives) -> Derivatives {
    if !is_transposed(problem, oriented) {
        return found;
    }
    Derivatives {
        value: found.value,
        maps: found.maps.iter().rev().map(Matrix::transposed).collect(),
        slopes: found.slopes.into_iter().rev().collect(),
    }
}

/// Whether the derivatives of products and the products themselves fit into the memory limit.
fn check_memory(problem: &Problem, further: f64) -> Result<(), Refusal> {
    problem.check_memory()?;
    let needed = problem.products_bytes() as f64 + derivative_bytes(problem.chain()) + further;
    let limit = problem.options().memory_limit as f64;
    if needed <= limit {
        return Ok(());
    }
    let gib = f64::from(1 << 30);
    Err(Refusal(format!(
        "the derivatives of the products of the layers need {:.1} GiB, more than the limit of {:.1} GiB; k_star and k3 need no products",
        needed / gib,
        limit / gib
    )))
}

/// The bytes of the derivatives of the products: two rows of them at once, and one for each map.
fn derivative_bytes(chain: &Chain) -> f64 {
    let maps = chain.maps();
    let entries = |t: usize, s: usize| maps[t].rows() as f64 * maps[s].columns() as f64;
    let row = |t: usize| (0..=t).map(|s| entries(t, s)).sum::<f64>();
    let largest = (0..maps.len()).map(row).fold(0.0, f64::max);
    8.0 * (2.0 * largest + (0..maps.len()).map(|t| entries(t, t)).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;
    use crate::bounds::networks_for_tests::relu_problem;

    #[test]
    fn derivatives_that_overflow_are_refused() {
        // The product of 1e-300, 1e200 and 1e200 is a number, its derivative with respect to the first is none.
        for (weight, is_refused) in [(1e200, true), (1e50, false)] {
            let problem = relu_problem([1e-300, weight, weight].map(|w| arr2(&[[w]])));
            let found = gradient(&problem, "k_star", Norm::Linf);
            match found {
                Ok(found) => assert!(!is_refused && (found.value / 1e-200 - 1.0).abs() < 1e-12),
                Err(refusal) => {
                    assert!(is_refused && refusal.to_string().contains("largest number"))
                }
            }
        }
    }
}
