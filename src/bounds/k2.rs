//! K2: the bound of Virmaux and Scaman.

use ndarray::{Array2, Axis};

use super::enumerate::enumerate;
use super::k5;
use super::perturbation::absolute_norm_up;
use super::products::Products;
use super::side_by_side::at_most;
use super::{Bound, Certificate, Cost, Guarantee, Problem, Refusal, documented_bound, memory};
use crate::network::{Chain, LinearMap, Slopes};
use crate::numeric::decompose::thin_svd;
use crate::numeric::rounding::{add_up, gamma, max_up, mul_up, scale_up};
use crate::numeric::{Matrix, Norm};

documented_bound! { K2, "\
The bound of Virmaux and Scaman: the network split at its layers' singular value decompositions.

# Definition
Each inner weight is split as W_r = B_r A_r with B_r = U S^(1/2), A_r = S^(1/2) V^T from its singular
value decomposition (0 < r < l), the two ends stay whole: B_0 = W_0, A_l = W_l. Then
K2 = product over r = 1..l of the maximum over D of ||A_r D B_{r-1}||.

# Source
A. Virmaux and K. Scaman, \"Lipschitz regularity of deep neural networks\", NeurIPS 2018, section 5
(SeqLip). There the outer orthogonal factors are dropped, which is right in l2 only; with whole ends it
is a bound in every norm. Their greedy search of the maxima underestimates: it is shown as an estimate
(--estimates) and never as a bound.

# Holds for
l1, l2, linf; every network.

# Order
K <= K2 in every norm, K2 <= K* in l2. For one hidden layer K2 = K.

# Cost
A singular value decomposition per inner layer and one maximum over 2^n slopes for each hidden layer of
n neurons: exact up to 22 neurons, beyond that the maximum is bounded from above by K5 of the factor.

# Rounding
The decomposition is only approximate: the residual W_r - B_r A_r is bounded and its share of the
Jacobian is added. The maxima are certified as for K and K5; products are rounded up.
" }

/// The largest number of neurons of a layer for which its maximum is found by enumeration.
const EXACT_NEURONS: usize = 22;

impl Bound for K2 {
    fn id(&self) -> &'static str {
        "k2"
    }

    fn name(&self) -> &'static str {
        "K2"
    }

    fn documentation(&self) -> &'static str {
        DOCUMENTATION
    }

    #[expect(clippy::float_arithmetic, reason = "an estimate of work")]
    fn cost(&self, problem: &Problem, norm: Norm) -> Cost {
        let chain = problem.chain();
        let maps = chain.maps();
        let widest = maps.iter().map(|m| m.rows().max(m.columns())).max().unwrap_or(0) as f64;
        let inner = maps.iter().skip(1).take(maps.len().saturating_sub(2));
        if inner.clone().any(|m| m.matrix.as_dense().is_none()) {
            return Cost::Refused(Refusal(
                "K2 decomposes the inner layers, which are too large here (a convolution); K5 is tighter in l1 and linf, K1 is available in every norm".to_owned(),
            ));
        }
        let leaf: f64 = chain
            .slopes()
            .iter()
            .enumerate()
            .map(|(r, s)| {
                let n = s.branching();
                let size = maps[r + 1].rows().min(maps[r + 1].columns())
                    * maps[r].columns().min(maps[r].rows());
                // A spectral norm takes as long as some hundred sums of the entries: 58 us for 18 x 18.
                let norm_cost = if norm == Norm::L2 { 2000 + 100 * size } else { 1 + size };
                if n <= EXACT_NEURONS { 2f64.powi(n as i32) * norm_cost as f64 } else { 0.0 }
            })
            .sum();
        if leaf < 2e9 && widest.powi(3) < 3e9 { Cost::Cheap } else { Cost::Expensive }
    }

    #[expect(clippy::float_arithmetic, reason = "an estimate of memory")]
    fn memory(&self, problem: &Problem, norm: Norm) -> f64 {
        // The decompositions of the inner maps are kept.
        let chain = problem.chain();
        let all: f64 = chain.maps().iter().map(bytes).sum();
        2.0 * all + memory::of_lanes(bytes_of_factor(chain, norm))
    }

    fn is_monotone(&self) -> bool {
        false
    }

    fn compute(&self, problem: &Problem, norm: Norm) -> Result<Certificate, Refusal> {
        if let Cost::Refused(refusal) = self.cost(problem, norm) {
            return Err(refusal);
        }
        let factors = Factors::new(problem.chain(), norm)?;
        let (product, bounded) = factors.product_up(|chain| factor_up(chain, norm));
        let certificate = Certificate::upper_bound(
            self.id(),
            norm,
            scale_up(product, problem.chain().exponent()),
        );
        Ok(match bounded {
            0 => certificate,
            n => certificate.with_note(format!(
                "K2: the maxima of {n} of {} layers are bounded from above by K5 (more than {EXACT_NEURONS} neurons)",
                problem.chain().depth()
            )),
        })
    }

    fn estimate(&self, problem: &Problem, norm: Norm) -> Option<Certificate> {
        let chain = problem.chain();
        let exact = chain.slopes().iter().all(|s| s.branching() <= EXACT_NEURONS);
        if exact || chain.has_pool() || matches!(self.cost(problem, norm), Cost::Refused(_)) {
            return None;
        }
        let factors = Factors::new(chain, norm).ok()?;
        let (product, _) = factors.product_up(|chain| (greedy(chain, norm), false));
        Some(Certificate {
            guarantee: Guarantee::Estimate,
            note: Some("K2 by greedy search: nothing is proved, it can be below K".to_owned()),
            ..Certificate::upper_bound(self.id(), norm, scale_up(product, chain.exponent()))
        })
    }
}

