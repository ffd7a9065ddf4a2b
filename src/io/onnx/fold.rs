//! What is computed from constants alone, entry by entry.
//!
//! A weight that the graph computes is rounded to its own type after every operation, as a runtime does;
//! the result is the network's weight. Sums, products, quotients and square roots are rounded as IEEE 754
//! has it. Sums of many numbers ([`super::fold_sums`]) and other functions have no result on which runtimes
//! agree to the last digit: they are computed in `f64` and rounded to the type once.

use std::rc::Rc;

use ndarray::{ArrayD, IxDyn, Zip};

use super::constant::{Constant, Data, Element, broadcast};
use super::operators::{Applied, Call};
use crate::io::dtype;
use crate::network::Activation;
use crate::network::tensor::show_shape;
use crate::numeric::Interval;

/// Operand `index`, a constant.
///
/// # Errors
/// An operand that is left out.
pub fn operand(call: &Call<'_, '_>, index: usize) -> Result<Rc<Constant>, String> {
    call.constant(index, "operand")
}

/// A function of two tensors, entry by entry.
fn entrywise(
    call: &Call<'_, '_>,
    real: fn(f64, f64) -> f64,
    int: fn(i64, i64) -> Option<i64>,
) -> Applied {
    let mut values = (0..call.inputs.len()).map(|i| operand(call, i));
    let first = values.next().ok_or("has no operands")??;
    let mut total = (*first).clone();
    for value in values {
        total = pair(call, &total, &*value?, real, int)?;
    }
    Ok(total.into())
}

fn pair(
    call: &Call<'_, '_>,
    a: &Constant,
    b: &Constant,
    real: fn(f64, f64) -> f64,
    int: fn(i64, i64) -> Option<i64>,
) -> Result<Constant, String> {
    if a.element != b.element {
        return Err(format!(
            "its operands have the types {} and {}, expected the same",
            a.element.name(),
            b.element.name()
        ));
    }
    let shape = broadcast(a.shape(), b.shape())?;
    check_room(call, &shape)?;
    Ok(a.with(match (&a.data, &b.data) {
        (Data::Real(x), Data::Real(y)) => {
            let round = |x: f64, y: f64| a.element.round(real(x, y));
            Data::Real(zipped(x, y, &shape, round)?)
        }
        (Data::Int(x), Data::Int(y)) => {
            let results = zipped(x, y, &shape, int)?;
            if results.iter().any(Option::is_none) {
                return Err("an integer result does not exist or is too large".to_owned());
            }
            Data::Int(results.mapv(|n| n.unwrap_or(0)))
        }
        _ => return Err("its operands have different types".to_owned()),
    }))
}

fn zipped<T: Copy, R>(
    x: &ArrayD<T>,
    y: &ArrayD<T>,
    shape: &[usize],
    f: impl Fn(T, T) -> R,
) -> Result<ArrayD<R>, String> {
    let broadcast = |a: &'_ ArrayD<T>| a.broadcast(IxDyn(shape)).map(|v| v.to_owned());
    match (broadcast(x), broadcast(y)) {
        (Some(x), Some(y)) => Ok(Zip::from(&x).and(&y).map_collect(|&a, &b| f(a, b))),
        _ => Err("its operands cannot be broadcast together".to_owned()),
    }
}

/// Checks that a constant of that shape, which may be empty, is not far larger than the file.
///
/// # Errors
/// It is.
pub fn check_room(call: &Call<'_, '_>, shape: &[usize]) -> Result<(), String> {
    match dtype::count(shape) {
        Some(n) if n <= call.room => Ok(()),
        _ => Err(format!(
            "a constant of shape {} is far larger than the file; simplify the model first, for example with onnxsim",
            show_shape(shape)
        )),
    }
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident => $real:expr, $int:expr;)*) => {
        $($(#[$doc])* pub fn $name(call: &mut Call<'_, '_>) -> Applied {
            entrywise(call, $real, $int)
        })*
    };
}

binary! {
    /// `Add`, and `Sum` from left to right.
    add => |a, b| a + b, i64::checked_add;
    /// `Sub`.
    sub => |a, b| a - b, i64::checked_sub;
    /// `Mul`.
    mul => |a, b| a * b, i64::checked_mul;
    /// `Div`; integers towards zero.
    div => |a, b| a / b, i64::checked_div;
    /// `Min`.
    min => |a, b| if a.is_nan() { a } else { a.min(b) }, |a, b| Some(a.min(b));
    /// `Max`.
    max => |a, b| if a.is_nan() { a } else { a.max(b) }, |a, b| Some(a.max(b));
}

