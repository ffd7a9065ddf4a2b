//! K4 and K5: the recursion over the cuts, backwards.

use ndarray::{Array2, ArrayView2, Axis, concatenate, s};

use super::backward::{signed_outer, through_products, through_slopes};
use super::extremal::{contracted, of_block};
use super::slopes::{Taken, of_factors};
use super::{Computed, Derivatives, check_memory, hull, in_order};
use crate::bounds::problem::Oriented;
use crate::bounds::products::Products;
use crate::bounds::{Bound, Cost, Problem, Refusal, k4, k5};
use crate::network::{Chain, Slopes};
use crate::numeric::{Matrix, Norm};

/// K5 with its derivatives.
pub fn k5(problem: &Problem, norm: Norm) -> Computed {
    check_memory(problem, 0.0)?;
    let oriented = problem.oriented(norm);
    if norm == Norm::L1 && oriented.chain.has_pool() {
        return hull::k5(problem, &oriented);
    }
    let (chain, products) = (oriented.chain, oriented.products()?);
    let end = contracted(&oriented, norm, |start| k5::apply_up(chain, products, start))?;
    let cuts = Cuts::forward(chain, products, end.start, Join::Sum);
    let (maps, slopes) = cuts.backward(vec![end.lambda; chain.depth() + 1]);
    Ok(in_order(problem, &oriented, Derivatives { value: end.value, maps, slopes }))
}

/// K4 with its derivatives.
pub fn k4(problem: &Problem, norm: Norm) -> Computed {
    if let Cost::Refused(refusal) = k4::K4.cost(problem, norm) {
        return Err(refusal);
    }
    let oriented = problem.oriented(norm);
    let chain = oriented.chain;
    let columns = oriented.start_columns(norm) as f64 * 2f64.powi(chain.depth() as i32);
    let widest = chain.maps().iter().map(|m| m.rows()).max().unwrap_or(0);
    check_memory(problem, 8.0 * 4.0 * columns * widest as f64)?;
    let products = oriented.products()?;
    let cuts = Cuts::forward(chain, products, oriented.start(norm), Join::Beside);
    let (value, ends) = norms_of_leaves(&oriented, norm, &cuts.leaves)?;
    let (maps, slopes) = cuts.backward(ends);
    Ok(in_order(problem, &oriented, Derivatives { value, maps, slopes }))
}

/// The sum of the norms of all blocks that come out of the chain, with its derivatives.
fn norms_of_leaves(
    oriented: &Oriented<'_>,
    norm: Norm,
    leaves: &[Array2<f64>],
) -> Result<(f64, Vec<Array2<f64>>), Refusal> {
    let width = oriented.start_columns(norm);
    let mut value = 0.0;
    let mut ends = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let mut end = Array2::zeros(leaf.dim());
        for start in (0..leaf.ncols()).step_by(width.max(1)) {
            let columns = s![.., start..start + width];
            let (size, lambda) = of_block(oriented, norm, leaf.slice(columns))?;
            value += size;
            end.slice_mut(columns).assign(&lambda);
        }
        ends.push(end);
    }
    Ok((value, ends))
}

/// How the parts `|W~_(t,s)| x_s` of a layer are put together.
#[derive(Clone, Copy, PartialEq)]
enum Join {
    /// As one sum over `s` (K5).
    Sum,
    /// Side by side, each subset of cuts in columns of its own (K4).
    Beside,
}

/// The vectors of the recursion, kept for the way back.
struct Cuts<'a> {
    chain: &'a Chain,
    products: &'a Products,
    join: Join,
    /// `x_0 .. x_l`: what starts behind each cut.
    starts: Vec<Array2<f64>>,
    /// `v_1 .. v_l`: what comes into each cut.
    before: Vec<Array2<f64>>,
    /// The parts that come out of the last layer, from each cut.
    leaves: Vec<Array2<f64>>,
}

impl<'a> Cuts<'a> {
    fn forward(chain: &'a Chain, products: &'a Products, start: Array2<f64>, join: Join) -> Self {
        let mut cuts = Cuts {
            chain,
            products,
            join,
            starts: vec![start],
            before: Vec::new(),
            leaves: Vec::new(),
        };
        for t in 1..=chain.depth() {
            let v = joined(join, cuts.parts(t));
            cuts.starts.push(chain.slopes()[t - 1].radius_up(v.view()));
            cuts.before.push(v);
        }
        cuts.leaves = cuts.parts(chain.depth() + 1);
        cuts
    }

    fn parts(&self, t: usize) -> Vec<Array2<f64>> {
        let part = |s: usize| self.products.get(t, s).value.abs_apply_up(self.starts[s].view());
        (0..t).map(part).collect()
    }

    /// The derivatives with respect to the maps and the slopes, given those with respect to the leaves, which
    /// are not negative.
    fn backward(&self, ends: Vec<Array2<f64>>) -> (Vec<Matrix>, Vec<Taken>) {
        let depth = self.chain.depth();
        let mut adjoints: Vec<Array2<f64>> =
            self.starts.iter().map(|x| Array2::zeros(x.dim())).collect();
        // Those with respect to the parts of each layer, from the last to the first.
        let mut layers = vec![ends];
        for t in (0..=depth).rev() {
            let parts = &layers[depth - t];
            for (s, part) in parts.iter().enumerate() {
                let transposed = self.products.get(t + 1, s).value.transposed();
                adjoints[s] += &transposed.abs_apply_up(part.view());
            }
            if t > 0 {
                let v = self.before[t - 1].view();
                let adjoint = through_radius(&self.chain.slopes()[t - 1], v, adjoints[t].view());
                layers.push(self.split(t, adjoint));
            }
        }
        let (maps, mut slopes) = through_products(self.chain, self.products, |t, s| {
            let part = layers[depth + 1 - t][s].view();
            signed_outer(&self.products.get(t, s).value, part, self.starts[s].view())
        });
        for (r, taken) in slopes.iter_mut().enumerate() {
            if self.chain.slopes()[r].diagonal().is_some() {
                taken.radius = of_factors(self.before[r].view(), adjoints[r + 1].view());
            }
        }
        (maps, slopes)
    }

    /// The derivatives with respect to the parts of layer `t`, given that with respect to all of them
    /// together.
    fn split(&self, t: usize, adjoint: Array2<f64>) -> Vec<Array2<f64>> {
        if self.join == Join::Sum {
            return vec![adjoint; t];
        }
        let mut first = 0;
        let part = |x: &Array2<f64>| {
            let part = adjoint.slice(s![.., first..first + x.ncols()]).to_owned();
            first += x.ncols();
            part
        };
        self.starts[..t].iter().map(part).collect()
    }
}

fn joined(join: Join, parts: Vec<Array2<f64>>) -> Array2<f64> {
    if join == Join::Beside {
        let views: Vec<ArrayView2<'_, f64>> = parts.iter().map(|part| part.view()).collect();
        // They have the same number of rows by construction.
        return concatenate(Axis(1), &views).unwrap_or_default();
    }
    parts.into_iter().reduce(|sum, part| sum + part).unwrap_or_default()
}

/// Back through the radius of the slopes.
pub fn through_radius(
    slopes: &Slopes,
    x: ArrayView2<'_, f64>,
    adjoint: ArrayView2<'_, f64>,
) -> Array2<f64> {
    let radius = |k: usize| slopes.diagonal().map_or(0.0, |d| d.radius()[k]);
    let cut = |i: usize| matches!(slopes, Slopes::Pool(windows) if !windows.passes(i));
    through_slopes(slopes, radius, cut, x, adjoint)
}
