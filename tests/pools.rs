//! Bounds behind max-poolings against all selections and slopes of tiny networks.

#![allow(clippy::expect_used)] // tests fail by panicking

mod support;

use std::sync::Arc;

use lipbound::bounds::lower::lower_bounds;
use lipbound::bounds::{Options, Problem};
use lipbound::network::layers::dense::Dense;
use lipbound::network::layers::pool::{Kind, Pool};
use lipbound::network::layers::window::{Parameters, PerAxis};
use lipbound::network::{Activation, Layer, Network};
use lipbound::numeric::Norm;
use lipbound::numeric::decompose::thin_svd;
use ndarray::{Array1, Array2};
use proptest::prelude::{prop_assert, proptest};
use rand::{Rng, SeedableRng};

/// dense - reshape to a plane - (relu) - overlapping max-pooling - dense, in dimension `n`.
struct Tiny {
    network: Network,
    first: Array2<f64>,
    last: Array2<f64>,
    windows: Vec<Vec<usize>>,
    relu: bool,
}

fn tiny(
    inputs: usize,
    width: usize,
    kernel: usize,
    stride: usize,
    outputs: usize,
    relu: bool,
    seed: u64,
) -> Tiny {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut matrix = |m, n| Array2::from_shape_simple_fn((m, n), || rng.random_range(-1.0..1.0));
    let count = (width - kernel) / stride + 1;
    let (first, last) = (matrix(width, inputs), matrix(outputs, count));
    let parameters = Parameters {
        kernel: &[kernel],
        stride: Some(&PerAxis::All(stride)),
        dilation: None,
        padding: None,
    };
    let dense = |w: &Array2<f64>| Dense::new(w.clone(), Array1::zeros(w.nrows())).expect("shapes");
    let mut layers: Vec<Arc<dyn Layer>> = vec![Arc::new(dense(&first))];
    if relu {
        layers.push(Arc::new(Activation::Relu));
    }
    layers.push(Arc::new(lipbound::network::layers::reshape::Reshape { shape: vec![1, -1] }));
    layers.push(Arc::new(Pool::new(Kind::Max, &parameters, false, true).expect("a pool")));
    layers.push(Arc::new(dense(&last)));
    let network = Network::sequential("tiny", vec![inputs], layers).expect("shapes");
    let windows = (0..count).map(|i| (i * stride..i * stride + kernel).collect()).collect();
    Tiny { network, first, last, windows, relu }
}

impl Tiny {
    /// All Jacobians with 0/1 slopes and any selection.
    fn vertices(&self) -> Vec<Array2<f64>> {
        let width = self.first.nrows();
        let patterns = if self.relu { 1usize << width } else { 1 };
        let selections = self.windows.iter().map(Vec::len).product::<usize>();
        let mut all = Vec::new();
        for pattern in 0..patterns {
            for mut selection in 0..selections {
                let chosen: Vec<usize> = self
                    .windows
                    .iter()
                    .map(|window| {
                        let k = selection % window.len();
                        selection /= window.len();
                        window[k]
                    })
                    .collect();
                let slope = |j: usize| if !self.relu || pattern >> j & 1 == 1 { 1.0 } else { 0.0 };
                let rows = Array2::from_shape_fn((chosen.len(), self.first.ncols()), |(i, c)| {
                    slope(chosen[i]) * self.first[[chosen[i], c]]
                });
                all.push(self.last.dot(&rows));
            }
        }
        all
    }
}

fn norm_of(j: &Array2<f64>, norm: Norm) -> f64 {
    let sums = |j: &Array2<f64>| {
        j.rows().into_iter().map(|row| row.iter().map(|x| x.abs()).sum::<f64>()).fold(0.0, f64::max)
    };
    match norm {
        Norm::Linf => sums(j),
        Norm::L1 => sums(&j.t().to_owned()),
        Norm::L2 => thin_svd(j.view()).expect("converges").1[0],
    }
}

proptest! {
    #![proptest_config(support::cases(150))]
    #[test]
    fn no_selection_exceeds_a_bound(
        inputs in 1usize..4, width in 3usize..6, kernel in 1usize..4, stride in 1usize..3, outputs in 1usize..3,
        relu: bool, seed: u64,
    ) {
        let tiny = tiny(inputs, width, kernel, stride, outputs, relu, seed);
        let vertices = tiny.vertices();
        let lowered = tiny.network.lower().expect("a chain");
        let explicit = Problem::new(lowered.clone().with_explicit_pools(), Options::default());
        let implicit = Problem::new(lowered, Options::default());
        for problem in [&implicit, &explicit] {
            let lowers = lower_bounds(problem, &Norm::ALL);
            for (norm, lower) in Norm::ALL.into_iter().zip(lowers) {
                // The vertices are computed in plain floating point from a dozen numbers below 1.
                let largest = vertices.iter().map(|j| norm_of(j, norm)).fold(0.0, f64::max);
                prop_assert!(lower <= largest * (1.0 + 1e-12), "{norm}: L >= {lower}, vertices {largest}");
                for id in ["k_star", "k1", "k2", "k3", "k4", "k5"] {
                    let bound = lipbound::bounds::find(id).expect("a bound");
                    let Ok(certificate) = bound.compute(problem, norm) else { continue };
                    let value = certificate.upper;
                    prop_assert!(value >= largest * (1.0 - 1e-12), "{norm} {id}: {value}, vertices {largest}");
                }
            }
        }
    }
}

