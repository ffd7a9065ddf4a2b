#!/usr/bin/env python3
"""Random models from every line of the table of ONNX operators, with what onnxruntime computes (development only).

    pip install numpy onnx onnxruntime
    python tools/onnx_differential.py FOLDER COUNT [SEED]

Writes FOLDER/NUMBER.onnx and FOLDER/cases.jsonl: for each model the operator that it is about, inputs (each one
sample) and outputs. The test `differential` of tests/onnx.rs reads them:

    LIPBOUND_ONNX_DIFFERENTIAL=FOLDER cargo test --release --test onnx differential -- --nocapture

The operators are read from src/io/onnx/table.rs; one without a generator here is an error. A model is in double
precision where onnxruntime computes its operators in it, else in single precision. Where the first axis is open,
onnxruntime also computes two samples at once: if the results are not those of the samples one by one, the model is
marked as `mixed` and has to be refused.
"""

import collections
import json
import os
import re
import sys

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
onnxruntime.set_default_logger_severity(4)
# Opsets for which onnxruntime vouches.
NEWEST = 25


def table():
    """The operators of the table with the opsets that brought their versions."""
    with open(os.path.join(ROOT, "src/io/onnx/table.rs"), encoding="utf-8") as file:
        text = file.read()
    rows = re.findall(r'row\("(\w+)", [\w:]+, ([\w:]+), &\[(.*)\]\),', text)
    since = {name: [int(n) for part in re.findall(r"v\(&\[([\d, ]+)\]", versions) for n in part.split(",")]
             for name, _, versions in rows}
    folds = {name for name, constant, _ in rows if constant != "NONE"}
    return since, folds


class Retry(Exception):
    """The choices do not make a model."""


