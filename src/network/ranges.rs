//! Ranges of the arguments of every nonlinearity over a set of inputs.
//!
//! Two methods, whose results are intersected: interval arithmetic from the input to the output, and
//! *backward linear relaxation* (Zhang et al., "Efficient neural network robustness certification with
//! general activation functions", NeurIPS 2018; Singh et al., "An abstract domain for certifying neural
//! networks", POPL 2019): a linear function of the arguments of a stage is bounded by a linear function
//! of the stage before, activation by activation through lines below and above it (`activation::lines`), down to
//! the input, where its maximum over the box is explicit.
//!
//! Rounding: coefficients are ordinary floating-point numbers; whatever rounding does to them is a
//! linear function with small coefficients, and its largest value over the ranges known so far is
//! added to the constant: `gamma_n |mu| (|W| |a|)` for the product of a row `mu` with a map.

use ndarray::{Array2, Axis};

use super::lowering::LoweredNetwork;
use super::stage::Stage;
use super::{Diagonal, InputBox, LinearMap, Slopes, Windows};
use crate::numeric::product::DotError;
use crate::numeric::rounded_sum::{RoundedSum, absolute_dot_up};
use crate::numeric::rounding::{
    MIN_SUBNORMAL, UNIT_ROUNDOFF, add_up, mul_up, scale_down, scale_up, sub_up, sum_up,
};
use crate::numeric::{Interval, Matrix};

/// The arguments of the stages of a network lie in these intervals: `arguments[r][k]` for component
/// `k` of stage `r`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    /// One vector for each stage.
    pub arguments: Vec<Vec<Interval>>,
}

impl Ranges {
    /// No restriction of any argument.
    pub fn unlimited(network: &LoweredNetwork) -> Ranges {
        let whole = |r: usize| vec![Interval::ENTIRE; network.chain.maps()[r].rows()];
        Ranges { arguments: (0..network.stages.len()).map(whole).collect() }
    }

    /// The slopes that each stage can have at inner points of these ranges.
    pub fn slopes(&self, network: &LoweredNetwork) -> Vec<Slopes> {
        network.stages.iter().zip(&self.arguments).map(|(stage, z)| stage.slopes_on(z)).collect()
    }
}

impl Stage {
    /// The slopes where the arguments lie inside the given intervals.
    pub fn slopes_on(&self, arguments: &[Interval]) -> Slopes {
        match self {
            Stage::Componentwise(_) => {
                let each = self.activations().unwrap_or_default();
                let slopes = each.iter().zip(arguments).map(|(a, &z)| a.slopes_inside(z));
                let (alpha, beta) = slopes.map(|s| (s.lo, s.hi)).unzip();
                Slopes::Componentwise(Diagonal::new(alpha, beta))
            }
            Stage::Pool(windows) => {
                let left = (0..windows.count()).map(|i| candidates(windows, i, arguments));
                Slopes::Pool(Windows::new(windows.inputs(), left))
            }
        }
    }

    /// Ranges of the results, given those of the arguments.
    pub fn values(&self, arguments: &[Interval]) -> Vec<Interval> {
        match self {
            Stage::Componentwise(_) => {
                let each = self.activations().unwrap_or_default();
                each.iter().zip(arguments).map(|(a, &z)| a.value(z)).collect()
            }
            Stage::Pool(windows) => {
                let largest =
                    |i: usize| windows.window(i).map(|j| arguments[j]).reduce(Interval::max);
                (0..windows.count()).map(|i| largest(i).unwrap_or(Interval::ENTIRE)).collect()
            }
        }
    }

    /// The components whose range decides about the slopes: those with more than one slope left.
    fn undecided(&self, arguments: &[Interval]) -> Vec<usize> {
        match self {
            Stage::Componentwise(_) => {
                let each = self.activations().unwrap_or_default();
                let open = |k: &usize| each[*k].slopes_inside(arguments[*k]).width() > 0.0;
                (0..arguments.len()).filter(open).collect()
            }
            Stage::Pool(windows) => {
                let mut open = vec![false; arguments.len()];
                for i in 0..windows.count() {
                    let left = candidates(windows, i, arguments);
                    if left.len() > 1 {
                        left.into_iter().for_each(|j| open[j] = true);
                    }
                }
                (0..arguments.len()).filter(|&j| open[j]).collect()
            }
        }
    }
}

