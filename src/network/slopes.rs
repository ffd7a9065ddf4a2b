//! What the bounds know of a nonlinearity: the interval of its slopes, neuron by neuron.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use crate::numeric::rounding::{max_up, sqrt_up, sub_up, upper};
use crate::numeric::{Csr, Matrix, Norm};

/// The Jacobians `D` of a nonlinearity: a set of matrices that contains all of them.
#[derive(Debug, Clone)]
pub enum Slopes {
    /// `D` is diagonal with entries in slope intervals.
    Componentwise(Diagonal),
    /// Each row of `D` selects one element of a window (max-pooling).
    Pool(Windows),
}

/// Slope intervals `[alpha_k, beta_k]` of the neurons of a layer.
///
/// The centre is a floating-point number and the radius is rounded up so that
/// `[alpha, beta]` is inside `[centre - radius, centre + radius]` exactly.
#[derive(Debug, Clone)]
pub struct Diagonal {
    alpha: Vec<f64>,
    beta: Vec<f64>,
    centre: Vec<f64>,
    radius: Vec<f64>,
}

impl Diagonal {
    /// The intervals with the given lower and upper ends.
    pub fn new(alpha: Vec<f64>, beta: Vec<f64>) -> Diagonal {
        debug_assert_eq!(alpha.len(), beta.len());
        #[expect(clippy::float_arithmetic, reason = "any centre will do: the radius is rounded up")]
        let middle = |(&a, &b): (&f64, &f64)| if a == b { a } else { a / 2.0 + b / 2.0 };
        let centre: Vec<f64> = alpha.iter().zip(&beta).map(middle).collect();
        let radius = (0..alpha.len())
            .map(|k| max_up(sub_up(beta[k], centre[k]), sub_up(centre[k], alpha[k])))
            .collect();
        Diagonal { alpha, beta, centre, radius }
    }

    /// The lower ends.
    pub fn alpha(&self) -> &[f64] {
        &self.alpha
    }

    /// The upper ends.
    pub fn beta(&self) -> &[f64] {
        &self.beta
    }

    /// The centres of the intervals.
    pub fn centre(&self) -> &[f64] {
        &self.centre
    }

    /// Half the widths, rounded up; 0 for a fixed slope.
    pub fn radius(&self) -> &[f64] {
        &self.radius
    }

    /// The largest absolute slope of each neuron.
    pub fn magnitude(&self) -> impl Iterator<Item = f64> + '_ {
        self.alpha.iter().zip(&self.beta).map(|(a, b)| a.abs().max(b.abs()))
    }
}

/// The windows of a max-pooling layer: each output is the largest element of one of them. A window
/// of one element passes it through unchanged.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    inputs: usize,
    starts: Vec<usize>,
    members: Vec<u32>,
}

impl Windows {
    /// The given nonempty windows over `inputs` elements.
    pub fn new(inputs: usize, windows: impl IntoIterator<Item = Vec<usize>>) -> Windows {
        let mut result = Windows { inputs, starts: vec![0], members: Vec::new() };
        for window in windows {
            debug_assert!(!window.is_empty() && window.iter().all(|&j| j < inputs));
            result.members.extend(window.into_iter().map(|j| j as u32));
            result.starts.push(result.members.len());
        }
        result
    }

