//! The barrier's matrix against its definition, its derivatives against difference quotients.

use faer::Mat;
use ndarray::Array2;

use super::Program;
use crate::numeric::sdp::reduce::{Reduced, reduce};
use crate::numeric::sdp::start::feasible_start;
use crate::numeric::sdp::{Objective, Problem};

/// Numbers in `[-1, 1)` that look random.
fn number(i: usize) -> f64 {
    2.0 * (i as f64 * 0.754_877_666).fract() - 1.0
}

/// A chain over several blocks, with the slopes `of(layer, neuron)`.
fn chain(widths: &[usize], of: impl Fn(usize, usize) -> (f64, f64)) -> Problem {
    let weight = |r: usize| {
        let (rows, columns) = (widths[r + 1], widths[r]);
        Array2::from_shape_fn((rows, columns), |(i, j)| {
            number(1 + 7919 * r + i * columns + j) / (columns as f64).sqrt()
        })
    };
    let weights = (0..widths.len() - 1).map(weight).collect();
    let slopes = (1..widths.len() - 1).map(|r| (0..widths[r]).map(|k| of(r, k)).collect());
    Problem::new(weights, slopes.collect()).expect("a chain")
}

/// ReLU, some of them always on or off; slopes away from zero; slopes of both signs.
fn chains() -> Vec<Problem> {
    let widths = [4, 50, 20, 70, 10, 3];
    let relu = |r: usize, k: usize| match (r + k) % 9 {
        0 if r > 1 => (1.0, 1.0),
        1 => (0.0, 0.0),
        _ => (0.0, 1.0),
    };
    vec![
        chain(&widths, |_, _| (0.0, 1.0)),
        chain(&widths, relu),
        chain(&widths, |_, k| (0.1 + 0.01 * (k % 7) as f64, 1.0)),
        chain(&[3, 60, 5, 60, 2], |r, k| (-0.1 * (k % 3) as f64, 0.5 + 0.1 * r as f64)),
    ]
}

fn objectives() -> [Objective; 2] {
    [Objective::Spectral, Objective::Row(1)]
}

