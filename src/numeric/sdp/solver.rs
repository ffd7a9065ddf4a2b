//! The path-following solver, and the bound that it leads to.

use ndarray::Array2;

use super::barrier::Program;
use super::certificate::Verifier;
use super::dense::{Factor, dot};
use super::reduce::{Reduced, reduce};
use super::start::feasible_start;
use super::{Multipliers, Objective, Problem, SdpBound, SdpError};

/// The relative gap at which the solver stops.
const TOLERANCE: f64 = 2e-8;

/// The Newton steps after which the solver gives up and keeps its best point.
const STEP_LIMIT: usize = 300;

/// The Newton decrement below which a point counts as central.
const CENTRAL: f64 = 0.9;

/// The share of the way to the boundary that a step along the path takes.
const LONG_STEP: f64 = 0.8;

/// Where the solver ended.
struct Path {
    /// The best strictly feasible point.
    z: Vec<f64>,
    /// A feasible point farther inside.
    inner: Vec<f64>,
    iterations: usize,
    converged: bool,
}

/// A certified bound of the objective.
///
/// `stop` is asked before every Newton step; when it returns true, the best point so far is
/// certified. A chain whose product vanishes for all slopes has the bound 0.
///
/// # Errors
/// No feasible point, or none that could be verified: never an unproved number.
pub fn bound(
    problem: &Problem,
    objective: Objective,
    stop: &dyn Fn() -> bool,
) -> Result<SdpBound, SdpError> {
    run(problem, objective, |program, start| {
        follow_path(program, start, stop)
    })
}

/// A certified bound from the closed form alone: one factorisation per layer and no iteration, for
/// networks beyond the reach of [`bound`]. It is never below that of [`bound`].
///
/// # Errors
/// As [`bound`].
pub fn fast_bound(problem: &Problem, objective: Objective) -> Result<SdpBound, SdpError> {
    run(problem, objective, |_, start| Path {
        inner: start.iter().map(|x| 2.0 * x).collect(),
        z: start,
        iterations: 0,
        converged: true,
    })
}