/// A function of one tensor, entry by entry.
fn unary(call: &Call<'_, '_>, real: fn(f64) -> f64, int: fn(i64) -> Option<i64>) -> Applied {
    let x = operand(call, 0)?;
    Ok(x.with(match &x.data {
        Data::Real(values) => Data::Real(values.mapv(|v| x.element.round(real(v)))),
        Data::Int(values) => {
            if values.iter().any(|&n| int(n).is_none()) {
                return Err("an integer result does not exist or is too large".to_owned());
            }
            Data::Int(values.mapv(|n| int(n).unwrap_or(0)))
        }
    })
    .into())
}

/// `Neg`.
pub fn neg(call: &mut Call<'_, '_>) -> Applied {
    unary(call, |x| -x, i64::checked_neg)
}

/// `Abs`.
pub fn abs(call: &mut Call<'_, '_>) -> Applied {
    unary(call, f64::abs, i64::checked_abs)
}

/// `Sqrt`.
pub fn sqrt(call: &mut Call<'_, '_>) -> Applied {
    unary(call, f64::sqrt, |_| None)
}

/// `Reciprocal`.
pub fn reciprocal(call: &mut Call<'_, '_>) -> Applied {
    unary(call, |x| 1.0 / x, |_| None)
}

/// `Cast`; real numbers become integers by cutting off.
pub fn cast(call: &mut Call<'_, '_>) -> Applied {
    call.attributes.ignore(&["saturate", "round_mode"]);
    let x = operand(call, 0)?;
    let to = Element(call.attributes.int("to", 0)?.unsigned_abs());
    let data = match &x.data {
        Data::Real(values) if to.is_real() => Data::Real(values.mapv(|v| to.round(v))),
        Data::Int(_) if to.is_real() => Data::Real(x.reals("its operand")?.mapv(|v| to.round(v))),
        Data::Int(values) if to == Element::BOOL => Data::Int(values.mapv(|n| i64::from(n != 0))),
        Data::Int(values) if matches!(to.0, 6 | 7) => Data::Int(values.clone()),
        Data::Real(values) if to == Element::I64 => Data::Int(values.mapv(|v| v as i64)),
        _ => {
            return Err(format!(
                "a conversion from {} to {} is not supported",
                x.element.name(),
                to.name()
            ));
        }
    };
    Ok(Constant { element: to, data }.into())
}

/// A function of finite numbers that is known by enclosures, entry by entry: the number of the type nearest
/// to the middle of the enclosure.
fn enclosed(call: &Call<'_, '_>, f: impl Fn(f64) -> Interval) -> Applied {
    let x = operand(call, 0)?;
    if !x.element.is_real() {
        return Err(format!(
            "has an operand of the type {}, expected real numbers",
            x.element.name()
        ));
    }
    let values = x.reals("its operand")?;
    Ok(x.with(Data::Real(values.mapv(|v| x.element.round(f(v).midpoint())))).into())
}

/// An activation function.
///
/// # Errors
/// Parameters that the function does not take; an operand that is not finite.
pub fn activation(call: &Call<'_, '_>, function: &Activation) -> Applied {
    function.validate()?;
    enclosed(call, |x| function.value(Interval::point(x)))
}

/// `Exp`.
pub fn exp(call: &mut Call<'_, '_>) -> Applied {
    enclosed(call, |x| Interval::point(x).exp())
}

/// `Log` of positive numbers.
pub fn log(call: &mut Call<'_, '_>) -> Applied {
    let x = operand(call, 0)?;
    if x.reals("its operand")?.iter().any(|&v| v <= 0.0) {
        return Err("takes the logarithm of a number that is not positive".to_owned());
    }
    enclosed(call, |x| Interval::point(x).ln())
}

/// `Pow`; the exponents may be of another type.
pub fn pow(call: &mut Call<'_, '_>) -> Applied {
    let (base, exponent) = (operand(call, 0)?, operand(call, 1)?);
    let shape = broadcast(base.shape(), exponent.shape())?;
    check_room(call, &shape)?;
    if let (Data::Int(x), Data::Int(n)) = (&base.data, &exponent.data) {
        let power = |x: i64, n: i64| u32::try_from(n).ok().and_then(|n| x.checked_pow(n));
        let powers = zipped(x, n, &shape, power)?;
        if powers.iter().any(Option::is_none) {
            return Err("an integer result does not exist or is too large".to_owned());
        }
        return Ok(base.with(Data::Int(powers.mapv(|n| n.unwrap_or(0)))).into());
    }
    if !base.element.is_real() {
        return Err("a power of integers with a real exponent is not supported".to_owned());
    }
    let (x, y) = (base.reals("its operand")?, exponent.reals("its exponent")?);
    let powers = zipped(&x, &y, &shape, |x, y| base.element.round(power(x, y)))?;
    Ok(base.with(Data::Real(powers)).into())
}

