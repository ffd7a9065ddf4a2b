//! Small linear programs about the interior of polyhedra. Nothing here is rigorous: points and multipliers
//! are checked by those who use them.
//!
//! How deep can a point of a box lie in all of some half-spaces at once? `max t` subject to
//! `a_i . x + c_i >= t`, `lo <= x <= hi` (which may be infinite) and `t <= 1`, each half-space scaled to
//! `|a_i|_max = 1`. The simplex method for bounded variables on a dense dictionary: a row for each
//! half-space, a column for each input, and every point that has the least slack of its half-spaces for
//! `t` is a feasible start (Chvatal, "Linear Programming", 1983, chapters 2 and 8). Multipliers come out as
//! accurate as a basic solution is, to rounding, where solvers for large programs stop at a tolerance (of
//! 1e-7 in general), which is not enough to guess exact ones from.
#![expect(
    clippy::float_arithmetic,
    reason = "a guess: points and multipliers are verified by those who use them"
)]

use super::Interval;

/// The half-space `a . x + c >= 0`.
pub type HalfSpace = (Vec<f64>, f64);

/// The solution of the program and of its dual.
#[derive(Debug, Clone)]
pub struct Deepest {
    /// The point, where all half-spaces hold with a slack of at least `depth` relative to `|a_i|_max`.
    pub point: Vec<f64>,
    /// At most 1; negative where the polyhedron is empty.
    pub depth: f64,
    /// The multipliers `y_i >= 0` of the half-spaces as they were given: where `depth < 1`, `depth` is
    /// the largest value of `sum y_i (a_i . x + c_i)` in the box.
    pub multipliers: Vec<f64>,
}

/// Coefficients below this are taken for rounding errors.
const PIVOT: f64 = 1e-9;

/// The deepest point of the polyhedron in a box; `None` where the method fails.
pub fn deepest_point(sides: &[Interval], half_spaces: &[HalfSpace]) -> Option<Deepest> {
    let sizes: Vec<f64> =
        half_spaces.iter().map(|(a, _)| a.iter().fold(0.0, |m: f64, x| m.max(x.abs()))).collect();
    if sizes.iter().any(|s| !(*s > 0.0 && s.is_finite())) || half_spaces.is_empty() {
        return None;
    }
    let mut dictionary = Dictionary::new(sides, half_spaces, &sizes);
    dictionary.solve()?;
    Some(dictionary.solution(&sizes))
}

/// A variable: an input, the slack of a half-space, or `t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Variable {
    Input(usize),
    Slack(usize),
    Depth,
}

/// Basic variables as affine functions of the others, which have fixed values.
struct Dictionary<'a> {
    sides: &'a [Interval],
    /// The basic variable of each row; the first one is `t`.
    basic: Vec<Variable>,
    others: Vec<Variable>,
    /// `rows[i][j]`: the coefficient of the `j`-th other variable in basic variable `i`.
    rows: Vec<Vec<f64>>,
    /// The values of the basic variables and of the others.
    values: Vec<f64>,
    fixed: Vec<f64>,
}

