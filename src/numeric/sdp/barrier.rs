//! The log-determinant barrier of the dual problem: value, gradient and Hessian.
//!
//! The unknowns are `z = (gamma, T, lambda)`. With the full matrix `M(z)` (input block included) and
//! `Y = M^-1`, the gradient of `log det M` is `tr(Y M_k)` and the Hessian of its negative is
//! `tr(Y M_k Y M_j) = [(a_k Y a_j)(b_k Y b_j) + (a_k Y b_j)(b_k Y a_j)] / 2` for
//! `M_k = sym(a_k b_k^T)`. The input block is diagonal: only its Schur complement `S` is factored, and
//! the parts of `Y` that belong to it are products with `X = S^-1`.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip, s};

use super::Objective;
use super::dense::{Factor, lower_half_of_product, symmetric_product};
use super::reduce::Reduced;
use crate::numeric::product::multiply;

/// A reduced problem in plain floating-point numbers.
pub(super) struct Program<'a> {
    pub reduced: &'a Reduced,
    /// `-P P^T` in l2.
    constant: Option<Array2<f64>>,
    /// `P^T`.
    tail_transposed: Array2<f64>,
    /// Whether `T >= 0` must be asked for: it follows from the matrix inequality unless a product
    /// `alpha beta` is positive.
    pub guard: bool,
}

/// The barrier's gradient of `log det M + ...` and the Hessian of its negative.
pub(super) struct Derivatives {
    pub gradient: Vec<f64>,
    /// Its lower half.
    pub hessian: Array2<f64>,
    /// `S^-1`.
    pub inverse: Array2<f64>,
}

