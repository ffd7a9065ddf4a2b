//! The campaign of awkward networks again, with coarse arithmetic.
//!
//! A bound is made of products and of terms for their errors, each rounded in the direction that keeps it a
//! bound. In double precision a direction that is wrong or a term that is missing changes it by 1e-16 of its
//! value, and the other terms are larger. Here directed operations round to a few bits, where small integers
//! leave many of the others exact; or the unit roundoff is large and products of matrices are as wrong as it
//! allows. All bounds must hold; how large they are does not matter. Only unit tests can make the
//! arithmetic coarse, so this file is one of them.
#![allow(clippy::expect_used, clippy::print_stdout)] // as in the other tests

mod check;
#[path = "../support/mod.rs"]
mod support;
mod tally;

use lipbound::network::layers::conv::{Conv, Geometry};
use lipbound::network::layers::window::PerAxis;
use lipbound::numeric::{Matrix, Norm};
use ndarray::{ArrayD, IxDyn};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use crate::numeric::rounding::{UNIT_ROUNDOFF, coarse};
use support::adversarial::Case;
use support::dyadic::Dyadic;
use support::exact_matrix::Exact;
use support::lowered;

/// A few seconds for each arithmetic.
const CASES: u64 = 100;

/// The number of convolutions.
const NORMS: u64 = 30;

/// The searches do not come far with such numbers.
const NODES: usize = 20;

/// The bits of directed operations and the unit roundoff.
const ARITHMETICS: [(u32, f64); 5] =
    [(2, UNIT_ROUNDOFF), (4, UNIT_ROUNDOFF), (53, 1e-2), (4, 1e-2), (7, 1e-6)];

#[test]
fn bounds_hold_with_coarse_arithmetic() {
    let case = |seed: u64| {
        let case = if seed.is_multiple_of(2) { Case::new(seed) } else { Case::of_few_bits(seed) };
        if seed.is_multiple_of(3) { case.with_sparse_maps() } else { case }
    };
    for (bits, unit) in ARITHMETICS {
        coarse::with(bits, unit, || check::campaign(CASES, case, f64::INFINITY, NODES));
    }
}

#[test]
fn norms_of_convolutions_hold() {
    for (bits, unit) in ARITHMETICS {
        // With products of forty terms, a hundredth for each is too much.
        coarse::with(bits, unit.min(1e-4), norms_of_convolutions);
    }
}

/// The norms of convolutions, which are found from their kernels, of their transposes and of the same matrices
/// written out, against those of exact matrices.
fn norms_of_convolutions() {
    (0..NORMS).into_par_iter().for_each(|seed| {
        let (matrix, what) = convolution(seed);
        let exact = Exact::of(&matrix.to_dense());
        let written = Matrix::dense(matrix.to_dense());
        let pairs =
            [(&matrix, &exact), (&written, &exact), (&matrix.transposed(), &exact.transposed())];
        for (matrix, exact) in pairs {
            let sum = |up: f64, norm: Norm| Dyadic::of(up) >= exact.norm(norm).lower;
            assert!(sum(matrix.norm_l1_up(), Norm::L1), "l1 of {what}");
            assert!(sum(matrix.norm_linf_up(), Norm::Linf), "linf of {what}");
            let l2 = matrix.norm_l2_up();
            assert!(l2.is_finite() && exact.spectral_norm_at_most(&Dyadic::of(l2)), "l2 of {what}");
        }
    });
}

/// A small random convolution of any kind, its entries small integers or random numbers.
fn convolution(seed: u64) -> (Matrix, String) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rng = &mut rng;
    let geometry = Geometry {
        stride: Some(PerAxis::All(rng.random_range(1..=2))),
        padding: Some(PerAxis::All(rng.random_range(0..=2))),
        dilation: Some(PerAxis::All(rng.random_range(1..=2))),
        groups: rng.random_range(1..=2),
    };
    let (rows, columns) = (rng.random_range(1..=3), rng.random_range(1..=2));
    let kernel =
        [geometry.groups * rows, columns, rng.random_range(1..=3), rng.random_range(1..=3)];
    let input = [geometry.groups * columns, rng.random_range(5..=6), rng.random_range(5..=6)];
    let most = rng.random_range(0..4);
    let entry = || match most {
        0 => rng.random_range(-1.0..1.0),
        most => f64::from(rng.random_range(-most..=most)),
    };
    let weight = ArrayD::from_shape_simple_fn(IxDyn(&kernel), entry);
    let what = format!("seed {seed}, {geometry:?}, input {input:?}, weight {weight:?}");
    let conv = Conv::new(2, weight, None, &geometry).expect("a kernel");
    (lowered(&conv, &[input.to_vec()]).matrix, what)
}
