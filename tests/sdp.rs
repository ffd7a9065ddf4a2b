//! The SDP bound against enumeration, closed forms, exact arithmetic and reference values.

#![allow(clippy::expect_used)] // a test that cannot read its data should stop there

#[path = "sdp/certificates.rs"]
mod certificates;
#[path = "sdp/references.rs"]
mod references;
mod support;

use lipbound::numeric::sdp::{
    Objective, Problem, SdpBound, SdpError, bound, bound_until, certify, fast_bound,
};
use lipbound::numeric::spectral::spectral_norm_up;
use ndarray::{Array2, Axis, arr2};
use rand::{Rng, SeedableRng};

const RELU: (f64, f64) = (0.0, 1.0);

fn problem(weights: Vec<Array2<f64>>, slope: (f64, f64)) -> Problem {
    let hidden = &weights[..weights.len() - 1];
    let slopes = hidden.iter().map(|w| vec![slope; w.nrows()]).collect();
    Problem::new(weights, slopes).expect("a valid chain")
}

fn random_weights(widths: &[usize], seed: u64) -> Vec<Array2<f64>> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let shapes = widths.windows(2);
    shapes.map(|w| Array2::from_shape_fn((w[1], w[0]), |_| rng.random_range(-1.0..1.0))).collect()
}

fn never() -> bool {
    false
}

fn solved(problem: &Problem, objective: Objective) -> f64 {
    let result = bound(problem, objective, &never).expect("a bound");
    let again = certify(problem, objective, &result.multipliers);
    assert_eq!(again, Some(result.upper));
    assert!(result.converged);
    result.upper
}

/// The bound in l1, l2 and linf.
fn all_norms(problem: &Problem) -> [f64; 3] {
    [rows(&problem.transposed()), solved(problem, Objective::Spectral), rows(problem)]
}

fn rows(problem: &Problem) -> f64 {
    let count = problem.weights()[problem.weights().len() - 1].nrows();
    let row = |i| solved(problem, Objective::Row(i));
    (0..count).map(row).fold(0.0, f64::max)
}

/// The norms of a matrix in l1, l2 and linf, to rounding.
fn norms(a: &Array2<f64>) -> [f64; 3] {
    let largest = |axis| {
        let sums = a.mapv(f64::abs).sum_axis(axis);
        sums.into_iter().fold(0.0, f64::max)
    };
    [largest(Axis(0)), spectral_norm_up(a.view()), largest(Axis(1))]
}

/// `K` by enumeration of all extreme slopes (the norm is convex in each slope).
fn enumerated(problem: &Problem) -> [f64; 3] {
    let count = problem.neurons();
    let mut best = [0.0f64; 3];
    for pattern in 0u32..1 << count {
        let mut bit = 0;
        let mut product = problem.weights()[0].clone();
        for (layer, w) in problem.slopes().iter().zip(&problem.weights()[1..]) {
            for (mut row, &(alpha, beta)) in product.outer_iter_mut().zip(layer) {
                row *= if pattern >> bit & 1 == 0 { alpha } else { beta };
                bit += 1;
            }
            product = w.dot(&product);
        }
        for (b, n) in best.iter_mut().zip(norms(&product)) {
            *b = b.max(n);
        }
    }
    best
}

#[test]
fn enumeration_is_never_above() {
    let slopes = [RELU, (0.1, 1.0), (0.0, 0.25), (-0.2, 1.1), (0.5, 2.0), (-1.0, -0.5)];
    let shapes: [&[usize]; 5] =
        [&[1, 1, 1], &[3, 4, 2], &[2, 3, 3, 2], &[4, 2, 3, 2, 1], &[1, 6, 3]];
    for (s, shape) in shapes.iter().enumerate() {
        for (k, &slope) in slopes.iter().enumerate() {
            let problem = problem(random_weights(shape, (10 * s + k) as u64), slope);
            let (sdp, exact) = (all_norms(&problem), enumerated(&problem));
            for (sdp, exact) in sdp.iter().zip(exact) {
                assert!(*sdp >= exact * (1.0 - 1e-12), "{shape:?} {slope:?}: {sdp} {exact}");
                assert!(*sdp <= exact * 2.0, "{shape:?} {slope:?}: {sdp} {exact}");
            }
        }
    }
}

