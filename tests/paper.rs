//! The networks and the statistics of the example `paper_tables`.

#![allow(clippy::expect_used)] // tests fail by panicking

#[path = "../examples/paper_tables/networks.rs"]
mod networks;
#[path = "../examples/paper_tables/random.rs"]
#[allow(dead_code)]
mod random;

use lipbound::numeric::Norm;
use networks::{evaluate, x_squared, x_times_y};

#[test]
fn the_networks_approximate_what_they_say() {
    for n in 1..=4 {
        let network = x_times_y(n).expect("a network");
        let mut error = 0.0f64;
        for i in -20..=20 {
            for j in -20..=20 {
                let (x, y) = (f64::from(i) / 20.0, f64::from(j) / 20.0);
                error = error.max((evaluate(&network, &[x, y]).expect("a value")[0] - x * y).abs());
            }
        }
        // At most 4^-n after n terms, and not zero: the network is piecewise linear.
        assert!(error <= 0.25f64.powi(n as i32) && error > 0.0, "{n}: {error}");
    }
    for l in 1..=6 {
        let network = x_squared(l).expect("a network");
        for k in 0..=1 << l {
            // Exact at the nodes, and dyadic, so without rounding.
            let x = f64::from(k) / f64::from(1 << l);
            assert_eq!(evaluate(&network, &[x]).expect("a value"), [x * x]);
        }
    }
}

#[test]
fn random_matrices_have_the_published_means() {
    // The means over K* in linf of Pintore and Despres, from 1000 realisations each; ours are over 400.
    let published = [0.1422, 0.4539, 0.3256, 0.5461, 0.2875];
    let count = 400;
    let samples: Vec<[f64; 6]> =
        (0..count).map(|i| random::ratios(i, Norm::Linf).expect("bounds")).collect();
    for (k, expected) in published.into_iter().enumerate() {
        let values = || samples.iter().map(|sample| sample[k]);
        let n = count as f64;
        let mean = values().sum::<f64>() / n;
        let variance = values().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        // Four standard errors of the difference of the two means.
        let tolerance = 4.0 * (variance / n + variance / 1000.0).sqrt();
        assert!(
            (mean - expected).abs() <= tolerance,
            "{}: {mean}, published {expected}",
            random::BOUNDS[k]
        );
    }
}
