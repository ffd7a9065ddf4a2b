//! The l2 norm of convolutions as operators: valid, tight, and bounded on the whole lattice.
#![allow(clippy::expect_used, clippy::print_stdout)] // a failed construction should stop the test; figures

mod support;

use lipbound::network::LinearMap;
use lipbound::network::layers::conv::{Conv, Geometry};
use lipbound::network::layers::conv_transpose::ConvTranspose;
use lipbound::network::layers::window::PerAxis;
use lipbound::numeric::conv_norm::{ConvAxis, Convolution};
use lipbound::numeric::decompose::thin_svd;
use lipbound::numeric::{Matrix, Norm};
use ndarray::{Array4, ArrayD, IxDyn};
use proptest::prelude::{prop_assert, proptest};
use rand::{Rng, SeedableRng};
use support::lowered;

fn kernel(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || rng.random_range(-1.0..1.0))
}

fn geometry(stride: usize, padding: usize, dilation: usize, groups: usize) -> Geometry {
    Geometry {
        stride: Some(PerAxis::All(stride)),
        padding: Some(PerAxis::All(padding)),
        dilation: Some(PerAxis::All(dilation)),
        groups,
    }
}

fn conv(weight: ArrayD<f64>, geometry: &Geometry, input: &[usize]) -> LinearMap {
    let conv = Conv::new(weight.ndim() - 2, weight, None, geometry).expect("a valid kernel");
    lowered(&conv, &[input.to_vec()])
}

/// The largest singular value of the dense matrix (backward stable: relative error below 1e-13).
fn svd(map: &LinearMap) -> f64 {
    let norm = thin_svd(map.matrix.to_dense().view()).expect("converges").1[0];
    norm * 2f64.powi(map.exponent)
}

fn structure(weight: &ArrayD<f64>, groups: usize, axes: [ConvAxis; 2]) -> Convolution {
    let weight: Array4<f64> = weight.clone().into_dimensionality().expect("four axes");
    Convolution::new(weight, groups, axes).expect("valid")
}

fn axis(taps: usize, stride: usize, dilation: usize, padding: usize, inputs: usize) -> ConvAxis {
    let windows = (inputs + 2 * padding - (taps - 1) * dilation - 1) / stride + 1;
    ConvAxis { taps, stride, dilation, padding, inputs, windows }
}

#[test]
fn small_operators_of_all_kinds() {
    // Shape of the weight, stride, padding, dilation, groups, input.
    type Case<'a> = (&'a [usize], [usize; 4], &'a [usize]);
    let cases: [Case<'_>; 11] = [
        (&[4, 3, 3, 3], [1, 1, 1, 1], &[3, 7, 6]),
        (&[4, 3, 3, 3], [2, 1, 1, 1], &[3, 8, 7]),
        (&[2, 3, 4, 4], [2, 1, 1, 1], &[3, 8, 8]),
        (&[4, 3, 3, 3], [1, 2, 2, 1], &[3, 9, 9]),
        (&[2, 2, 3, 2], [3, 2, 2, 1], &[2, 11, 10]),
        (&[2, 2, 3, 3], [4, 1, 2, 1], &[2, 12, 12]),
        (&[6, 2, 3, 3], [1, 0, 1, 3], &[6, 6, 6]),
        (&[5, 1, 3, 3], [1, 1, 1, 5], &[5, 8, 8]),
        (&[3, 5, 1, 1], [2, 0, 1, 1], &[5, 6, 6]),
        (&[3, 2, 5], [1, 2, 1, 1], &[2, 30]),
        (&[3, 2, 4], [3, 1, 2, 1], &[2, 40]),
    ];
    for (i, (shape, [s, p, d, g], input)) in cases.into_iter().enumerate() {
        let weight = kernel(shape, i as u64);
        let map = conv(weight.clone(), &geometry(s, p, d, g), input);
        let (norm, up) = (svd(&map), map.norm_up(Norm::L2));
        assert!(up >= norm * (1.0 - 1e-13) && up <= norm * (1.0 + 1e-9), "{i}: {norm} {up}");
        assert_eq!(map.transposed().norm_up(Norm::L2), up, "{i}");
        if shape.len() == 4 {
            let axes = [0, 1].map(|a| axis(shape[2 + a], s, d, p, input[1 + a]));
            let structure = structure(&weight, g, axes);
            let (circle, lattice) = (structure.norm_up(), structure.lattice_norm_up());
            assert!(circle >= norm * (1.0 - 1e-13), "{i}: {norm} {circle}");
            // The frequencies of a circle are some of those of the lattice.
            assert!(lattice >= circle * (1.0 - 1e-12), "{i}: {circle} {lattice}");
            assert!(circle <= norm * 1.35, "{i}: {norm} {circle}");
            println!("case {i}: svd {norm:.6} up {up:.6} circle {circle:.6} lattice {lattice:.6}");
        }
    }
}

