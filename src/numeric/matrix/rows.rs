//! Rows of a matrix, of any form.

use ndarray::{Array2, Axis};

use super::{Entries, Matrix};
use crate::numeric::product::zeros;
use crate::numeric::sparse::Csr;

impl Matrix {
    /// The columns of the entries of row `i`, in no order; `None` where they are held in dense form.
    pub fn row_support(&self, i: usize) -> Option<Vec<usize>> {
        match &self.entries {
            Entries::Dense(_) => None,
            Entries::Sparse(a, _) => Some(a.row(i).map(|(j, _)| j).collect()),
            Entries::Blocks(blocks) => {
                let mut columns = Vec::new();
                blocks.for_row(i, |j, _| columns.push(j));
                Some(columns)
            }
        }
    }

    /// Hands over the entries of a row, all of a dense matrix, in the order of the columns.
    pub fn row_entries(&self, i: usize, push: &mut dyn FnMut(usize, f64)) {
        match &self.entries {
            Entries::Dense(a) => a.row(i).iter().enumerate().for_each(|(j, &value)| push(j, value)),
            Entries::Sparse(a, _) => a.row(i).for_each(|(j, value)| push(j, value)),
            Entries::Blocks(blocks) => {
                let mut row = Vec::new();
                blocks.for_row(i, |j, value| row.push((j, value)));
                row.sort_unstable_by_key(|&(j, _)| j);
                row.into_iter().for_each(|(j, value)| push(j, value));
            }
        }
    }

    /// The given rows as columns, in dense form: columns of the matrix x number of rows; in memory that is not
    /// used any more.
    pub fn rows_as_columns(&self, rows: &[usize], memory: Vec<f64>) -> Array2<f64> {
        let mut out = zeros((self.columns(), rows.len()), memory);
        for (k, &i) in rows.iter().enumerate() {
            match &self.entries {
                Entries::Dense(a) => out.column_mut(k).assign(&a.row(i)),
                Entries::Sparse(..) | Entries::Blocks(_) => {
                    self.row_entries(i, &mut |j, value| out[[j, k]] = value);
                }
            }
        }
        out
    }

    /// All rows, those of neighbouring channels at the same place of a convolution next to each other.
    pub fn rows_by_place(&self) -> Vec<usize> {
        let each = match &self.entries {
            Entries::Dense(_) | Entries::Sparse(..) => 1,
            Entries::Blocks(blocks) => blocks.as_convolution().map_or(1, |c| c.rows_of_channel()),
        };
        (0..each).flat_map(|place| (place..self.rows()).step_by(each)).collect()
    }

    /// The given rows, in the given order.
    pub fn select_rows(&self, rows: &[usize]) -> Matrix {
        match &self.entries {
            Entries::Dense(a) => Matrix::dense(a.select(Axis(0), rows)),
            Entries::Sparse(..) | Entries::Blocks(_) => {
                Matrix::sparse(Csr::from_rows(rows.len(), self.columns(), |i, push| {
                    self.row_entries(rows[i], push);
                }))
            }
        }
    }
}
