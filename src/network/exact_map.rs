//! Affine maps without rounding, for networks that are small enough.
//!
//! Layers that meet are merged into one map, whose weights are sums of products: rounded in floating point, but still
//! integers times powers of two.

use std::sync::Arc;

use super::layers::AffineMap;
use crate::numeric::dyadic::Dyadic;
use crate::numeric::{Interval, Matrix};

/// Products of numbers that a merged map may take to be made; larger ones are only known to rounding.
const LARGEST: usize = 1 << 20;

/// An affine map `x -> W x + b`, exactly.
#[derive(Debug, Clone)]
pub struct ExactMap {
    /// The rows of `W`, sparse: column and weight.
    pub rows: Vec<Vec<(usize, Dyadic)>>,
    /// The bias `b`.
    pub bias: Vec<Dyadic>,
}

impl ExactMap {
    /// The map whose floating-point numbers are exact, or which knows the exact ones; `None` for others.
    pub fn of(map: &AffineMap) -> Option<Arc<ExactMap>> {
        if let Some(exact) = &map.exact {
            return Some(Arc::clone(exact));
        }
        if map.linear.radius.is_some() {
            return None;
        }
        let exponent = map.linear.exponent as isize;
        let rows = (0..map.linear.rows()).map(|i| row(&map.linear.matrix, i, exponent));
        let bias = map.bias.iter().map(point);
        Some(Arc::new(ExactMap {
            rows: rows.collect::<Option<_>>()?,
            bias: bias.collect::<Option<_>>()?,
        }))
    }

    /// `outer o inner`; `None` where one of them is not known exactly, or it would take too long.
    pub fn composed(outer: &AffineMap, inner: &AffineMap) -> Option<Arc<ExactMap>> {
        let widest = inner.linear.matrix.stored_entries() / inner.linear.rows().max(1) + 1;
        if outer.linear.matrix.stored_entries().saturating_mul(widest) > LARGEST {
            return None;
        }
        let (outer, inner) = (ExactMap::of(outer)?, ExactMap::of(inner)?);
        let columns = inner.rows.iter().flatten().map(|(j, _)| j + 1).max().unwrap_or(0);
        let composed = |(row, bias): (&Vec<(usize, Dyadic)>, &Dyadic)| {
            let mut sums = vec![Dyadic::ZERO; columns];
            let mut constant = bias.clone();
            for (k, w) in row {
                constant = constant + w * &inner.bias[*k];
                for (j, v) in &inner.rows[*k] {
                    sums[*j] = std::mem::replace(&mut sums[*j], Dyadic::ZERO) + w * v;
                }
            }
            let row = sums.into_iter().enumerate().filter(|(_, x)| !x.is_zero()).collect();
            (row, constant)
        };
        let (rows, bias) = outer.rows.iter().zip(&outer.bias).map(composed).unzip();
        Some(Arc::new(ExactMap { rows, bias }))
    }

    /// Maps of the same state on top of each other, where one of them has to be kept exactly.
    pub fn stacked(maps: &[&AffineMap]) -> Option<Arc<ExactMap>> {
        maps.iter().find(|map| map.exact.is_some())?;
        let mut stacked = ExactMap { rows: Vec::new(), bias: Vec::new() };
        for map in maps {
            let part = ExactMap::of(map)?;
            stacked.rows.extend(part.rows.iter().cloned());
            stacked.bias.extend(part.bias.iter().cloned());
        }
        Some(Arc::new(stacked))
    }

    /// The map of the inputs that move, where the others have these values; `None` for those that move.
    pub fn with_constants(&self, values: impl Fn(usize) -> Option<Interval>) -> Option<ExactMap> {
        let mut fixed =
            ExactMap { rows: Vec::with_capacity(self.rows.len()), bias: self.bias.clone() };
        for (row, bias) in self.rows.iter().zip(&mut fixed.bias) {
            let mut free = Vec::new();
            for (j, w) in row {
                match values(*j) {
                    None => free.push((*j, w.clone())),
                    // Where it lies is only known where it is a floating-point number.
                    Some(x) => {
                        let x = (x.lo == x.hi).then_some(x.lo)?;
                        *bias = std::mem::replace(bias, Dyadic::ZERO) + w * &Dyadic::new(x)?;
                    }
                }
            }
            fixed.rows.push(free);
        }
        Some(fixed)
    }
}

impl AffineMap {
    /// Whether its floating-point numbers are exact.
    pub fn is_exact(&self) -> bool {
        self.linear.radius.is_none() && self.bias.iter().all(|b| b.lo == b.hi)
    }
}

fn row(matrix: &Matrix, i: usize, exponent: isize) -> Option<Vec<(usize, Dyadic)>> {
    let mut row = Vec::new();
    let mut all_finite = true;
    matrix.row_entries(i, &mut |j, x| match Dyadic::new(x) {
        Some(x) if !x.is_zero() => row.push((j, x.shifted(exponent))),
        Some(_) => {}
        None => all_finite = false,
    });
    all_finite.then_some(row)
}

fn point(bias: &Interval) -> Option<Dyadic> {
    (bias.lo == bias.hi).then(|| Dyadic::new(bias.lo)).flatten()
}
