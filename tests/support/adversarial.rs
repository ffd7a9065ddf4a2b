//! Small random networks made to be awkward: ties, zeros, numbers of few bits, and numbers of all sizes.

use std::sync::Arc;

use lipbound::network::layers::dense::Dense;
use lipbound::network::{
    Activation, Chain, Diagonal, Layer, LinearMap, LoweredNetwork, Network, Slopes,
};
use lipbound::numeric::{Csr, Matrix};
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How the weights of a network are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    Uniform,
    Half,
    Single,
    Eighths,
    Signs,
    Equal,
    Sparse,
    ZeroRowsAndColumns,
    RepeatedRows,
    /// 10^-r to 10^r within every matrix.
    Mixed(i32),
    /// Layers of about 1e300 and 1e-300 in turn.
    Alternating,
    Denormal,
    /// Ordinary numbers with a few near the largest one.
    NearOverflow,
    /// Powers of two of all sizes.
    PowersOfTwo,
    /// Odd integers of so many bits.
    Integers(u32),
}

const PLAIN: [Weights; 9] = [
    Weights::Uniform,
    Weights::Half,
    Weights::Single,
    Weights::Eighths,
    Weights::Signs,
    Weights::Equal,
    Weights::Sparse,
    Weights::ZeroRowsAndColumns,
    Weights::RepeatedRows,
];

const EXTREME: [Weights; 7] = [
    Weights::Mixed(20),
    Weights::Mixed(150),
    Weights::Mixed(300),
    Weights::Alternating,
    Weights::Denormal,
    Weights::NearOverflow,
    Weights::PowersOfTwo,
];

/// A random network with what an exact computation needs of it.
pub struct Case {
    pub seed: u64,
    pub widths: Vec<usize>,
    pub kind: Weights,
    /// Whether weights of wildly different sizes meet.
    pub extreme: bool,
    pub weights: Vec<Array2<f64>>,
    pub biases: Vec<Array1<f64>>,
    pub activations: Vec<Activation>,
    /// Slope intervals that are put in the place of those of the activations.
    pub slopes: Option<Vec<Vec<(f64, f64)>>>,
    pub lowered: LoweredNetwork,
}

impl Case {
    /// The network of that number: always the same one.
    pub fn new(seed: u64) -> Case {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rng = &mut rng;
        let extreme = rng.random_bool(0.4);
        let kind = if extreme {
            EXTREME[rng.random_range(0..EXTREME.len())]
        } else {
            PLAIN[rng.random_range(0..PLAIN.len())]
        };
        let widths = widths(rng);
        Case::drawn(seed, kind, extreme, widths, activation, rng)
    }

