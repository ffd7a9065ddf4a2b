//! The products `W~_(t,s) = W_{t-1} C_{t-1} W_{t-2} ... C_{s+1} W_s` with bounds of their errors.
//!
//! A product is computed in floating point as `P`, layer by layer, so its distance from the exact
//! one is at most, entry by entry,
//!
//! `|W~ - P| <= relative * A + B + absolute`
//!
//! with `A = M_{t-1} |C_{t-1}| ... M_s` the product of the absolute values (`M = |W| + radius`) and
//! `relative = gamma` of the total number of operations along the way (the standard error analysis of
//! a chain of products, Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section
//! 3.5, with one rounding more for each multiplication by a centre). `B` is the same product with at
//! least one factor replaced by a radius: the error of maps that were merged. `absolute` bounds what
//! underflow did. None of the three terms needs another matrix product when it is applied to a
//! vector, and none depends on the order in which the product was formed, so a transposed product has
//! the same error.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::{IntoParallelRefIterator, ParallelExtend, ParallelIterator};

use crate::network::{Chain, LinearMap, Slopes};
use crate::numeric::conv_norm::fields::ConvolutionMatrix;
use crate::numeric::product::DotError;
use crate::numeric::rounding::{MIN_SUBNORMAL, add_up, gamma, mul_up};
use crate::numeric::{Matrix, Norm};

/// All products of a chain of depth `l`: `(t, s)` for `0 <= s < t <= l + 1`.
#[derive(Debug, Clone)]
pub struct Products {
    /// Row `t - 1` holds the products `(t, 0) .. (t, t - 1)`.
    rows: Vec<Vec<Product>>,
}

/// One computed product with the constants of its error.
#[derive(Debug, Clone)]
pub struct Product {
    /// The computed matrix `P`, without the powers of two of the maps.
    pub value: Matrix,
    /// The distance from the exact product.
    pub error: ProductError,
}

/// The constants of the error of a computed product.
#[derive(Debug, Clone, Copy)]
pub struct ProductError {
    /// The coefficient of `A`; 0 where the computation was exact.
    pub relative: f64,
    /// The part that is due to underflow; 0 in general.
    pub absolute: f64,
}

impl ProductError {
    /// That of a map itself.
    pub const NONE: ProductError = ProductError { relative: 0.0, absolute: 0.0 };
}

/// The products of a chain, kept or not, as K5 uses them.
pub trait Apply {
    /// The error of the product `(t, s)`.
    fn error(&self, t: usize, s: usize) -> ProductError;

    /// The stage at which the products `(t, s)` end, those with `s` below it being left out; 0 where none are.
    fn end(&self, _: usize) -> usize {
        0
    }

    /// Adds upper bounds of `|P_(t,s)| x` to `total` for all pairs `(s, x)` in `cuts`; `x` is nonnegative.
    fn add_up(&self, t: usize, cuts: &[(usize, Array2<f64>)], total: &mut Array2<f64>);
}

impl Apply for Products {
    fn error(&self, t: usize, s: usize) -> ProductError {
        self.get(t, s).error
    }

    fn add_up(&self, t: usize, cuts: &[(usize, Array2<f64>)], total: &mut Array2<f64>) {
        for (s, x) in cuts {
            add_block_up(total, self.get(t, *s).value.abs_apply_up(x.view()).view());
        }
    }
}

/// `a += b`, rounded up.
pub(super) fn add_block_up(a: &mut Array2<f64>, b: ArrayView2<'_, f64>) {
    a.zip_mut_with(&b, |a, &b| *a = add_up(*a, b));
}

impl Products {
    /// Computes all products: `l (l + 1) / 2` matrix products, which is what K1 and K5 cost.
    pub fn new(chain: &Chain) -> Products {
        let mut rows: Vec<Vec<Product>> = Vec::with_capacity(chain.depth() + 1);
        for (index, map) in chain.maps().iter().enumerate() {
            let mut row = Vec::with_capacity(index + 1);
            if let (Some(previous), Some(slopes)) = (rows.last(), index.checked_sub(1)) {
                let step = Step::new(&chain.slopes()[slopes], map);
                row.par_extend(previous.par_iter().map(|product| product.extended(&step)));
            }
            row.push(Product { value: map.matrix.clone(), error: ProductError::NONE });
            rows.push(row);
        }
        Products { rows }
    }

    /// The product `W~_(t,s)`.
    pub fn get(&self, t: usize, s: usize) -> &Product {
        &self.rows[t - 1][s]
    }

    /// The products of the transposed chain; entries are shared.
    pub fn transposed(&self) -> Products {
        let last = self.rows.len();
        let product = |t: usize, s: usize| self.get(last - s, last - t).transposed();
        let rows = (1..=last).map(|t| (0..t).map(|s| product(t, s)).collect()).collect();
        Products { rows }
    }

