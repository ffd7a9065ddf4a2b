//! The operators: one line for each.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::attributes::Attributes;
use super::builder::{Builder, Form, Signal, Value};
use super::constant::Constant;
use super::proto::Node;
use super::{activations, arithmetic, convolution, fold, linear, moving, pooling, shaping};
use crate::io::error::did_you_mean;
use crate::network::{Activation, Layer};

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

/// One line of the table.
pub struct Operator {
    /// The name.
    pub name: &'static str,
    /// For operands of which one at least depends on the input.
    pub signal: Apply,
    /// For operands that are all known.
    pub constant: Apply,
}

/// What is done with operators that only take values that depend on the input, or only known ones.
const NONE: Apply = |call| {
    Err(if call.inputs.iter().flatten().any(|v| matches!(v, Value::Signal(_))) {
        "depends on the network's input, where only constants are supported".to_owned()
    } else {
        "computes a constant in a way that is not supported; simplify the model first, for example with onnxsim".to_owned()
    })
};

const fn row(name: &'static str, signal: Apply, constant: Apply) -> Operator {
    Operator { name, signal, constant }
}

/// All operators that are known.
#[rustfmt::skip] // one line for each operator
pub const OPERATORS: &[Operator] = &[
    row("Gemm", linear::gemm, NONE),
    row("MatMul", linear::matmul, NONE),
    row("Conv", convolution::conv, NONE),
    row("ConvTranspose", convolution::conv_transpose, NONE),
    row("BatchNormalization", convolution::batch_normalization, NONE),
    row("MaxPool", pooling::max_pool, NONE),
    row("AveragePool", pooling::average_pool, NONE),
    row("GlobalAveragePool", pooling::global_average_pool, NONE),
    row("ReduceMean", pooling::reduce_mean, NONE),
    row("Add", arithmetic::add, fold::add),
    row("Sub", arithmetic::sub, fold::sub),
    row("Mul", arithmetic::mul, fold::mul),
    row("Div", arithmetic::div, fold::div),
    row("Sum", arithmetic::sum, NONE),
    row("Neg", arithmetic::neg, fold::neg),
    row("Min", arithmetic::min, fold::min),
    row("Max", arithmetic::max, fold::max),
    row("Sqrt", NONE, fold::sqrt),
    row("Reciprocal", NONE, fold::reciprocal),
    row("Relu", activations::relu, NONE),
    row("LeakyRelu", activations::leaky_relu, NONE),
    row("PRelu", activations::prelu, NONE),
    row("Elu", activations::elu, NONE),
    row("Selu", activations::selu, NONE),
    row("Celu", activations::celu, NONE),
    row("Sigmoid", activations::sigmoid, NONE),
    row("HardSigmoid", activations::hard_sigmoid, NONE),
    row("HardSwish", activations::hard_swish, NONE),
    row("Tanh", activations::tanh, NONE),
    row("Softplus", activations::softplus, NONE),
    row("Softsign", activations::softsign, NONE),
    row("Gelu", activations::gelu, NONE),
    row("Mish", activations::mish, NONE),
    row("Swish", activations::swish, NONE),
    row("Clip", activations::clip, NONE),
    row("Erf", activations::erf, NONE),
    row("Abs", activations::abs, fold::abs),
    row("Sin", activations::sin, NONE),
    row("Cos", activations::cos, NONE),
    row("Atan", activations::atan, NONE),
    row("ThresholdedRelu", activations::thresholded_relu, NONE),
    row("Shrink", activations::shrink, NONE),
    row("Identity", shaping::identity, shaping::identity),
    row("Dropout", shaping::dropout, shaping::dropout),
    row("Cast", shaping::cast, fold::cast),
    row("Flatten", shaping::flatten, shaping::flatten),
    row("Reshape", shaping::reshape, shaping::reshape),
    row("Squeeze", shaping::squeeze, shaping::squeeze),
    row("Unsqueeze", shaping::unsqueeze, shaping::unsqueeze),
    row("Shape", shaping::shape, shaping::shape),
    row("Size", shaping::size, shaping::size),
    row("Transpose", moving::transpose, fold::transpose),
    row("Concat", moving::concat, fold::concat),
    row("Slice", moving::slice, fold::slice),
    row("Split", moving::split, NONE),
    row("Gather", moving::gather, fold::gather),
    row("Pad", moving::pad, NONE),
    row("Expand", moving::expand, fold::expand),
    row("Constant", fold::constant, fold::constant),
    row("ConstantOfShape", NONE, fold::constant_of_shape),
];

