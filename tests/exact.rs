//! The reference networks against exact arithmetic: never below the exact value, and within 1e-9 of it.
//! `tests/campaign.rs` does the same with random networks.
#![allow(clippy::expect_used)] // tests fail by panicking

mod support;

use lipbound::network::Network;
use lipbound::numeric::Norm;
use lipbound::numeric::spectral::cholesky_residual_up;
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::oracle::{Dyadic, Exact, Oracle};
use support::{network, problem, upper};

/// The excess that the project promises for networks of this size.
const TIGHT: f64 = 1e-9;

/// In l1 and linf the exact values are numbers, in l2 they lie in intervals far narrower than 1e-9.
fn check(network: &Network, ids: &[&str], norms: &[Norm], name: &str) {
    let problem = problem(network);
    let oracle = Oracle::new(problem.chain());
    for &norm in norms {
        for id in ids {
            let value = upper(&problem, id, norm);
            let truth = oracle.bound(id, norm).expect("a definition");
            let value_exactly = Dyadic::of(value);
            assert!(value_exactly >= truth.lower, "{name} {norm} {id}: {value} is too small");
            let most = truth.lower.times(&Dyadic::of(1.0 + TIGHT));
            assert!(value_exactly <= most, "{name} {norm} {id}: {value} is not tight");
        }
    }
}

#[test]
fn the_reference_networks() {
    let folder = support::data().join("networks");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let network = support::load(&path);
        let ids = ["k_star", "k1", "k3", "k4", "k5"];
        check(&network, &ids, &[Norm::L1, Norm::Linf], &path.display().to_string());
        count += 1;
    }
    assert_eq!(count, 15);
}

#[test]
fn enumeration_of_the_small_reference_networks() {
    for name in ["x2-l1", "x2-l2", "x2-l3", "random-0-2x4x4x2", "random-1-3x5x4x1", "random-6-3x3"]
    {
        check(&network(&format!("networks/{name}.json")), &["k"], &[Norm::L1, Norm::Linf], name);
    }
}

#[test]
fn spectral_norms_of_the_reference_networks() {
    // K*, K3 and K5 in l2 are spectral norms of matrices, or products of them.
    for name in ["x2-l3", "random-0-2x4x4x2", "random-4-5x6x5x4x2", "random-7-6x4x3x3x3x2"] {
        let network = network(&format!("networks/{name}.json"));
        check(&network, &["k_star", "k1", "k3", "k4", "k5"], &[Norm::L2], name);
        let problem = problem(&network);
        let oracle = Oracle::new(problem.chain());
        let matrices =
            [("k3", oracle.product_of_absolute_values()), ("k5", oracle.sum_of_products())];
        for (id, matrix) in matrices {
            let value = Dyadic::of(upper(&problem, id, Norm::L2));
            assert!(matrix.spectral_norm_at_most(&value), "{name} {id} is too small");
        }
        let k = Dyadic::of(upper(&problem, "k5", Norm::L2));
        let vertices = if problem.chain().neurons() <= 8 { oracle.vertices() } else { &[] };
        assert!(vertices.iter().all(|j| j.spectral_norm_at_most(&k)));
    }
}

/// Norms that are known by hand, also of numbers far apart, so that the oracle is not its own judge.
#[test]
fn the_oracle_knows_the_norms_of_simple_matrices() {
    let matrix = |rows: &[&[f64]]| Exact {
        rows: rows.iter().map(|row| row.iter().map(|&x| Dyadic::of(x)).collect()).collect(),
    };
    let known: [(Exact, [f64; 3]); 5] = [
        (matrix(&[&[3.0, 0.0], &[4.0, 0.0]]), [7.0, 5.0, 4.0]),
        (matrix(&[&[1.0, 1.0], &[1.0, 1.0]]), [2.0, 2.0, 2.0]),
        (matrix(&[&[2.0, 0.0, 0.0], &[0.0, -5.0, 0.0]]), [5.0, 5.0, 5.0]),
        (matrix(&[&[3e300, 4e300]]), [4e300, 5e300, 7e300]),
        (matrix(&[&[0.0, 0.0], &[0.0, 5e-324]]), [5e-324, 5e-324, 5e-324]),
    ];
    for (matrix, [l1, l2, linf]) in known {
        assert_eq!(matrix.norm(Norm::L1).upper, Dyadic::of(l1));
        let spectral = matrix.norm(Norm::L2);
        assert!(matrix.spectral_norm_at_most(&Dyadic::of(l2 * (1.0 + 1e-15))));
        assert!(spectral.lower <= Dyadic::of(l2 * (1.0 + 1e-15)), "{l2}");
        assert!(spectral.upper >= Dyadic::of(l2 * (1.0 - 1e-15)), "{l2}");
        let below = Dyadic::of(l2).minus(&Dyadic::of(l2).scaled(-40));
        assert!(!matrix.spectral_norm_at_most(&below));
        let sum = matrix.norm(Norm::Linf).upper;
        let expected = Dyadic::of(linf);
        // 3e300 + 4e300 is not a floating-point number.
        assert!(sum.minus(&expected).abs() <= expected.scaled(-52), "{linf}");
    }
}

#[test]
fn no_eigenvalue_is_below_the_residual_of_a_factor() {
    let mut shown = 0;
    for seed in 0..400 {
        // V V^T of rank n - 1, rounded: its least eigenvalue is some units above or below 0.
        let n = 2 + seed as usize % 5;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let v = Array2::from_shape_fn((n, n - 1), |_| rng.random_range(-1.0..1.0));
        let m = v.dot(&v.t());
        let Some(residual) = cholesky_residual_up(m.view()) else { continue };
        shown += 1;
        let shift = Exact::of(&Array2::from_diag_elem(n, residual));
        assert!(Exact::of(&m).plus(&shift).is_semidefinite(), "{m}: {residual}");
    }
    assert!(shown > 100, "only {shown} factorisations went through");
}
