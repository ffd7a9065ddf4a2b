//! Products of a chain, their errors and what K4 and K5 make of them, one by one against exact arithmetic. In a
//! whole bound the slack of the other error terms hides one that is missing; here it does not.
#![allow(clippy::expect_used)] // tests fail by panicking

mod support;

use lipbound::bounds::k4::Blocks;
use lipbound::bounds::k5::{Cut, Errors};
use lipbound::bounds::product_norms::ProductNorms;
use lipbound::bounds::products::Products;
use lipbound::bounds::search::expansion::Layers;
use lipbound::network::{Chain, Diagonal, LinearMap, Slopes};
use lipbound::numeric::{Matrix, Norm};
use ndarray::{Array2, arr2, s};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::oracle::{Dyadic, Exact, Oracle};

/// A chain with what exact arithmetic makes of it: of its maps, of their absolute values, and of these with
/// their radii.
struct Case {
    chain: Chain,
    maps: [Oracle; 3],
    /// Of the maps that are as far from the stored ones as their radii allow.
    moved: Oracle,
    rng: ChaCha8Rng,
}

impl Case {
    /// Three hidden layers, slopes with all their bits, and a map with a radius far above the rounding errors.
    fn new(seed: u64) -> Case {
        Case::with_radius(seed, 1e-9)
    }

    /// The radius is so many times a random number, or there is none for 0.
    fn with_radius(seed: u64, size: f64) -> Case {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let weights: Vec<Array2<f64>> =
            [(4, 3), (5, 4), (4, 5), (3, 4)].map(|shape| matrix(shape, &mut rng)).into();
        let radius = matrix(weights[2].dim(), &mut rng).mapv(|x| size * x.abs());
        let map = |(k, w): (usize, &Array2<f64>)| {
            let radius = (k == 2 && size > 0.0).then(|| Matrix::dense(radius.clone()));
            LinearMap::with_radius(Matrix::dense(w.clone()), radius)
        };
        // A point, of which the centre is not rounded.
        let slopes = weights[..3].iter().map(|w| {
            let points = vec![0.55; w.nrows()];
            Slopes::Componentwise(Diagonal::new(points.clone(), points))
        });
        let chain = Chain::new(weights.iter().enumerate().map(map).collect(), slopes.collect());
        // As the chain holds them: products leave its powers of two out.
        let exact = |m: &Matrix| Exact::of(&m.to_dense());
        let values: Vec<Exact> = chain.maps().iter().map(|map| exact(&map.matrix)).collect();
        let sizes: Vec<Exact> = values.iter().map(Exact::abs).collect();
        let magnitudes = chain.maps().iter().zip(&sizes).map(|(map, size)| {
            map.radius.as_ref().map_or(size.clone(), |radius| size.plus(&exact(radius)))
        });
        let moved = chain.maps().iter().zip(&values).map(|(map, value)| {
            map.radius.as_ref().map_or(value.clone(), |radius| value.plus(&exact(radius)))
        });
        let moved = Oracle::of(moved.collect(), &chain);
        let maps = [values, sizes.clone(), magnitudes.collect()];
        Case { maps: maps.map(|maps| Oracle::of(maps, &chain)), moved, chain, rng }
    }

    /// `W~_(t,s)`, `A_(t,s)` and `B_(t,s)` of the module [`products`](lipbound::bounds::products).
    fn definition(&self, t: usize, s: usize) -> [Exact; 3] {
        let [w, sizes, a] = self.maps.each_ref().map(|oracle| oracle.product(t, s));
        let b = a.minus(&sizes);
        [w, a, b]
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        (1..=self.chain.depth() + 1).flat_map(|t| (0..t).map(move |s| (t, s)))
    }
}

fn matrix((rows, columns): (usize, usize), rng: &mut ChaCha8Rng) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |_| rng.random_range(-1.0..1.0))
}

fn at_most(a: &Exact, b: &Exact) -> bool {
    a.entries().zip(b.entries()).all(|(a, b)| a <= b)
}

/// `factor a + constant`, entry by entry.
fn affine(a: &Exact, factor: f64, constant: f64) -> Exact {
    a.map(|_, x| x.times(&Dyadic::of(factor)).plus(&Dyadic::of(constant)))
}