    /// A network whose products of matrices are just exact in 53 bits, or just not: no bound of a rounding error
    /// is added to them, and one rounding the wrong way in the sums and products of their norms shows.
    pub fn at_53_bits(seed: u64) -> Case {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x3533_6269_7473);
        let rng = &mut rng;
        let widths = widths(rng);
        let maps = widths.len() as u32 - 1;
        // Sums over the columns, and a factor of 1/2 for each layer between.
        let sums: u32 = widths[..maps as usize].iter().map(|n| n.next_power_of_two().ilog2()).sum();
        let bits = 53u32.saturating_sub(sums + maps) / maps;
        let bits = (bits + 1).saturating_sub(rng.random_range(0..6)).max(2);
        Case::drawn(seed, Weights::Integers(bits), false, widths, dyadic_activation, rng)
    }

    /// A network of small integers or eighths, of which many sums and products have few bits.
    pub fn of_few_bits(seed: u64) -> Case {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x6665_775f_6269_7473);
        let rng = &mut rng;
        let widths = widths(rng);
        let kind = match rng.random_range(0..4) {
            0 => Weights::Signs,
            1 => Weights::Eighths,
            _ => Weights::Integers(rng.random_range(1..=4)),
        };
        Case::drawn(seed, kind, false, widths, dyadic_activation, rng)
    }

    /// The same network with weights in the form of sparse matrices.
    pub fn with_sparse_maps(mut self) -> Case {
        let chain = &self.lowered.chain;
        let sparse = |map: &LinearMap| {
            let dense = map.matrix.to_dense();
            let entries = Csr::from_rows(map.rows(), map.columns(), |i, push| {
                dense.row(i).indexed_iter().for_each(|(j, &x)| push(j, x));
            });
            LinearMap { matrix: Matrix::sparse(entries), ..map.clone() }
        };
        let maps = chain.maps().iter().map(sparse).collect();
        self.lowered.chain = Chain::new(maps, chain.slopes().to_vec());
        self
    }

    fn drawn(
        seed: u64,
        kind: Weights,
        extreme: bool,
        widths: Vec<usize>,
        activation: fn(usize, &mut ChaCha8Rng) -> Activation,
        rng: &mut ChaCha8Rng,
    ) -> Case {
        let pairs = widths.windows(2).enumerate();
        let weights: Vec<Array2<f64>> =
            pairs.map(|(r, pair)| matrix(kind, r, pair[1], pair[0], rng)).collect();
        let biases: Vec<Array1<f64>> = widths[1..]
            .iter()
            .map(|&n| Array1::from_shape_fn(n, |_| rng.random_range(-1.0..1.0)))
            .collect();
        let activations: Vec<Activation> =
            widths[1..widths.len() - 1].iter().map(|&n| activation(n, rng)).collect();
        let mut lowered = lower(&widths, &weights, &biases, &activations);
        let slopes = rng.random_bool(0.2).then(|| replace_slopes(&mut lowered, extreme, rng));
        Case { seed, widths, kind, extreme, weights, biases, activations, slopes, lowered }
    }

    /// What it takes to look at the network.
    pub fn describe(&self) -> String {
        format!(
            "network {} ({:?}, widths {:?})\nweights {:?}\nbiases {:?}\nactivations {:?}\nslopes {:?}",
            self.seed,
            self.kind,
            self.widths,
            self.weights
                .iter()
                .map(|w| w.outer_iter().map(|r| r.to_vec()).collect())
                .collect::<Vec<Vec<_>>>(),
            self.biases.iter().map(|b| b.to_vec()).collect::<Vec<_>>(),
            self.activations,
            self.slopes,
        )
    }
}

/// One to five hidden layers of one to four neurons, seven in all at most.
fn widths(rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut widths = vec![rng.random_range(1..=4)];
    let mut left = 7usize;
    for _ in 0..rng.random_range(1..=5) {
        if left > 0 {
            let most = left.min(4);
            let width = if rng.random_bool(0.2) { 1 } else { rng.random_range(1..=most) };
            left -= width;
            widths.push(width);
        }
    }
    widths.push(rng.random_range(1..=4));
    widths
}

fn matrix(
    kind: Weights,
    r: usize,
    rows: usize,
    columns: usize,
    rng: &mut ChaCha8Rng,
) -> Array2<f64> {
    let common = rng.random_range(-2.0..2.0);
    let mut w = Array2::from_shape_fn((rows, columns), |_| entry(kind, r, common, rng));
    match kind {
        Weights::ZeroRowsAndColumns => {
            w.row_mut(rng.random_range(0..rows)).fill(0.0);
            if rng.random_bool(0.5) {
                w.column_mut(rng.random_range(0..columns)).fill(0.0);
            }
        }
        Weights::RepeatedRows => {
            let first = w.row(0).to_owned();
            let sign = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
            w.outer_iter_mut().skip(1).for_each(|mut row| row.assign(&(&first * sign)));
        }
        _ => {}
    }
    w
}