/// `x^y`, NaN where that is not a real number.
fn power(x: f64, y: f64) -> f64 {
    let size = || (Interval::point(y) * Interval::point(x.abs()).ln()).exp().midpoint();
    let is_odd = y % 2.0 != 0.0;
    match y {
        0.0 => 1.0,
        1.0 => x,
        2.0 => x * x,
        0.5 => x.sqrt(),
        -1.0 => 1.0 / x,
        _ if x == 0.0 => {
            if y > 0.0 {
                0.0
            } else {
                f64::INFINITY
            }
        }
        _ if x > 0.0 => size(),
        _ if y.fract() != 0.0 => f64::NAN,
        _ => {
            if is_odd {
                -size()
            } else {
                size()
            }
        }
    }
}

/// A comparison, entry by entry.
fn compare(call: &Call<'_, '_>, real: fn(f64, f64) -> bool, int: fn(i64, i64) -> bool) -> Applied {
    let (a, b) = (operand(call, 0)?, operand(call, 1)?);
    let shape = broadcast(a.shape(), b.shape())?;
    check_room(call, &shape)?;
    let results = match (&a.data, &b.data) {
        (Data::Real(x), Data::Real(y)) => zipped(x, y, &shape, |x, y| i64::from(real(x, y)))?,
        (Data::Int(x), Data::Int(y)) => zipped(x, y, &shape, |x, y| i64::from(int(x, y)))?,
        _ => return Err("its operands have different types".to_owned()),
    };
    Ok(Constant { element: Element::BOOL, data: Data::Int(results) }.into())
}

/// `Equal`.
pub fn equal(call: &mut Call<'_, '_>) -> Applied {
    compare(call, |x, y| x == y, |x, y| x == y)
}

/// `Less`.
pub fn less(call: &mut Call<'_, '_>) -> Applied {
    compare(call, |x, y| x < y, |x, y| x < y)
}

/// `Greater`.
pub fn greater(call: &mut Call<'_, '_>) -> Applied {
    compare(call, |x, y| x > y, |x, y| x > y)
}

/// `Not`.
pub fn not(call: &mut Call<'_, '_>) -> Applied {
    let x = operand(call, 0)?;
    match &x.data {
        Data::Int(values) if x.element == Element::BOOL => {
            Ok(x.with(Data::Int(values.mapv(|n| i64::from(n == 0)))).into())
        }
        _ => Err(format!("has an operand of the type {}, expected bool", x.element.name())),
    }
}

/// `Where`: entries of the second operand where the first is true, of the third elsewhere.
pub fn choose(call: &mut Call<'_, '_>) -> Applied {
    fn chosen<T: Copy>(
        which: &ArrayD<i64>,
        x: &ArrayD<T>,
        y: &ArrayD<T>,
        shape: &[usize],
    ) -> Result<ArrayD<T>, String> {
        let both = zipped(x, y, shape, |x, y| (x, y))?;
        let which = which.broadcast(IxDyn(shape)).ok_or("its operands do not fit together")?;
        Ok(Zip::from(&both).and(which).map_collect(|&(x, y), &n| if n != 0 { x } else { y }))
    }
    let (which, x, y) = (operand(call, 0)?, operand(call, 1)?, operand(call, 2)?);
    let shape = broadcast(&broadcast(x.shape(), y.shape())?, which.shape())?;
    check_room(call, &shape)?;
    let Data::Int(condition) = &which.data else {
        return Err("its condition is not of the type bool".to_owned());
    };
    let data = match (&x.data, &y.data) {
        (Data::Real(a), Data::Real(b)) => Data::Real(chosen(condition, a, b, &shape)?),
        (Data::Int(a), Data::Int(b)) => Data::Int(chosen(condition, a, b, &shape)?),
        _ => return Err("its operands have different types".to_owned()),
    };
    if x.element != y.element {
        return Err("its operands have different types".to_owned());
    }
    Ok(x.with(data).into())
}
