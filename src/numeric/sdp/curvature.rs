//! The third derivative of the barrier along a direction, for second-order steps.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use super::banded::BandedFactor;
use super::barrier::{Derivatives, Program};
use super::dense::{dot, product};

impl Program<'_> {
    /// `-1/2 D^3 F(z)[h, h, .]` with `F` the barrier and `S = L L^T` the factor at `z`.
    ///
    /// With `S'` and `S''` the derivatives of `S` along `h` (only `lambda` enters `S` nonlinearly) and `X = S^-1`,
    /// `D^2 F[h, h] = tr(X S' X S') - tr(X S'') + sum (h/lambda)^2`; this is half of its gradient
    /// with the opposite sign. What depends on `S` is a form of `X (S' X S' - S''/2) X`, whose first part is
    /// `W^T W` with `W = L^-1 S' X`, and `S'' = -P diag(h^2 / lambda^3) P^T / 2`.
    pub fn curvature(
        &self,
        z: &[f64],
        factor: &BandedFactor,
        derivatives: &Derivatives,
        h: &[f64],
    ) -> Vec<f64> {
        let (head, count) = (self.reduced.head, self.reduced.neurons());
        let (lambda, along) = (self.lambda(z), self.lambda(h));
        let first = self.reduced.first;
        let mut change = self.zeros();
        self.add_neurons(&mut change, h);
        if self.inputs() > 0 {
            let weights = lambda.iter().zip(along).map(|(&l, &d)| 0.25 * d / (l * l));
            change.add(first, first, self.weighted_tail(weights).as_ref());
        }
        let mut w = change.times(derivatives.inverse.as_ref());
        factor.forward_columns(&mut w);
        let mut out = vec![0.0; self.unknowns()];
        out[0] = w.as_ref().subcols(0, head).squared_norm_l2();
        self.generators.forms(w.as_ref(), &mut out[1..=count]);
        if let Some(of_inputs) = &derivatives.of_inputs {
            let second = lambda.iter().zip(along).map(|(&l, &d)| 0.25 * d * d / (l * l * l));
            let second: Vec<f64> = second.collect();
            out[0] += dot(&of_inputs.head, &second);
            for (j, &s) in second.iter().enumerate() {
                let forms = out[1..=count].iter_mut().zip(of_inputs.forms.col(j).iter());
                forms.for_each(|(out, form)| *out += s * form);
            }
            // With V = L^-1 P: P^T X S' X S' X P = (W P)^T W P and P^T X S' X P = V^T W P, of which the
            // diagonals are needed.
            let wp = product(1.0, w.as_ref().subcols(first, self.tail().nrows()), self.tail());
            let v = factor.forward_from(first, self.tail());
            for j in 0..self.inputs() {
                let (l, d) = (lambda[j], along[j]);
                let ratio = d / l;
                let own = of_inputs.own.col(j);
                let r = wp.col(j).squared_norm_l2()
                    + own.iter().zip(&second).map(|(x, s)| s * x * x).sum::<f64>();
                let b = v.col(j).transpose() * wp.col(j);
                out[1 + count + j] = 0.25 * r / (l * l)
                    + 0.5 * ratio * b / (l * l)
                    + 0.75 * ratio * ratio * own[j] / (l * l)
                    + ratio * ratio / l;
            }
        }
        if self.guard {
            for k in 1..=count {
                out[k] += h[k] * h[k] / (z[k] * z[k] * z[k]);
            }
        }
        out
    }
}