    /// The number of elements before the pooling.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The number of windows.
    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The elements of window `i`.
    pub fn window(&self, i: usize) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.members[self.starts[i]..self.starts[i + 1]].iter().map(|&j| j as usize)
    }

    /// Whether window `i` passes its only element through.
    pub fn passes(&self, i: usize) -> bool {
        self.starts[i + 1] - self.starts[i] == 1
    }

    /// The matrix that passes the elements of windows of one element through.
    fn selection(&self) -> Matrix {
        Matrix::sparse(Csr::from_rows(self.count(), self.inputs, |i, push| {
            if self.passes(i) {
                self.window(i).for_each(|j| push(j, 1.0));
            }
        }))
    }

    /// Row `i` of the result is the largest of the rows of window `i`, entry by entry.
    fn maximum(&self, x: ArrayView2<'_, f64>, keep: impl Fn(usize) -> bool) -> Array2<f64> {
        let mut out = Array2::zeros((self.count(), x.ncols()));
        for (i, mut row) in out.axis_iter_mut(Axis(0)).enumerate().filter(|(i, _)| keep(*i)) {
            for j in self.window(i) {
                row.zip_mut_with(&x.row(j), |a, &b| *a = max_up(*a, b));
            }
        }
        out
    }

    /// The largest number of windows that contain one element, of those that `counted` admits.
    fn overlap(&self, counted: impl Fn(usize) -> bool) -> usize {
        let mut count = vec![0usize; self.inputs];
        for i in (0..self.count()).filter(|&i| counted(i)) {
            self.window(i).for_each(|j| count[j] += 1);
        }
        count.into_iter().max().unwrap_or(0)
    }

    /// The largest number of windows that contain one element.
    pub fn largest_overlap(&self) -> usize {
        self.overlap(|_| true)
    }

    /// The largest number of windows that pass the same element through.
    fn passing_overlap(&self) -> usize {
        self.overlap(|i| self.passes(i))
    }
}

