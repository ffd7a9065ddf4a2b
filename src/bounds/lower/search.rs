//! Points where the Jacobian is large, by sampling and local search. Nothing here is rigorous.
#![expect(
    clippy::float_arithmetic,
    reason = "a search for points: `verify` bounds the norm at them"
)]

use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use crate::bounds::Stop;
use crate::network::{InputBox, LoweredNetwork, Stage};
use crate::numeric::{Interval, Norm};

/// Candidates that are handed on for verification, and from which the local search starts.
const KEPT: usize = 3;

/// Samples for each pair of neurons: a few neurons have few patterns, and more samples find nothing new.
const SAMPLES_PER_PAIR: usize = 16;

/// Rough number of floating-point operations that the whole search may take.
const WORK: f64 = 6e9;

/// For each norm some points where the Jacobian is large, the best first. The seed is fixed: the same
/// network gives the same points.
pub fn points(
    network: &LoweredNetwork,
    norms: &[Norm],
    samples: usize,
    stop: &Stop,
) -> Vec<Vec<Vec<f64>>> {
    let model = Model::new(network);
    let affordable = (WORK / model.work()) as usize;
    let enough = SAMPLES_PER_PAIR.saturating_mul(network.chain.neurons().saturating_pow(2));
    let samples = samples.min(affordable / 3).min(enough).max(8);
    let steps = (affordable / 3 / (norms.len() * KEPT).max(1)).min(samples).max(4);
    let starts: Vec<Vec<f64>> = (0..samples).map(|i| model.sample(i)).collect();
    let values: Vec<Vec<f64>> = (0..samples)
        .into_par_iter()
        .map(|i| {
            if i > 0 && stop.is_set() {
                return vec![0.0; norms.len()];
            }
            let jacobian = model.at(&starts[i]).jacobian(&model);
            norms.iter().map(|&norm| size(&jacobian, norm)).collect()
        })
        .collect();
    norms
        .iter()
        .enumerate()
        .map(|(n, &norm)| {
            let mut order: Vec<usize> = (0..samples).collect();
            order.sort_by(|&i, &j| values[j][n].total_cmp(&values[i][n]).then(i.cmp(&j)));
            let mut found: Vec<(f64, Vec<f64>)> = order[..KEPT.min(samples)]
                .to_vec()
                .into_par_iter()
                .map(|i| model.improve(starts[i].clone(), norm, (steps, stop), i as u64))
                .collect();
            found.sort_by(|a, b| b.0.total_cmp(&a.0));
            found.into_iter().map(|(_, x)| x).collect()
        })
        .collect()
}

/// The network in plain floating point.
struct Model<'a> {
    network: &'a LoweredNetwork,
    biases: Vec<Array1<f64>>,
    scales: Vec<f64>,
    outputs: usize,
}

/// What the network does at a point: the slopes and selections of each stage.
struct At {
    patterns: Vec<Pattern>,
    /// The arguments of each stage.
    arguments: Vec<Array1<f64>>,
}

enum Pattern {
    Slopes(Array1<f64>),
    /// The selected element of each window, and the number of elements.
    Selection(Vec<usize>, usize),
}

