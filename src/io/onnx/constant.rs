//! Tensors whose values are known: weights, shapes, and what is computed from them.

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};

use crate::network::tensor::{check_finite, show_shape};

/// The type of the numbers of a tensor, by its number in `TensorProto.DataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element(pub u64);

impl Element {
    /// Single precision.
    pub const F32: Element = Element(1);
    /// 64-bit integers.
    pub const I64: Element = Element(7);
    /// Truth values.
    pub const BOOL: Element = Element(9);
    /// Half precision.
    pub const F16: Element = Element(10);
    /// Double precision.
    pub const F64: Element = Element(11);
    /// The upper half of single precision.
    pub const BF16: Element = Element(16);

    /// Whether the numbers are real numbers.
    pub fn is_real(self) -> bool {
        matches!(self, Element::F32 | Element::F16 | Element::F64 | Element::BF16)
    }

    /// Whether the numbers are whole numbers or truth values.
    pub fn is_integer(self) -> bool {
        matches!(self.0, 2..=7 | 9 | 12 | 13)
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 24] = [
            "undefined",
            "float",
            "uint8",
            "int8",
            "uint16",
            "int16",
            "int32",
            "int64",
            "string",
            "bool",
            "float16",
            "double",
            "uint32",
            "uint64",
            "complex64",
            "complex128",
            "bfloat16",
            "float8e4m3fn",
            "float8e4m3fnuz",
            "float8e5m2",
            "float8e5m2fnuz",
            "uint4",
            "int4",
            "float4e2m1",
        ];
        usize::try_from(self.0).ok().and_then(|i| NAMES.get(i)).copied().unwrap_or("unknown")
    }

    /// The number of this type that is nearest to `x` (to even where two are). The results of `+`, `-`,
    /// `*`, `/` and the square root that were first rounded to `f64` are rounded as if once, because
    /// `f64` has more than twice the digits of the shorter types and two more (Figueroa 1995).
    pub fn round(self, x: f64) -> f64 {
        match self {
            Element::F32 => f64::from(x as f32),
            Element::F16 => f16::from_f32(x as f32).to_f64(),
            Element::BF16 => bf16::from_f32(x as f32).to_f64(),
            _ => x,
        }
    }
}

/// A tensor whose values are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// The type of the numbers.
    pub element: Element,
    /// The numbers.
    pub data: Data,
}

/// The numbers of a [`Constant`].
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Real numbers.
    Real(ArrayD<f64>),
    /// Whole numbers and truth values.
    Int(ArrayD<i64>),
}

impl Constant {
    /// Whole numbers along one axis.
    pub fn ints(values: Vec<i64>) -> Constant {
        let data = Data::Int(ndarray::Array1::from(values).into_dyn());
        Constant { element: Element::I64, data }
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        match &self.data {
            Data::Real(values) => values.shape(),
            Data::Int(values) => values.shape(),
        }
    }

    /// The number of entries.
    pub fn count(&self) -> usize {
        match &self.data {
            Data::Real(values) => values.len(),
            Data::Int(values) => values.len(),
        }
    }

    /// The same type with other numbers.
    pub fn with(&self, data: Data) -> Constant {
        Constant { element: self.element, data }
    }

    /// The entries as finite real numbers; `what` names the tensor.
    ///
    /// # Errors
    /// An entry that is not finite, or an integer that `f64` cannot represent.
    pub fn reals(&self, what: &str) -> Result<ArrayD<f64>, String> {
        let values = match &self.data {
            Data::Real(values) => values.clone(),
            Data::Int(values) => {
                let inexact = values.iter().find(|&&n| (n as f64) as i128 != i128::from(n));
                if let Some(n) = inexact {
                    return Err(format!("{what}: 64-bit floating point cannot represent {n}"));
                }
                values.mapv(|n| n as f64)
            }
        };
        check_finite(what, &values).map_err(|error| error.to_string())?;
        Ok(values)
    }

    /// The only entry as a real number.
    ///
    /// # Errors
    /// More than one entry, or one that is not finite.
    pub fn scalar(&self, what: &str) -> Result<f64, String> {
        let values = self.reals(what)?;
        match (values.len(), values.first()) {
            (1, Some(&x)) => Ok(x),
            _ => Err(format!(
                "{what} has the shape {}, expected a single number",
                show_shape(self.shape())
            )),
        }
    }

    /// The entries as whole numbers, in row-major order.
    ///
    /// # Errors
    /// Real numbers.
    pub fn integers(&self, what: &str) -> Result<Vec<i64>, String> {
        match &self.data {
            Data::Int(values) => Ok(values.iter().copied().collect()),
            Data::Real(_) => {
                Err(format!("{what} has the type {}, expected integers", self.element.name()))
            }
        }
    }

    /// The same numbers, in row-major order, in another shape of the same size.
    ///
    /// # Errors
    /// A shape of another size.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Constant, String> {
        fn reshape<T: Clone>(values: &ArrayD<T>, shape: &[usize]) -> Result<ArrayD<T>, String> {
            let values = values.iter().cloned().collect();
            ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|error| error.to_string())
        }
        Ok(self.with(match &self.data {
            Data::Real(values) => Data::Real(reshape(values, shape)?),
            Data::Int(values) => Data::Int(reshape(values, shape)?),
        }))
    }
}

/// The shape of the result of an operation on two shapes, as NumPy has it.
///
/// # Errors
/// Shapes that do not go together.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |j| s[j]);
    let both = (0..rank).map(|i| match (at(a, i), at(b, i)) {
        (m, n) if m == n => Ok(m),
        (1, n) | (n, 1) => Ok(n),
        _ => Err(format!(
            "the shapes {} and {} cannot be broadcast together",
            show_shape(a),
            show_shape(b)
        )),
    });
    both.collect()
}
