//! What is computed from constants alone by adding up: products of matrices, and reductions.
//!
//! The sums are computed in `f64` and rounded once to the type of the operands.

use ndarray::{Array2, ArrayD, Axis, Ix2, IxDyn};

use super::constant::{Constant, Data};
use super::fold::{check_room, operand};
use super::operators::{Applied, Call};
use crate::network::tensor::show_shape;

/// A constant as a matrix: a vector is one row on the left and one column on the right.
fn matrix(constant: &Constant, is_left: bool) -> Result<Array2<f64>, String> {
    let mut values = constant.reals("its operand")?;
    if values.ndim() == 1 {
        values = values.insert_axis(Axis(usize::from(!is_left)));
    }
    values.into_dimensionality::<Ix2>().map_err(|_| {
        let found = show_shape(constant.shape());
        format!("multiplies constants of shape {found}, expected matrices; simplify the model first, for example with onnxsim")
    })
}

fn product(call: &Call<'_, '_>, a: &Array2<f64>, b: &Array2<f64>) -> Result<Array2<f64>, String> {
    if a.ncols() != b.nrows() {
        return Err(format!(
            "multiplies matrices of shapes {} and {}, which do not fit",
            show_shape(a.shape()),
            show_shape(b.shape())
        ));
    }
    check_room(call, &[a.nrows(), b.ncols()])?;
    Ok(a.dot(b))
}

/// Two operands of the same type of real numbers.
fn check_types(a: &Constant, b: &Constant) -> Result<(), String> {
    if a.element == b.element && a.element.is_real() {
        return Ok(());
    }
    Err(format!(
        "its operands have the types {} and {}, expected one type of real numbers",
        a.element.name(),
        b.element.name()
    ))
}

/// `MatMul`.
pub fn matmul(call: &mut Call<'_, '_>) -> Applied {
    let (a, b) = (operand(call, 0)?, operand(call, 1)?);
    check_types(&a, &b)?;
    let product = product(call, &matrix(&a, true)?, &matrix(&b, false)?)?;
    let mut shape = Vec::new();
    if a.shape().len() == 2 {
        shape.push(product.nrows());
    }
    if b.shape().len() == 2 {
        shape.push(product.ncols());
    }
    let rounded = product.mapv(|x| a.element.round(x)).into_dyn();
    Ok(a.with(Data::Real(rounded)).reshaped(&shape)?.into())
}

/// `Gemm`.
pub fn gemm(call: &mut Call<'_, '_>) -> Applied {
    let (a, b) = (operand(call, 0)?, operand(call, 1)?);
    check_types(&a, &b)?;
    let (alpha, beta) = (call.attributes.float("alpha", 1.0)?, call.attributes.float("beta", 1.0)?);
    let factor = |constant: &Constant, name: &str| -> Result<Array2<f64>, String> {
        if constant.shape().len() != 2 {
            return Err(format!("has an operand of shape {}", show_shape(constant.shape())));
        }
        let matrix = matrix(constant, true)?;
        let flipped = call.attributes.int(name, 0)? != 0;
        Ok(if flipped { matrix.reversed_axes() } else { matrix })
    };
    let mut sum = product(call, &factor(&a, "transA")?, &factor(&b, "transB")?)? * alpha;
    if let Some(c) = call.optional_constant(2, "summand")? {
        check_types(&a, &c)?;
        let values = c.reals("its summand")?;
        let shape = sum.raw_dim();
        let values = values.broadcast(IxDyn(&[shape[0], shape[1]]));
        let values = values.ok_or("its summand cannot be broadcast to the product")?;
        sum = sum
            + values.into_dimensionality::<Ix2>().map_err(|e| e.to_string())?.mapv(|x| beta * x);
    }
    Ok(a.with(Data::Real(sum.mapv(|x| a.element.round(x)).into_dyn())).into())
}

