//! Matrices known up to an entrywise error: a centre and a radius.
//!
//! `Ball { mid, rad }` stands for every matrix `A` with `|A - mid| <= rad` entrywise (midpoint-radius
//! arithmetic: Rump, "Fast and parallel interval arithmetic", BIT 39, 1999). Centres are computed
//! with rounding to nearest, radii with rounding up.

use ndarray::{Array2, ArrayView2, Axis, Zip, s};

use crate::numeric::Grid;
use crate::numeric::product::{DotError, abs_apply_up, multiply};
use crate::numeric::rounding::{
    MIN_SUBNORMAL, UNIT_ROUNDOFF, add_down, add_up, mul_down, mul_up, scale, sub_up,
};

/// A matrix with an entrywise error bound; no radius means that the centre is exact.
#[derive(Debug, Clone)]
pub(super) struct Ball {
    pub mid: Array2<f64>,
    pub rad: Option<Array2<f64>>,
}

/// A real number known to lie between two floating-point numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Enclosure {
    pub low: f64,
    pub high: f64,
}

impl Enclosure {
    /// An enclosure of the product with `x`.
    pub fn times(self, x: f64) -> Enclosure {
        Enclosure {
            low: mul_down(self.low, x).min(mul_down(self.high, x)),
            high: mul_up(self.low, x).max(mul_up(self.high, x)),
        }
    }

    /// A number `m` and a radius `r` with `|x - m| <= r` for every `x` enclosed.
    pub fn ball(self) -> (f64, f64) {
        (self.low, sub_up(self.high, self.low))
    }
}

impl From<f64> for Enclosure {
    fn from(x: f64) -> Enclosure {
        Enclosure { low: x, high: x }
    }
}

impl Ball {
    /// A matrix without error.
    pub fn exact(mid: Array2<f64>) -> Ball {
        Ball { mid, rad: None }
    }

    /// `a * 2^-shift` for `|shift| <= 1100`; entries that underflow are off by at most `2^-1074`.
    pub fn scaled(a: ArrayView2<'_, f64>, shift: i32) -> Ball {
        let mid = a.mapv(|x| scale(x, -shift));
        // Multiplying back is exact, so a difference shows exactly where an entry lost digits.
        // Both factors have the same sign of exponent: only the last one can underflow twice,
        // each time by at most half of 2^-1074.
        let lost = |x: f64, y: f64| scale(y, shift) != x;
        if a.iter().zip(&mid).any(|(&x, &y)| lost(x, y)) {
            let rad = Zip::from(a)
                .and(&mid)
                .map_collect(|&x, &y| if lost(x, y) { MIN_SUBNORMAL } else { 0.0 });
            return Ball { mid, rad: Some(rad) };
        }
        Ball::exact(mid)
    }

    /// The transpose.
    pub fn transposed(&self) -> Ball {
        let turn = |a: &Array2<f64>| a.t().as_standard_layout().into_owned();
        Ball { mid: turn(&self.mid), rad: self.rad.as_ref().map(turn) }
    }

    /// The given rows.
    pub fn select_rows(&self, rows: &[usize]) -> Ball {
        self.select(Axis(0), rows)
    }

    /// The given columns.
    pub fn select_columns(&self, columns: &[usize]) -> Ball {
        self.select(Axis(1), columns)
    }

    fn select(&self, axis: Axis, indices: &[usize]) -> Ball {
        let pick = |a: &Array2<f64>| a.select(axis, indices).as_standard_layout().into_owned();
        Ball { mid: pick(&self.mid), rad: self.rad.as_ref().map(pick) }
    }

    /// `[self, other]`: the columns of both.
    pub fn beside(&self, other: &Ball) -> Ball {
        let (rows, n, m) = (self.mid.nrows(), self.mid.ncols(), other.mid.ncols());
        let join = |a: Option<&Array2<f64>>, b: Option<&Array2<f64>>| {
            let mut out = Array2::zeros((rows, n + m));
            if let Some(a) = a {
                out.slice_mut(s![.., ..n]).assign(a);
            }
            if let Some(b) = b {
                out.slice_mut(s![.., n..]).assign(b);
            }
            out
        };
        let inexact = self.rad.is_some() || other.rad.is_some();
        Ball {
            mid: join(Some(&self.mid), Some(&other.mid)),
            rad: inexact.then(|| join(self.rad.as_ref(), other.rad.as_ref())),
        }
    }