impl Slopes {
    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        match self {
            Slopes::Componentwise(d) => d.alpha.len(),
            Slopes::Pool(w) => w.inputs(),
        }
    }

    /// The number of outputs.
    pub fn outputs(&self) -> usize {
        match self {
            Slopes::Componentwise(d) => d.alpha.len(),
            Slopes::Pool(w) => w.count(),
        }
    }

    /// The slope intervals, where the nonlinearity is componentwise.
    pub fn diagonal(&self) -> Option<&Diagonal> {
        match self {
            Slopes::Componentwise(d) => Some(d),
            Slopes::Pool(_) => None,
        }
    }

    /// The interval of each slope; none for a pool.
    pub fn intervals(&self) -> Vec<(f64, f64)> {
        let ends = |d: &Diagonal| d.alpha.iter().copied().zip(d.beta.iter().copied()).collect();
        self.diagonal().map_or_else(Vec::new, ends)
    }

    /// The number of neurons (or windows) whose slope is not fixed.
    pub fn branching(&self) -> usize {
        match self {
            Slopes::Componentwise(d) => d.radius.iter().filter(|&&r| r > 0.0).count(),
            Slopes::Pool(w) => (0..w.count()).filter(|&i| !w.passes(i)).count(),
        }
    }

    /// `w C` for the centre `C` of the slopes, with rounding to nearest: [`Slopes::centre_terms`] products are
    /// added. A pooling window of several elements has no centre: its column of `C` is zero.
    #[expect(clippy::float_arithmetic, reason = "to nearest, as it says: `centre_terms` counts")]
    pub fn centred(&self, w: &Matrix) -> Matrix {
        match self {
            Slopes::Componentwise(d) => w.transposed().map(|i, x| d.centre[i] * x).transposed(),
            Slopes::Pool(pool) => w.multiply(&pool.selection()),
        }
    }

    /// Whether [`Slopes::centred`] of `w` is exact: all centres are powers of two or zero, and no entry
    /// underflows; or no windows pass the same element through, or sums of such are exact.
    pub fn centres_exactly(&self, w: &Matrix) -> bool {
        let d = match self {
            Slopes::Componentwise(d) => d,
            Slopes::Pool(pool) => return w.multiplies_exactly(&pool.selection()),
        };
        let power = |c: f64| c.to_bits() & ((1 << 52) - 1) == 0;
        let nonzero = || d.centre.iter().filter(|&&c| c != 0.0);
        let least = nonzero().fold(f64::INFINITY, |m, c| m.min(c.abs()));
        // The smallest normal number itself may be a rounded product.
        #[expect(clippy::float_arithmetic, reason = "to nearest, like the products in question")]
        let is_normal = w.grid().min * least > f64::MIN_POSITIVE;
        nonzero().all(|&c| power(c)) && is_normal
    }

    /// Whether the centre is zero, so that nothing passes but through the radius: of every pooling window of
    /// several elements, and of slopes between a number and its negative.
    pub fn is_always_cut(&self) -> bool {
        match self {
            Slopes::Componentwise(d) => d.centre.iter().all(|&c| c == 0.0),
            Slopes::Pool(pool) => (0..pool.count()).all(|i| !pool.passes(i)),
        }
    }

    /// An upper bound of `|C| x` for a block of nonnegative columns.
    pub fn centre_up(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        match self {
            Slopes::Componentwise(d) => scale_rows(x, d.centre.iter().map(|c| c.abs())),
            Slopes::Pool(w) => w.maximum(x, |i| w.passes(i)),
        }
    }

    /// `C^T x` for a block of columns, with rounding to nearest: [`Slopes::centre_terms`] products are added.
    #[expect(clippy::float_arithmetic, reason = "to nearest, as it says: `centre_terms` counts")]
    pub fn centre_transposed(&self, mut x: Array2<f64>) -> Array2<f64> {
        match self {
            Slopes::Componentwise(d) => {
                let rows = x.axis_iter_mut(Axis(0)).into_par_iter().with_min_len(256);
                rows.zip(&d.centre).for_each(|(mut row, &c)| row.mapv_inplace(|value| c * value));
                x
            }
            Slopes::Pool(pool) => {
                let mut out = Array2::zeros((pool.inputs(), x.ncols()));
                for i in (0..pool.count()).filter(|&i| pool.passes(i)) {
                    for j in pool.window(i) {
                        let mut row = out.row_mut(j);
                        row += &x.row(i);
                    }
                }
                out
            }
        }
    }

    /// The largest number of terms of an entry of [`Slopes::centred`] or [`Slopes::centre_transposed`].
    pub fn centre_terms(&self) -> usize {
        match self {
            Slopes::Componentwise(_) => 1,
            Slopes::Pool(pool) => pool.passing_overlap(),
        }
    }

    /// An upper bound of `R x` for a block of nonnegative columns, where `R` is the radius of the
    /// slopes: `|D p - C p| <= R |p|`. For a window of several elements, the largest of them.
    pub fn radius_up(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        match self {
            Slopes::Componentwise(d) => scale_rows(x, d.radius.iter().copied()),
            Slopes::Pool(w) => w.maximum(x, |i| !w.passes(i)),
        }
    }

    /// An upper bound of `|D| x` for a block of nonnegative columns.
    pub fn magnitude_up(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        match self {
            Slopes::Componentwise(d) => scale_rows(x, d.magnitude()),
            Slopes::Pool(w) => w.maximum(x, |_| true),
        }
    }

    /// Upper bounds of the norms of `D`, of its radius and of its centre.
    pub fn norms_up(&self, norm: Norm) -> SlopeNorms {
        let max = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, max_up);
        match self {
            Slopes::Componentwise(d) => SlopeNorms {
                magnitude: max(&mut d.magnitude()),
                radius: max(&mut d.radius.iter().copied()),
                centre: max(&mut d.centre.iter().map(|c| c.abs())),
            },
            Slopes::Pool(w) => {
                // Every row of D has a single 1; a column has one for each window that selects it.
                let size = |overlap: usize| match norm {
                    Norm::Linf => overlap.min(1) as f64,
                    Norm::L1 => overlap as f64,
                    Norm::L2 => sqrt_up(overlap as f64),
                };
                let magnitude = size(w.largest_overlap());
                SlopeNorms { magnitude, radius: magnitude, centre: size(w.passing_overlap()) }
            }
        }
    }

    /// The slopes of the transposed Jacobian; `None` for a pool.
    pub fn transposed(&self) -> Option<Slopes> {
        self.diagonal().map(|d| Slopes::Componentwise(d.clone()))
    }
}

/// Upper bounds of operator norms of a set of slopes (see [`Slopes::norms_up`]).
#[derive(Debug, Clone, Copy)]
pub struct SlopeNorms {
    /// `max ||D||`.
    pub magnitude: f64,
    /// The norm of the radius.
    pub radius: f64,
    /// The norm of the centre.
    pub centre: f64,
}

