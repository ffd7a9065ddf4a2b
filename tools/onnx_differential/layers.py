"""Generators of operators that compute: each appends its own to the graph, applied to the value."""

import numpy
from graph import Retry
from onnx import TensorProto, helper


def some_axis(g, rank):
    """An axis, seldom the first, counted from either end."""
    axis = g.below(rank) if g.chance(0.2) or rank == 1 else 1 + g.below(rank - 1)
    return axis - rank if g.opset >= 11 and g.chance(0.3) else axis


def unary(op, **ranges):
    def generate(g):
        attributes = {
            name: float(g.rng.integers(low, high) / 64) for name, (low, high) in ranges.items() if g.chance(0.6)
        }
        g.value = g.add(op, [g.value], **attributes)

    return generate


def binary(op):
    def generate(g):
        shape = g.here()
        kind = g.below(4)
        if kind == 0 and op in ("Add", "Sub"):
            other = g.add("Neg", [g.value]) if g.chance(0.5) else g.add("Relu", [g.value])
            if g.chance(0.2):
                other = g.add("Transpose", [other])
        else:
            own = [n if g.chance(0.6) else 1 for n in shape]
            if kind == 1 or g.chance(0.8):
                own[0] = 1
            own = own[g.below(len(own) + 1) :]
            if kind == 2 and g.chance(0.3):
                own = [g.pick(1, 2), *([1] * (len(shape) - len(own))), *own]
            values = g.weight(*own)
            if op == "Div":
                values = numpy.where(values == 0, 1, values).astype(g.dtype)
            other = g.constant(values)
        inputs = [g.value, other] if op == "Div" or g.chance(0.6) else [other, g.value]
        g.value = g.add(op, inputs)

    return generate


def summed(g):
    inputs = [g.value]
    for _ in range(g.below(3)):
        inputs.append(g.constant(g.weight(g.here()[-1])) if g.chance(0.5) else g.add("Neg", [g.value]))
    g.rng.shuffle(inputs)
    g.value = g.add("Sum", inputs)


def extremum(op):
    def generate(g):
        own = g.pick([], [1], [1] * len(g.here()))
        inputs = [g.value, g.constant(numpy.full(own, g.below(65) / 64))]
        g.rng.shuffle(inputs)
        g.value = g.add(op, inputs[: g.pick(2, 2, 2, 2, 1)] if inputs[0] == g.value else inputs)

    return generate


def gemm(g):
    shape = g.here()
    if len(shape) != 2:
        g.value = g.add("Flatten", [g.value])
        shape = g.here()
    left, flip, flip_weight = g.chance(0.25), g.chance(0.25), g.chance(0.5)
    rows, columns = (shape[1], shape[0]) if flip else shape
    n = 1 + g.below(4)
    inner = rows if left else columns
    weight = g.weight(n, inner) if left != flip_weight else g.weight(inner, n)
    weight = g.constant(weight)
    result = [n, columns] if left else [rows, n]
    inputs = [weight, g.value] if left else [g.value, weight]
    if g.opset < 11 or g.chance(0.6):
        own = g.pick([result[1]], [1, result[1]], [1], [], [result[0], 1])
        inputs.append(g.constant(g.weight(*own)))
    flips = {"transA": int(flip_weight if left else flip), "transB": int(flip if left else flip_weight)}
    attributes = {k: v for k, v in flips.items() if v or g.chance(0.3)}
    for name in ("alpha", "beta"):
        if g.chance(0.4):
            attributes[name] = float(g.pick(0.5, 0.3, 2.0, 0.0, 1.7))
    g.value = g.add("Gemm", inputs, **attributes)


def matmul(g):
    shape = g.here()
    n = 1 + g.below(4)
    if g.chance(0.25):
        lead = [] if g.chance(0.7) else [1]
        weight = g.weight(*lead, n, shape[-2] if len(shape) > 1 else shape[0])
        g.value = g.add("MatMul", [g.constant(weight[0] if not lead and g.chance(0.2) else weight), g.value])
    else:
        lead = [] if g.chance(0.7) else [1] * (1 + g.below(2))
        weight = g.weight(*lead, shape[-1], n)
        g.value = g.add("MatMul", [g.value, g.constant(weight[..., 0] if not lead and g.chance(0.2) else weight)])


