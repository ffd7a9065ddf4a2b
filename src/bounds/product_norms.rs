//! Norms of the products of a chain, with bounds of their errors (see [`super::products`]).

use super::perturbation::absolute_norm_up;
use super::products::{Apply, Product, ProductError, Products};
use super::side_by_side::at_most;
use super::streamed::Streamed;
use super::{Refusal, memory};
use crate::network::{Chain, LinearMap};
use crate::numeric::Norm;
use crate::numeric::rounding::{add_up, max_up, mul_up};

/// Upper bounds of the operator norms of the exact products `W~_(t,s)` in one norm.
#[derive(Debug, Clone)]
pub struct ProductNorms {
    rows: Vec<Vec<f64>>,
    /// In l2, how far the products are from the computed ones, see [`distances_l2_up`].
    distances: Vec<Vec<f64>>,
    /// As [`Apply::end`].
    ends: Vec<usize>,
}

impl ProductNorms {
    /// The norms of all products, with their errors.
    pub fn new(chain: &Chain, products: &Products, norm: Norm) -> ProductNorms {
        if norm == Norm::L2 {
            let computed = computed_norms_l2_up(chain, products);
            let distances = distances_l2_up(chain, products, &computed);
            let rows = table(chain, |t, s| add_up(computed[t - 1][s], distances[t - 1][s]));
            return ProductNorms { rows, distances, ends: vec![0; chain.depth() + 1] };
        }
        let bounded = Bounded::new(chain, norm);
        let of = |t: usize, s: usize| {
            let Product { value, error } = products.get(t, s);
            let norm = if norm == Norm::L1 { value.norm_l1_up() } else { value.norm_linf_up() };
            bounded.norm_up(t, s, norm, *error)
        };
        let ends = vec![0; chain.depth() + 1];
        ProductNorms { rows: table(chain, of), distances: Vec::new(), ends }
    }

    /// Bounds of the lengths of the columns of `W~_(t,s)` where `norm` is l1, of its rows where it is linf; for norms in
    /// l2, which they do not exceed.
    pub fn lengths_up(&self, products: &Products, (t, s): (usize, usize), norm: Norm) -> Vec<f64> {
        let value = &products.get(t, s).value;
        let lengths = match norm {
            Norm::L1 => value.transposed().row_lengths_up(),
            Norm::L2 | Norm::Linf => value.row_lengths_up(),
        };
        // The norm of a difference in l2 bounds its columns and rows.
        let (distance, norm) = (self.distance(t, s), self.get(t, s));
        lengths.into_iter().map(|length| add_up(length, distance).min(norm)).collect()
    }

    /// A bound of the distance in l2 of `W~_(t,s)` from what was computed; for norms in l2.
    pub fn distance(&self, t: usize, s: usize) -> f64 {
        self.distances[t - 1][s]
    }

    /// The norms of all products without keeping any, for l1 and linf.
    ///
    /// # Errors
    /// As [`Streamed::norms_up`].
    pub fn streamed(chain: &Chain, products: &Streamed<'_>, norm: Norm) -> Result<Self, Refusal> {
        let bounded = Bounded::new(chain, norm);
        let row = |t: usize| -> Result<Vec<f64>, Refusal> {
            let norms = products.norms_up(t, norm)?.into_iter().enumerate();
            Ok(norms.map(|(s, n)| bounded.norm_up(t, s, n, products.error(t, s))).collect())
        };
        let ends = 1..=chain.depth() + 1;
        let rows: Result<_, Refusal> = ends.clone().map(row).collect();
        let ends = ends.map(|t| products.end(t)).collect();
        Ok(ProductNorms { rows: rows?, distances: Vec::new(), ends })
    }

    /// The stage at which the products `(t, s)` end, see [`Apply::end`].
    pub fn end(&self, t: usize) -> usize {
        self.ends[t - 1]
    }

    /// A bound of the norm of `W~_(t,s)`.
    pub fn get(&self, t: usize, s: usize) -> f64 {
        self.rows[t - 1][s]
    }
}

/// The norms in l2 of the computed products, side by side: each takes one thread for most of its time.
fn computed_norms_l2_up(chain: &Chain, products: &Products) -> Vec<Vec<f64>> {
    let pairs: Vec<(usize, usize)> =
        (1..=chain.depth() + 1).flat_map(|t| (0..t).map(move |s| (t, s))).collect();
    let lanes = memory::lanes(memory::product_norm_l2(chain.maps()));
    let norms = at_most(lanes, &pairs, |&(t, s)| products.get(t, s).value.norm_l2_up());
    let mut norms = norms.into_iter();
    (1..=chain.depth() + 1).map(|t| norms.by_ref().take(t).collect()).collect()
}