/// Operators that cannot be bounded, with the reason and what to do.
#[rustfmt::skip] // one line for each operator
const REFUSED: &[(&str, &str)] = &[
    ("Pow", "a power has no finite slope on the whole real line; use another activation"),
    ("Exp", "the exponential has no finite slope on the whole real line; use another activation"),
    ("Log", "the logarithm has no finite slope on the whole real line; use another activation"),
    ("Sqrt", "the square root has no finite slope at 0"),
    ("Reciprocal", "the reciprocal has no finite slope at 0"),
    ("Tan", "the tangent has no finite slope on the whole real line"),
    ("LayerNormalization", "layer normalisation divides by a value that depends on the input; no finite global bound is known to this program"),
    ("InstanceNormalization", "instance normalisation divides by a value that depends on the input; train with batch normalisation instead"),
    ("GroupNormalization", "group normalisation divides by a value that depends on the input; train with batch normalisation instead"),
    ("RMSNormalization", "the normalisation divides by a value that depends on the input"),
    ("LpNormalization", "the normalisation divides by a value that depends on the input"),
    ("LRN", "local response normalisation divides by a value that depends on the input"),
    ("MeanVarianceNormalization", "the normalisation divides by a value that depends on the input"),
    ("Attention", "attention multiplies values that depend on the input; it has no finite global bound"),
    ("LSTM", "recurrent layers are not supported"),
    ("GRU", "recurrent layers are not supported"),
    ("RNN", "recurrent layers are not supported"),
    ("If", "control flow is not supported; export the model with fixed shapes, or simplify it with onnxsim"),
    ("Loop", "control flow is not supported; export the model with fixed shapes, or simplify it with onnxsim"),
    ("Scan", "control flow is not supported; export the model with fixed shapes, or simplify it with onnxsim"),
    ("ArgMax", "the index of the largest value is not continuous; export the model without it"),
    ("QuantizeLinear", "rounding to integers is not continuous; export the model before quantisation"),
    ("DequantizeLinear", "quantised models are not supported; export the model before quantisation"),
    ("Softmax", "softmax inside a network is not supported; replace it, or bound the part before it"),
    ("LogSoftmax", "softmax inside a network is not supported; replace it, or bound the part before it"),
];

/// Translates an operation.
///
/// # Errors
/// An operator that is not known or cannot be bounded; operands or parameters that do not fit.
pub fn apply(call: &mut Call<'_, '_>) -> Applied {
    let name = call.node.operator;
    if !matches!(call.node.domain, "" | "ai.onnx") {
        return Err(format!(
            "belongs to the operators of {}, which are not supported; export the model without fused or custom operators",
            call.node.domain
        ));
    }
    let depends = call.inputs.iter().flatten().any(|v| matches!(v, Value::Signal(_)));
    if call.is_output && matches!(name, "Softmax" | "LogSoftmax") {
        return Err("the model ends with a softmax, which is not supported; export the logits (the values before it)".to_owned());
    }
    let refused = REFUSED.iter().find(|(n, _)| *n == name);
    let known = OPERATORS.iter().find(|operator| operator.name == name);
    let values = match (known, refused) {
        (_, Some((_, reason))) if depends => return Err((*reason).to_owned()),
        (Some(operator), _) if depends => (operator.signal)(call)?,
        (Some(operator), _) => (operator.constant)(call)?,
        (None, Some((_, reason))) => return Err((*reason).to_owned()),
        (None, None) => {
            let hint = did_you_mean(name, OPERATORS.iter().map(|operator| operator.name));
            return Err(format!(
                "this operator is not supported{hint}; replace it, or simplify the model, for example with onnxsim"
            ));
        }
    };
    call.attributes.check_used()?;
    Ok(values)
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
            Value::Constant(_) => Err(format!(
                "operand {index} ({}) is a constant, expected a value that depends on the input",
                self.input_name(index)
            )),
        }
    }

    /// The constant operand `index`, which messages call `what`.
    ///
    /// # Errors
    /// An operand that is left out or depends on the input.
    pub fn constant(&self, index: usize, what: &str) -> Result<Rc<Constant>, String> {
        match self.value(index)? {
            Value::Constant(constant) => Ok(constant.clone()),
            Value::Signal(_) => Err(format!(
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

    /// Appends an activation.
    ///
    /// # Errors
    /// Parameters that the function does not take.
    pub fn activate(&mut self, function: Activation, x: &Signal) -> Result<Signal, String> {
        function.validate()?;
        let (id, _) = self.push(function.clone(), &[x.id])?;
        let (of, inner) = match self.builder.form(x.id) {
            Some(f)
                if function == Activation::Erf
                    && f.function == Activation::Identity
                    && f.offset == 0.0 =>
            {
                (f.of, f.outer)
            }
            _ => (x.id, 1.0),
        };
        self.builder.set_form(id, Form { of, inner, function, outer: 1.0, offset: 0.0 });
        Ok(Signal { id, shape: x.shape.clone() })
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
