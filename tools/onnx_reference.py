#!/usr/bin/env python3
"""Records what onnxruntime computes, for the tests of the ONNX reader (development only).

    pip install numpy onnx onnxruntime
    python tools/onnx_reference.py OUTPUT_FOLDER MODEL.onnx ...
    python tools/onnx_reference.py --operators FOLDER    # writes the small models

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


def operators(folder):
    """Writes small models, one for each operator or form of it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = numpy.random.default_rng(0)

    def weight(*shape):
        return (rng.integers(-64, 65, shape) / 64).astype(numpy.float32)

    def ints(*values):
        return numpy.array(values, dtype=numpy.int64)

    def save(name, shape, nodes, constants, output_rank, opset=13):
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * output_rank)],
            [numpy_helper.from_array(value, key) for key, value in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, os.path.join(folder, name + ".onnx"))

    def one(name, op, shape, constants=None, rank=None, opset=13, first=(), **attributes):
        constants = constants or {}
        inputs = [*first, "x", *(key for key in constants if key not in first)]
        node = helper.make_node(op, inputs, ["y"], **attributes)
        save(name, shape, [node], constants, len(shape) if rank is None else rank, opset)

    node = helper.make_node
    image = [1, 2, 7, 6]
    plain = {"Relu": {}, "Sigmoid": {}, "Tanh": {}, "Softplus": {}, "Softsign": {}, "Erf": {},
             "Abs": {}, "Sin": {}, "Cos": {}, "Atan": {}, "Neg": {}, "HardSwish": {}, "Elu": {"alpha": 0.7},
             "Selu": {}, "Celu": {"alpha": 1.5}, "LeakyRelu": {}, "HardSigmoid": {}, "Identity": {}}
    for op, attributes in plain.items():
        one(op.lower(), op, ["N", 9], opset=14, **attributes)
    for form in ["none", "tanh"]:
        one("gelu_" + form, "Gelu", [1, 9], opset=20, approximate=form)
    one("mish", "Mish", [1, 9], opset=18)
    one("clip_attributes", "Clip", [1, 9], opset=7, min=-0.5, max=0.25)
    one("clip_operands", "Clip", [1, 9], {"lo": numpy.float32(-0.5), "hi": numpy.float32(0.5)})
    one("min", "Min", [1, 9], {"c": numpy.float32(0.25)})
    one("max", "Max", [1, 9], {"c": weight(1) * 0}, first=("c",))
    one("shrink", "Shrink", [1, 9], opset=9, bias=0.25, lambd=0.25)
    one("prelu_channels", "PRelu", image, {"s": weight(2, 1, 1)})
    one("prelu_components", "PRelu", [1, 5], {"s": weight(5)})
    one("conv_same_upper", "Conv", image, {"w": weight(4, 2, 3, 2), "b": weight(4)}, auto_pad="SAME_UPPER", strides=[2, 2])
    one("conv_same_lower", "Conv", image, {"w": weight(4, 2, 3, 2)}, auto_pad="SAME_LOWER", strides=[2, 3])
    one("conv_pads", "Conv", image, {"w": weight(4, 1, 3, 2)}, group=2, pads=[2, 0, 1, 3], dilations=[2, 1])
    one("conv_1d", "Conv", [1, 3, 8], {"w": weight(2, 3, 3)}, pads=[0, 1], strides=[2])
    one("conv_transpose", "ConvTranspose", image, {"w": weight(2, 3, 3, 2), "b": weight(3)}, strides=[2, 3],
        pads=[1, 0, 0, 1], output_padding=[1, 1])
    one("conv_transpose_groups", "ConvTranspose", [1, 4, 5], {"w": weight(4, 2, 3)}, group=2, dilations=[2])
    one("max_pool_ceil", "MaxPool", image, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    one("max_pool_pads", "MaxPool", image, kernel_shape=[3, 2], pads=[1, 0, 1, 1], dilations=[1, 2])
    one("average_pool", "AveragePool", image, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    one("average_pool_counted", "AveragePool", image, kernel_shape=[3, 3], pads=[1, 0, 1, 0], count_include_pad=1)
    one("average_pool_ceil", "AveragePool", image, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, opset=19)
    one("average_pool_ceil_counted", "AveragePool", image, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 0, 1],
        ceil_mode=1, count_include_pad=1, opset=19)
    one("global_average_pool", "GlobalAveragePool", image)
    one("reduce_mean_spatial", "ReduceMean", image, rank=2, axes=[2, 3], keepdims=0)
    one("reduce_mean_channels", "ReduceMean", image, {"axes": ints(1)}, opset=18)
    channel = {"s": weight(2), "b": weight(2), "m": weight(2), "v": numpy.abs(weight(2)) + 0.5}
    one("batch_norm", "BatchNormalization", image, channel, opset=15, epsilon=0.01)
    one("gemm_scaled", "Gemm", [1, 4], {"w": weight(4, 3), "b": weight(1, 3)}, alpha=0.3, beta=0.7)
    one("gemm_left", "Gemm", [4, 3], {"w": weight(4, 2), "b": weight(2, 1)}, first=("w",), transA=1)
    one("gemm_transposed_rows", "Gemm", [4, 3], {"w": weight(2, 4), "b": weight(2)}, transA=1, transB=1)
    one("matmul_rows", "MatMul", [1, 3, 4], {"w": weight(4, 5)})
    one("matmul_vector", "MatMul", [1, 3, 4], {"w": weight(4)}, rank=2)
    one("matmul_left", "MatMul", [1, 4, 3], {"w": weight(2, 4)}, first=("w",))
    one("matmul_one_dimension", "MatMul", [4], {"w": weight(4, 3)})
    one("add_channels", "Add", image, {"c": weight(2, 1, 1)}, first=("c",))
    one("add_grows", "Add", [1, 3], {"c": weight(2, 3)})
    one("sub_from", "Sub", [1, 5], {"c": weight(5)}, first=("c",))
    one("mul_row", "Mul", image, {"c": weight(6)})
    one("div_scalar", "Div", image, {"c": numpy.float32(3)})
    one("flatten_axis", "Flatten", image, rank=2, axis=3)
    one("transpose_all", "Transpose", image, perm=[3, 2, 0, 1])
    one("transpose_default", "Transpose", [1, 3, 4])
    one("squeeze_operand", "Squeeze", [1, 3, 1, 2], {"axes": ints(2)}, rank=3)
    one("unsqueeze_attribute", "Unsqueeze", [1, 3], rank=4, opset=11, axes=[0, 3])
    one("slice_steps", "Slice", image, {"a": ints(1, -5), "b": ints(2**63 - 1, -1), "c": ints(2, 3), "d": ints(3, 2)})
    one("slice_attributes", "Slice", image, opset=9, starts=[1], ends=[2], axes=[1])
    one("gather_regular", "Gather", image, {"i": ints(1, 3, 5)}, axis=3)
    one("gather_one", "Gather", image, {"i": numpy.array(-1)}, rank=3, axis=1)
    one("gather_any", "Gather", [1, 6], {"i": ints(3, 0, 3, -1)}, axis=1)
    one("pad", "Pad", image, {"p": ints(0, 1, 2, 0, 0, 0, 1, 3)})
    one("expand", "Expand", [1, 3, 1], {"s": ints(2, 1, 4)})
    one("cast", "Cast", [1, 3], to=1)
    one("reduce_mean_all", "ReduceMean", [2, 3], rank=0, keepdims=0)
    save("split_and_concat", [1, 5], [
        node("Split", ["x", "s"], ["a", "b"], axis=1), node("Relu", ["a"], ["c"]),
        node("Concat", ["b", "c", "b"], ["y"], axis=-1)], {"s": ints(2, 3)}, 2)
    save("silu", [1, 5], [node("Sigmoid", ["x"], ["s"]), node("Mul", ["s", "x"], ["y"])], {}, 2)
    save("mish_parts", [1, 5], [
        node("Softplus", ["x"], ["p"]), node("Tanh", ["p"], ["t"]), node("Mul", ["x", "t"], ["y"])], {}, 2)
    save("gelu_parts", [1, 5], [
        node("Div", ["x", "r"], ["d"]), node("Erf", ["d"], ["e"]), node("Add", ["e", "one"], ["a"]),
        node("Mul", ["x", "a"], ["m"]), node("Mul", ["m", "half"], ["y"])],
        {"r": numpy.float32(2**0.5), "one": numpy.float32(1), "half": numpy.float32(0.5)}, 2)
    save("shape_gather_concat", ["N", 2, 3], [
        node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axes"], ["u"]), node("Concat", ["u", "minus"], ["c"], axis=0),
        node("Cast", ["c"], ["c64"], to=7), node("Reshape", ["x", "c64"], ["y"])],
        {"zero": numpy.array(0), "axes": ints(0), "minus": ints(-1)}, 2)
    save("computed_weight", ["N", 3], [
        node("Transpose", ["w"], ["t"]), node("Mul", ["t", "g"], ["m"]), node("Sqrt", ["v"], ["r"]),
        node("Div", ["m", "r"], ["d"]), node("Gemm", ["x", "d"], ["y"])],
        {"w": weight(4, 3), "g": weight(1, 4), "v": numpy.abs(weight(3, 1)) + 0.1}, 2)
    save("residual", [1, 2, 4], [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1]), node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[3], pads=[1, 1]), node("Sub", ["p", "x"], ["s"]),
        node("Add", ["s", "r"], ["y"])], {"w": weight(2, 2, 3)}, 3)
    save("tokens", [1, 4, 6], [
        node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "b"], ["c"]), node("Relu", ["c"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[0, 2, 1]), node("MatMul", ["t", "v"], ["m"]),
        node("ReduceMean", ["m"], ["y"], axes=[1], keepdims=0)],
        {"w": weight(6, 5), "b": weight(5), "v": weight(4, 3)}, 2)


if __name__ == "__main__":
    if sys.argv[1] == "--operators":
        operators(sys.argv[2])
        sys.exit()
    for model in sys.argv[2:]:
        try:
            record(model, sys.argv[1])
        except Exception as error:  # a model that onnxruntime refuses is not a reference
            print(f"{model}: {error}", file=sys.stderr)
