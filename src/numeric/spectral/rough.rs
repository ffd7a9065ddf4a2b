//! A cheap upper bound of the spectral norm of small matrices, to tell which need a tight one.
#![expect(
    clippy::float_arithmetic,
    reason = "all errors together are below the factor 1 + 1e-9 at the end, see its comment"
)]

/// An upper bound of the spectral norm of a matrix given by rows, that is cheap for matrices with a short side `m`, and within a
/// factor `m^(1/128)` of it: `sigma^2 = lambda(G) <= trace(G^64)^(1/64)` for the Gram matrix `G`.
///
/// Rounding: squaring a computed positive semidefinite `m x m` matrix of largest eigenvalue `lambda`
/// gives `lambda^2 (1 - m^2 gamma_m)` at least (`|fl(G G) - G G| <= gamma_m |G||G|`, in norm at most
/// `m gamma_m ||G||_F^2 <= m^2 gamma_m lambda^2`). The roots that undo the squarings leave a factor of
/// at most `1 / (1 - m^2 gamma_m)`, and the first Gram matrix is off by `m gamma_n`: for the sizes let
/// in here far below 1e-9.
pub fn rough_spectral_norm_up(x: &[f64], rows: usize, columns: usize) -> f64 {
    let m = rows.min(columns);
    let squares: f64 = x.iter().map(|v| v * v).sum();
    let normal = (1e-140..1e140).contains(&squares);
    if m > 16 || rows * columns > 1 << 14 || !normal {
        return f64::INFINITY;
    }
    let entry = |i: usize, k: usize| {
        if rows <= columns { x[i * columns + k] } else { x[k * columns + i] }
    };
    let (mut gram, mut next) = ([0.0; 256], [0.0; 256]);
    for i in 0..m {
        for j in 0..=i {
            let sum: f64 = (0..rows.max(columns)).map(|k| entry(i, k) * entry(j, k)).sum();
            gram[i * m + j] = sum / squares;
            gram[j * m + i] = sum / squares;
        }
    }
    // After each squaring the matrix is divided by its trace; the traces join the result as the
    // roots are taken.
    let mut traces = [1.0; 6];
    for t in &mut traces {
        for i in 0..m {
            for j in 0..=i {
                let sum: f64 = (0..m).map(|k| gram[i * m + k] * gram[j * m + k]).sum();
                next[i * m + j] = sum;
                next[j * m + i] = sum;
            }
        }
        *t = (0..m).map(|i| next[i * m + i]).sum();
        for (g, n) in gram.iter_mut().zip(&next[..m * m]) {
            *g = n / *t;
        }
    }
    let mut root: f64 = 1.0;
    for t in traces.iter().rev() {
        root = (root * t).sqrt();
    }
    let norm = (squares * root).sqrt() * (1.0 + 1e-9);
    if norm > 0.0 { norm } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::spectral::spectral_norm_up;
    use proptest::prelude::{prop_assert, proptest};

    proptest! {
        #[test]
        fn it_is_above_the_norm_and_near_it(m in 1usize..6, n in 1usize..9, seed in 0u64..500) {
            use rand::{Rng, SeedableRng};
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let x: Vec<f64> = (0..m * n).map(|_| rng.random_range(-1.0..1.0)).collect();
            let a = ndarray::ArrayView2::from_shape((m, n), &x).expect("a shape");
            let (rough, tight) = (rough_spectral_norm_up(&x, m, n), spectral_norm_up(a));
            // The tight bound exceeds the norm by less than 1e-12.
            prop_assert!(rough >= tight * (1.0 - 1e-12));
            prop_assert!(rough <= tight * (m.min(n) as f64).powf(1.0 / 128.0) * (1.0 + 1e-8));
        }
    }

    #[test]
    fn what_is_too_large_or_too_small_has_no_bound() {
        // A Gram matrix of 16 rows, 2^14 entries.
        for (m, n) in [(1, 1 << 14), (16, 1 << 10), (1 << 10, 16)] {
            assert!(rough_spectral_norm_up(&vec![1.0; m * n], m, n).is_finite());
        }
        for (m, n) in [(0, 3), (17, 17), (1, (1 << 14) + 1), (16, (1 << 10) + 1)] {
            assert_eq!(rough_spectral_norm_up(&vec![1.0; m * n], m, n), f64::INFINITY, "{m} {n}");
        }
        // Squares below 1e-140 lose digits, those of the Gram matrix overflow beyond 1e140.
        for x in [0.0, 1e-160, 1e-71, 1e71, 1e160, f64::NAN] {
            assert_eq!(rough_spectral_norm_up(&[x; 4], 2, 2), f64::INFINITY, "{x}");
        }
    }
}
