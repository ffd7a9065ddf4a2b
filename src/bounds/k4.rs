//! K4: the sum over all cuts of the norms of products of absolute values.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::{IntoParallelRefIterator, ParallelExtend, ParallelIterator};

use super::k5::Errors;
use super::problem::Oriented;
use super::products::{Product, ProductError, Products, add_block_up};
use super::remaining::Counted;
use super::{Bound, Certificate, Cost, Problem, Refusal, documented_bound, memory};
use crate::network::{Chain, Slopes};
use crate::numeric::rounding::{add_scaled_up, add_up, max_up, mul_up, sum_up};
use crate::numeric::{Grid, Matrix, Norm};

documented_bound! { K4, "\
The sum over all ways to cut the network of the norm of the product of absolute values.

# Definition
K4 = 2^-l * sum over the subsets {r_1 < ... < r_n} of {1..l} of
|| |W_(l+1,r_n)| ... |W_(r_2,r_1)| |W_(r_1,0)| ||, where W_(t,s) = W_{t-1} ... W_s. For slopes in
[c - rho, c + rho] the centres c multiply the uncut layers and the radii rho the cut ones.

# Source
F. Pintore and B. Despres, \"Computable Lipschitz bounds for deep neural networks\", arXiv 2410.21053.

# Holds for
l1, l2, linf; every network (a max-pooling is always cut).

# Order
K5 <= K4 <= min(K1, K3) in l1 and linf. In l2 K4 <= K1 can fail.

# Cost
2^l products of an outputs x n and an n x columns matrix, where columns is 1 in l1 and linf and l counts
the layers that are not always cut. Each subset is a beginning up to a layer in the middle and an end
from there on; the about 2^(l/2) beginnings and ends are computed once, and all pairs of them are
products of matrices. Refused beyond a depth that --k4-depth-limit sets: K5 is smaller and costs O(l^2).

# Rounding
The products carry a bound of their error, entry by entry; all the rest is sums of nonnegative numbers,
inflated by their a-priori error bound.
" }

/// Rows and columns of the products of ends and beginnings that are computed at once.
const TILE: usize = 256;

impl Bound for K4 {
    fn id(&self) -> &'static str {
        "k4"
    }

    fn name(&self) -> &'static str {
        "K4"
    }

    fn documentation(&self) -> &'static str {
        DOCUMENTATION
    }

    fn cost(&self, problem: &Problem, norm: Norm) -> Cost {
        let (depth, limit) = (free(problem.chain().slopes()), problem.options().k4_depth_limit);
        if depth > limit {
            return Cost::Refused(Refusal(format!(
                "K4 sums over 2^{depth} subsets of {depth} layers, beyond the limit of {limit} layers; K5 is at most K4 and is computed for any depth (--k4-depth-limit raises the limit)"
            )));
        }
        if let Err(refusal) = problem.check_memory() {
            return Cost::Refused(refusal);
        }
        let oriented = problem.oriented(norm);
        let columns = oriented.start_columns(norm);
        let work = Meeting::of(oriented.chain, columns).work(oriented.chain);
        if work < 2e10 { Cost::Cheap } else { Cost::Expensive }
    }

    #[expect(clippy::float_arithmetic, reason = "an estimate of memory")]
    fn memory(&self, problem: &Problem, norm: Norm) -> f64 {
        // The products; beginnings with their error terms and what they become in front of a cut, also in
        // tiles; ends, likewise; a product in each thread.
        let oriented = problem.oriented(norm);
        let (outputs, columns) = (oriented.chain.outputs(), oriented.start_columns(norm));
        let meeting = Meeting::of(oriented.chain, columns);
        let rows = oriented.chain.maps().iter().map(|map| map.rows()).max().unwrap_or(0) as f64;
        let threads = rayon::current_num_threads() as f64;
        // Too many layers are refused for their number, whatever the memory.
        let refused = free(oriented.chain.slopes()) > problem.options().k4_depth_limit;
        let sides =
            if refused { 0.0 } else { meeting.columns() + meeting.rows() } * 8.0 * rows * 5.0;
        let tile = 8.0 * (outputs.max(TILE) * columns.max(TILE)) as f64;
        let norms = threads * (2.0 * tile + memory::dense_norm(outputs, columns, norm));
        memory::products(problem) + sides + norms
    }

    fn is_monotone(&self) -> bool {
        false
    }

    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
        if let Cost::Refused(refusal) = self.cost(problem, norm) {
            return Err(refusal);
        }
        let oriented = problem.oriented(norm);
        let subsets = Subsets { oriented: &oriented, products: oriented.products()?, norm };
        Ok(Certificate::upper_bound(self.id(), norm, problem.scaled_up(subsets.sum_up())))
    }
}

