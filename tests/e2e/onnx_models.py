"""Small ONNX models and values for tests of the command line, made with the package onnx (build/python, tools/setup dev)."""

import os
import sys

from cli import DATA

sys.path.insert(0, os.environ.get("OAG_PYTHON_PACKAGES", str(DATA.parent.parent / "build/python")))

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError:
    sys.exit("the package onnx is not here: tools/setup dev puts it into build/python")


def port(name, dtype, shape):
    return helper.make_tensor_value_info(name, dtype, shape)


def model_of(nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def identity(dtype, shape, name="x"):
    """A model that gives its input back as y."""
    return model_of([helper.make_node("Identity", [name], ["y"], name="same")], [port(name, dtype, shape)], [port("y", dtype, shape)])


def endless():
    """A loop that never ends by itself."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Add", ["v", "v"], ["v2"])], "body",
        [port("i", TensorProto.INT64, []), port("c", TensorProto.BOOL, []), port("v", TensorProto.FLOAT, [3])],
        [port("c2", TensorProto.BOOL, []), port("v2", TensorProto.FLOAT, [3])])
    true = numpy_helper.from_array(np.array(True), "true")
    return model_of([helper.make_node("Loop", ["", "true", "x"], ["y"], body=body)], [port("x", TensorProto.FLOAT, [3])], [port("y", TensorProto.FLOAT, [3])], [true])


def write_case(folder, model, data_sets):
    """Each data set is a pair of lists of arrays or messages: inputs and outputs."""
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    for n, values in enumerate(data_sets):
        data = folder / f"test_data_set_{n}"
        data.mkdir()
        for role, messages in zip(("input", "output"), values):
            for k, value in enumerate(messages):
                message = numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
                (data / f"{role}_{k}.pb").write_bytes(message.SerializeToString())
    return folder