def windows(g, op, spatial, dilations=True):
    axes = len(spatial)
    attributes = {}
    kernel = [1 + g.below(min(n + 1, 4)) for n in spatial]
    if g.chance(0.6):
        attributes["strides"] = [1 + g.below(3) for _ in spatial]
    if dilations and g.chance(0.4):
        attributes["dilations"] = [1 + g.below(2) for _ in spatial]
    way = g.below(6)
    if way < 3:
        limit = [k if op == "Conv" else (k - 1) for k in kernel]
        pads = [g.below(n + 1) for n in limit]
        attributes["pads"] = pads + (pads if g.chance(0.5) else [g.below(n + 1) for n in limit])
    elif way < 5:
        attributes["auto_pad"] = g.pick("VALID", "SAME_UPPER", "SAME_LOWER", "NOTSET")
    assert axes in (1, 2)
    return kernel, attributes


def image(g):
    shape = g.here()
    if len(shape) not in (3, 4):
        raise Retry("not an image")
    return shape


def conv(g):
    shape = image(g)
    kernel, attributes = windows(g, "Conv", shape[2:])
    group = g.pick(*[n for n in range(1, shape[1] + 1) if shape[1] % n == 0])
    outputs = group * (1 + g.below(2))
    inputs = [g.value, g.constant(g.weight(outputs, shape[1] // group, *kernel))]
    if g.chance(0.5):
        inputs.append(g.constant(g.weight(outputs)))
    if group > 1 or g.chance(0.2):
        attributes["group"] = group
    if g.chance(0.5):
        attributes["kernel_shape"] = kernel
    g.value = g.add("Conv", inputs, **attributes)


def conv_transpose(g):
    shape = image(g)
    kernel, attributes = windows(g, "ConvTranspose", shape[2:])
    strides = attributes.get("strides", [1] * len(kernel))
    if g.chance(0.3):
        attributes["output_padding"] = [g.below(s) for s in strides]
    group = g.pick(*[n for n in range(1, shape[1] + 1) if shape[1] % n == 0])
    inputs = [g.value, g.constant(g.weight(shape[1], 1 + g.below(2), *kernel))]
    if g.chance(0.5):
        inputs.append(g.constant(g.weight(inputs and g.constants[inputs[1]].shape[1] * group)))
    if group > 1:
        attributes["group"] = group
    g.value = g.add("ConvTranspose", inputs, **attributes)


def batch_norm(g):
    shape = g.here()
    if len(shape) < 2:
        raise Retry("no channels")
    n = shape[1]
    inputs = [g.value, *(g.constant(g.weight(n)) for _ in range(3)), g.constant(numpy.abs(g.weight(n)) + 0.25)]
    attributes = {"epsilon": 0.01} if g.chance(0.5) else {}
    if g.chance(0.3):
        attributes["momentum"] = 0.5
    if g.opset >= 14 and g.chance(0.3):
        attributes["training_mode"] = 0
    g.value = g.add("BatchNormalization", inputs, **attributes)


def pool(op, dilated):
    def generate(g):
        shape = image(g)
        kernel, attributes = windows(g, op, shape[2:], g.opset >= dilated)
        if g.chance(0.15):
            kernel[0] += shape[2]
        attributes["kernel_shape"] = kernel
        if g.opset >= 10 and g.chance(0.3):
            attributes["ceil_mode"] = g.below(2)
        if op == "AveragePool" and g.chance(0.4):
            attributes["count_include_pad"] = g.below(2)
        if op == "MaxPool" and g.opset >= 8 and g.chance(0.1):
            attributes["storage_order"] = 0
        if op == "MaxPool" and g.opset >= 11 and g.chance(0.15):
            pads = [0, 0, *(g.below(2) for _ in shape[2:])] * 2
            pads = g.constant(pads, integer=True)
            g.value = g.add("Pad", [g.value, pads, g.constant(-numpy.inf)])
        g.value = g.add(op, [g.value], **attributes)

    return generate


def global_average(g):
    image(g)
    g.value = g.add("GlobalAveragePool", [g.value])


def reduce_arguments(g, op, shape):
    """Operands and attributes of a reduction, seldom over the first axis."""
    rank = len(shape)
    axes = sorted({some_axis(g, rank) % rank for _ in range(1 + g.below(2))})
    axes = [a - rank if g.opset >= 11 and g.chance(0.3) else a for a in axes]
    as_operand = g.opset >= (13 if op == "ReduceSum" else 18)
    attributes, inputs = {}, []
    if g.chance(0.5):
        attributes["keepdims"] = g.below(2)
    if g.chance(0.15):
        axes = None
        if as_operand and g.chance(0.5):
            attributes["noop_with_empty_axes"] = g.below(2)
    if axes is not None and as_operand:
        inputs = [g.constant(axes, integer=True)]
    elif axes is not None:
        attributes["axes"] = axes
    return inputs, attributes


def reduce_mean(g):
    inputs, attributes = reduce_arguments(g, "ReduceMean", g.here())
    g.value = g.add("ReduceMean", [g.value, *inputs], **attributes)


def prelu(g):
    shape = g.here()
    own = g.pick([1], [shape[-1]], [shape[1], *([1] * (len(shape) - 2))] if len(shape) > 1 else [1], shape[1:])
    g.value = g.add("PRelu", [g.value, g.constant(g.weight(*own))])


def gelu(g):
    attributes = {"approximate": g.pick("none", "tanh")} if g.chance(0.7) else {}
    g.value = g.add("Gelu", [g.value], **attributes)


def clip(g):
    low, high = sorted(g.rng.integers(-64, 65, 2) / 64)
    if g.chance(0.2):
        low, high = g.pick((-3.4028234663852886e38, high), (low, 3.4028234663852886e38), (low, numpy.inf))
    if g.opset < 11:
        attributes = {name: float(v) for name, v in (("min", low), ("max", high)) if g.chance(0.7)}
        g.value = g.add("Clip", [g.value], **attributes)
    else:
        inputs = [g.value, *(g.constant(v) if g.chance(0.7) else "" for v in (low, high))]
        while inputs[-1] == "":
            inputs.pop()
        g.value = g.add("Clip", inputs)


def shrink(g):
    n = float(g.below(64) / 64)
    g.value = g.add("Shrink", [g.value], bias=n, lambd=n)


def thresholded(g):
    g.value = g.add("ThresholdedRelu", [g.value], alpha=0.0)


def erf(g):
    """Alone, or in a gelu that is written out."""
    x = g.value
    if g.dtype == numpy.float64 and g.chance(0.5):
        raise Retry("single precision")
    if g.chance(0.4):
        g.value = g.add("Erf", [x])
        return
    scale = g.constant(g.pick(1.4142135, 1.25, 1.41421354, 2.0))
    inner = g.add("Div", [x, scale]) if g.chance(0.5) else g.add("Mul", [x, scale])
    one, half = g.constant(g.pick(1.0, 1.0, 1.0, 0.5)), g.constant(g.pick(0.5, 0.5, 0.3))
    gate = g.add("Add", [g.add("Erf", [inner]), one])
    if g.chance(0.5):
        g.value = g.add("Mul", [g.add("Mul", [x, gate]), half])
    else:
        g.value = g.add("Mul", [g.add("Mul", [half, x]), gate])


def sigmoid(g):
    x = g.value
    y = g.add("Sigmoid", [x])
    g.value = g.add("Mul", [x, y]) if g.chance(0.4) else y


def tanh(g):
    x = g.value
    y = g.add("Tanh", [g.add("Softplus", [x]) if g.chance(0.4) else x])
    g.value = g.add("Mul", [y, x]) if g.nodes[-2:][0].op_type == "Softplus" else y


def dropout(g):
    inputs, attributes = [g.value], {}
    if g.opset < 12 and g.chance(0.5):
        attributes["ratio"] = 0.25
    elif g.opset >= 12 and g.chance(0.5):
        inputs.append(g.constant(0.25))
        if g.chance(0.5):
            inputs.append(g.raw(numpy.array(False)))
    g.value = g.add("Dropout", inputs, g.pick(1, 1, 2), **attributes)
    if isinstance(g.value, list):
        g.value = g.value[0]


def cast(g):
    to = TensorProto.FLOAT if g.chance(0.5) else TensorProto.DOUBLE
    g.value = g.add("Cast", [g.add("Cast", [g.value], to=to)], to=helper.np_dtype_to_tensor_dtype(numpy.dtype(g.dtype)))
