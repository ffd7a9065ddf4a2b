//! The Gram matrix of the symbol of a convolution, and verified bounds of its largest eigenvalue.

use std::collections::BTreeMap;

use ndarray::{Array2, Array4, ArrayView2, s};
use rayon::prelude::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::lattice::Lattice;
use crate::numeric::interval::Interval;
use crate::numeric::product;
use crate::numeric::rounding::{
    MIN_SUBNORMAL, add_up, div_up, gamma, max_up, mul_down, mul_up, sqrt_up, sub_down,
};
use crate::numeric::spectral::{
    approximate_largest_eigenvalue, eigenvalues_at_most_up, largest_eigenvalue_up,
};

/// Steps of the method of Lanczos for a guess.
const GUESS_STEPS: usize = 32;

/// `G(theta) = sum_(m, m') B_m B_m'^T e^(i (m - m') theta)`, a Hermitian nonnegative matrix, for the
/// real matrices `B_m` of a convolution without stride or their transposes, whichever have fewer rows.
///
/// With `G_delta` the sum over `m - m' = delta`, and `G_(-delta) = G_delta^T`,
/// `G(theta) = G_0 + sum_(delta > 0) (P_delta cos(delta theta) + i Q_delta sin(delta theta))`,
/// `P = G_delta + G_delta^T`, `Q = G_delta - G_delta^T`, the order being lexicographic.
pub(super) struct Symbol {
    /// `G_0`.
    constant: Array2<f64>,
    /// The differences `delta > 0` with `P_delta` and `Q_delta`.
    terms: Vec<Term>,
    /// The largest difference along each axis.
    pub degrees: [i64; 2],
    /// `S = (sum_m ||B_m||_F)^2 >= sum_delta ||G_delta||_F`.
    crude: f64,
    /// Relative to `S`: the errors of the products and of the sums over the differences.
    relative: f64,
    /// What may underflow.
    absolute: f64,
}

struct Term {
    difference: [i64; 2],
    even: Array2<f64>,
    odd: Array2<f64>,
}

/// A frequency, with the number by which the eigenvalue there is divided.
pub(super) struct Point {
    /// Approximations of cos and sin of `delta theta` for the differences.
    phases: Vec<(f64, f64)>,
    /// A bound of their errors.
    error: f64,
    /// Between 0 and 1.
    pub factor: f64,
}