#[expect(clippy::float_arithmetic, reason = "an estimate of memory")]
fn bytes(map: &LinearMap) -> f64 {
    8.0 * map.rows() as f64 * map.columns() as f64
}

/// The scratch space of a decomposition; each factor then has products of its own, and its K5 goes through whole where
/// there are several columns.
#[expect(clippy::float_arithmetic, reason = "an estimate of memory")]
fn bytes_of_factor(chain: &Chain, norm: Norm) -> f64 {
    let maps = chain.maps();
    let largest = maps.iter().map(bytes).fold(0.0, f64::max);
    let pairs = maps.windows(2).map(|pair| {
        let (rows, columns) = (pair[1].rows(), pair[0].columns());
        let hidden = pair[0].rows();
        let product = 8.0 * rows as f64 * columns as f64;
        let start = if norm == Norm::L2 { rows.min(columns) } else { 1 };
        let blocks = 8.0 * (rows + columns + hidden) as f64 * start as f64 * 4.0;
        3.0 * product + blocks + memory::dense_norm(rows, columns, norm)
    });
    6.0 * largest + pairs.fold(0.0, f64::max)
}

/// The factors of K2: one-hidden-layer chains, and the norms with which the residuals of the
/// decompositions enter.
struct Factors {
    chains: Vec<Chain>,
    /// For each factor: bounds of `||A_r||`, of `||W_{r-1}||`, of the residual `||E_{r-1}||`, and of
    /// the slopes.
    residuals: Vec<Residual>,
    whole: f64,
    /// How many of them are worked on side by side.
    lanes: usize,
}

struct Residual {
    left: f64,
    weight: f64,
    residual: f64,
    slope: f64,
}

impl Factors {
    fn new(chain: &Chain, norm: Norm) -> Result<Factors, Refusal> {
        let depth = chain.depth();
        let maps = chain.maps();
        let lanes = memory::lanes(bytes_of_factor(chain, norm));
        let inner = at_most(lanes, &maps[1..depth.max(1)], |map| Halves::new(map, norm));
        let halves: Vec<Halves> = inner.into_iter().collect::<Result<_, _>>()?;
        let (mut chains, mut residuals) = (Vec::new(), Vec::new());
        for r in 1..=depth {
            let without_exponent = |map: &LinearMap| LinearMap { exponent: 0, ..map.clone() };
            let right =
                if r == 1 { without_exponent(&maps[0]) } else { halves[r - 2].right.clone() };
            let left = if r == depth {
                without_exponent(&maps[depth])
            } else {
                halves[r - 1].left.clone()
            };
            let slopes = chain.slopes()[r - 1].clone();
            residuals.push(Residual {
                left: left.norm_up(norm),
                weight: maps[r - 1].mantissa_norm_up(norm),
                residual: if r == 1 { 0.0 } else { halves[r - 2].residual },
                slope: slopes.norms_up(norm).magnitude,
            });
            chains.push(Chain::new(vec![right, left], vec![slopes]));
        }
        Ok(Factors { chains, residuals, whole: maps[0].mantissa_norm_up(norm), lanes })
    }

