//! The path-following method.
//!
//! Mehrotra-like predictor steps of second order on the dual barrier alone: every iterate is dual
//! feasible, so that the method may be stopped at any time.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use super::banded::BandedFactor;
use super::barrier::Program;
use super::dense::dot;
use super::newton::Directions;

/// The relative gap at which the solver stops.
const TOLERANCE: f64 = 2e-8;

/// The Newton steps after which the solver gives up and keeps its best point.
const STEP_LIMIT: usize = 300;

/// The relative gap down to which the inner point follows the path. Children of a branch and bound
/// took the fewest steps from there among gaps of 0.003 to 1.
const INNER_GAP: f64 = 0.1;

/// While the path has not been reached and the objective is at most `EAGER_RANGE` times the level
/// that is enough, the first `EAGER_STEPS` steps aim at the point of the path whose gap is the level
/// over `EAGER_SHARE`, instead of the nearest point at the same objective. That takes a sixth of the
/// steps over the 784 columns of a trained network; from farther away it does not converge.
const EAGER_STEPS: usize = 30;
const EAGER_RANGE: f64 = 8.0;
const EAGER_SHARE: f64 = 4.0;

/// The Newton decrement below which a point counts as central.
const CENTRAL: f64 = 0.9;

/// The share of the way to the boundary that a step along the path takes.
const LONG_STEP: f64 = 0.8;

/// Where to stop, in terms of the objective.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    /// An objective of at most this is enough.
    pub level: f64,
    /// Whether to stop once the optimum is estimated to be above the level.
    pub decide: bool,
}

/// Where the solver ended.
pub(super) struct Path {
    /// The best strictly feasible point.
    pub z: Vec<f64>,
    /// A feasible point farther inside.
    pub inner: Vec<f64>,
    /// A lower estimate of the optimum.
    pub estimate: f64,
    pub iterations: usize,
    pub converged: bool,
}

/// Follows the central path from a strictly feasible point.
///
/// Each step computes one Hessian. At a central point, the step is a Newton step together with one
/// along the tangent of the path in `mu`, as far as feasibility allows; elsewhere it is a damped
/// Newton step towards the nearest point of the path.
pub(super) fn follow_path(
    program: &Program<'_>,
    start: Vec<f64>,
    target: Target,
    stop: &dyn Fn() -> bool,
) -> Path {
    let cost = program.cost();
    let mut path =
        Path { inner: start.clone(), z: start, estimate: 0.0, iterations: 0, converged: false };

    let Some(mut factor) = program.factor(&path.z) else {
        return path;
    };
    let (mut found_path, mut guess) = (false, 0.7);
    while path.iterations < STEP_LIMIT && !stop() {
        let value = dot(&cost, &path.z);
        if value <= target.level {
            path.converged = true;
            break;
        }
        let Some(directions) = Directions::new(program, &path.z, &factor, &cost) else {
            break;
        };
        path.iterations += 1;
        let mut weight = directions.best_weight();
        if weight <= 0.0 {
            weight = program.parameter() / value;
        }
        let eager = !found_path && !target.decide && path.iterations <= EAGER_STEPS;
        if eager && value <= EAGER_RANGE * target.level {
            weight = weight.max(EAGER_SHARE * program.parameter() / target.level);
        }
        let decrement = directions.decrement(weight);
        let gap = program.parameter() / (weight * value);
        let central = decrement < CENTRAL;
        found_path |= central;
        if central {
            if gap > INNER_GAP {
                path.inner.clone_from(&path.z);
            }
            // A Newton step of decrement below one gives a point of the dual problem with the gap
            // mu (parameter + decrement sqrt(parameter)).
            let excess = 1.0 + decrement / program.parameter().sqrt();
            path.estimate = path.estimate.max(value * (1.0 - gap * excess));
            if target.decide && path.estimate > target.level {
                path.converged = true;
                break;
            }
        }
        let next = if central {
            let last = gap < TOLERANCE;
            path.converged |= last;
            let next = predict(program, &directions, &path.z, &factor, &cost, weight, &mut guess);
            if last {
                if let Some((z, _)) = next {
                    path.z = z;
                }
                break;
            }
            next
        } else {
            centre(program, &directions, &path.z, &factor, &cost, weight)
                .map(|(z, factor)| if found_path { (z, factor) } else { lift(program, z, factor) })
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
    factor: &BandedFactor,
    cost: &[f64],
    weight: f64,
    guess: &mut f64,
) -> Option<(Vec<f64>, BandedFactor)> {
    let origin = vec![0.0; z.len()];
    let tangent = directions.advance(&origin, 1.0, 2.0 * weight);
    let curvature = program.curvature(z, factor, &directions.derivatives, &tangent);
    let bend = directions.solve(&curvature);
    let point = |theta: f64| -> Vec<f64> {
        let first = directions.advance(z, 1.0, weight * (1.0 + theta + theta * theta));
        first.iter().zip(&bend).map(|(z, b)| z + theta * theta * b).collect()
    };
    // The objective falls up to there: behind it, the parabola has left the path for good.
    let bending = dot(cost, &bend) - weight * directions.cc;
    let turn = if bending > 0.0 { 0.5 * weight * directions.cc / bending } else { f64::INFINITY };
    // The search for the boundary starts where it was in the last step.
    let (mut low, mut high, mut theta) = (0.0, 1f64.min(turn), guess.min(turn));
    for _ in 0..8 {
        if program.factor(&point(theta)).is_some() {
            low = theta;
        } else {
            high = theta;
        }
        if low > 0.0 && high - low < 0.08 {
            break;
        }
        theta = if low > 0.0 { 0.5 * (low + high) } else { 0.6 * high };
    }
    *guess = low.clamp(0.3, 0.97);
    let z = point(LONG_STEP * low);
    let factor = program.factor(&z)?;
    Some((z, factor))
}

/// Gives the block of `u` some slack where it has hardly any, by raising `gamma` by a share of at
/// most one over the barrier's parameter: Newton steps would only double it each time.
fn lift(program: &Program<'_>, mut z: Vec<f64>, factor: BandedFactor) -> (Vec<f64>, BandedFactor) {
    // The block's Schur complement is gamma I - K, and its inverse has this trace.
    let trace = factor.trace_of_inverse(program.reduced.head);
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
    factor: &BandedFactor,
    cost: &[f64],
    weight: f64,
) -> Option<(Vec<f64>, BandedFactor)> {
    let merit =
        |z: &[f64], factor: &BandedFactor| weight * dot(cost, z) - program.log_barrier(z, factor);
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
    accepted: (Vec<f64>, BandedFactor),
    mut value: f64,
    merit: impl Fn(&[f64], &BandedFactor) -> f64,
) -> (Vec<f64>, BandedFactor) {
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