    /// Whether the row is exactly zero.
    pub fn zero_row(&self, i: usize) -> bool {
        let zero = |a: &Array2<f64>| a.row(i).iter().all(|&x| x == 0.0);
        zero(&self.mid) && self.rad.as_ref().is_none_or(zero)
    }

    /// The matrix with row `i` multiplied by a number in `factors[i]`.
    ///
    /// With `|a - m| <= r` and `|f - g| <= q`:
    /// `|a f - fl(m g)| <= u |fl(m g)| + 2^-1074 + |m| q + r (|g| + q)`.
    pub fn scale_rows(&self, factors: &[Enclosure]) -> Ball {
        let mut mid = self.mid.clone();
        let mut rad = Array2::zeros(mid.dim());
        for (i, &factor) in factors.iter().enumerate() {
            let (g, q) = factor.ball();
            for j in 0..mid.ncols() {
                let m = mid[[i, j]];
                let r = self.rad.as_ref().map_or(0.0, |rad| rad[[i, j]]);
                if m == 0.0 && r == 0.0 {
                    continue;
                }
                #[expect(
                    clippy::float_arithmetic,
                    reason = "its rounding error goes to the radius"
                )]
                let product = m * g;
                // Far from underflow the fused residual is the rounding error of the product itself.
                #[expect(
                    clippy::float_arithmetic,
                    reason = "the residual is exact far from underflow"
                )]
                let exact = product.abs() > 1e-280 && m.mul_add(g, -product) == 0.0;
                let mut error = if exact {
                    0.0
                } else {
                    add_up(mul_up(UNIT_ROUNDOFF, product.abs()), MIN_SUBNORMAL)
                };
                error = add_up(error, mul_up(m.abs(), q));
                error = add_up(error, mul_up(r, add_up(g.abs(), q)));
                mid[[i, j]] = product;
                rad[[i, j]] = error;
            }
        }
        let exact = rad.iter().all(|&r| r == 0.0);
        Ball { mid, rad: (!exact).then_some(rad) }
    }

    /// The product. `|A B - fl(a b)| <= gamma |a||b| + underflow + |a| R_b + R_a (|b| + R_b)`.
    pub fn multiply(&self, other: &Ball) -> Ball {
        let (a, b) = (&self.mid, &other.mid);
        let (ga, gb) = (Grid::of(a.iter()), Grid::of(b.iter()));
        let dot = DotError::new(ga, gb, a.ncols());
        let mid = multiply(a.view(), b.view());
        let abs_b = b.mapv(f64::abs);
        let mut rad: Option<Array2<f64>> = None;
        let mut add = |term: Array2<f64>| match &mut rad {
            Some(rad) => rad.zip_mut_with(&term, |x, &y| *x = add_up(*x, y)),
            None => rad = Some(term),
        };
        if dot != DotError::NONE {
            let mut sizes = abs_apply_up(a.view(), ga, abs_b.view());
            sizes.mapv_inplace(|x| add_up(mul_up(dot.relative, x), dot.absolute));
            add(sizes);
        }
        if let Some(rb) = &other.rad {
            add(abs_apply_up(a.view(), ga, rb.view()));
        }
        if let Some(ra) = &self.rad {
            let mut size = abs_b;
            if let Some(rb) = &other.rad {
                size.zip_mut_with(rb, |x, &y| *x = add_up(*x, y));
            }
            add(abs_apply_up(ra.view(), Grid::of(ra.iter()), size.view()));
        }
        Ball { mid, rad }
    }

    /// The matrix with its sign changed.
    pub fn negated(&self) -> Ball {
        Ball { mid: -&self.mid, rad: self.rad.clone() }
    }
}

/// An enclosure of the sum of two numbers.
pub(super) fn sum(a: f64, b: f64) -> Enclosure {
    Enclosure { low: add_down(a, b), high: add_up(a, b) }
}

#[cfg(test)]
#[path = "ball_tests.rs"]
mod tests;