/// Which axes a reduction takes together, for an operand of the given rank; `None` where it does nothing.
///
/// # Errors
/// An axis that does not exist.
pub fn reduced(call: &Call<'_, '_>, rank: usize) -> Result<Option<Vec<bool>>, String> {
    let given = match call.optional_constant(1, "list of axes")? {
        Some(axes) => Some(axes.integers("its list of axes")?),
        None => call.attributes.ints("axes")?,
    };
    let given = given.unwrap_or_default();
    let nothing = call.attributes.int("noop_with_empty_axes", 0)? != 0;
    if given.is_empty() && nothing {
        return Ok(None);
    }
    let mut reduced = vec![given.is_empty(); rank];
    for axis in given {
        let axis = call.axis(axis, rank)?;
        if std::mem::replace(&mut reduced[axis], true) {
            return Err(format!("axis {axis} is named twice"));
        }
    }
    Ok(Some(reduced))
}

/// A reduction: the numbers that are taken together, to one number.
fn reduce(
    call: &Call<'_, '_>,
    real: fn(&[f64]) -> Option<f64>,
    int: fn(&[i64]) -> Option<i64>,
) -> Applied {
    fn along<T: Copy>(
        values: &ArrayD<T>,
        order: &[usize],
        count: usize,
        f: impl Fn(&[T]) -> Option<T>,
    ) -> Option<Vec<T>> {
        let moved: Vec<T> = values.view().permuted_axes(IxDyn(order)).iter().copied().collect();
        if count == 0 { None } else { moved.chunks(count).map(f).collect() }
    }
    let x = operand(call, 0)?;
    let (shape, rank) = (x.shape(), x.shape().len());
    let keep = call.attributes.int("keepdims", 1)? != 0;
    let Some(reduced) = reduced(call, rank)? else {
        return Err(
            "with noop_with_empty_axes and no axes is not supported for constants".to_owned()
        );
    };
    let order: Vec<usize> =
        (0..rank).filter(|&a| !reduced[a]).chain((0..rank).filter(|&a| reduced[a])).collect();
    let count = (0..rank).filter(|&a| reduced[a]).map(|a| shape[a]).product();
    let new: Vec<usize> = (0..rank)
        .filter(|&a| keep || !reduced[a])
        .map(|a| if reduced[a] { 1 } else { shape[a] })
        .collect();
    let fail = || "takes together no numbers, or the result is too large".to_owned();
    let data = match &x.data {
        Data::Real(values) => {
            let rounded = |part: &[f64]| real(part).map(|y| x.element.round(y));
            let results = along(values, &order, count, rounded).ok_or_else(fail)?;
            Data::Real(ndarray::Array1::from(results).into_dyn())
        }
        Data::Int(values) => {
            let results = along(values, &order, count, int).ok_or_else(fail)?;
            Data::Int(ndarray::Array1::from(results).into_dyn())
        }
    };
    Ok(x.with(data).reshaped(&new)?.into())
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident => $real:expr, $int:expr;)*) => {
        $($(#[$doc])* pub fn $name(call: &mut Call<'_, '_>) -> Applied {
            reduce(call, $real, $int)
        })*
    };
}

fn largest(part: &[f64]) -> Option<f64> {
    part.iter().copied().filter(|_| !part.iter().any(|x| x.is_nan())).reduce(f64::max)
}

fn least(part: &[f64]) -> Option<f64> {
    part.iter().copied().filter(|_| !part.iter().any(|x| x.is_nan())).reduce(f64::min)
}

reductions! {
    /// `ReduceSum`.
    reduce_sum => |x| Some(x.iter().sum()), |n| n.iter().try_fold(0i64, |s, &n| s.checked_add(n));
    /// `ReduceMean` of real numbers.
    reduce_mean => |x| Some(x.iter().sum::<f64>() / x.len() as f64), |_| None;
    /// `ReduceProd`.
    reduce_prod => |x| Some(x.iter().product()), |n| n.iter().try_fold(1i64, |p, &n| p.checked_mul(n));
    /// `ReduceSumSquare` of real numbers.
    reduce_sum_square => |x| Some(x.iter().map(|x| x * x).sum()), |_| None;
    /// `ReduceL1` of real numbers.
    reduce_l1 => |x| Some(x.iter().map(|x| x.abs()).sum()), |_| None;
    /// `ReduceL2` of real numbers.
    reduce_l2 => |x| Some(x.iter().map(|x| x * x).sum::<f64>().sqrt()), |_| None;
    /// `ReduceMax`.
    reduce_max => largest, |n| n.iter().copied().max();
    /// `ReduceMin`.
    reduce_min => least, |n| n.iter().copied().min();
}