fn entry(kind: Weights, r: usize, common: f64, rng: &mut ChaCha8Rng) -> f64 {
    let uniform = rng.random_range(-2.0..2.0);
    let power = |rng: &mut ChaCha8Rng, range: i32| {
        rng.random_range(-9.99..9.99) * 10f64.powi(rng.random_range(-range..=range))
    };
    match kind {
        Weights::Uniform | Weights::ZeroRowsAndColumns | Weights::RepeatedRows => uniform,
        Weights::Half => half::f16::from_f64(uniform).to_f64(),
        Weights::Single => f64::from(uniform as f32),
        Weights::Eighths => f64::from(rng.random_range(-16i8..=16)) / 8.0,
        Weights::Signs => f64::from(rng.random_range(-1i8..=1)),
        Weights::Equal => common,
        Weights::Sparse => {
            if rng.random_bool(0.7) {
                0.0
            } else {
                uniform
            }
        }
        Weights::Mixed(range) => match rng.random_range(0..8) {
            0 => 0.0,
            1 => 5e-324,
            2 => 1.0,
            _ => power(rng, range),
        },
        Weights::Alternating => uniform * if r.is_multiple_of(2) { 1e300 } else { 1e-300 },
        Weights::Denormal => f64::from(rng.random_range(-1000i16..=1000)) * 5e-324,
        Weights::NearOverflow => {
            if rng.random_bool(0.2) {
                uniform.signum() * f64::MAX
            } else {
                uniform
            }
        }
        Weights::PowersOfTwo => {
            let sign = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
            sign * 2f64.powi(rng.random_range(-1022..=1023))
        }
        Weights::Integers(bits) => {
            uniform.signum() * f64::from(rng.random_range(1..1u32 << bits) | 1)
        }
    }
}

fn activation(width: usize, rng: &mut ChaCha8Rng) -> Activation {
    let slope = |rng: &mut ChaCha8Rng| match rng.random_range(0..6) {
        0 => 1.0,
        1 => -1.0,
        2 => 0.25,
        _ => rng.random_range(-3.0..3.0),
    };
    match rng.random_range(0..12) {
        0..=3 => Activation::Relu,
        4 => Activation::LeakyRelu { negative_slope: 0.1 },
        5 => Activation::LeakyRelu { negative_slope: slope(rng) },
        6 => Activation::Prelu { slopes: (0..width).map(|_| slope(rng)).collect() },
        7 => Activation::HardTanh { min: -1.0, max: 1.0 },
        8 => Activation::Sigmoid,
        9 => Activation::Tanh,
        10 => Activation::Silu,
        _ => Activation::Abs,
    }
}

/// Slopes of few bits.
fn dyadic_activation(_: usize, rng: &mut ChaCha8Rng) -> Activation {
    match rng.random_range(0..8) {
        0..=3 => Activation::Relu,
        4 => Activation::LeakyRelu { negative_slope: 0.25 },
        5 => Activation::LeakyRelu { negative_slope: -0.5 },
        6 => Activation::HardTanh { min: -1.0, max: 1.0 },
        _ => Activation::Abs,
    }
}

fn lower(
    widths: &[usize],
    weights: &[Array2<f64>],
    biases: &[Array1<f64>],
    activations: &[Activation],
) -> LoweredNetwork {
    let mut layers: Vec<Arc<dyn Layer>> = Vec::new();
    for (r, (w, b)) in weights.iter().zip(biases).enumerate() {
        if r > 0 {
            layers.push(Arc::new(activations[r - 1].clone()));
        }
        layers.push(Arc::new(Dense::new(w.clone(), b.clone()).expect("shapes")));
    }
    let network = Network::sequential("case", vec![widths[0]], layers).expect("shapes");
    network.lower().expect("dense layers and activations")
}

/// Slope intervals of any sign and width, some of them points.
fn replace_slopes(
    lowered: &mut LoweredNetwork,
    extreme: bool,
    rng: &mut ChaCha8Rng,
) -> Vec<Vec<(f64, f64)>> {
    let mut number = || match rng.random_range(0..5) {
        0 => 0.0,
        1 => f64::from(rng.random_range(-4i8..=4)) / 4.0,
        2 if extreme => rng.random_range(-1.0..1.0) * 10f64.powi(rng.random_range(-30..=30)),
        _ => rng.random_range(-3.0..3.0),
    };
    let mut interval = || {
        let (a, b) = (number(), number());
        if number() < -1.5 { (a, a) } else { (f64::min(a, b), f64::max(a, b)) }
    };
    let chain = &lowered.chain;
    let layers: Vec<Vec<(f64, f64)>> =
        chain.slopes().iter().map(|s| (0..s.inputs()).map(|_| interval()).collect()).collect();
    let slopes = layers.iter().map(|layer| {
        let (alpha, beta) = layer.iter().copied().unzip();
        Slopes::Componentwise(Diagonal::new(alpha, beta))
    });
    lowered.chain = Chain::new(chain.maps().to_vec(), slopes.collect());
    layers
}