/// The rows of a nonnegative block times nonnegative factors, rounded up.
fn scale_rows(x: ArrayView2<'_, f64>, factors: impl Iterator<Item = f64>) -> Array2<f64> {
    let mut out = x.to_owned();
    for (mut row, factor) in out.axis_iter_mut(Axis(0)).zip(factors) {
        // A product with a power of two is exact while it is a normal number.
        let exact = factor == 0.0 || factor.to_bits() & ((1 << 52) - 1) == 0;
        row.mapv_inplace(|value| {
            #[expect(clippy::float_arithmetic, reason = "raised below, unless it is exact")]
            let product = value * factor;
            if exact && (product >= f64::MIN_POSITIVE || value == 0.0 || factor == 0.0) {
                upper(product)
            } else {
                upper(product.next_up())
            }
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::exact;
    use ndarray::arr2;

    #[test]
    fn intervals_are_covered() {
        let d = Diagonal::new(vec![0.0, 0.01, 0.3, -0.1], vec![1.0, 1.0, 0.3, 1.1]);
        assert_eq!((d.centre()[0], d.radius()[0], d.radius()[2]), (0.5, 0.5, 0.0));
        for k in 0..4 {
            assert!(exact(d.centre()[k]) + exact(d.radius()[k]) >= exact(d.beta()[k]));
            assert!(exact(d.centre()[k]) - exact(d.radius()[k]) <= exact(d.alpha()[k]));
        }
    }

    #[test]
    fn products_with_centres_are_exact_unless_they_are_rounded() {
        let exactly = |c: f64, x: f64| {
            let slopes = Slopes::Componentwise(Diagonal::new(vec![c], vec![c]));
            slopes.centres_exactly(&Matrix::dense(arr2(&[[x]])))
        };
        let below_one = 1.0 - f64::EPSILON / 2.0;
        assert!(exactly(0.25, below_one) && !exactly(0.3, below_one));
        // A quarter of the last one is rounded to the smallest normal number.
        assert!(exactly(0.25, 8.0 * f64::MIN_POSITIVE));
        assert!(!exactly(0.25, below_one * 4.0 * f64::MIN_POSITIVE));
        let pool = |windows: [Vec<usize>; 2]| Slopes::Pool(Windows::new(2, windows));
        let w = Matrix::dense(arr2(&[[1.0, 0.1]]));
        assert!(pool([vec![0], vec![1]]).centres_exactly(&w));
        assert!(!pool([vec![1], vec![1]]).centres_exactly(&w));
    }

    #[test]
    fn nothing_passes_what_is_always_cut_but_through_the_radius() {
        let pool = |windows: [Vec<usize>; 2]| Slopes::Pool(Windows::new(3, windows));
        let slopes =
            |alpha, beta| Slopes::Componentwise(Diagonal::new(vec![-1.0, alpha], vec![1.0, beta]));
        assert!(pool([vec![0, 1], vec![1, 2]]).is_always_cut());
        assert!(!pool([vec![0, 1], vec![2]]).is_always_cut());
        assert!(slopes(-2.0, 2.0).is_always_cut() && !slopes(0.0, 1.0).is_always_cut());
        for s in [pool([vec![0, 1], vec![1, 2]]), slopes(-0.5, 0.5)] {
            assert_eq!(s.centre_up(Array2::ones((s.inputs(), 1)).view()), arr2(&[[0.0], [0.0]]));
        }
    }

    #[test]
    fn pools_take_the_largest_and_count_their_overlap() {
        let w = Windows::new(4, [vec![0, 1], vec![1, 2], vec![3]]);
        let x = arr2(&[[1.0], [5.0], [2.0], [7.0]]);
        let slopes = Slopes::Pool(w);
        assert_eq!(slopes.magnitude_up(x.view()), arr2(&[[5.0], [5.0], [7.0]]));
        assert_eq!(slopes.radius_up(x.view()), arr2(&[[5.0], [5.0], [0.0]]));
        assert_eq!(slopes.centre_up(x.view()), arr2(&[[0.0], [0.0], [7.0]]));
        assert_eq!(slopes.norms_up(Norm::L1).magnitude, 2.0);
        assert_eq!(slopes.norms_up(Norm::Linf).magnitude, 1.0);
        // An element that two windows pass through is in two rows of the centre.
        let twice =
            Slopes::Pool(Windows::new(2, [vec![0], vec![0], vec![0, 1]])).norms_up(Norm::L1);
        assert_eq!((twice.magnitude, twice.centre), (3.0, 2.0));
        assert_eq!(slopes.branching(), 2);
    }
}
