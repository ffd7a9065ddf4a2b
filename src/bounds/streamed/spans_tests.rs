//! Products that end early, against the recursion with matrices written out.
#![allow(clippy::expect_used)] // a failed construction should stop the test

use std::sync::Arc;

use ndarray::{Array1, Array2, Array4};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::bounds::k5::apply_up;
use crate::bounds::streamed::{Streamed, Wanted};
use crate::bounds::{Options, Problem};
use crate::network::layers::add::Add;
use crate::network::layers::conv::{Conv, Geometry};
use crate::network::layers::dense::Dense;
use crate::network::layers::flatten::Flatten;
use crate::network::layers::window::PerAxis;
use crate::network::{
    Activation, Chain, Diagonal, Layer, LinearMap, LoweredNetwork, Network, Node, Slopes,
};
use crate::numeric::rounding::coarse;
use crate::numeric::{Matrix, Norm};

/// Two residual blocks, the second one with a stride and a shortcut 1x1, and a dense layer. Weights are small
/// integers, centres 1/2 and 1: nothing is rounded.
fn residual() -> LoweredNetwork {
    let mut nodes: Vec<Node> = Vec::new();
    let mut push = |layer: Arc<dyn Layer>, inputs: Vec<usize>| {
        nodes.push(Node::new(format!("node {}", nodes.len()), layer, inputs));
        nodes.len()
    };
    let relu = || -> Arc<dyn Layer> { Arc::new(Activation::Relu) };
    let conv = |out: usize, inputs: usize, taps: usize, stride: usize| -> Arc<dyn Layer> {
        let entry = |(o, i, y, x): (usize, usize, usize, usize)| {
            ((3 * o + 5 * i + 7 * y + 2 * x + o * y + stride) % 5) as f64 - 2.0
        };
        let weight = Array4::from_shape_fn((out, inputs, taps, taps), entry).into_dyn();
        let geometry = Geometry {
            stride: Some(PerAxis::All(stride)),
            padding: Some(PerAxis::All(taps / 2)),
            groups: 1,
            ..Geometry::default()
        };
        Arc::new(Conv::new(2, weight, None, &geometry).expect("a kernel"))
    };
    let mut top = push(conv(2, 1, 3, 1), vec![0]);
    top = push(relu(), vec![top]);
    for (channels, stride) in [(2, 1), (3, 2)] {
        let inner = push(conv(channels, 2, 3, stride), vec![top]);
        let inner = push(relu(), vec![inner]);
        let inner = push(conv(channels, channels, 3, 1), vec![inner]);
        let shortcut =
            if stride == 1 { top } else { push(conv(channels, 2, 1, stride), vec![top]) };
        let sum = push(Arc::new(Add::new(Vec::new()).expect("no signs")), vec![inner, shortcut]);
        top = push(relu(), vec![sum]);
    }
    top = push(Arc::new(Flatten), vec![top]);
    let weight = Array2::from_shape_fn((2, 147), |(i, j)| ((i + 2 * j) % 5) as f64 - 2.0);
    push(Arc::new(Dense::new(weight, Array1::zeros(2)).expect("finite weights")), vec![top]);
    let input_shape = vec![1, 13, 14];
    let network = Network {
        name: "residual".into(),
        input_shape,
        nodes,
        assumed: Vec::new(),
        notes: Vec::new(),
    };
    network.lower().expect("affine stages")
}

/// The work of all products, and of those that are needed in any case.
fn works(chain: &Chain) -> [f64; 2] {
    let options = Options { product_work: 0.0, ..Options::default() };
    Streamed::new(chain, &options, "K5", Wanted::Branching).spans.work
}

