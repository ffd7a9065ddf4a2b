//! Activations that a graph writes out as several operations: `x sigmoid(x)`, `x tanh(softplus(x))` and
//! `x (1 + erf(s x))`.
//!
//! Only what is exactly one of these functions is taken for it. The constants that the file stores are
//! part of the function: the numbers of a [`Form`] are exact, and where one would be rounded the form is
//! not kept.

use super::arithmetic::{exact_product, exact_quotient, exact_sum, scale};
use super::builder::Signal;
use super::operators::Call;
use crate::network::Activation;

/// What is known of a value: `outer * f(x * multiply / divide) + offset` for an earlier value `x`, exactly.
#[derive(Debug, Clone)]
pub struct Form {
    /// The earlier value.
    pub of: usize,
    /// The factor before the function.
    pub multiply: f64,
    /// The divisor before the function.
    pub divide: f64,
    /// The function.
    pub function: Activation,
    /// The factor behind the function, 1 for the identity.
    pub outer: f64,
    /// The summand, 0 for the identity.
    pub offset: f64,
}

impl Form {
    /// The value itself.
    fn plain(of: usize) -> Form {
        let function = Activation::Identity;
        Form { of, multiply: 1.0, divide: 1.0, function, outer: 1.0, offset: 0.0 }
    }

    /// The form of the product with a number.
    pub fn times(mut self, factor: f64) -> Option<Form> {
        if self.function == Activation::Identity {
            self.multiply = exact_product(self.multiply, factor)?;
        } else {
            self.outer = exact_product(self.outer, factor)?;
            self.offset = exact_product(self.offset, factor)?;
        }
        Some(self)
    }

    /// The form of the quotient by a number.
    pub fn over(mut self, divisor: f64) -> Option<Form> {
        if self.function == Activation::Identity {
            self.divide = exact_product(self.divide, divisor)?;
        } else {
            self.outer = exact_quotient(self.outer, divisor)?;
            self.offset = exact_quotient(self.offset, divisor)?;
        }
        Some(self)
    }

    /// The form of the sum with a number.
    pub fn plus(mut self, summand: f64) -> Option<Form> {
        if self.function == Activation::Identity {
            return None;
        }
        self.offset = exact_sum(self.offset, summand)?;
        Some(self)
    }

    /// Whether it is the function of the value `of` and nothing else.
    fn is_bare(&self, of: usize, function: &Activation) -> bool {
        self.of == of
            && self.function == *function
            && (self.multiply, self.divide) == (1.0, 1.0)
            && (self.outer, self.offset) == (1.0, 0.0)
    }
}

impl Call<'_, '_> {
    /// What is known of a value, at least that it is itself.
    pub fn form(&self, id: usize) -> Form {
        self.builder.form(id).cloned().unwrap_or_else(|| Form::plain(id))
    }

    /// Appends an activation.
    ///
    /// # Errors
    /// Parameters that the function does not take.
    pub fn activate(&mut self, function: Activation, x: &Signal) -> Result<Signal, String> {
        function.validate()?;
        let (id, _) = self.push(function.clone(), &[x.id])?;
        let below = match self.form(x.id) {
            form if function == Activation::Erf && form.function == Activation::Identity => form,
            _ => Form::plain(x.id),
        };
        self.builder.set_form(id, Form { function, ..below });
        Ok(x.same(id))
    }
}

/// `x * y` where that is a known activation of some value, times a number.
///
/// # Errors
/// None that should occur.
pub fn product(call: &mut Call<'_, '_>, x: &Signal, y: &Signal) -> Result<Option<Signal>, String> {
    if x.shape != y.shape || x.batch != y.batch {
        return Ok(None);
    }
    for (x, y) in [(x, y), (y, x)] {
        let (linear, gate) = (call.form(x.id), call.form(y.id));
        if linear.function != Activation::Identity {
            continue;
        }
        let argument = x.same(linear.of);
        let Some(activation) = gated(call, &argument, &gate)? else { continue };
        let product = scale(call, &activation, ndarray::arr0(linear.multiply).into_dyn(), false)?;
        return scale(call, &product, ndarray::arr0(linear.divide).into_dyn(), true).map(Some);
    }
    Ok(None)
}

/// `x` times the value with the form `gate`.
fn gated(call: &mut Call<'_, '_>, x: &Signal, gate: &Form) -> Result<Option<Signal>, String> {
    if gate.is_bare(x.id, &Activation::Sigmoid) {
        return call.activate(Activation::Silu, x).map(Some);
    }
    let softplus = Activation::Softplus { beta: 1.0 };
    if gate.is_bare(gate.of, &Activation::Tanh) && call.form(gate.of).is_bare(x.id, &softplus) {
        return call.activate(Activation::Mish, x).map(Some);
    }
    let is_erf = gate.of == x.id && gate.function == Activation::Erf && gate.outer == gate.offset;
    if !is_erf || gate.multiply <= 0.0 || gate.divide <= 0.0 {
        return Ok(None);
    }
    let function = Activation::ErfGelu { multiply: gate.multiply, divide: gate.divide };
    let gelu = call.activate(function, x)?;
    scale(call, &gelu, ndarray::arr0(2.0 * gate.outer).into_dyn(), false).map(Some)
}
