//! K5 of chosen rows of a chain with narrowed slopes, as a node of a search needs it.
//!
//! Definition: with centres `c` and radii `rho` of the slopes, let `F_r(b)` bound `|| b D_r W_{r-1} D_{r-1}
//! ... W_0 ||_1` for a row `b` over the results of stage `r`:
//!
//! `F_r(b) = F_{r-1}((b c) W_{r-1}) + sum_k |b_k| rho_k F_{r-1}(row k of W_{r-1})`, `F_0(b) = ||b||_1`.
//!
//! That is K5 (see `k5`), followed from the outputs down: a *source* is an output or a neuron with a
//! radius, and each source's row is multiplied through the centres of the layers below. A neuron whose
//! slope is fixed is no source, so the cost falls with every decision.
//!
//! Rounding: `F_r` is subadditive and `F_r(b) <= sum_k |b_k| s_k h_{r-1,k}` with `s` the largest absolute
//! slopes and `h_0 = |W_0| 1`, `h_r = |W_r| (s h_{r-1})`. A computed product `w W_r` is off by at most
//! `gamma |w| |W_r|` entry by entry, so `gamma sum_k |w_k| h_{r,k}` is added to the source's bound, where
//! `w` is the computed row: nothing is neglected, and no second matrix product is needed.

use ndarray::{Array1, Array2, ArrayView1, Axis, s};

use crate::network::{Chain, Diagonal, LinearMap};
use crate::numeric::product::{abs_apply_up, multiply};
use crate::numeric::rounding::{MIN_SUBNORMAL, add_up, gamma, max_up, mul_up, sqrt_up, sum_up};
use crate::numeric::spectral::spectral_norm_up;
use crate::numeric::{Grid, Norm};

/// The slopes of one layer: `[alpha, beta]` for each neuron.
pub type Interval = (f64, f64);

/// The maps of a chain as dense matrices, in the orientation in which rows are bounded.
#[derive(Debug)]
pub struct Layers {
    /// `W_0 .. W_l`, without the powers of two.
    pub weights: Vec<Array2<f64>>,
    radii: Vec<Option<Array2<f64>>>,
    grids: Vec<Grid>,
}

/// What a node's expansion says.
#[derive(Debug)]
pub struct Expansion {
    /// Bounds of the rows that were asked for (l1, linf), or of the norm (l2, one number).
    pub bounds: Vec<f64>,
    /// For each layer and neuron, how much its radius adds to the largest of the bounds.
    pub influence: Vec<Vec<f64>>,
}

impl Expansion {
    /// The largest bound.
    pub fn largest(&self) -> f64 {
        self.bounds.iter().copied().fold(0.0, max_up)
    }

    /// The number of neurons that have an influence.
    pub fn influential(&self) -> usize {
        self.influence.iter().flatten().filter(|x| **x > 0.0).count()
    }

    /// The neuron of the largest influence, as (layer, neuron); `None` where none has any.
    pub fn most_influential(&self) -> Option<(usize, usize)> {
        let all = self.influence.iter().enumerate();
        let each =
            all.flat_map(|(r, layer)| layer.iter().enumerate().map(move |(k, &x)| (x, r, k)));
        let open = each.filter(|(x, _, _)| *x > 0.0);
        open.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)).then(b.2.cmp(&a.2)))
            .map(|(_, r, k)| (r, k))
    }
}

/// The rows of all sources over one layer, with what rounding may have cost them.
struct Sources {
    rows: Array2<f64>,
    /// Where each neuron that is a source came from.
    neurons: Vec<Option<(usize, usize)>>,
    /// Bounds of what rounding adds to `F` of each source.
    errors: Vec<f64>,
    /// The later sources that each one is cut into, with weights.
    links: Vec<Vec<(usize, f64)>>,
}

impl Layers {
    /// The maps of `chain`, in the given orientation.
    pub fn new(chain: &Chain) -> Layers {
        let dense = |map: &LinearMap| map.matrix.to_dense().as_standard_layout().into_owned();
        let radius = |map: &LinearMap| {
            map.radius.as_ref().map(|r| r.to_dense().as_standard_layout().into_owned())
        };
        Layers {
            weights: chain.maps().iter().map(dense).collect(),
            radii: chain.maps().iter().map(radius).collect(),
            grids: chain.maps().iter().map(|map| map.matrix.grid()).collect(),
        }
    }

