//! One operation and its operands, and how the table is asked for it.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::attributes::Attributes;
use super::builder::{Builder, Signal, Value};
use super::constant::Constant;
use super::proto::Node;
use super::refused::{OTHERS, REFUSED};
use super::table::{OPERATORS, Operator};
use super::versions;
use crate::io::error::did_you_mean;
use crate::network::Layer;

/// One operation that is translated.
#[derive(Debug)]
pub struct Call<'t, 'a> {
    /// The operation.
    pub node: &'t Node<'a>,
    /// Its name, or that of its first result.
    pub name: &'t str,
    /// Its parameters.
    pub attributes: Attributes<'t, 'a>,
    /// Its operands; `None` for one that is left out.
    pub inputs: Vec<Option<Value>>,
    /// The version of the standard operators.
    pub opset: i64,
    /// The functions that the model itself defines, by domain and name.
    pub functions: &'t [(&'a str, &'a str)],
    /// The number of entries that constants may still take.
    pub room: usize,
    /// The network so far.
    pub builder: &'t mut Builder,
    /// Where external data are.
    pub folder: Option<&'t Path>,
    /// Whether the result is the output of the model.
    pub is_output: bool,
}

/// The results of an operation.
pub type Applied = Result<Vec<Value>, String>;

/// Translates one operation.
pub type Apply = fn(&mut Call<'_, '_>) -> Applied;

/// Translates an operation.
///
/// # Errors
/// An operator that is not known or cannot be bounded; operands or parameters that do not fit.
pub fn apply(call: &mut Call<'_, '_>) -> Applied {
    let operator = operator(call)?;
    let depends = call.has(|v| matches!(v, Value::Signal(_) | Value::Padded(..)));
    let open = call.has(|v| matches!(v, Value::Open(..)));
    if depends && let Some((_, reason)) = REFUSED.iter().find(|(n, _)| *n == operator.name) {
        return Err((*reason).to_owned());
    }
    versions::check(operator, call)?;
    let values = match (depends, open) {
        (false, true) => twice(call, operator.constant)?,
        (false, false) => (operator.constant)(call)?,
        (true, true) if !TAKE_LENGTHS.contains(&operator.name) => {
            return Err("computes with the length of the open batch axis, so that the result depends on how many samples there are; export the model with a fixed batch size".to_owned());
        }
        (true, _) => (operator.signal)(call)?,
    };
    call.attributes.check_used()?;
    Ok(values)
}

/// Operators that compare the shapes for a batch of 1 and for a long one by themselves.
const TAKE_LENGTHS: [&str; 3] = ["Reshape", "Expand", "Slice"];

/// The line of the table for an operation.
fn operator(call: &Call<'_, '_>) -> Result<&'static Operator, String> {
    let name = call.node.operator;
    if call.functions.contains(&(call.node.domain, name)) {
        return Err("is a function that the model itself defines, which is not supported; write its operations out with onnx.inliner.inline_local_functions(model)".to_owned());
    }
    if !matches!(call.node.domain, "" | "ai.onnx") {
        return Err(format!(
            "belongs to the operators of {}, which are not supported; export the model without fused or custom operators",
            call.node.domain
        ));
    }
    if call.is_output && matches!(name, "Softmax" | "LogSoftmax") {
        return Err("the model ends with a softmax, which is not supported; export the logits (the values before it)".to_owned());
    }
    if let Some(operator) = OPERATORS.iter().find(|operator| operator.name == name) {
        return Ok(operator);
    }
    if let Some((_, reason)) = REFUSED.iter().find(|(n, _)| *n == name) {
        return Err((*reason).to_owned());
    }
    if OTHERS.contains(&name) {
        return Err("this operator of ONNX is not supported; replace it, or, if it only computes constants, simplify the model, for example with onnxsim".to_owned());
    }
    let all = OPERATORS.iter().map(|o| o.name).chain(OTHERS.iter().copied());
    let hint = did_you_mean(name, all.chain(REFUSED.iter().map(|(n, _)| *n)));
    Err(format!("ONNX has no operator of this name{hint}; the model needs a program that knows it"))
}

