#!/usr/bin/env python3
"""Writes ONNX's own node test cases, as far as our operators take them, in the format of tests/data/op_cases.

usage: make_op_suite.py OUTPUT_DIR

The cases are those of onnx.backend.test (seeded by the package); expected
outputs are the package's. Left out: expanded duplicates, graphs of several nodes, element types other than those of
DTYPES, tensors of more than LIMIT values, older definitions of an operator.
"""
import collections
import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

LIMIT = 150
LIMITS = {"Attention": 600}  # its smallest cases with several heads have more
GROWN = {"Attention"}  # whose newer definitions only add to the older ones
OPS = set("""
    Abs Add And ArgMax ArgMin Attention Cast CastLike Ceil Clip Concat Constant ConstantOfShape Cos CumSum Div Elu Equal
    Erf Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm Greater GreaterOrEqual HardSigmoid
    HardSwish Identity IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max Mean Min
    Mod Mul Neg Not Or Pad Pow RMSNormalization Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape RotaryEmbedding Round
    ScatterElements ScatterND Shape Sigmoid Sign Sin Size Slice Softmax Softplus Split Sqrt Squeeze Sub Sum
    Swish Tan Tanh Tile TopK Transpose Trilu Unsqueeze Where Xor
""".split())
DTYPES = {
    onnx.TensorProto.FLOAT: "f32", onnx.TensorProto.DOUBLE: "f64", onnx.TensorProto.FLOAT16: "f16",
    onnx.TensorProto.BFLOAT16: "bf16", onnx.TensorProto.INT8: "i8", onnx.TensorProto.INT16: "i16",
    onnx.TensorProto.INT32: "i32", onnx.TensorProto.INT64: "i64", onnx.TensorProto.UINT8: "u8",
    onnx.TensorProto.UINT16: "u16", onnx.TensorProto.UINT32: "u32", onnx.TensorProto.UINT64: "u64",
    onnx.TensorProto.BOOL: "bool", onnx.TensorProto.FLOAT8E4M3FN: "f8e4m3fn",
    onnx.TensorProto.FLOAT8E4M3FNUZ: "f8e4m3fnuz", onnx.TensorProto.FLOAT8E5M2: "f8e5m2",
    onnx.TensorProto.FLOAT8E5M2FNUZ: "f8e5m2fnuz",
}


class Unsuited(Exception):
    pass


def number(value, is_float):
    if not is_float:
        return int(value)
    value = float(value)
    if np.isnan(value):
        return "nan"
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def tensor(value, limit=LIMIT):
    if isinstance(value, onnx.TensorProto):
        proto, array = value, numpy_helper.to_array(value)
    elif isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        proto = numpy_helper.from_array(array)
    else:
        raise Unsuited("no tensor")
    if proto.data_type not in DTYPES:
        raise Unsuited("element type")
    if array.size > limit:
        raise Unsuited("size")
    name = DTYPES[proto.data_type]
    # The shortest digits that give the stored value back.
    values = [str(v) for v in array.reshape(-1)] if "f" in name else array.reshape(-1).tolist()
    return {"dtype": name, "dims": list(array.shape), "data": [number(v, "f" in name) for v in values]}


def attribute(proto):
    value = helper.get_attribute_value(proto)
    kind = onnx.AttributeProto.AttributeType.Name(proto.type).lower()
    if kind == "string":
        return {"type": kind, "value": value.decode()}
    if kind == "float":
        return {"type": kind, "value": number(value, True)}
    if kind == "floats":
        return {"type": kind, "value": [number(v, True) for v in value]}
    if kind in ("int", "ints"):
        return {"type": kind, "value": value if kind == "int" else list(value)}
    if kind == "tensor":
        return {"type": kind, "value": tensor(value)}
    raise Unsuited("attribute")


def convert(case):
    graph = case.model.graph
    if len(graph.node) != 1 or graph.node[0].op_type not in OPS or graph.node[0].domain not in ("", "ai.onnx"):
        raise Unsuited("operator")
    node = graph.node[0]
    inputs, outputs = case.data_sets[0]
    by_name = dict(zip([i.name for i in graph.input], inputs))
    made = dict(zip([o.name for o in graph.output], outputs))
    newest = onnx.defs.get_schema(node.op_type).since_version
    used = next(o.version for o in case.model.opset_import if o.domain in ("", "ai.onnx"))
    if node.op_type not in GROWN and used < newest and onnx.defs.get_schema(node.op_type, used).since_version < newest:
        raise Unsuited("older definition")
    if any(not name for name in node.output):
        raise Unsuited("left-out output")
    limit = LIMITS.get(node.op_type, LIMIT)
    is_bf16 = any(isinstance(v, np.ndarray) and str(v.dtype) == "bfloat16" for v in outputs)
    return node.op_type, {
        "name": case.name.removeprefix("test_"),
        "attributes": {a.name: attribute(a) for a in node.attribute},
        "inputs": [tensor(by_name[name], limit) if name else None for name in node.input],
        "outputs": [tensor(made[name], limit) for name in node.output],
        "rtol": max(case.rtol, 2.0**-6 if is_bf16 else 0.0), "atol": case.atol,
    }


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    cases, left_out = collections.defaultdict(list), collections.Counter()
    for case in sorted(collect_testcases(), key=lambda c: c.name):
        if case.name.endswith("_expanded") or "_expanded_" in case.name:
            continue
        try:
            op, converted = convert(case)
            cases[op].append(converted)
        except Unsuited as reason:
            left_out[str(reason)] += 1
    for op, items in sorted(cases.items()):
        lines = ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)
        head = json.dumps({"op": op, "onnx": onnx.__version__}, separators=(",", ":"))[:-1]
        (out / f"{op}.json").write_text(f'{head},"cases":[\n{lines}\n]}}\n')
    print({op: len(items) for op, items in cases.items()}, sum(map(len, cases.values())), dict(left_out))


if __name__ == "__main__":
    main()
