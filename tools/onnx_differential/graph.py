"""A model that grows operation by operation."""

import numpy
import onnx
import onnxruntime
from onnx import helper, numpy_helper

onnxruntime.set_default_logger_severity(4)


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
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", kind, shape)],
            [helper.make_tensor_value_info(output or self.value, kind, None)],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = min(10, onnx.IR_VERSION)
        return model

    def session(self, output=None):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        try:
            return onnxruntime.InferenceSession(
                self.model(output).SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
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
        shape = list(self.run(numpy.zeros(self.shape, self.dtype)).shape)
        if not shape or 0 in shape:
            raise Retry("a single number, or none")
        return shape

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, *choices):
        return choices[self.below(len(choices))]

    def below(self, n):
        if n < 1:
            raise Retry("nothing to choose from")
        return int(self.rng.integers(n))
