//! Small linear programs about the interior of polyhedra. Nothing here is rigorous: points and multipliers
//! are checked by those who use them.
//!
//! How deep can a point lie in all half-spaces at once? `max t` subject to `a_i . x + c_i >= t` and `t <= 1`,
//! each half-space scaled to `|a_i|_max = 1`. Its dual, `min c . y + y_0` subject to `sum y_i a_i = 0`,
//! `sum y_i + y_0 = 1`, `y >= 0`, has as many rows as there are inputs and a feasible start, `y_0 = 1`.
//! It is solved by the simplex method on a dense tableau: the programs here have a handful of rows, and
//! the multipliers come out as accurate as a basic solution is, to rounding, where solvers for large
//! programs stop at a tolerance (of 1e-7 in general), which is not enough to guess exact ones from.

/// The half-space `a . x + c >= 0`.
pub type HalfSpace = (Vec<f64>, f64);

/// The solution of both programs.
#[derive(Debug, Clone)]
pub struct Deepest {
    /// The point, where all half-spaces hold with a slack of at least `depth` relative to `|a_i|_max`.
    pub point: Vec<f64>,
    /// At most 1; negative where the polyhedron is empty.
    pub depth: f64,
    /// The multipliers `y_i >= 0` of the half-spaces as they were given: `sum y_i a_i = 0` where `depth < 1`.
    pub multipliers: Vec<f64>,
}

/// Entries of the tableau below this are taken for rounding errors.
const PIVOT: f64 = 1e-9;

/// The deepest point of the polyhedron; `None` where the method fails.
pub fn deepest_point(dimension: usize, half_spaces: &[HalfSpace]) -> Option<Deepest> {
    let sizes: Vec<f64> =
        half_spaces.iter().map(|(a, _)| a.iter().fold(0.0, |m: f64, x| m.max(x.abs()))).collect();
    if sizes.iter().any(|s| !(*s > 0.0 && s.is_finite())) {
        return None;
    }
    let mut tableau = Tableau::new(dimension, half_spaces, &sizes);
    tableau.solve()?;
    Some(tableau.solution(dimension, &sizes))
}

/// Rows `B^-1 [A, I | b]` and, at last, the reduced costs with minus the objective.
struct Tableau {
    rows: Vec<Vec<f64>>,
    /// The column of the basic variable of each row.
    basis: Vec<usize>,
    /// The half-spaces, and then `y_0`; the columns behind are artificial.
    real: usize,
}

impl Tableau {
    fn new(dimension: usize, half_spaces: &[HalfSpace], sizes: &[f64]) -> Tableau {
        let count = half_spaces.len();
        let (real, height) = (count + 1, dimension + 1);
        let width = real + height + 1;
        let mut rows = vec![vec![0.0; width]; height + 1];
        for (i, ((a, c), size)) in half_spaces.iter().zip(sizes).enumerate() {
            for (row, a) in rows.iter_mut().zip(a) {
                row[i] = a / size;
            }
            rows[dimension][i] = 1.0;
            rows[height][i] = c / size;
        }
        rows[dimension][count] = 1.0;
        rows[dimension][width - 1] = 1.0;
        rows[height][count] = 1.0;
        for j in 0..height {
            rows[j][real + j] = 1.0;
        }
        let mut basis: Vec<usize> = (0..height).map(|j| real + j).collect();
        // y_0 = 1: its reduced cost becomes 0.
        basis[dimension] = count;
        let normalised = rows[dimension].clone();
        rows[height].iter_mut().zip(&normalised).for_each(|(d, x)| *d -= x);
        Tableau { rows, basis, real }
    }

    fn solve(&mut self) -> Option<()> {
        let height = self.basis.len();
        let limit = 50 * (self.real + height);
        for step in 0..limit {
            let costs = &self.rows[height];
            // The steepest column; after many steps the first one, which cannot cycle (Bland 1977).
            let falling = (0..self.real).filter(|&j| costs[j] < -1e-11);
            let entering = if step < limit / 4 {
                falling.min_by(|&a, &b| costs[a].total_cmp(&costs[b]))
            } else {
                falling.min()
            };
            let Some(entering) = entering else { return Some(()) };
            let leaving = self.leaving(entering)?;
            self.pivot(leaving, entering);
        }
        None
    }

