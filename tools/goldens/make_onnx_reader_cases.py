#!/usr/bin/env python3
"""ONNX models and values for the reader's tests, and seeds for its fuzz target.

Usage: make_onnx_reader_cases.py OUTPUT_FOLDER CORPUS_FOLDER      (onnx 1.23 with ml_dtypes, onnxruntime 1.32)
  typed.onnx, raw.onnx   an initializer of every element type, in the typed fields and as raw data
  types.json             name: {dtype (this project's name), dims, hex or strings}, as onnx's own arrays have them
  external.onnx, .data   two initializers whose values lie in the second file
  functions.onnx         functions that call functions, with attributes, defaults, an If within
  functions.json         the operators that onnx's inliner leaves, sorted; inputs and outputs of ONNX Runtime
  *.pb, values.json      a value of each kind in a file of its own; what each holds
"""
import json
import pathlib
import shutil
import sys

import ml_dtypes
import numpy as np
import onnx
import onnx.inliner
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FLOATS = [0.0, -1.0, 2.5, 0.5, -6.0, 3.0]
TYPES = {
    "f32": (TensorProto.FLOAT, np.float32, FLOATS), "f64": (TensorProto.DOUBLE, np.float64, FLOATS),
    "f16": (TensorProto.FLOAT16, np.float16, FLOATS), "bf16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16, FLOATS),
    "f8e4m3fn": (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn, FLOATS),
    "f8e4m3fnuz": (TensorProto.FLOAT8E4M3FNUZ, ml_dtypes.float8_e4m3fnuz, FLOATS),
    "f8e5m2": (TensorProto.FLOAT8E5M2, ml_dtypes.float8_e5m2, FLOATS),
    "f8e5m2fnuz": (TensorProto.FLOAT8E5M2FNUZ, ml_dtypes.float8_e5m2fnuz, FLOATS),
    "f8e8m0": (TensorProto.FLOAT8E8M0, ml_dtypes.float8_e8m0fnu, [1.0, 2.0, 0.5, 4.0, 8.0, 0.25]),
    "f4e2m1": (TensorProto.FLOAT4E2M1, ml_dtypes.float4_e2m1fn, [0.0, -1.0, 2.0, 0.5, -6.0, 3.0, 1.5]),
    "i8": (TensorProto.INT8, np.int8, [0, -1, 127, -128, 5, 6]), "i16": (TensorProto.INT16, np.int16, [0, -1, 32767, -32768]),
    "i32": (TensorProto.INT32, np.int32, [0, -1, 2**31 - 1, -2**31]),
    "i64": (TensorProto.INT64, np.int64, [0, -1, 2**63 - 1, -2**63]),
    "u8": (TensorProto.UINT8, np.uint8, [0, 255]), "u16": (TensorProto.UINT16, np.uint16, [0, 65535]),
    "u32": (TensorProto.UINT32, np.uint32, [0, 2**32 - 1]), "u64": (TensorProto.UINT64, np.uint64, [0, 2**64 - 1]),
    "i4": (TensorProto.INT4, ml_dtypes.int4, [0, -1, 7, -8, 3]), "u4": (TensorProto.UINT4, ml_dtypes.uint4, [0, 1, 15, 8, 3]),
    "i2": (TensorProto.INT2, ml_dtypes.int2, [0, -1, 1, -2, 1]), "u2": (TensorProto.UINT2, ml_dtypes.uint2, [0, 1, 2, 3, 3]),
    "bool": (TensorProto.BOOL, np.bool_, [True, False, True]),
    "c64": (TensorProto.COMPLEX64, np.complex64, [1 + 2j, -0.5j]), "c128": (TensorProto.COMPLEX128, np.complex128, [1 + 2j, -0.5j]),
}
STRINGS = ["", "abc", "na\u00efve \u6f22"]


def save(model, path):
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def model_of(nodes, inputs, outputs, initializers=(), functions=(), opsets=(("", 21),)):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(*one) for one in opsets], ir_version=10,
                              functions=list(functions), producer_name="make_onnx_reader_cases")
    return model


def types(folder):
    raw, typed, expected = [], [], {}
    for name, (code, dtype, values) in TYPES.items():
        array = np.array(values).astype(dtype)
        tensor = numpy_helper.from_array(array, name)
        raw.append(tensor)
        typed.append(helper.make_tensor(name, code, array.shape, array))
        expected[name] = {"dtype": name, "dims": list(array.shape), "hex": tensor.raw_data.hex()}
        assert not typed[-1].HasField("raw_data") and tensor.data_type == code, name
    strings = helper.make_tensor("string", TensorProto.STRING, [3, 1], STRINGS)
    expected["string"] = {"dtype": "string", "dims": [3, 1], "strings": STRINGS}
    for name, tensors in (("raw", raw), ("typed", typed)):
        model = model_of([helper.make_node("Identity", ["f32"], ["y"])], [],
                         [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [*tensors, strings])
        model.ir_version = 14
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    (folder / "types.json").write_text(json.dumps(expected, indent=1) + "\n")


def external(folder):
    tensors = [numpy_helper.from_array(np.arange(3, dtype=np.float32), "a"),
               numpy_helper.from_array(np.arange(4, dtype=np.int64), "b")]
    model = model_of([helper.make_node("Identity", ["a"], ["y"]), helper.make_node("Identity", ["b"], ["z"])], [],
                     [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3]),
                      helper.make_tensor_value_info("z", TensorProto.INT64, [4])], tensors)
    (folder / "external.data").unlink(missing_ok=True)
    onnx.save_model(model, folder / "external.onnx", save_as_external_data=True, location="external.data",
                    size_threshold=0)