/// `W_(t,s) = W_{t-1} ... W_s`.
fn partial_product(weights: &[Array2<f64>], t: usize, s: usize) -> Array2<f64> {
    let product = weights[s].clone();
    weights[s + 1..t].iter().fold(product, |p, w| w.dot(&p))
}

/// `K1` of a ReLU chain in l1, l2 and linf.
fn k1(weights: &[Array2<f64>]) -> [f64; 3] {
    let mut c = vec![[1.0; 3]];
    for t in 1..=weights.len() {
        let mut next = [0.0; 3];
        for (s, c) in c.iter().enumerate() {
            let norms = norms(&partial_product(weights, t, s));
            (0..3).for_each(|i| next[i] += c[i] * norms[i]);
        }
        c.push(next);
    }
    c[weights.len()].map(|x| x * 0.5f64.powi(weights.len() as i32 - 1))
}

/// `K5` of a ReLU chain in linf.
fn k5(weights: &[Array2<f64>]) -> f64 {
    let mut v = vec![ndarray::Array1::ones(weights[0].ncols())];
    for t in 1..=weights.len() {
        let terms = v.iter().enumerate();
        let terms = terms.map(|(s, v)| partial_product(weights, t, s).mapv(f64::abs).dot(v));
        let sum = terms.fold(ndarray::Array1::zeros(weights[t - 1].nrows()), |a, b| a + b);
        v.push(sum);
    }
    let largest = v[weights.len()].iter().fold(0.0f64, |m, &x| m.max(x));
    largest * 0.5f64.powi(weights.len() as i32 - 1)
}

#[test]
fn the_closed_forms_are_not_below() {
    for seed in 0..6 {
        let weights = random_weights(&[4, 7, 6, 5, 3], 100 + seed);
        let problem = problem(weights.clone(), RELU);
        let sdp = all_norms(&problem);
        for (sdp, k1) in sdp.iter().zip(k1(&weights)) {
            assert!(*sdp <= k1 * (1.0 + 1e-7), "{sdp} {k1}");
        }
        let transposed = problem.transposed();
        for (sdp, k5) in [(sdp[2], k5(&weights)), (sdp[0], k5(transposed.weights()))] {
            assert!(sdp <= k5 * (1.0 + 1e-7), "{sdp} {k5}");
        }
    }
}

#[test]
fn mixed_fixed_dead_and_free_neurons() {
    let kinds = [RELU, (1.0, 1.0), (0.0, 0.0), (0.3, 0.3), (-0.5, 0.25)];
    for seed in 0..12 {
        let weights = random_weights(&[3, 4, 3, 3, 2], seed);
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let slopes = [4, 3, 3].map(|n| (0..n).map(|_| kinds[rng.random_range(0..5)]).collect());
        let problem = Problem::new(weights, slopes.to_vec()).expect("valid");
        let (sdp, exact) = (all_norms(&problem), enumerated(&problem));
        for (sdp, exact) in sdp.iter().zip(exact) {
            assert!(*sdp >= exact * (1.0 - 1e-12) && *sdp <= exact * 1.6, "{seed}: {sdp} {exact}");
        }
    }
}

#[test]
fn fixed_slopes_give_the_norm_of_the_product() {
    let weights = random_weights(&[4, 5, 3, 2], 3);
    let product = weights[2].dot(&weights[1]).dot(&weights[0]);
    let fixed = problem(weights.clone(), (1.0, 1.0));
    let single = Problem::new(vec![product.clone()], vec![]).expect("valid");
    for ((a, b), exact) in all_norms(&fixed).iter().zip(all_norms(&single)).zip(norms(&product)) {
        for value in [*a, b] {
            assert!(value >= exact * (1.0 - 1e-14) && value <= exact * (1.0 + 1e-7));
        }
    }
}

#[test]
fn positive_weights_are_exact() {
    let weights: Vec<_> =
        random_weights(&[4, 6, 5, 2], 5).into_iter().map(|w| w.mapv(f64::abs)).collect();
    let product = weights[2].dot(&weights[1]).dot(&weights[0]);
    for (value, exact) in all_norms(&problem(weights, RELU)).iter().zip(norms(&product)) {
        assert!(
            *value >= exact * (1.0 - 1e-14) && *value <= exact * (1.0 + 1e-6),
            "{value} {exact}"
        );
    }
}

