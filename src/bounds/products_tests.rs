//! Products, their errors and what K4 and K5 make of them, against rational arithmetic. In a whole bound the
//! slack of the other error bounds hides one that is missing; here it does not.

use dashu::rational::RBig;
use ndarray::Array2;

use super::*;
use crate::bounds::k5::{Cut, Errors};
use crate::network::Diagonal;

type Exact = Vec<Vec<RBig>>;

fn exact(x: f64) -> RBig {
    RBig::try_from(x).expect("a finite number is a rational")
}

fn size(x: RBig) -> RBig {
    if x < RBig::ZERO { -x } else { x }
}

fn entries(a: &Array2<f64>) -> Exact {
    a.outer_iter().map(|row| row.iter().map(|&x| exact(x)).collect()).collect()
}

fn each(a: &Exact, f: impl Fn(usize, &RBig) -> RBig) -> Exact {
    a.iter().map(|row| row.iter().enumerate().map(|(j, x)| f(j, x)).collect()).collect()
}

fn sum(a: &Exact, b: &Exact, sign: i8) -> Exact {
    let rows = a.iter().zip(b);
    rows.map(|(a, b)| a.iter().zip(b).map(|(x, y)| x + y * RBig::from(sign)).collect()).collect()
}

fn multiply(a: &Exact, b: &Exact) -> Exact {
    let columns = b[0].len();
    let entry = |row: &Vec<RBig>, j: usize| {
        row.iter().zip(b).map(|(x, b)| x * &b[j]).fold(RBig::ZERO, |a, x| a + x)
    };
    a.iter().map(|row| (0..columns).map(|j| entry(row, j)).collect()).collect()
}

/// Numbers with all their bits, from -1 to 1.
fn number(seed: usize, i: usize, j: usize) -> f64 {
    (1.0 + 12.9898 * seed as f64 + 78.233 * i as f64 + 37.719 * j as f64).sin()
}

fn matrix(seed: usize, (rows, columns): (usize, usize)) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(i, j)| number(seed, i, j))
}

/// Three hidden layers, the slopes of a leaky ReLU with a slope that is no dyadic number, and a map with a radius.
fn chain(seed: usize) -> Chain {
    let shapes = [(4, 3), (5, 4), (4, 5), (3, 4)];
    let map = |(k, &shape): (usize, &(usize, usize))| {
        // Far above the rounding errors, so that a radius that is missing shows.
        let radius =
            (k == 2).then(|| Matrix::dense(matrix(seed + 50, shape).mapv(|x| 1e-9 * x.abs())));
        LinearMap::with_radius(Matrix::dense(matrix(seed + k, shape)), radius)
    };
    let slopes =
        |&(n, _): &(usize, usize)| Slopes::Componentwise(Diagonal::new(vec![0.1; n], vec![1.0; n]));
    let maps: Vec<LinearMap> = shapes.iter().enumerate().map(map).collect();
    Chain::new(maps, shapes[..3].iter().map(slopes).collect())
}

/// `|W~_(t,s)|`, `A_(t,s)` and `B_(t,s)` as they are defined.
fn definition(chain: &Chain, t: usize, s: usize) -> [Exact; 3] {
    let dense = |m: &Matrix| entries(&m.to_dense());
    let part = |k: usize| {
        let w = dense(&chain.maps()[k].matrix);
        let sizes = each(&w, |_, x| size(x.clone()));
        let magnitude = match &chain.maps()[k].radius {
            Some(r) => sum(&sizes, &dense(r), 1),
            None => sizes.clone(),
        };
        [w, sizes, magnitude]
    };
    let mut product = part(s);
    for k in s + 1..t {
        let Slopes::Componentwise(d) = &chain.slopes()[k - 1] else { unreachable!("no pools") };
        let centred = part(k).map(|m| each(&m, |j, x| x * exact(d.centre()[j])));
        product = std::array::from_fn(|i| multiply(&centred[i], &product[i]));
    }
    let [w, sizes, magnitude] = product;
    let b = sum(&magnitude, &sizes, -1);
    [each(&w, |_, x| size(x.clone())), magnitude, b]
}

fn pairs(chain: &Chain) -> Vec<(usize, usize)> {
    (1..=chain.depth() + 1).flat_map(|t| (0..t).map(move |s| (t, s))).collect()
}

#[test]
fn errors_of_products_cover_what_was_rounded() {
    let mut below = 0;
    for seed in 0..20 {
        let chain = chain(100 * seed);
        let products = Products::new(&chain);
        for (t, s) in pairs(&chain) {
            let [w, a, _] = definition(&chain, t, s);
            let Product { value, error } = products.get(t, s);
            let computed = each(&entries(&value.to_dense()), |_, x| size(x.clone()));
            for ((w, p), a) in
                w.iter().flatten().zip(computed.iter().flatten()).zip(a.iter().flatten())
            {
                let bound = exact(error.relative) * a + exact(error.absolute);
                assert!(size(w - p) <= bound, "{t}, {s}");
                below += usize::from(p < w);
            }
        }
    }
    // The products that a magnitude without an error would not cover.
    assert!(below > 500, "only {below} were rounded down");
}

#[test]
fn magnitudes_are_not_below_the_exact_products() {
    for seed in 0..20 {
        let chain = chain(100 * seed);
        let magnitudes = magnitudes_up(&chain, &Products::new(&chain));
        for (t, s) in pairs(&chain) {
            let [w, _, b] = definition(&chain, t, s);
            let q = entries(&magnitudes[t - 1][s].to_dense());
            for ((w, b), q) in w.iter().flatten().zip(b.iter().flatten()).zip(q.iter().flatten()) {
                assert!(
                    *q >= w + b,
                    "({t}, {s}): {} < {}",
                    q.to_f64().value(),
                    (w + b).to_f64().value()
                );
            }
        }
    }
}

#[test]
fn the_errors_of_k5_are_those_of_its_products() {
    for seed in 0..20 {
        let chain = chain(100 * seed);
        let products = Products::new(&chain);
        let mut errors = Errors::default();
        let mut cuts: Vec<Cut> = Vec::new();
        for t in 1..=chain.depth() + 1 {
            // Any nonnegative columns in the place of R_s v_s.
            let n = chain.maps()[t - 1].columns();
            cuts.push((t - 1, matrix(100 * seed + 60 + t, (n, 2)).mapv(f64::abs)));
            errors.extend(&chain, t, cuts[t - 1].1.view());
            let total = entries(&errors.total_up(&products, t, &cuts));
            // sum over s of (relative A + B + absolute) R_s v_s.
            let parts = cuts.iter().map(|(s, x)| {
                let ([_, a, b], error) = (definition(&chain, t, *s), products.get(t, *s).error);
                let scaled = each(&a, |_, x| x * exact(error.relative) + exact(error.absolute));
                multiply(&sum(&scaled, &b, 1), &entries(x))
            });
            let expected = parts.reduce(|a, b| sum(&a, &b, 1)).expect("a cut");
            for (total, expected) in total.iter().flatten().zip(expected.iter().flatten()) {
                assert!(total >= expected, "layer {t}");
            }
        }
    }
}