impl<'a> Model<'a> {
    fn new(network: &'a LoweredNetwork) -> Model<'a> {
        let middle = |b: &Vec<Interval>| b.iter().map(|i| i.midpoint()).collect();
        Model {
            network,
            biases: network.biases.iter().map(middle).collect(),
            scales: network.chain.maps().iter().map(|m| 2f64.powi(m.exponent)).collect(),
            outputs: network.chain.outputs(),
        }
    }

    /// Operations to evaluate the network and its Jacobian once.
    fn work(&self) -> f64 {
        let last = &self.network.chain.maps()[self.network.stages.len()];
        let values = self.network.value_maps().chain([last]).map(|m| m.matrix.stored_entries());
        let moved = self.network.chain.maps().iter().map(|m| m.matrix.stored_entries());
        2.0 * (values.sum::<usize>() as f64 + moved.sum::<usize>() as f64 * self.outputs as f64)
    }

    /// Start number `i`: a Gaussian point, at one of several scales (the scale at which the first
    /// layer's biases matter, and others around it), or one of a few special ones. In a box: its
    /// centre, then points anywhere and corners.
    fn sample(&self, i: usize) -> Vec<f64> {
        let n = self.network.inputs();
        if let Some(input) = &self.network.input {
            return sample_in(input, i);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
        if let Some(&value) = [1.0, -1.0, 1e-3].get(i) {
            // Not all the same, so that the elements of the windows of a max-pooling can be told apart.
            return (0..n).map(|_| value * (1.0 + 0.01 * gaussian(&mut rng))).collect();
        }
        let scale = 10f64.powf(rng.random_range(-2.0..1.5));
        let shift = if i.is_multiple_of(4) { scale } else { 0.0 };
        (0..n).map(|_| shift + scale * gaussian(&mut rng)).collect()
    }

    fn affine(&self, r: usize, x: ArrayView1<'_, f64>) -> Array1<f64> {
        let map = self.network.value_map(r);
        let y = map.matrix.apply(x.insert_axis(Axis(1))).index_axis_move(Axis(1), 0);
        y * self.scales[r] + &self.biases[r]
    }

    fn at(&self, x: &[f64]) -> At {
        let mut state = Array1::from(x.to_vec());
        let (mut patterns, mut arguments) = (Vec::new(), Vec::new());
        for (r, stage) in self.network.stages.iter().enumerate() {
            let z = self.affine(r, state.view());
            match stage {
                Stage::Componentwise(parts) => {
                    let (mut slopes, mut values) = (z.clone(), z.clone());
                    let mut start = 0;
                    for (activation, count) in parts {
                        for k in start..start + count {
                            slopes[k] = activation.slope_at(z[k]);
                            values[k] = activation.eval(z[k]);
                        }
                        start += count;
                    }
                    patterns.push(Pattern::Slopes(slopes));
                    state = values;
                }
                Stage::Pool(windows) => {
                    let largest =
                        |i: usize| windows.window(i).max_by(|&a, &b| z[a].total_cmp(&z[b]));
                    let chosen: Vec<usize> =
                        (0..windows.count()).map(|i| largest(i).unwrap_or(0)).collect();
                    state = chosen.iter().map(|&j| z[j]).collect();
                    patterns.push(Pattern::Selection(chosen, windows.inputs()));
                }
            }
            arguments.push(z);
        }
        At { patterns, arguments }
    }

    /// From a start, flips the neurons that promise most (see [`At::gains`]) by moving just across
    /// their hyperplanes, and keeps what enlarges the norm.
    fn improve(
        &self,
        start: Vec<f64>,
        norm: Norm,
        (steps, stop): (usize, &Stop),
        seed: u64,
    ) -> (f64, Vec<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x9e37_79b9);
        let mut x = start;
        let mut at = self.at(&x);
        let mut jacobian = at.jacobian(self);
        let mut best = size(&jacobian, norm);
        let mut gains = at.gains(self, &jacobian, norm);
        let mut failures = 0usize;
        let scale = (x.iter().map(|v| v * v).sum::<f64>() / x.len().max(1) as f64).sqrt();
        for step in 0..steps {
            if stop.is_set() {
                break;
            }
            let flip = (step % 4 != 3 && !gains.is_empty()).then(|| {
                // The most promising ones first, further down the list the longer nothing works.
                let reach = (failures + 3).min(gains.len());
                gains[rng.random_range(0..reach)]
            });
            let mut candidate = match flip {
                Some((r, k)) => at.across(self, r, k, &x),
                None => {
                    let width = scale * 10f64.powf(rng.random_range(-3.0..0.0));
                    x.iter().map(|&v| v + width * gaussian(&mut rng)).collect()
                }
            };
            if let Some(input) = &self.network.input {
                input.nearest(&mut candidate);
            }
            let there = self.at(&candidate);
            let moved = there.jacobian(self);
            let value = size(&moved, norm);
            if value > best {
                (x, at, jacobian, best, failures) = (candidate, there, moved, value, 0);
                gains = at.gains(self, &jacobian, norm);
            } else {
                failures += 1;
            }
        }
        (best, x)
    }
}

impl At {
    /// The transposed Jacobian (inputs x outputs), without the powers of two of the maps.
    fn jacobian(&self, model: &Model<'_>) -> Array2<f64> {
        let maps = model.network.chain.maps();
        let mut block = maps[maps.len() - 1].matrix.transposed().to_dense();
        for (r, pattern) in self.patterns.iter().enumerate().rev() {
            block = maps[r].matrix.transposed().apply(pattern.transposed(block).view());
        }
        block
    }

