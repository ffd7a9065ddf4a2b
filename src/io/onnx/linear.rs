//! Products with matrices.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayD, Axis, Ix2};

use super::arithmetic::{combine, exact_product, scale, shift};
use super::batch;
use super::builder::{Signal, Value};
use super::constant::{Constant, Data};
use super::operators::{Applied, Call};
use crate::network::layers::conv::{Conv, Geometry};
use crate::network::layers::dense::Dense;
use crate::network::layers::gather::Gather;
use crate::network::tensor::show_shape;

/// The message of a product of two values that depend on the input.
const TWO: &str = "multiplies two values that depend on the input (as attention does), which has no finite slope on the whole space; replace it";

/// `MatMul`.
pub fn matmul(call: &mut Call<'_, '_>) -> Applied {
    match (call.value(0)?.clone(), call.value(1)?.clone()) {
        (Value::Signal(x), Value::Constant(w)) => {
            let (weight, batch) = matrix(&w, false)?;
            Ok(times(call, &x, weight, w.shape().len() == 1, batch)?.into())
        }
        (Value::Constant(w), Value::Signal(x)) => {
            let (weight, batch) = matrix(&w, true)?;
            Ok(left_times(call, weight, &x, w.shape().len() == 1, batch)?.into())
        }
        _ => Err(TWO.to_owned()),
    }
}

/// A constant factor as a matrix (a vector is one row on the left and one column on the right), and the
/// number of axes of length 1 before it.
fn matrix(constant: &Constant, is_left: bool) -> Result<(Array2<f64>, usize), String> {
    let mut values = constant.reals("its weight")?;
    let mut batch = 0;
    while values.ndim() > 2 && values.shape()[0] == 1 {
        values = values.index_axis_move(Axis(0), 0);
        batch += 1;
    }
    if values.ndim() == 1 {
        values = values.insert_axis(Axis(usize::from(!is_left)));
    }
    let matrix = values.into_dimensionality::<Ix2>().map_err(|_| {
        format!(
            "its weight has the shape {}, expected a matrix; several matrices at once are not supported",
            show_shape(constant.shape())
        )
    })?;
    Ok((matrix, batch))
}

/// `x W` for each vector along the last axis of `x`.
fn times(
    call: &mut Call<'_, '_>,
    x: &Signal,
    weight: Array2<f64>,
    is_vector: bool,
    batch: usize,
) -> Result<Signal, String> {
    let (inner, columns) = weight.dim();
    let Some((&last, rows)) = x.shape.split_last().filter(|(last, _)| **last == inner) else {
        return Err(format!(
            "its {inner}x{columns} weight takes vectors of {inner}, but its operand has the shape {}",
            show_shape(&x.shape)
        ));
    };
    batch::check_apart(x, rows.len())?;
    let mut shape = rows.to_vec();
    while batch > 0 && shape.len() < batch + 1 {
        shape.insert(0, 1);
    }
    let place = x.batch.map(|axis| axis + shape.len() - rows.len());
    if !is_vector {
        shape.push(columns);
    }
    let count: usize = rows.iter().product();
    let weight = weight.reversed_axes().as_standard_layout().into_owned();
    if count == 1 {
        return dense(call, x, weight, &shape, place);
    }
    let flat = call.builder.shaped(call.name, x, &[1, count, last], None)?;
    let (id, _) = call.push(Gather::Transpose(vec![1, 0]), &[flat.id])?;
    let (id, _) = call.push(kernel(weight)?, &[id])?;
    let (id, _) = call.push(Gather::Transpose(vec![1, 0]), &[id])?;
    call.builder.shaped(call.name, &x.same(id), &shape, place)
}

/// `W x` for each vector along the last axis but one of `x`.
fn left_times(
    call: &mut Call<'_, '_>,
    weight: Array2<f64>,
    x: &Signal,
    is_vector: bool,
    batch: usize,
) -> Result<Signal, String> {
    let (rows, inner) = weight.dim();
    let (outer, length, columns) = match x.shape.as_slice() {
        [n] => (&[][..], *n, None),
        [outer @ .., n, columns] => (outer, *n, Some(*columns)),
        [] => return Err("its operand is a single number, expected a vector or matrix".to_owned()),
    };
    if length != inner || outer.iter().any(|&n| n != 1) {
        return Err(format!(
            "its {rows}x{inner} weight takes one matrix of {inner} rows, but its operand has the shape {}",
            show_shape(&x.shape)
        ));
    }
    batch::check_apart(x, outer.len())?;
    let mut shape = vec![1; outer.len().max(batch)];
    let place = x.batch.map(|axis| match axis < outer.len() {
        true => axis + shape.len() - outer.len(),
        false => shape.len() + usize::from(!is_vector),
    });
    if !is_vector {
        shape.push(rows);
    }
    shape.extend(columns);
    if columns.unwrap_or(1) == 1 {
        return dense(call, x, weight, &shape, place);
    }
    let planes = [1, inner, columns.unwrap_or(1)];
    let flat = call.builder.shaped(call.name, x, &planes, None)?;
    let (id, _) = call.push(kernel(weight)?, &[flat.id])?;
    call.builder.shaped(call.name, &x.same(id), &shape, place)
}