#[test]
fn transposed_convolutions() {
    for (s, p, g, seed) in [(1, 1, 1, 1), (2, 0, 2, 2), (3, 1, 1, 3)] {
        let weight = kernel(&[4, 2, 3, 3], seed);
        let layer = ConvTranspose::new(2, weight.clone(), None, &geometry(s, p, 1, g), None);
        let map = lowered(&layer.expect("valid"), &[vec![4, 4, 5]]);
        let (norm, up) = (svd(&map), map.norm_up(Norm::L2));
        assert!(up >= norm * (1.0 - 1e-13) && up <= norm * (1.0 + 1e-9));
        // The convolution that it transposes: from what is its output to what is its input.
        let inputs = |n: usize| (n - 1) * s + 3 - 2 * p;
        let axes = [4, 5].map(|n| ConvAxis { windows: n, ..axis(3, s, 1, p, inputs(n)) });
        assert!(structure(&weight, g, axes).norm_up() >= norm * (1.0 - 1e-13));
    }
}

/// The known example: ones on n x n with padding 1 is the square (by Kronecker) of the tridiagonal
/// matrix of ones, whose norm is `1 + 2 cos(pi / (n + 1))`. The kernel reshaped to a 1 x 9 matrix has
/// the norm 3: a number far below the truth, the classical mistake.
#[test]
fn the_kernel_of_ones() {
    for n in [3usize, 10, 28, 60] {
        let exact = (1.0 + 2.0 * (std::f64::consts::PI / (n as f64 + 1.0)).cos()).powi(2);
        let ones = ArrayD::ones(IxDyn(&[1, 1, 3, 3]));
        let map = conv(ones.clone(), &geometry(1, 1, 1, 1), &[1, n, n]);
        let up = map.norm_up(Norm::L2);
        let reshaped = Matrix::dense(ndarray::Array2::ones((1, 9))).norm_l2_up();
        assert!((3.0..3.0 + 1e-12).contains(&reshaped) && exact > reshaped);
        let structure = structure(&ones, 1, [axis(3, 1, 1, 1, n); 2]);
        assert!(structure.norm_up() >= exact && structure.lattice_norm_up() >= 9.0);
        assert!(structure.norm_up() <= 9.0 * (1.0 + 1e-12));
        assert!(structure.lattice_norm_up() <= 9.0 * (1.0 + 1e-3));
        // 3600 rows are beyond the Gram matrix; the circle and the test of Schur remain.
        let tight = if n <= 50 { 1e-9 } else { 5e-3 };
        assert!(up >= exact * (1.0 - 1e-15) && up <= exact * (1.0 + tight), "{n}: {up} {exact}");
    }
}

#[test]
fn closed_forms() {
    // Depthwise, with the kernel c * ones for channel c: the largest channel.
    let weight = ArrayD::from_shape_fn(IxDyn(&[5, 1, 3, 3]), |i| i[0] as f64 - 3.0);
    let exact = 3.0 * (1.0 + 2.0 * (std::f64::consts::PI / 17.0).cos()).powi(2);
    let up = conv(weight.clone(), &geometry(1, 1, 1, 5), &[5, 16, 16]).norm_up(Norm::L2);
    assert!(up >= exact * (1.0 - 1e-15) && up <= exact * (1.0 + 1e-9));
    let bound = structure(&weight, 5, [axis(3, 1, 1, 1, 16); 2]).norm_up();
    assert!(bound >= exact && bound <= 27.0 * (1.0 + 1e-12));
    // A 1x1 convolution is the kernel, once for each place: on any size of input.
    let weight = kernel(&[6, 4, 1, 1], 5);
    let exact = {
        let matrix = weight.clone().into_shape_with_order((6, 4)).expect("the same size");
        thin_svd(matrix.view()).expect("converges").1[0]
    };
    let up = conv(weight.clone(), &geometry(1, 0, 1, 1), &[4, 9, 9]).norm_up(Norm::L2);
    let structure = structure(&weight, 1, [axis(1, 1, 1, 0, 512); 2]);
    for bound in [up, structure.norm_up(), structure.lattice_norm_up()] {
        assert!(bound >= exact * (1.0 - 1e-13) && bound <= exact * (1.0 + 1e-11));
    }
}