/// What is computed from the length of the open batch, for a batch of 1 and for a long one.
fn twice(call: &mut Call<'_, '_>, apply: Apply) -> Applied {
    let inputs = call.inputs.clone();
    call.settle(&inputs, false)?;
    let one = apply(call)?;
    let many = call.settle(&inputs, true).and_then(|()| apply(call));
    let mut many = many.unwrap_or_default().into_iter();
    let pair = |one: Value| match (one, many.next()) {
        (Value::Constant(one), Some(Value::Constant(many))) if one == many => Value::Constant(one),
        (Value::Constant(one), Some(Value::Constant(many))) => Value::Open(one, Some(many)),
        (Value::Constant(one), _) => Value::Open(one, None),
        (other, _) => other,
    };
    Ok(one.into_iter().map(pair).collect())
}

impl Call<'_, '_> {
    /// Operand `index`, if it is given.
    pub fn optional(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index)?.as_ref()
    }

    /// Operand `index`.
    ///
    /// # Errors
    /// An operand that is left out.
    pub fn value(&self, index: usize) -> Result<&Value, String> {
        self.optional(index).ok_or_else(|| {
            format!("operand {index} is missing; it has {} operands", self.inputs.len())
        })
    }

    /// Operand `index`, which depends on the input.
    ///
    /// # Errors
    /// An operand that is left out or a constant.
    pub fn signal(&self, index: usize) -> Result<Signal, String> {
        match self.value(index)? {
            Value::Signal(signal) => Ok(signal.clone()),
            Value::Padded(..) => Err(format!(
                "its operand {} is padded with minus infinity, which is supported before a max-pooling only",
                self.input_name(index)
            )),
            Value::Constant(_) | Value::Open(..) => Err(format!(
                "operand {index} ({}) is a constant, expected a value that depends on the input",
                self.input_name(index)
            )),
        }
    }

    /// Whether some operand is such a value.
    pub fn has(&self, is_such: fn(&Value) -> bool) -> bool {
        self.inputs.iter().flatten().any(is_such)
    }

    /// Takes the operands that follow from the length of an open batch for a batch of 1, or a long one.
    ///
    /// # Errors
    /// An operand that is not known for a long batch.
    pub fn settle(&mut self, inputs: &[Option<Value>], many: bool) -> Result<(), String> {
        let settled = inputs.iter().map(|value| match value {
            Some(Value::Open(one, _)) if !many => Ok(Some(Value::Constant(one.clone()))),
            Some(Value::Open(_, Some(many))) => Ok(Some(Value::Constant(many.clone()))),
            Some(Value::Open(_, None)) => Err("takes a tensor whose size is that of the open batch; export the model with a fixed batch size".to_owned()),
            other => Ok(other.clone()),
        });
        self.inputs = settled.collect::<Result<_, String>>()?;
        Ok(())
    }

    /// The constant operand `index`, which messages call `what`.
    ///
    /// # Errors
    /// An operand that is left out or depends on the input.
    pub fn constant(&self, index: usize, what: &str) -> Result<Rc<Constant>, String> {
        match self.value(index)? {
            Value::Constant(constant) => Ok(constant.clone()),
            _ => Err(format!(
                "its {what} ({}) depends on the network's input, expected a constant",
                self.input_name(index)
            )),
        }
    }

    /// As [`Call::constant`] for an operand that may be left out.
    ///
    /// # Errors
    /// An operand that depends on the input.
    pub fn optional_constant(
        &self,
        index: usize,
        what: &str,
    ) -> Result<Option<Rc<Constant>>, String> {
        self.optional(index).map(|_| self.constant(index, what)).transpose()
    }

    /// The name of an operand.
    pub fn input_name(&self, index: usize) -> &str {
        self.node.inputs.get(index).copied().unwrap_or("")
    }

    /// Appends a layer; the number and the shape of its result in the network.
    ///
    /// # Errors
    /// Shapes that the layer does not take.
    pub fn push(
        &mut self,
        layer: impl Layer + 'static,
        inputs: &[usize],
    ) -> Result<(usize, Vec<usize>), String> {
        self.builder.push(self.name, Arc::new(layer), inputs)
    }

    /// An axis counted from the front.
    ///
    /// # Errors
    /// An axis that does not exist.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize, String> {
        let from_front = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
        from_front
            .and_then(|a| usize::try_from(a).ok())
            .filter(|&a| a < rank)
            .ok_or_else(|| format!("axis {axis} does not exist, the operand has {rank} axes"))
    }
}