/// The elements of a window that may be its largest: the one with the largest lower end, and those
/// that can exceed it.
fn candidates(windows: &Windows, i: usize, arguments: &[Interval]) -> Vec<usize> {
    let low = |j: usize| arguments[j].lo;
    let best = windows.window(i).max_by(|&a, &b| low(a).total_cmp(&low(b)).then(b.cmp(&a)));
    let least = best.map_or(f64::NEG_INFINITY, low);
    windows.window(i).filter(|&j| Some(j) == best || arguments[j].hi > least).collect()
}

/// A network made ready for many range computations.
#[derive(Debug)]
pub struct Propagation<'a> {
    network: &'a LoweredNetwork,
    /// The maps at their own scale; `None` where an entry would overflow or lose digits: then
    /// interval arithmetic is all there is.
    maps: Option<Vec<Map>>,
}

#[derive(Debug)]
struct Map {
    matrix: Matrix,
    radius: Option<Matrix>,
}

impl Map {
    fn new(map: &LinearMap) -> Option<Map> {
        let grid = map.matrix.grid();
        // Far from underflow and overflow, so that the entries stay as they are.
        let (max, min) = (scale_up(grid.max, map.exponent), scale_down(grid.min, map.exponent));
        let fine =
            map.exponent.unsigned_abs() < 1023 && (grid.max == 0.0 || max < 1e300 && min > 1e-290);
        let matrix = || map.matrix.clone().scaled_by_power(map.exponent);
        // Entries of the radius that underflow are raised before a sparse matrix may leave them out.
        let radius = |m: &Matrix| m.map_entries(|x| scale_up(x, map.exponent));
        fine.then(|| Map { matrix: matrix(), radius: map.radius.as_ref().map(radius) })
    }
}

/// What is known of one stage while the ranges of later ones are computed.
struct Known {
    /// Slopes and intercepts of the lines below and above the result of each component; empty for a
    /// pool.
    low: Vec<(f64, f64)>,
    high: Vec<(f64, f64)>,
    arguments: Vec<Interval>,
    /// The largest absolute arguments, and their sum.
    magnitudes: Vec<f64>,
    magnitude: f64,
    /// `|W| a` and `R a` of the map before the stage, with `a` the largest absolute arguments of it.
    sizes: Vec<f64>,
    spread: Option<Vec<f64>>,
    /// The sum of `a`.
    total: f64,
}