    /// The number of layers of slopes.
    pub fn depth(&self) -> usize {
        self.weights.len() - 1
    }

    /// The number of rows.
    pub fn outputs(&self) -> usize {
        self.weights[self.depth()].nrows()
    }

    /// Bounds of the l1 lengths of the given rows of every Jacobian with the given slopes, or of its
    /// spectral norm.
    pub fn expand(&self, slopes: &[Vec<Interval>], rows: &[usize], norm: Norm) -> Expansion {
        self.sources(slopes, rows).collect(rows.len(), slopes, norm)
    }

    fn sources(&self, slopes: &[Vec<Interval>], rows: &[usize]) -> Sources {
        let diagonal = |layer: &Vec<Interval>| {
            let (alpha, beta) = layer.iter().copied().unzip();
            Diagonal::new(alpha, beta)
        };
        let parts: Vec<Diagonal> = slopes.iter().map(diagonal).collect();
        let sizes = self.sizes(&parts);
        let mut sources = self.outputs_as_sources(rows, &parts, &sizes);
        for r in (0..self.depth()).rev() {
            self.descend(&mut sources, r, &parts, &sizes);
        }
        sources
    }

    /// Bounds of the lengths of all rows of every Jacobian with the given slopes, in the dual of `norm`:
    /// the Lipschitz constants of the outputs one by one.
    pub fn row_lengths(&self, slopes: &[Vec<Interval>], norm: Norm) -> Vec<f64> {
        let rows: Vec<usize> = (0..self.outputs()).collect();
        let sources = self.sources(slopes, &rows);
        rows.iter().map(|&i| sources.length(i, norm)).collect()
    }

    /// `h_r` of the module's comment.
    fn sizes(&self, parts: &[Diagonal]) -> Vec<Vec<f64>> {
        let mut sizes: Vec<Vec<f64>> = Vec::with_capacity(self.weights.len());
        for (r, w) in self.weights.iter().enumerate() {
            let below = self.below(r, parts, &sizes);
            let column = Array1::from(below).insert_axis(Axis(1));
            let mut h = abs_apply_up(w.view(), self.grids[r], column.view()).column(0).to_vec();
            if let Some(radius) = &self.radii[r] {
                let extra = abs_apply_up(radius.view(), Grid::of(radius.iter()), column.view());
                h.iter_mut().zip(extra.iter()).for_each(|(h, &e)| *h = add_up(*h, e));
            }
            sizes.push(h);
        }
        sizes
    }

    /// Bounds of `F` of the unit rows over the columns of map `r`: `s h_{r-1}`, or 1 at the input.
    fn below(&self, r: usize, parts: &[Diagonal], sizes: &[Vec<f64>]) -> Vec<f64> {
        match r.checked_sub(1) {
            None => vec![1.0; self.weights[0].ncols()],
            Some(q) => {
                let each = parts[q].magnitude().zip(&sizes[q]);
                each.map(|(s, &h)| mul_up(s, h)).collect()
            }
        }
    }

    /// What the radius of map `r` adds to `F` of its rows.
    fn spread(&self, r: usize, parts: &[Diagonal], sizes: &[Vec<f64>]) -> Option<Vec<f64>> {
        self.radii[r].as_ref().map(|radius| {
            let column = Array1::from(self.below(r, parts, sizes)).insert_axis(Axis(1));
            abs_apply_up(radius.view(), Grid::of(radius.iter()), column.view()).column(0).to_vec()
        })
    }

    fn outputs_as_sources(
        &self,
        rows: &[usize],
        parts: &[Diagonal],
        sizes: &[Vec<f64>],
    ) -> Sources {
        let last = self.depth();
        let w = &self.weights[last];
        let spread = self.spread(last, parts, sizes);
        Sources {
            rows: w.select(Axis(0), rows),
            neurons: vec![None; rows.len()],
            errors: rows.iter().map(|&i| spread.as_ref().map_or(0.0, |s| s[i])).collect(),
            links: vec![Vec::new(); rows.len()],
        }
    }

