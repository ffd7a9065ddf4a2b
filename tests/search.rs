//! The searches for K and L: against enumeration, sampled points, and each other.
#![allow(clippy::expect_used)] // tests fail by panicking

mod support;

use lipbound::bounds::enumerate::enumerate;
use lipbound::bounds::lower::lower_bounds;
use lipbound::bounds::search::slopes;
use lipbound::bounds::{Certificate, Options, Problem, find};
use lipbound::network::ranges::{Propagation, Ranges};
use lipbound::network::{Activation, InputBox, LoweredNetwork};
use lipbound::numeric::{Interval, Norm};
use proptest::prelude::{Just, Strategy, prop_assert, prop_oneof, proptest};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::random_network;

/// What a finished search may leave open, relatively.
const CLOSED: f64 = 1.0 + 1e-9;

fn piecewise_linear() -> impl Strategy<Value = Activation> {
    prop_oneof![
        4 => Just(Activation::Relu),
        1 => Just(Activation::LeakyRelu { negative_slope: 0.1 }),
        1 => Just(Activation::HardTanh { min: -1.0, max: 1.0 }),
        1 => Just(Activation::Abs),
    ]
}

fn smooth() -> impl Strategy<Value = Activation> {
    prop_oneof![
        1 => Just(Activation::Tanh),
        1 => Just(Activation::Sigmoid),
        1 => Just(Activation::Gelu { approximate: Default::default() }),
        1 => Just(Activation::Elu { alpha: 1.0 }),
    ]
}

fn compute(id: &str, problem: &Problem, norm: Norm) -> Certificate {
    let bound = find(id).expect("a bound");
    bound.compute(problem, norm).unwrap_or_else(|refusal| panic!("{id}: {refusal}"))
}

fn on(network: &LoweredNetwork, sides: &[(f64, f64)]) -> Problem {
    let input = InputBox::new(sides).expect("a box");
    Problem::new(network.on_box(&input).expect("the right dimension"), Options::default())
}

/// A box around a random point, and points of it.
fn random_box(n: usize, seed: u64) -> (Vec<(f64, f64)>, Vec<Vec<f64>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let radius = 10f64.powf(rng.random_range(-2.0..0.5));
    let centre: Vec<f64> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
    let sides: Vec<(f64, f64)> = centre.iter().map(|c| (c - radius, c + radius)).collect();
    let mut point = || sides.iter().map(|&(lo, hi)| rng.random_range(lo..=hi)).collect();
    let points = (0..20).map(|_| point()).collect();
    (sides, points)
}

proptest! {
    #![proptest_config(support::cases(60))]

    /// Enumeration is exact up to its rounding errors, which are part of what it returns.
    #[test]
    fn k_agrees_with_enumeration(
        widths in proptest::collection::vec(1usize..6, 3..6), seed: u64,
        activation in prop_oneof![3 => piecewise_linear(), 1 => smooth()],
    ) {
        let network = random_network(&widths, &activation, seed);
        let problem = support::problem(&network);
        for norm in Norm::ALL {
            let found = slopes::search(&problem, norm);
            let (lower, upper) = enumerate(problem.chain(), norm);
            prop_assert!(found.lower <= upper && lower <= found.upper, "{norm}: {found:?} {lower} {upper}");
            prop_assert!(found.upper <= found.lower * CLOSED, "{norm}: {found:?}");
        }
    }

    /// L is at least the norm of every Jacobian, at most K, and the search for it ends.
    #[test]
    fn l_lies_between_points_and_k(
        widths in proptest::collection::vec(1usize..5, 3..5), seed: u64, activation in piecewise_linear(),
    ) {
        let network = random_network(&widths, &activation, seed);
        let problem = support::problem(&network);
        let sampled = lower_bounds(&problem, &Norm::ALL);
        for (norm, sampled) in Norm::ALL.into_iter().zip(sampled) {
            let (l, k) = (compute("l", &problem, norm), compute("k", &problem, norm));
            let lower = l.lower.expect("an enclosure");
            prop_assert!(sampled <= l.upper, "{norm}: a point has {sampled}, L <= {}", l.upper);
            prop_assert!(lower <= k.upper, "{norm}: L >= {lower}, K <= {}", k.upper);
            prop_assert!(l.upper <= lower * CLOSED, "{norm}: {l:?}");
        }
    }

    /// The arguments at points of a box lie in their ranges, with any activation.
    #[test]
    fn ranges_contain_the_arguments(
        widths in proptest::collection::vec(1usize..6, 3..6), seed: u64,
        activation in prop_oneof![1 => piecewise_linear(), 1 => smooth()],
    ) {
        let network = random_network(&widths, &activation, seed).lower().expect("a network");
        let (sides, points) = random_box(widths[0], seed);
        let input = InputBox::new(&sides).expect("a box");
        let limits = Ranges::unlimited(&network);
        let ranges = Propagation::new(&network).ranges(&input, &limits).expect("points");
        for x in points {
            let mut state: Vec<Interval> = x.iter().map(|&x| Interval::point(x)).collect();
            for (r, stage) in network.stages.iter().enumerate() {
                let z = network.affine(r, &state);
                for (k, z) in z.iter().enumerate() {
                    let range = ranges.arguments[r][k];
                    // z is an enclosure itself: it has to meet the range.
                    prop_assert!(z.intersect(range).is_some(), "stage {r} neuron {k}: {z}, {range}");
                }
                state = stage.values(&z);
            }
        }
    }

    /// Every bound on a box holds for the Jacobians there, and none exceeds the bound everywhere; L of a
    /// part of the box is not larger.
    #[test]
    fn bounds_on_boxes(
        widths in proptest::collection::vec(1usize..5, 3..5), seed: u64,
        activation in prop_oneof![3 => piecewise_linear(), 1 => smooth()],
    ) {
        let network = random_network(&widths, &activation, seed);
        let everywhere = support::problem(&network);
        let (sides, _) = random_box(widths[0], seed);
        let local = on(everywhere.network(), &sides);
        let sampled = lower_bounds(&local, &Norm::ALL);
        let inner: Vec<(f64, f64)> =
            sides.iter().map(|&(lo, hi)| (0.75 * lo + 0.25 * hi, 0.25 * lo + 0.75 * hi)).collect();
        let part = on(everywhere.network(), &inner);
        for (norm, sampled) in Norm::ALL.into_iter().zip(sampled) {
            for id in ["k_star", "k1", "k2", "k3", "k4", "k5", "k_sdp", "k_l2", "k"] {
                let (here, all) = (compute(id, &local, norm), compute(id, &everywhere, norm));
                prop_assert!(sampled <= here.upper, "{id} {norm}: {} at a point, {}", sampled, here.upper);
                // K1, K2, K4 and Kl2 are not monotone in the intervals: a shift of the centres moves a part of one
                // norm of their sum to another, and norms of parts add up to more than that of the whole.
                // Ksdp is within 1e-6 of its optimum.
                if !["k1", "k2", "k4", "k_l2"].contains(&id) {
                    prop_assert!(
                        here.upper <= all.upper * (1.0 + 1e-6),
                        "{id} {norm}: {} {}", here.upper, all.upper
                    );
                }
            }
            if activation.is_piecewise_linear() {
                let (l, smaller) = (compute("l", &local, norm), compute("l", &part, norm));
                let (lower, upper) = (l.lower.expect("an enclosure"), l.upper);
                prop_assert!(sampled <= upper, "{norm}: {sampled} at a point, L <= {upper}");
                prop_assert!(upper <= lower * CLOSED, "{norm}: {l:?}");
                prop_assert!(smaller.lower.expect("an enclosure") <= upper, "{norm}: {smaller:?} {l:?}");
            }
        }
    }
}

