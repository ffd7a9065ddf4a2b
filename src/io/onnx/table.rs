//! The operators that are known: one line for each, with the versions that it was checked for.

use super::builder::Value;
use super::operators::Apply;
use super::versions::{MANY, Version, v};
use super::{
    activations, arithmetic, convolution, fold, fold_moving, fold_sums, linear, moving, padding,
    pooling, shaping,
};

/// The newest version of the standard operators (opset) up to which all lines were compared with the
/// documents of ONNX. A later one may change any of them.
pub const CHECKED: i64 = 28;

/// One line of the table.
pub struct Operator {
    /// The name.
    pub name: &'static str,
    /// For operands of which one at least depends on the input.
    pub signal: Apply,
    /// For operands that are all known.
    pub constant: Apply,
    /// The versions that exist from opset 7 to [`CHECKED`], all of which the two functions are right for.
    pub versions: &'static [Version],
}

/// What is done with operators that only take values that depend on the input, or only known ones.
const NONE: Apply = |call| {
    Err(if call.inputs.iter().flatten().any(|v| matches!(v, Value::Signal(_))) {
        "depends on the network's input, where only constants are supported".to_owned()
    } else {
        "computes a constant in a way that is not supported; simplify the model first, for example with onnxsim".to_owned()
    })
};

const fn row(
    name: &'static str,
    signal: Apply,
    constant: Apply,
    versions: &'static [Version],
) -> Operator {
    Operator { name, signal, constant, versions }
}

