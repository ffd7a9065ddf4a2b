//! Arrays of numbers that are not models: boxes, centres, inputs.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;

use ndarray::{Array2, ArrayD, Ix1, Ix2};
use serde_json::value::RawValue;

use super::error::ReadError;
use super::{npy, source};
use crate::network::tensor::show_shape;
use crate::numeric::decimal::Number;

/// Numbers in rows, as a file has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The nearest `f64` of each, all finite.
    pub nearest: Array2<f64>,
    /// Those that are decimals and no `f64`, by row and column.
    decimals: HashMap<(usize, usize), Number>,
}

impl Table {
    /// A number, exactly.
    pub fn number(&self, row: usize, column: usize) -> Number {
        let exact = || Number::of(self.nearest[[row, column]]);
        self.decimals.get(&(row, column)).cloned().unwrap_or_else(exact)
    }
}

/// Reads a table of numbers with `columns` columns: an NPY file, a JSON array of numbers or of rows, or
/// text with one row per line, separated by commas or spaces (`#` begins a remark). A single row of the
/// right length is a table of one row; with one column, so is every list of numbers.
///
/// # Errors
/// A file that cannot be read, that holds something else, or a shape that does not fit.
pub fn read_table(path: &Path, columns: usize) -> Result<Table, ReadError> {
    if std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0) {
        let file = path.display().to_string();
        return Err(ReadError::new(
            file,
            format!("the file is empty, expected rows of {columns} numbers"),
        ));
    }
    let input = source::load(path)?;
    let bytes: &[u8] = &input.bytes;
    let (array, decimals) = if bytes.starts_with(b"\x93NUMPY") {
        (npy::read_tensor(&input)?, HashMap::new())
    } else {
        let failed = |reason: String| ReadError::new(input.file.clone(), reason);
        let text = std::str::from_utf8(bytes).map_err(|_| {
            failed(
                "found bytes that are no text, expected an NPY file, JSON or lines of numbers"
                    .into(),
            )
        })?;
        parse(text).map_err(failed)?
    };
    let shape = show_shape(array.shape());
    let misfit = || {
        ReadError::new(
            input.file.clone(),
            format!("found numbers of shape {shape}, expected rows of {columns}"),
        )
    };
    let table = match array.ndim() {
        // A row, or a column.
        1 if columns == 1 || array.len() == columns => {
            let row = array.into_dimensionality::<Ix1>().map_err(|_| misfit())?;
            let rows = row.len() / columns.max(1);
            Array2::from_shape_vec((rows, columns), row.to_vec()).map_err(|_| misfit())?
        }
        2 => array.into_dimensionality::<Ix2>().map_err(|_| misfit())?,
        // A batch of tensors: each is one row.
        n if n > 2 => {
            let rows = array.shape()[0];
            let flat: Vec<f64> = array.iter().copied().collect();
            Array2::from_shape_vec((rows, flat.len() / rows.max(1)), flat).map_err(|_| misfit())?
        }
        _ => return Err(misfit()),
    };
    if table.ncols() != columns || table.is_empty() {
        return Err(misfit());
    }
    if let Some(((i, j), x)) = table.indexed_iter().find(|(_, x)| !x.is_finite()) {
        return Err(ReadError::new(
            input.file,
            format!("found {x} in row {i}, column {j}, expected finite numbers"),
        ));
    }
    let place = |(i, number): (usize, Number)| ((i / columns, i % columns), number);
    Ok(Table { nearest: table, decimals: decimals.into_iter().map(place).collect() })
}

/// The numbers of a text, and those that are no `f64` by their place in it.
type Parsed = (ArrayD<f64>, HashMap<usize, Number>);

