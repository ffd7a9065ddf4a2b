use ndarray::{Array2, arr2};

use super::*;
use crate::network::{Diagonal, Slopes};
use crate::numeric::Matrix;

#[test]
fn errors_of_entries_add_up_along_the_larger_side() {
    // A 1 x 4 or 4 x 1 matrix of entries that are off by 1/2 each, and by 1/8 of 3.
    for shape in [(1, 4), (4, 1)] {
        let all = Bounded {
            magnitudes: vec![3.0],
            radii: vec![0.25],
            shapes: vec![shape],
            centres: Vec::new(),
        };
        let error = ProductError { relative: 0.125, absolute: 0.5 };
        assert_eq!(all.norm_up(1, 0, 10.0, error), 10.0 + 0.25 + 0.375 + 2.0);
        assert_eq!(all.norm_up(1, 0, 10.0, ProductError::NONE), 10.25);
    }
}

/// A chain of these maps, with radii, and slopes that are this number.
fn chain(maps: Vec<(Array2<f64>, f64)>, slope: f64) -> Chain {
    let slopes = maps[1..].iter().map(|(w, _)| {
        let points = vec![slope; w.ncols()];
        Slopes::Componentwise(Diagonal::new(points.clone(), points))
    });
    let slopes = slopes.collect();
    let map = |(w, r): (Array2<f64>, f64)| {
        let radius = (r > 0.0).then(|| Matrix::dense(Array2::from_elem(w.dim(), r)));
        LinearMap { matrix: Matrix::dense(w), radius, exponent: 0 }
    };
    Chain::new(maps.into_iter().map(map).collect(), slopes)
}

#[test]
fn distances_in_l2_are_carried_on() {
    // 2 +- 1/4, 3 +- 1/2 and 5 +- 1/8 with slopes of 1/2, and no rounding: (3.5 / 4 + 2 / 2) / 2 for the first two,
    // (5.125 / 2 + 3 / 8) / 2 for the last two, (5.125 * 0.9375 + 3 / 8) / 2 for all.
    let one = |w: f64, r: f64| (arr2(&[[w]]), r);
    let three = chain(vec![one(2.0, 0.25), one(3.0, 0.5), one(5.0, 0.125)], 0.5);
    let norms = ProductNorms::new(&three, &Products::new(&three), Norm::L2);
    for (t, s, value) in [
        (1, 0, 0.25),
        (2, 1, 0.5),
        (3, 2, 0.125),
        (2, 0, 0.9375),
        (3, 1, 1.46875),
        (3, 0, 2.58984375),
    ] {
        let ratio = norms.distance(t, s) / value;
        assert!((1.0..1.0 + 1e-12).contains(&ratio), "({t}, {s}): {ratio}");
    }
    // The rounding of a dot product, in its absolute values: 0.3 + 0.4 times the rows 0.1 and 0.2.
    let two = chain(vec![(arr2(&[[0.1], [0.2]]), 0.0), (arr2(&[[0.3, -0.4]]), 0.0)], 1.0);
    let products = Products::new(&two);
    let relative = products.get(2, 0).error.relative;
    // By norms in l1 and linf: 0.4 and 0.7, 0.3 and 0.2.
    let rounded = relative * (0.4f64 * 0.7 * 0.3 * 0.2).sqrt();
    let ratio = ProductNorms::new(&two, &products, Norm::L2).distance(2, 0) / rounded;
    assert!(relative > 0.0 && (1.0 - 1e-12..1.0 + 1e-12).contains(&ratio), "{ratio}");
    // Products of 2^-1200 vanish: what each of the forty may lose, and the products of the bound itself.
    let tiny = 2f64.powi(-600);
    let forty = chain(vec![(Array2::from_elem((1, 40), tiny), 0.0), (arr2(&[[tiny]]), 0.0)], 1.0);
    let products = Products::new(&forty);
    let lost = products.get(2, 0).error.absolute;
    let distance = ProductNorms::new(&forty, &products, Norm::L2).distance(2, 0);
    assert!(lost > 0.0 && (40.0 * lost..=44.0 * lost).contains(&distance), "{distance} {lost}");
}
