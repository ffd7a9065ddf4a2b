use ndarray::{arr1, arr2};

use super::*;
use crate::network::layers::dense::Dense;
use crate::network::{Activation, Layer, Network};

fn half_space(row: &[f64]) -> Arc<HalfSpace> {
    let exact: Option<Vec<Dyadic>> = row.iter().map(|&x| Dyadic::new(x)).collect();
    Arc::new(HalfSpace::new(&exact.expect("finite")))
}

#[test]
fn emptiness_is_exact() {
    // x >= 1/3 (as a float) and x <= the same: no inner point; a unit in the last place apart: an inner
    // point, which must not be missed.
    let third = 1.0 / 3.0;
    let above = half_space(&[1.0, -third]);
    let below = Arc::new(above.opposite());
    assert!(matches!(interior(&[above.clone(), below], None, 1, None), Interior::Empty));
    let apart = half_space(&[-1.0, f64::next_up(third)]);
    assert!(!matches!(interior(&[above, apart], None, 1, None), Interior::Empty));
    // x + y > 2 in the unit square has no inner point; x + y > 2 - 2^-30 has.
    let square = InputBox::new(&[(0.0, 1.0), (0.0, 1.0)]).expect("a box");
    let corner = |c: f64| [half_space(&[1.0, 1.0, c])];
    assert!(matches!(interior(&corner(-2.0), Some(&square), 2, None), Interior::Empty));
    let near = corner(-2.0 + 2f64.powi(-30));
    assert!(!matches!(interior(&near, Some(&square), 2, None), Interior::Empty));
}

#[test]
fn a_row_of_zeros_proves_nothing() {
    // 0 >= 0 holds everywhere.
    let zero = half_space(&[0.0, 0.0]);
    assert!(!matches!(interior(&[zero], None, 1, None), Interior::Empty));
}

#[test]
fn half_spaces_are_those_of_the_threshold() {
    // 2 x + 1/2 >= 3 for the upper kink, and >= -1 for the lower one: 4 x - 5 >= 0 and 4 x + 3 >= 0.
    let hidden = Dense::new(arr2(&[[2.0]]), arr1(&[0.5])).expect("shapes");
    let activation = Activation::HardTanh { min: -1.0, max: 3.0 };
    let last = Dense::new(arr2(&[[1.0]]), arr1(&[0.0])).expect("shapes");
    let layers: Vec<Arc<dyn Layer>> = vec![Arc::new(hidden), Arc::new(activation), Arc::new(last)];
    let network = Network::sequential("clipped", vec![1], layers).expect("shapes");
    let network = network.lower().expect("dense layers");
    let exact = ExactNetwork::new(&network).expect("exact weights");
    for (threshold, a, c) in [(3.0, 4, -5), (-1.0, 4, 3)] {
        let ranges = Ranges::unlimited(&network);
        let found = exact.above(&network, &ranges, (0, 0), threshold).expect("affine").exact;
        // The same up to a positive factor.
        assert_eq!(&found[0] * IBig::from(c), &found[1] * IBig::from(a), "{threshold}");
        assert!(found[0] > IBig::ZERO);
    }
}

#[test]
fn multipliers_prove_emptiness_in_a_box() {
    let proved = |rows: &[&[f64]], y: &[f64], sides: &[(f64, f64)]| {
        let rows: Vec<Arc<HalfSpace>> = rows.iter().map(|row| half_space(row)).collect();
        let cut: Vec<&HalfSpace> = rows.iter().map(Arc::as_ref).collect();
        proves_empty_in(&InputBox::new(sides).expect("a box"), &cut, y)
    };
    let unit = [(0.0, 1.0)];
    // x >= 2 and x >= 1 have no inner points in [0, 1], and x >= 1/2 has.
    assert!(proved(&[&[1.0, -2.0]], &[1.0], &unit));
    assert!(proved(&[&[1.0, -1.0]], &[1.0], &unit));
    assert!(!proved(&[&[1.0, -0.5]], &[1.0], &unit));
    // Multipliers that are not positive count for nothing: -(-x) would be 1 at most.
    assert!(proved(&[&[1.0, -2.0], &[-1.0, 0.0]], &[1.0, -1.0], &unit));
    assert!(!proved(&[&[1.0, -0.5]], &[0.0], &unit));
    // 1024 x >= 1 and x <= 0: as the rows are scaled to the same size, their sum is negative everywhere.
    assert!(proved(&[&[1024.0, -1.0], &[-1.0, 0.0]], &[1.0, 1.0], &[(-10.0, 10.0)]));
}

#[test]
fn faces_of_a_box_are_half_spaces() {
    // -1 <= x <= 2, and an input that does not move.
    let input = InputBox::new(&[(-1.0, 2.0), (3.0, 3.0)]).expect("a box");
    let rows: Vec<Vec<IBig>> = box_faces(&input).into_iter().map(|face| face.exact).collect();
    let expected = [[1, 0, 1], [-1, 0, 2]].map(|row| row.map(IBig::from).to_vec());
    assert_eq!(rows, expected);
    // The sum of n numbers in [0, 1] is at most n, in few dimensions with multipliers of all faces.
    for (n, found) in [(2, true), (FEW_FACES, true), (FEW_FACES + 1, false)] {
        let cube = InputBox::new(&vec![(0.0, 1.0); n]).expect("a box");
        let corner = half_space(&[vec![1.0; n], vec![-(n as f64)]].concat());
        assert_eq!(with_faces(&cube, &[&corner], &[1.0]), found, "{n}");
    }
}

#[test]
fn what_is_verified_is_a_proof() {
    let proved = |rows: &[&[f64]], y: &[f64]| {
        let rows: Vec<Arc<HalfSpace>> = rows.iter().map(|row| half_space(row)).collect();
        proves_empty(&rows.iter().map(Arc::as_ref).collect::<Vec<_>>(), y)
    };
    let (zero, right, left): (&[f64], &[f64], &[f64]) = (&[0.0, 0.0], &[1.0, 0.0], &[-1.0, 0.0]);
    // x >= 0 >= x, and x >= 1 and x <= 0, with multipliers that are a little off.
    assert!(proved(&[right, left], &[1.0, 1.0 + 1e-12]));
    assert!(proved(&[&[1.0, -1.0], left], &[1.0, 1.0]));
    // x >= 0 and x >= 1 only add up to 0 with a negative multiplier, and x <= 1 and x >= 0 to 1.
    assert!(!proved(&[right, &[1.0, -1.0]], &[1.0, 1.0]));
    assert!(!proved(&[right, &[-1.0, 1.0]], &[1.0, 1.0]));
    // 0 >= 0 says nothing, alone or beside a half-space without a multiplier.
    assert!(!proved(&[zero], &[1.0]));
    assert!(!proved(&[zero, right], &[1.0, 0.5]));
    assert!(!proved(&[right], &[1.0]));
    for y in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        assert!(!proved(&[right, left], &[y, y]), "{y}");
    }
}