    /// The neurons with two slopes whose flip would enlarge the norm most, to first order: with the
    /// norm `w^T J s` for maximal `w` and `s`, changing the slope of neuron `k` by `delta` changes it
    /// by `u_k delta t_k`, where `u` is `w` pulled back to the neuron and `t` is `s` pushed forward.
    fn gains(&self, model: &Model<'_>, jacobian: &Array2<f64>, norm: Norm) -> Vec<(usize, usize)> {
        let maps = model.network.chain.maps();
        let (w, s) = dual_vectors(jacobian, norm);
        let mut forward = vec![];
        let mut t = s.insert_axis(Axis(1));
        for (r, pattern) in self.patterns.iter().enumerate() {
            let argument = maps[r].matrix.apply(t.view());
            t = pattern.applied(&argument);
            forward.push(argument);
        }
        let mut u = maps[maps.len() - 1].matrix.transposed().apply(w.insert_axis(Axis(1)).view());
        let mut gains: Vec<(f64, usize, usize)> = Vec::new();
        for r in (0..self.patterns.len()).rev() {
            let activations = model.network.stages[r].activations();
            if let (Some(activations), Pattern::Slopes(slopes)) = (activations, &self.patterns[r]) {
                for (k, activation) in activations.iter().enumerate() {
                    if !activation.is_piecewise_linear() {
                        continue;
                    }
                    let other = activation.slope_at(-self.arguments[r][k]);
                    let gain = u[[k, 0]] * (other - slopes[k]) * forward[r][[k, 0]];
                    if gain > 0.0 {
                        gains.push((gain, r, k));
                    }
                }
            }
            u = maps[r].matrix.transposed().apply(self.patterns[r].transposed(u).view());
        }
        gains.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        gains.into_iter().map(|(_, r, k)| (r, k)).collect()
    }

    /// The nearest point of the linear piece's extension just across the hyperplane on which neuron
    /// `k` of stage `r` is 0.
    fn across(&self, model: &Model<'_>, r: usize, k: usize, x: &[f64]) -> Vec<f64> {
        let map = |r: usize| model.network.value_map(r);
        let mut gradient = map(r).matrix.transposed().apply(unit(map(r).rows(), k).view());
        let mut scale = model.scales[r];
        for q in (0..r).rev() {
            gradient =
                map(q).matrix.transposed().apply(self.patterns[q].transposed(gradient).view());
            scale *= model.scales[q];
        }
        let squared: f64 = gradient.iter().map(|g| g * g).sum::<f64>() * scale;
        let step = -self.arguments[r][k] / squared * 1.01;
        if !step.is_finite() {
            return x.to_vec();
        }
        x.iter().zip(gradient.iter()).map(|(x, g)| x + step * g).collect()
    }
}

impl Pattern {
    fn applied(&self, x: &Array2<f64>) -> Array2<f64> {
        match self {
            Pattern::Slopes(slopes) => x * &slopes.view().insert_axis(Axis(1)),
            Pattern::Selection(chosen, _) => x.select(Axis(0), chosen),
        }
    }

