//! Convolutions that are merged with scalings, selections and residual connections keep their bounds.
#![allow(clippy::expect_used, clippy::print_stdout)] // a failed construction should stop the test; figures

mod support;

use lipbound::network::LinearMap;
use lipbound::network::layers::add::Add;
use lipbound::network::layers::batch_norm::BatchNorm;
use lipbound::network::layers::conv::{Conv, Geometry};
use lipbound::network::layers::conv_transpose::ConvTranspose;
use lipbound::network::layers::scale::Scale;
use lipbound::network::layers::window::PerAxis;
use lipbound::numeric::conv_norm::{ConvAxis, Convolution};
use lipbound::numeric::decompose::thin_svd;
use lipbound::numeric::{Csr, Matrix, Norm};
use ndarray::{Array2, ArrayD, IxDyn};
use proptest::prelude::{prop_assert, proptest};
use rand::{Rng, SeedableRng};
use support::lowered;

fn random(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || rng.random_range(-1.0..1.0))
}

fn geometry(stride: usize, padding: usize, groups: usize) -> Geometry {
    let all = |n| Some(PerAxis::All(n));
    Geometry { stride: all(stride), padding: all(padding), dilation: None, groups }
}

fn conv(weight: &ArrayD<f64>, geometry: &Geometry, input: &[usize]) -> LinearMap {
    let layer = Conv::new(weight.ndim() - 2, weight.clone(), None, geometry).expect("valid");
    lowered(&layer, &[input.to_vec()])
}

fn batch_norm(channels: usize, shape: &[usize], seed: u64) -> LinearMap {
    let one = |seed| random(&[channels], seed);
    let variance = one(seed + 1).mapv(|x| 0.5 + x * x);
    let layer = BatchNorm::new(Some(one(seed)), None, one(seed + 2), variance, 1e-5);
    lowered(&layer.expect("valid"), &[shape.to_vec()])
}

/// One factor for each channel.
fn scale(factors: &[f64], shape: &[usize]) -> LinearMap {
    let mut axes = vec![1; shape.len()];
    axes[0] = factors.len();
    let multiply = ArrayD::from_shape_vec(IxDyn(&axes), factors.to_vec()).expect("the same size");
    lowered(&Scale { multiply: Some(multiply), ..Scale::default() }, &[shape.to_vec()])
}

fn svd(map: &LinearMap) -> f64 {
    let norm = thin_svd(map.matrix.to_dense().view()).expect("converges").1[0];
    norm * 2f64.powi(map.exponent)
}

/// An estimate from below.
fn power_method(map: &LinearMap) -> f64 {
    let transposed = map.matrix.transposed();
    let mut x: Array2<f64> =
        random(&[map.columns(), 1], 1).into_dimensionality().expect("two axes");
    let mut norm = 0.0;
    for _ in 0..400 {
        x /= x.iter().map(|v| v * v).sum::<f64>().sqrt();
        let y = map.matrix.apply(x.view());
        norm = y.iter().map(|v| v * v).sum::<f64>().sqrt();
        x = transposed.apply(y.view());
    }
    norm * 2f64.powi(map.exponent)
}

/// The bound of the 3x3 kernel with stride 1 and padding 1 on `n x n`.
fn kernel_norm(weight: ArrayD<f64>, groups: usize, n: usize) -> f64 {
    let axis = ConvAxis { taps: 3, stride: 1, dilation: 1, padding: 1, inputs: n, windows: n };
    let weight = weight.into_dimensionality().expect("four axes");
    Convolution::new(weight, groups, [axis; 2]).expect("valid").norm_up()
}

fn check(name: &str, map: &LinearMap, tight: f64) {
    let (up, estimate) = (map.norm_up(Norm::L2), power_method(map));
    println!("{name}: {up:.8}, power method {estimate:.8}, excess {:.2e}", up / estimate - 1.0);
    assert!(up >= estimate * (1.0 - 1e-12) && up <= estimate * (1.0 + tight), "{name}");
    assert!((map.transposed().norm_up(Norm::L2) / up - 1.0).abs() < 1e-12, "{name}");
}

#[test]
fn beyond_the_gram_matrix_batch_norm_costs_nothing() {
    let (input, output) = (&[3, 40, 40], &[8, 40, 40]);
    let map = conv(&random(&[8, 3, 3, 3], 1), &geometry(1, 1, 1), input);
    check("convolution", &map, 1e-2);
    check("batch norm behind", &batch_norm(8, output, 2).after(&map), 1e-2);
    check("batch norm before", &map.after(&batch_norm(3, input, 5)), 1e-2);
    let both = batch_norm(8, output, 2).after(&map).after(&batch_norm(3, input, 5));
    check("both", &both, 1e-2);
}

