//! From a problem to its certified bound.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use super::barrier::Program;
use super::certificate::Verifier;
use super::path::{Path, Target, follow_path};
use super::reduce::{Layer, Reduced, reduce};
use super::start::{balance, feasible_start};
use super::warm::{Start, warm_start};
use super::{Goal, Multipliers, Objective, Problem, SdpBound, SdpError};

/// The least half width of a slope interval relative to its centre, for one attempt after the other.
///
/// With narrow intervals the multipliers `T` are so large that rounding hides what is left of
/// `T (d - alpha p)(d - beta p)`. Wider intervals around the same centre add `T` times a square to it:
/// their multipliers hold for the narrow ones, too, with something to spare.
const WIDTHS: [f64; 4] = [0.0, 1e-4, 1e-3, 1e-2];

/// Up to this share of the inner point in what passes the verification, wider intervals are not tried: they would
/// cost more of the bound.
const CLOSE: f64 = 1e-4;

/// A certified bound of the objective, at the optimum of the relaxation.
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
    solve(problem, objective, None, Goal::Optimum, stop)
}

/// As [`bound`], but content with any bound of at most `enough`: for the maximum over several rows,
/// a row need not be solved further than to below the largest bound of another one.
///
/// # Errors
/// As [`bound`].
pub fn bound_until(
    problem: &Problem,
    objective: Objective,
    enough: f64,
    stop: &dyn Fn() -> bool,
) -> Result<SdpBound, SdpError> {
    solve(problem, objective, None, Goal::AtMost(enough), stop)
}

/// As [`bound`], starting from the `inner` point of a related problem: one of the same chain whose
/// slope intervals contain those of this one (the parent in a branch and bound), or another output
/// row of it. From any other point of this shape it is a guess, and where that cannot be made
/// feasible, the start is that of [`bound`]. The start changes the time, not the optimum.
///
/// # Errors
/// As [`bound`].
pub fn bound_from(
    problem: &Problem,
    objective: Objective,
    start: &Start,
    goal: Goal,
    stop: &dyn Fn() -> bool,
) -> Result<SdpBound, SdpError> {
    solve(problem, objective, Some(start), goal, stop)
}

fn solve(
    problem: &Problem,
    objective: Objective,
    start: Option<&Start>,
    goal: Goal,
    stop: &dyn Fn() -> bool,
) -> Result<SdpBound, SdpError> {
    let (level, decide) = match goal {
        Goal::Optimum => (0.0, false),
        Goal::AtMost(level) => (level, false),
        Goal::Decide(level) => (level, true),
    };
    run(problem, objective, stop, |program| {
        // A little below, so that rounding upwards does not miss it; nothing depends on it.
        let scaled = 0.999_999 * level * 2f64.powi(-program.reduced.exponent);
        let level = match objective {
            Objective::Spectral => scaled * scaled,
            Objective::Row(_) => scaled,
        };
        let target = Target { level, decide };
        if let Some(warm) = start.and_then(|start| warm_start(program, start)) {
            let path = follow_path(program, warm, target, stop);
            if path.converged || stop() {
                return Some(path);
            }
        }
        let cold = feasible_start(program, true)?;
        Some(follow_path(program, cold, target, stop))
    })
}

/// A certified bound from the closed form alone: one factorisation per layer and no iteration, for
/// networks beyond the reach of [`bound`]. It is never below that of [`bound`].
///
/// # Errors
/// As [`bound`].
pub fn fast_bound(problem: &Problem, objective: Objective) -> Result<SdpBound, SdpError> {
    run(problem, objective, &|| false, |program| {
        let start = feasible_start(program, false)?;
        let z = tightened(program, &start);
        Some(Path { z, inner: start, estimate: 0.0, iterations: 0, converged: true })
    })
}