/// Calls `check` for each chain and objective with a point where all constraints hold strictly.
fn for_all(check: impl Fn(&Program<'_>, &[f64])) {
    for problem in chains() {
        for objective in objectives() {
            let reduced = reduce(&problem, objective).expect("a chain");
            let program = Program::new(&reduced, objective);
            let mut z = feasible_start(&program, true).expect("a start");
            // Off the symmetric point, and inside.
            for (k, x) in z.iter_mut().enumerate() {
                *x *= 1.0 + 0.05 * number(k);
            }
            z[0] *= 3.0;
            check(&program, &z);
        }
    }
}

/// `S(z)` entry by entry as the sum of its terms.
fn definition(reduced: &Reduced, objective: Objective, z: &[f64]) -> Mat<f64> {
    let n = reduced.size;
    let mut s = Mat::<f64>::zeros(n, n);
    for i in 0..reduced.head {
        s[(i, i)] = z[0];
    }
    for layer in &reduced.layers {
        for k in 0..layer.neurons.len() {
            let t = z[1 + layer.start - reduced.head + k];
            let vector = |slope: f64| -> Vec<f64> {
                let mut v = vec![0.0; n];
                v[layer.start + k] = 1.0;
                for (j, g) in layer.map.mid.row(k).iter().enumerate() {
                    v[layer.first + j] -= slope * g;
                }
                v
            };
            let (a, b) = (vector(layer.alpha[k]), vector(layer.beta[k]));
            for i in 0..n {
                for j in 0..n {
                    s[(i, j)] += 0.5 * t * (a[i] * b[j] + a[j] * b[i]);
                }
            }
        }
    }
    let p = &reduced.tail.mid;
    for i in 0..p.nrows() {
        for j in 0..p.nrows() {
            for k in 0..p.ncols() {
                let weight = match objective {
                    Objective::Spectral => 1.0,
                    Objective::Row(_) => 0.25 / z[1 + reduced.neurons() + k],
                };
                s[(reduced.first + i, reduced.first + j)] -= weight * p[[i, k]] * p[[j, k]];
            }
        }
    }
    s
}

#[test]
fn the_matrix_is_the_sum_of_its_terms() {
    for problem in chains() {
        for objective in objectives() {
            let reduced = reduce(&problem, objective).expect("a chain");
            let program = Program::new(&reduced, objective);
            let z = feasible_start(&program, true).expect("a start");
            let expected = definition(&reduced, objective, &z);
            let size = expected.norm_max();
            let n = reduced.size;
            let found = program.matrix(&z).times(Mat::<f64>::identity(n, n).as_ref());
            // Sums of at most 80 terms of this size.
            assert!((&found - &expected).norm_max() <= 1e-13 * size);
            // The factor's inverse is an inverse, of a matrix with a condition number below 1e6.
            let inverse = program.factor(&z).expect("positive definite").inverse();
            let identity = &inverse * &expected;
            assert!((&identity - Mat::<f64>::identity(n, n)).norm_max() < 1e-8);
        }
    }
}

#[test]
fn traces_and_couplings_are_those_of_the_matrix() {
    for_all(|program, z| {
        let (n, head) = (program.reduced.size, program.reduced.head);
        let factor = program.factor(z).expect("positive definite");
        let inverse = factor.inverse();
        let trace: f64 = (0..head).map(|i| inverse[(i, i)]).sum();
        assert!((factor.trace_of_inverse(head) / trace - 1.0).abs() < 1e-9);
        let whole = program.matrix(z).times(Mat::<f64>::identity(n, n).as_ref());
        let mut split = program.matrix(z);
        let (diagonal, columns) = split.split_off(head);
        let rest = split.times(Mat::<f64>::identity(n, n).as_ref());
        for j in 0..n {
            if j < head {
                assert_eq!(diagonal[j], whole[(j, j)]);
            }
            for i in 0..n {
                let coupled = (i < head) != (j < head);
                let expected = match (coupled, i == j && i < head) {
                    (true, _) => 0.0,
                    (_, true) => 1.0,
                    _ if i < head => 0.0,
                    _ => whole[(i, j)],
                };
                assert_eq!(rest[(i, j)], expected, "{i} {j}");
                if j < head {
                    let expected = if i < head { 0.0 } else { whole[(i, j)] };
                    assert_eq!(columns[(i, j)], expected, "{i} {j}");
                }
            }
        }
    });
}

/// The derivative of `f` along `direction`, of which a step of 1e-4 is a small change: the difference quotient is off
/// by about 1e-8 relative to the third derivative, which for a barrier is of the size of the others.
fn slope(f: impl Fn(&[f64]) -> f64, z: &[f64], direction: &[f64]) -> f64 {
    let at = |h: f64| -> f64 {
        let moved: Vec<f64> = z.iter().zip(direction).map(|(z, d)| z + h * d).collect();
        f(&moved)
    };
    (at(1e-4) - at(-1e-4)) / 2e-4
}

/// Relative changes of all unknowns, one for each call.
fn direction(z: &[f64], call: usize) -> Vec<f64> {
    z.iter().enumerate().map(|(k, z)| 0.05 * z * number(31 * call + k)).collect()
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `h^T H h` from the lower half of `H`.
fn form(program: &Program<'_>, z: &[f64], h: &[f64]) -> f64 {
    let factor = program.factor(z).expect("positive definite");
    let hessian = program.derivatives(z, &factor).hessian;
    let mut total = 0.0;
    for j in 0..h.len() {
        total += hessian[(j, j)] * h[j] * h[j];
        for i in j + 1..h.len() {
            total += 2.0 * hessian[(i, j)] * h[i] * h[j];
        }
    }
    total
}

#[test]
fn derivatives_are_limits_of_differences() {
    for_all(|program, z| {
        let factor = program.factor(z).expect("positive definite");
        let derivatives = program.derivatives(z, &factor);
        let barrier = |z: &[f64]| {
            let factor = program.factor(z).expect("positive definite");
            program.log_barrier(z, &factor)
        };
        let gradient = |z: &[f64]| {
            let factor = program.factor(z).expect("positive definite");
            program.derivatives(z, &factor).gradient
        };
        for call in 0..3 {
            let h = direction(z, call);
            let first = inner(&derivatives.gradient, &h);
            let second = form(program, z, &h);
            let scale = first.abs().max(second.sqrt());
            assert!((slope(barrier, z, &h) - first).abs() < 1e-5 * scale);
            let along = slope(|z| inner(&gradient(z), &h), z, &h);
            assert!((along + second).abs() < 1e-5 * second, "{along} {second}");
            // -1/2 D^3 F[h, h, v] = -1/2 d/dv (h^T H h).
            let v = direction(z, call + 10);
            let third = inner(&program.curvature(z, &factor, &derivatives, &h), &v);
            let expected = -0.5 * slope(|z| form(program, z, &h), z, &v);
            let scale = second * form(program, z, &v).sqrt();
            assert!((third - expected).abs() < 1e-5 * scale, "{third} {expected} {scale}");
        }
    });
}
