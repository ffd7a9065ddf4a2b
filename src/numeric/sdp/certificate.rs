//! The rigorous side: from multipliers to a verified bound.
//!
//! The matrix of the inequality is enclosed entrywise, scaled to a diagonal near one by a congruence
//! with powers of two, and shown to be positive semidefinite by an approximate Cholesky factor whose
//! residual is bounded: `lambda_min(S) >= lambda_min(mid - s I) + s - ||rad|| >= s - r - ||rad||`.

use ndarray::{Array2, s};

use super::ball::{Ball, Enclosure, sum};
use super::reduce::{Reduced, reduce};
use super::{Multipliers, Objective, Problem};
use crate::numeric::rounding::{
    MIN_SUBNORMAL, UNIT_ROUNDOFF, add_up, div_down, div_up, exponent, gamma, max_up, mul_up,
    power_of_two, scale_up, sqrt_up, sub_down, sum_up,
};
use crate::numeric::spectral::cholesky_residual_up;

/// The bound that the multipliers prove, rounded up; `None` where they prove nothing.
///
/// Nothing is assumed of the multipliers: their number, sign and finiteness are checked, the
/// matrix inequality is verified with all rounding errors bounded, and the weights are taken as
/// exact. Cost: one Cholesky factorisation and the products that form the matrix.
pub fn certify(problem: &Problem, objective: Objective, multipliers: &Multipliers) -> Option<f64> {
    if !admissible(problem, objective, multipliers) {
        return None;
    }
    let reduced = reduce(problem, objective).ok()?;
    Verifier::new(&reduced, objective).verify(multipliers)
}

/// Whether the multipliers are finite, nonnegative and as many as there should be.
fn admissible(problem: &Problem, objective: Objective, z: &Multipliers) -> bool {
    let valid = |x: &f64| x.is_finite() && *x >= 0.0;
    let inputs = match objective {
        Objective::Spectral => 0,
        Objective::Row(_) => problem.weights()[0].ncols(),
    };
    valid(&z.gamma)
        && z.lambda.len() == inputs
        && z.lambda.iter().all(valid)
        && z.layers.len() == problem.slopes().len()
        && z.layers
            .iter()
            .zip(problem.slopes())
            .all(|(t, layer)| t.len() == layer.len() && t.iter().all(valid))
}

/// Verifies multipliers of one reduced problem; keeps what does not depend on them.
pub(super) struct Verifier<'a> {
    reduced: &'a Reduced,
    objective: Objective,
    /// `P P^T` in l2.
    gram: Option<Ball>,
}

impl<'a> Verifier<'a> {
    pub fn new(reduced: &'a Reduced, objective: Objective) -> Verifier<'a> {
        let tail = &reduced.tail;
        let gram = (objective == Objective::Spectral && !reduced.vanishes())
            .then(|| tail.multiply(&tail.transposed()));
        Verifier { reduced, objective, gram }
    }

    /// The bound proved by admissible multipliers.
    pub fn verify(&self, z: &Multipliers) -> Option<f64> {
        if self.reduced.vanishes() {
            return Some(0.0);
        }
        let matrix = self.matrix(z)?;
        if !is_positive_semidefinite(&matrix) {
            return None;
        }
        let value = match self.objective {
            Objective::Spectral => sqrt_up(z.gamma),
            Objective::Row(_) => {
                add_up(z.gamma, sum_up(self.reduced.inputs.iter().map(|&j| z.lambda[j])))
            }
        };
        let upper = scale_up(value, self.reduced.exponent);
        upper.is_finite().then_some(upper)
    }

    /// The matrix of the inequality, enclosed entrywise.
    fn matrix(&self, z: &Multipliers) -> Option<Ball> {
        let reduced = self.reduced;
        let n = reduced.size;
        let mut total = Sum::zeros(n);
        for i in 0..reduced.head {
            total.mid[[i, i]] = z.gamma;
        }
        for layer in &reduced.layers {
            let t = |k: usize| z.layers[layer.index][layer.neurons[k]];
            let count = layer.neurons.len();
            for k in 0..count {
                total.mid[[layer.start + k, layer.start + k]] = t(k);
            }
            let (mut halves, mut products) = (Vec::new(), Vec::new());
            for k in 0..count {
                let (a, b) = (layer.alpha[k], layer.beta[k]);
                halves.push(sum(a, b).times(t(k)).times(-0.5));
                products.push(Enclosure::from(a).times(b).times(t(k)));
            }
            let coupling = layer.map.scale_rows(&halves).transposed();
            total.add(layer.first, layer.start, &coupling);
            total.add(layer.start, layer.first, &coupling.transposed());
            if products.iter().any(|p| (p.low, p.high) != (0.0, 0.0)) {
                let weighted = layer.map.scale_rows(&products);
                let square = layer.map.transposed().multiply(&weighted);
                total.add(layer.first, layer.first, &square);
            }
        }
        let tail = match &self.gram {
            Some(gram) => gram.negated(),
            None => self.input_block(z)?,
        };
        total.add(reduced.first, reduced.first, &tail);
        Some(total.into_ball())
    }

    /// `-P diag(1/lambda) P^T / 4`.
    fn input_block(&self, z: &Multipliers) -> Option<Ball> {
        let mut factors = Vec::new();
        for &j in &self.reduced.inputs {
            let lambda = z.lambda[j];
            if lambda <= 0.0 {
                return None;
            }
            factors.push(Enclosure { low: div_down(-0.25, lambda), high: div_up(-0.25, lambda) });
        }
        let transposed = self.reduced.tail.transposed();
        Some(self.reduced.tail.multiply(&transposed.scale_rows(&factors)))
    }
}

/// A sum of blocks with its error.
struct Sum {
    mid: Array2<f64>,
    rad: Array2<f64>,
}

impl Sum {
    fn zeros(n: usize) -> Sum {
        Sum { mid: Array2::zeros((n, n)), rad: Array2::zeros((n, n)) }
    }