    /// The product of the maxima `F_r`, with the residuals: as `W_r = B_r A_r + E_r`,
    /// `x_{r+1} = F_{r+1} x_r + ||A_{r+1}|| d_{r+1} ||E_r|| y_r` bounds the norm up to `A_{r+1}`, where
    /// `y_{r+1} = d_{r+1} ||W_r|| y_r` bounds the part of it before `A_{r+1}`. Returns also for how
    /// many factors `maximum` gave only a bound.
    fn product_up(&self, maximum: impl Fn(&Chain) -> (f64, bool) + Sync) -> (f64, usize) {
        let (mut x, mut y, mut bounded) = (1.0, 1.0, 0);
        if self.chains.is_empty() {
            return (self.whole, 0);
        }
        let maxima = at_most(self.lanes, &self.chains, maximum);
        for ((factor, is_bounded), r) in maxima.into_iter().zip(&self.residuals) {
            bounded += usize::from(is_bounded);
            let rest = mul_up(mul_up(mul_up(r.left, r.slope), r.residual), y);
            x = add_up(mul_up(factor, x), rest);
            y = mul_up(mul_up(r.slope, r.weight), y);
        }
        (x, bounded)
    }
}

/// `B = U S^(1/2)`, `A = S^(1/2) V^T` of an inner weight, and a bound of `||W - B A||`.
struct Halves {
    /// `A`: the left map of the factor before the layer.
    left: LinearMap,
    /// `B`: the right map of the factor behind the layer.
    right: LinearMap,
    residual: f64,
}

impl Halves {
    fn new(map: &LinearMap, norm: Norm) -> Result<Halves, Refusal> {
        let w = map.matrix.to_dense();
        let failed =
            || Refusal("the singular value decomposition of a layer did not converge".to_owned());
        let (u, s, v) = thin_svd(w.view()).ok_or_else(failed)?;
        // A singular value that is zero up to rounding would enter by its square root, far above the
        // rounding error; as zero it leaves no more than itself in the residual.
        #[expect(
            clippy::float_arithmetic,
            reason = "a guess: what is left out is part of the residual"
        )]
        let negligible = s.iter().copied().fold(0.0, f64::max) * f64::EPSILON * s.len() as f64;
        let root = s.mapv(|x| if x <= negligible { 0.0 } else { x.sqrt() });
        let b = Matrix::dense(&u * &root);
        let a = Matrix::dense((&v * &root).reversed_axes().as_standard_layout().into_owned());
        let residual = residual_up(map, &b, &a, norm);
        Ok(Halves { left: LinearMap::new(a), right: LinearMap::new(b), residual })
    }
}

/// A bound of `||W - B A||`: the computed difference has, entry by entry, an error of at most
/// `gamma_(k+1) (|W| + |B||A|)` plus the underflow; the radius of `W` is added.
fn residual_up(map: &LinearMap, b: &Matrix, a: &Matrix, norm: Norm) -> f64 {
    let absolute = |m: &Matrix| absolute_norm_up(m, norm);
    let product = b.multiply(a);
    let difference = Matrix::dense(map.matrix.to_dense() - product.to_dense());
    let error = b.dot_error(a.grid());
    let sizes = add_up(absolute(&map.matrix), mul_up(absolute(b), absolute(a)));
    let dimension = map.rows().max(map.columns()) as f64;
    let mut bound = add_up(absolute(&difference), mul_up(gamma(b.columns() + 2), sizes));
    bound = add_up(bound, mul_up(error.absolute, dimension));
    add_up(bound, map.radius.as_ref().map_or(0.0, absolute))
}