#[test]
fn errors_of_products_cover_what_was_rounded() {
    let mut below = 0;
    for case in (0..20).map(Case::new) {
        let products = Products::new(&case.chain);
        for (t, s) in case.pairs() {
            let [w, a, _] = case.definition(t, s);
            let product = products.get(t, s);
            let computed = Exact::of(&product.value.to_dense());
            let bound = affine(&a, product.error.relative, product.error.absolute);
            assert!(at_most(&w.minus(&computed).abs(), &bound), "({t}, {s})");
            let sizes = (w.abs(), computed.abs());
            below += sizes.0.entries().zip(sizes.1.entries()).filter(|(w, p)| p < w).count();
        }
    }
    // The products that a magnitude without an error would not cover.
    assert!(below > 500, "only {below} were rounded down");
}

#[test]
fn the_blocks_of_k4_are_not_below_the_exact_products() {
    for mut case in (0..20).map(Case::new) {
        let products = Products::new(&case.chain);
        let product = |t: usize, s: usize| products.get(t, s).clone();
        // Any nonnegative columns in the place of beginnings, of another number behind each cut.
        let mut cuts = vec![columns(&case.chain, 0, &mut case.rng)];
        let mut blocks = Blocks::new(&case.chain, &product, cuts[0].clone());
        for t in 1..=case.chain.depth() + 1 {
            let through = blocks.next_up();
            let mut first = 0;
            for (s, x) in cuts.iter().enumerate() {
                let [w, _, b] = case.definition(t, s);
                let end = first + x.ncols();
                let bound = through.slice(s![.., first..end]).to_owned();
                let exact = w.abs().plus(&b).multiply(&Exact::of(x));
                assert!(at_most(&exact, &Exact::of(&bound)), "({t}, {s})");
                // Rounding and its bounds are below 1e-13, and no column of absolute values cancels.
                let most = affine(&Exact::of(&bound), 1.0 - 1e-12, 0.0);
                assert!(at_most(&most, &exact), "({t}, {s}) is not tight");
                first = end;
            }
            assert_eq!(through.ncols(), first);
            if t <= case.chain.depth() {
                cuts.push(columns(&case.chain, t, &mut case.rng));
                blocks.cut(cuts[t].clone());
            }
        }
    }
}

#[test]
fn norms_of_products_are_not_below_those_of_the_exact_products() {
    let mut missed = 0;
    for case in (0..20).map(Case::new) {
        let products = Products::new(&case.chain);
        for norm in [Norm::L1, Norm::Linf] {
            let norms = ProductNorms::new(&case.chain, &products, norm);
            for (t, s) in case.pairs() {
                let [w, a, b] = case.definition(t, s);
                let bound = Dyadic::of(norms.get(t, s));
                let largest = w.abs().plus(&b).norm(norm);
                assert!(bound >= largest.lower, "{norm} ({t}, {s})");
                // The norm of what was computed, with the radius, but without its rounding.
                let computed = Exact::of(&products.get(t, s).value.to_dense()).abs().plus(&b);
                missed += usize::from(computed.norm(norm).upper < largest.lower);
                // The radii are 1e-9 of the weights, but their norms and those of the other maps are multiplied
                // one by one, which may exceed the norm of A a hundred times; the rounding is far below.
                let most = w.abs().norm(norm).upper.plus(&affine(&a, 1e-7, 0.0).norm(norm).upper);
                assert!(bound <= most, "{norm} ({t}, {s}) is not tight");
            }
        }
    }
    assert!(missed > 50, "only {missed} norms were rounded down");
}

#[test]
fn distances_in_l2_are_not_below_those_of_the_exact_products() {
    let mut missed = 0;
    for (radius, tight) in [(0.0, 1e-12), (1e-9, 1e-6)] {
        for case in (0..20).map(|seed| Case::with_radius(seed, radius)) {
            let products = Products::new(&case.chain);
            let norms = ProductNorms::new(&case.chain, &products, Norm::L2);
            for (t, s) in case.pairs() {
                let computed = Exact::of(&products.get(t, s).value.to_dense());
                let difference = case.moved.product(t, s).minus(&computed);
                let distance = norms.distance(t, s);
                assert!(difference.spectral_norm_at_most(&Dyadic::of(distance)), "({t}, {s})");
                missed += usize::from(!difference.spectral_norm_at_most(&Dyadic::of(0.0)));
                // Norms of maps are below 5, of products below 100; a sum of 5 terms, or a radius, is off by 1e-15
                // or 1e-9 of each.
                assert!(distance < tight, "({t}, {s}): {distance}");
                let norm = Dyadic::of(norms.get(t, s));
                assert!(case.moved.product(t, s).spectral_norm_at_most(&norm), "({t}, {s})");
            }
        }
    }
    assert!(missed > 100, "only {missed} products were rounded");
}