impl<'a> Program<'a> {
    pub fn new(reduced: &'a Reduced, objective: Objective) -> Program<'a> {
        let tail = &reduced.tail.mid;
        let constant = (objective == Objective::Spectral).then(|| -multiply(tail.view(), tail.t()));
        let positive = |layer: &super::reduce::Layer| {
            layer.alpha.iter().zip(&layer.beta).any(|(a, b)| a * b > 0.0)
        };
        Program {
            reduced,
            constant,
            tail_transposed: tail.t().as_standard_layout().into_owned(),
            guard: reduced.layers.iter().any(positive),
        }
    }

    /// The number of multipliers of inputs.
    pub fn inputs(&self) -> usize {
        if self.constant.is_some() { 0 } else { self.reduced.inputs.len() }
    }

    /// The number of unknowns.
    pub fn unknowns(&self) -> usize {
        1 + self.reduced.neurons() + self.inputs()
    }

    /// The objective's coefficients.
    pub fn cost(&self) -> Vec<f64> {
        let mut cost = vec![0.0; self.unknowns()];
        cost[0] = 1.0;
        cost[1 + self.reduced.neurons()..].fill(1.0);
        cost
    }

    /// The parameter of the barrier: on the central path the gap is `mu` times this.
    pub fn parameter(&self) -> f64 {
        let guard = if self.guard { self.reduced.neurons() } else { 0 };
        (self.reduced.size + self.inputs() + guard) as f64
    }

    /// The multipliers of the neurons of one layer.
    pub fn layer_of<'z>(&self, layer: &super::reduce::Layer, z: &'z [f64]) -> &'z [f64] {
        let offset = 1 + layer.start - self.reduced.head;
        &z[offset..offset + layer.neurons.len()]
    }

    /// The multipliers of the inputs.
    pub fn lambda<'z>(&self, z: &'z [f64]) -> &'z [f64] {
        &z[1 + self.reduced.neurons()..]
    }

    /// `P^T`, in row-major order.
    pub fn tail_transposed(&self) -> &Array2<f64> {
        &self.tail_transposed
    }

    /// `a_k^T r b_k` for every neuron, for a symmetric matrix `r`.
    pub fn generator_forms(&self, r: &Array2<f64>, out: &mut [f64]) {
        let head = self.reduced.head;
        for layer in &self.reduced.layers {
            // r b for the layer's neurons, from which the rows of its variables and g are read.
            let map = &layer.map.mid;
            let upstream = s![.., layer.first..layer.start];
            let mut rb = multiply(r.slice(upstream), map.t());
            rb *= &Array1::from_iter(layer.beta.iter().map(|b| -b));
            rb += &r.slice(s![.., layer.start..layer.end()]);
            for k in 0..layer.neurons.len() {
                let column = rb.slice(s![layer.first..layer.start, k]);
                let along = map.row(k).dot(&column);
                out[layer.start - head + k] = rb[[layer.start + k, k]] - layer.alpha[k] * along;
            }
        }
    }

    /// The part of `S` that does not depend on the neurons and `gamma`.
    pub fn tail_block(&self, lambda: &[f64]) -> Array2<f64> {
        match &self.constant {
            Some(constant) => constant.clone(),
            None => {
                let mut scaled = self.tail_transposed.clone();
                for (mut row, &l) in scaled.axis_iter_mut(Axis(0)).zip(lambda) {
                    row *= -0.25 / l;
                }
                symmetric_product(&self.reduced.tail.mid, &scaled)
            }
        }
    }

    /// The matrix `S(z)`.
    pub fn matrix(&self, z: &[f64]) -> Array2<f64> {
        let reduced = self.reduced;
        let mut total = Array2::zeros((reduced.size, reduced.size));
        for i in 0..reduced.head {
            total[[i, i]] = z[0];
        }
        for layer in &reduced.layers {
            add_layer(&mut total, layer, self.layer_of(layer, z));
        }
        let mut tail = total.slice_mut(s![reduced.first.., reduced.first..]);
        tail += &self.tail_block(self.lambda(z));
        total
    }

    /// The factor of `S(z)` where all constraints hold strictly.
    pub fn factor(&self, z: &[f64]) -> Option<Factor> {
        let first = if self.guard { 1 } else { 1 + self.reduced.neurons() };
        if !z[first..].iter().all(|&x| x > 0.0) || !z.iter().all(|x| x.is_finite()) {
            return None;
        }
        Factor::new(self.matrix(z).view())
    }

    /// `log det M` plus the logarithms of the guarded multipliers.
    pub fn log_barrier(&self, z: &[f64], factor: &Factor) -> f64 {
        let first = if self.guard { 1 } else { 1 + self.reduced.neurons() };
        factor.log_determinant() + z[first..].iter().map(|x| x.ln()).sum::<f64>()
    }

    /// `rows V_k^T` for all neurons, where the row of neuron `k` is `v_k = e_k - slope_k g_k` and `x`
    /// has the variables as columns.
    fn times_generators(&self, x: ArrayView2<'_, f64>, upper: bool) -> Array2<f64> {
        let head = self.reduced.head;
        let mut out = x.slice(s![.., head..]).to_owned();
        for layer in &self.reduced.layers {
            let slope =
                Array1::from_vec(if upper { layer.beta.clone() } else { layer.alpha.clone() });
            if slope.iter().all(|&v| v == 0.0) {
                continue;
            }
            let mut product =
                multiply(x.slice(s![.., layer.first..layer.start]), layer.map.mid.t());
            product *= &slope;
            let mut target = out.slice_mut(s![.., layer.start - head..layer.end() - head]);
            target -= &product;
        }
        out
    }

    /// The derivatives at `z`, where `factor` is that of `S(z)`.
    pub fn derivatives(&self, z: &[f64], factor: &Factor) -> Derivatives {
        let (head, count) = (self.reduced.head, self.reduced.neurons());
        let x = factor.inverse();
        let xb = self.times_generators(x.view(), true);
        let plain = self.reduced.layers.iter().all(|l| l.alpha.iter().all(|&a| a == 0.0));
        let xa = if plain {
            x.slice(s![.., head..]).to_owned()
        } else {
            self.times_generators(x.view(), false)
        };
        let bxb = self.times_generators(xb.t(), true);
        let (axb, axa) = if plain {
            let rows = xb.slice(s![head.., ..]).to_owned();
            (rows, x.slice(s![head.., head..]).to_owned())
        } else {
            let axb = self.times_generators(xb.t(), false).reversed_axes();
            (axb, self.times_generators(xa.t(), false))
        };
        let unknowns = self.unknowns();
        let mut gradient = vec![0.0; unknowns];
        let mut hessian = Array2::zeros((unknowns, unknowns));
        let top = x.slice(s![..head, ..head]);
        gradient[0] = top.diag().sum();
        hessian[[0, 0]] = top.iter().map(|v| v * v).sum();
        for k in 0..count {
            gradient[1 + k] = axb[[k, k]];
            let (a, b) = (xa.slice(s![..head, k]), xb.slice(s![..head, k]));
            hessian[[1 + k, 0]] = a.dot(&b);
        }
        let block = hessian.slice_mut(s![1..=count, 1..=count]);
        Zip::from(block)
            .and(&axa)
            .and(&bxb)
            .and(&axb)
            .and(axb.t())
            .for_each(|h, &p, &q, &r, &t| *h = 0.5 * (p * q + r * t));
        if self.inputs() > 0 {
            self.input_derivatives(z, &x, &mut gradient, &mut hessian);
        }
        if self.guard {
            for k in 1..=count {
                gradient[k] += 1.0 / z[k];
                hessian[[k, k]] += 1.0 / (z[k] * z[k]);
            }
        }
        Derivatives { gradient, hessian, inverse: x }
    }

    /// The derivatives by the multipliers of the inputs.
    fn input_derivatives(
        &self,
        z: &[f64],
        x: &Array2<f64>,
        gradient: &mut [f64],
        hessian: &mut Array2<f64>,
    ) {
        let (head, count, m) = (self.reduced.head, self.reduced.neurons(), self.inputs());
        let first = self.reduced.first;
        let inverse = Array1::from_iter(self.lambda(z).iter().map(|l| 1.0 / l));
        // The coupling blocks of the inverse: Q = X P diag(1/lambda) / 2, and its own block
        // diag(1/lambda) + diag(1/lambda) P^T Q / 2.
        let mut q = multiply(x.slice(s![.., first..]), self.reduced.tail.mid.view());
        q *= &(&inverse * 0.5);
        let below = q.slice(s![first.., ..]).as_standard_layout().into_owned();
        let mut own = lower_half_of_product(&self.tail_transposed, &below);
        own *= &(&inverse * 0.5).insert_axis(Axis(1));
        let mut diagonal = own.diag_mut();
        diagonal += &inverse;
        let offset = 1 + count;
        for j in 0..m {
            gradient[offset + j] = own[[j, j]];
            let column = q.slice(s![..head, j]);
            hessian[[offset + j, 0]] = column.dot(&column);
        }
        let qt = q.t();
        let a = self.times_generators(qt, false);
        let b = self.times_generators(qt, true);
        hessian.slice_mut(s![offset.., 1..offset]).assign(&(&a * &b));
        own.mapv_inplace(|v| v * v);
        hessian.slice_mut(s![offset.., offset..]).assign(&own);
    }
}