#[test]
fn the_kernel_is_scaled() {
    // 2^600: the powers of two of normalisation; 0 and signs; groups.
    let factors = [0.0, -0.7, 1e-3, 2f64.powi(600) / 3.0];
    let weight = random(&[4, 2, 3, 3], 3);
    let map = conv(&weight, &geometry(1, 1, 2), &[4, 36, 36]);
    let mut expected = weight.clone();
    for ((o, ..), x) in
        expected.view_mut().into_dimensionality::<ndarray::Ix4>().expect("four").indexed_iter_mut()
    {
        *x *= factors[o];
    }
    let up = scale(&factors, &[4, 36, 36]).after(&map).norm_up(Norm::L2);
    assert!((up / kernel_norm(expected, 2, 36) - 1.0).abs() < 1e-12);
    let mut expected = weight.clone();
    for ((o, k, ..), x) in
        expected.view_mut().into_dimensionality::<ndarray::Ix4>().expect("four").indexed_iter_mut()
    {
        *x *= factors[o / 2 * 2 + k];
    }
    let up = map.after(&scale(&factors, &[4, 36, 36])).norm_up(Norm::L2);
    assert!((up / kernel_norm(expected, 2, 36) - 1.0).abs() < 1e-12);
}

#[test]
fn strides_and_transposed_convolutions() {
    let map = conv(&random(&[12, 4, 3, 3], 4), &geometry(2, 1, 1), &[4, 40, 40]);
    check("stride 2", &batch_norm(12, &[12, 20, 20], 6).after(&map), 3e-2);
    let weight = random(&[12, 4, 3, 3], 4);
    let layer = ConvTranspose::new(2, weight, None, &geometry(2, 1, 1), None).expect("valid");
    let map = lowered(&layer, &[vec![12, 20, 20]]);
    check("transposed", &batch_norm(4, &[4, 39, 39], 6).after(&map), 3e-2);
}

#[test]
fn other_diagonals_drop_the_structure() {
    let weight = random(&[3, 3, 3, 3], 7);
    let map = conv(&weight, &geometry(1, 1, 1), &[3, 30, 30]);
    // Constant on each channel but for one element in the middle of the last one.
    let odd = Csr::from_rows(2700, 2700, |i, push| push(i, if i == 2200 { 50.0 } else { 1.0 }));
    let odd = LinearMap::new(Matrix::sparse(odd));
    for merged in [odd.after(&map), map.after(&odd)] {
        let up = merged.norm_up(Norm::L2);
        assert!(up >= power_method(&merged) * (1.0 - 1e-12) && up > 2.0 * map.norm_up(Norm::L2));
    }
    // The rows in another order.
    let reversed = Csr::from_rows(2700, 2700, |i, push| push(2699 - i, 1.0));
    let merged = LinearMap::new(Matrix::sparse(reversed)).after(&map);
    assert!(merged.norm_up(Norm::L2) >= power_method(&merged) * (1.0 - 1e-12));
}

#[test]
fn residual_connections() {
    let shape = vec![3, 36, 36];
    let n = 3 * 36 * 36;
    let weight = random(&[3, 3, 3, 3], 8);
    let map = conv(&weight, &geometry(1, 1, 1), &shape);
    let exact = kernel_norm(weight, 1, 36).hypot(1.0);
    let beside = LinearMap::stacked(&[&map, &LinearMap::identity(n)]);
    check("[C; I]", &beside, 1e-2);
    assert!((beside.norm_up(Norm::L2) / exact - 1.0).abs() < 1e-11);
    // The sum of the convolution of the first half of a state and its second half.
    let half = |start: usize| {
        let rows = Csr::from_rows(n, 2 * n, |i, push| push(start + i, 1.0));
        LinearMap::new(Matrix::sparse(rows))
    };
    let add = lowered(&Add::new(vec![]).expect("valid"), &[shape.clone(), shape.clone()]);
    let sum = add.after(&LinearMap::stacked(&[&map.after(&half(0)), &half(n)]));
    check("[C, I]", &sum, 1e-2);
    assert!((sum.norm_up(Norm::L2) / exact - 1.0).abs() < 1e-11);
    let scaled = batch_norm(3, &shape, 9).after(&sum);
    assert!(scaled.norm_up(Norm::L2) >= power_method(&scaled) * (1.0 - 1e-12));
    // C + I has the columns of both on top of each other: no block of it is C.
    let same = add.after(&beside);
    assert!(same.norm_up(Norm::L2) >= power_method(&same) * (1.0 - 1e-12));
}

proptest! {
    #![proptest_config(support::cases(40))]
    #[test]
    fn small_merged_maps(
        out in 1usize..4, inputs in 1usize..4, groups in 1usize..3, taps in 1usize..4,
        s in 1usize..3, p in 0usize..3, size in 3usize..9, seed in 0u64..1000,
    ) {
        let weight = random(&[out * groups, inputs, taps, taps], seed);
        let input = [inputs * groups, size, size];
        let map = conv(&weight, &geometry(s, p, groups), &input);
        let windows = (size + 2 * p - taps) / s + 1;
        let merged = batch_norm(out * groups, &[out * groups, windows, windows], seed)
            .after(&map)
            .after(&batch_norm(inputs * groups, &input, seed + 7));
        let (norm, up) = (svd(&merged), merged.norm_up(Norm::L2));
        prop_assert!(up >= norm * (1.0 - 1e-12) && up <= norm * (1.0 + 1e-9), "{} {}", norm, up);
    }
}