/// The product with one vector.
fn dense(
    call: &mut Call<'_, '_>,
    x: &Signal,
    weight: Array2<f64>,
    shape: &[usize],
    batch: Option<usize>,
) -> Result<Signal, String> {
    let bias = Array1::zeros(weight.nrows());
    let layer = Dense::new(weight.clone(), bias).map_err(|error| error.to_string())?;
    let (id, _) = call.builder.push(call.name, Arc::new(layer), &[x.id])?;
    call.builder.set_plain(id, weight);
    call.builder.shaped(call.name, &x.same(id), shape, batch)
}

/// The product with each of several vectors: a convolution with windows of length 1.
fn kernel(weight: Array2<f64>) -> Result<Conv, String> {
    let geometry = Geometry { groups: 1, ..Geometry::default() };
    Conv::new(1, weight.insert_axis(Axis(2)).into_dyn(), None, &geometry)
}

/// `Gemm`: `alpha A B + beta C`.
pub fn gemm(call: &mut Call<'_, '_>) -> Applied {
    let (alpha, beta) = (call.attributes.float("alpha", 1.0)?, call.attributes.float("beta", 1.0)?);
    let transposed =
        [call.attributes.int("transA", 0)? != 0, call.attributes.int("transB", 0)? != 0];
    let product = match (call.value(0)?.clone(), call.value(1)?.clone()) {
        (Value::Signal(a), Value::Constant(b)) => {
            let a = flipped(call, &a, transposed[0])?;
            let (weight, rest) = scaled(gemm_matrix(&b, transposed[1])?, alpha);
            let product = times(call, &a, weight, false, 0)?;
            scale(call, &product, ndarray::arr0(rest).into_dyn(), false)?
        }
        (Value::Constant(a), Value::Signal(b)) => {
            let b = flipped(call, &b, transposed[1])?;
            let (weight, rest) = scaled(gemm_matrix(&a, transposed[0])?, alpha);
            let product = left_times(call, weight, &b, false, 0)?;
            scale(call, &product, ndarray::arr0(rest).into_dyn(), false)?
        }
        (Value::Constant(_), Value::Constant(_)) => {
            return Err("adds a value that depends on the input to a product of constants; simplify the model first, for example with onnxsim".to_owned());
        }
        _ => return Err(TWO.to_owned()),
    };
    let summand = call.optional(2).cloned().filter(|_| beta != 0.0);
    let sum = match summand {
        None => product.clone(),
        Some(Value::Signal(c)) => {
            let c = scale(call, &c, ndarray::arr0(beta).into_dyn(), false)?;
            combine(call, &product, &c, vec![])?
        }
        Some(Value::Constant(c)) => biased(call, &product, &c, beta)?,
        Some(_) => return Err("its summand is not supported; simplify the model first".to_owned()),
    };
    if sum.shape != product.shape {
        return Err(format!(
            "its summand has another shape than the product ({})",
            show_shape(&product.shape)
        ));
    }
    Ok(sum.into())
}

/// `product + beta c` without rounding: where `beta c` is not representable, as `beta (product / beta + c)`.
fn biased(
    call: &mut Call<'_, '_>,
    product: &Signal,
    c: &Constant,
    beta: f64,
) -> Result<Signal, String> {
    let values = c.reals("its bias")?;
    if let Some(values) = exact_products(&values, beta) {
        return shift(call, product, &c.with(Data::Real(values)), 1.0, false);
    }
    let factor = || ndarray::arr0(beta).into_dyn();
    let quotient = scale(call, product, factor(), true)?;
    let sum = shift(call, &quotient, c, 1.0, false)?;
    scale(call, &sum, factor(), false)
}

fn flipped(call: &mut Call<'_, '_>, x: &Signal, transpose: bool) -> Result<Signal, String> {
    if x.shape.len() != 2 {
        let found = show_shape(&x.shape);
        return Err(format!("its operand has the shape {found}, expected a matrix"));
    }
    if transpose { call.builder.transpose(call.name, x, &[1, 0]) } else { Ok(x.clone()) }
}

fn gemm_matrix(constant: &Constant, transpose: bool) -> Result<Array2<f64>, String> {
    if constant.shape().len() != 2 {
        let found = show_shape(constant.shape());
        return Err(format!("its weight has the shape {found}, expected a matrix"));
    }
    let (matrix, _) = matrix(constant, false)?;
    Ok(if transpose { matrix.reversed_axes() } else { matrix })
}

/// The matrix times `alpha` and 1 where that is exact, else the matrix and `alpha`.
fn scaled(weight: Array2<f64>, alpha: f64) -> (Array2<f64>, f64) {
    let product = exact_products(&weight.clone().into_dyn(), alpha);
    match product.and_then(|p| p.into_dimensionality::<Ix2>().ok()) {
        Some(product) => (product, 1.0),
        None => (weight, alpha),
    }
}

/// The products with `factor`, if none of them is rounded.
fn exact_products(values: &ArrayD<f64>, factor: f64) -> Option<ArrayD<f64>> {
    let products: Option<Vec<f64>> = values.iter().map(|&x| exact_product(x, factor)).collect();
    ArrayD::from_shape_vec(values.raw_dim(), products?).ok()
}
