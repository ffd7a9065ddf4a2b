//! A start from a point of a related problem.
//!
//! Let `z` be strictly feasible for slopes in `[c - rho, c + rho]`, and let the intervals shrink to
//! `[c' - rho', c' + rho']`. Then `T' = T rho / rho'` keeps `z` strictly feasible, with the same
//! `gamma` and `lambda`, because
//! `(rho / rho') (d - alpha' p)(d - beta' p) - (d - alpha p)(d - beta p)`
//! is a nonnegative quadratic form in `(d, p)`: its trace is, and its determinant is a positive
//! multiple of `(rho - rho')^2 - (c - c')^2`, which is not negative when one interval contains the
//! other. In the limit `rho' = 0` the neuron is substituted: the form is restricted to a subspace.
//! So a start keeps `T rho`, which does not change from a node of a branch and bound to its children.
//!
//! For another output row of the same chain, only `gamma` and the coupling of `u` change: the
//! block of the other variables stays positive definite, and some `gamma` is large enough.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use super::barrier::Program;
use super::reduce::{Layer, Reduced};
use super::start::balance;
use super::{Objective, Problem};

/// A strictly feasible point well inside of the constraints of a solved problem, from which related
/// problems of the same shape start.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    gamma: f64,
    /// Zero for inputs without influence; empty in l2.
    lambda: Vec<f64>,
    /// The multipliers times the radii of the slope intervals, by hidden layer; zero for neurons
    /// that are fixed or have no influence.
    layers: Vec<Vec<f64>>,
}

/// The radii of the slope intervals of a layer.
fn radii(layer: &Layer) -> impl Iterator<Item = f64> + '_ {
    layer.alpha.iter().zip(&layer.beta).map(|(a, b)| 0.5 * (b - a))
}

impl Start {
    /// Its memory in bytes.
    pub fn bytes(&self) -> usize {
        let numbers = self.lambda.len() + self.layers.iter().map(Vec::len).sum::<usize>();
        size_of::<Start>() + size_of::<f64>() * numbers
    }

    /// The start at a point of a reduced problem.
    pub(super) fn at(
        problem: &Problem,
        objective: Objective,
        reduced: &Reduced,
        z: &[f64],
    ) -> Start {
        let zeros = |layer: &Vec<_>| vec![0.0; layer.len()];
        let mut layers: Vec<Vec<f64>> = problem.slopes().iter().map(zeros).collect();
        for layer in &reduced.layers {
            let offset = 1 + layer.start - reduced.head;
            let scaled = z[offset..].iter().zip(radii(layer)).map(|(t, rho)| t * rho);
            for (&neuron, value) in layer.neurons.iter().zip(scaled) {
                layers[layer.index][neuron] = value;
            }
        }
        let mut lambda = Vec::new();
        if let Objective::Row(_) = objective {
            lambda = vec![0.0; problem.weights()[0].ncols()];
            for (&j, &value) in reduced.inputs.iter().zip(&z[1 + reduced.neurons()..]) {
                lambda[j] = value;
            }
        }
        Start { gamma: z[0], lambda, layers }
    }

    /// The multipliers of a related problem; `None` where the shapes differ, or a neuron is free
    /// that was fixed.
    fn multipliers(&self, program: &Program<'_>) -> Option<Vec<f64>> {
        let reduced = program.reduced;
        let mut z = vec![self.gamma];
        z.resize(1 + reduced.neurons(), 0.0);
        for layer in &reduced.layers {
            let given = self.layers.get(layer.index)?;
            let offset = 1 + layer.start - reduced.head;
            let targets = &mut z[offset..offset + layer.neurons.len()];
            for ((t, &neuron), rho) in targets.iter_mut().zip(&layer.neurons).zip(radii(layer)) {
                *t = given.get(neuron)? / rho;
            }
        }
        if program.inputs() > 0 {
            // An input that had no influence gets what the others have on average.
            let known = self.lambda.iter().filter(|&&l| l > 0.0);
            let mean = known.clone().sum::<f64>() / known.count() as f64;
            for &j in &reduced.inputs {
                let lambda = *self.lambda.get(j)?;
                z.push(if lambda > 0.0 { lambda } else { mean });
            }
        }
        z.iter().all(|x| x.is_finite() && *x > 0.0).then_some(z)
    }
}

/// A strictly feasible point at a start, up to rounding, where necessary with a larger `gamma`;
/// `None` where that is not enough.
pub(super) fn warm_start(program: &Program<'_>, start: &Start) -> Option<Vec<f64>> {
    let mut z = start.multipliers(program)?;
    if program.factor(&z).is_none() {
        z[0] = sufficient_gamma(program, &z)?;
        if program.inputs() > 0 {
            balance(program, &mut z);
        }
        program.factor(&z)?;
    }
    Some(z)
}

/// A `gamma` with some slack for given other multipliers; `None` where there is none.
///
/// With `S = [gamma I - A, C; C^T, B]` it has to exceed the largest eigenvalue of `A + C B^-1 C^T`,
/// which is at most the trace (and equal to it for an output row). On the central path the slack is
/// the gap over the barrier's parameter.
fn sufficient_gamma(program: &Program<'_>, z: &[f64]) -> Option<f64> {
    let head = program.reduced.head;
    let mut matrix = program.matrix(z);
    let (diagonal, coupling) = matrix.split_off(head);
    let product = matrix.factor()?.forward_from(0, coupling.as_ref()).squared_norm_l2();
    let trace = product + diagonal.iter().map(|m| z[0] - m).sum::<f64>();
    Some(trace * (1.0 + 1.0 / program.parameter()))
}