    /// From the results of stage `r` to the results of the stage below, or the input.
    fn descend(&self, sources: &mut Sources, r: usize, parts: &[Diagonal], sizes: &[Vec<f64>]) {
        let (w, centre, radius) = (&self.weights[r], parts[r].centre(), parts[r].radius());
        let spread = self.spread(r, parts, sizes);
        let width = w.nrows();
        // One rounding for the centre and a dot product of `width` terms, relative to the computed row.
        let relative = gamma(width + 3);
        // An underflow of at most 2^-1074 in each product of the map, and in each with a centre.
        #[expect(clippy::float_arithmetic, reason = "exact: an integer times a power of two")]
        let lost = width as f64 * MIN_SUBNORMAL;
        let below = sum_up(self.below(r, parts, sizes));
        let own = sum_up(sizes[r].iter().copied());
        let underflow = mul_up(lost, add_up(below, own));
        let open: Vec<usize> = (0..width).filter(|&k| radius[k] > 0.0).collect();
        let mut reached = vec![0.0f64; width];
        let count = sources.rows.nrows();
        let mut centred = sources.rows.clone();
        let mut touched = vec![false; count];
        let mut pending: Vec<Vec<(usize, f64)>> = Vec::with_capacity(count);
        for (i, mut row) in centred.outer_iter_mut().enumerate() {
            let mut links = Vec::new();
            for &k in &open {
                if row[k] != 0.0 {
                    let weight = mul_up(row[k].abs(), radius[k]);
                    reached[k] = reached[k].max(weight);
                    links.push((k, weight));
                }
            }
            pending.push(links);
            for (k, x) in row.iter_mut().enumerate() {
                touched[i] |= *x != 0.0 && centre[k] != 0.0;
                #[expect(clippy::float_arithmetic, reason = "`relative` counts its rounding")]
                let product = *x * centre[k];
                *x = product;
            }
        }
        let column = |values: &[f64]| ArrayView1::from(values).insert_axis(Axis(1)).to_owned();
        let grid = Grid::of_matrix(centred.view());
        let carried = abs_apply_up(centred.view(), grid, column(&sizes[r]).view());
        for i in (0..count).filter(|&i| touched[i]) {
            let rounding = add_up(mul_up(relative, carried[[i, 0]]), underflow);
            sources.errors[i] = add_up(sources.errors[i], rounding);
        }
        // `sizes` include the radii, so what the rounding of a centre makes of them is counted already.
        if let Some(spread) = &spread {
            let extra = abs_apply_up(centred.view(), grid, column(spread).view());
            (0..count).for_each(|i| {
                sources.errors[i] = add_up(sources.errors[i], extra[[i, 0]]);
            });
        }
        let new: Vec<usize> = open.into_iter().filter(|&k| reached[k] > 0.0).collect();
        let mut place = vec![usize::MAX; width];
        new.iter().enumerate().for_each(|(i, &k)| place[k] = count + i);
        for (links, found) in sources.links.iter_mut().zip(pending) {
            links.extend(found.into_iter().map(|(k, weight)| (place[k], weight)));
        }
        let mut rows = Array2::zeros((count + new.len(), w.ncols()));
        rows.slice_mut(s![..count, ..]).assign(&multiply(centred.view(), w.view()));
        for (i, &k) in new.iter().enumerate() {
            rows.row_mut(count + i).assign(&w.row(k));
            sources.neurons.push(Some((r, k)));
            sources.errors.push(spread.as_ref().map_or(0.0, |s| s[k]));
            sources.links.push(Vec::new());
        }
        sources.rows = rows;
    }
}

