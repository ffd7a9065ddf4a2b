//! Matrices of exact numbers, their norms, and whether a spectral norm is at most a number.

use dashu::base::Signed;
use dashu::integer::IBig;
use lipbound::numeric::Norm;
use ndarray::Array2;

use super::dyadic::Dyadic;

/// A matrix of exact numbers, by rows.
#[derive(Clone, Debug)]
pub struct Exact {
    pub rows: Vec<Vec<Dyadic>>,
}

/// An exact number between two others, which are equal where it is known.
#[derive(Clone, Debug)]
pub struct Enclosure {
    pub lower: Dyadic,
    pub upper: Dyadic,
}

impl Enclosure {
    pub fn of(x: Dyadic) -> Enclosure {
        Enclosure { lower: x.clone(), upper: x }
    }

    pub fn times(&self, other: &Enclosure) -> Enclosure {
        Enclosure { lower: self.lower.times(&other.lower), upper: self.upper.times(&other.upper) }
    }

    pub fn plus(&self, other: &Enclosure) -> Enclosure {
        Enclosure { lower: self.lower.plus(&other.lower), upper: self.upper.plus(&other.upper) }
    }

    /// An enclosure of the larger number.
    pub fn max(self, other: Enclosure) -> Enclosure {
        Enclosure { lower: self.lower.max(other.lower), upper: self.upper.max(other.upper) }
    }
}

impl Exact {
    pub fn of(matrix: &Array2<f64>) -> Exact {
        let row = |row: ndarray::ArrayView1<'_, f64>| row.iter().map(|&x| Dyadic::of(x)).collect();
        Exact { rows: matrix.outer_iter().map(row).collect() }
    }

    pub fn entries(&self) -> impl Iterator<Item = &Dyadic> {
        self.rows.iter().flatten()
    }

    pub fn multiply(&self, other: &Exact) -> Exact {
        let columns = other.rows[0].len();
        let entry = |row: &[Dyadic], j: usize| {
            let terms = row.iter().zip(&other.rows);
            terms.fold(Dyadic::ZERO, |sum, (a, b)| sum.plus(&a.times(&b[j])))
        };
        let row = |row: &Vec<Dyadic>| (0..columns).map(|j| entry(row, j)).collect();
        Exact { rows: self.rows.iter().map(row).collect() }
    }

    /// The matrix with `f` of the row's number and the entry in place of each entry.
    pub fn map(&self, f: impl Fn(usize, &Dyadic) -> Dyadic) -> Exact {
        let rows = self.rows.iter().enumerate();
        Exact { rows: rows.map(|(i, row)| row.iter().map(|x| f(i, x)).collect()).collect() }
    }

    pub fn abs(&self) -> Exact {
        self.map(|_, x| x.abs())
    }

    pub fn plus(&self, other: &Exact) -> Exact {
        self.zip(other, Dyadic::plus)
    }

    pub fn minus(&self, other: &Exact) -> Exact {
        self.zip(other, Dyadic::minus)
    }

    fn zip(&self, other: &Exact, f: impl Fn(&Dyadic, &Dyadic) -> Dyadic) -> Exact {
        let row =
            |(a, b): (&Vec<Dyadic>, &Vec<Dyadic>)| a.iter().zip(b).map(|(x, y)| f(x, y)).collect();
        Exact { rows: self.rows.iter().zip(&other.rows).map(row).collect() }
    }

    pub fn transposed(&self) -> Exact {
        let column = |j: usize| self.rows.iter().map(|row| row[j].clone()).collect();
        Exact { rows: (0..self.rows[0].len()).map(column).collect() }
    }

    /// The norm: exact in l1 and linf, enclosed in l2.
    pub fn norm(&self, norm: Norm) -> Enclosure {
        let sum = |row: &Vec<Dyadic>| row.iter().fold(Dyadic::ZERO, |s, x| s.plus(&x.abs()));
        match norm {
            Norm::L1 => self.transposed().norm(Norm::Linf),
            Norm::Linf => Enclosure::of(self.rows.iter().map(sum).fold(Dyadic::ZERO, Dyadic::max)),
            Norm::L2 => self.spectral_norm(),
        }
    }

