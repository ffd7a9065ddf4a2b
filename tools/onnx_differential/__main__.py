"""Random models from every line of the table of ONNX operators, with what onnxruntime computes (development only).

    pip install numpy onnx onnxruntime
    python tools/onnx_differential FOLDER COUNT [SEED]

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
from constants import CONSTANT
from graph import Graph, Retry
from onnx import TensorProto, helper
from signals import SIGNAL

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
# Opsets for which onnxruntime vouches.
NEWEST = 25


def table():
    """The operators of the table with the opsets that brought their versions."""
    with open(os.path.join(ROOT, "src/io/onnx/table.rs"), encoding="utf-8") as file:
        text = file.read()
    rows = re.findall(r'row\("(\w+)", [\w:]+, ([\w:]+), &\[(.*)\]\),', text)
    since = {
        name: [int(n) for part in re.findall(r"v\(&\[([\d, ]+)\]", versions) for n in part.split(",")]
        for name, _, versions in rows
    }
    folds = {name for name, constant, _ in rows if constant != "NONE"}
    return since, folds


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
    is_first = is_image or op == "BatchNormalization"
    shape = [1 if is_first or batch < 0.8 else int(rng.integers(2, 4)), *(int(n) for n in rng.integers(1, 6, rank - 1))]
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
    if many.shape == (len(one), *shape):
        # An axis of length 1 was removed together with that of a batch of one sample.
        return all(numpy.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(many, one, strict=True))
    if len(many.shape) != len(shape):
        return False
    axes = [a for a in range(len(shape)) if many.shape[a] != shape[a]]
    if len(axes) != 1 or many.shape[axes[0]] != len(one) * shape[axes[0]]:
        return False
    parts = numpy.split(many, len(one), axis=axes[0])
    return all(numpy.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True) for a, b in zip(parts, one, strict=True))


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


def rounded(g):
    """Whether onnxruntime computes a part in single precision, or with 1/6, 0.044715 and 2/pi rounded to it."""
    return any(
        node.op_type in ("HardSwish", "Gelu", "Shrink")
        or (node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT)
        for node in g.nodes
    )


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
            line = {
                "model": name,
                "operator": op,
                "opset": g.opset,
                "mixed": mixed,
                "precision": 64 if g.dtype == numpy.float64 and not rounded(g) else 32,
                "inputs": [x.astype(float).ravel().tolist() for x in inputs],
                "outputs": [y.astype(float).ravel().tolist() for y in outputs],
            }
            file.write(json.dumps(line) + "\n")
    if os.environ.get("VERBOSE"):
        for (op, message), n in retries.most_common(60):
            print(n, op, message)


if __name__ == "__main__":
    main()
