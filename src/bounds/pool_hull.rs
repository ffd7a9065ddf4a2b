//! K5 in l1 behind max-poolings: column by column, with intervals at the windows.
//!
//! The l1 norm is a maximum over columns, so each column of the Jacobian can be followed on its own, as
//! a signed centre `z` and error terms: every column is in `z_t + sum over s of W~_(t,s) [-r_s, r_s]`. A
//! max-pooling selects one element of each window, the same for all columns, but for one column it is
//! enough to know that the selected entry is in the hull of the window's intervals. Its midpoint is the
//! new centre and half its width the new error, so entries that agree in sign keep their cancellation
//! behind the pooling, which cutting it would lose.

use ndarray::{Array2, ArrayView2, Axis};

use super::k5::{Cut, Errors};
use super::products::{Apply, Products, add_block_up};
use crate::network::{Chain, Slopes, Windows};
use crate::numeric::Grid;
use crate::numeric::rounding::{add_up, max_up, mul_up, sub_down, sub_up};

/// Upper bounds of the absolute values of the entries of all Jacobians times `start` (columns of the
/// identity), column by column, without the powers of two of the maps.
pub fn entries_up(chain: &Chain, products: &Products, start: Array2<f64>) -> Array2<f64> {
    let mut state = State::new(0, start, None);
    for t in 1..=chain.depth() {
        let (z, e) = state.advance(chain, products, t);
        match &chain.slopes()[t - 1] {
            Slopes::Pool(windows) => {
                let (centre, radius) = hulls(windows, z.view(), e.view());
                state = State::new(t, centre, Some(radius));
            }
            slopes => state.cuts.push((t, slopes.radius_up(magnitude_up(z, e).view()))),
        }
    }
    let (z, e) = state.advance(chain, products, chain.depth() + 1);
    magnitude_up(z, e)
}

/// The columns since the last pooling.
struct State {
    /// The stage at which the centre is given.
    at: usize,
    centre: Array2<f64>,
    /// The error sources, the first of them at `at`.
    cuts: Vec<Cut>,
    errors: Errors,
}

impl State {
    fn new(at: usize, centre: Array2<f64>, radius: Option<Array2<f64>>) -> State {
        let cuts = radius.map(|r| (at, r)).into_iter().collect();
        State { at, centre, cuts, errors: Errors::default() }
    }

    /// The centre and the error before the slopes of stage `t`.
    fn advance(
        &mut self,
        chain: &Chain,
        products: &Products,
        t: usize,
    ) -> (Array2<f64>, Array2<f64>) {
        // The centre is a source of rounding errors like the cut vectors, with its absolute values.
        let size = self.centre.mapv(f64::abs);
        // Since the centre was given, every stage was cut, the last one just now; only the start has no cut.
        let mut joined =
            self.cuts.last().map_or_else(|| Array2::zeros(size.dim()), |c| c.1.clone());
        if self.at + 1 == t {
            add_block_up(&mut joined, size.view());
        }
        self.errors.extend(chain, t, joined.view());
        let product = &products.get(t, self.at).value;
        let z = product.apply(self.centre.view());
        let rounding = product.dot_error(Grid::of(size.iter()));
        let mut e = product.abs_apply_up(size.view());
        e.mapv_inplace(|x| add_up(mul_up(rounding.relative, x), rounding.absolute));
        self.cuts.push((self.at, size));
        add_block_up(&mut e, self.errors.total_up(products, t, &self.cuts).view());
        self.cuts.pop();
        products.add_up(t, &self.cuts, &mut e);
        (z, e)
    }
}

/// `|z| + e`, rounded up.
fn magnitude_up(mut z: Array2<f64>, e: Array2<f64>) -> Array2<f64> {
    z.zip_mut_with(&e, |z, &e| *z = add_up(z.abs(), e));
    z
}

/// Midpoints of the hulls of `[z - e, z + e]` over each window, and half their widths rounded up.
fn hulls(
    windows: &Windows,
    z: ArrayView2<'_, f64>,
    e: ArrayView2<'_, f64>,
) -> (Array2<f64>, Array2<f64>) {
    let columns = z.ncols();
    let mut centre = Array2::zeros((windows.count(), columns));
    let mut radius = Array2::zeros((windows.count(), columns));
    let rows = centre.axis_iter_mut(Axis(0)).zip(radius.axis_iter_mut(Axis(0)));
    for (i, (mut centres, mut radii)) in rows.enumerate() {
        for k in 0..columns {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for j in windows.window(i) {
                low = low.min(sub_down(z[[j, k]], e[[j, k]]));
                high = high.max(add_up(z[[j, k]], e[[j, k]]));
            }
            #[expect(
                clippy::float_arithmetic,
                reason = "any number will do: the radii are distances from it, rounded up"
            )]
            let middle = low / 2.0 + high / 2.0;
            centres[k] = middle;
            radii[k] = max_up(sub_up(high, middle), sub_up(middle, low));
        }
    }
    (centre, radius)
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::network::{Diagonal, LinearMap};
    use crate::numeric::rounding::coarse;
    use crate::numeric::{Matrix, exact};

    #[test]
    fn hulls_hold_both_ends() {
        // The middle of 1 and the next number is one of them; -1 +- 3 and 5 +- 1 lie in [-4, 6].
        let next = 1.0 + f64::EPSILON;
        let windows = Windows::new(4, [vec![0, 1], vec![2, 3]]);
        let (z, e) = (arr2(&[[1.0], [next], [-1.0], [5.0]]), arr2(&[[0.0], [0.0], [3.0], [1.0]]));
        let (centre, radius) = hulls(&windows, z.view(), e.view());
        for x in [1.0, next] {
            let distance = exact(x) - exact(centre[[0, 0]]);
            assert!(distance <= exact(radius[[0, 0]]) && -distance <= exact(radius[[0, 0]]), "{x}");
        }
        assert_eq!((centre[[1, 0]], radius[[1, 0]]), (1.0, 5.0));
    }

    /// The definition does not depend on the arithmetic: in one in which every sum has nearly the error that it may
    /// have, the bound is not below that of ordinary arithmetic, which is above the definition by 1e-12 at most.
    #[test]
    fn errors_of_all_products_are_counted() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut map = |m, n| {
            LinearMap::new(Matrix::dense(Array2::from_shape_simple_fn((m, n), || {
                rng.random_range(0.5..1.0)
            })))
        };
        let slopes = |n: usize, alpha: f64| {
            Slopes::Componentwise(Diagonal::new(vec![alpha; n], vec![0.75; n]))
        };
        let pool = || Slopes::Pool(Windows::new(4, [vec![0, 1], vec![2, 3]]));
        // Slopes that are fixed, so that there are centres only, and such that leave errors to carry.
        let chains: Vec<Chain> = [0.75, 0.25]
            .into_iter()
            .flat_map(|alpha| {
                let before = vec![map(3, 2), map(4, 3), map(2, 2)];
                let behind = vec![map(4, 2), map(3, 2), map(3, 3), map(2, 3)];
                [
                    Chain::new(before, vec![slopes(3, alpha), pool()]),
                    Chain::new(behind, vec![pool(), slopes(3, alpha), slopes(3, alpha)]),
                ]
            })
            .collect();
        for chain in chains {
            let bound = || entries_up(&chain, &Products::new(&chain), Array2::eye(2));
            let plain = bound();
            let wrong = coarse::with(53, 1e-3, bound);
            for (wrong, plain) in wrong.iter().zip(&plain) {
                assert!(*wrong >= plain * (1.0 - 1e-12) && *wrong < 1.2 * plain, "{wrong} {plain}");
            }
        }
    }
}