    fn transposed(&self, block: Array2<f64>) -> Array2<f64> {
        match self {
            Pattern::Slopes(slopes) => block * slopes.view().insert_axis(Axis(1)),
            Pattern::Selection(chosen, inputs) => {
                let mut out = Array2::zeros((*inputs, block.ncols()));
                for (row, &j) in block.outer_iter().zip(chosen) {
                    let mut target = out.row_mut(j);
                    target += &row;
                }
                out
            }
        }
    }
}

/// Point number `i` of a box.
fn sample_in(input: &InputBox, i: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
    let corner = i.is_multiple_of(3);
    let mut place = |side: &Interval| {
        let t: f64 = rng.random();
        let t = if corner { t.round() } else { t };
        (side.lo + t * (side.hi - side.lo)).clamp(side.lo, side.hi)
    };
    let sides = input.points().unwrap_or(input.sides()).iter();
    if i == 0 {
        sides.map(|side| side.midpoint()).collect()
    } else {
        sides.map(&mut place).collect()
    }
}

fn unit(n: usize, k: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, 1), |(i, _)| if i == k { 1.0 } else { 0.0 })
}

/// The norm of the Jacobian, given transposed.
fn size(transposed: &Array2<f64>, norm: Norm) -> f64 {
    let sums = |axis: Axis| {
        let lanes = transposed.lanes(axis).into_iter();
        lanes.map(|lane| lane.iter().map(|x| x.abs()).sum::<f64>()).fold(0.0, f64::max)
    };
    match norm {
        Norm::Linf => sums(Axis(0)),
        Norm::L1 => sums(Axis(1)),
        Norm::L2 => singular_vectors(transposed).2,
    }
}

/// Vectors `w` (outputs) and `s` (inputs) of dual norm and norm 1 with `w^T J s = ||J||`.
fn dual_vectors(transposed: &Array2<f64>, norm: Norm) -> (Array1<f64>, Array1<f64>) {
    let sign = |lane: ArrayView1<'_, f64>| lane.mapv(|x| if x < 0.0 { -1.0 } else { 1.0 });
    let largest = |axis: Axis| {
        let sums = transposed.map_axis(axis, |lane| lane.iter().map(|x| x.abs()).sum::<f64>());
        (0..sums.len()).max_by(|&a, &b| sums[a].total_cmp(&sums[b])).unwrap_or(0)
    };
    let (inputs, outputs) = transposed.dim();
    match norm {
        Norm::Linf => {
            let i = largest(Axis(0));
            (unit(outputs, i).index_axis_move(Axis(1), 0), sign(transposed.column(i)))
        }
        Norm::L1 => {
            let j = largest(Axis(1));
            (sign(transposed.row(j)), unit(inputs, j).index_axis_move(Axis(1), 0))
        }
        Norm::L2 => {
            let (w, s, _) = singular_vectors(transposed);
            (w, s)
        }
    }
}

/// The leading singular vectors and value of the transposed Jacobian, by power iteration.
fn singular_vectors(transposed: &Array2<f64>) -> (Array1<f64>, Array1<f64>, f64) {
    let gram = transposed.t().dot(transposed);
    let n = gram.nrows();
    let start = (0..n).max_by(|&a, &b| gram[[a, a]].total_cmp(&gram[[b, b]])).unwrap_or(0);
    let mut w = gram.column(start).to_owned();
    for _ in 0..30 {
        let length = w.dot(&w).sqrt();
        if length == 0.0 {
            break;
        }
        w = gram.dot(&(w / length));
    }
    let length = w.dot(&w).sqrt();
    if length > 0.0 {
        w /= length;
    }
    let s = transposed.dot(&w);
    let value = s.dot(&s).sqrt();
    let s = if value > 0.0 { s / value } else { s };
    (w, s, value)
}

/// A normally distributed number (Box and Muller's method).
fn gaussian(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}