fn run(
    problem: &Problem,
    objective: Objective,
    solver: impl FnOnce(&Program<'_>, Vec<f64>) -> Path,
) -> Result<SdpBound, SdpError> {
    let reduced = reduce(problem, objective)?;
    let verifier = Verifier::new(&reduced, objective);
    if reduced.vanishes() {
        let zeros = vec![0.0; 1 + reduced.neurons() + reduced.inputs.len()];
        let multipliers = expand(problem, objective, &reduced, &zeros);
        return Ok(SdpBound {
            upper: 0.0,
            multipliers,
            iterations: 0,
            converged: true,
        });
    }
    let program = Program::new(&reduced, objective);
    let start = feasible_start(&program).ok_or(SdpError::NotCertified(
        "no feasible multipliers to start from",
    ))?;
    let path = solver(&program, start);
    certify_path(problem, objective, &reduced, &verifier, &path).ok_or(SdpError::NotCertified(
        "no multipliers passed the verification",
    ))
}

/// Verifies the end of the path, moved towards the inner point by the smallest weight that passes.
///
/// Feasibility is convex, so every mixture is feasible up to rounding.
fn certify_path(
    problem: &Problem,
    objective: Objective,
    reduced: &Reduced,
    verifier: &Verifier<'_>,
    path: &Path,
) -> Option<SdpBound> {
    let mut weight = 0.0;
    while weight <= 1.0 {
        let mix = |(&a, &b): (&f64, &f64)| a + weight * (b - a);
        let z: Vec<f64> = path.z.iter().zip(&path.inner).map(mix).collect();
        let multipliers = expand(problem, objective, reduced, &z);
        let valid = z.iter().all(|x| x.is_finite() && *x >= 0.0);
        if let Some(upper) = valid.then(|| verifier.verify(&multipliers)).flatten() {
            return Some(SdpBound {
                upper,
                multipliers,
                iterations: path.iterations,
                converged: path.converged,
            });
        }
        weight = if weight == 0.0 { 1e-12 } else { weight * 4.0 };
    }
    None
}

/// The multipliers in the shape of the problem.
fn expand(problem: &Problem, objective: Objective, reduced: &Reduced, z: &[f64]) -> Multipliers {
    let mut layers: Vec<Vec<f64>> = problem
        .slopes()
        .iter()
        .map(|l| vec![0.0; l.len()])
        .collect();
    for layer in &reduced.layers {
        for (k, &neuron) in layer.neurons.iter().enumerate() {
            layers[layer.index][neuron] = z[1 + layer.start - reduced.head + k];
        }
    }
    let mut lambda = Vec::new();
    if let Objective::Row(_) = objective {
        lambda = vec![0.0; problem.weights()[0].ncols()];
        for (&j, &value) in reduced.inputs.iter().zip(&z[1 + reduced.neurons()..]) {
            lambda[j] = value;
        }
    }
    Multipliers {
        gamma: z[0],
        lambda,
        layers,
    }
}

/// The Newton directions at a point: for the barrier parameter `mu` the step is
/// `centre - cost / mu`.
struct Directions {
    /// `H^-1 q` with `q` the gradient of the logarithms.
    centre: Vec<f64>,
    /// `H^-1 c`.
    cost: Vec<f64>,
    /// `q' H^-1 q`, `c' H^-1 q`, `c' H^-1 c`.
    qq: f64,
    cq: f64,
    cc: f64,
    /// The Hessian's factor and its scaling, and the inverse of `S`.
    factor: Factor,
    scale: Vec<f64>,
    inverse: Array2<f64>,
}

impl Directions {
    fn new(program: &Program<'_>, z: &[f64], factor: &Factor, cost: &[f64]) -> Option<Directions> {
        let mut derivatives = program.derivatives(z, factor);
        let hessian = &mut derivatives.hessian;
        let n = cost.len();
        // Scaled to a diagonal of ones: the unknowns differ by many orders of magnitude.
        let scale: Vec<f64> = hessian.diag().iter().map(|h| 1.0 / h.sqrt()).collect();
        if !scale.iter().all(|s| s.is_finite() && *s > 0.0) {
            return None;
        }
        for i in 0..n {
            for j in 0..=i {
                hessian[[i, j]] *= scale[i] * scale[j];
            }
        }
        let factor = regularised(hessian)?;
        let solve = |rhs: &[f64]| scaled_solve(&factor, &scale, rhs);
        let q = &derivatives.gradient;
        let (centre, along) = (solve(q), solve(cost));
        let (qq, cq, cc) = (dot(q, &centre), dot(cost, &centre), dot(cost, &along));
        let finite = qq.is_finite() && cq.is_finite() && cc.is_finite() && cc > 0.0;
        finite.then_some(Directions {
            centre,
            cost: along,
            qq,
            cq,
            cc,
            factor,
            scale,
            inverse: derivatives.inverse,
        })
    }

    /// `H^-1` times a vector.
    fn solve(&self, rhs: &[f64]) -> Vec<f64> {
        scaled_solve(&self.factor, &self.scale, rhs)
    }

    /// The `1/mu` at which the point is most central.
    fn best_weight(&self) -> f64 {
        self.cq / self.cc
    }

    /// The Newton decrement for a value of `1/mu`.
    fn decrement(&self, weight: f64) -> f64 {
        let square = self.qq - 2.0 * weight * self.cq + weight * weight * self.cc;
        square.max(0.0).sqrt()
    }

    /// `z + step`, with `step = centre - weight * cost`.
    fn advance(&self, z: &[f64], share: f64, weight: f64) -> Vec<f64> {
        let steps = self.centre.iter().zip(&self.cost);
        z.iter()
            .zip(steps)
            .map(|(z, (q, c))| z + share * (q - weight * c))
            .collect()
    }
}

/// `D A^-1 D b` for a factored `A` and a diagonal `D`.
fn scaled_solve(factor: &Factor, scale: &[f64], rhs: &[f64]) -> Vec<f64> {
    let scaled: Vec<f64> = rhs.iter().zip(scale).map(|(x, s)| x * s).collect();
    let x = factor.solve(&scaled);
    x.iter().zip(scale).map(|(x, s)| x * s).collect()
}

/// The factor of a symmetric matrix with unit diagonal, shifted a little where it breaks down.
fn regularised(hessian: &mut Array2<f64>) -> Option<Factor> {
    let mut shift = 0.0;
    while shift < 1e-3 {
        if let Some(factor) = Factor::new(hessian.view()) {
            return Some(factor);
        }
        shift = if shift == 0.0 { 1e-15 } else { shift * 10.0 };
        hessian.diag_mut().mapv_inplace(|x| x + shift);
    }
    None
}

/// Follows the central path from a strictly feasible point.
///
/// Each step computes one Hessian. At a central point, the step is a Newton step together with one
/// along the tangent of the path in `mu`, as far as feasibility allows; elsewhere it is a damped
/// Newton step towards the nearest point of the path.
fn follow_path(program: &Program<'_>, start: Vec<f64>, stop: &dyn Fn() -> bool) -> Path {
    let cost = program.cost();
    let mut path = Path {
        inner: start.clone(),
        z: start,
        iterations: 0,
        converged: false,
    };
    let Some(mut factor) = program.factor(&path.z) else {
        return path;
    };
    let mut found_path = false;
    while path.iterations < STEP_LIMIT && !stop() {
        let Some(directions) = Directions::new(program, &path.z, &factor, &cost) else {
            break;
        };
        path.iterations += 1;
        let value = dot(&cost, &path.z);
        let mut weight = directions.best_weight();
        if weight <= 0.0 {
            weight = program.parameter() / value;
        }
        let decrement = directions.decrement(weight);
        let gap = program.parameter() / (weight * value);
        let central = decrement < CENTRAL;
        found_path |= central;
        if central && gap > 0.1 {
            path.inner.clone_from(&path.z);
        }
        let next = if central {
            let last = gap < TOLERANCE;
            path.converged |= last;
            let next = predict(program, &directions, &path.z, weight);
            if last {
                if let Some((z, _)) = next {
                    path.z = z;
                }
                break;
            }
            next
        } else {
            centre(program, &directions, &path.z, &factor, &cost, weight).map(|(z, factor)| {
                if found_path {
                    (z, factor)
                } else {
                    lift(program, z, factor)
                }
            })
        };
        let Some((z, next_factor)) = next else {
            break;
        };
        path.z = z;
        factor = next_factor;
    }
    path
}

/// The longest feasible step along the path, to second order in `mu`, shortened.
///
/// From `F'(z(mu)) = -c / mu`, at `mu' = (1 - theta) mu`:
/// `z' = z - theta (H^-1 c / mu) - theta^2 (H^-1 c / mu + H^-1 D^3 F[v, v] / 2) + ...` with the tangent
/// `v = -H^-1 c / mu`; the Newton step to the path is added, also to `v` in the last term.
fn predict(
    program: &Program<'_>,
    directions: &Directions,
    z: &[f64],
    weight: f64,
) -> Option<(Vec<f64>, Factor)> {
    let origin = vec![0.0; z.len()];
    let tangent = directions.advance(&origin, 1.0, 2.0 * weight);
    let curvature = program.curvature(z, &directions.inverse, &tangent);
    let bend = directions.solve(&curvature);
    let point = |theta: f64| -> Vec<f64> {
        let first = directions.advance(z, 1.0, weight * (1.0 + theta + theta * theta));
        first
            .iter()
            .zip(&bend)
            .map(|(z, b)| z + theta * theta * b)
            .collect()
    };
    let feasible = |theta: f64| program.factor(&point(theta)).is_some();
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..6 {
        let middle = 0.5 * (low + high);
        if feasible(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    let theta = LONG_STEP * low;
    let z = point(theta);
    let factor = program.factor(&z)?;
    Some((z, factor))
}

/// Gives the block of `u` some slack where it has hardly any, by raising `gamma` by a share of at
/// most one over the barrier's parameter: Newton steps would only double it each time.
fn lift(program: &Program<'_>, mut z: Vec<f64>, factor: Factor) -> (Vec<f64>, Factor) {
    let mut unit = vec![0.0; program.reduced.size];
    let mut trace = 0.0;
    for i in 0..program.reduced.head {
        unit[i] = 1.0;
        trace += factor.solve(&unit)[i];
        unit[i] = 0.0;
    }
    // The block's Schur complement is gamma I - K, and its inverse has this trace.
    let wanted = z[0] / program.parameter();
    if trace * wanted < 10.0 {
        return (z, factor);
    }
    let before = z[0];
    z[0] += wanted;
    if let Some(factor) = program.factor(&z) {
        return (z, factor);
    }
    z[0] = before;
    (z, factor)
}
/// A damped Newton step for a fixed barrier parameter.
fn centre(
    program: &Program<'_>,
    directions: &Directions,
    z: &[f64],
    factor: &Factor,
    cost: &[f64],
    weight: f64,
) -> Option<(Vec<f64>, Factor)> {
    let merit = |z: &[f64], factor: &Factor| weight * dot(cost, z) - program.log_barrier(z, factor);
    let (before, decrement) = (merit(z, factor), directions.decrement(weight));
    let mut share = 1.0;
    for _ in 0..30 {
        let next = directions.advance(z, share, weight);
        if let Some(next_factor) = program.factor(&next) {
            let after = merit(&next, &next_factor);
            if after <= before - 0.1 * share * decrement * decrement {
                let accepted = (next, next_factor);
                return Some(stretch(program, z, accepted, after, merit));
            }
        }
        share *= 0.6;
    }
    None
}

/// Lengthens the step in the multipliers that it multiplied, while that helps: a multiplier that is
/// far too small only doubles with a Newton step.
fn stretch(
    program: &Program<'_>,
    from: &[f64],
    accepted: (Vec<f64>, Factor),
    mut value: f64,
    merit: impl Fn(&[f64], &Factor) -> f64,
) -> (Vec<f64>, Factor) {
    let step: Vec<f64> = accepted.0.iter().zip(from).map(|(b, a)| b - a).collect();
    let grows = |k: usize| step[k] > 0.5 * from[k];
    if !(0..from.len()).any(grows) {
        return accepted;
    }
    let (base, mut best) = (accepted.0.clone(), accepted);
    let mut length = 3.0;
    while length < 1e9 {
        let longer = |k: usize| base[k] + if grows(k) { length * step[k] } else { 0.0 };
        let z: Vec<f64> = (0..from.len()).map(longer).collect();
        let Some(factor) = program.factor(&z) else {
            break;
        };
        let after = merit(&z, &factor);
        if after.is_nan() || after >= value {
            break;
        }
        value = after;
        best = (z, factor);
        length *= 4.0;
    }
    best
}
