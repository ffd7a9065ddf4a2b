//! Whether a polyhedron has inner points, decided in rational arithmetic: for the few that linear programs in floating
//! point leave open.
//!
//! The largest `t <= 1` with `a_i . x + c_i >= t` for all half-spaces and `x` in the box is found by the simplex method
//! with Bland's rule (R. G. Bland, Math. Oper. Res. 2, 1977), which ends; there are inner points where it is positive.

use dashu::integer::IBig;
use dashu::rational::RBig;

use super::halfspace::HalfSpace;
use crate::numeric::Interval;

/// Entries of the tableau up to which it is tried: numbers grow with every exchange.
const LARGEST: usize = 4000;

/// Exchanges after which it is given up.
const LONGEST: usize = 400;

/// Whether there are inner points; `None` where it would take too long to find out. Points of the box count, even on its faces.
pub(super) fn has_interior(
    half_spaces: &[&HalfSpace],
    sides: Option<&[Interval]>,
    dimension: usize,
) -> Option<bool> {
    let columns = 1 + if sides.is_some() { dimension } else { 2 * dimension };
    if (half_spaces.len() + columns + 1).saturating_mul(columns) > LARGEST {
        return None;
    }
    Tableau::new(half_spaces, sides, dimension, columns)?.run()
}

/// Rows `b_i - sum_j a_ij x_j >= 0` of basic variables, in which the others are 0; `x_0` is what is maximised, less a
/// constant.
struct Tableau {
    /// The coefficients of the variables that are 0, then `b_i`.
    rows: Vec<Vec<RBig>>,
    /// The objective, the same way.
    objective: Vec<RBig>,
    /// The variable of each row, and of each column.
    basic: Vec<usize>,
    zero: Vec<usize>,
    /// The objective at which `t = 0`.
    threshold: RBig,
}

impl Tableau {
    fn new(
        half_spaces: &[&HalfSpace],
        sides: Option<&[Interval]>,
        dimension: usize,
        columns: usize,
    ) -> Option<Tableau> {
        let exact = |x: f64| RBig::try_from(x).ok();
        let corner: Vec<RBig> = match sides {
            Some(sides) => sides.iter().map(|side| exact(side.lo)).collect::<Option<_>>()?,
            None => vec![RBig::ZERO; dimension],
        };
        let mut rows = Vec::new();
        let mut lowest = RBig::ZERO;
        for half_space in half_spaces {
            let coefficients = half_space.coefficients();
            let (a, c) = coefficients.split_at(dimension);
            let size = a.iter().map(|x| if *x < IBig::ZERO { -x } else { x.clone() }).max()?;
            let scaled = |x: &IBig| RBig::from(x.clone()) / RBig::from(size.clone());
            // a . x + c - t >= 0 with x = corner + y: the row b - sum (-a_j) y_j - t.
            let mut row = vec![RBig::ONE];
            row.extend(a.iter().map(|x| -scaled(x)));
            if sides.is_none() {
                row.extend(a.iter().map(scaled));
            }
            let moved =
                a.iter().zip(&corner).fold(scaled(c.first()?), |s, (a, x)| s + scaled(a) * x);
            if moved < lowest {
                lowest = moved.clone();
            }
            row.push(moved);
            rows.push(row);
        }
        // With t = lowest + x_0, all half-spaces hold at x_0 = 0 in the corner.
        let threshold = -lowest.clone();
        for row in &mut rows {
            if let Some(b) = row.last_mut() {
                *b += threshold.clone();
            }
        }
        // x_0 <= threshold + 1, and the widths of the box.
        let unit = |column: usize, width: RBig| {
            let mut row = vec![RBig::ZERO; columns + 1];
            row[column] = RBig::ONE;
            row[columns] = width;
            row
        };
        rows.push(unit(0, threshold.clone() + RBig::ONE));
        if let Some(sides) = sides {
            for (j, side) in sides.iter().enumerate() {
                rows.push(unit(1 + j, exact(side.hi)? - exact(side.lo)?));
            }
        }
        let mut objective = vec![RBig::ZERO; columns + 1];
        objective[0] = RBig::ONE;
        let basic = (columns..columns + rows.len()).collect();
        Some(Tableau { rows, objective, basic, zero: (0..columns).collect(), threshold })
    }

