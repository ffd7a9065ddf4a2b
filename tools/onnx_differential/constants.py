"""Generators of operators on constants: each gives the name of a real constant that the graph computes."""

import numpy
from graph import Graph
from layers import reduce_arguments
from onnx import helper, numpy_helper
from signals import SIGNAL


def real_constant(g, *shape):
    return g.constant(g.weight(*shape))


def some_shape(g, least=1):
    return [1 + g.below(4) for _ in range(least + g.below(3))]


def as_real(g, name):
    return g.add("Cast", [name], to=helper.np_dtype_to_tensor_dtype(numpy.dtype(g.dtype)))


def fold_unary(op, positive=False):
    def generate(g):
        values = g.weight(*some_shape(g, 0))
        return g.add(op, [g.constant(numpy.abs(values) + 0.25 if positive else values)])

    return generate


def fold_binary(op):
    def generate(g):
        shape = some_shape(g)
        a, b = g.weight(*shape), g.weight(*(n if g.chance(0.7) else 1 for n in shape[g.below(len(shape)) :]))
        if op == "Div":
            b = numpy.where(b == 0, 1, b)
        if op in ("Equal", "Less", "Greater") and g.chance(0.5):
            a, b = numpy.round(a), numpy.round(b)
        if op == "Equal" and g.opset < 11:
            a, b = (g.raw(numpy.round(4 * v).astype(numpy.int64)) for v in (a, b))
        else:
            a, b = g.constant(a), g.constant(b)
        result = g.add(op, [a, b])
        return as_real(g, result) if op in ("Equal", "Less", "Greater") else result

    return generate


def fold_pow(g):
    base = numpy.abs(g.weight(*some_shape(g))) + 0.25
    exponent = g.pick(2.0, 0.5, -1.0, 3.0, 0.3, -2.0, 1.0, 0.0)
    if exponent == int(exponent) and g.chance(0.5):
        base = base * numpy.sign(g.rng.random(base.shape) - 0.5)
    return g.add("Pow", [g.constant(base), g.constant(numpy.full(g.pick([], [1]), exponent))])


def fold_reduce(op):
    def generate(g):
        shape = some_shape(g)
        inputs, attributes = reduce_arguments(g, op, shape)
        if "noop_with_empty_axes" in attributes:
            attributes["noop_with_empty_axes"] = 0
        return g.add(op, [real_constant(g, *shape), *inputs], **attributes)

    return generate


def fold_where(g):
    shape = some_shape(g)
    condition = g.raw(g.rng.random(shape[g.below(2) :]) < 0.5)
    return g.add("Where", [condition, real_constant(g, *shape), real_constant(g, *shape[-1:])])


def fold_not(g):
    return as_real(g, g.add("Not", [g.raw(g.rng.random(some_shape(g)) < 0.5)]))


def fold_range(g):
    start, step = g.below(9) - 4, g.pick(1, 2, -1, 3, -2)
    limit = start + step * (1 + g.below(4)) + g.pick(0, 1, -1) * (abs(step) > 1)
    return as_real(g, g.add("Range", [g.constant(n, integer=True) for n in (start, limit, step)]))


def fold_matmul(g):
    n, k, m = (1 + g.below(4) for _ in range(3))
    a, b = g.weight(n, k), g.weight(k, m)
    way = g.below(4)
    return g.add("MatMul", [g.constant(a[0] if way == 0 else a), g.constant(b[:, 0] if way == 1 else b)])


def fold_gemm(g):
    n, k, m = (1 + g.below(4) for _ in range(3))
    flips = {"transA": g.below(2), "transB": g.below(2)}
    a = g.weight(k, n) if flips["transA"] else g.weight(n, k)
    b = g.weight(m, k) if flips["transB"] else g.weight(k, m)
    inputs = [g.constant(a), g.constant(b)]
    if g.opset < 11 or g.chance(0.5):
        inputs.append(real_constant(g, *g.pick([m], [n, m], [1])))
    return g.add("Gemm", inputs, alpha=g.pick(1.0, 0.5, 0.3), beta=g.pick(1.0, 0.7), **flips)


def fold_constant(g):
    way = g.below(4) if g.opset >= 12 else 0
    if way == 1:
        return (
            g.add("Constant", [], value_float=0.3)
            if g.dtype == numpy.float32
            else as_real(g, g.add("Constant", [], value_int=3))
        )
    if way == 2:
        return as_real(g, g.add("Constant", [], value_ints=[1, -2, 3]))
    if way == 3:
        return as_real(g, g.add("Constant", [], value_floats=[0.5, 0.25]))
    return g.add("Constant", [], value=numpy_helper.from_array(g.weight(*some_shape(g))))


def fold_of_shape(g):
    shape = g.constant(some_shape(g), integer=True)
    if g.chance(0.5):
        return as_real(g, g.add("ConstantOfShape", [shape]))
    return g.add("ConstantOfShape", [shape], value=numpy_helper.from_array(g.weight(1)))


def through(generate):
    """A generator for values, applied to a constant."""

    def constant(g):
        own = Graph(g.rng, g.opset, g.dtype, [1 + g.below(3), *some_shape(g)], False)
        own.count = 1000 + g.count
        generate(own)
        x = g.raw((g.rng.integers(-64, 65, own.shape) / 64).astype(g.dtype))
        for node in own.nodes:
            for i, name in enumerate(node.input):
                if name == "x":
                    node.input[i] = x
        g.nodes.extend(own.nodes)
        g.constants.update(own.constants)
        g.count = own.count
        return own.value

    return constant


CONSTANT = {
    **{
        op: fold_reduce(op)
        for op in [
            "ReduceMean",
            "ReduceSum",
            "ReduceProd",
            "ReduceSumSquare",
            "ReduceL1",
            "ReduceL2",
            "ReduceMax",
            "ReduceMin",
        ]
    },
    **{op: fold_binary(op) for op in ["Add", "Sub", "Mul", "Div", "Min", "Max", "Equal", "Less", "Greater"]},
    **{
        op: fold_unary(op)
        for op in [
            "Neg",
            "Abs",
            "Exp",
            "Relu",
            "Sigmoid",
            "HardSwish",
            "Tanh",
            "Softplus",
            "Softsign",
            "Mish",
            "Swish",
            "Sin",
            "Cos",
            "Atan",
            "Identity",
        ]
    },
    **{op: fold_unary(op, True) for op in ["Sqrt", "Reciprocal", "Log"]},
    "Pow": fold_pow,
    "Where": fold_where,
    "Not": fold_not,
    "Range": fold_range,
    "MatMul": fold_matmul,
    "Gemm": fold_gemm,
    "Constant": fold_constant,
    "ConstantOfShape": fold_of_shape,
    **{
        op: through(SIGNAL[op])
        for op in [
            "Sum",
            "LeakyRelu",
            "Elu",
            "Celu",
            "HardSigmoid",
            "Gelu",
            "Clip",
            "Erf",
            "ThresholdedRelu",
            "Shrink",
            "Dropout",
            "Cast",
            "Flatten",
            "Reshape",
            "Squeeze",
            "Unsqueeze",
            "Transpose",
            "Concat",
            "Slice",
            "Split",
            "Gather",
            "Pad",
            "Expand",
            "Shape",
            "Size",
        ]
    },
}