impl<'a> Propagation<'a> {
    /// For the given network.
    pub fn new(network: &'a LoweredNetwork) -> Propagation<'a> {
        Propagation { network, maps: network.value_maps().map(Map::new).collect() }
    }

    /// Ranges of all arguments over the points of `input` at which they lie within `limits`; `None` where
    /// that is shown to be no point at all.
    pub fn ranges(&self, input: &InputBox, limits: &Ranges) -> Option<Ranges> {
        let mut known: Vec<Known> = Vec::with_capacity(self.network.stages.len());
        let mut state = input.sides().to_vec();
        for (r, stage) in self.network.stages.iter().enumerate() {
            let plain = self.network.affine(r, &state);
            let limits = limits.arguments[r].iter();
            let meet = plain.into_iter().zip(limits).map(|(z, &limit)| z.intersect(limit));
            let mut z = meet.collect::<Option<Vec<Interval>>>()?;
            if let (Some(maps), true) = (&self.maps, r > 0) {
                let open = stage.undecided(&z);
                if !open.is_empty() {
                    let better = self.backward(maps, r, &open, &known, input);
                    for (&k, range) in open.iter().zip(better) {
                        z[k] = z[k].intersect(range)?;
                    }
                }
            }
            let next = stage.values(&z);
            if let Some(maps) = &self.maps {
                known.push(Known::new(stage, &maps[r], &state, z.clone()));
            } else {
                known.push(Known::without_lines(z.clone()));
            }
            state = next;
        }
        Some(Ranges { arguments: known.into_iter().map(|k| k.arguments).collect() })
    }

    /// Ranges of the given arguments of stage `r` by backward linear relaxation.
    fn backward(
        &self,
        maps: &[Map],
        r: usize,
        rows: &[usize],
        known: &[Known],
        input: &InputBox,
    ) -> Vec<Interval> {
        let map = &maps[r];
        let selected = map.matrix.select_rows(rows).to_dense();
        let biases = &self.network.biases[r];
        let count = rows.len();
        // Upper bounds of the functions and of their negatives.
        let mut block = Array2::zeros((2 * count, selected.ncols()));
        let mut constants = vec![0.0; 2 * count];
        let spread = map.radius.as_ref().map(|radius| {
            let largest = column(known[r - 1].results(&self.network.stages[r - 1]));
            radius.select_rows(rows).abs_apply_up(largest.view())
        });
        #[expect(clippy::float_arithmetic, reason = "exact: a change of sign")]
        let negative = |x: f64| -x;
        for (i, &k) in rows.iter().enumerate() {
            block.row_mut(i).assign(&selected.row(i));
            block.row_mut(count + i).assign(&selected.row(i).mapv(negative));
            let slack = spread.as_ref().map_or(0.0, |s| s[[i, 0]]);
            constants[i] = add_up(biases[k].hi, slack);
            constants[count + i] = sub_up(slack, biases[k].lo);
        }
        for q in (0..r).rev() {
            let through = self.through_stage(q, &block, &known[q], &mut constants);
            block = through_map(&maps[q], &through, &known[q], &mut constants);
        }
        let mut ends = vec![0.0; input.dimension()];
        let mut upper = |i: usize| {
            let Some(row) = block.row(i).to_slice() else { return f64::INFINITY };
            for ((end, side), &x) in ends.iter_mut().zip(input.sides()).zip(row) {
                *end = if x > 0.0 { side.hi } else { side.lo };
            }
            add_up(constants[i], RoundedSum::of(row, &ends).upper())
        };
        (0..count)
            .map(|i| {
                let (hi, lo) = (upper(i), negative(upper(count + i)));
                // Ends in the wrong order are no range; they are due to an overflow.
                Interval::new(if lo.is_nan() { f64::NEG_INFINITY } else { lo }, hi)
            })
            .collect()
    }

    /// Rows over the results of stage `q` become rows over its arguments; the map's biases are added
    /// to the constants.
    fn through_stage(
        &self,
        q: usize,
        block: &Array2<f64>,
        known: &Known,
        constants: &mut [f64],
    ) -> Array2<f64> {
        let biases = &self.network.biases[q];
        let mut out = Array2::zeros((block.nrows(), known.arguments.len()));
        let mut chosen = vec![0.0; block.ncols().max(known.arguments.len())];
        for ((row, mut target), constant) in
            block.outer_iter().zip(out.outer_iter_mut()).zip(constants.iter_mut())
        {
            let (Some(row_slice), Some(mu)) = (row.to_slice(), target.as_slice_mut()) else {
                // Rows of standard layout; any other would be bounded by infinity.
                *constant = f64::INFINITY;
                continue;
            };
            match &self.network.stages[q] {
                Stage::Componentwise(_) => {
                    let lines = known.low.iter().zip(&known.high);
                    for (((&x, mu), c), (low, high)) in
                        row_slice.iter().zip(mu.iter_mut()).zip(&mut chosen).zip(lines)
                    {
                        let line = if x > 0.0 { high } else { low };
                        #[expect(clippy::float_arithmetic, reason = "`off` bounds its rounding")]
                        let product = x * line.0;
                        (*mu, *c) = (product, line.1);
                    }
                    let sum = RoundedSum::of(row_slice, &chosen[..row_slice.len()]);
                    // What the coefficients of the result are off by, times the largest arguments.
                    let off = mul_up(UNIT_ROUNDOFF, absolute_dot_up(mu, &known.magnitudes));
                    let off = add_up(off, mul_up(MIN_SUBNORMAL, known.magnitude));
                    *constant = add_up(*constant, add_up(sum.upper(), off));
                }
                Stage::Pool(windows) => {
                    let sum = through_pool(windows, row_slice, mu, &known.arguments);
                    *constant = add_up(*constant, sum);
                }
            }
            for ((&mu, c), b) in mu.iter().zip(&mut chosen).zip(biases) {
                *c = if mu > 0.0 { b.hi } else { b.lo };
            }
            *constant = add_up(*constant, RoundedSum::of(mu, &chosen[..mu.len()]).upper());
        }
        out
    }
}

/// A row over the windows of a pool becomes a row over its elements; returns what is to be added to
/// the constant. A window is its only candidate; or at most its largest upper end, or at least its element
/// with the largest lower end.
fn through_pool(windows: &Windows, row: &[f64], target: &mut [f64], z: &[Interval]) -> f64 {
    let mut sum = 0.0;
    for (i, &x) in row.iter().enumerate().filter(|(_, x)| **x != 0.0) {
        let left = candidates(windows, i, z);
        let low = windows.window(i).max_by(|&a, &b| z[a].lo.total_cmp(&z[b].lo));
        let element = if x > 0.0 { None } else { low };
        let element = if left.len() == 1 { left.first().copied() } else { element };
        match element {
            Some(j) => {
                let before = target[j];
                #[expect(clippy::float_arithmetic, reason = "`error` bounds its rounding")]
                let after = before + x;
                target[j] = after;
                if before != 0.0 {
                    let error = mul_up(UNIT_ROUNDOFF, after.abs());
                    sum = add_up(sum, mul_up(error, z[j].magnitude()));
                }
            }
            None => {
                let ends = windows.window(i).map(|j| z[j].hi);
                sum = add_up(sum, mul_up(x, ends.fold(f64::NEG_INFINITY, f64::max)));
            }
        }
    }
    sum
}

/// Rows over the results of a map become rows over its arguments; the error of the product is added
/// to the constants.
fn through_map(map: &Map, rows: &Array2<f64>, known: &Known, constants: &mut [f64]) -> Array2<f64> {
    let left = Matrix::dense(rows.clone());
    let product = left.multiply(&map.matrix).to_dense().as_standard_layout().into_owned();
    let exact = map.matrix.is_signed_selection() && map.matrix.transposed().is_signed_selection();
    let dot = if exact {
        DotError::NONE
    } else {
        DotError::new(left.grid(), map.matrix.grid(), rows.ncols())
    };
    for (row, constant) in rows.outer_iter().zip(constants) {
        let along =
            |sizes: &[f64]| row.to_slice().map_or(f64::INFINITY, |row| absolute_dot_up(row, sizes));
        if dot != DotError::NONE {
            let rounding = mul_up(dot.relative, along(&known.sizes));
            *constant = add_up(*constant, add_up(rounding, mul_up(dot.absolute, known.total)));
        }
        if let Some(spread) = &known.spread {
            *constant = add_up(*constant, along(spread));
        }
    }
    product
}

impl Known {
    fn new(stage: &Stage, map: &Map, state: &[Interval], arguments: Vec<Interval>) -> Known {
        let largest = column(state.iter().map(|a| a.magnitude()).collect());
        let activations = stage.activations().unwrap_or_default();
        let total = sum_up(largest.iter().copied());
        let lines = activations.iter().zip(&arguments).map(|(a, &z)| a.lines(z));
        let (low, high) = lines.map(|l| (l.low, l.high)).unzip();
        let magnitudes: Vec<f64> = arguments.iter().map(|z| z.magnitude()).collect();
        Known {
            low,
            high,
            magnitude: sum_up(magnitudes.iter().copied()),
            magnitudes,
            sizes: map.matrix.abs_apply_up(largest.view()).into_raw_vec_and_offset().0,
            spread: map
                .radius
                .as_ref()
                .map(|r| r.abs_apply_up(largest.view()).into_raw_vec_and_offset().0),
            total,
            arguments,
        }
    }

    fn without_lines(arguments: Vec<Interval>) -> Known {
        Known {
            low: Vec::new(),
            high: Vec::new(),
            magnitudes: Vec::new(),
            magnitude: 0.0,
            sizes: Vec::new(),
            spread: None,
            total: 0.0,
            arguments,
        }
    }

    /// The largest absolute results of the stage.
    fn results(&self, stage: &Stage) -> Vec<f64> {
        stage.values(&self.arguments).iter().map(|a| a.magnitude()).collect()
    }
}

fn column(values: Vec<f64>) -> Array2<f64> {
    ndarray::Array1::from(values).insert_axis(Axis(1))
}

#[cfg(test)]
#[path = "ranges_tests.rs"]
mod tests;