    fn run(mut self) -> Option<bool> {
        let last = self.objective.len() - 1;
        for _ in 0..LONGEST {
            if self.objective[last] > self.threshold {
                return Some(true);
            }
            // Bland: of the columns that help the first variable, of the rows that allow least the first one.
            let helps = (0..last).filter(|&j| self.objective[j] > RBig::ZERO);
            let Some(column) = helps.min_by_key(|&j| self.zero[j]) else { return Some(false) };
            let allows = |i: &usize| self.rows[*i][column] > RBig::ZERO;
            let step = |i: usize| self.rows[i][last].clone() / self.rows[i][column].clone();
            let row = (0..self.rows.len())
                .filter(allows)
                .min_by(|&a, &b| step(a).cmp(&step(b)).then(self.basic[a].cmp(&self.basic[b])));
            // x_0 is bounded, so there is one.
            self.exchange(row?, column);
        }
        None
    }

    /// Solves a row for the variable of a column and puts that into the others.
    fn exchange(&mut self, row: usize, column: usize) {
        let last = self.objective.len() - 1;
        let pivot = self.rows[row][column].clone();
        let mut solved: Vec<RBig> =
            self.rows[row].iter().map(|x| x.clone() / pivot.clone()).collect();
        solved[column] = RBig::ONE / pivot;
        let others = self.rows.iter_mut().enumerate().filter(|(i, _)| *i != row);
        for (_, other) in others {
            let factor = other[column].clone();
            if factor.is_zero() {
                continue;
            }
            other[column] = RBig::ZERO;
            for (x, s) in other.iter_mut().zip(&solved) {
                *x -= factor.clone() * s.clone();
            }
        }
        // x_column = solved constant - sum solved_j x_j.
        let factor = self.objective[column].clone();
        self.objective[column] = RBig::ZERO;
        for (j, (x, s)) in self.objective.iter_mut().zip(&solved).enumerate() {
            let change = factor.clone() * s.clone();
            if j == last {
                *x += change;
            } else {
                *x -= change;
            }
        }
        self.rows[row] = solved;
        std::mem::swap(&mut self.basic[row], &mut self.zero[column]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::dyadic::Dyadic;

    fn half_space(numbers: &[f64]) -> HalfSpace {
        let row: Vec<Dyadic> = numbers.iter().map(|&x| Dyadic::new(x).expect("finite")).collect();
        HalfSpace::new(&row)
    }

    #[test]
    fn inner_points_are_told_from_faces_and_nothing() {
        let decide = |rows: &[&[f64]], sides: Option<&[(f64, f64)]>| {
            let half_spaces: Vec<HalfSpace> = rows.iter().map(|row| half_space(row)).collect();
            let refs: Vec<&HalfSpace> = half_spaces.iter().collect();
            let sides: Option<Vec<Interval>> =
                sides.map(|s| s.iter().map(|&(lo, hi)| Interval { lo, hi }).collect());
            has_interior(&refs, sides.as_deref(), rows[0].len() - 1)
        };
        let square: &[(f64, f64)] = &[(-1.0, 1.0), (0.0, 2.0)];
        // x >= 0 and -x >= 0 leave a line; x >= 0 and -x + 2^-60 >= 0 a strip of that width.
        assert_eq!(decide(&[&[1.0, 0.0, 0.0], &[-1.0, 0.0, 0.0]], None), Some(false));
        let narrow = 2f64.powi(-60);
        assert_eq!(decide(&[&[1.0, 0.0, 0.0], &[-1.0, 0.0, narrow]], None), Some(true));
        assert_eq!(decide(&[&[1.0, 0.0, 0.0], &[-1.0, 0.0, narrow]], Some(square)), Some(true));
        assert_eq!(decide(&[&[1.0, 0.0, 0.0], &[-1.0, 0.0, -narrow]], Some(square)), Some(false));
        // x + y >= 3 touches the square in a corner, x + y >= 3 - 2^-60 cuts it off.
        assert_eq!(decide(&[&[1.0, 1.0, -3.0]], Some(square)), Some(false));
        assert_eq!(decide(&[&[1.0, 1.0, -2.999]], Some(square)), Some(true));
        // Three half-planes whose boundaries meet in one point.
        let three: &[&[f64]] = &[&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0], &[-1.0, -1.0, 0.0]];
        assert_eq!(decide(three, None), Some(false));
        let open: &[&[f64]] = &[&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0], &[-1.0, -1.0, 1.0]];
        assert_eq!(decide(open, None), Some(true));
    }
}