class Graph:
    """A model that grows operation by operation."""

    def __init__(self, rng, opset, dtype, shape, is_open):
        self.rng, self.opset, self.dtype = rng, opset, dtype
        self.shape, self.is_open = shape, is_open
        self.nodes, self.constants = [], {}
        self.value, self.count = "x", 0

    def name(self):
        self.count += 1
        return f"v{self.count}"

    def constant(self, values, integer=False):
        name = self.name()
        self.constants[name] = numpy.asarray(values, dtype=numpy.int64 if integer else self.dtype)
        return name

    def raw(self, array):
        name = self.name()
        self.constants[name] = array
        return name

    def weight(self, *shape):
        return (self.rng.integers(-64, 65, shape) / 64).astype(self.dtype)

    def add(self, op, inputs, outputs=1, **attributes):
        names = [self.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def model(self, output=None):
        kind = helper.np_dtype_to_tensor_dtype(numpy.dtype(self.dtype))
        shape = ["N", *self.shape[1:]] if self.is_open else self.shape
        graph = helper.make_graph(
            self.nodes, "g", [helper.make_tensor_value_info("x", kind, shape)],
            [helper.make_tensor_value_info(output or self.value, kind, None)],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = min(10, onnx.IR_VERSION)
        return model

    def session(self, output=None):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        try:
            return onnxruntime.InferenceSession(
                self.model(output).SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise Retry(str(error).splitlines()[0]) from error

    def run(self, x, output=None):
        try:
            return self.session(output).run(None, {"x": x})[0]
        except Retry:
            raise
        except Exception as error:
            raise Retry(str(error).splitlines()[0]) from error

    def here(self):
        """The shape of the value, with a batch of 1."""
        if self.value == "x":
            return list(self.shape)
        return list(self.run(numpy.zeros(self.shape, self.dtype)).shape)

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def below(self, n):
        return int(self.rng.integers(n))


# Generators: each appends its operator to the graph, applied to the value. ----------------------------------------

def some_axis(g, rank):
    """An axis, seldom the first, counted from either end."""
    axis = g.below(rank) if g.chance(0.2) or rank == 1 else 1 + g.below(rank - 1)
    return axis - rank if g.opset >= 11 and g.chance(0.3) else axis


def unary(op, **ranges):
    def generate(g):
        attributes = {name: float(g.rng.integers(low, high) / 64) for name, (low, high) in ranges.items() if g.chance(0.6)}
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
            own = own[g.below(len(own) + 1):]
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


def flatten(g):
    rank = len(g.here())
    attributes = {} if g.chance(0.3) else {"axis": g.below(rank + 1)}
    if g.opset >= 11 and g.chance(0.2):
        attributes["axis"] = -1 - g.below(rank)
    g.value = g.add("Flatten", [g.value], **attributes)


def factors(g, n):
    """A random shape with n entries."""
    shape = []
    while n > 1 and len(shape) < 3:
        d = g.pick(*[d for d in range(1, n + 1) if n % d == 0])
        shape.append(d)
        n //= d
    return [*shape, n] if n > 1 or not shape else shape


def shape_chain(g, parts):
    """A shape that the graph puts together from that of the value; None is the length of its first axis."""
    names = []
    for part in parts:
        if part is not None:
            names.append(g.constant([part], integer=True))
            continue
        shape = g.add("Shape", [g.value])
        if g.chance(0.5):
            names.append(g.add("Gather", [shape, g.constant([0], integer=True)]))
        elif g.opset >= 10:
            names.append(g.add("Slice", [shape, g.constant([0], integer=True), g.constant([1], integer=True)]))
        else:
            names.append(g.add("Slice", [shape], starts=[0], ends=[1]))
    return g.add("Concat", names, axis=0)


def reshape(g):
    shape = g.here()
    n = int(numpy.prod(shape))
    way = g.below(7)
    attributes = {}
    if way == 0:
        new = [-1, *factors(g, n // shape[0])]
    elif way == 1:
        new = [0, -1]
    elif way == 2:
        new = [0, *factors(g, n // shape[0])]
    elif way == 3:
        new = factors(g, n)
        new[g.below(len(new))] = -1
    elif way == 4:
        new = factors(g, n)
    elif way == 5:
        new = [*factors(g, n)[:1], -1]
    else:
        rest = factors(g, n // shape[0])
        g.value = g.add("Reshape", [g.value, shape_chain(g, [None, *rest] if g.chance(0.7) else [None, -1])])
        return
    if g.opset >= 14 and 0 not in new and g.chance(0.2):
        attributes["allowzero"] = g.below(2)
    g.value = g.add("Reshape", [g.value, g.constant(new, integer=True)], **attributes)


def axes_of(g, op, axes):
    if g.opset >= 13:
        return [g.constant(axes, integer=True)], {}
    return [], {"axes": axes}


def squeeze(g):
    shape = g.here()
    rank = len(shape)
    at = 1 + g.below(rank)
    inputs, attributes = axes_of(g, "Unsqueeze", [at])
    g.value = g.add("Unsqueeze", [g.value, *inputs], **attributes)
    if g.chance(0.25):
        inputs, attributes = [], {}
    else:
        inputs, attributes = axes_of(g, "Squeeze", [0 if g.chance(0.15) else at])
    g.value = g.add("Squeeze", [g.value, *inputs], **attributes)


def unsqueeze(g):
    rank = len(g.here())
    axes = sorted({g.below(rank + 1) for _ in range(1 + g.below(2))})
    if g.opset >= 11 and g.chance(0.3):
        axes = [a - rank - len(axes) for a in axes]
    inputs, attributes = axes_of(g, "Unsqueeze", axes)
    g.value = g.add("Unsqueeze", [g.value, *inputs], **attributes)


def transpose(g):
    rank = len(g.here())
    if g.chance(0.2):
        g.value = g.add("Transpose", [g.value])
    else:
        rest = [1 + int(a) for a in g.rng.permutation(rank - 1)]
        perm = [0, *rest] if g.chance(0.6) else [int(a) for a in g.rng.permutation(rank)]
        g.value = g.add("Transpose", [g.value], perm=perm)


def concat(g):
    rank = len(g.here())
    inputs = [g.value]
    for _ in range(1 + g.below(2)):
        inputs.append(g.add(g.pick("Relu", "Neg", "Tanh"), [g.value]))
    g.rng.shuffle(inputs)
    g.value = g.add("Concat", inputs, axis=some_axis(g, rank))


def slice_arguments(g, shape):
    rank = len(shape)
    axes = sorted({some_axis(g, rank) % rank for _ in range(1 + g.below(2))})
    starts, ends, steps = [], [], []
    for axis in axes:
        n = shape[axis]
        start = 0 if axis == 0 and g.chance(0.5) else g.below(n)
        end = start + 1 + g.below(n - start)
        starts.append(start - n if g.chance(0.3) else start)
        ends.append(2**31 - 1 if g.chance(0.3) or (axis == 0 and g.chance(0.5)) else end)
        steps.append(1 + g.below(2) if axis > 0 else 1)
    return axes, starts, ends, steps


def slice_(g):
    axes, starts, ends, steps = slice_arguments(g, g.here())
    if g.opset < 10:
        attributes = {"starts": starts, "ends": ends}
        if axes != list(range(len(axes))) or g.chance(0.5):
            attributes["axes"] = axes
        g.value = g.add("Slice", [g.value], **attributes)
        return
    inputs = [g.value, *(g.constant(part, integer=True) for part in (starts, ends, axes))]
    if g.chance(0.5):
        inputs.append(g.constant(steps, integer=True))
    g.value = g.add("Slice", inputs)


def split_arguments(g, shape):
    axis = some_axis(g, len(shape))
    n = shape[axis]
    parts = 1 + g.below(min(n, 3))
    attributes, inputs = {"axis": axis}, []
    if g.chance(0.6) or (g.opset < 18 and n % parts):
        lengths = numpy.diff([0, *sorted(1 + int(c) for c in g.rng.permutation(n - 1)[: parts - 1]), n])
        if g.opset >= 13:
            inputs = [g.constant(lengths, integer=True)]
        else:
            attributes["split"] = [int(k) for k in lengths]
    elif g.opset >= 18:
        attributes["num_outputs"] = parts
    return parts, inputs, attributes


def split(g):
    parts, inputs, attributes = split_arguments(g, g.here())
    names = g.add("Split", [g.value, *inputs], parts, **attributes)
    g.value = names if parts == 1 else names[g.below(parts)]


def gather(g):
    shape = g.here()
    axis = some_axis(g, len(shape))
    n = shape[axis]
    own = g.pick([], [1], [2], [3], [2, 2])
    low = -n if g.opset >= 11 else 0
    indices = g.rng.integers(low, n, own)
    g.value = g.add("Gather", [g.value, g.constant(indices, integer=True)], axis=axis)


def pad(g):
    shape = g.here()
    rank = len(shape)
    def length(axis):
        return g.below(3) if axis > 0 or g.chance(0.1) else 0
    if g.opset < 11:
        attributes = {"pads": [length(a % rank) for a in range(2 * rank)]}
        if g.chance(0.5):
            attributes["mode"] = "constant"
        g.value = g.add("Pad", [g.value], **attributes)
        return
    axes = list(range(rank))
    inputs = []
    if g.opset >= 18 and g.chance(0.4):
        axes = sorted({some_axis(g, rank) % rank for _ in range(2)})
        inputs = ["", g.constant(axes, integer=True)]
    pads = [length(a) for a in axes + axes]
    if inputs and g.chance(0.5):
        inputs[0] = g.constant(0)
    g.value = g.add("Pad", [g.value, g.constant(pads, integer=True), *inputs])


def expand(g):
    shape = g.here()
    g.value = g.add("Unsqueeze", [g.value, *axes_of(g, "U", [1])[0]], **axes_of(g, "U", [1])[1])
    new = [shape[0] if g.chance(0.15) else 1, 1 + g.below(3), *(g.pick(1, n) for n in shape[1:])]
    if g.chance(0.3):
        g.value = g.add("Expand", [g.value, shape_chain(g, [None, *new[1:]])])
    else:
        g.value = g.add("Expand", [g.value, g.constant(new[g.below(2):], integer=True)])


def shape_of(g):
    """Shapes in arithmetic: what depends on the batch has to be noticed."""
    shape = g.here()
    attributes = {"start": g.below(len(shape)), "end": len(shape)} if g.opset >= 15 and g.chance(0.4) else {}
    if not attributes and g.chance(0.5):
        reshape(g)
        return
    own = g.add("Cast", [g.add("Shape", [g.value], **attributes)],
                to=helper.np_dtype_to_tensor_dtype(numpy.dtype(g.dtype)))
    if not attributes and g.chance(0.8):
        own = g.add("Gather", [own, g.constant([1 + g.below(len(shape) - 1)], integer=True)])
    elif attributes:
        own = g.add("Gather", [own, g.constant([0], integer=True)])
    else:
        own = g.add("Gather", [own, g.constant([0], integer=True)])
    g.value = g.add("Mul", [g.value, own])


def size(g):
    n = g.add("Cast", [g.add("Size", [g.value])], to=helper.np_dtype_to_tensor_dtype(numpy.dtype(g.dtype)))
    g.value = g.add("Mul", [g.value, n])


# Generators of constants: each gives the name of a real constant that the graph computes. --------------------------

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
        a, b = g.weight(*shape), g.weight(*(n if g.chance(0.7) else 1 for n in shape[g.below(len(shape)):]))
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
    condition = g.raw(g.rng.random(shape[g.below(2):]) < 0.5)
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
        return g.add("Constant", [], value_float=0.3) if g.dtype == numpy.float32 else as_real(g, g.add("Constant", [], value_int=3))
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


SIGNAL = {
    "Gemm": gemm, "MatMul": matmul, "Conv": conv, "ConvTranspose": conv_transpose, "BatchNormalization": batch_norm,
    "MaxPool": pool("MaxPool", 10), "AveragePool": pool("AveragePool", 19), "GlobalAveragePool": global_average,
    "ReduceMean": reduce_mean, "Add": binary("Add"), "Sub": binary("Sub"), "Mul": binary("Mul"), "Div": binary("Div"),
    "Sum": summed, "Neg": unary("Neg"), "Min": extremum("Min"), "Max": extremum("Max"), "Relu": unary("Relu"),
    "LeakyRelu": unary("LeakyRelu", alpha=(-32, 96)), "PRelu": prelu, "Elu": unary("Elu", alpha=(8, 96)),
    "Selu": unary("Selu", alpha=(8, 96), gamma=(65, 96)), "Celu": unary("Celu", alpha=(8, 96)), "Sigmoid": sigmoid,
    "HardSigmoid": unary("HardSigmoid", alpha=(1, 64), beta=(-32, 64)), "HardSwish": unary("HardSwish"), "Tanh": tanh,
    "Softplus": unary("Softplus"), "Softsign": unary("Softsign"), "Gelu": gelu, "Mish": unary("Mish"),
    "Swish": unary("Swish"), "Clip": clip, "Erf": erf, "Abs": unary("Abs"), "Sin": unary("Sin"), "Cos": unary("Cos"),
    "Atan": unary("Atan"), "ThresholdedRelu": thresholded, "Shrink": shrink, "Identity": unary("Identity"),
    "Dropout": dropout, "Cast": cast, "Flatten": flatten, "Reshape": reshape, "Squeeze": squeeze,
    "Unsqueeze": unsqueeze, "Shape": shape_of, "Size": size, "Transpose": transpose, "Concat": concat,
    "Slice": slice_, "Split": split, "Gather": gather, "Pad": pad, "Expand": expand,
}
CONSTANT = {
    **{op: fold_reduce(op) for op in ["ReduceMean", "ReduceSum", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2",
                                      "ReduceMax", "ReduceMin"]},
    **{op: fold_binary(op) for op in ["Add", "Sub", "Mul", "Div", "Min", "Max", "Equal", "Less", "Greater"]},
    **{op: fold_unary(op) for op in ["Neg", "Abs", "Exp", "Relu", "Sigmoid", "HardSwish", "Tanh", "Softplus", "Softsign",
                                     "Mish", "Swish", "Sin", "Cos", "Atan", "Identity"]},
    **{op: fold_unary(op, True) for op in ["Sqrt", "Reciprocal", "Log"]},
    "Pow": fold_pow, "Where": fold_where, "Not": fold_not, "Range": fold_range, "MatMul": fold_matmul, "Gemm": fold_gemm,
    "Constant": fold_constant, "ConstantOfShape": fold_of_shape,
    **{op: through(SIGNAL[op]) for op in ["Sum", "LeakyRelu", "Elu", "Celu", "HardSigmoid", "Gelu", "Clip", "Erf",
                                          "ThresholdedRelu", "Shrink", "Dropout", "Cast", "Flatten", "Reshape", "Squeeze",
                                          "Unsqueeze", "Transpose", "Concat", "Slice", "Split", "Gather", "Pad", "Expand",
                                          "Shape", "Size"]},
}
# Around the operator that a model is about.
FILLING = ["Relu", "Add", "Mul", "LeakyRelu", "MatMul", "Tanh", "Reshape", "Transpose", "Unsqueeze", "Flatten"]


def attach(g, constant):
    """The constant as a summand of the product of the value with a matrix."""
    g.nodes.append(helper.make_node("Flatten", [constant], [flat := g.name()], axis=0))
    entries = g.run(numpy.zeros(g.shape, g.dtype), flat).size
    value = g.add("Flatten", [g.value])
    inner = int(numpy.prod(g.here()[1:]))
    product = g.add("MatMul", [value, g.constant(g.weight(inner, entries))])
    g.value = g.add("Add", [product, flat])


def build(rng, op, since, folds):
    versions = [n for n in since if n <= NEWEST]
    opset = int(rng.integers(max(7, min(versions)), NEWEST + 1))
    dtype = numpy.float64 if rng.random() < 0.6 else numpy.float32
    is_image = op in ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool")
    rank = int(rng.integers(3, 5)) if is_image else int(rng.integers(2, 5))
    batch = rng.random()
    shape = [1 if is_image or batch < 0.8 else int(rng.integers(2, 4)), *(int(n) for n in rng.integers(1, 6, rank - 1))]
    g = Graph(rng, opset, dtype, shape, batch < 0.5)
    as_constant = op not in SIGNAL or (op in folds and op in CONSTANT and g.chance(0.3))
    if not is_image or g.chance(0.3):
        for _ in range(g.below(2)):
            SIGNAL[g.pick(*(FILLING[:4] if is_image else FILLING))](g)
    if as_constant:
        attach(g, CONSTANT[op](g))
    else:
        SIGNAL[op](g)
    for _ in range(g.below(3)):
        SIGNAL[g.pick(*FILLING)](g)
    return g


def apart(one, many):
    """Whether the result for several samples is those of the samples, put together along some axis."""
    shape = one[0].shape
    if len(many.shape) != len(shape):
        return False
    axes = [a for a in range(len(shape)) if many.shape[a] != shape[a]]
    if len(axes) != 1 or many.shape[axes[0]] != len(one) * shape[axes[0]]:
        return False
    parts = numpy.split(many, len(one), axis=axes[0])
    return all(numpy.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True) for a, b in zip(parts, one))


def case(g):
    """Inputs and outputs of a model, and whether it mixes samples."""
    scale = g.pick(1, 1, 3)
    inputs = [(scale * g.rng.integers(-128, 129, g.shape) / 64).astype(g.dtype) for _ in range(2)]
    session = g.session()
    try:
        outputs = [session.run(None, {"x": x})[0] for x in inputs]
    except Exception as error:
        raise Retry(str(error).splitlines()[0]) from error
    if not all(numpy.isfinite(y).all() and y.size for y in outputs):
        raise Retry("not finite")
    mixed = False
    if g.is_open:
        try:
            mixed = not apart(outputs, session.run(None, {"x": numpy.concatenate(inputs)})[0])
        except Exception:
            mixed = False
    return inputs, outputs, mixed


def main():
    folder, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    since, folds = table()
    missing = [op for op in since if op not in SIGNAL and op not in CONSTANT]
    if missing:
        sys.exit(f"no generator for {missing}")
    os.makedirs(folder, exist_ok=True)
    operators = sorted(since)
    retries = collections.Counter()
    with open(os.path.join(folder, "cases.jsonl"), "w", encoding="utf-8") as file:
        for number in range(count):
            op = operators[number % len(operators)]
            for attempt in range(400):
                rng = numpy.random.default_rng([seed, number, attempt])
                try:
                    g = build(rng, op, since[op], folds)
                    inputs, outputs, mixed = case(g)
                    break
                except Retry as error:
                    retries[op, str(error)[:110]] += 1
            else:
                sys.exit(f"onnxruntime takes no model about {op}: {retries.most_common(5)}")
            name = f"{number:05}.onnx"
            onnx.save(g.model(), os.path.join(folder, name))
            line = {"model": name, "operator": op, "opset": g.opset, "mixed": mixed,
                    "precision": 64 if g.dtype == numpy.float64 else 32,
                    "inputs": [x.astype(float).ravel().tolist() for x in inputs],
                    "outputs": [y.astype(float).ravel().tolist() for y in outputs]}
            file.write(json.dumps(line) + "\n")
    if os.environ.get("VERBOSE"):
        for (op, message), n in retries.most_common(60):
            print(n, op, message)


if __name__ == "__main__":
    main()
