//! Sparse matrices in compressed row form.

use ndarray::Array2;

use super::rounding::add_up;

/// A sparse matrix in compressed-sparse-row form. Rows hold their entries in order of column.
#[derive(Debug, Clone, PartialEq)]
pub struct Csr {
    rows: usize,
    columns: usize,
    /// `starts[i]..starts[i + 1]` are the entries of row `i`.
    starts: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f64>,
}

impl Csr {
    /// Builds a matrix row by row: `row(i, push)` calls `push(column, value)` with strictly
    /// increasing columns below `columns`; zeros are left out.
    pub fn from_rows(
        rows: usize,
        columns: usize,
        mut row: impl FnMut(usize, &mut dyn FnMut(usize, f64)),
    ) -> Csr {
        let mut csr = Csr {
            rows,
            columns,
            starts: Vec::with_capacity(rows + 1),
            indices: Vec::new(),
            values: Vec::new(),
        };
        csr.starts.push(0);
        for i in 0..rows {
            let (indices, values) = (&mut csr.indices, &mut csr.values);
            row(i, &mut |column, value| {
                debug_assert!(column < columns);
                if value != 0.0 {
                    indices.push(column as u32);
                    values.push(value);
                }
            });
            csr.starts.push(csr.indices.len());
        }
        csr
    }

    /// The `n x n` identity.
    pub fn identity(n: usize) -> Csr {
        Csr::from_rows(n, n, |i, push| push(i, 1.0))
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The number of stored entries.
    pub fn entries(&self) -> usize {
        self.values.len()
    }

    /// The stored values, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The stored values, row by row, to be changed in place.
    pub(super) fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// The entries of row `i` as `(column, value)`.
    pub fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[i]..self.starts[i + 1];
        self.indices[range.clone()]
            .iter()
            .map(|&j| j as usize)
            .zip(self.values[range].iter().copied())
    }

    /// The largest number of entries in a row: the number of terms of a dot product with it.
    pub fn longest_row(&self) -> usize {
        self.starts.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)
    }

    /// The transpose.
    pub fn transposed(&self) -> Csr {
        let mut starts = vec![0usize; self.columns + 1];
        for &j in &self.indices {
            starts[j as usize + 1] += 1;
        }
        for j in 0..self.columns {
            starts[j + 1] += starts[j];
        }
        let mut next = starts.clone();
        let mut indices = vec![0u32; self.indices.len()];
        let mut values = vec![0.0; self.values.len()];
        for i in 0..self.rows {
            for (j, value) in self.row(i) {
                indices[next[j]] = i as u32;
                values[next[j]] = value;
                next[j] += 1;
            }
        }
        Csr { rows: self.columns, columns: self.rows, starts, indices, values }
    }

    /// The same pattern with every value mapped; `f` gets the row and the value.
    pub fn map(&self, f: impl Fn(usize, f64) -> f64) -> Csr {
        let mut out = self.clone();
        for i in 0..self.rows {
            for value in &mut out.values[self.starts[i]..self.starts[i + 1]] {
                *value = f(i, *value);
            }
        }
        out
    }

    /// The matrix in dense form.
    pub fn to_dense(&self) -> Array2<f64> {
        let mut dense = Array2::zeros((self.rows, self.columns));
        for i in 0..self.rows {
            for (j, value) in self.row(i) {
                dense[[i, j]] = value;
            }
        }
        dense
    }

    /// An upper bound of the sum with a matrix of the same shape, entry by entry.
    pub fn sum_up(&self, other: &Csr) -> Csr {
        Csr::from_rows(self.rows, self.columns, |i, push| {
            merge_rows(self.row(i), other.row(i), push);
        })
    }
}

/// The sums of two sparse rows, rounded up.
fn merge_rows(
    a: impl Iterator<Item = (usize, f64)>,
    b: impl Iterator<Item = (usize, f64)>,
    push: &mut dyn FnMut(usize, f64),
) {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    loop {
        match (a.peek().copied(), b.peek().copied()) {
            (Some((i, x)), Some((j, y))) if i == j => {
                push(i, add_up(x, y));
                a.next();
                b.next();
            }
            (Some((i, x)), Some((j, _))) if i < j => {
                push(i, x);
                a.next();
            }
            (Some((i, x)), None) => {
                push(i, x);
                a.next();
            }
            (_, Some((j, y))) => {
                push(j, y);
                b.next();
            }
            (None, None) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposes_and_converts() {
        let a = Csr::from_rows(2, 3, |i, push| {
            push(i, 1.0 + i as f64);
            push(2, -1.0);
        });
        assert_eq!(a.to_dense(), ndarray::arr2(&[[1.0, 0.0, -1.0], [0.0, 2.0, -1.0]]));
        assert_eq!(a.transposed().to_dense(), a.to_dense().reversed_axes());
        assert_eq!(a.longest_row(), 2);
    }

    #[test]
    fn sums_have_the_entries_of_both() {
        let a =
            Csr::from_rows(1, 6, |_, push| [0, 1, 4].map(|j| push(j, 1.0)).into_iter().collect());
        let b =
            Csr::from_rows(1, 6, |_, push| [1, 3, 5].map(|j| push(j, 2.0)).into_iter().collect());
        let sum = a.sum_up(&b);
        assert_eq!(sum.to_dense(), ndarray::arr2(&[[1.0, 3.0, 0.0, 2.0, 1.0, 2.0]]));
        assert_eq!((sum.entries(), a.entries(), Csr::identity(4).entries()), (5, 3, 4));
    }
}
