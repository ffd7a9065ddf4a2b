//! K4: the sum over all cuts of the norms of products of absolute values.

use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::problem::Oriented;
use super::products::magnitudes_up;
use super::remaining::Counted;
use super::{Bound, Certificate, Cost, Problem, Refusal, documented_bound, memory};
use crate::network::Chain;
use crate::numeric::rounding::{add_up, sum_up};
use crate::numeric::{Matrix, Norm};

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
2^l matrix-vector products: the tree of subsets, in which every prefix is computed once, level by level
as products of matrices. Refused beyond a depth that --k4-depth-limit sets: K5 is smaller and costs
O(l^2).

# Rounding
The products carry a bound of their error, entry by entry; all the rest is sums of nonnegative numbers,
inflated by their a-priori error bound.
" }

/// Layers whose subsets are walked one at a time (in parallel) before the rest goes level by level.
const TREE_LEVELS: usize = 3;

/// The largest number of layers that go level by level: 2^11 prefixes at most in the last of them.
const BATCH_LEVELS: usize = 11;

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
        let (depth, limit) = (problem.chain().depth(), problem.options().k4_depth_limit);
        if depth > limit {
            return Cost::Refused(Refusal(format!(
                "K4 sums over 2^{depth} subsets of {depth} layers, beyond the limit of {limit} layers; K5 is at most K4 and is computed for any depth (--k4-depth-limit raises the limit)"
            )));
        }
        if let Err(refusal) = problem.check_memory() {
            return Cost::Refused(refusal);
        }
        let columns = problem.oriented(norm).start_columns(norm);
        if walk_work(problem.chain(), columns) < 2e10 { Cost::Cheap } else { Cost::Expensive }
    }

    #[expect(clippy::float_arithmetic, reason = "an estimate of memory")]
    fn memory(&self, problem: &Problem, norm: Norm) -> f64 {
        // The products, their magnitudes and the error term of one column of them; the prefixes that go
        // level by level, in each thread, side by side.
        let oriented = problem.oriented(norm);
        let depth = problem.chain().depth();
        let batch = depth.saturating_sub(TREE_LEVELS).min(BATCH_LEVELS) as i32;
        let columns = oriented.start_columns(norm) as f64;
        let rows = oriented.chain.maps().iter().map(|map| map.rows()).max().unwrap_or(0) as f64;
        let threads = (rayon::current_num_threads() as f64).min(2f64.powi(TREE_LEVELS as i32));
        let starts = 2f64.powi((depth as i32 - batch).min(TREE_LEVELS as i32));
        let prefixes = 8.0 * columns * rows * (starts + 2.5 * threads * 2f64.powi(batch));
        let norms = threads * memory::dense_norm(oriented.chain.outputs(), columns as usize, norm);
        // Each thread holds three products while it bounds their errors.
        let products = problem.products_bytes() as f64;
        let largest = 8.0 * rows * rows.max(oriented.chain.inputs() as f64);
        let magnitudes = products * 1.5 + 3.0 * threads * largest.min(products);
        memory::products(problem) + magnitudes + prefixes + norms
    }

    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
        if let Cost::Refused(refusal) = self.cost(problem, norm) {
            return Err(refusal);
        }
        let oriented = problem.oriented(norm);
        let q = magnitudes_up(oriented.chain, oriented.products()?);
        let walk = Walk { chain: oriented.chain, q: &q, oriented: &oriented, norm };
        Ok(Certificate::upper_bound(self.id(), norm, problem.scaled_up(walk.sum_up())))
    }
}

/// Floating-point operations of the walk.
#[expect(clippy::float_arithmetic, reason = "an estimate of work")]
fn walk_work(chain: &Chain, columns: usize) -> f64 {
    let maps = chain.maps();
    let widest = maps.iter().map(|m| m.rows() as f64).fold(1.0, f64::max);
    let entries = maps.iter().map(|m| m.matrix.stored_entries() as f64).fold(0.0, f64::max);
    2f64.powi(chain.depth() as i32)
        * entries.max(widest * widest.min(columns as f64))
        * columns as f64
}

struct Walk<'a> {
    chain: &'a Chain,
    q: &'a [Vec<Matrix>],
    oriented: &'a Oriented<'a>,
    norm: Norm,
}

/// A prefix of a subset: the block that enters the chain behind the cut `at`.
struct Prefix {
    at: usize,
    block: Array2<f64>,
}

impl Walk<'_> {
    fn sum_up(&self) -> f64 {
        let depth = self.chain.depth();
        let tree = TREE_LEVELS.max(depth.saturating_sub(BATCH_LEVELS)).min(depth);
        let mut prefixes = vec![Prefix { at: 0, block: self.oriented.start(self.norm) }];
        for layer in 1..=tree {
            let cut: Vec<Prefix> = prefixes
                .iter()
                .map(|p| Prefix { at: layer, block: self.cut_at(layer, p.at, p.block.view()) })
                .collect();
            prefixes.extend(cut);
        }
        // Each prefix has the same continuations.
        let (progress, threads) = (&self.oriented.options().progress, rayon::current_num_threads());
        let counted = Counted::new(progress, prefixes.len(), threads);
        let finished = |p: Prefix| {
            let sum = self.finish(&p, tree);
            counted
                .one_more(|share, left| format!("K4 {}: {share}% of its subsets{left}", self.norm));
            sum
        };
        let sums: Vec<f64> = prefixes.into_par_iter().map(finished).collect();
        sum_up(sums)
    }

    /// `R_t |W~_(t,s)| x`.
    fn cut_at(&self, t: usize, s: usize, x: ArrayView2<'_, f64>) -> Array2<f64> {
        let y = self.q[t - 1][s].abs_apply_up(x);
        self.chain.slopes()[t - 1].radius_up(y.view())
    }

    /// The sum over all subsets that continue `prefix` by cuts behind layer `tree`, level by level:
    /// the blocks of all prefixes that end at the same cut stand side by side in one matrix.
    fn finish(&self, prefix: &Prefix, tree: usize) -> f64 {
        let depth = self.chain.depth();
        let mut levels: Vec<(usize, Array2<f64>)> = vec![(prefix.at, prefix.block.clone())];
        for t in tree + 1..=depth {
            let parts: Vec<Array2<f64>> =
                levels.iter().map(|(s, x)| self.cut_at(t, *s, x.view())).collect();
            let views: Vec<ArrayView2<'_, f64>> = parts.iter().map(|part| part.view()).collect();
            // The parts have the same number of rows by construction.
            if let Ok(joined) = concatenate(Axis(1), &views) {
                levels.push((t, joined));
            }
        }
        let width = prefix.block.ncols();
        let mut sum = 0.0;
        for (at, x) in &levels {
            let y = self.q[depth][*at].abs_apply_up(x.view());
            for start in (0..y.ncols()).step_by(width) {
                let block = y.slice(s![.., start..start + width]);
                sum = add_up(sum, self.oriented.norm_up(self.norm, block));
            }
        }
        sum
    }
}