def functions(folder):
    """outer(x; scale, shift=1) = inner(x; alpha=scale) + shift when it is positive, else x."""
    def reference(node, name, attribute, kind):
        one = node.attribute.add()
        one.name, one.ref_attr_name, one.type = name, attribute, kind
        return node

    float_kind = onnx.AttributeProto.FLOAT
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    scale = reference(helper.make_node("Constant", [], ["scale"]), "value_float", "alpha", float_kind)
    inner = helper.make_function("own", "inner", ["x"], ["y"], [scale, helper.make_node("Mul", ["x", "scale"], ["y"])],
                                 opsets, ["alpha"])
    call = reference(helper.make_node("inner", ["x"], ["scaled"], domain="own"), "alpha", "scale", float_kind)
    shift = reference(helper.make_node("Constant", [], ["by"]), "value_float", "shift", float_kind)

    def branch(name, nodes):
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])

    nodes = [
        call, shift, helper.make_node("ReduceSum", ["scaled"], ["sum"], keepdims=0),
        helper.make_node("Constant", [], ["zero"], value_float=0.0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], then_branch=branch("shifted", [helper.make_node("Add", ["scaled", "by"], ["shifted"])]),
                         else_branch=branch("same", [helper.make_node("Identity", ["x"], ["same"])])),
    ]
    outer = helper.make_function("own", "outer", ["x"], ["y"], nodes, opsets, ["scale"],
                                 [helper.make_attribute("shift", 1.0)])
    main = [helper.make_node("outer", ["x"], ["a"], "first", domain="own", scale=2.0),
            helper.make_node("outer", ["a"], ["b"], "second", domain="own", scale=-3.0, shift=0.5)]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in "xab"]
    model = model_of(main, values[:1], values[1:], functions=[inner, outer], opsets=[("", 21), ("own", 1)])
    save(model, folder / "functions.onnx")

    def operators(graph):
        for node in graph.node:
            if node.op_type != "Constant":
                yield node.op_type
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    yield from operators(attribute.g)

    cases = []
    for x in ([1.0, 2.0, 3.0], [-1.0, 0.5, 0.0]):
        array = np.array(x, np.float32)
        a, b = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": array})
        cases.append({"x": x, "a": a.tolist(), "b": b.tolist()})
    inlined = onnx.inliner.inline_local_functions(model)
    content = {"operators": sorted(operators(inlined.graph)), "cases": cases}
    (folder / "functions.json").write_text(json.dumps(content, indent=1) + "\n")


def values(folder):
    a, b = np.array([1.5, 2.5], np.float32), np.array([[7]], np.int64)
    text = np.array(STRINGS, dtype=object)

    def tensor(array):
        proto = numpy_helper.from_array(array)
        if proto.data_type == TensorProto.STRING:
            return {"dtype": "string", "dims": list(array.shape), "strings": array.tolist()}
        name = next(n for n, (code, _, _) in TYPES.items() if code == proto.data_type)
        return {"dtype": name, "dims": list(array.shape), "hex": proto.raw_data.hex()}

    scalars = {3: np.float32(0.25), -1: np.float32(4.0)}
    cases = {
        "tensor": ("tensor", numpy_helper.from_array(a), tensor(a)),
        "strings": ("tensor", numpy_helper.from_array(text), tensor(text)),
        "sequence": ("sequence", numpy_helper.from_list([a, b]), [tensor(a), tensor(b)]),
        "empty_sequence": ("sequence", numpy_helper.from_list([]), []),
        "nested_sequence": ("sequence", numpy_helper.from_list([[a], [b, a]]), [[tensor(a)], [tensor(b), tensor(a)]]),
        "optional": ("optional", numpy_helper.from_optional(a), [tensor(a)]),
        "empty_optional": ("optional", numpy_helper.from_optional(None), []),
        "optional_sequence": ("optional", numpy_helper.from_optional([a]), [[tensor(a)]]),
        "map": ("map", numpy_helper.from_dict(scalars),
                [tensor(np.array(list(scalars), np.int64)), tensor(np.array(list(scalars.values())))]),
    }
    for name, (_, proto, _) in cases.items():
        (folder / f"{name}.pb").write_bytes(proto.SerializeToString())
    content = {name: {"kind": kind, "value": value} for name, (kind, _, value) in cases.items()}
    (folder / "values.json").write_text(json.dumps(content, indent=1) + "\n")


def main(folder, corpus):
    folder.mkdir(parents=True, exist_ok=True)
    corpus.mkdir(parents=True, exist_ok=True)
    for make in (types, external, functions, values):
        make(folder)
    for path in folder.iterdir():
        if path.suffix in (".onnx", ".pb"):
            shutil.copyfile(path, corpus / path.name)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