    /// An estimate of the bytes that [`Products::new`] needs, from the structure of some rows of each
    /// product.
    pub fn bytes(chain: &Chain) -> usize {
        let maps = chain.maps();
        let large: Vec<_> = maps.iter().map(|map| map.matrix.as_large_convolution()).collect();
        let mut total = 0usize;
        for t in 1..=maps.len() {
            let map = &maps[t - 1];
            total = total.saturating_add(map.matrix.bytes());
            let samples = map.rows().min(SAMPLED_ROWS);
            let mut entries = vec![0usize; t];
            for k in 0..samples {
                count_row(chain, &large, t, k * map.rows() / samples, &mut entries);
            }
            for (s, &count) in entries[..t - 1].iter().enumerate() {
                let dense = map.rows().saturating_mul(maps[s].columns());
                #[expect(clippy::float_arithmetic, reason = "an estimate of memory")]
                let stored = (count as f64 / samples.max(1) as f64 * map.rows() as f64) as usize;
                let all_sparse = maps[s..t].iter().all(|m| m.matrix.as_dense().is_none());
                let sparse = if all_sparse { stored.saturating_mul(24) } else { usize::MAX };
                total = total.saturating_add(sparse.min(dense.saturating_mul(8)));
            }
        }
        total
    }
}

/// Rows of each product whose structure [`Products::bytes`] looks at.
const SAMPLED_ROWS: usize = 32;

/// Adds the numbers of nonzero entries of a row of each product `(t, s)`, going down from layer `t`; of large
/// convolutions, which are given, as if all channels met.
fn count_row(
    chain: &Chain,
    large: &[Option<ConvolutionMatrix>],
    t: usize,
    row: usize,
    entries: &mut [usize],
) {
    let maps = chain.maps();
    let mut support = vec![row];
    for s in (0..t).rev() {
        let columns = maps[s].columns();
        let mut reached = vec![false; columns];
        if let Some(convolution) = &large[s] {
            convolution.reach(&support, &mut reached);
        } else {
            for &i in &support {
                let Some(row) = maps[s].matrix.row_support(i) else {
                    // Everything below a dense map is reached.
                    (0..=s).for_each(|s| entries[s] += maps[s].columns());
                    return;
                };
                row.into_iter().for_each(|j| reached[j] = true);
            }
        }
        support = (0..columns).filter(|&j| reached[j]).collect();
        entries[s] += support.len();
        // A window of several elements has no centre: nothing goes on below it.
        if let Some(Slopes::Pool(pool)) = s.checked_sub(1).map(|r| &chain.slopes()[r]) {
            support = support
                .into_iter()
                .filter(|&i| pool.passes(i))
                .flat_map(|i| pool.window(i))
                .collect();
        }
    }
}

/// One more layer on the left of a product: `W C`, which is the same for all of them.
struct Step {
    centred: Matrix,
    /// Whether no entry of `W C` was rounded.
    exact: bool,
    /// The number of terms of an entry of `W C`.
    terms: usize,
    /// `||W||_inf` times the largest centre.
    growth: f64,
}

impl Step {
    fn new(slopes: &Slopes, map: &LinearMap) -> Step {
        let centred = slopes.centred(&map.matrix);
        let exact = slopes.centres_exactly(&map.matrix);
        let centre = slopes.norms_up(Norm::Linf).centre;
        let growth = mul_up(map.mantissa_norm_up(Norm::Linf), centre);
        Step { centred, exact, terms: slopes.centre_terms(), growth }
    }
}

impl Product {
    /// The transposed product; entries are shared.
    pub fn transposed(&self) -> Product {
        Product { value: self.value.transposed(), error: self.error }
    }

    /// `W C self`: the product with one more layer on the left.
    fn extended(&self, step: &Step) -> Product {
        let value = step.centred.multiply(&self.value);
        let dot = if step.centred.multiplies_exactly(&self.value) {
            DotError::NONE
        } else {
            step.centred.dot_error(self.value.grid())
        };
        // One rounding for each term of W C, one dot product; gammas add up along the chain.
        let relative =
            if step.exact { dot.relative } else { gamma(step.centred.terms() + step.terms) };
        // Entry by entry, the underflow of this step is added to the error: of the dot products, and of the
        // entries of W C. Both are twice what can be lost, as the rounding of the dot products may add gamma
        // times that, and gamma is below 1.
        #[expect(clippy::float_arithmetic, reason = "exact: an integer times a power of two")]
        let lost = if step.exact { 0.0 } else { step.centred.terms() as f64 * MIN_SUBNORMAL };
        let centring = mul_up(self.value.grid().max, lost);
        let new = ProductError { relative, absolute: add_up(centring, dot.absolute) };
        Product { value, error: self.error.extended(step.growth, new) }
    }
}

impl ProductError {
    /// With one factor more. Relative errors combine: `gamma_a + gamma_b + gamma_a gamma_b <= gamma_(a+b)`
    /// (Higham, lemma 3.3). An absolute error `e` of an entry becomes at most `||W||_inf |C| e = growth * e`;
    /// the computed entries, of which the new rounding is a share `gamma_b`, may be larger by as much.
    pub(super) fn extended(self, growth: f64, new: ProductError) -> ProductError {
        let (a, b) = (self.relative, new.relative);
        let carried = mul_up(mul_up(growth, self.absolute), add_up(1.0, b));
        ProductError {
            relative: add_up(add_up(a, b), mul_up(a, b)),
            absolute: add_up(carried, new.absolute),
        }
    }
}

#[cfg(test)]
#[path = "products_tests.rs"]
mod tests;
