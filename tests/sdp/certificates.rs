//! What multipliers prove, in exact arithmetic, and what is done with wrong ones.

use lipbound::numeric::rounding::exponent;
use lipbound::numeric::sdp::{Multipliers, Objective, Problem, bound, certify};
use ndarray::{Array2, Axis};

use super::support::oracle::{Dyadic, Exact};
use super::{RELU, never, problem, random_weights};

/// The full matrix of the relaxation of an output row, from its definition, in exact arithmetic.
pub fn exact_matrix(problem: &Problem, row: usize, z: &Multipliers) -> Exact {
    let mut weights: Vec<Array2<f64>> = problem.weights().to_vec();
    let last = weights.len() - 1;
    weights[last] = weights[last].select(Axis(0), &[row]);
    let sizes: Vec<usize> =
        std::iter::once(1).chain(weights.iter().rev().map(|w| w.ncols())).collect();
    let starts: Vec<usize> = sizes
        .iter()
        .scan(0, |s, n| {
            *s += n;
            Some(*s - n)
        })
        .collect();
    let n: usize = sizes.iter().sum();
    let mut m = vec![vec![Dyadic::ZERO; n]; n];
    m[0][0] = Dyadic::of(z.gamma);
    for (j, &lambda) in z.lambda.iter().enumerate() {
        let at = starts[last + 1] + j;
        m[at][at] = Dyadic::of(lambda);
    }
    for (b, r) in (0..=last).rev().enumerate() {
        let w = &weights[r];
        let largest = w.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        // The relaxation is of the map divided by a power of two.
        let w = Exact::of(w).map(|_, x| x.scaled(-(exponent(largest) as isize + 1)));
        let (rows, columns) = (starts[b], starts[b + 1]);
        for k in 0..sizes[b + 1] {
            let (t, sum, product) = if r > 0 {
                let (alpha, beta) = problem.slopes()[r - 1][k];
                let (alpha, beta) = (Dyadic::of(alpha), Dyadic::of(beta));
                let t = Dyadic::of(z.layers[r - 1][k]);
                add(&mut m[columns + k][columns + k], &t);
                (t, alpha.plus(&beta), alpha.times(&beta))
            } else {
                (Dyadic::ONE, Dyadic::ONE, Dyadic::ZERO)
            };
            for i in 0..sizes[b] {
                let entry = &w.rows[i][k];
                let coupling = entry.times(&t).times(&sum).scaled(-1).negated();
                add(&mut m[rows + i][columns + k], &coupling);
                add(&mut m[columns + k][rows + i], &coupling);
                for j in 0..sizes[b] {
                    let term = entry.times(&w.rows[j][k]).times(&t).times(&product);
                    add(&mut m[rows + i][rows + j], &term);
                }
            }
        }
    }
    Exact { rows: m }
}

fn add(sum: &mut Dyadic, term: &Dyadic) {
    *sum = sum.plus(term);
}

#[test]
fn certificates_hold_in_exact_arithmetic() {
    for (seed, slope) in [(1, RELU), (2, (0.1, 0.9)), (3, (-0.3, 0.7)), (4, RELU)] {
        let problem = problem(random_weights(&[3, 4, 3, 2], seed), slope);
        for row in 0..2 {
            let z = bound(&problem, Objective::Row(row), &never).expect("a bound").multipliers;
            assert!(exact_matrix(&problem, row, &z).is_semidefinite(), "{seed} {row}");
        }
    }
}

#[test]
fn tampered_multipliers_are_rejected() {
    let problem = problem(random_weights(&[3, 5, 4, 2], 9), RELU);
    for objective in [Objective::Spectral, Objective::Row(1)] {
        let good = bound(&problem, objective, &never).expect("a bound").multipliers;
        let reject = |change: &dyn Fn(&mut Multipliers)| {
            let mut bad = good.clone();
            change(&mut bad);
            assert_eq!(certify(&problem, objective, &bad), None, "{bad:?}");
        };
        reject(&|z| z.gamma *= 1.0 - 1e-4);
        reject(&|z| z.gamma = -1.0);
        reject(&|z| z.gamma = f64::NAN);
        reject(&|z| z.gamma = f64::INFINITY);
        reject(&|z| z.layers[0][0] = -z.layers[0][0]);
        reject(&|z| z.layers[0][0] = 0.0);
        reject(&|z| z.layers[1][2] *= 0.5);
        reject(&|z| z.layers[1][2] = f64::NAN);
        reject(&|z| z.layers[1].truncate(3));
        reject(&|z| z.layers.truncate(1));
        reject(&|z| z.lambda.push(1.0));
        if objective == Objective::Row(1) {
            reject(&|z| z.lambda[1] *= 1.0 - 1e-4);
            reject(&|z| z.lambda[1] = 0.0);
            reject(&|z| z.lambda[1] = -1.0);
        }
    }
}

#[test]
fn certificates_survive_a_round_trip() {
    let problem = problem(random_weights(&[3, 5, 2], 4), RELU);
    let good = bound(&problem, Objective::Row(0), &never).expect("a bound");
    let text = serde_json::to_string(&good.multipliers).expect("json");
    let read: Multipliers = serde_json::from_str(&text).expect("json");
    assert_eq!(certify(&problem, Objective::Row(0), &read), Some(good.upper));
}
