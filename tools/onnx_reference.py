#!/usr/bin/env python3
"""Records what onnxruntime computes, for the tests of the ONNX reader (development only).

    pip install numpy onnx onnxruntime
    python tools/onnx_reference.py OUTPUT_FOLDER MODEL.onnx ...

Writes OUTPUT_FOLDER/MODEL.json with the outputs for three inputs, which are not stored: component i of
input k is ((97 i + 31 k) mod 257) / 128 - 1, exact in single precision. A named or unknown first axis
(the batch) is 1. With a batch of another fixed length the whole tensor is the input.
"""

import json
import os
import sys

import numpy
import onnxruntime

INPUTS = 3


def network_input(k, shape):
    i = numpy.arange(int(numpy.prod(shape)))
    return (((97 * i + 31 * k) % 257) / 128 - 1).astype(numpy.float32).reshape(shape)


def record(path, folder):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    shape = [n if isinstance(n, int) and n > 0 else 1 for n in source.shape]
    outputs = []
    for k in range(INPUTS):
        result = session.run(None, {source.name: network_input(k, shape)})[0]
        outputs.append([float(x) for x in result.ravel()])
    name = os.path.splitext(os.path.basename(path))[0]
    with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
        json.dump({"model": os.path.basename(path), "outputs": outputs}, file)
        file.write("\n")


if __name__ == "__main__":
    for model in sys.argv[2:]:
        try:
            record(model, sys.argv[1])
        except Exception as error:  # a model that onnxruntime refuses is not a reference
            print(f"{model}: {error}", file=sys.stderr)
