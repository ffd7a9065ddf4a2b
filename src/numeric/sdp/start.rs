//! A strictly feasible start by recursion over the layers.
//!
//! From the first layer to the last, the multipliers of a layer are chosen so large that the
//! block of its variables is at least half of their diagonal, and the block is then eliminated
//! (its Schur complement is left on the variables that come before). What is left at the end is
//! the block of `u`, and `gamma` is twice its largest eigenvalue. This is the closed form of
//! `ECLipsE-Fast` (Xu & Sivaranjani, NeurIPS 2024) with a diagonal instead of a multiple of the identity.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use ndarray::{Array2, ArrayView2, s};

use super::barrier::{Program, add_layer};
use super::dense::Factor;
use super::reduce::Layer;
use crate::numeric::product::multiply;

/// The least cost of a multiplier relative to the largest one of its layer.
const WEAK_SHARE: f64 = 0.02;

/// Multipliers that satisfy the matrix inequality strictly, up to rounding; `central` when a solver
/// starts from there, which may cost a little of the bound.
pub(super) fn feasible_start(program: &Program<'_>, central: bool) -> Option<Vec<f64>> {
    let reduced = program.reduced;
    let head = reduced.head;
    let mut z = vec![0.0; program.unknowns()];
    let offset = 1 + reduced.neurons();
    let columns = reduced.tail.mid.columns().into_iter();
    let lengths: Vec<f64> = columns.map(|c| c.dot(&c).sqrt()).collect();
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    for (l, length) in z[offset..].iter_mut().zip(&lengths) {
        *l = if central { length + mean } else { *length };
    }
    let mut rest = Array2::<f64>::zeros((reduced.size, reduced.size));
    let mut tail = rest.slice_mut(s![reduced.first.., reduced.first..]);
    tail += &program.tail_block(program.lambda(&z));
    for layer in reduced.layers.iter().rev() {
        let (start, end) = (layer.start, layer.end());
        let mut t = dominating(rest.slice(s![start..end, start..end]))?;
        if central {
            raise_weak(&mut t, layer);
        }
        let eliminated = (0..40).find_map(|_| {
            let mut trial = rest.slice(s![..end, ..end]).to_owned();
            add_layer(&mut trial, layer, &t);
            let factor = Factor::new(trial.slice(s![start.., start..]));
            if factor.is_none() {
                t.iter_mut().for_each(|x| *x *= 2.0);
            }
            Some((trial, factor?))
        });
        let (trial, factor) = eliminated?;
        let inverse = factor.inverse();
        let coupling = trial.slice(s![..start, start..]);
        let product = multiply(coupling, inverse.view());
        rest =
            trial.slice(s![..start, ..start]).to_owned() - multiply(product.view(), coupling.t());
        z[1 + start - head..1 + end - head].copy_from_slice(&t);
    }
    let largest = dominating(rest.view())?.into_iter().fold(0.0, f64::max);
    z[0] = largest.max(f64::MIN_POSITIVE);
    if program.inputs() > 0 {
        balance(program, &mut z);
    }
    z.iter().all(|x| x.is_finite() && *x > 0.0).then_some(z)
}

/// Raises the multipliers of neurons that hardly matter: far too small a multiplier costs a Newton
/// step per factor of two. What the multiplier of neuron `k` costs is about `T_k |g_k|^2`.
fn raise_weak(t: &mut [f64], layer: &Layer) {
    let squares: Vec<f64> = layer.map.mid.rows().into_iter().map(|g| g.dot(&g)).collect();
    let cost = |(t, g): (&f64, &f64)| t * g;
    let largest = t.iter().zip(&squares).map(cost).fold(0.0, f64::max);
    for (t, g) in t.iter_mut().zip(&squares) {
        let floor = WEAK_SHARE * largest / g;
        if floor.is_finite() {
            *t = t.max(floor);
        }
    }
}

/// Scales `(gamma, T, lambda)` to `(gamma / s, T / s, s lambda)`, which keeps feasibility, so that
/// `gamma` equals the sum of `lambda`.
pub(super) fn balance(program: &Program<'_>, z: &mut [f64]) {
    let total: f64 = program.lambda(z).iter().sum();
    let factor = (z[0] / total).sqrt();
    let offset = 1 + program.reduced.neurons();
    z[..offset].iter_mut().for_each(|x| *x /= factor);
    z[offset..].iter_mut().for_each(|x| *x *= factor);
}

/// A positive diagonal `t` with `diag(t) / 2 + block >= 0`, approximately: `2 m |diag(block)|` with
/// `m` the largest eigenvalue of the negated block scaled to a diagonal of ones.
fn dominating(block: ArrayView2<'_, f64>) -> Option<Vec<f64>> {
    let n = block.nrows();
    let sizes: Vec<f64> = block.diag().iter().map(|x| x.abs()).collect();
    let largest = sizes.iter().fold(0.0, |m: f64, &x| m.max(x));
    if !largest.is_finite() {
        return None;
    }
    let floor = (largest * 1e-30).max(f64::MIN_POSITIVE);
    let sizes: Vec<f64> = sizes.iter().map(|x| x.max(floor)).collect();
    let roots: Vec<f64> = sizes.iter().map(|x| x.sqrt()).collect();
    let scaled = Array2::from_shape_fn((n, n), |(i, j)| -block[[i, j]] / (roots[i] * roots[j]));
    let mut v = ndarray::Array1::from_shape_fn(n, |i| 1.0 + 0.1 * (i as f64 * 0.618_034).fract());
    let mut m = 1.0f64;
    for _ in 0..20 {
        let w = scaled.dot(&v);
        let length = w.dot(&w).sqrt();
        let before = v.dot(&v).sqrt();
        if !(length > 0.0 && length.is_finite()) {
            break;
        }
        m = m.max(length / before);
        v = w / length;
    }
    Some(sizes.iter().map(|x| 2.2 * m * x).collect())
}
