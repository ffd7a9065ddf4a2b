//! Affine maps with enclosures of their biases: selected, stacked, composed, applied.

use super::exact_map::ExactMap;
use super::layers::AffineMap;
use super::linear_map::LinearMap;
use crate::numeric::rounding::{add_up, mul_up, scale_down, scale_up};
use crate::numeric::{Csr, Grid, Interval, Matrix};

/// The identity.
pub(super) fn identity(n: usize) -> AffineMap {
    AffineMap::new(LinearMap::identity(n), vec![Interval::point(0.0); n])
}

/// The components `start..start + count` of a state of the given width.
pub(super) fn selection(start: usize, count: usize, width: usize) -> AffineMap {
    if start == 0 && count == width {
        return identity(width);
    }
    let rows = Csr::from_rows(count, width, |i, push| push(start + i, 1.0));
    let linear = LinearMap { matrix: Matrix::sparse(rows), radius: None, exponent: 0 };
    AffineMap::new(linear, vec![Interval::point(0.0); count])
}

/// Maps of the same state on top of each other.
pub(super) fn stacked(maps: &[&AffineMap]) -> AffineMap {
    if let [only] = maps {
        return (*only).clone();
    }
    let linear: Vec<&LinearMap> = maps.iter().map(|m| &m.linear).collect();
    AffineMap {
        linear: LinearMap::stacked(&linear),
        bias: maps.iter().flat_map(|m| m.bias.iter().copied()).collect(),
        exact: ExactMap::stacked(maps),
    }
}

/// `outer o inner`.
pub(super) fn composed(outer: &AffineMap, inner: &AffineMap) -> AffineMap {
    let linear = outer.linear.after(&inner.linear);
    let moved = if inner.bias.iter().all(|b| *b == Interval::point(0.0)) {
        outer.bias.clone()
    } else {
        apply(&outer.linear, &outer.bias, &inner.bias)
    };
    let map = AffineMap::new(linear, moved);
    let exact = if map.is_exact() { None } else { ExactMap::composed(outer, inner) };
    AffineMap { exact, ..map }
}

/// An enclosure of `map x + bias` for a vector `x` of intervals.
pub(super) fn apply(map: &LinearMap, bias: &[Interval], x: &[Interval]) -> Vec<Interval> {
    // Centre and radius form: |W x - W m| <= |W| r for x within r of m.
    let centre: Vec<f64> = x.iter().map(|i| i.midpoint()).collect();
    let radius =
        x.iter().zip(&centre).map(|(i, &m)| (*i - Interval::point(m)).magnitude()).collect();
    let column = |v: Vec<f64>| ndarray::Array1::from(v).insert_axis(ndarray::Axis(1));
    let (centre, radius) = (column(centre), column(radius));
    let sums = map.matrix.apply(centre.view());
    let size = centre.mapv(f64::abs);
    let error = map.matrix.dot_error(Grid::of(size.iter()));
    let sizes = map.matrix.abs_apply_up(size.view());
    let mut spread = map.matrix.abs_apply_up(radius.view());
    if let Some(r) = &map.radius {
        // The sums are rounded to nearest, by less than the distance to the next number.
        let largest = (size + radius).mapv(f64::next_up);
        spread.zip_mut_with(&r.abs_apply_up(largest.view()), |a, &b| *a = add_up(*a, b));
    }
    (0..map.rows())
        .map(|i| {
            let rounding = add_up(mul_up(error.relative, sizes[[i, 0]]), error.absolute);
            let slack = add_up(spread[[i, 0]], rounding);
            #[expect(clippy::float_arithmetic, reason = "exact: a change of sign")]
            let value = Interval::point(sums[[i, 0]]) + Interval::new(-slack, slack);
            let scaled = Interval {
                lo: scale_down(value.lo, map.exponent),
                hi: scale_up(value.hi, map.exponent),
            };
            scaled + bias[i]
        })
        .collect()
}