/// The maximum of `||A D B||` over the slopes of a one-hidden-layer chain, or a bound of it (then
/// `true`).
fn factor_up(chain: &Chain, norm: Norm) -> (f64, bool) {
    let exponent = chain.exponent();
    if !chain.has_pool() && chain.neurons() <= EXACT_NEURONS {
        return (scale_up(enumerate(chain, norm).1, exponent), false);
    }
    let transposed = chain.transposed();
    let bound = match (norm, &transposed) {
        (Norm::L1, Some(transposed)) => row_sum_bound(transposed),
        (Norm::Linf, _) => row_sum_bound(chain),
        (Norm::L2, Some(transposed)) if chain.outputs() < chain.inputs() => {
            full_bound(transposed, norm)
        }
        _ => full_bound(chain, norm),
    };
    (scale_up(bound, exponent), true)
}

fn row_sum_bound(chain: &Chain) -> f64 {
    let block = k5::apply_up(chain, &Products::new(chain), Array2::ones((chain.inputs(), 1)));
    block.iter().copied().fold(0.0, max_up)
}

fn full_bound(chain: &Chain, norm: Norm) -> f64 {
    let products = Products::new(chain);
    let block = k5::apply_up(chain, &products, Array2::eye(chain.inputs()));
    let k5 = match norm {
        Norm::L2 => crate::numeric::spectral::spectral_norm_up(block.view()),
        Norm::L1 | Norm::Linf => Matrix::dense(block).norm_l1_up(),
    };
    if norm != Norm::L2 {
        return k5;
    }
    // In l2 the absolute values of K5 can cost more than the triangle inequality of K1.
    let norms = super::product_norms::ProductNorms::new(chain, &products, norm);
    let radius = chain.slopes()[0].norms_up(norm).radius;
    k5.min(add_up(norms.get(2, 0), mul_up(mul_up(norms.get(2, 1), radius), norms.get(1, 0))))
}

/// A local maximum of `||A D B||` by flipping one slope at a time from the largest slopes, in
/// floating point: an estimate from below of the maximum.
#[expect(clippy::float_arithmetic, reason = "an estimate, and called one")]
fn greedy(chain: &Chain, norm: Norm) -> f64 {
    let (b, a) = (chain.maps()[0].matrix.to_dense(), chain.maps()[1].matrix.to_dense());
    let Slopes::Componentwise(d) = &chain.slopes()[0] else { return 0.0 };
    let size = |m: &Array2<f64>| match norm {
        Norm::Linf => m
            .map_axis(Axis(1), |row| row.iter().map(|x| x.abs()).sum())
            .iter()
            .copied()
            .fold(0.0, f64::max),
        Norm::L1 => m
            .map_axis(Axis(0), |c| c.iter().map(|x| x.abs()).sum())
            .iter()
            .copied()
            .fold(0.0, f64::max),
        Norm::L2 => power_iteration(m),
    };
    let mut slopes = d.beta().to_vec();
    let mut state = a.dot(&(&b * &ndarray::Array1::from(slopes.clone()).insert_axis(Axis(1))));
    let mut best = size(&state);
    let mut improved = true;
    while improved {
        improved = false;
        for (k, slope) in slopes.iter_mut().enumerate() {
            let other = if *slope == d.beta()[k] { d.alpha()[k] } else { d.beta()[k] };
            let column = a.column(k).insert_axis(Axis(1));
            let change = column.dot(&b.row(k).insert_axis(Axis(0))) * (other - *slope);
            let candidate = &state + &change;
            let value = size(&candidate);
            if value > best * (1.0 + 1e-12) {
                (best, state, *slope, improved) = (value, candidate, other, true);
            }
        }
    }
    scale_up(best, chain.exponent())
}

/// An estimate of the spectral norm from below.
#[expect(clippy::float_arithmetic, reason = "an estimate, and called one")]
fn power_iteration(m: &Array2<f64>) -> f64 {
    let mut x = ndarray::Array1::from_shape_fn(m.ncols(), |j| 1.0 + (j as f64 * 0.618).fract());
    x /= x.dot(&x).sqrt();
    let mut value = 0.0;
    for _ in 0..20 {
        let y = m.dot(&x);
        x = m.t().dot(&y);
        let length = x.dot(&x).sqrt();
        value = y.dot(&y).sqrt();
        if length == 0.0 {
            return 0.0;
        }
        x /= length;
    }
    value
}

#[cfg(test)]
#[path = "k2_tests.rs"]
mod tests;