/// The largest singular value over a grid of frequencies; a lower bound of the supremum, independent
/// of the code under test. For stride 1.
fn grid_norm(weight: &ArrayD<f64>, count: usize) -> f64 {
    let (out, inputs) = (weight.shape()[0], weight.shape()[1]);
    let mut best: f64 = 0.0;
    for j in 0..count {
        for k in 0..=count / 2 {
            let theta = [j, k].map(|i| i as f64 * std::f64::consts::TAU / count as f64);
            let mut real = ndarray::Array2::<f64>::zeros((2 * out, 2 * inputs));
            for ((o, i, a, b), &x) in weight
                .view()
                .into_dimensionality::<ndarray::Ix4>()
                .expect("four axes")
                .indexed_iter()
            {
                let (sin, cos) = (a as f64 * theta[0] + b as f64 * theta[1]).sin_cos();
                real[[o, i]] += x * cos;
                real[[out + o, inputs + i]] += x * cos;
                real[[out + o, i]] += x * sin;
                real[[o, inputs + i]] -= x * sin;
            }
            // Every value is double, which the solver does not always manage.
            best = best.max(thin_svd(real.view()).map_or(0.0, |(_, s, _)| s[0]));
        }
    }
    best
}

#[test]
fn the_bound_on_the_lattice_is_tight() {
    for (shape, seed) in
        [([4, 3, 3, 3], 1), ([3, 5, 5, 5], 2), ([8, 8, 3, 3], 3), ([1, 1, 3, 2], 4)]
    {
        let weight = kernel(&shape, seed);
        let grid = grid_norm(&weight, 160);
        let axes = [0, 1].map(|a| axis(shape[2 + a], 1, 1, 1, 28));
        let structure = structure(&weight, 1, axes);
        let (circle, lattice) = (structure.norm_up(), structure.lattice_norm_up());
        assert!(lattice >= grid && lattice <= grid * (1.0 + 1e-3), "{shape:?}: {grid} {lattice}");
        assert!(circle <= lattice && circle >= grid * 0.97, "{shape:?}: {grid} {circle}");
        println!("{shape:?}: grid {grid:.6} circle {circle:.6} lattice {lattice:.6}");
    }
}

#[test]
fn a_28x28_input_is_within_some_percent() {
    let weight = kernel(&[3, 3, 3, 3], 9);
    let map = conv(weight.clone(), &geometry(1, 1, 1, 1), &[3, 28, 28]);
    let exact = map.norm_up(Norm::L2); // 2352 rows: by the Gram matrix
    let bound = structure(&weight, 1, [axis(3, 1, 1, 1, 28); 2]).norm_up();
    println!("28x28: gram {exact:.6} circle {bound:.6}");
    assert!(bound >= exact * (1.0 - 1e-9) && bound <= exact * 1.03, "{exact} {bound}");
}

#[test]
fn extreme_scales() {
    let weight = kernel(&[4, 4, 3, 3], 11);
    let axes = [axis(3, 1, 1, 1, 60); 2];
    let unit = structure(&weight, 1, axes).norm_up();
    let map = conv(weight.clone(), &geometry(1, 1, 1, 1), &[4, 8, 8]).norm_up(Norm::L2);
    for scale in [1e-200, 1e200] {
        let scaled = weight.mapv(|x| x * scale);
        let bound = structure(&scaled, 1, axes).norm_up();
        // 36 products and the scale itself are rounded once more.
        assert!((bound / scale / unit - 1.0).abs() < 1e-11, "{bound}");
        let up = conv(scaled, &geometry(1, 1, 1, 1), &[4, 8, 8]).norm_up(Norm::L2);
        assert!((up / scale / map - 1.0).abs() < 1e-11, "{up}");
    }
    let tiny = weight.mapv(|x| x * 1e-320);
    let bound = structure(&tiny, 1, axes).norm_up();
    assert!(bound >= 1e-320 && bound.is_finite());
    let huge = weight.mapv(|x| x * 1e308);
    assert!(structure(&huge, 1, axes).norm_up() == f64::INFINITY);
}

#[test]
fn the_structure_survives_transposition_and_scaling_only() {
    // 4096 rows: beyond the Gram matrix, so the kernel decides.
    let weight = kernel(&[4, 4, 3, 3], 12);
    let map = conv(weight.clone(), &geometry(1, 1, 1, 1), &[4, 32, 32]);
    let bound = structure(&weight, 1, [axis(3, 1, 1, 1, 32); 2]).norm_up();
    assert!((map.norm_up(Norm::L2) / bound - 1.0).abs() < 1e-12);
    assert_eq!(map.transposed().norm_up(Norm::L2), map.norm_up(Norm::L2));
    assert_eq!(map.after(&LinearMap::identity(4096)).norm_up(Norm::L2), map.norm_up(Norm::L2));
    let other = LinearMap::new(map.matrix.map(|row, x| if row == 0 { 4096.0 * x } else { x }));
    assert!(other.norm_up(Norm::L2) > bound);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    assert_eq!(pool.install(|| map.norm_up(Norm::L2)), map.norm_up(Norm::L2));
}

/// The peak of the memory of this process, in MiB.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:").map(str::to_owned));
    let number = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<f64>().ok());
    number.unwrap_or(f64::NAN) / 1024.0
}