impl<'a> Dictionary<'a> {
    fn new(sides: &'a [Interval], half_spaces: &[HalfSpace], sizes: &[f64]) -> Dictionary<'a> {
        let start = |side: &Interval| {
            if side.lo.is_finite() {
                side.lo
            } else if side.hi.is_finite() {
                side.hi
            } else {
                0.0
            }
        };
        let mut fixed: Vec<f64> = sides.iter().map(start).collect();
        let scaled: Vec<Vec<f64>> = half_spaces
            .iter()
            .zip(sizes)
            .map(|((a, _), size)| a.iter().map(|x| x / size).collect())
            .collect();
        let slack = |i: usize| {
            let along: f64 = scaled[i].iter().zip(&fixed).map(|(a, x)| a * x).sum();
            along + half_spaces[i].1 / sizes[i]
        };
        let slacks: Vec<f64> = (0..half_spaces.len()).map(slack).collect();
        let least = (0..slacks.len()).min_by(|&i, &j| slacks[i].total_cmp(&slacks[j])).unwrap_or(0);
        let mut others: Vec<Variable> = (0..sides.len()).map(Variable::Input).collect();
        others.push(Variable::Slack(least));
        fixed.push(0.0);
        // t = a x + c - s for the half-space with the least slack, and s_i = a_i x + c_i - t for the others.
        let mut first = scaled[least].clone();
        first.push(-1.0);
        let (mut basic, mut rows, mut values) =
            (vec![Variable::Depth], vec![first.clone()], vec![slacks[least]]);
        for i in (0..slacks.len()).filter(|&i| i != least) {
            let mut row = scaled[i].clone();
            row.push(0.0);
            row.iter_mut().zip(&first).for_each(|(x, f)| *x -= f);
            rows.push(row);
            basic.push(Variable::Slack(i));
            values.push(slacks[i] - slacks[least]);
        }
        Dictionary { sides, basic, others, rows, values, fixed }
    }

    fn bounds(&self, variable: Variable) -> (f64, f64) {
        match variable {
            Variable::Input(j) => (self.sides[j].lo, self.sides[j].hi),
            Variable::Slack(_) => (0.0, f64::INFINITY),
            Variable::Depth => (f64::NEG_INFINITY, 1.0),
        }
    }

    fn solve(&mut self) -> Option<()> {
        let limit = 50 * (self.rows.len() + self.others.len());
        for step in 0..limit {
            if self.values[0] >= 1.0 {
                return Some(());
            }
            let Some((entering, sign)) = self.entering(step >= limit / 4) else { return Some(()) };
            self.advance(entering, sign)?;
        }
        None
    }

    /// The variable that enlarges `t` fastest, and its direction; after many steps the first one, which
    /// cannot cycle (Bland 1977).
    fn entering(&self, first: bool) -> Option<(usize, f64)> {
        let helps = |j: usize| {
            let (low, high) = self.bounds(self.others[j]);
            let d = self.rows[0][j];
            let up = d > 1e-12 && self.fixed[j] < high;
            let down = d < -1e-12 && self.fixed[j] > low;
            (up || down).then_some((j, d.signum(), d.abs()))
        };
        let mut candidates = (0..self.others.len()).filter_map(helps);
        let chosen = if first {
            candidates.min_by_key(|(j, _, _)| self.others[*j])
        } else {
            let start = candidates.next()?;
            Some(candidates.fold(start, |best, c| if c.2 > best.2 { c } else { best }))
        };
        chosen.map(|(j, sign, _)| (j, sign))
    }

    /// Moves a variable until it or a basic one reaches a bound.
    fn advance(&mut self, entering: usize, sign: f64) -> Option<()> {
        let (low, high) = self.bounds(self.others[entering]);
        let mut longest =
            if sign > 0.0 { high - self.fixed[entering] } else { self.fixed[entering] - low };
        let mut leaving: Option<usize> = None;
        for (i, &variable) in self.basic.iter().enumerate() {
            let rate = sign * self.rows[i][entering];
            // The row of t, which the entering variable was chosen by, always counts.
            if rate.abs() < PIVOT && i > 0 {
                continue;
            }
            let (low, high) = self.bounds(variable);
            let room = if rate > 0.0 { high - self.values[i] } else { self.values[i] - low };
            let step = (room / rate.abs()).max(0.0);
            let larger_pivot = leaving.is_some_and(|l| {
                step <= longest && self.rows[i][entering].abs() > self.rows[l][entering].abs()
            });
            if step < longest || larger_pivot {
                longest = step;
                leaving = Some(i);
            }
        }
        if !longest.is_finite() {
            return None;
        }
        for (value, row) in self.values.iter_mut().zip(&self.rows) {
            *value += sign * longest * row[entering];
        }
        let reached = self.fixed[entering] + sign * longest;
        match leaving {
            None => self.fixed[entering] = if sign > 0.0 { high } else { low },
            Some(0) => self.fixed[entering] = reached, // t = 1: done.
            Some(row) => {
                let (low, high) = self.bounds(self.basic[row]);
                let falling = sign * self.rows[row][entering] < 0.0;
                self.values[row] = reached;
                self.exchange(row, entering, if falling { low } else { high });
            }
        }
        Some(())
    }

    /// A basic variable and another one change places; the former is fixed at `value`.
    fn exchange(&mut self, row: usize, column: usize, value: f64) {
        let factor = 1.0 / self.rows[row][column];
        let mut pivot = std::mem::take(&mut self.rows[row]);
        // basic = ... + p other  =>  other = (basic - ...) / p.
        pivot.iter_mut().for_each(|x| *x *= -factor);
        pivot[column] = factor;
        for other in self.rows.iter_mut().filter(|r| !r.is_empty()) {
            let coefficient = std::mem::replace(&mut other[column], 0.0);
            if coefficient != 0.0 {
                other.iter_mut().zip(&pivot).for_each(|(x, p)| *x += coefficient * p);
            }
        }
        self.rows[row] = pivot;
        std::mem::swap(&mut self.basic[row], &mut self.others[column]);
        self.fixed[column] = value;
    }

    fn solution(&self, sizes: &[f64]) -> Deepest {
        let mut multipliers = vec![0.0; sizes.len()];
        let mut point = vec![0.0; self.sides.len()];
        for (j, &variable) in self.others.iter().enumerate() {
            match variable {
                Variable::Slack(i) => multipliers[i] = (-self.rows[0][j]).max(0.0) / sizes[i],
                Variable::Input(k) => point[k] = self.fixed[j],
                Variable::Depth => {}
            }
        }
        for (&variable, &value) in self.basic.iter().zip(&self.values) {
            if let Variable::Input(k) = variable {
                point[k] = value.clamp(self.sides[k].lo, self.sides[k].hi);
            }
        }
        Deepest { point, depth: self.values[0].min(1.0), multipliers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assume, proptest};

    const PLANE: [Interval; 2] = [Interval::ENTIRE; 2];

    #[test]
    fn triangles_and_their_absence() {
        // x >= 0, y >= 0, x + y <= 2: the point with equal slack 2/3.
        let triangle = vec![(vec![1.0, 0.0], 0.0), (vec![0.0, 1.0], 0.0), (vec![-1.0, -1.0], 2.0)];
        let found = deepest_point(&PLANE, &triangle).expect("a point");
        assert!((found.depth - 2.0 / 3.0).abs() < 1e-14, "{found:?}");
        assert!(found.point.iter().all(|x| (x - 2.0 / 3.0).abs() < 1e-14));
        // x + y <= -1 instead: y = (1/3, 1/3, 1/3), sum y c = -1/3.
        let empty = vec![(vec![1.0, 0.0], 0.0), (vec![0.0, 1.0], 0.0), (vec![-1.0, -1.0], -1.0)];
        let found = deepest_point(&PLANE, &empty).expect("a point");
        assert!((found.depth + 1.0 / 3.0).abs() < 1e-14);
        assert!(found.multipliers.iter().all(|y| (y - 1.0 / 3.0).abs() < 1e-14), "{found:?}");
        // A cone has points as deep as one wishes.
        let cone = vec![(vec![1.0, 0.0], -5.0), (vec![1.0, 1.0], 0.0)];
        let found = deepest_point(&PLANE, &cone).expect("a point");
        assert!((found.depth - 1.0).abs() < 1e-14, "{found:?}");
        assert!(found.point[0] >= 6.0 - 1e-12);
    }

    proptest! {
        /// Weak duality: the depth at the point and the value of the multipliers agree, so that both are
        /// optimal.
        #[test]
        fn points_and_multipliers_agree(
            n in 1usize..5, entries in proptest::collection::vec(-1.0f64..1.0, 60), m in 1usize..11,
            bounded in 0usize..5,
        ) {
            let half_spaces: Vec<HalfSpace> = (0..m)
                .map(|i| (entries[i * 5..i * 5 + n].to_vec(), entries[i * 5 + 4]))
                .collect();
            prop_assume!(half_spaces.iter().all(|(a, _)| a.iter().any(|x| *x != 0.0)));
            let side = |j: usize| if j < bounded { Interval { lo: -0.5, hi: 0.7 } } else { Interval::ENTIRE };
            let sides: Vec<Interval> = (0..n).map(side).collect();
            let found = deepest_point(&sides, &half_spaces).expect("a point");
            let size = |a: &[f64]| a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            let slack = |(a, c): &HalfSpace| {
                (a.iter().zip(&found.point).map(|(a, x)| a * x).sum::<f64>() + c) / size(a)
            };
            // Rounding errors of a few dozen steps, relative to the size of the point.
            let scale = 1.0 + size(&found.point);
            let least = half_spaces.iter().map(slack).fold(1.0, f64::min);
            prop_assert!((least - found.depth).abs() < 1e-9 * scale, "{least} {found:?}");
            prop_assert!(sides.iter().zip(&found.point).all(|(side, &x)| side.contains(x)));
            if found.depth < 1.0 - 1e-9 {
                let y = &found.multipliers;
                let mut value: f64 = half_spaces.iter().zip(y).map(|((_, c), y)| c * y).sum();
                for (j, side) in sides.iter().enumerate() {
                    let sum: f64 = half_spaces.iter().zip(y).map(|((a, _), y)| a[j] * y).sum();
                    if side.lo.is_finite() {
                        value += (sum * side.lo).max(sum * side.hi);
                    } else {
                        prop_assert!(sum.abs() < 1e-9, "{sum}");
                    }
                }
                prop_assert!((value - found.depth).abs() < 1e-9 * scale, "{value} {found:?}");
            }
        }
    }
}