#[test]
fn lengths_are_not_below_the_exact_ones() {
    for case in (0..20).map(Case::new) {
        let products = Products::new(&case.chain);
        let norms = ProductNorms::new(&case.chain, &products, Norm::L2);
        for norm in [Norm::L1, Norm::Linf] {
            for (t, s) in case.pairs() {
                // The sums of the squares of the columns, or of the rows.
                let squares = case.moved.product(t, s).map(|_, x| x.times(x));
                let squares = if norm == Norm::L1 { squares.transposed() } else { squares };
                let ones = Exact::of(&Array2::ones((squares.rows[0].len(), 1)));
                let sums = squares.multiply(&ones);
                let found = norms.lengths_up(&products, (t, s), norm);
                assert_eq!(found.len(), sums.entries().count());
                for (bound, sum) in found.into_iter().zip(sums.entries()) {
                    let square = Dyadic::of(bound).times(&Dyadic::of(bound));
                    assert!(square >= *sum, "{norm} ({t}, {s})");
                    assert!(bound <= norms.get(t, s), "{norm} ({t}, {s})");
                    let room = Dyadic::of(1.0 + 1e-6);
                    assert!(square <= sum.times(&room), "{norm} ({t}, {s}) is not tight");
                }
            }
        }
    }
}

#[test]
fn expansions_are_not_below_the_exact_rows() {
    let mut missed = 0;
    for case in (0..50).map(|seed| Case::with_radius(seed, 0.0)) {
        let chain = &case.chain;
        let ends = |slopes: &Slopes| {
            let d = slopes.diagonal().expect("activations");
            d.alpha().iter().copied().zip(d.beta().iter().copied()).collect::<Vec<_>>()
        };
        let slopes: Vec<Vec<(f64, f64)>> = chain.slopes().iter().map(ends).collect();
        let rows: Vec<usize> = (0..chain.outputs()).collect();
        let found = Layers::new(chain).expand(&slopes, &rows, Norm::Linf).bounds;
        // The slopes are points, so there is one matrix, and the bounds are its row sums.
        let [w, ..] = case.definition(chain.depth() + 1, 0);
        let sums = w.abs().multiply(&Exact::of(&Array2::ones((chain.inputs(), 1))));
        let product = Products::new(chain).get(chain.depth() + 1, 0).value.to_dense();
        for ((exact, &bound), row) in sums.entries().zip(&found).zip(product.rows()) {
            let slack = affine(&Exact::of(&arr2(&[[bound]])), 1.0 - 1e-12, 0.0);
            assert!(Dyadic::of(bound) >= *exact, "{bound}");
            assert!(slack.entries().all(|least| least <= exact), "{bound} is not tight");
            missed += usize::from(Dyadic::of(row.iter().map(|x| x.abs()).sum()) < *exact);
        }
    }
    assert!(missed > 20, "only {missed} rows were rounded down");
}

/// Nonnegative columns that fit behind a cut, one more than its number.
fn columns(chain: &Chain, cut: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    matrix((chain.maps()[cut].columns(), cut + 1), rng).mapv(f64::abs)
}

#[test]
fn the_errors_of_k5_are_those_of_its_products() {
    for mut case in (0..20).map(Case::new) {
        let products = Products::new(&case.chain);
        let mut errors = Errors::default();
        let mut cuts: Vec<Cut> = Vec::new();
        for t in 1..=case.chain.depth() + 1 {
            // Any nonnegative columns in the place of R_s v_s.
            let n = case.chain.maps()[t - 1].columns();
            cuts.push((t - 1, matrix((n, 2), &mut case.rng).mapv(f64::abs)));
            errors.extend(&case.chain, t, cuts[t - 1].1.view());
            let total = Exact::of(&errors.total_up(&products, t, &cuts));
            // sum over s of (relative A + absolute + B) R_s v_s.
            let parts = cuts.iter().map(|(s, x)| {
                let ([_, a, b], error) = (case.definition(t, *s), products.get(t, *s).error);
                affine(&a, error.relative, error.absolute).plus(&b).multiply(&Exact::of(x))
            });
            let expected = parts.reduce(|a, b| a.plus(&b)).expect("a cut");
            assert!(at_most(&expected, &total), "layer {t}");
        }
    }
}