    /// The row that leaves. Artificial variables are 0 and have to stay so: they leave first.
    fn leaving(&self, entering: usize) -> Option<usize> {
        let height = self.basis.len();
        let entry = |i: usize| self.rows[i][entering];
        let artificial = (0..height).filter(|&i| self.basis[i] >= self.real);
        let out = artificial.max_by(|&a, &b| entry(a).abs().total_cmp(&entry(b).abs()));
        if let Some(i) = out.filter(|&i| entry(i).abs() > PIVOT) {
            return Some(i);
        }
        let ratio = |i: usize| self.rows[i].last().map_or(0.0, |b| b.max(0.0)) / entry(i);
        let candidates = (0..height).filter(|&i| entry(i) > PIVOT && self.basis[i] < self.real);
        candidates
            .min_by(|&a, &b| ratio(a).total_cmp(&ratio(b)).then(self.basis[a].cmp(&self.basis[b])))
    }

    fn pivot(&mut self, row: usize, column: usize) {
        let factor = 1.0 / self.rows[row][column];
        self.rows[row].iter_mut().for_each(|x| *x *= factor);
        let pivot = std::mem::take(&mut self.rows[row]);
        for other in self.rows.iter_mut().filter(|r| !r.is_empty()) {
            let factor = other[column];
            if factor != 0.0 {
                other.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
                other[column] = 0.0;
            }
        }
        self.rows[row] = pivot;
        self.basis[row] = column;
    }

    fn solution(&self, dimension: usize, sizes: &[f64]) -> Deepest {
        let costs = &self.rows[self.basis.len()];
        let mut multipliers = vec![0.0; sizes.len()];
        for (row, &column) in self.rows.iter().zip(&self.basis) {
            if let (Some(size), Some(b)) = (sizes.get(column), row.last()) {
                multipliers[column] = b.max(0.0) / size;
            }
        }
        // The reduced costs of the artificial columns are minus the prices of the rows.
        let point = costs[self.real..self.real + dimension].to_vec();
        Deepest { point, depth: -costs[self.real + dimension], multipliers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn triangles_and_their_absence() {
        // x >= 0, y >= 0, x + y <= 2: the point with equal slack 2/3.
        let triangle = vec![(vec![1.0, 0.0], 0.0), (vec![0.0, 1.0], 0.0), (vec![-1.0, -1.0], 2.0)];
        let found = deepest_point(2, &triangle).expect("a point");
        assert!((found.depth - 2.0 / 3.0).abs() < 1e-14, "{found:?}");
        assert!(found.point.iter().all(|x| (x - 2.0 / 3.0).abs() < 1e-14));
        // x + y <= -1 instead: y = (1/3, 1/3, 1/3), sum y c = -1/3.
        let empty = vec![(vec![1.0, 0.0], 0.0), (vec![0.0, 1.0], 0.0), (vec![-1.0, -1.0], -1.0)];
        let found = deepest_point(2, &empty).expect("a point");
        assert!((found.depth + 1.0 / 3.0).abs() < 1e-14);
        assert!(found.multipliers.iter().all(|y| (y - 1.0 / 3.0).abs() < 1e-14), "{found:?}");
        // A cone has points as deep as one wishes.
        let cone = vec![(vec![1.0, 0.0], -5.0), (vec![1.0, 1.0], 0.0)];
        let found = deepest_point(2, &cone).expect("a point");
        assert_eq!(found.depth, 1.0);
        assert!(found.point[0] >= 6.0 - 1e-12);
    }

    proptest! {
        /// Weak duality: the depth at the point and the value of the multipliers agree, so that both are
        /// optimal.
        #[test]
        fn points_and_multipliers_agree(
            n in 1usize..5, entries in proptest::collection::vec(-1.0f64..1.0, 60), m in 1usize..11,
        ) {
            let half_spaces: Vec<HalfSpace> = (0..m)
                .map(|i| (entries[i * 5..i * 5 + n].to_vec(), entries[i * 5 + 4]))
                .collect();
            let found = deepest_point(n, &half_spaces).expect("a point");
            let size = |a: &[f64]| a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            let slack = |(a, c): &HalfSpace| {
                (a.iter().zip(&found.point).map(|(a, x)| a * x).sum::<f64>() + c) / size(a)
            };
            let scale = 1.0 + size(&found.point);
            let least = half_spaces.iter().map(slack).fold(1.0, f64::min);
            prop_assert!((least - found.depth).abs() < 1e-9 * scale, "{least} {found:?}");
            if found.depth < 1.0 - 1e-9 {
                let y = &found.multipliers;
                let value: f64 = half_spaces.iter().zip(y).map(|((_, c), y)| c * y).sum();
                prop_assert!((value - found.depth).abs() < 1e-9 * scale, "{value} {found:?}");
                for j in 0..n {
                    let sum: f64 = half_spaces.iter().zip(y).map(|((a, _), y)| a[j] * y).sum();
                    prop_assert!(sum.abs() < 1e-10, "{sum}");
                }
            }
        }
    }
}