/// The number of layers that may be cut or not.
fn free(slopes: &[Slopes]) -> usize {
    slopes.iter().filter(|slopes| !slopes.is_always_cut()).count()
}

/// Where the beginnings of the subsets meet their ends.
struct Meeting {
    /// The last layer that may be the last cut of a beginning.
    layer: usize,
    /// The layers up to there, and behind it, that may be cut or not.
    free: [usize; 2],
    outputs: usize,
    start_columns: usize,
}

#[expect(clippy::float_arithmetic, reason = "estimates, which no number depends on")]
impl Meeting {
    /// Where beginnings and ends are about equally many numbers. An end cannot contain a max-pooling, which
    /// is not linear: the beginnings go at least up to the last of them.
    fn of(chain: &Chain, start_columns: usize) -> Meeting {
        let pool = chain.slopes().iter().rposition(|slopes| matches!(slopes, Slopes::Pool(_)));
        let at = |layer| {
            let (before, behind) = chain.slopes().split_at(layer);
            let free = [free(before), free(behind)];
            Meeting { layer, free, outputs: chain.outputs(), start_columns }
        };
        let size = |m: &Meeting| m.columns() + m.rows();
        let layers = pool.map_or(0, |r| r + 1)..=chain.depth();
        // There is at least the last layer.
        layers.map(at).min_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(at(chain.depth()))
    }

    /// The columns of all beginnings.
    fn columns(&self) -> f64 {
        self.start_columns as f64 * 2f64.powi(self.free[0] as i32)
    }

    /// The rows of all ends.
    fn rows(&self) -> f64 {
        self.outputs as f64 * 2f64.powi(self.free[1] as i32)
    }

    /// Floating-point operations.
    fn work(&self, chain: &Chain) -> f64 {
        let maps = chain.maps();
        let entries = maps.iter().map(|m| m.matrix.stored_entries()).max().unwrap_or(0) as f64;
        let widest = maps.iter().map(|m| m.rows()).max().unwrap_or(0) as f64;
        let layers = (1 + chain.depth() - self.layer) as f64;
        let sides = entries * (layers * self.columns() + self.rows());
        2.0 * (sides + self.rows() * widest * self.columns())
    }
}

struct Subsets<'a> {
    oriented: &'a Oriented<'a>,
    products: &'a Products,
    norm: Norm,
}