/// `v_(l+1)` for the ends of products that are given, by the formula.
fn written_out(chain: &Chain, end: impl Fn(usize) -> usize, start: &Array2<f64>) -> Array2<f64> {
    let slopes = |s: usize| chain.slopes()[s - 1].diagonal().expect("no pooling");
    let scaled =
        |x: &Array2<f64>, factors: Vec<f64>| Array2::from_diag(&Array1::from(factors)).dot(x);
    let mut v = vec![start.clone()];
    for t in 1..=chain.depth() + 1 {
        let mut product = chain.maps()[t - 1].matrix.to_dense();
        let mut sum = Array2::zeros((product.nrows(), start.ncols()));
        for s in (end(t)..t).rev() {
            let x = match s {
                0 => start.clone(),
                s if s == end(t) => scaled(&v[s], slopes(s).magnitude().collect()),
                s => scaled(&v[s], slopes(s).radius().to_vec()),
            };
            sum += &product.mapv(f64::abs).dot(&x);
            if s > 0 {
                product = product.dot(&scaled(
                    &chain.maps()[s - 1].matrix.to_dense(),
                    slopes(s).centre().to_vec(),
                ));
            }
        }
        v.push(sum);
    }
    v.swap_remove(chain.depth() + 1)
}

#[test]
fn products_end_where_the_work_ends() {
    let network = residual();
    let chain = &network.chain;
    assert_eq!(chain.depth(), 5);
    let transposed = chain.transposed().expect("no pooling");
    let [whole, least] = works(chain);
    let mut lengths = Vec::new();
    for share in [1.0, 0.75, 0.5, 0.25, 0.1, 0.0] {
        let options = Options { product_work: share * whole, ..Options::default() };
        let streamed = Streamed::new(chain, &options, "K5", Wanted::Branching);
        let end = |t: usize| streamed.spans.early_end(t);
        // Behind the first convolution of a block something passes.
        assert!((1..=6).all(|t| [0, 1, 3, 5].contains(&end(t))), "{share}");
        assert!(streamed.spans.work[1] <= options.product_work.max(least));
        assert_eq!(streamed.remark("K3").is_none(), share == 1.0);
        lengths.push((1..=6).map(|t| t - end(t)).sum::<usize>());
        // Sums are exact; adding them up rounds up, by less than a part in 2^52 each.
        let close = |found: &Array2<f64>, wanted: &Array2<f64>| {
            let near = |(a, b): (&f64, &f64)| a >= b && *a <= b * (1.0 + 1e-12);
            found.dim() == wanted.dim() && found.iter().zip(wanted).all(near)
        };
        let ones = Array2::ones((chain.inputs(), 1));
        let found = apply_up(chain, &streamed, ones.clone());
        assert!(close(&found, &written_out(chain, end, &ones)), "{share}");
        // M^T I is the transpose of M I.
        let all = written_out(chain, end, &Array2::eye(chain.inputs()));
        let unit = Array2::eye(chain.outputs());
        let found = streamed.transposed_apply_up(&transposed, unit);
        assert!(close(&found, &all.reversed_axes()), "{share}");
    }
    assert!(lengths.windows(2).all(|pair| pair[0] >= pair[1]) && lengths[0] > lengths[5]);
}

#[test]
fn residual_blocks_share_rows() {
    let network = residual();
    let chain = &network.chain;
    let options = Options::default();
    let streamed = Streamed::new(chain, &options, "K5", Wanted::Branching);
    assert!(streamed.convolutions[..5].iter().all(Option::is_some));
    // The rows of the two channels of 182 elements that pass through the first block are not wanted.
    let has = |row: usize| Wanted::Branching.has(chain, 2, row);
    assert!((0..364).all(has) && !(364..728).any(has));
    assert!((0..728).all(|row| Wanted::All.has(chain, 2, row)));
}

/// The definition does not depend on the arithmetic: in one in which every sum has nearly the error that it may have,
/// the bound is not below that of ordinary arithmetic, which is above the definition by 1e-12 at most.
#[test]
fn errors_of_products_that_end_early_are_counted() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut map = |m, n| {
        let entries = Array2::from_shape_simple_fn((m, n), || rng.random_range(0.5..1.0));
        LinearMap::new(Matrix::dense(entries))
    };
    let slopes = |alpha: f64| Slopes::Componentwise(Diagonal::new(vec![alpha; 3], vec![0.75; 3]));
    let maps = vec![map(3, 2), map(3, 3), map(3, 3), map(3, 3), map(2, 3)];
    let chain = Chain::new(maps, [0.25, 0.7, 0.0, 0.5].map(slopes).to_vec());
    let transposed = chain.transposed().expect("no pooling");
    for share in [1.0, 0.5, 0.0] {
        let bounds = || {
            let options = Options { product_work: share * works(&chain)[0], ..Options::default() };
            let streamed = Streamed::new(&chain, &options, "K5", Wanted::Branching);
            let found = apply_up(&chain, &streamed, Array2::eye(2));
            [found, streamed.transposed_apply_up(&transposed, Array2::eye(2))]
        };
        let plain = bounds();
        for (wrong, plain) in coarse::with(53, 1e-3, bounds).iter().zip(&plain) {
            for (wrong, plain) in wrong.iter().zip(plain) {
                assert!(*wrong >= plain * (1.0 - 1e-12) && *wrong < 1.5 * plain, "{wrong} {plain}");
            }
        }
    }
}