    /// Adds a block with its first entry at `(row, column)`. A sum is off by at most `u |fl(a + b)|`
    /// and never underflows; adding to zero is exact.
    fn add(&mut self, row: usize, column: usize, block: &Ball) {
        let (rows, columns) = block.mid.dim();
        let window = s![row..row + rows, column..column + columns];
        let mut mid = self.mid.slice_mut(window);
        let mut rad = self.rad.slice_mut(window);
        for ((m, r), &b) in mid.iter_mut().zip(rad.iter_mut()).zip(&block.mid) {
            if b == 0.0 {
                continue;
            }
            if *m == 0.0 {
                *m = b;
                continue;
            }
            #[expect(clippy::float_arithmetic, reason = "its error goes to the radius")]
            let sum = *m + b;
            *m = sum;
            *r = add_up(*r, mul_up(UNIT_ROUNDOFF, sum.abs()));
        }
        if let Some(extra) = &block.rad {
            rad.zip_mut_with(extra, |r, &e| *r = add_up(*r, e));
        }
    }

    fn into_ball(self) -> Ball {
        Ball { mid: self.mid, rad: Some(self.rad) }
    }
}

/// Whether every symmetric matrix in the ball is shown to be positive semidefinite. The lower half
/// of the centre is read, and the larger of the two radii.
fn is_positive_semidefinite(ball: &Ball) -> bool {
    let Some((mut m, radius)) = balanced(ball) else {
        return false;
    };
    let n = m.nrows();
    // cholesky_residual_up bounds its own rounding by gamma_(n+2) (||m||_F + ||R||_F^2) and the
    // residual of a stable factorisation is of that size too: shift by twice their sum. A wrong
    // guess can only make the test fail.
    #[expect(clippy::float_arithmetic, reason = "a guess: a wrong one can only make the test fail")]
    let shift = {
        let trace = m.diag().iter().fold(0.0, |t: f64, x| t + x.abs());
        let frobenius = m.iter().fold(0.0, |t: f64, x| t + x * x).sqrt();
        2.0 * (radius + gamma(n + 4) * (frobenius + 2.0 * trace))
    };
    m.diag_mut().mapv_inplace(|x| sub_down(x, shift));
    let Some(residual) = cholesky_residual_up(m.view()) else {
        return false;
    };
    // lambda_min(exact) >= lambda_min(m) + shift - ||radius||: a smaller diagonal is a smaller matrix.
    add_up(residual, radius) <= shift
}

/// The centre under a congruence with powers of two that brings its diagonal into `[1/2, 2]`, and a
/// bound of the spectral norm of the radius under it; `None` without a positive diagonal.
///
/// A symmetric nonnegative matrix has a spectral norm of at most its largest row sum.
fn balanced(ball: &Ball) -> Option<(Array2<f64>, f64)> {
    let n = ball.mid.nrows();
    let mut powers = Vec::with_capacity(n);
    for i in 0..n {
        let d = ball.mid[[i, i]];
        if !(d.is_finite() && d > 0.0) {
            return None;
        }
        powers.push((-exponent(d)).div_euclid(2).clamp(-400, 400));
    }
    let mut mid = Array2::zeros((n, n));
    let mut largest = 0.0;
    let rad = |i: usize, j: usize| ball.rad.as_ref().map_or(0.0, |rad| rad[[i, j]]);
    for i in 0..n {
        let mut sum = 0.0;
        for j in 0..n {
            let factor = power_of_two(powers[i] + powers[j]);
            let (a, b) = if j <= i { (i, j) } else { (j, i) };
            // A power of two is exact unless the product underflows, by less than 2^-1074.
            #[expect(clippy::float_arithmetic, reason = "exact, or off by less than MIN_SUBNORMAL")]
            let entry = ball.mid[[a, b]] * factor;
            mid[[i, j]] = entry;
            let radius = mul_up(max_up(rad(i, j), rad(j, i)), factor);
            sum = add_up(sum, add_up(radius, MIN_SUBNORMAL));
        }
        largest = max_up(largest, sum);
    }
    largest.is_finite().then_some((mid, largest))
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