/// More memory would not help: what a bound cannot do is said first.
#[test]
fn what_a_bound_is_not_for_comes_before_its_memory() {
    let lowered = tiny(2, 4, 2, 1, 1, true, 1).network.lower().expect("a chain");
    let problem = Problem::new(lowered, Options { ceiling: 0, ..Options::default() });
    for (id, reason) in [("k_sdp", "max-pooling"), ("k5", "--memory-limit")] {
        let bound = lipbound::bounds::find(id).expect("a bound");
        let error = lipbound::bounds::compute(bound, &problem, Norm::Linf).expect_err("refused");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

/// A pooling with layers behind it: the ends of the subsets of K4, which are linear, meet beginnings that
/// are not. Whole numbers, so that the sum of the definition is exact.
#[test]
fn k4_behind_a_pooling_is_its_definition() {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
    let mut matrix =
        |m, n| Array2::from_shape_simple_fn((m, n), || f64::from(rng.random_range(-3..=3)));
    // 3 inputs, 4 neurons, windows {0, 1}, {1, 2}, {2, 3}, then three layers of two or three neurons.
    let maps = [matrix(4, 3), matrix(3, 3), matrix(2, 3), matrix(3, 2), matrix(2, 3)];
    let dense = |w: &Array2<f64>| -> Arc<dyn Layer> {
        Arc::new(Dense::new(w.clone(), Array1::zeros(w.nrows())).expect("shapes"))
    };
    let parameters =
        Parameters { kernel: &[2], stride: Some(&PerAxis::All(1)), dilation: None, padding: None };
    let mut layers: Vec<Arc<dyn Layer>> = vec![dense(&maps[0])];
    layers.push(Arc::new(lipbound::network::layers::reshape::Reshape { shape: vec![1, -1] }));
    layers.push(Arc::new(Pool::new(Kind::Max, &parameters, false, true).expect("a pool")));
    for map in &maps[1..] {
        layers.push(dense(map));
        layers.push(Arc::new(Activation::Relu));
    }
    layers.pop();
    let network = Network::sequential("pooled", vec![3], layers).expect("shapes");
    let problem = Problem::new(network.lower().expect("a chain"), Options::default());
    assert_eq!(problem.chain().depth(), 4);

    // What comes out of the pooling, entry by entry: the largest of a window. It is always cut.
    let pooled = |x: &Array2<f64>| {
        Array2::from_shape_fn((3, x.ncols()), |(i, j)| x[[i, j]].max(x[[i + 1, j]]))
    };
    let abs = |w: &Array2<f64>| w.mapv(f64::abs);
    let sum = |start: &Array2<f64>, norm: &dyn Fn(&Array2<f64>) -> f64| {
        let entered = pooled(&abs(&maps[0]).dot(start));
        let subsets = (0..8).map(|mask: usize| {
            // The cuts 2, 3, 4 behind the layers of the maps 1, 2, 3.
            let (mut x, mut product) = (entered.clone(), maps[1].clone());
            for (layer, map) in maps[2..].iter().enumerate() {
                if mask >> layer & 1 == 1 {
                    x = abs(&product).dot(&x);
                    product = map.clone();
                } else {
                    product = map.dot(&product);
                }
            }
            norm(&abs(&product).dot(&x))
        });
        // Centres and radii of ReLU are 1/2.
        subsets.sum::<f64>() / 8.0
    };
    let largest = |m: &Array2<f64>| m.iter().copied().fold(0.0, f64::max);
    let columns = |m: &Array2<f64>| m.columns().into_iter().map(|c| c.sum()).fold(0.0, f64::max);
    let spectral = |m: &Array2<f64>| thin_svd(m.view()).expect("converges").1[0];
    let expected = [
        (Norm::L1, sum(&Array2::eye(3), &columns)),
        (Norm::L2, sum(&Array2::eye(3), &spectral)),
        (Norm::Linf, sum(&Array2::ones((3, 1)), &largest)),
    ];
    let k4 = lipbound::bounds::find("k4").expect("a bound");
    for (norm, exact) in expected {
        let upper = k4.compute(&problem, norm).expect("a value").upper;
        if norm == Norm::L2 {
            // Eight decompositions in plain floating point.
            assert!((upper / exact - 1.0).abs() < 1e-12, "{norm}: {upper}, {exact}");
        } else {
            assert_eq!(upper, exact, "{norm}");
        }
    }
}