/// A stage whose slopes are all fixed has no row that is wanted.
#[test]
fn a_stage_of_fixed_slopes_takes_no_work() {
    let weight = |out: usize, inputs: usize| {
        Array4::from_shape_fn((out, inputs, 3, 3), |(o, i, y, x)| (o + i + y + x) as f64 - 3.0)
    };
    let geometry = Geometry { padding: Some(PerAxis::All(1)), groups: 1, ..Geometry::default() };
    let conv = |out, inputs| -> Arc<dyn Layer> {
        Arc::new(Conv::new(2, weight(out, inputs).into_dyn(), None, &geometry).expect("a kernel"))
    };
    let fixed = || -> Arc<dyn Layer> { Arc::new(Activation::LeakyRelu { negative_slope: 1.0 }) };
    let dense = |rows: usize, columns: usize| -> Arc<dyn Layer> {
        let weight = Array2::from_shape_fn((rows, columns), |(i, j)| ((i + j) % 3) as f64 - 1.0);
        Arc::new(Dense::new(weight, Array1::zeros(rows)).expect("finite weights"))
    };
    let relu = || -> Arc<dyn Layer> { Arc::new(Activation::Relu) };
    let images = vec![conv(2, 1), fixed(), conv(1, 2), relu(), conv(1, 1)];
    let vectors = vec![dense(4, 3), fixed(), dense(3, 4), relu(), dense(2, 3)];
    for (shape, layers) in [(vec![1, 9, 8], images), (vec![3], vectors)] {
        let network = Network::sequential("fixed", shape, layers).expect("shapes");
        let lowered = network.lower().expect("affine stages");
        let bound = |memory_limit: usize, norm: Norm| {
            let options = Options { memory_limit, ..Options::default() };
            let problem = Problem::new(lowered.clone(), options);
            let bound = crate::bounds::find("k5").expect("a bound");
            bound.compute(&problem, norm).expect("enough memory").upper
        };
        for norm in Norm::ALL {
            assert!((bound(0, norm) / bound(1 << 30, norm) - 1.0).abs() < 1e-12, "{norm}");
        }
    }
}

#[test]
fn early_ends_are_said_and_lie_between_k5_and_k3() {
    let lowered = residual();
    let bound = |id: &str, norm: Norm, memory_limit: usize, product_work: f64| {
        let options = Options { memory_limit, product_work, ..Options::default() };
        let problem = Problem::new(lowered.clone(), options);
        let bound = crate::bounds::find(id).expect("a bound");
        bound.compute(&problem, norm).expect("enough memory")
    };
    let all = 1 << 30;
    let [whole, _] = works(&lowered.chain);
    for (id, above, norms) in
        [("k5", "k3", Norm::ALL.as_slice()), ("k1", "k_star", &[Norm::L1, Norm::Linf])]
    {
        for &norm in norms {
            let least = bound(id, norm, all, 0.0);
            assert_eq!(least.note, None);
            let most = bound(above, norm, all, 0.0).upper;
            let uncut = bound(id, norm, 0, f64::INFINITY);
            assert!((uncut.upper / least.upper - 1.0).abs() < 1e-12 && uncut.note.is_none());
            let mut last = least.upper;
            for share in [0.5, 0.2, 0.0] {
                let work = share * whole;
                let found = bound(id, norm, 0, work);
                let note = found.note.expect("a remark");
                assert!(note.contains("end early"), "{note}");
                assert!(found.upper >= last * (1.0 - 1e-12), "{id} {norm} {work}");
                assert!(found.upper <= most * (1.0 + 1e-12), "{id} {norm} {work}");
                last = found.upper;
            }
        }
    }
}
