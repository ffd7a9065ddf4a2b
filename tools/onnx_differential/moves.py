"""Generators of operators that change shapes, move and select: each appends its own, applied to the value."""

import numpy
from layers import some_axis
from onnx import helper


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
        g.value = g.add("Expand", [g.value, g.constant(new[g.below(2) :], integer=True)])


def shape_of(g):
    """Shapes in arithmetic: what depends on the batch has to be noticed."""
    shape = g.here()
    attributes = {"start": g.below(len(shape)), "end": len(shape)} if g.opset >= 15 and g.chance(0.4) else {}
    if not attributes and g.chance(0.5):
        reshape(g)
        return
    own = g.add(
        "Cast", [g.add("Shape", [g.value], **attributes)], to=helper.np_dtype_to_tensor_dtype(numpy.dtype(g.dtype))
    )
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
