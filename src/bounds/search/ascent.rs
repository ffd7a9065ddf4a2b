//! Slopes for which the Jacobian is large, by alternating maximisation. Nothing here is rigorous.
//!
//! `w^T D_l-th layer ... D_1 W_0 s` is linear in each `D_r`, in `s` and in `w`: with all but one of them
//! fixed, the best choice of that one is explicit. Repeated from many random starts.
#![expect(
    clippy::float_arithmetic,
    reason = "a search for slopes: the norm at them is bounded elsewhere"
)]

use ndarray::Array1;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::expansion::{Interval, Layers};
use crate::numeric::Norm;

/// Rough number of floating-point operations that all starts together may take.
const WORK: f64 = 4e8;

/// Slopes at ends of the intervals for which the l1 length of row `row` is large (l1, linf), or the
/// spectral norm (l2, `row` is not used), and that value.
pub fn ascend(
    layers: &Layers,
    slopes: &[Vec<Interval>],
    row: usize,
    norm: Norm,
) -> (f64, Vec<Vec<f64>>) {
    let entries: usize = layers.weights.iter().map(|w| w.len()).sum();
    let starts = (WORK / (40.0 * entries as f64)).clamp(4.0, 400.0) as u64;
    let climbs = (0..starts).into_par_iter().map(|seed| {
        let mut climb = Climb::new(layers, slopes, row, norm, seed);
        (climb.run(), seed, climb.slopes)
    });
    let best = climbs.reduce_with(|a, b| {
        if (b.0, std::cmp::Reverse(b.1)) > (a.0, std::cmp::Reverse(a.1)) { b } else { a }
    });
    best.map_or_else(|| (0.0, Vec::new()), |(value, _, slopes)| (value, slopes))
}

struct Climb<'a> {
    layers: &'a Layers,
    intervals: &'a [Vec<Interval>],
    norm: Norm,
    /// The weights of the outputs.
    w: Array1<f64>,
    s: Array1<f64>,
    slopes: Vec<Vec<f64>>,
}

impl<'a> Climb<'a> {
    fn new(
        layers: &'a Layers,
        intervals: &'a [Vec<Interval>],
        row: usize,
        norm: Norm,
        seed: u64,
    ) -> Climb<'a> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut signed = |n: usize| Array1::from_shape_fn(n, |_| rng.random_range(-1.0..1.0f64));
        let outputs = layers.outputs();
        let w = if norm == Norm::L2 {
            signed(outputs)
        } else {
            Array1::from_shape_fn(outputs, |i| if i == row { 1.0 } else { 0.0 })
        };
        let s = signed(layers.weights[0].ncols());
        let s = if norm == Norm::L2 { s } else { s.mapv(f64::signum) };
        let mut pick = |&(a, b): &Interval| if rng.random::<bool>() { a } else { b };
        let slopes = intervals.iter().map(|layer| layer.iter().map(&mut pick).collect()).collect();
        Climb { layers, intervals, norm, w, s, slopes }
    }

    fn run(&mut self) -> f64 {
        let mut value = 0.0;
        for _ in 0..50 {
            let next = self.sweep();
            if next <= value * (1.0 + 1e-12) {
                return next.max(value);
            }
            value = next;
        }
        value
    }

    /// Improves the layers from the first to the last, then the outputs, back to the first, and `s`.
    fn sweep(&mut self) -> f64 {
        let depth = self.layers.depth();
        let weights = &self.layers.weights;
        // u_r: the coefficients of the results of stage r.
        let mut backward = vec![self.w.dot(&weights[depth])];
        for r in (1..depth).rev() {
            let u = &backward[backward.len() - 1] * &Array1::from(self.slopes[r].clone());
            backward.push(u.dot(&weights[r]));
        }
        backward.reverse();
        let mut t = self.s.clone();
        let mut forward = Vec::with_capacity(depth);
        for r in 0..depth {
            let p = weights[r].dot(&t);
            self.choose(r, &backward[r], &p);
            t = &p * &Array1::from(self.slopes[r].clone());
            forward.push(p);
        }
        let out = weights[depth].dot(&t);
        if self.norm == Norm::L2 {
            let length = out.dot(&out).sqrt();
            if length > 0.0 {
                self.w = &out / length;
            }
        }
        let mut u = self.w.dot(&weights[depth]);
        for r in (0..depth).rev() {
            self.choose(r, &u, &forward[r]);
            u = (&u * &Array1::from(self.slopes[r].clone())).dot(&weights[r]);
        }
        if self.norm == Norm::L2 {
            let length = u.dot(&u).sqrt();
            if length > 0.0 {
                self.s = &u / length;
            }
            length
        } else {
            self.s = u.mapv(f64::signum);
            u.iter().map(|x| x.abs()).sum()
        }
    }

    fn choose(&mut self, r: usize, u: &Array1<f64>, p: &Array1<f64>) {
        for (k, slope) in self.slopes[r].iter_mut().enumerate() {
            let (alpha, beta) = self.intervals[r][k];
            let gain = u[k] * p[k];
            if gain > 0.0 {
                *slope = beta;
            } else if gain < 0.0 {
                *slope = alpha;
            }
        }
    }
}
