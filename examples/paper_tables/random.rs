//! The table of random matrices.

use std::error::Error;
use std::fmt::Write;

use lipbound::bounds::{Options, Problem, find};
use lipbound::numeric::Norm;
use ndarray::{Array1, Array2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use crate::networks::relu_network;

/// The bounds of the table.
pub const BOUNDS: [&str; 6] = ["k", "k1", "k2", "k3", "k4", "k5"];

/// Each bound over K* in one norm for the realisation with the given number.
pub fn ratios(realisation: u64, norm: Norm) -> Result<[f64; 6], String> {
    let mut rng = ChaCha8Rng::seed_from_u64(realisation);
    let mut normal = |m, n| Array2::from_shape_fn((m, n), |_| StandardNormal.sample(&mut rng));
    let (w2, w1, w0) = (normal(3, 6), normal(6, 10), normal(10, 8));
    let maps = [w0, w1, w2].map(|w: Array2<f64>| {
        let bias = Array1::zeros(w.nrows());
        (w, bias)
    });
    let network = relu_network("random", maps.into()).map_err(|e| e.to_string())?;
    let problem = Problem::new(network.lower().map_err(|e| e.to_string())?, Options::default());
    let value = |id: &str| -> Result<f64, String> {
        let bound = find(id).ok_or("no such bound")?;
        Ok(bound.compute(&problem, norm).map_err(|e| e.to_string())?.upper)
    };
    let k_star = value("k_star")?;
    let mut ratios = [0.0; 6];
    for (ratio, id) in ratios.iter_mut().zip(BOUNDS) {
        *ratio = value(id)? / k_star;
    }
    Ok(ratios)
}

/// Largest, mean, least and standard deviation of each bound over K*.
pub fn table(realisations: u64) -> Result<String, Box<dyn Error>> {
    let mut text = format!(
        "standard normal matrices 3x6, 6x10, 10x8: bounds over K*, {realisations} realisations\n"
    );
    for norm in Norm::ALL {
        let samples: Result<Vec<[f64; 6]>, String> =
            (0..realisations).into_par_iter().map(|i| ratios(i, norm)).collect();
        let samples = samples?;
        writeln!(text, "{:<5}{:>9}{:>9}{:>9}{:>9}", norm.id(), "max", "mean", "min", "std")?;
        for (k, id) in BOUNDS.iter().enumerate() {
            let values = || samples.iter().map(|sample| sample[k]);
            let n = realisations as f64;
            let mean = values().sum::<f64>() / n;
            let variance = values().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let (max, min) = (values().fold(0.0, f64::max), values().fold(f64::INFINITY, f64::min));
            let name = find(id).map_or(*id, |bound| bound.name());
            writeln!(text, "{name:<5}{max:>9.4}{mean:>9.4}{min:>9.4}{:>9.4}", variance.sqrt())?;
        }
    }
    text.push('\n');
    Ok(text)
}