#[test]
fn deep_chains_are_solved_to_the_optimum() {
    // Parabolas along the central path of these once led back to where they came from, until the steps were used up.
    for seed in [5, 6] {
        let widths: Vec<usize> = [4].into_iter().chain([24; 30]).chain([3]).collect();
        let deep = problem(random_weights(&widths, seed), RELU);
        let result = bound(&deep, Objective::Spectral, &never).expect("a bound");
        // The estimate is below the optimum by its gap, 2e-8 of the square at most.
        assert!(result.converged && result.upper <= result.estimate * (1.0 + 1e-7));
    }
}

#[test]
fn narrow_slopes_are_bounded_closely() {
    // A smooth activation on a small box. Bounds of slopes within others are not larger, but for the tolerance of
    // the solver; the multipliers of the narrowest ones are so large that only those of wider ones can be verified.
    for (seed, objective) in
        (0..8).flat_map(|seed| [(seed, Objective::Spectral), (seed, Objective::Row(0))])
    {
        let weights = random_weights(&[3, 4, 4, 2], seed);
        let of = |width: f64| {
            let chain = problem(weights.clone(), (0.25 * (1.0 - width), 0.25 * (1.0 + width)));
            let k = enumerated(&chain)[1];
            let result = bound(&chain, objective, &never).expect("a bound");
            assert_eq!(certify(&chain, objective, &result.multipliers), Some(result.upper));
            if let Objective::Row(row) = objective {
                assert!(
                    certificates::exact_matrix(&chain, row, &result.multipliers).is_semidefinite()
                );
            }
            // The norms of the products are accurate to 1e-12.
            assert!(objective != Objective::Spectral || result.upper >= k * (1.0 - 1e-12));
            result.upper
        };
        let wide = of(1e-3);
        for width in [1e-4, 1e-5, 1e-6, 1e-8, 1e-10, 1e-12, 1e-15] {
            let narrow = of(width);
            assert!(narrow <= wide * (1.0 + 1e-6), "{seed} {objective:?} {width}: {narrow} {wide}");
        }
    }
}

#[test]
fn dead_networks_have_the_bound_zero() {
    let mut weights = random_weights(&[3, 4, 2], 1);
    weights[0].fill(0.0);
    assert_eq!(all_norms(&problem(weights.clone(), RELU)), [0.0; 3]);
    let weights = random_weights(&[3, 4, 2], 1);
    assert_eq!(all_norms(&problem(weights, (0.0, 0.0))), [0.0; 3]);
}

#[test]
fn ill_conditioned_networks_are_bounded_or_refused() {
    let mut cases: Vec<Vec<Array2<f64>>> = Vec::new();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    for seed in 0..12 {
        let mut weights = random_weights(&[2, 3, 3, 2], seed);
        for w in &mut weights {
            *w *= 10f64.powi(rng.random_range(-12..=12));
        }
        cases.push(weights);
    }
    for seed in 30..42 {
        let mut weights = random_weights(&[2, 3, 3, 2], seed);
        for w in &mut weights {
            w.mapv_inplace(|x| x * 10f64.powi(rng.random_range(-12..=12)));
        }
        // Entry by entry, and repeated neurons.
        let row = weights[0].row(0).to_owned();
        weights[0].row_mut(2).assign(&row);
        cases.push(weights);
    }
    let mut zero_rows = random_weights(&[3, 4, 3, 2], 50);
    zero_rows[0].row_mut(1).fill(0.0);
    zero_rows[1].row_mut(0).fill(0.0);
    zero_rows[2].column_mut(2).fill(0.0);
    cases.push(zero_rows);
    let mut repeated = random_weights(&[3, 4, 4, 2], 51);
    for w in repeated.iter_mut().take(2) {
        let row = w.row(0).to_owned();
        (1..4).for_each(|i| w.row_mut(i).assign(&row));
    }
    cases.push(repeated);
    cases.push(vec![arr2(&[[2.0]]), arr2(&[[-3.0]])]);
    cases.push(random_weights(&[3, 2], 52));
    cases.push(vec![arr2(&[[1e300]]), arr2(&[[1e-300]])]);
    cases.push(vec![arr2(&[[5e-324]]), arr2(&[[1e300]])]);
    cases.push(vec![arr2(&[[1e-200, 1.0]]), arr2(&[[1e-200], [1.0]])]);
    for weights in cases {
        let problem = problem(weights, RELU);
        let exact = enumerated(&problem);
        let (transposed, rows) = (problem.transposed(), Objective::Row);
        let norms = [(&transposed, exact[0]), (&problem, exact[2])];
        let largest = |problem: &Problem, solver: Solver| -> Option<f64> {
            let count = problem.weights()[problem.weights().len() - 1].nrows();
            let values: Option<Vec<f64>> =
                (0..count).map(|i| bounded(problem, rows(i), solver)).collect();
            values.map(|values| values.into_iter().fold(0.0, f64::max))
        };
        for solver in [cold as Solver, fast_bound] {
            let spectral = bounded(&problem, Objective::Spectral, solver);
            assert!(spectral.is_none_or(|b| b >= exact[1] * (1.0 - 1e-12)), "{problem:?}");
            for (problem, exact) in norms {
                let value = largest(problem, solver);
                assert!(value.is_none_or(|b| b >= exact * (1.0 - 1e-12)), "{problem:?}");
            }
        }
    }
}