/// A number for each product `(t, s)`, in row `t - 1`.
fn table(chain: &Chain, of: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
    (1..=chain.depth() + 1).map(|t| (0..t).map(|s| of(t, s)).collect()).collect()
}

/// Bounds of `|| W~_(t,s) - P_(t,s) ||_2`, step by step, given bounds of the norms of the computed products `P`.
///
/// With `P' = P_(t-1,s)`, a map `W + D` with `|D| <= R` and `|P - W C P'| <= r |W| |C| |P'| + a` (see
/// [`Product::extended`]; `r` and `a` of all steps so far are at least those of the last one),
///
/// `W~ - P = (W + D) C (W~' - P') + D C P' + (W C P' - P)`.
///
/// The products of absolute values that bound errors entry by entry grow with the square root of the width in each
/// layer; these distances grow with the norms in l2, as the products do.
fn distances_l2_up(chain: &Chain, products: &Products, computed: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let bounded = Bounded::new(chain, Norm::L2);
    let mut distances: Vec<Vec<f64>> = Vec::with_capacity(computed.len());
    for t in 1..=computed.len() {
        let map = t - 1;
        let (radius, magnitude) = (bounded.radii[map], bounded.magnitudes[map]);
        let of = |s: usize| {
            if s == map {
                return radius;
            }
            let centre = bounded.centres[map - 1];
            let before = &products.get(t - 1, s).value;
            let error = products.get(t, s).error;
            let carried = mul_up(add_up(computed[map][map], radius), distances[map - 1][s]);
            let moved = mul_up(radius, computed[map - 1][s]);
            let rounded =
                mul_up(mul_up(error.relative, magnitude), absolute_norm_up(before, Norm::L2));
            let all = mul_up(centre, add_up(add_up(carried, moved), rounded));
            let dimension = bounded.shapes[map].0.max(bounded.shapes[s].1) as f64;
            add_up(all, mul_up(error.absolute, dimension))
        };
        let row = (0..t).map(of).collect();
        distances.push(row);
    }
    distances
}

/// What the norms of the exact products are bounded with: of each map, the norms of what bounds its
/// absolute values and of its radius, and the size of its matrix; of each nonlinearity, that of the centre.
struct Bounded {
    magnitudes: Vec<f64>,
    radii: Vec<f64>,
    shapes: Vec<(usize, usize)>,
    centres: Vec<f64>,
}

impl Bounded {
    fn new(chain: &Chain, norm: Norm) -> Bounded {
        let maps = chain.maps();
        let radius =
            |map: &LinearMap| map.radius.as_ref().map_or(0.0, |r| absolute_norm_up(r, norm));
        Bounded {
            magnitudes: maps.iter().map(|map| absolute_norm_up(&map.magnitude(), norm)).collect(),
            radii: maps.iter().map(radius).collect(),
            shapes: maps.iter().map(|map| (map.rows(), map.columns())).collect(),
            centres: chain.slopes().iter().map(|s| s.norms_up(norm).centre).collect(),
        }
    }

    /// A bound of the norm of `W~_(t,s)`, given one of the norm of `P`: by the triangle inequality
    /// `||W~|| <= ||P|| + relative ||A|| + ||B|| + absolute * (dimension)`, where the norms of `A` and `B`
    /// are bounded by products of norms.
    fn norm_up(&self, t: usize, s: usize, computed: f64, error: ProductError) -> f64 {
        let (mut a, mut b) = (self.magnitudes[s], self.radii[s]);
        for k in s + 1..t {
            let centre = self.centres[k - 1];
            let with_radius = mul_up(mul_up(self.radii[k], centre), a);
            b = add_up(mul_up(mul_up(self.magnitudes[k], centre), b), with_radius);
            a = mul_up(mul_up(self.magnitudes[k], centre), a);
        }
        let dimension = self.shapes[t - 1].0.max(self.shapes[s].1) as f64;
        let rounding = add_up(mul_up(error.relative, a), mul_up(error.absolute, dimension));
        max_up(add_up(add_up(computed, b), rounding), 0.0)
    }
}

#[cfg(test)]
#[path = "product_norms_tests.rs"]
mod tests;