impl Symbol {
    /// The symbol of a kernel (output channels x input channels x taps x taps) with entries below 1;
    /// `None` where it has more rows or bytes than the limits.
    pub fn new(
        kernel: &Array4<f64>,
        lattices: &[Lattice; 2],
        limits: (usize, usize),
    ) -> Option<Symbol> {
        let blocks = blocks(kernel, lattices);
        let (rows, columns) = blocks.values().next()?.dim();
        let blocks: BTreeMap<[i64; 2], ArrayView2<'_, f64>> = blocks
            .iter()
            .map(|(&m, b)| (m, if rows > columns { b.t() } else { b.view() }))
            .collect();
        let (rows, columns) = (rows.min(columns), rows.max(columns));
        let mut products: BTreeMap<[i64; 2], Option<Array2<f64>>> = BTreeMap::new();
        for m in blocks.keys() {
            for n in blocks.keys() {
                products.insert([m[0] - n[0], m[1] - n[1]], None);
            }
        }
        let bytes = products.len().checked_mul(8 * rows * rows)?;
        if rows > limits.0 || bytes > limits.1 {
            return None;
        }
        for (m, a) in &blocks {
            for (n, b) in &blocks {
                let difference = [m[0] - n[0], m[1] - n[1]];
                if difference < [0, 0] {
                    continue;
                }
                let product = product::multiply(a.view(), b.t());
                let slot = products.entry(difference).or_default();
                *slot = Some(slot.take().map_or(product.clone(), |sum| sum + product));
            }
        }
        let degree = |axis: usize| products.keys().map(|d| d[axis]).max().unwrap_or(0);
        let degrees = [degree(0), degree(1)];
        let mut constant = Array2::zeros((rows, rows));
        let mut terms = Vec::new();
        for (difference, g) in products {
            match g {
                Some(g) if difference == [0, 0] => {
                    constant =
                        Array2::from_shape_fn((rows, rows), |(i, j)| g[[i.max(j), i.min(j)]]);
                }
                Some(g) => terms.push(Term { difference, even: &g + &g.t(), odd: &g - &g.t() }),
                None => {}
            }
        }
        // |fl(G_delta) - G_delta| <= gamma_(c + n) sum |B_m| |B_m'|^T for sums of at most n products
        // of c terms, in the norm of Frobenius and summed over delta at most gamma_(c + n) S (the
        // mirrored G_0 takes its lower half, whose errors obey the same bound). The evaluation is a
        // sum of k + 1 terms, each rounded twice more: gamma_(k + 4) on sum_delta ||fl(G_delta)||_F,
        // once for the real and once for the imaginary part, 3 in place of 2 (1 + gamma).
        let (count, k) = (blocks.len(), terms.len());
        let relative = add_up(gamma(columns + count), mul_up(3.0, gamma(k + 4)));
        // At most half a subnormal for each product: in G_delta, and in the evaluation.
        let products = (columns * count * count + 4 * (k + 2)) as f64;
        #[expect(
            clippy::float_arithmetic,
            reason = "exact: an integer, at most the multiplications done, times a power of two"
        )]
        let absolute = rows as f64 * products * MIN_SUBNORMAL;
        Some(Symbol { constant, terms, degrees, crude: crude_up(&blocks), relative, absolute })
    }

    /// An upper bound of the eigenvalues at all frequencies.
    pub fn crude_up(&self) -> f64 {
        self.crude
    }

    /// The floating-point operations that a frequency takes.
    #[expect(clippy::float_arithmetic, reason = "an estimate of work")]
    pub fn cost(&self) -> f64 {
        let n = self.constant.nrows() as f64;
        if n == 1.0 {
            return 1e3;
        }
        let evaluation = 4.0 * n * n * self.terms.len() as f64;
        1e5 + 16.0 / 3.0 * n.powi(3) + 64.0 * 8.0 * n * n + evaluation
    }

    /// The frequency `theta`, known to lie in the intervals.
    pub fn point(&self, theta: [Interval; 2], factor: f64) -> Point {
        let mut error = 0.0;
        let mut near = |x: Interval| {
            error = max_up(error, x.width());
            x.midpoint()
        };
        let phases = self
            .terms
            .iter()
            .map(|term| {
                let [a, b] = term.difference.map(|d| d as f64);
                let angle = theta[0].scale(a) + theta[1].scale(b);
                (near(angle.cos()), near(angle.sin()))
            })
            .collect();
        Point { phases, error, factor }
    }

    /// An upper bound of `max lambda_max(G(theta)) / factor` over the points.
    pub fn largest_up(&self, points: &[Point]) -> f64 {
        #[expect(clippy::float_arithmetic, reason = "decides which point is the first")]
        let guesses: Vec<f64> = points.par_iter().map(|p| self.guess(p) / p.factor).collect();
        let top = (0..points.len()).fold(0, |t, i| if guesses[i] > guesses[t] { i } else { t });
        let Some(point) = points.get(top) else { return 0.0 };
        let level = div_up(self.eigenvalue_up(point), point.factor);
        // All others are most likely not above that level: one factorisation each.
        let others: Vec<f64> = points
            .par_iter()
            .enumerate()
            .map(|(i, p)| if i == top { level } else { self.ratio_up(p, level) })
            .collect();
        others.into_iter().fold(level, max_up).min(self.crude)
    }

    /// An approximation of the largest eigenvalue at a point.
    pub fn guess(&self, point: &Point) -> f64 {
        approximate_largest_eigenvalue(self.at(point).view(), GUESS_STEPS).unwrap_or(self.crude)
    }

    /// An upper bound of the largest eigenvalue at a point.
    fn eigenvalue_up(&self, point: &Point) -> f64 {
        let g = self.at(point);
        let size = if g.nrows() == 1 { g[[0, 0]] } else { largest_eigenvalue_up(g.view()) };
        add_up(size, self.slack_up(point))
    }

    /// An upper bound of the largest eigenvalue at a point divided by the point's factor: about
    /// `level` if it is not above `level`.
    fn ratio_up(&self, point: &Point, level: f64) -> f64 {
        let slack = self.slack_up(point);
        let target = sub_down(mul_down(level, point.factor), slack);
        let g = self.at(point);
        if g.nrows() > 1 {
            if largest_row_sum_up(&g) <= target {
                return level;
            }
            if let Some(bound) = eigenvalues_at_most_up(g.view(), target) {
                return div_up(add_up(bound, slack), point.factor);
            }
        }
        div_up(self.eigenvalue_up(point), point.factor)
    }

    /// `||G(theta) - fl(G(theta))||_2` at most: the errors of the coefficients and sums, and those of
    /// cos and sin, each of which multiplies matrices with norms that add up to at most `S`.
    fn slack_up(&self, point: &Point) -> f64 {
        let relative = add_up(self.relative, mul_up(3.0, point.error));
        add_up(mul_up(relative, self.crude), self.absolute)
    }

    /// `G(theta)` computed to nearest, as the real matrix `[[Re, -Im], [Im, Re]]` with the same
    /// eigenvalues; for one row, and where it is real, `Re` alone.
    fn at(&self, point: &Point) -> Array2<f64> {
        let n = self.constant.nrows();
        let mut re = self.constant.clone();
        let mut im = Array2::<f64>::zeros((n, n));
        for (term, &(cos, sin)) in self.terms.iter().zip(&point.phases) {
            re.scaled_add(cos, &term.even);
            im.scaled_add(sin, &term.odd);
        }
        // One row: Q is 0. No terms: the matrix is real.
        if n == 1 || self.terms.is_empty() {
            return re;
        }
        let mut g = Array2::zeros((2 * n, 2 * n));
        g.slice_mut(s![..n, ..n]).assign(&re);
        g.slice_mut(s![n.., n..]).assign(&re);
        g.slice_mut(s![n.., ..n]).assign(&im);
        g.slice_mut(s![..n, n..]).assign(&im.t());
        g
    }
}

