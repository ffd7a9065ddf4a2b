#!/usr/bin/env python3
"""The node tests of the `onnx` package as cases for tests/onnx.rs (development only).

    pip install numpy onnx onnxruntime
    python tools/onnx_node_tests.py FOLDER
    LIPBOUND_ONNX_NODE_TESTS=FOLDER cargo test --release --test onnx node_tests -- --nocapture

Taken are the tests of one standard operator whose first input and only used output are real numbers of at most a
million entries. Further inputs (weights, axes) become constants of the model. The outputs are those that come with
the tests.
"""

import json
import os
import sys
import warnings

import numpy
import onnx
from onnx import helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

REAL = (numpy.float32, numpy.float64)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    warnings.simplefilter("ignore")
    numpy.seterr(all="ignore")
    written = 0
    with open(os.path.join(folder, "cases.jsonl"), "w", encoding="utf-8") as file:
        for test in collect_testcases(None):
            model = test.model
            if model is None or len(model.graph.node) != 1 or not test.data_sets or test.name.endswith("_expanded"):
                continue
            node = model.graph.node[0]
            inputs, outputs = test.data_sets[0]
            if node.domain not in ("", "ai.onnx") or not inputs or not outputs:
                continue
            arrays = [inputs[0], outputs[0]]
            if not all(isinstance(a, numpy.ndarray) and a.dtype in REAL and 0 < a.size <= 10**6 for a in arrays):
                continue
            if not all(isinstance(a, numpy.ndarray) for a in inputs) or not all(
                numpy.isfinite(a).all() for a in arrays
            ):
                continue
            graph = model.graph
            names = [i.name for i in graph.input]
            for name, array in zip(names[1:], inputs[1:], strict=False):
                graph.initializer.append(numpy_helper.from_array(array, name))
            del graph.input[1:]
            del graph.output[1:]
            # The lengths that the test has, not names for them.
            kind = helper.np_dtype_to_tensor_dtype(inputs[0].dtype)
            graph.input[0].CopyFrom(helper.make_tensor_value_info(names[0], kind, inputs[0].shape))
            name = test.name + ".onnx"
            onnx.save(model, os.path.join(folder, name))
            line = {
                "model": name,
                "operator": node.op_type,
                "mixed": False,
                "precision": 32,
                "inputs": [inputs[0].astype(float).ravel().tolist()],
                "outputs": [outputs[0].astype(float).ravel().tolist()],
            }
            file.write(json.dumps(line) + "\n")
            written += 1
    print(written, "node tests")


if __name__ == "__main__":
    main()
