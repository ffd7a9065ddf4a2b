//! K*, K1 and K3: norms of the layers, of their products, and of the product of absolute values.

use ndarray::Array2;

use super::backward::{signed_outer, through_products, through_slopes};
use super::extremal::{contracted, of_matrix};
use super::slopes::{Taken, at_largest, of_factors};
use super::{Computed, Derivatives, check_memory, in_order};
use crate::bounds::problem::Oriented;
use crate::bounds::{Problem, Refusal};
use crate::network::Slopes;
use crate::numeric::{Matrix, Norm};

/// The matrix times a number.
fn scaled(matrix: &Matrix, factor: f64) -> Matrix {
    matrix.map(|_, x| factor * x)
}

/// K* with its derivatives: that of each layer's norm times all the other factors.
pub fn k_star(problem: &Problem, norm: Norm) -> Computed {
    let chain = problem.chain();
    let norms: Result<Vec<(f64, Matrix)>, Refusal> =
        chain.maps().iter().map(|map| of_matrix(&map.matrix, norm)).collect();
    let norms = norms?;
    let sizes: Vec<f64> = chain.slopes().iter().map(|s| s.norms_up(norm).magnitude).collect();
    let slopes: f64 = sizes.iter().product();
    let others = |r: usize| {
        let factors = norms.iter().enumerate().filter(|(k, _)| *k != r).map(|(_, n)| n.0);
        factors.fold(slopes, |product, factor| product * factor)
    };
    let layers: f64 = norms.iter().map(|n| n.0).product();
    let of_stage = |(r, slopes): (usize, &Slopes)| {
        let factors = sizes.iter().enumerate().filter(|(k, _)| *k != r).map(|(_, size)| size);
        let rest = factors.fold(layers, |product, size| product * size);
        let taken = Taken::zeros(slopes);
        match slopes.diagonal() {
            Some(d) => Taken { magnitude: at_largest(d.magnitude(), rest), ..taken },
            None => taken,
        }
    };
    Ok(Derivatives {
        value: norms.iter().fold(slopes, |product, n| product * n.0),
        maps: norms.iter().enumerate().map(|(r, n)| scaled(&n.1, others(r))).collect(),
        slopes: chain.slopes().iter().enumerate().map(of_stage).collect(),
    })
}

/// K1 with its derivatives: `c_t = sum over s < t of ||W~_(t,s)|| rho_s c_s`, backwards.
pub fn k1(problem: &Problem, norm: Norm) -> Computed {
    check_memory(problem, 0.0)?;
    let (chain, products) = (problem.chain(), problem.products()?);
    let last = chain.depth() + 1;
    let norms: Result<Vec<Vec<(f64, Matrix)>>, Refusal> = (1..=last)
        .map(|t| (0..t).map(|s| of_matrix(&products.get(t, s).value, norm)).collect())
        .collect();
    let norms = norms?;
    let radius = |t: usize| chain.slopes().get(t - 1).map_or(1.0, |s| s.norms_up(norm).radius);
    // starts[s] = rho_s c_s.
    let (mut starts, mut sums) = (vec![1.0], vec![1.0]);
    for t in 1..=last {
        let c: f64 = (0..t).map(|s| norms[t - 1][s].0 * starts[s]).sum();
        starts.push(radius(t) * c);
        sums.push(c);
    }
    // The derivatives with respect to the c_t, and to the starts.
    let mut ends = vec![0.0; last + 1];
    let mut adjoints = vec![0.0; last];
    for t in (1..=last).rev() {
        ends[t] = if t == last { 1.0 } else { radius(t) * adjoints[t] };
        (0..t).for_each(|s| adjoints[s] += ends[t] * norms[t - 1][s].0);
    }
    let direct = |t: usize, s: usize| scaled(&norms[t - 1][s].1, ends[t] * starts[s]);
    let (maps, mut slopes) = through_products(chain, products, direct);
    for (r, taken) in slopes.iter_mut().enumerate() {
        if let Some(d) = chain.slopes()[r].diagonal() {
            let number = adjoints[r + 1] * sums[r + 1];
            taken.radius = at_largest(d.radius().iter().copied(), number);
        }
    }
    Ok(Derivatives { value: starts[last], maps, slopes })
}

/// K3 with its derivatives.
pub fn k3(problem: &Problem, norm: Norm) -> Computed {
    let oriented = problem.oriented(norm);
    let chain = oriented.chain;
    let end = contracted(&oriented, norm, |start| magnitudes(&oriented, start).1)?;
    let (states, _) = magnitudes(&oriented, end.start);
    let mut adjoint = end.lambda;
    let mut maps = Vec::with_capacity(chain.maps().len());
    let mut taken: Vec<Taken> = chain.slopes().iter().map(Taken::zeros).collect();
    for (r, map) in chain.maps().iter().enumerate().rev() {
        maps.push(signed_outer(&map.matrix, adjoint.view(), states[r].entered.view()));
        if r > 0 {
            let back = map.matrix.transposed().abs_apply_up(adjoint.view());
            let slopes = &chain.slopes()[r - 1];
            let size: Vec<f64> =
                slopes.diagonal().map_or_else(Vec::new, |d| d.magnitude().collect());
            let before = states[r].before.view();
            if slopes.diagonal().is_some() {
                taken[r - 1].magnitude = of_factors(before, back.view());
            }
            adjoint = through_slopes(slopes, |k| size[k], |_| true, before, back.view());
        }
    }
    maps.reverse();
    let found = Derivatives { value: end.value, maps, slopes: taken };
    Ok(in_order(problem, &oriented, found))
}

/// A block in front of a map.
struct State {
    /// Before the slopes.
    before: Array2<f64>,
    /// Behind them, as it enters the map.
    entered: Array2<f64>,
}

/// The blocks in front of each map, and what comes out of the last.
fn magnitudes(oriented: &Oriented<'_>, start: Array2<f64>) -> (Vec<State>, Array2<f64>) {
    let chain = oriented.chain;
    let mut states = Vec::with_capacity(chain.maps().len());
    let mut before = start;
    for (r, map) in chain.maps().iter().enumerate() {
        let slopes = r.checked_sub(1).map(|r| &chain.slopes()[r]);
        let entered = slopes.map_or_else(|| before.clone(), |s| s.magnitude_up(before.view()));
        let next = map.magnitude_apply_up(entered.view());
        states.push(State { before, entered });
        before = next;
    }
    (states, before)
}
