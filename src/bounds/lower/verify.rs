//! The norm of the Jacobian at a point, rounded down.

use ndarray::{Array2, ArrayView1, Axis};

use crate::network::{Chain, LinearMap};
use crate::network::{LoweredNetwork, Stage};
use crate::numeric::rounding::{add_down, add_up, max_up, mul_up, sqrt_up, sub_down};
use crate::numeric::spectral::{spectral_norm_down, spectral_norm_up};
use crate::numeric::{Grid, Interval, Norm};

/// A lower bound of the norm of a Jacobian of the network near `x`, without the powers of two of the
/// maps; 0 where the slopes at `x` cannot be told apart, or `x` is outside the network's box.
pub fn jacobian_norm_down(network: &LoweredNetwork, x: &[f64], norm: Norm) -> f64 {
    if network.input.as_ref().is_some_and(|input| !input.contains(x)) {
        return 0.0;
    }
    let choices = slopes_at(network, x);
    // The transposed Jacobian, from the outputs: W_0^T D_1 W_1^T ... D_l W_l^T.
    let maps = network.chain.maps();
    let last = &maps[maps.len() - 1];
    let mut ball = Ball::of(last);
    for (r, choice) in choices.iter().enumerate().rev() {
        ball = ball.sloped(choice).mapped(&maps[r]);
    }
    ball.norm_down(norm)
}

/// Lower and upper bounds of the norm of the product of a chain for slopes in the given intervals,
/// without the powers of two of the maps; tight where the intervals are points.
pub fn norm_of(chain: &Chain, slopes: &[Vec<(f64, f64)>], norm: Norm) -> (f64, f64) {
    let maps = chain.maps();
    let mut ball = Ball::of(&maps[maps.len() - 1]);
    for (r, layer) in slopes.iter().enumerate().rev() {
        let (alpha, beta) = layer.iter().copied().unzip();
        let d = crate::network::Diagonal::new(alpha, beta);
        ball = ball.scaled(d.centre(), d.radius()).mapped(&maps[r]);
    }
    (ball.norm_down(norm), ball.norm_up(norm))
}

/// The slopes of one stage near a point, for the transposed Jacobian.
enum Choice {
    /// Centres and radii of the slopes of the components.
    Diagonal(Vec<f64>, Vec<f64>),
    /// For each window the elements that may be the largest; and the number of inputs.
    Selection(Vec<Vec<usize>>, usize),
}

fn slopes_at(network: &LoweredNetwork, x: &[f64]) -> Vec<Choice> {
    let mut state: Vec<Interval> = x.iter().map(|&x| Interval::point(x)).collect();
    let mut choices = Vec::with_capacity(network.stages.len());
    for (r, stage) in network.stages.iter().enumerate() {
        let z = network.affine(r, &state);
        match stage {
            Stage::Componentwise(_) => {
                let activations = stage.activations().unwrap_or_default();
                let each = || activations.iter().zip(&z);
                let slopes: Vec<Interval> = each().map(|(a, &z)| a.derivative(z)).collect();
                state = each().map(|(a, &z)| a.value(z)).collect();
                let diagonal = crate::network::Diagonal::new(
                    slopes.iter().map(|s| s.lo).collect(),
                    slopes.iter().map(|s| s.hi).collect(),
                );
                choices
                    .push(Choice::Diagonal(diagonal.centre().to_vec(), diagonal.radius().to_vec()));
            }
            Stage::Pool(windows) => {
                let mut possible = Vec::with_capacity(windows.count());
                state = (0..windows.count())
                    .map(|i| {
                        let low =
                            windows.window(i).map(|j| z[j].lo).fold(f64::NEG_INFINITY, f64::max);
                        let high =
                            windows.window(i).map(|j| z[j].hi).fold(f64::NEG_INFINITY, f64::max);
                        possible.push(windows.window(i).filter(|&j| z[j].hi >= low).collect());
                        Interval::new(low, high)
                    })
                    .collect();
                choices.push(Choice::Selection(possible, windows.inputs()));
            }
        }
    }
    choices
}

/// The distance from `|x|` to the next number, which is more than the error of a result that was rounded to `x`;
/// `+inf` or NaN where that overflowed.
#[expect(clippy::float_arithmetic, reason = "exact: neighbours are multiples of their distance")]
fn step_above(x: f64) -> f64 {
    x.abs().next_up() - x.abs()
}

/// A matrix of balls: every entry is within `radius` of `centre`.
struct Ball {
    centre: Array2<f64>,
    radius: Option<Array2<f64>>,
}

impl Ball {
    fn of(map: &LinearMap) -> Ball {
        Ball {
            centre: map.matrix.transposed().to_dense(),
            radius: map.radius.as_ref().map(|r| r.transposed().to_dense()),
        }
    }

    /// `D^T` times the ball.
    fn sloped(self, choice: &Choice) -> Ball {
        match choice {
            Choice::Diagonal(centres, radii) => self.scaled(centres, radii),
            Choice::Selection(possible, inputs) => self.selected(possible, *inputs),
        }
    }

