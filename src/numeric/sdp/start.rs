//! A strictly feasible start by recursion over the layers.
//!
//! From the first layer to the last, the multipliers of a layer are chosen so large that the
//! block of its variables is at least half of their diagonal, and the block is then eliminated
//! (its Schur complement is left on the variables that come before). What is left at the end is
//! the block of `u`, and `gamma` is twice its largest eigenvalue. This is the closed form of
//! `ECLipsE-Fast` (Xu & Sivaranjani, NeurIPS 2024) with a diagonal instead of a multiple of the identity.
#![expect(clippy::float_arithmetic, reason = "a guess: `certificate` verifies what comes out")]

use faer::{Col, Mat, MatRef, Scale};

use super::barrier::Program;
use super::dense::{Factor, product};
use super::reduce::Layer;

/// The least cost of a multiplier relative to the largest one of its layer.
const WEAK_SHARE: f64 = 0.02;

/// Multipliers that satisfy the matrix inequality strictly, up to rounding; `central` when a solver
/// starts from there, which may cost a little of the bound.
pub(super) fn feasible_start(program: &Program<'_>, central: bool) -> Option<Vec<f64>> {
    let reduced = program.reduced;
    let head = reduced.head;
    let mut z = vec![0.0; program.unknowns()];
    let offset = 1 + reduced.neurons();
    let lengths: Vec<f64> = program.tail().col_iter().map(|c| c.norm_l2()).collect();
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    for (l, length) in z[offset..].iter_mut().zip(&lengths) {
        *l = if central { length + mean } else { *length };
    }
    let mut rest = program.zeros();
    program.add_tail(&mut rest, program.lambda(&z));
    for (index, layer) in reduced.layers.iter().enumerate().rev() {
        let own = layer.start..layer.end();
        let mut t = dominating(rest.parts(own.clone()).1)?;
        if central {
            raise_weak(&mut t, layer);
        }
        let factor = (0..40).find_map(|_| {
            let mut square = rest.parts(own.clone()).1.to_owned();
            for (k, t) in t.iter().enumerate() {
                square[(k, k)] += t;
            }
            let factor = Factor::new(square);
            if factor.is_none() {
                t.iter_mut().for_each(|x| *x *= 2.0);
            }
            factor
        })?;
        program.generators.add_layer(&mut rest, index, layer, &t);
        let (left, _, coupling) = rest.parts(own);
        let mut solved = coupling.to_owned();
        factor.forward(solved.as_mut());
        let schur = product(-1.0, solved.transpose(), solved.as_ref());
        rest.add(left, left, schur.as_ref());
        z[1 + layer.start - head..1 + layer.end() - head].copy_from_slice(&t);
    }
    let largest = dominating(rest.parts(0..head).1)?.into_iter().fold(0.0, f64::max);
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
fn dominating(block: MatRef<'_, f64>) -> Option<Vec<f64>> {
    let n = block.nrows();
    let sizes: Vec<f64> = (0..n).map(|i| block[(i, i)].abs()).collect();
    let largest = sizes.iter().fold(0.0, |m: f64, &x| m.max(x));
    if !largest.is_finite() {
        return None;
    }
    let floor = (largest * 1e-30).max(f64::MIN_POSITIVE);
    let sizes: Vec<f64> = sizes.iter().map(|x| x.max(floor)).collect();
    let roots: Vec<f64> = sizes.iter().map(|x| x.sqrt()).collect();
    let scaled = Mat::from_fn(n, n, |i, j| {
        -block[if i >= j { (i, j) } else { (j, i) }] / (roots[i] * roots[j])
    });
    let mut v = Col::from_fn(n, |i| 1.0 + 0.1 * (i as f64 * 0.618_034).fract());
    let mut m = 1.0f64;
    for _ in 0..20 {
        let w = &scaled * &v;
        let length = w.norm_l2();
        let before = v.norm_l2();
        if !(length > 0.0 && length.is_finite()) {
            break;
        }
        m = m.max(length / before);
        v = w * Scale(1.0 / length);
    }
    Some(sizes.iter().map(|x| 2.2 * m * x).collect())
}