/// f(x, y) = |x| + R(y - 3): on the box [1, 2] x [0, 1] it is x, so L = 1 in every norm; everywhere
/// the gradient is (+-1, 0) or (+-1, 1), of length 1 (l1: the largest component), sqrt 2 and 2.
#[test]
fn a_network_by_hand() {
    use lipbound::network::layers::dense::Dense;
    use lipbound::network::{Layer, Network};
    use ndarray::{arr1, arr2};
    let layers: Vec<std::sync::Arc<dyn Layer>> = vec![
        std::sync::Arc::new(
            Dense::new(arr2(&[[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), arr1(&[0.0, 0.0, -3.0]))
                .expect("shapes"),
        ),
        std::sync::Arc::new(Activation::Relu),
        std::sync::Arc::new(Dense::new(arr2(&[[1.0, 1.0, 1.0]]), arr1(&[0.0])).expect("shapes")),
    ];
    let network = Network::sequential("by hand", vec![2], layers).expect("shapes");
    let problem = support::problem(&network);
    let near = |c: &Certificate, value: f64| {
        let lower = c.lower.expect("an enclosure");
        assert!(
            lower <= value * (1.0 + 1e-15) && c.upper >= value && c.upper <= value * CLOSED,
            "{c:?}"
        );
    };
    for (norm, value) in [(Norm::L1, 1.0), (Norm::L2, 2f64.sqrt()), (Norm::Linf, 2.0)] {
        near(&compute("l", &problem, norm), value);
        // The slopes of x and -x do not exclude each other in K: both 1 gives 0, so K = L here.
        near(&compute("k", &problem, norm), value);
        let local = on(problem.network(), &[(1.0, 2.0), (0.0, 1.0)]);
        near(&compute("l", &local, norm), 1.0);
        near(&Certificate { lower: Some(1.0), ..compute("k5", &local, norm) }, 1.0);
        // x is held constant: nothing moves.
        let constant = on(problem.network(), &[(1.0, 1.0), (0.0, 1.0)]);
        assert_eq!(compute("l", &constant, norm).upper, 0.0);
    }
}

/// What is printed when a search is stopped is an interval that holds.
#[test]
fn stopped_searches_hold() {
    let network = random_network(&[4, 8, 8, 2], &Activation::Relu, 3);
    let lowered = network.lower().expect("a network");
    let finished = support::problem(&network);
    for limit in [0, 1, 3, 10, 40] {
        let options = Options { node_limit: limit, ..Options::default() };
        let stopped = Problem::new(lowered.clone(), options);
        for norm in Norm::ALL {
            for id in ["k", "l"] {
                let (part, whole) = (compute(id, &stopped, norm), compute(id, &finished, norm));
                let (low, high) = (part.lower.expect("an enclosure"), part.upper);
                assert!(
                    low <= whole.upper && whole.lower.expect("an enclosure") <= high,
                    "{id} {norm}"
                );
            }
        }
    }
}

/// The same search, the same numbers, whatever the number of threads.
#[test]
fn threads_do_not_matter() {
    let network = random_network(&[4, 8, 8, 2], &Activation::Relu, 5);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let problem = support::problem(&network);
            ["k", "l"].map(|id| Norm::ALL.map(|norm| compute(id, &problem, norm)))
        })
    };
    assert_eq!(run(1), run(3));
}