fn run(
    problem: &Problem,
    objective: Objective,
    stop: &dyn Fn() -> bool,
    solver: impl Fn(&Program<'_>) -> Option<Path>,
) -> Result<SdpBound, SdpError> {
    let reduced = reduce(problem, objective)?;
    let verifier = Verifier::new(&reduced, objective);
    if reduced.vanishes() {
        let zeros = vec![0.0; 1 + reduced.neurons() + reduced.inputs.len()];
        return Ok(SdpBound {
            upper: 0.0,
            multipliers: expand(problem, objective, &reduced, &zeros),
            estimate: 0.0,
            inner: Start::at(problem, objective, &reduced, &zeros),
            iterations: 0,
            converged: true,
        });
    }
    let (mut best, mut failure) = (None::<SdpBound>, "no feasible multipliers to start from");
    let exact = Program::new(&reduced, objective);
    for width in WIDTHS {
        let wider = widened(&reduced, width);
        if width > 0.0 && wider.is_none() {
            continue;
        }
        let of_wider = wider.as_ref().map(|wider| Program::new(wider, objective));
        let program = of_wider.as_ref().unwrap_or(&exact);
        let Some(mut path) = solver(program) else {
            continue;
        };
        if !path.converged {
            path.z = tightened(program, &path.z);
        }
        failure = "no multipliers passed the verification";
        let mut done = stop();
        if let Some(bound) = certify_path(problem, objective, &exact, &verifier, &path) {
            done |= bound.converged;
            if best.as_ref().is_none_or(|best| bound.upper < best.upper) {
                best = Some(bound);
            }
        }
        if done {
            break;
        }
    }
    best.ok_or(SdpError::NotCertified(failure))
}

/// The chain with slope intervals of at least this half width, relative to their centres; `None` where all are.
fn widened(reduced: &Reduced, width: f64) -> Option<Reduced> {
    let wide = |(a, b): (f64, f64)| {
        let centre = 0.5 * (a + b);
        let radius = width * centre.abs();
        (b - a < 2.0 * radius).then_some((centre - radius, centre + radius))
    };
    let narrow =
        |layer: &Layer| layer.alpha.iter().zip(&layer.beta).any(|(&a, &b)| wide((a, b)).is_some());
    if !reduced.layers.iter().any(narrow) {
        return None;
    }
    let mut wider = reduced.clone();
    for layer in &mut wider.layers {
        for (a, b) in layer.alpha.iter_mut().zip(&mut layer.beta) {
            (*a, *b) = wide((*a, *b)).unwrap_or((*a, *b));
        }
    }
    Some(wider)
}

/// The same multipliers with the least `gamma` that keeps the point feasible, to about 1e-4, and
/// `gamma` balanced against `lambda`.
fn tightened(program: &Program<'_>, z: &[f64]) -> Vec<f64> {
    let mut best = z.to_vec();
    let (mut low, mut high) = (0.0, 1.0);
    while high - low > 1e-4 * high {
        let middle = if low > 0.0 { 0.5 * (low + high) } else { 0.7 * high };
        let mut trial = z.to_vec();
        trial[0] *= middle;
        if program.factor(&trial).is_some() {
            high = middle;
            best = trial;
        } else {
            low = middle;
        }
        if high < 1e-12 {
            break;
        }
    }
    if program.inputs() > 0 {
        balance(program, &mut best);
    }
    best
}

/// Verifies the end of the path, moved towards the inner point by the smallest weight that passes.
///
/// Feasibility is convex, so every mixture is feasible up to rounding.
fn certify_path(
    problem: &Problem,
    objective: Objective,
    program: &Program<'_>,
    verifier: &Verifier<'_>,
    path: &Path,
) -> Option<SdpBound> {
    let reduced = program.reduced;
    let mixed = |weight: f64| -> Vec<f64> {
        let mix = |(&a, &b): (&f64, &f64)| a + weight * (b - a);
        path.z.iter().zip(&path.inner).map(mix).collect()
    };
    // A verification costs far more than a factorisation, which tells where it is worth while to begin.
    let weights = || {
        std::iter::successors(Some(0.0), |&w| Some(if w == 0.0 { 1e-12 } else { 4.0 * w }))
            .take_while(|&w| w <= 1.0)
    };
    let begin = weights().find(|&w| program.has_room(&mixed(w))).unwrap_or(0.0);
    for weight in weights().skip_while(|&w| w < begin) {
        let z = mixed(weight);
        let multipliers = expand(problem, objective, reduced, &z);
        let valid = z.iter().all(|x| x.is_finite() && *x >= 0.0);
        if let Some(upper) = valid.then(|| verifier.verify(&multipliers)).flatten() {
            let estimate = match objective {
                Objective::Spectral => path.estimate.sqrt(),
                Objective::Row(_) => path.estimate,
            };
            return Some(SdpBound {
                upper,
                multipliers,
                estimate: (estimate * 2f64.powi(reduced.exponent)).min(upper),
                inner: Start::at(problem, objective, reduced, &path.inner),
                iterations: path.iterations,
                converged: path.converged && weight <= CLOSE,
            });
        }
    }
    None
}

/// The multipliers in the shape of the problem.
fn expand(problem: &Problem, objective: Objective, reduced: &Reduced, z: &[f64]) -> Multipliers {
    let mut layers: Vec<Vec<f64>> = problem.slopes().iter().map(|l| vec![0.0; l.len()]).collect();
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
    Multipliers { gamma: z[0], lambda, layers }
}