    /// Whether the spectral norm is at most `s >= 0`: whether `s^2 I - A A^T` is positive semidefinite,
    /// by elimination without rounding.
    pub fn spectral_norm_at_most(&self, s: &Dyadic) -> bool {
        let gram = self.gram();
        let square = s.times(s);
        let entry = |i: usize, j: usize, x: &Dyadic| {
            if i == j { square.minus(x) } else { x.negated() }
        };
        let row = |(i, row): (usize, &Vec<Dyadic>)| -> Vec<Dyadic> {
            row.iter().enumerate().map(|(j, x)| entry(i, j, x)).collect()
        };
        Exact { rows: gram.rows.iter().enumerate().map(row).collect() }.is_semidefinite()
    }

    /// Whether a symmetric matrix is positive semidefinite: all pivots of the elimination are at least 0, and
    /// a pivot of 0 stands in a row of zeros. Bareiss' elimination keeps integers integers: what it divides by
    /// is a divisor.
    pub fn is_semidefinite(&self) -> bool {
        let last = self.entries().filter_map(Dyadic::last_bit).min().unwrap_or(0);
        let mut m: Vec<Vec<IBig>> =
            self.rows.iter().map(|row| row.iter().map(|x| x.integer(last)).collect()).collect();
        let mut divisor = IBig::ONE;
        for k in 0..m.len() {
            let pivots = m[k].clone();
            if pivots[k].is_negative() {
                return false;
            }
            if pivots[k].is_zero() {
                if pivots[k..].iter().any(|x| !x.is_zero()) {
                    return false;
                }
                continue;
            }
            for row in m.iter_mut().skip(k + 1) {
                let first = row[k].clone();
                for (x, pivot) in row.iter_mut().zip(&pivots).skip(k) {
                    *x = (&*x * &pivots[k] - &first * pivot) / &divisor;
                }
            }
            divisor = pivots[k].clone();
        }
        true
    }

    /// `A A^T` or `A^T A`, whichever is smaller.
    fn gram(&self) -> Exact {
        let transposed = self.transposed();
        if self.rows.len() <= transposed.rows.len() {
            self.multiply(&transposed)
        } else {
            transposed.multiply(self)
        }
    }

    /// Two numbers close together with the spectral norm between them. Where they lie is a guess in
    /// floating point; that they hold is checked without rounding.
    fn spectral_norm(&self) -> Enclosure {
        let Some(guess) = self.spectral_guess() else { return Enclosure::of(Dyadic::ZERO) };
        for width in [-49, -46, -43, -36, -30, -20, -10, -2] {
            let step = guess.scaled(width);
            let (lower, upper) = (guess.minus(&step), guess.plus(&step));
            if self.spectral_norm_at_most(&upper) && !self.spectral_norm_at_most(&lower) {
                return Enclosure { lower, upper };
            }
        }
        panic!("no enclosure of the spectral norm of {self:?}");
    }

    /// About the spectral norm; `None` for the matrix of zeros.
    pub fn spectral_guess(&self) -> Option<Dyadic> {
        let gram = self.gram();
        let top = gram.rows.iter().flatten().filter_map(Dyadic::first_bit).max()?;
        let even = top - top.rem_euclid(2);
        let mut power: Vec<Vec<f64>> =
            gram.rows.iter().map(|row| row.iter().map(|x| x.to_f64(even)).collect()).collect();
        let start = power.clone();
        // Squaring separates the largest eigenvalue from all that are not within rounding of it.
        for _ in 0..50 {
            let trace: f64 = (0..power.len()).map(|i| power[i][i]).sum();
            power.iter_mut().flatten().for_each(|x| *x /= trace);
            power = product(&power, &power);
        }
        let trace = |m: &[Vec<f64>]| (0..m.len()).map(|i| m[i][i]).sum::<f64>();
        let eigenvalue = trace(&product(&start, &power)) / trace(&power);
        Some(Dyadic::of(eigenvalue.sqrt()).scaled(even / 2))
    }
}

fn product(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = b.len();
    let entry = |row: &Vec<f64>, j: usize| (0..n).map(|k| row[k] * b[k][j]).sum();
    a.iter().map(|row| (0..n).map(|j| entry(row, j)).collect()).collect()
}