/// Adds `sum_k T_k M_k` over the neurons of one layer.
pub(super) fn add_layer(total: &mut Array2<f64>, layer: &super::reduce::Layer, t: &[f64]) {
    for (k, &value) in t.iter().enumerate() {
        total[[layer.start + k, layer.start + k]] += value;
    }
    let slope = |f: fn(f64, f64) -> f64| {
        let pairs = layer.alpha.iter().zip(&layer.beta).zip(t);
        Array1::from_iter(pairs.map(|((&a, &b), &t)| t * f(a, b)))
    };
    let (half, product) = (slope(|a, b| -0.5 * (a + b)), slope(|a, b| a * b));
    let map = &layer.map.mid;
    let coupling = &map.t() * &half;
    let columns = s![layer.first..layer.start, layer.start..layer.end()];
    let mut block = total.slice_mut(columns);
    block += &coupling;
    let rows = s![layer.start..layer.end(), layer.first..layer.start];
    let mut block = total.slice_mut(rows);
    block += &coupling.t();
    if product.iter().any(|&p| p != 0.0) {
        let weighted = &map.t() * &product;
        let square = multiply(weighted.view(), map.view());
        let upstream = s![layer.first..layer.start, layer.first..layer.start];
        let mut block = total.slice_mut(upstream);
        block += &square;
    }
}
