//! Finite differences, and Euler's identity.

use std::collections::HashMap;

use lipbound::bounds::gradient::{available, gradient};
use lipbound::numeric::Norm;
use ndarray::ArrayD;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::models::{gradients, models, moved, parse};
use crate::support::{self, problem, upper};

#[test]
fn gradients_agree_with_finite_differences() {
    const STEP: f64 = 1e-6;
    let (mut smooth, mut count) = (0, 0);
    for seed in 0..4 {
        for (name, model) in models(seed) {
            let network = parse(&model);
            let problem = problem(&network);
            for id in available() {
                for norm in Norm::ALL {
                    let found = gradients(&network, &problem, id, norm);
                    let mut rng = ChaCha8Rng::seed_from_u64(seed);
                    let mut direction = HashMap::new();
                    // In the order of the names, so that every run draws the same.
                    let mut names: Vec<&String> = found.keys().collect();
                    names.sort();
                    for key in names {
                        let random = ArrayD::from_shape_fn(found[key].shape(), |_| {
                            rng.random_range(-1.0..1.0)
                        });
                        direction.insert(key.clone(), random);
                    }
                    let slope: f64 = found.iter().map(|(key, g)| (g * &direction[key]).sum()).sum();
                    let size: f64 = found
                        .iter()
                        .map(|(key, g)| (g * &direction[key]).mapv(f64::abs).sum())
                        .sum();
                    let at = |rate: f64| {
                        let network = parse(&moved(&model, &direction, rate));
                        upper(&support::problem(&network), id, norm)
                    };
                    let (before, here, after) = (at(-STEP), upper(&problem, id, norm), at(STEP));
                    let (left, right) = ((here - before) / STEP, (after - here) / STEP);
                    // If there is no kink on one side, the quotient of that side is off by its curvature
                    // only, and the other one differs from it by the kink: so the mean of both is off by
                    // no more than their difference. Bounds are evaluated to about 1e-12.
                    let rounding = 4e-12 * here / STEP;
                    let room = (right - left).abs() + rounding;
                    let difference = ((left + right) / 2.0 - slope).abs();
                    assert!(difference <= room, "{name} {id} {norm}: {slope}, {left}, {right}");
                    count += 1;
                    smooth += usize::from(room <= 1e-4 * size);
                }
            }
        }
    }
    assert_eq!(count, 4 * 11 * 5 * 3);
    // The comparison says something nearly always.
    assert!(smooth * 20 >= count * 19, "{smooth} of {count}");
}

#[test]
fn each_bound_is_homogeneous_in_each_layer() {
    // Every term of a bound has each W_r once, so <W_r, dB/dW_r> = B (Euler).
    for (name, model) in models(11) {
        if ["residual", "beside a pooling", "learnt slopes side by side"].contains(&name) {
            // The paths around a layer do not have its weights.
            continue;
        }
        let network = parse(&model);
        let problem = problem(&network);
        for id in available() {
            for norm in Norm::ALL {
                let bound = upper(&problem, id, norm);
                let found = gradients(&network, &problem, id, norm);
                let estimate = gradient(&problem, id, norm).expect("derivatives");
                // Sums of some thousand products: their rounding is far below 1e-10.
                let close = |value: f64| (value - bound).abs() <= 1e-10 * bound;
                assert!(close(estimate.value), "{name} {id} {norm}: {bound}, {}", estimate.value);
                for (map, g) in problem.chain().maps().iter().zip(&estimate.maps) {
                    let weights = map.matrix.to_dense() * 2f64.powi(map.exponent);
                    let product = (weights * g.to_dense()).sum();
                    assert!(close(product), "{name} {id} {norm}: {bound}, map {product}");
                }
                for (index, layer) in model["layers"].as_array().expect("layers").iter().enumerate()
                {
                    for key in ["weight", "multiply"] {
                        if let Some(value) = layer.get(key) {
                            let weights: Vec<f64> = flat(value);
                            let g = &found[&format!("{index}.{key}")];
                            let product: f64 = weights.iter().zip(g).map(|(w, g)| w * g).sum();
                            assert!(
                                close(product),
                                "{name} {id} {norm} {index}: {bound}, {product}"
                            );
                        }
                    }
                }
            }
        }
    }
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(flat).collect(),
        _ => vec![value.as_f64().expect("a number")],
    }
}