    fn scaled(self, centres: &[f64], radii: &[f64]) -> Ball {
        let mut centre = self.centre;
        let mut radius = self.radius.unwrap_or_else(|| Array2::zeros(centre.raw_dim()));
        let rows = centre.outer_iter_mut().zip(radius.outer_iter_mut());
        for ((mut row, mut errors), (&c, &rho)) in rows.zip(centres.iter().zip(radii)) {
            for (x, e) in row.iter_mut().zip(&mut errors) {
                // |c x + rounding| with |d - c| <= rho: c e + rho (|x| + e) + |c x| ulp.
                #[expect(clippy::float_arithmetic, reason = "its error is below `step_above`")]
                let product = c * *x;
                let rounding = step_above(product);
                let exact = c == 0.0 || c == 1.0 || *x == 0.0;
                let spread = mul_up(rho, add_up(x.abs(), *e));
                let carried = add_up(mul_up(c.abs(), *e), spread);
                *e = if exact { carried } else { add_up(carried, rounding) };
                *x = product;
            }
        }
        Ball::new(centre, radius)
    }

    fn selected(self, possible: &[Vec<usize>], inputs: usize) -> Ball {
        let columns = self.centre.ncols();
        let mut centre = Array2::<f64>::zeros((inputs, columns));
        let mut radius = Array2::<f64>::zeros((inputs, columns));
        for (i, window) in possible.iter().enumerate() {
            for k in 0..columns {
                let x = self.centre[[i, k]];
                let e = self.radius.as_ref().map_or(0.0, |r| r[[i, k]]);
                if let [only] = window[..] {
                    // Windows may overlap, so the contributions add up.
                    #[expect(clippy::float_arithmetic, reason = "its error is below `step_above`")]
                    let sum = centre[[only, k]] + x;
                    let rounding = step_above(sum);
                    let exact = centre[[only, k]] == 0.0 || x == 0.0;
                    let carried = add_up(radius[[only, k]], e);
                    radius[[only, k]] = if exact { carried } else { add_up(carried, rounding) };
                    centre[[only, k]] = sum;
                } else {
                    for &j in window {
                        radius[[j, k]] = add_up(radius[[j, k]], add_up(x.abs(), e));
                    }
                }
            }
        }
        Ball::new(centre, radius)
    }

    /// `W^T` times the ball.
    fn mapped(self, map: &LinearMap) -> Ball {
        let w = map.matrix.transposed();
        let centre = w.apply(self.centre.view());
        let size = self.centre.mapv(f64::abs);
        let error = w.dot_error(Grid::of(size.iter()));
        let mut radius = w.abs_apply_up(size.view());
        radius.mapv_inplace(|x| add_up(mul_up(error.relative, x), error.absolute));
        if let Some(e) = &self.radius {
            let carried = w.abs_apply_up(e.view());
            radius.zip_mut_with(&carried, |a, &b| *a = add_up(*a, b));
        }
        if let Some(r) = &map.radius {
            let mut largest = size;
            if let Some(e) = &self.radius {
                largest.zip_mut_with(e, |a, &b| *a = add_up(*a, b));
            }
            let spread = r.transposed().abs_apply_up(largest.view());
            radius.zip_mut_with(&spread, |a, &b| *a = add_up(*a, b));
        }
        Ball::new(centre, radius)
    }

    fn new(centre: Array2<f64>, radius: Array2<f64>) -> Ball {
        let exact = radius.iter().all(|&e| e == 0.0);
        Ball { centre, radius: if exact { None } else { Some(radius) } }
    }

    /// A lower bound of the norm of the transpose of any matrix in the ball.
    fn norm_down(&self, norm: Norm) -> f64 {
        let largest_sum = |axis: Axis| {
            let least = |x: f64, e: f64| sub_down(x.abs(), e).max(0.0);
            let lanes = self.centre.lanes(axis).into_iter().enumerate().map(|(lane, values)| {
                values.iter().enumerate().fold(0.0, |sum, (i, &x)| {
                    let index = if axis == Axis(0) { [i, lane] } else { [lane, i] };
                    let e = self.radius.as_ref().map_or(0.0, |r| r[index]);
                    add_down(sum, least(x, e))
                })
            });
            let sum = lanes.fold(0.0, f64::max);
            if sum.is_finite() { sum } else { 0.0 }
        };
        match norm {
            // Rows of J are columns here.
            Norm::Linf => largest_sum(Axis(0)),
            Norm::L1 => largest_sum(Axis(1)),
            Norm::L2 => {
                sub_down(spectral_norm_down(self.centre.view()), self.radius_l2_up()).max(0.0)
            }
        }
    }

    /// An upper bound of the norm of the transpose of every matrix in the ball.
    fn norm_up(&self, norm: Norm) -> f64 {
        let largest_sum = |axis: Axis| {
            let sum = |(lane, values): (usize, ArrayView1<'_, f64>)| {
                values.iter().enumerate().fold(0.0, |sum, (i, &x)| {
                    let index = if axis == Axis(0) { [i, lane] } else { [lane, i] };
                    let e = self.radius.as_ref().map_or(0.0, |r| r[index]);
                    add_up(sum, add_up(x.abs(), e))
                })
            };
            self.centre.lanes(axis).into_iter().enumerate().map(sum).fold(0.0, max_up)
        };
        match norm {
            Norm::Linf => largest_sum(Axis(0)),
            Norm::L1 => largest_sum(Axis(1)),
            Norm::L2 => add_up(spectral_norm_up(self.centre.view()), self.radius_l2_up()),
        }
    }

    fn radius_l2_up(&self) -> f64 {
        self.radius.as_ref().map_or(0.0, |r| {
            let sums = |axis| {
                let lanes = r.lanes(axis).into_iter();
                lanes.map(|lane| lane.iter().copied().fold(0.0, add_up)).fold(0.0, max_up)
            };
            let crude = sqrt_up(mul_up(sums(Axis(0)), sums(Axis(1))));
            if crude > 1e-6 { crude.min(spectral_norm_up(r.view())) } else { crude }
        })
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
