//! The third derivative of the barrier along a direction, for second-order steps.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use ndarray::{Array1, Array2, Axis, s};

use super::barrier::{Program, add_layer};
use super::dense::symmetric_product;
use crate::numeric::product::multiply;

impl Program<'_> {
    /// `-1/2 D^3 F(z)[h, h, .]` with `F` the barrier and `x = S(z)^-1`.
    ///
    /// With `S'` and `S''` the derivatives of `S` along `h` (only `lambda` enters `S` nonlinearly),
    /// `D^2 F[h, h] = tr(X S' X S') - tr(X S'') + sum (h/lambda)^2`; this is half of its gradient
    /// with the opposite sign.
    pub fn curvature(&self, z: &[f64], x: &Array2<f64>, h: &[f64]) -> Vec<f64> {
        let reduced = self.reduced;
        let (n, head, count) = (reduced.size, reduced.head, reduced.neurons());
        let mut first = Array2::<f64>::zeros((n, n));
        for i in 0..head {
            first[[i, i]] = h[0];
        }
        for layer in &reduced.layers {
            add_layer(&mut first, layer, self.layer_of(layer, h));
        }
        let (lambda, along) = (self.lambda(z), self.lambda(h));
        let weighted = |f: &dyn Fn(f64, f64) -> f64| {
            let weights = lambda.iter().zip(along).map(|(&l, &d)| f(l, d));
            let scaled = self.tail_transposed() * &Array1::from_iter(weights).insert_axis(Axis(1));
            symmetric_product(&reduced.tail.mid, &scaled)
        };
        let tail = s![reduced.first.., reduced.first..];
        if self.inputs() > 0 {
            let mut block = first.slice_mut(tail);
            block += &weighted(&|l, d| 0.25 * d / (l * l));
        }
        let xs = multiply(x.view(), first.view());
        let mut inner = multiply(xs.view(), xs.view());
        if self.inputs() > 0 {
            // X (S' X S' - S''/2), with S'' = -P diag(h^2 / lambda^3) P^T / 2.
            let second = weighted(&|l, d| 0.25 * d * d / (l * l * l));
            let mut block = inner.slice_mut(s![.., reduced.first..]);
            block += &multiply(x.slice(s![.., reduced.first..]), second.view());
        }
        let r = multiply(inner.view(), x.view());
        let mut out = vec![0.0; self.unknowns()];
        out[0] = r.diag().iter().take(head).sum();
        self.generator_forms(&r, &mut out[1..=count]);
        if self.inputs() > 0 {
            let b = multiply(xs.view(), x.view());
            let form = |m: &Array2<f64>| -> Vec<f64> {
                let product = multiply(m.slice(tail), reduced.tail.mid.view());
                (&product * &reduced.tail.mid).sum_axis(Axis(0)).to_vec()
            };
            let (r, b, x) = (form(&r), form(&b), form(x));
            for j in 0..self.inputs() {
                let (l, d) = (lambda[j], along[j]);
                let q = d / l;
                out[1 + count + j] = 0.25 * r[j] / (l * l)
                    + 0.5 * q * b[j] / (l * l)
                    + 0.75 * q * q * x[j] / (l * l)
                    + q * q / l;
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