impl Sources {
    /// The bounds, from the rows over the inputs.
    fn collect(self, outputs: usize, slopes: &[Vec<Interval>], norm: Norm) -> Expansion {
        let count = self.rows.nrows();
        let length = |row: ArrayView1<'_, f64>| sum_up(row.iter().map(|x| x.abs()));
        let mut totals: Vec<f64> =
            (0..count).map(|i| add_up(length(self.rows.row(i)), self.errors[i])).collect();
        for i in (0..count).rev() {
            let cut = self.links[i].iter().map(|&(j, weight)| mul_up(weight, totals[j]));
            totals[i] = add_up(totals[i], sum_up(cut));
        }
        let bounds = match norm {
            Norm::L2 => vec![self.spectral(outputs)],
            _ => totals[..outputs].to_vec(),
        };
        let largest = (0..outputs).max_by(|&a, &b| totals[a].total_cmp(&totals[b]).then(b.cmp(&a)));
        let start: Vec<usize> = match norm {
            Norm::L2 => (0..outputs).collect(),
            _ => largest.into_iter().collect(),
        };
        let weights = self.weights(&start);
        let mut influence: Vec<Vec<f64>> = slopes.iter().map(|s| vec![0.0; s.len()]).collect();
        #[expect(
            clippy::float_arithmetic,
            reason = "the influence decides the order of the search only"
        )]
        for (i, neuron) in self.neurons.iter().enumerate() {
            if let Some((r, k)) = *neuron {
                influence[r][k] = weights[i] * totals[i];
            }
        }
        Expansion { bounds, influence }
    }

    /// How often each source is used for the given outputs in total.
    fn weights(&self, start: &[usize]) -> Vec<f64> {
        let mut weights = vec![0.0; self.links.len()];
        start.iter().for_each(|&i| weights[i] = 1.0);
        for i in 0..self.links.len() {
            if weights[i] > 0.0 {
                for &(j, weight) in &self.links[i] {
                    weights[j] = add_up(weights[j], mul_up(weights[i], weight));
                }
            }
        }
        weights
    }

    /// The sum over the cuts of output `i`, a bound of `|J - J_c|` entry by entry for the Jacobian `J_c` of
    /// the centres, and what rounding may add to the row, in the l1 norm.
    fn cuts(&self, i: usize) -> (Array1<f64>, f64) {
        let weights = self.weights(&[i]);
        let mut row = Array1::<f64>::zeros(self.rows.ncols());
        let mut error = self.errors[i];
        for (j, &weight) in weights.iter().enumerate().filter(|(j, w)| *j != i && **w > 0.0) {
            for (x, y) in row.iter_mut().zip(self.rows.row(j)) {
                *x = add_up(*x, mul_up(weight, y.abs()));
            }
            error = add_up(error, mul_up(weight, self.errors[j]));
        }
        (row, error)
    }

    /// A bound of the length of output `i`'s row in the dual of `norm`; that of the error is at most its
    /// l1 length.
    fn length(&self, i: usize, norm: Norm) -> f64 {
        let (cuts, error) = self.cuts(i);
        let entries = self.rows.row(i).into_iter().zip(&cuts).map(|(x, y)| add_up(x.abs(), *y));
        let length = match norm {
            Norm::Linf => sum_up(entries),
            Norm::L1 => entries.fold(0.0, max_up),
            Norm::L2 => sqrt_up(sum_up(entries.map(|x| mul_up(x, x)))),
        };
        add_up(length, error)
    }

    /// `||J_c|| + || sum over the cuts ||`: `|J - J_c|` is at most the second matrix entry by entry, and the
    /// norm is monotone. What rounding may add to row `i` is at most `e_i` in the l1 and so in the l2 norm:
    /// at most the length of `e` in total.
    fn spectral(&self, outputs: usize) -> f64 {
        let mut rest = Array2::<f64>::zeros((outputs, self.rows.ncols()));
        let mut errors = 0.0;
        for (i, mut row) in rest.outer_iter_mut().enumerate() {
            let (cuts, error) = self.cuts(i);
            row.assign(&cuts);
            errors = add_up(errors, mul_up(error, error));
        }
        let centre = spectral_norm_up(self.rows.slice(s![..outputs, ..]));
        let rest = if rest.iter().any(|&x| x > 0.0) { spectral_norm_up(rest.view()) } else { 0.0 };
        add_up(add_up(centre, rest), sqrt_up(errors))
    }
}

#[cfg(test)]
#[path = "expansion_tests.rs"]
mod tests;