fn parse(text: &str) -> Result<Parsed, String> {
    if text.trim_start().starts_with('[') {
        let number = |raw: &&RawValue| raw.get().parse::<Number>();
        if let Ok(row) = serde_json::from_str::<Vec<&RawValue>>(text)
            && row.first().is_none_or(|first| !first.get().starts_with('['))
        {
            let row = row.iter().map(number).collect::<Result<Vec<_>, _>>();
            return rectangular(vec![row.map_err(no_json)?]);
        }
        let rows: Vec<Vec<&RawValue>> = serde_json::from_str(text).map_err(no_json)?;
        let row = |row: &Vec<&RawValue>| row.iter().map(number).collect::<Result<Vec<_>, _>>();
        return rectangular(rows.iter().map(row).collect::<Result<_, _>>().map_err(no_json)?);
    }
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let parts: Vec<&str> = line.split([',', ';']).collect();
        // A separator may end a line.
        if parts.iter().rev().skip(1).any(|part| part.trim().is_empty()) {
            return Err(format!("line {}: found nothing before a separator", number + 1));
        }
        let fields = parts.iter().flat_map(|part| part.split_whitespace());
        let row = fields.map(str::parse);
        let row: Result<Vec<Number>, String> = row.collect();
        let row = row.map_err(|reason| format!("line {}: {reason}", number + 1))?;
        if !row.is_empty() {
            rows.push(row);
        }
    }
    rectangular(rows)
}

fn no_json(reason: impl Display) -> String {
    format!("not a JSON array of numbers or of rows of numbers: {reason}")
}

fn rectangular(rows: Vec<Vec<Number>>) -> Result<Parsed, String> {
    let columns = rows.first().map_or(0, Vec::len);
    if let Some((i, row)) = rows.iter().enumerate().find(|(_, row)| row.len() != columns) {
        return Err(format!("row {i} has {} numbers, row 0 has {columns}", row.len()));
    }
    let shape = if rows.len() == 1 { vec![columns] } else { vec![rows.len(), columns] };
    let shape = if columns == 1 { vec![rows.len()] } else { shape };
    let flat: Vec<Number> = rows.into_iter().flatten().collect();
    let nearest = flat.iter().map(|number| number.nearest).collect();
    let array = ArrayD::from_shape_vec(shape, nearest).map_err(|error| error.to_string())?;
    let is_decimal = |(_, number): &(usize, Number)| number.enclosure.lo < number.enclosure.hi;
    Ok((array, flat.into_iter().enumerate().filter(is_decimal).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn table(text: &str, columns: usize) -> Result<Array2<f64>, String> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        read_table(file.path(), columns).map(|t| t.nearest).map_err(|error| error.to_string())
    }

    #[test]
    fn tables_in_text_and_json() {
        let two = ndarray::arr2(&[[1.0, 2.0], [3.0, 4.5]]);
        assert_eq!(table("1, 2\n# remark\n3 4.5\n", 2), Ok(two.clone()));
        assert_eq!(table("[[1, 2], [3, 4.5]]", 2), Ok(two));
        assert_eq!(table("[1, 2, 3]", 3).map(|t| t.dim()), Ok((1, 3)));
        assert_eq!(table("1, 2,\n3; 4.5\n", 2).map(|t| t.dim()), Ok((2, 2)));
        assert_eq!(table("1\n2\n3\n", 1).map(|t| t.dim()), Ok((3, 1)));
    }

    #[test]
    fn decimals_are_kept_exactly() {
        for text in ["0.5 0.3\n1 2\n", "[[0.5, 0.3], [1, 2.0]]"] {
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            file.write_all(text.as_bytes()).expect("written");
            let table = read_table(file.path(), 2).expect("a table");
            assert_eq!(table.number(0, 0), Number::of(0.5));
            assert_eq!(table.number(0, 1), "0.30".parse().expect("a number"));
            assert_eq!(table.number(1, 1), Number::of(2.0));
        }
    }

    #[test]
    fn what_is_no_table_is_an_error() {
        for (text, said) in [
            ("1 2\n3\n", "row 1 has 1 numbers, row 0 has 2"),
            ("1,,2\n", "line 1: found nothing before a separator"),
            ("1 x\n", "line 1: found \"x\", expected a finite number"),
            ("1 2 3\n", "expected rows of 2"),
            ("nan 1\n", "line 1: found \"nan\", expected a finite number"),
            ("[1, \"2\"]", "not a JSON array of numbers"),
            ("[[1, 2], 3]", "not a JSON array"),
            ("", "the file is empty, expected rows of 2 numbers"),
        ] {
            let error = table(text, 2).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
