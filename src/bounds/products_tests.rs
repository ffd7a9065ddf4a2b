use ndarray::arr2;

use super::*;
use crate::bounds::product_norms::ProductNorms;
use crate::bounds::{k4, k5};
use crate::network::Windows;

#[test]
fn windows_that_pass_the_same_element_round_their_sum() {
    // On a box in which one element is the largest of two windows that overlap: 1 + 2^-54, which is
    // no floating-point number.
    let map = |entries| LinearMap::new(Matrix::dense(entries));
    let maps = vec![map(arr2(&[[1.0]])), map(arr2(&[[1.0, 2f64.powi(-54)]]))];
    let pool = Slopes::Pool(Windows::new(1, [vec![0], vec![0]]));
    let chain = Chain::new(maps, vec![pool]);
    let products = Products::new(&chain);
    let norm = ProductNorms::new(&chain, &products, Norm::Linf).get(2, 0);
    let k5 = k5::apply_up(&chain, &products, arr2(&[[1.0]]))[[0, 0]];
    let product = |t: usize, s: usize| products.get(t, s).clone();
    let mut blocks = k4::Blocks::new(&chain, &product, arr2(&[[1.0]]));
    let _ = blocks.next_up();
    let k4 = blocks.next_up()[[0, 0]];
    for bound in [norm, k5, k4] {
        assert!(bound > 1.0 && bound < 1.0 + 1e-14, "{bound}");
    }
}

#[test]
fn roundings_of_a_step_are_counted() {
    // W C has terms of two numbers, and a product with it sums 4 of them.
    let step = Step {
        centred: Matrix::dense(arr2(&[[0.1, 0.2, 0.3, 0.4]])),
        exact: false,
        terms: 2,
        growth: 1.0,
    };
    let value = Matrix::dense(arr2(&[[0.1], [0.2], [0.3], [0.4]]));
    let extended = Product { value, error: ProductError::NONE }.extended(&step);
    assert!((gamma(6)..gamma(6) * (1.0 + 1e-15)).contains(&extended.error.relative));
    // 8 numbers below 1 may each lose 2^-1074.
    assert!(extended.error.absolute >= 4.0 * MIN_SUBNORMAL, "{:?}", extended.error);
    assert!(extended.error.absolute <= 9.0 * MIN_SUBNORMAL, "{:?}", extended.error);
}