/// Time, value and peak memory of one layer, whole (lowering included) and its kernel alone.
fn measure(out: usize, inputs: usize, size: usize, stride: usize) {
    // Entries of variance 1 / (9 inputs), about as trained networks have.
    let scale = (3.0 / (9.0 * inputs as f64)).sqrt();
    let weight = kernel(&[out, inputs, 3, 3], 7).mapv(|x| x * scale);
    let start = std::time::Instant::now();
    let structure = structure(&weight, 1, [axis(3, stride, 1, 1, size); 2]);
    let value = structure.norm_up();
    let (alone, memory) = (start.elapsed(), peak_memory());
    println!(
        "{out}<-{inputs} {size}x{size}/{stride}: kernel {value:.8} {alone:.1?} {memory:.0} MiB"
    );
    let start = std::time::Instant::now();
    let map = conv(weight, &geometry(stride, 1, 1, 1), &[inputs, size, size]);
    let lowering = start.elapsed();
    let up = map.norm_up(Norm::L2);
    println!(
        "  lowered in {lowering:.1?}, {up:.8} {:.1?} {:.0} MiB",
        start.elapsed(),
        peak_memory()
    );
    let estimate = power_method(&map);
    println!(
        "  power method (an estimate from below): {estimate:.8}, excess {:.2e}",
        up / estimate - 1.0
    );
    assert!(up <= value * (1.0 + 1e-12) && up >= estimate * (1.0 - 1e-12));
    assert!(peak_memory() < 1536.0);
}

fn power_method(map: &LinearMap) -> f64 {
    let transposed = map.matrix.transposed();
    let mut x = kernel(&[map.columns(), 1], 1).into_dimensionality::<ndarray::Ix2>().expect("two");
    let mut norm = 0.0;
    for _ in 0..150 {
        let y = map.matrix.apply(x.view());
        norm = (y.iter().map(|v| v * v).sum::<f64>() / x.iter().map(|v| v * v).sum::<f64>()).sqrt();
        x = transposed.apply(y.view());
        let largest = x.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        x /= largest;
    }
    norm * 2f64.powi(map.exponent)
}

// One process each, for the memory: cargo test --release --test conv_norm -- --ignored measure_1
#[test]
#[ignore = "seconds to minutes"]
fn measure_1_to_8() {
    measure(8, 1, 28, 1);
}

#[test]
#[ignore = "seconds to minutes"]
fn measure_64_to_64() {
    measure(64, 64, 32, 1);
}

#[test]
#[ignore = "seconds to minutes"]
fn measure_128_to_128() {
    measure(128, 128, 16, 1);
}

#[test]
#[ignore = "seconds to minutes"]
fn measure_512_to_512() {
    measure(512, 512, 4, 1);
}

#[test]
#[ignore = "seconds to minutes"]
fn measure_64_to_128_strided() {
    measure(128, 64, 32, 2);
}

#[test]
#[ignore = "seconds to minutes"]
fn measure_lattice_64_and_512() {
    for (channels, size) in [(64, 224), (512, 64)] {
        let scale = (3.0 / (9.0 * channels as f64)).sqrt();
        let weight = kernel(&[channels, channels, 3, 3], 7).mapv(|x| x * scale);
        let start = std::time::Instant::now();
        let value = structure(&weight, 1, [axis(3, 1, 1, 1, size); 2]).norm_up();
        println!("{channels} {size}x{size}: {value:.8} {:.1?}", start.elapsed());
    }
}

proptest! {
    #![proptest_config(support::cases(60))]
    #[test]
    fn bounds_are_valid(
        out in 1usize..4, inputs in 1usize..4, groups in 1usize..3, taps in (1usize..5, 1usize..4),
        s in 1usize..5, d in 1usize..4, p in 0usize..4, size in (1usize..12, 1usize..10),
        seed in 0u64..1000,
    ) {
        let reach = (taps.0.max(taps.1) - 1) * d + 1;
        let (h, w) = (size.0.max(reach), size.1.max(reach));
        let weight = kernel(&[out * groups, inputs, taps.0, taps.1], seed);
        let map = conv(weight.clone(), &geometry(s, p, d, groups), &[inputs * groups, h, w]);
        let (norm, up) = (svd(&map), map.norm_up(Norm::L2));
        prop_assert!(up >= norm * (1.0 - 1e-13) && up <= norm * (1.0 + 1e-9), "{} {}", norm, up);
        let axes = [axis(taps.0, s, d, p, h), axis(taps.1, s, d, p, w)];
        let structure = structure(&weight, groups, axes);
        let (circle, lattice) = (structure.norm_up(), structure.lattice_norm_up());
        prop_assert!(circle >= norm * (1.0 - 1e-13), "{} {}", norm, circle);
        prop_assert!(lattice >= circle * (1.0 - 1e-12), "{} {}", circle, lattice);
    }
}
