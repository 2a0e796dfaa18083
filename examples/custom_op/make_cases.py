#!/usr/bin/env python3
"""Writes cases/: small ONNX models of the two operators, inputs, and the outputs that numpy says they have.

Needs the Python packages onnx and numpy. The cases are stored, so that nobody needs this to build or to test.
"""

import math
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
DOMAIN = "com.example"


def gelu(x, approximate):
    x = x.astype(np.float64)
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def sparse_attention(q, k, v, threshold):
    """Softmax attention over the keys whose score is within `threshold` of the row's best; also how many they are."""
    scores = q.astype(np.float64) @ k.astype(np.float64).T / math.sqrt(q.shape[-1])
    kept = scores >= scores.max(axis=-1, keepdims=True) - threshold
    weights = np.where(kept, np.exp(scores - scores.max(axis=-1, keepdims=True)), 0)
    weights /= weights.sum(axis=-1, keepdims=True)
    pairs = np.argwhere(kept).astype(np.int64)
    return weights @ v.astype(np.float64), pairs


def write_case(name, graph, inputs, outputs):
    model = helper.make_model(
        graph,
        producer_name="custom_op",
        ir_version=10,
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(DOMAIN, 1)],
    )
    data = HERE / "cases" / name / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    onnx.save(model, data.parent / "model.onnx")
    for kind, arrays in (("input", inputs), ("output", outputs)):
        values = graph.input if kind == "input" else graph.output
        for i, (value, array) in enumerate(zip(values, arrays)):
            (data / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(array, value.name).SerializeToString())


def gelu_case(name, approximate):
    # Between operators of ai.onnx, with a dim that the file leaves open.
    x = np.random.default_rng(1).normal(0, 3, (3, 40)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "one"], ["shifted"], "add"),
            helper.make_node("CustomGelu", ["shifted"], ["activated"], "gelu", domain=DOMAIN, **approximate),
            helper.make_node("Mul", ["activated", "two"], ["y"], "mul"),
        ],
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 40])],
        [
            numpy_helper.from_array(np.array(1, np.float32), "one"),
            numpy_helper.from_array(np.array(2, np.float32), "two"),
        ],
    )
    y = 2 * gelu(x + np.float32(1), approximate.get("approximate", "none"))
    write_case(name, graph, [x], [y.astype(np.float32)])


def attention_case():
    random = np.random.default_rng(2)
    q, k, v = (random.normal(0, 1, shape).astype(np.float32) for shape in ((6, 8), (12, 8), (12, 4)))
    graph = helper.make_graph(
        [
            helper.make_node("CustomAttention", ["q", "k", "v"], ["out", "pairs"], "attention", domain=DOMAIN, threshold=1.5),
            helper.make_node("Shape", ["pairs"], ["pairs_shape"], "shape"),
        ],
        "custom_attention",
        [
            helper.make_tensor_value_info("q", TensorProto.FLOAT, ["T", 8]),
            helper.make_tensor_value_info("k", TensorProto.FLOAT, ["S", 8]),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, ["S", 4]),
        ],
        [
            helper.make_tensor_value_info("out", TensorProto.FLOAT, ["T", 4]),
            helper.make_tensor_value_info("pairs", TensorProto.INT64, ["P", 2]),
            helper.make_tensor_value_info("pairs_shape", TensorProto.INT64, [2]),
        ],
    )
    out, pairs = sparse_attention(q, k, v, 1.5)
    write_case("custom_attention", graph, [q, k, v], [out.astype(np.float32), pairs, np.array(pairs.shape, np.int64)])


if __name__ == "__main__":
    gelu_case("custom_gelu", {})
    gelu_case("custom_gelu_tanh", {"approximate": "tanh"})
    attention_case()
