//! The time of the l2 norm of convolutions, from the kernel alone.
#![allow(clippy::expect_used, missing_docs)] // criterion's macro; a failed bound should stop the run

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lipbound::numeric::conv_norm::{ConvAxis, Convolution};
use ndarray::Array4;
use rand::{Rng, SeedableRng};

/// A random 3x3 kernel with padding 1.
fn convolution(out: usize, inputs: usize, size: usize, stride: usize) -> Convolution {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let kernel = Array4::from_shape_simple_fn((out, inputs, 3, 3), || rng.random_range(-1.0..1.0));
    let windows = (size - 1) / stride + 1;
    let axis = ConvAxis { taps: 3, stride, dilation: 1, padding: 1, inputs: size, windows };
    Convolution::new(kernel, 1, [axis; 2]).expect("a valid convolution")
}

fn kernels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("norm of a convolution");
    group.sample_size(10);
    for (out, inputs, size, stride) in
        [(8, 1, 28, 1), (64, 64, 32, 1), (128, 64, 32, 2), (128, 128, 16, 1)]
    {
        let id = BenchmarkId::from_parameter(format!("{inputs}->{out} {size}x{size}/{stride}"));
        let convolution = convolution(out, inputs, size, stride);
        group.bench_with_input(id, &convolution, |bench, c| bench.iter(|| c.norm_up()));
    }
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