type Solver = fn(&Problem, Objective) -> Result<SdpBound, SdpError>;

fn cold(problem: &Problem, objective: Objective) -> Result<SdpBound, SdpError> {
    bound(problem, objective, &never)
}

/// The bound, checked again, or nothing where the solver refuses with a message.
fn bounded(problem: &Problem, objective: Objective, solver: Solver) -> Option<f64> {
    match solver(problem, objective) {
        Ok(result) => {
            assert_eq!(certify(problem, objective, &result.multipliers), Some(result.upper));
            Some(result.upper)
        }
        Err(error) => {
            assert!(matches!(error, SdpError::NotCertified(_)), "{error}");
            None
        }
    }
}

#[test]
fn a_chain_that_is_none_is_refused() {
    let w = random_weights(&[2, 3, 1], 0);
    let slopes = vec![vec![RELU; 3]];
    let with = |w: Vec<Array2<f64>>, s: Vec<Vec<(f64, f64)>>| Problem::new(w, s);
    assert!(with(w.clone(), slopes.clone()).is_ok());
    assert!(with(w.clone(), vec![]).is_err());
    assert!(with(w.clone(), vec![vec![RELU; 2]]).is_err());
    assert!(with(w.clone(), vec![vec![(1.0, 0.0); 3]]).is_err());
    assert!(with(w.clone(), vec![vec![(0.0, f64::INFINITY); 3]]).is_err());
    assert!(with(vec![w[0].clone(), w[0].clone()], slopes.clone()).is_err());
    let nan = vec![w[0].clone() * f64::NAN, w[1].clone()];
    assert!(with(nan, slopes.clone()).is_err());
    let fine = Problem::new(w, slopes).expect("valid");
    assert!(bound(&fine, Objective::Row(1), &never).is_err());
}

#[test]
fn stopping_at_once_still_gives_a_bound() {
    let problem = problem(random_weights(&[3, 8, 8, 2], 6), RELU);
    for objective in [Objective::Spectral, Objective::Row(0)] {
        let early = bound(&problem, objective, &|| true).expect("a bound");
        let full = bound(&problem, objective, &never).expect("a bound");
        assert!(!early.converged && early.upper > full.upper);
        assert!(certify(&problem, objective, &early.multipliers).is_some());
        assert!(fast_bound(&problem, objective).expect("a bound").upper >= full.upper);
    }
}

#[test]
fn a_level_that_is_enough_ends_the_run() {
    let problem = problem(random_weights(&[3, 8, 8, 2], 6), RELU);
    for objective in [Objective::Spectral, Objective::Row(0)] {
        let full = bound(&problem, objective, &never).expect("a bound");
        let enough = full.upper * 1.05;
        let early = bound_until(&problem, objective, enough, &never).expect("a bound");
        assert!(early.converged && early.iterations < full.iterations);
        assert!(early.upper <= enough && early.upper >= full.upper * (1.0 - 1e-7));
    }
}

#[test]
fn results_do_not_depend_on_the_threads() {
    let problem = problem(random_weights(&[20, 150, 140, 3], 8), RELU);
    let all = bound(&problem, Objective::Spectral, &never).expect("a bound");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("pool");
    let one = pool.install(|| bound(&problem, Objective::Spectral, &never)).expect("a bound");
    assert_eq!(all, one);
}
