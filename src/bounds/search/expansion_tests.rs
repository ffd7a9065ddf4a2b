use ndarray::arr2;

use super::*;
use crate::numeric::exact;
use crate::numeric::rounding::power_of_two;

/// Maps as they are, without a change of scale.
fn layers<const N: usize>(maps: [(Array2<f64>, Option<Array2<f64>>); N]) -> Layers {
    let (weights, radii): (Vec<_>, Vec<_>) = maps.into_iter().unzip();
    let grids = weights.iter().map(|w| Grid::of(w.iter())).collect();
    Layers { weights, radii, grids }
}

fn diagonal(slopes: &[Interval]) -> Diagonal {
    let (alpha, beta) = slopes.iter().copied().unzip();
    Diagonal::new(alpha, beta)
}

/// What becomes of rows over the results of the first stage, at the input: the rows and their errors.
fn descended(layers: &Layers, slopes: &[Interval], rows: Array2<f64>) -> (Array2<f64>, Vec<f64>) {
    let parts = [diagonal(slopes)];
    let count = rows.nrows();
    let mut sources = Sources {
        rows,
        neurons: vec![None; count],
        errors: vec![0.0; count],
        links: vec![Vec::new(); count],
    };
    layers.descend(&mut sources, 0, &parts, &layers.sizes(&parts));
    (sources.rows, sources.errors)
}

#[test]
fn sizes_are_those_of_the_definition() {
    // h_0 = |W_0| 1, h_1 = (|W_1| + R_1) (s h_0), in integers and halves.
    let radius = arr2(&[[0.5, 0.0], [0.0, 0.25]]);
    let first = (arr2(&[[1.0, -2.0], [3.0, 0.5]]), None);
    let layers = layers([first, (arr2(&[[1.0, -4.0], [0.0, 2.0]]), Some(radius))]);
    let parts = [diagonal(&[(-2.0, 1.0), (0.0, 0.5)])];
    let sizes = layers.sizes(&parts);
    assert_eq!(sizes, [vec![3.0, 3.5], vec![16.0, 3.9375]]);
    assert_eq!(layers.below(1, &parts, &sizes), [6.0, 1.75]);
    assert_eq!(layers.spread(1, &parts, &sizes), Some(vec![3.0, 0.4375]));
    assert_eq!(layers.spread(0, &parts, &sizes), None);
}

#[test]
fn a_row_is_followed_through_centres_and_cut_at_neurons() {
    // Centres 1/2 and 1, radii 1/2 and 2: |(3/2, -2) W_0|_1 + 3 (1/2) 3 + 2 * 2 * 5 = 11.5 + 4.5 + 20.
    let first = arr2(&[[1.0, 2.0], [4.0, -1.0]]);
    let layers = layers([(first, None), (arr2(&[[3.0, -2.0], [0.0, 0.0]]), None)]);
    let slopes = [vec![(0.0, 1.0), (-1.0, 3.0)]];
    let Expansion { bounds, influence } = layers.expand(&slopes, &[0, 1], Norm::Linf);
    // Rounding is covered by a few units in the last place, and a row of zeros has no error.
    assert!((36.0..36.0 * (1.0 + 1e-14)).contains(&bounds[0]), "{bounds:?}");
    assert_eq!(bounds[1], 0.0);
    for (found, value) in influence[0].iter().zip([4.5, 20.0]) {
        assert!((found / value - 1.0).abs() < 1e-14, "{influence:?}");
    }
}

#[test]
fn roundings_of_centres_and_sums_are_counted() {
    // For `width` neurons with h = 1 and a row of ones: gamma_(width + 1) of the sum, and little more.
    for width in [1, 2, 5, 9] {
        let layers = layers([(Array2::ones((width, 1)), None), (Array2::ones((1, width)), None)]);
        let slopes = vec![(1.0, 1.0); width];
        let (rows, errors) = descended(&layers, &slopes, Array2::ones((1, width)));
        assert_eq!(rows, arr2(&[[width as f64]]));
        let per_unit = errors[0] / width as f64;
        assert!(gamma(width + 1) <= per_unit && per_unit <= gamma(width + 4), "{width}");
    }
}

#[test]
fn products_that_vanish_are_counted() {
    // 2^-1074 / 2 rounds to 0. Such a loss is multiplied by h = 2^60, and each of the three products of the
    // map may lose as much.
    let (large, least) = (power_of_two(60), power_of_two(-1074));
    let layers = layers([(Array2::from_elem((3, 1), large), None), (Array2::ones((1, 3)), None)]);
    let (rows, errors) = descended(&layers, &[(0.5, 0.5); 3], Array2::from_elem((1, 3), least));
    assert_eq!(rows, arr2(&[[0.0]]));
    let own = exact(3.0) * exact(large);
    assert!(exact(errors[0]) >= exact(least) * (own.clone() + exact(3.0)));
    // The next numbers above 3 * 2^60 are 512 apart.
    assert!(exact(errors[0]) <= exact(3.0 * least) * (own + exact(2048.0)));
}

#[test]
fn only_rows_that_are_multiplied_have_errors() {
    let layers = layers([(Array2::ones((3, 1)), None), (Array2::ones((1, 3)), None)]);
    let slopes = [(0.3, 0.3), (0.0, 0.0), (0.3, 0.3)];
    let rows = arr2(&[[0.0, 5.0, 0.0], [0.0, 0.0, 0.0], [5.0, 0.0, 5.0], [0.0, 1.0, 1.0]]);
    let (_, errors) = descended(&layers, &slopes, rows);
    assert_eq!(errors[..2], [0.0, 0.0]);
    // 10 * 0.3 and 0.3, with three roundings.
    assert!(errors[2] >= gamma(3) * 2.999 && errors[3] >= gamma(3) * 0.299, "{errors:?}");
}

#[test]
fn radii_of_maps_are_carried_along() {
    // |3| / 4 + |-2| / 2 for the row, and the radius of each neuron's own row.
    let first = (Array2::ones((2, 1)), Some(arr2(&[[0.25], [0.5]])));
    let layers = layers([first, (Array2::ones((1, 2)), None)]);
    let (_, errors) = descended(&layers, &[(1.0, 1.0); 2], arr2(&[[3.0, -2.0]]));
    assert!((1.75..1.75 * (1.0 + 1e-14)).contains(&errors[0]), "{errors:?}");
    let (_, errors) = descended(&layers, &[(0.0, 1.0); 2], arr2(&[[3.0, -2.0]]));
    assert_eq!(errors[1..], [0.25, 0.5]);
}

#[test]
fn roots_are_rounded_up() {
    // The nearest number to the root of 3 is below it.
    let sources = |rows: Array2<f64>, errors: Vec<f64>| {
        let links = vec![Vec::new(); rows.nrows()];
        Sources { neurons: vec![None; rows.nrows()], rows, errors, links }
    };
    let length = sources(Array2::ones((1, 3)), vec![0.0]).length(0, Norm::L2);
    let errors = sources(Array2::zeros((3, 1)), vec![1.0; 3]).spectral(3);
    for root in [length, errors] {
        assert!(exact(root) * exact(root) >= exact(3.0), "{root}");
        assert!(root <= 3f64.sqrt() * (1.0 + 1e-15), "{root}");
    }
}