/// All operators that are known. The versions are those of `onnx.defs`, with which `tools/onnx_table.py`
/// compares them: since which opset, the least and largest number of operands, the largest number of
/// results, and the attributes (`!` if they must be given).
#[rustfmt::skip] // one line for each operator
pub const OPERATORS: &[Operator] = &[
    row("Gemm", linear::gemm, fold_sums::gemm, &[v(&[7, 9], 3, 3, 1, "alpha beta transA transB"), v(&[11, 13], 2, 3, 1, "alpha beta transA transB")]),
    row("MatMul", linear::matmul, fold_sums::matmul, &[v(&[1, 9, 13], 2, 2, 1, "")]),
    row("Conv", convolution::conv, NONE, &[v(&[1, 11, 22], 2, 3, 1, "auto_pad dilations group kernel_shape pads strides")]),
    row("ConvTranspose", convolution::conv_transpose, NONE, &[v(&[1, 11, 22], 2, 3, 1, "auto_pad dilations group kernel_shape output_padding output_shape pads strides")]),
    row("BatchNormalization", convolution::batch_normalization, NONE, &[v(&[7], 5, 5, 5, "epsilon momentum spatial"), v(&[9], 5, 5, 5, "epsilon momentum"), v(&[14, 15], 5, 5, 3, "epsilon momentum training_mode")]),
    row("MaxPool", pooling::max_pool, NONE, &[v(&[1], 1, 1, 1, "auto_pad kernel_shape! pads strides"), v(&[8], 1, 1, 2, "auto_pad kernel_shape! pads storage_order strides"), v(&[10, 11, 12, 22], 1, 1, 2, "auto_pad ceil_mode dilations kernel_shape! pads storage_order strides")]),
    row("AveragePool", pooling::average_pool, NONE, &[v(&[7], 1, 1, 1, "auto_pad count_include_pad kernel_shape! pads strides"), v(&[10, 11], 1, 1, 1, "auto_pad ceil_mode count_include_pad kernel_shape! pads strides"), v(&[19, 22], 1, 1, 1, "auto_pad ceil_mode count_include_pad dilations kernel_shape! pads strides")]),
    row("GlobalAveragePool", pooling::global_average_pool, NONE, &[v(&[1, 22], 1, 1, 1, "")]),
    row("ReduceMean", pooling::reduce_mean, fold_sums::reduce_mean, &[v(&[1, 11, 13], 1, 1, 1, "axes keepdims"), v(&[18], 1, 2, 1, "keepdims noop_with_empty_axes")]),
    row("ReduceSum", NONE, fold_sums::reduce_sum, &[v(&[1, 11], 1, 1, 1, "axes keepdims"), v(&[13], 1, 2, 1, "keepdims noop_with_empty_axes")]),
    row("ReduceSumSquare", NONE, fold_sums::reduce_sum_square, &[v(&[1, 11, 13], 1, 1, 1, "axes keepdims"), v(&[18], 1, 2, 1, "keepdims noop_with_empty_axes")]),
    row("ReduceProd", NONE, fold_sums::reduce_prod, &[v(&[1, 11, 13], 1, 1, 1, "axes keepdims"), v(&[18], 1, 2, 1, "keepdims noop_with_empty_axes")]),
    row("ReduceL1", NONE, fold_sums::reduce_l1, &[v(&[1, 11, 13], 1, 1, 1, "axes keepdims"), v(&[18], 1, 2, 1, "keepdims noop_with_empty_axes")]),
    row("ReduceL2", NONE, fold_sums::reduce_l2, &[v(&[1, 11, 13], 1, 1, 1, "axes keepdims"), v(&[18], 1, 2, 1, "keepdims noop_with_empty_axes")]),
    row("ReduceMax", NONE, fold_sums::reduce_max, &[v(&[1, 11, 12, 13], 1, 1, 1, "axes keepdims"), v(&[18, 20], 1, 2, 1, "keepdims noop_with_empty_axes")]),
    row("ReduceMin", NONE, fold_sums::reduce_min, &[v(&[1, 11, 12, 13], 1, 1, 1, "axes keepdims"), v(&[18, 20], 1, 2, 1, "keepdims noop_with_empty_axes")]),
    row("Add", arithmetic::add, fold::add, &[v(&[7, 13, 14], 2, 2, 1, "")]),
    row("Sub", arithmetic::sub, fold::sub, &[v(&[7, 13, 14], 2, 2, 1, "")]),
    row("Mul", arithmetic::mul, fold::mul, &[v(&[7, 13, 14], 2, 2, 1, "")]),
    row("Div", arithmetic::div, fold::div, &[v(&[7, 13, 14], 2, 2, 1, "")]),
    row("Sum", arithmetic::sum, fold::add, &[v(&[6, 8, 13], 1, MANY, 1, "")]),
    row("Neg", arithmetic::neg, fold::neg, &[v(&[6, 13], 1, 1, 1, "")]),
    row("Min", arithmetic::min, fold::min, &[v(&[6, 8, 12, 13], 1, MANY, 1, "")]),
    row("Max", arithmetic::max, fold::max, &[v(&[6, 8, 12, 13], 1, MANY, 1, "")]),
    row("Sqrt", NONE, fold::sqrt, &[v(&[6, 13], 1, 1, 1, "")]),
    row("Reciprocal", NONE, fold::reciprocal, &[v(&[6, 13], 1, 1, 1, "")]),
    row("Pow", NONE, fold::pow, &[v(&[7, 12, 13, 15], 2, 2, 1, "")]),
    row("Exp", NONE, fold::exp, &[v(&[6, 13], 1, 1, 1, "")]),
    row("Log", NONE, fold::log, &[v(&[6, 13], 1, 1, 1, "")]),
    row("Relu", activations::relu, activations::relu, &[v(&[6, 13, 14], 1, 1, 1, "")]),
    row("LeakyRelu", activations::leaky_relu, activations::leaky_relu, &[v(&[6, 16], 1, 1, 1, "alpha")]),
    row("PRelu", activations::prelu, NONE, &[v(&[7, 9, 16], 2, 2, 1, "")]),
    row("Elu", activations::elu, activations::elu, &[v(&[6, 22], 1, 1, 1, "alpha")]),
    row("Selu", activations::selu, NONE, &[v(&[6, 22], 1, 1, 1, "alpha gamma")]),
    row("Celu", activations::celu, activations::celu, &[v(&[12, 28], 1, 1, 1, "alpha")]),
    row("Sigmoid", activations::sigmoid, activations::sigmoid, &[v(&[6, 13], 1, 1, 1, "")]),
    row("HardSigmoid", activations::hard_sigmoid, activations::hard_sigmoid, &[v(&[6, 22], 1, 1, 1, "alpha beta")]),
    row("HardSwish", activations::hard_swish, activations::hard_swish, &[v(&[14, 22], 1, 1, 1, "")]),
    row("Tanh", activations::tanh, activations::tanh, &[v(&[6, 13], 1, 1, 1, "")]),
    row("Softplus", activations::softplus, activations::softplus, &[v(&[1, 22], 1, 1, 1, "")]),
    row("Softsign", activations::softsign, activations::softsign, &[v(&[1, 22], 1, 1, 1, "")]),
    row("Gelu", activations::gelu, activations::gelu, &[v(&[20], 1, 1, 1, "approximate")]),
    row("Mish", activations::mish, activations::mish, &[v(&[18, 22], 1, 1, 1, "")]),
    row("Swish", activations::swish, activations::swish, &[v(&[24], 1, 1, 1, "alpha")]),
    row("Clip", activations::clip, activations::clip, &[v(&[6], 1, 1, 1, "max min"), v(&[11, 12, 13], 1, 3, 1, "")]),
    row("Erf", activations::erf, activations::erf, &[v(&[9, 13], 1, 1, 1, "")]),
    row("Abs", activations::abs, fold::abs, &[v(&[6, 13], 1, 1, 1, "")]),
    row("Sin", activations::sin, activations::sin, &[v(&[7, 22], 1, 1, 1, "")]),
    row("Cos", activations::cos, activations::cos, &[v(&[7, 22], 1, 1, 1, "")]),
    row("Atan", activations::atan, activations::atan, &[v(&[7, 22], 1, 1, 1, "")]),
    row("ThresholdedRelu", activations::thresholded_relu, activations::thresholded_relu, &[v(&[10, 22], 1, 1, 1, "alpha")]),
    row("Shrink", activations::shrink, activations::shrink, &[v(&[9], 1, 1, 1, "bias lambd")]),
    row("Identity", shaping::identity, shaping::identity, &[v(&[1, 13, 14, 16, 19, 21, 23, 24, 25], 1, 1, 1, "")]),
    row("Dropout", shaping::dropout, shaping::dropout, &[v(&[7, 10], 1, 1, 2, "ratio"), v(&[12, 13, 22], 1, 3, 2, "seed")]),
    row("Cast", shaping::cast, fold::cast, &[v(&[6, 9, 13], 1, 1, 1, "to!"), v(&[19, 21, 23], 1, 1, 1, "saturate to!"), v(&[24, 25, 28], 1, 1, 1, "round_mode saturate to!")]),
    row("Flatten", shaping::flatten, shaping::flatten, &[v(&[1, 9, 11, 13, 21, 23, 24, 25], 1, 1, 1, "axis")]),
    row("Reshape", shaping::reshape, shaping::reshape, &[v(&[5, 13], 2, 2, 1, ""), v(&[14, 19, 21, 23, 24, 25], 2, 2, 1, "allowzero")]),
    row("Squeeze", shaping::squeeze, shaping::squeeze, &[v(&[1, 11], 1, 1, 1, "axes"), v(&[13, 21, 23, 24, 25], 1, 2, 1, "")]),
    row("Unsqueeze", shaping::unsqueeze, shaping::unsqueeze, &[v(&[1, 11], 1, 1, 1, "axes!"), v(&[13, 21, 23, 24, 25], 2, 2, 1, "")]),
    row("Shape", shaping::shape, shaping::shape, &[v(&[1, 13], 1, 1, 1, ""), v(&[15, 19, 21, 23, 24, 25], 1, 1, 1, "end start")]),
    row("Size", shaping::size, shaping::size, &[v(&[1, 13, 19, 21, 23, 24, 25], 1, 1, 1, "")]),
    row("Transpose", moving::transpose, fold_moving::transpose, &[v(&[1, 13, 21, 23, 24, 25], 1, 1, 1, "perm")]),
    row("Concat", moving::concat, fold_moving::concat, &[v(&[4, 11, 13], 1, MANY, 1, "axis!")]),
    row("Slice", moving::slice, fold_moving::slice, &[v(&[1], 1, 1, 1, "axes ends! starts!"), v(&[10, 11, 13], 3, 5, 1, "")]),
    row("Split", moving::split, fold_moving::split, &[v(&[2, 11], 1, 1, MANY, "axis split"), v(&[13], 1, 2, MANY, "axis"), v(&[18], 1, 2, MANY, "axis num_outputs")]),
    row("Gather", moving::gather, fold_moving::gather, &[v(&[1, 11, 13], 2, 2, 1, "axis")]),
    row("Pad", padding::pad, fold_moving::pad, &[v(&[2], 1, 1, 1, "mode pads! value"), v(&[11, 13], 2, 3, 1, "mode"), v(&[18, 19, 21, 23, 24, 25], 2, 4, 1, "mode")]),
    row("Expand", moving::expand, fold_moving::expand, &[v(&[8, 13], 2, 2, 1, "")]),
    row("Where", NONE, fold::choose, &[v(&[9, 16], 3, 3, 1, "")]),
    row("Equal", NONE, fold::equal, &[v(&[7, 11, 13, 19], 2, 2, 1, "")]),
    row("Less", NONE, fold::less, &[v(&[7, 9, 13], 2, 2, 1, "")]),
    row("Greater", NONE, fold::greater, &[v(&[7, 9, 13], 2, 2, 1, "")]),
    row("Not", NONE, fold::not, &[v(&[1], 1, 1, 1, "")]),
    row("Range", NONE, fold_moving::range, &[v(&[11], 3, 3, 1, ""), v(&[27], 3, 3, 1, "stash_type")]),
    row("Constant", fold_moving::constant, fold_moving::constant, &[v(&[1, 9], 0, 0, 1, "value!"), v(&[11], 0, 0, 1, "sparse_value value"), v(&[12, 13, 19, 21, 23, 24, 25], 0, 0, 1, "sparse_value value value_float value_floats value_int value_ints value_string value_strings")]),
    row("ConstantOfShape", NONE, fold_moving::constant_of_shape, &[v(&[9, 20, 21, 23, 24, 25], 1, 1, 1, "value")]),
];