/// The matrices `B_m`, with the phases that are used as input channels.
fn blocks(kernel: &Array4<f64>, lattices: &[Lattice; 2]) -> BTreeMap<[i64; 2], Array2<f64>> {
    let (out, inputs, height, width) = kernel.dim();
    let mut phases = BTreeMap::new();
    for (p, _) in &lattices[0].taps {
        for (q, _) in &lattices[1].taps {
            let next = phases.len();
            phases.entry((*p, *q)).or_insert(next);
        }
    }
    let columns = inputs * phases.len();
    let mut blocks = BTreeMap::new();
    for a in 0..height {
        for b in 0..width {
            let ((p, m), (q, n)) = (lattices[0].taps[a], lattices[1].taps[b]);
            let block = blocks.entry([m, n]).or_insert_with(|| Array2::zeros((out, columns)));
            let phase = phases.get(&(p, q)).copied().unwrap_or(0);
            let mut part = block.slice_mut(s![.., phase * inputs..(phase + 1) * inputs]);
            part.assign(&kernel.slice(s![.., .., a, b]));
        }
    }
    blocks
}

/// `(sum_m ||B_m||_F)^2`, rounded up.
fn crude_up(blocks: &BTreeMap<[i64; 2], ArrayView2<'_, f64>>) -> f64 {
    let frobenius =
        |b: &ArrayView2<'_, f64>| sqrt_up(b.iter().fold(0.0, |sum, &x| add_up(sum, mul_up(x, x))));
    let sum = blocks.values().fold(0.0, |sum, b| add_up(sum, frobenius(b)));
    mul_up(sum, sum)
}

/// The largest row sum of absolute values: a sum of `n` terms is at least `(1 - u)^(n-1)` times the
/// exact one, and `1 + gamma_n` makes up for that.
fn largest_row_sum_up(g: &Array2<f64>) -> f64 {
    let sums = g.rows().into_iter().map(|row| row.iter().map(|x| x.abs()).sum::<f64>());
    let raise = add_up(1.0, gamma(g.ncols()));
    mul_up(sums.fold(0.0, max_up), raise)
}

#[cfg(test)]
#[path = "symbol_tests.rs"]
mod tests;