impl Subsets<'_> {
    /// Every subset has two consecutive cuts s <= m < t, where 0 and l + 1 count as cuts. With B_s the
    /// columns of its beginning behind the cut s, and E_t the rows of its end from the cut t on, its matrix
    /// is E_t |W~_(t,s)| B_s.
    fn sum_up(&self) -> f64 {
        let (chain, columns) = (self.oriented.chain, self.oriented.start_columns(self.norm));
        let outputs = chain.outputs();
        let middle = Meeting::of(chain, columns).layer;
        let product = |t: usize, s: usize| self.products.get(t, s).clone();
        let mut beginnings = Blocks::new(chain, &product, self.oriented.start(self.norm));
        for layer in 1..=middle {
            let block = beginnings.next_up();
            beginnings.cut(chain.slopes()[layer - 1].radius_up(block.view()));
        }
        let ends = self.ends(middle);

        let columns = tiles(beginnings.columns(), columns);
        let rows =
            |end: &Option<Array2<f64>>| tiles(end.as_ref().map_or(outputs, Array2::ncols), outputs);
        let count = columns.len() * ends.iter().map(|end| rows(end).len()).sum::<usize>();
        let (progress, threads) = (&self.oriented.options().progress, rayon::current_num_threads());
        let counted = Counted::new(progress, count, threads);
        let mut sums = Vec::with_capacity(count);
        for end in &ends {
            let through = beginnings.next_up();
            let tile = |tile: &Range<usize>| through.slice(s![.., tile.clone()]).to_owned();
            let through: Vec<Array2<f64>> = columns.iter().map(tile).collect();
            let rows_of_end =
                |tile| Some(Matrix::dense(end.as_ref()?.slice(s![.., tile]).t().to_owned()));
            let ends: Vec<Option<Matrix>> = rows(end).into_iter().map(rows_of_end).collect();
            let pairs = ends.par_iter().flat_map(|end| through.par_iter().map(move |x| (end, x)));
            sums.par_extend(pairs.map(|(end, x)| {
                let sum = match end {
                    Some(end) => self.norms_up(end.abs_apply_up(x.view()).view()),
                    None => self.norms_up(x.view()),
                };
                counted.one_more(|share, left| {
                    format!("K4 {}: {share}% of its subsets{left}", self.norm)
                });
                sum
            }));
        }
        sum_up(sums)
    }

    /// `E_t^T` for t = `middle` + 1 .. l + 1: the ends are the beginnings of the transposed chain. The last is
    /// the identity, as which `None` stands.
    fn ends(&self, middle: usize) -> Vec<Option<Array2<f64>>> {
        let chain = self.oriented.chain;
        let last = chain.depth() + 1;
        let mut ends = vec![None];
        if let Some(transposed) = chain.from(middle).transposed()
            && middle < chain.depth()
        {
            let product = |t: usize, s: usize| self.products.get(last - s, last - t).transposed();
            let mut blocks = Blocks::new(&transposed, &product, Array2::eye(chain.outputs()));
            for slopes in transposed.slopes() {
                let block = slopes.radius_up(blocks.next_up().view());
                blocks.cut(block.clone());
                ends.push(Some(block));
            }
        }
        ends.reverse();
        ends
    }

    /// The sum of the norms of the products of an end and a beginning, which stand in `block` as rows and
    /// columns of blocks.
    fn norms_up(&self, block: ArrayView2<'_, f64>) -> f64 {
        let outputs = self.oriented.chain.outputs();
        if self.oriented.sums_rows(self.norm) {
            // The largest entries of columns, row by row.
            let mut sums = Vec::with_capacity(block.len() / outputs);
            for rows in block.axis_chunks_iter(Axis(0), outputs) {
                let largest = rows.fold_axis(Axis(0), 0.0, |&m, &x| max_up(m, x));
                sums.extend(largest);
            }
            return sum_up(sums);
        }
        let blocks = block.exact_chunks((outputs, self.oriented.start_columns(self.norm)));
        sum_up(blocks.into_iter().map(|block| self.oriented.norm_up(self.norm, block)))
    }
}

/// Blocks of nonnegative columns that entered a chain behind several cuts and go through it side by side.
pub struct Blocks<'a> {
    chain: &'a Chain,
    product: &'a dyn Fn(usize, usize) -> Product,
    /// The maps that they have gone through.
    layer: usize,
    entered: Vec<Entered>,
    /// `A_(t,s) x` and `B_(t,s) x` for the blocks `x` that entered behind the cuts `s` from which products are not
    /// exact, side by side.
    errors: Errors,
}

/// A block that entered behind a cut.
struct Entered {
    cut: usize,
    x: Array2<f64>,
    /// Whether a product that begins there has an error.
    inexact: bool,
}

impl<'a> Blocks<'a> {
    /// For the products `(t, s)` of the chain, with the block that enters it at its start.
    pub fn new(
        chain: &'a Chain,
        product: &'a dyn Fn(usize, usize) -> Product,
        start: Array2<f64>,
    ) -> Blocks<'a> {
        let (entered, errors) = (Vec::new(), Errors::default());
        let mut blocks = Blocks { chain, product, layer: 0, entered, errors };
        blocks.enter(start);
        blocks
    }

    fn enter(&mut self, x: Array2<f64>) {
        let cut = self.layer;
        let mut errors = (cut + 1..=self.chain.depth() + 1).map(|t| (self.product)(t, cut).error);
        let inexact = errors.any(|error| error.relative > 0.0 || error.absolute > 0.0)
            || self.chain.maps()[cut..].iter().any(|map| map.radius.is_some());
        self.entered.push(Entered { cut, x, inexact });
    }

    /// Lets `x` enter behind a cut of the layer that was reached. Where the layer is always cut, nothing that
    /// entered before goes on.
    pub fn cut(&mut self, x: Array2<f64>) {
        if self.chain.slopes()[self.layer - 1].is_always_cut() {
            self.entered.clear();
            self.errors = Errors::default();
        }
        self.enter(x);
    }

    /// The number of columns that have entered and go on.
    pub fn columns(&self) -> usize {
        self.entered.iter().map(|e| e.x.ncols()).sum()
    }

    /// Goes on through one map: upper bounds of `|W~_(t,s)| x` for all that entered.
    pub fn next_up(&mut self) -> Array2<f64> {
        self.layer += 1;
        self.extend_errors();
        let t = self.layer;
        let rows = self.chain.maps()[t - 1].rows();
        let mut result = Array2::zeros((rows, self.columns()));
        let (mut first, mut first_error) = (0, 0);
        for Entered { cut, x, inexact } in &self.entered {
            let product = (self.product)(t, *cut);
            let columns = s![.., first..first + x.ncols()];
            first += x.ncols();
            let mut block = product.value.abs_apply_up(x.view());
            if *inexact {
                let errors = s![.., first_error..first_error + x.ncols()];
                first_error += x.ncols();
                let ProductError { relative, absolute } = product.error;
                // The sum of a column is at most so many times the largest entry.
                let most = mul_up(x.nrows() as f64, Grid::of_matrix(x.view()).max);
                let underflow = mul_up(absolute, most);
                match &self.errors.absolute_product {
                    Some(_) if relative == 0.0 && absolute == 0.0 => {}
                    Some(size) => block.zip_mut_with(&size.slice(errors), |y, &a| {
                        *y = add_scaled_up(add_up(*y, underflow), relative, a);
                    }),
                    // What is inexact has errors; nothing would be known without them.
                    None => block.fill(f64::INFINITY),
                }
                if let Some(radius) = &self.errors.radius_product {
                    add_block_up(&mut block, radius.slice(errors));
                }
            }
            result.slice_mut(columns).assign(&block);
        }
        result
    }

    fn extend_errors(&mut self) {
        let (mut entering, mut carried) = self.errors.centred(self.chain, self.layer);
        let new = self.entered.last().filter(|e| e.cut == self.layer - 1 && e.inexact);
        if let Some(Entered { x, .. }) = new {
            entering = Some(entering.map_or(x.clone(), |a| joined(&a, x)));
            carried = carried.map(|b| joined(&b, &Array2::zeros(x.dim())));
        }
        if let Some(entering) = entering {
            self.errors.pass(&self.chain.maps()[self.layer - 1], &entering, carried);
        }
    }
}

/// Two blocks with the same number of rows, side by side.
fn joined(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let mut all = Array2::zeros((a.nrows(), a.ncols() + b.ncols()));
    all.slice_mut(s![.., ..a.ncols()]).assign(a);
    all.slice_mut(s![.., a.ncols()..]).assign(b);
    all
}

/// Ranges of whole groups of columns, of about [`TILE`] columns each.
fn tiles(columns: usize, group: usize) -> Vec<Range<usize>> {
    let length = (TILE / group).max(1) * group;
    (0..columns).step_by(length).map(|first| first..(first + length).min(columns)).collect()
}

#[cfg(test)]
#[path = "k4_tests.rs"]
mod tests;
