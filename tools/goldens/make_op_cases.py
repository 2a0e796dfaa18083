#!/usr/bin/env python3
"""Small operator cases with outputs of onnx.reference.ReferenceEvaluator, one JSON file per operator.

Every case is checked by onnx.checker with strict shape inference, and its outputs against a second
evaluation written here in numpy float64; a case on which the two disagree stops the script. OUT/README.md
describes the format.
Usage: make_op_cases.py OUT
"""

import argparse
import json
import math
import os

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

OPSET = onnx.defs.onnx_opset_version()
DTYPES = {
    "f32": np.float32,
    "f64": np.float64,
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "f8e4m3fn": ml_dtypes.float8_e4m3fn,
    "f8e5m2": ml_dtypes.float8_e5m2,
    "i8": np.int8,
    "u8": np.uint8,
    "i32": np.int32,
    "i64": np.int64,
    "bool": np.bool_,
}
NAMES = {np.dtype(v): k for k, v in DTYPES.items()}
FLOATS = ("f32", "f64", "f16", "bf16", "f8e4m3fn", "f8e5m2")
EXACT, CLOSE, SUMS, HALF = (0.0, 0.0), (2e-6, 1e-7), (1e-5, 1e-6), (2e-3, 1e-4)
I64_MAX, I64_MIN = 2**63 - 1, -(2**63)

rng = np.random.default_rng(20)


# ---- inputs ----


def f32(*dims, scale=1.0, dtype="f32"):
    """Normal values with three decimals: short to print, exact in float32 all the same."""
    return np.round(rng.standard_normal(dims) * scale, 3).astype(DTYPES[dtype])


def positive(*dims, dtype="f32"):
    return np.round(rng.uniform(0.1, 4.0, dims), 3).astype(DTYPES[dtype])


def ints(*dims, low=-9, high=10, dtype="i64"):
    return rng.integers(low, high, dims).astype(DTYPES[dtype])


def bools(*dims):
    return rng.integers(0, 2, dims).astype(np.bool_)


def arr(values, dtype="f32"):
    return np.array(values, dtype=DTYPES[dtype])


def i64(*values):
    return np.array(values, dtype=np.int64)


# ---- second evaluation: attributes and float64 (or integer) inputs in, outputs out ----


def erf(x):
    return np.vectorize(math.erf, otypes=[np.float64])(x) if x.size else x


def gelu(a, x):
    if a.get("approximate", "none") == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def divide(a, x, y):
    return np.trunc(x / y).astype(x.dtype) if np.issubdtype(x.dtype, np.integer) else x / y


def softmax(a, x):
    e = np.exp(x - x.max(axis=a.get("axis", -1), keepdims=True))
    return e / e.sum(axis=a.get("axis", -1), keepdims=True)


def gemm(a, x, y, c=None):
    out = a.get("alpha", 1.0) * ((x.T if a.get("transA") else x) @ (y.T if a.get("transB") else y))
    return out if c is None else out + a.get("beta", 1.0) * c


def reshape(a, x, shape):
    dims = [x.shape[i] if d == 0 and not a.get("allowzero") else int(d) for i, d in enumerate(shape)]
    return x.reshape(dims)


def unsqueeze(a, x, axes):
    rank = x.ndim + len(axes)
    for axis in sorted(int(d) % rank for d in axes):
        x = np.expand_dims(x, axis)
    return x


def squeeze(a, x, axes=None):
    return np.squeeze(x, None if axes is None else tuple(int(d) for d in axes))


def split(a, x, sizes=None):
    axis = a.get("axis", 0)
    if sizes is None:
        n = a["num_outputs"]
        chunk = -(-x.shape[axis] // n)
        sizes = [chunk] * (n - 1) + [x.shape[axis] - chunk * (n - 1)]
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


def slice_(a, x, starts, ends, axes=None, steps=None):
    """Indices are picked one by one, by the rule of the operator's text."""
    axes = range(len(starts)) if axes is None else [int(d) % x.ndim for d in axes]
    steps = [1] * len(starts) if steps is None else steps
    for axis, start, end, step in zip(axes, starts, ends, steps):
        n, start, end, step = x.shape[axis], int(start), int(end), int(step)
        start, end = start + n * (start < 0), end + n * (end < 0)
        if step > 0:
            picks = range(min(max(start, 0), n), min(max(end, 0), n), step)
        else:
            picks = range(min(max(start, 0), n - 1), min(max(end, -1), n - 1), step)
        x = np.take(x, np.array(picks, dtype=np.int64), axis=axis)
    return x


def reducer(function):
    def reduce(a, x, axes=None):
        if axes is None or len(axes) == 0:
            if a.get("noop_with_empty_axes", 0):
                return x
            axes = range(x.ndim)
        return function(x, axis=tuple(int(d) for d in axes), keepdims=bool(a.get("keepdims", 1)))

    return reduce


def argmax(a, x):
    axis = a.get("axis", 0)
    best = x.max(axis=axis, keepdims=True)
    where = np.nonzero(np.moveaxis(x == best, axis, -1))
    shape = np.moveaxis(x, axis, -1).shape[:-1]
    out = np.full(shape, -1, dtype=np.int64)
    for *at, index in zip(*where):
        if out[tuple(at)] < 0 or a.get("select_last_index"):
            out[tuple(at)] = index
    return np.expand_dims(out, axis) if a.get("keepdims", 1) else out


def cumsum(a, x, axis):
    axis = int(axis)
    x = np.flip(x, axis) if a.get("reverse") else x
    out = np.cumsum(x, axis=axis) - (x if a.get("exclusive") else 0)
    return np.flip(out, axis) if a.get("reverse") else out


def rms_norm(a, x, scale):
    axes = tuple(range(a.get("axis", -1) % x.ndim, x.ndim))
    return x / np.sqrt(np.mean(x * x, axis=axes, keepdims=True) + a.get("epsilon", 1e-5)) * scale


def layer_norm(a, x, scale, bias=None):
    axes = tuple(range(a.get("axis", -1) % x.ndim, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    inv = 1 / np.sqrt(np.mean((x - mean) ** 2, axis=axes, keepdims=True) + a.get("epsilon", 1e-5))
    return (x - mean) * inv * scale + (0 if bias is None else bias), mean, inv


def rotary(a, x, cos, sin, position_ids=None):
    """Pair by pair, in heads-last-but-one order [batch, sequence, heads, size]."""
    flat = x.ndim == 3
    y = (x.reshape(*x.shape[:2], a["num_heads"], -1) if flat else x.transpose(0, 2, 1, 3)).copy()
    if position_ids is not None:
        cos, sin = cos[position_ids], sin[position_ids]
    half = (a.get("rotary_embedding_dim", 0) or y.shape[-1]) // 2
    for j in range(half):
        p, q = (2 * j, 2 * j + 1) if a.get("interleaved") else (j, j + half)
        c, s = cos[:, :, None, j], sin[:, :, None, j]
        y[..., p], y[..., q] = y[..., p] * c - y[..., q] * s, y[..., q] * c + y[..., p] * s
    return y.reshape(x.shape) if flat else y.transpose(0, 2, 1, 3)


def clip(a, x, low=None, high=None):
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def shape(a, x):
    return np.array(x.shape, dtype=np.int64)[a.get("start", 0) : a.get("end", None)]


def constant(a):
    return np.asarray(next(iter(a.values())))


SECOND = {
    "Add": lambda a, x, y: x + y,
    "Sub": lambda a, x, y: x - y,
    "Mul": lambda a, x, y: x * y,
    "Div": divide,
    "Pow": lambda a, x, y: np.power(x.astype(np.float64), y),
    "Max": lambda a, *x: np.maximum.reduce(np.broadcast_arrays(*x)),
    "Min": lambda a, *x: np.minimum.reduce(np.broadcast_arrays(*x)),
    "Neg": lambda a, x: -x,
    "Sqrt": lambda a, x: np.sqrt(x),
    "Reciprocal": lambda a, x: 1 / x,
    "Exp": lambda a, x: np.exp(x),
    "Sin": lambda a, x: np.sin(x),
    "Cos": lambda a, x: np.cos(x),
    "Sigmoid": lambda a, x: 1 / (1 + np.exp(-x)),
    "Tanh": lambda a, x: np.tanh(x),
    "Relu": lambda a, x: np.maximum(x, 0),
    "Erf": lambda a, x: erf(x),
    "Gelu": gelu,
    "Swish": lambda a, x: x / (1 + np.exp(-a.get("alpha", 1.0) * x)),
    "Softmax": softmax,
    "MatMul": lambda a, x, y: x @ y,
    "Gemm": gemm,
    "Reshape": reshape,
    "Transpose": lambda a, x: x.transpose(a.get("perm")),
    "Unsqueeze": unsqueeze,
    "Squeeze": squeeze,
    "Concat": lambda a, *x: np.concatenate(x, axis=a["axis"]),
    "Split": split,
    "Slice": slice_,
    "Expand": lambda a, x, dims: x * np.ones(dims, dtype=x.dtype),
    "Where": lambda a, c, x, y: np.where(c, x, y),
    "ReduceSum": reducer(np.sum),
    "ReduceMean": reducer(np.mean),
    "ReduceMax": reducer(np.max),
    "ArgMax": argmax,
    "RMSNormalization": rms_norm,
    "LayerNormalization": layer_norm,
    "RotaryEmbedding": rotary,
    "Identity": lambda a, x: x,
    "Constant": constant,
    "Shape": shape,
    "Equal": lambda a, x, y: x == y,
    "Less": lambda a, x, y: x < y,
    "Greater": lambda a, x, y: x > y,
    "And": lambda a, x, y: x & y,
    "Not": lambda a, x: ~x,
    "Range": lambda a, lo, hi, step: lo + step * np.arange(max(0, math.ceil((hi - lo) / step))),
    "ConstantOfShape": lambda a, dims: np.full(
        tuple(dims), a["value"].ravel()[0] if "value" in a else np.float32(0)
    ),
    "CumSum": cumsum,
    "Clip": clip,
    "Gather": lambda a, x, i: np.take(x, i, axis=a.get("axis", 0)),
    "Cast": lambda a, x: x,
}


# ---- one case ----


def printed(value, dtype):
    """A JSON value that reads back, as a double rounded to the type, to exactly the same bits."""
    if dtype == "bool" or dtype not in FLOATS:
        return int(value)
    x = float(value)
    if not math.isfinite(x):
        return "nan" if math.isnan(x) else "inf" if x > 0 else "-inf"
    if dtype == "f64":
        return x
    short = float(str(np.float32(value)))
    assert DTYPES[dtype](short) == value
    return short


def tensor_json(array):
    dtype = NAMES[array.dtype]
    return {"dtype": dtype, "dims": list(array.shape), "data": [printed(v, dtype) for v in array.ravel()]}


def attribute_json(value):
    if isinstance(value, np.ndarray):
        return {"type": "tensor", "value": tensor_json(value)}
    if isinstance(value, (list, tuple)):
        kind = "floats" if any(isinstance(v, float) for v in value) else "ints"
        return {"type": kind, "value": list(value)}
    if isinstance(value, float):
        return {"type": "float", "value": printed(np.float32(value), "f32")}
    return {"type": "string" if isinstance(value, str) else "int", "value": value}


def element_type(array):
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def tensor_proto(array):
    return onnx.numpy_helper.from_array(array)


def run_reference(op, attributes, inputs, outputs):
    names = ["" if x is None else f"i{k}" for k, x in enumerate(inputs)]
    protos = {k: tensor_proto(v) if isinstance(v, np.ndarray) else v for k, v in attributes.items()}
    node = helper.make_node(op, names, [f"o{k}" for k in range(outputs)], **protos)
    infos = [helper.make_tensor_value_info(n, element_type(x), x.shape) for n, x in zip(names, inputs) if n]
    outs = [helper.make_empty_tensor_value_info(f"o{k}") for k in range(outputs)]
    graph = helper.make_graph([node], op, infos, outs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    onnx.checker.check_node(node, onnx.checker.DEFAULT_CONTEXT)
    feeds = {n: x for n, x in zip(names, inputs) if n}
    results = [np.asarray(r) for r in ReferenceEvaluator(model).run(None, feeds)]
    for info, result in zip(inferred.graph.output, results):
        kind = info.type.tensor_type.elem_type
        assert kind in (0, element_type(result)), (op, info.name, "type", kind, result.dtype)
    return results


def widen(x):
    return x.astype(np.float64) if x is not None and NAMES[x.dtype] in FLOATS else x


def check(op, name, attributes, inputs, results, tolerance):
    exact = {k: float(np.float32(v)) if isinstance(v, float) else v for k, v in attributes.items()}
    with np.errstate(all="ignore"):
        second = SECOND[op](exact, *[widen(x) for x in inputs])
        second = second if isinstance(second, tuple) else (second,)
        for mine, theirs in zip(second, results):
            assert tuple(np.shape(mine)) == theirs.shape, (op, name, np.shape(mine), theirs.shape)
            if op == "Cast":
                continue
            mine = (
                np.asarray(mine).astype(np.float64).astype(theirs.dtype)
            )  # rounding to the type, infinities too
            np.testing.assert_allclose(
                widen(theirs), widen(mine), rtol=tolerance[0], atol=tolerance[1], err_msg=f"{op} {name}"
            )


class Book:
    def __init__(self):
        self.operators = {}

    def add(self, op, name, inputs, tolerance=EXACT, outputs=1, **attributes):
        """`tolerance`: (relative, absolute), granted by the test to each value of each output."""
        results = run_reference(op, attributes, inputs, outputs)
        check(op, name, attributes, inputs, results, tolerance)
        cases = self.operators.setdefault(op, [])
        assert name not in [c["name"] for c in cases], (op, name)
        cases.append(
            {
                "name": name,
                "attributes": {k: attribute_json(v) for k, v in attributes.items()},
                "inputs": [None if x is None else tensor_json(x) for x in inputs],
                "outputs": [tensor_json(r) for r in results],
                "rtol": tolerance[0],
                "atol": tolerance[1],
            }
        )


# ---- the cases ----


def elementwise(book):
    inf = np.inf
    special = {
        "Sqrt": [0.0, -0.0, inf, -1.0, 1e-30, 3e38],
        "Reciprocal": [0.0, -0.0, inf, -inf, 1e-30, 2.0],
        "Exp": [0.0, -0.0, inf, -inf, 89.0, -200.0, 88.0, -80.0],
        "Tanh": [0.0, inf, -inf, 20.0, -20.0, 1e-6],
        "Sigmoid": [0.0, inf, -inf, 100.0, -80.0, 17.0],
        "Erf": [0.0, inf, -inf, 4.0, -4.0, 1e-6, 0.9, 1.1],
        "Relu": [0.0, inf, -inf, 1e-30, -1e-30],
        "Neg": [0.0, -0.0, inf, -inf, 3e38],
        "Sin": [0.0, 3.1415927, 100.5, -1000.25, 10000.5, 65535.0],
        "Cos": [0.0, 3.1415927, 100.5, -1000.25, 10000.5, 65535.0],
        "Gelu": [0.0, 10.0, -10.0, 1e-6, 40.0],
        "Swish": [0.0, 80.0, -80.0, 1e-6, 30.0],
        "Identity": [inf, -inf, np.nan, -0.0],
    }
    loose = {
        "Erf": (2e-6, 2e-7),
        "Gelu": (5e-6, 5e-7),
        "Swish": (5e-6, 5e-7),
        "Tanh": (5e-6, 1e-7),
        "Sigmoid": (5e-6, 1e-7),
        "Sin": (2e-6, 3e-7),
        "Cos": (2e-6, 3e-7),
        "Exp": (5e-6, 1e-37),
        "Neg": EXACT,
        "Relu": EXACT,
        "Identity": EXACT,
    }
    for op in (
        "Neg",
        "Sqrt",
        "Reciprocal",
        "Exp",
        "Sin",
        "Cos",
        "Sigmoid",
        "Tanh",
        "Relu",
        "Erf",
        "Gelu",
        "Swish",
        "Identity",
    ):
        make = positive if op in ("Sqrt", "Reciprocal") else f32
        tolerance = loose.get(op, CLOSE)
        half = EXACT if tolerance == EXACT else HALF
        book.add(op, "vector_37", [make(37)], tolerance)
        book.add(op, "rank3", [make(2, 3, 5)], tolerance)
        book.add(op, "scalar", [make()], tolerance)
        book.add(op, "empty", [make(0, 3)], tolerance)
        book.add(op, "special_values", [arr(special[op])], tolerance)
        if op != "Erf":
            book.add(op, "f16", [make(9, dtype="f16")], half)
    book.add("Neg", "i64", [arr([0, 5, -7, I64_MAX], "i64")])
    book.add("Relu", "i32", [ints(6, dtype="i32")])
    book.add("Identity", "bool", [bools(2, 3)])
    book.add("Gelu", "tanh", [f32(3, 7, scale=2.0)], loose["Gelu"], approximate="tanh")
    book.add("Swish", "alpha", [f32(3, 7, scale=2.0)], loose["Swish"], alpha=1.702)

    for op in ("Add", "Sub", "Mul", "Div"):
        other = positive if op == "Div" else f32
        book.add(op, "same_shape_37", [f32(37), other(37)], CLOSE)
        book.add(op, "row", [f32(3, 5), other(5)], CLOSE)
        book.add(op, "both_broadcast", [f32(2, 1, 4), other(3, 1)], CLOSE)
        book.add(op, "scalar", [f32(2, 3), other()], CLOSE)
        book.add(op, "f16", [f32(2, 5, dtype="f16"), other(2, 5, dtype="f16")], HALF)
        book.add(op, "empty", [f32(2, 0), other(1)], CLOSE)
    book.add("Add", "i64", [ints(2, 3), ints(3)])
    book.add("Sub", "i32", [ints(4, dtype="i32"), ints(4, dtype="i32")])
    book.add("Mul", "i64", [ints(2, 3), ints(1, 3)])
    book.add("Div", "i64_positive", [arr([7, 8, 9, 100], "i64"), arr([2, 3, 9, 7], "i64")])
    book.add("Div", "i64_truncates", [arr([7, -7, 7, -7, -1, 6], "i64"), arr([2, 2, -2, -2, 5, -3], "i64")])
    book.add("Div", "by_zero", [arr([1.0, -1.0, 0.0]), arr([0.0, 0.0, 0.0])], CLOSE)

    book.add("Pow", "square", [f32(3, 5), arr(2.0)], CLOSE)
    book.add("Pow", "cube", [f32(7), arr([3.0])], CLOSE)
    book.add("Pow", "elementwise", [positive(2, 4), f32(2, 4)], (1e-5, 1e-7))
    book.add("Pow", "i64_exponent", [f32(5), arr(3, "i64")], CLOSE)
    book.add("Pow", "half_power", [positive(6), arr(-0.5)], CLOSE)
    book.add("Pow", "i64", [arr([1, 2, -3, 4], "i64"), arr([5, 10, 3, 0], "i64")])
    for op in ("Max", "Min"):
        book.add(op, "two", [f32(3, 4), f32(4)])
        book.add(op, "one", [f32(5)])
        book.add(op, "three", [f32(2, 1, 3), f32(2, 1), f32()])
        book.add(op, "i64", [ints(6), ints(6)])
        book.add(op, "infinite", [arr([-inf, inf, 0.0]), arr([1.0, 1.0, -inf])])

    book.add("Clip", "both", [f32(3, 5, scale=3.0), arr(-1.0), arr(1.5)])
    book.add("Clip", "low_only", [f32(9), arr(0.0)])
    book.add("Clip", "high_only", [f32(9), None, arr(0.25)])
    book.add("Clip", "neither", [f32(4)])
    book.add("Clip", "i64", [ints(8), arr(-3, "i64"), arr(4, "i64")])


def logic(book):
    for op in ("Equal", "Less", "Greater"):
        book.add(op, "f32", [arr([1.0, 2.0, -0.0, np.inf, np.nan]), arr([1.0, 1.5, 0.0, np.inf, np.nan])])
        book.add(op, "i64_broadcast", [ints(3, 1), ints(4)])
        book.add(op, "i32_scalar", [ints(6, dtype="i32"), arr(0, "i32")])
        book.add(op, "causal_mask", [np.arange(4, dtype=np.int64)[:, None], np.arange(4, dtype=np.int64)])
    book.add("Equal", "bool", [bools(6), bools(6)])
    book.add("And", "same_shape", [bools(2, 5), bools(2, 5)])
    book.add("And", "broadcast", [bools(3, 1), bools(4)])
    book.add("And", "scalar", [bools(5), np.array(True)])
    book.add("Not", "rank2", [bools(3, 4)])
    book.add("Not", "scalar", [np.array(False)])
    book.add("Not", "empty", [bools(0)])
    book.add("Where", "same_shape", [bools(2, 4), f32(2, 4), f32(2, 4)])
    book.add(
        "Where", "mask_with_minus_inf", [np.tril(np.ones((4, 4), dtype=np.bool_)), f32(4, 4), arr(-np.inf)]
    )
    book.add("Where", "all_broadcast", [bools(2, 1, 1), f32(3, 1), f32(4)])
    book.add("Where", "i64", [bools(5), ints(5), ints(1)])
    cast = lambda name, x, to, **more: book.add("Cast", name, [x], to=to, **more)
    edge = arr(
        [0.0, -0.0, 1.0, 1.0009765625, 1.00048828125, 65504.0, 65519.0, 65520.0, -1e6, 6e-8, 1e-9, 3.14159265]
    )
    cast("f32_to_f16", edge, TensorProto.FLOAT16)
    cast(
        "f32_to_bf16",
        arr([0.0, 1.0, 1.00390625, 1.01171875, -3.14159265, 1e30, 65280.0, np.inf]),
        TensorProto.BFLOAT16,
    )
    cast("f16_to_f32", edge.clip(-60000, 60000).astype(np.float16), TensorProto.FLOAT)
    cast("bf16_to_f32", f32(8, dtype="bf16"), TensorProto.FLOAT)
    cast("f32_to_i64_truncates", arr([1.9, -1.9, 0.5, -0.5, 100000.7, 0.0]), TensorProto.INT64)
    cast("f32_to_i32", arr([[2.5, -2.5], [1e9, -1e9]]), TensorProto.INT32)
    cast("i64_to_f32", arr([0, -1, 16777217, I64_MAX, I64_MIN], "i64"), TensorProto.FLOAT)
    cast("i64_to_i32", arr([0, -5, 2147483647, -2147483648], "i64"), TensorProto.INT32)
    cast("f32_to_bool", arr([0.0, -0.0, 0.1, -2.0, np.inf]), TensorProto.BOOL)
    cast("bool_to_f32", bools(2, 3), TensorProto.FLOAT)
    cast("bool_to_i64", bools(4), TensorProto.INT64)
    cast("f32_to_u8", arr([0.0, 1.7, 254.9, 255.0]), TensorProto.UINT8)
    cast("f64_to_f32", f32(5, dtype="f64") / 3, TensorProto.FLOAT)
    cast(
        "f32_to_f8e4m3fn",
        arr([0.0, 1.0, 0.3, -17.0, 447.0, 500.0, 1e6, -1e6, 0.002]),
        TensorProto.FLOAT8E4M3FN,
        saturate=1,
    )


def linear_algebra(book):
    book.add("MatMul", "plain", [f32(3, 37), f32(37, 5)], SUMS)
    book.add("MatMul", "batched", [f32(2, 3, 4, 5), f32(2, 3, 5, 6)], SUMS)
    book.add("MatMul", "batch_broadcast", [f32(2, 1, 3, 4), f32(3, 4, 2)], SUMS)
    book.add("MatMul", "shared_weight", [f32(2, 3, 8), f32(8, 7)], SUMS)
    book.add("MatMul", "vector_matrix", [f32(6), f32(6, 4)], SUMS)
    book.add("MatMul", "matrix_vector", [f32(4, 6), f32(6)], SUMS)
    book.add("MatMul", "vectors", [f32(9), f32(9)], SUMS)
    book.add("MatMul", "empty_k", [f32(2, 0), f32(0, 3)], SUMS)
    book.add("Gemm", "plain", [f32(4, 5), f32(5, 3)], SUMS)
    book.add("Gemm", "trans_b_bias", [f32(4, 5), f32(3, 5), f32(3)], SUMS, transB=1)
    book.add("Gemm", "trans_a", [f32(5, 4), f32(5, 3), f32(4, 3)], SUMS, transA=1)
    book.add(
        "Gemm",
        "trans_both_scaled",
        [f32(5, 4), f32(3, 5), f32(4, 1)],
        SUMS,
        transA=1,
        transB=1,
        alpha=0.5,
        beta=2.0,
    )
    book.add("Gemm", "scalar_c", [f32(2, 3), f32(3, 4), f32()], SUMS, beta=0.25)
    for name, x in (
        ("rows", f32(3, 7)),
        ("large_values", arr([[1000.0, 1001.0, 999.0], [-1000.0, -1000.0, -1001.0]])),
        ("masked", arr([[0.5, -np.inf, -np.inf], [0.1, 0.2, -np.inf], [0.3, 0.2, 0.1]])),
        ("one_wide", f32(3, 1)),
        ("vector_37", f32(37, scale=4.0)),
    ):
        book.add("Softmax", name, [x], SUMS)
    book.add("Softmax", "axis_0", [f32(4, 3)], SUMS, axis=0)
    book.add("Softmax", "axis_1_of_4", [f32(2, 3, 2, 2)], SUMS, axis=1)
    book.add("RMSNormalization", "last_axis", [f32(3, 8), f32(8)], SUMS, epsilon=1e-5)
    book.add("RMSNormalization", "rank3_37", [f32(2, 2, 37), f32(37)], SUMS, epsilon=1e-6)
    book.add("RMSNormalization", "two_axes", [f32(2, 3, 4), f32(3, 4)], SUMS, axis=1)
    book.add("RMSNormalization", "small_values", [f32(2, 6, scale=1e-2), f32(6)], SUMS, axis=-1, epsilon=1e-3)
    book.add("RMSNormalization", "zeros", [np.zeros((1, 5), np.float32), f32(5)], SUMS)
    book.add("LayerNormalization", "last_axis", [f32(3, 8), f32(8), f32(8)], SUMS, epsilon=1e-5)
    book.add("LayerNormalization", "no_bias", [f32(2, 2, 37), f32(37)], SUMS, epsilon=1e-6)
    book.add("LayerNormalization", "two_axes", [f32(2, 3, 4), f32(3, 4), f32(3, 4)], SUMS, axis=1)
    book.add("LayerNormalization", "three_outputs", [f32(2, 3, 6), f32(6), f32(6)], SUMS, outputs=3, axis=-1)
    book.add(
        "LayerNormalization", "far_from_zero", [f32(2, 16) + np.float32(100), f32(16), f32(16)], (1e-3, 1e-4)
    )


def rotary_cases(book):
    def tables(rows, half):
        angle = np.arange(rows)[:, None] * 100.0 ** (-np.arange(half) / half)
        return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)

    positions = np.array([[0, 1, 2], [5, 3, 7]], dtype=np.int64)
    for interleaved in (0, 1):
        tag = "interleaved" if interleaved else "halves"
        cos, sin = tables(8, 4)
        book.add(
            "RotaryEmbedding",
            f"{tag}_4d_positions",
            [f32(2, 2, 3, 8), cos, sin, positions],
            SUMS,
            interleaved=interleaved,
        )
        book.add(
            "RotaryEmbedding",
            f"{tag}_4d_per_batch_tables",
            [f32(2, 2, 3, 8), cos[positions], sin[positions]],
            SUMS,
            interleaved=interleaved,
        )
        book.add(
            "RotaryEmbedding",
            f"{tag}_3d_positions",
            [f32(2, 3, 24), cos, sin, positions],
            SUMS,
            interleaved=interleaved,
            num_heads=3,
        )
        book.add(
            "RotaryEmbedding",
            f"{tag}_3d_per_batch_tables",
            [f32(2, 3, 16), cos[positions], sin[positions]],
            SUMS,
            interleaved=interleaved,
            num_heads=2,
        )
        cos, sin = tables(8, 2)
        book.add(
            "RotaryEmbedding",
            f"{tag}_partial_4d",
            [f32(2, 2, 3, 8), cos, sin, positions],
            SUMS,
            interleaved=interleaved,
            rotary_embedding_dim=4,
        )
        book.add(
            "RotaryEmbedding",
            f"{tag}_partial_3d",
            [f32(2, 3, 12), cos[positions], sin[positions]],
            SUMS,
            interleaved=interleaved,
            num_heads=2,
            rotary_embedding_dim=4,
        )


def shapes(book):
    book.add("Reshape", "plain", [f32(2, 6), i64(3, 4)])
    book.add("Reshape", "infer", [f32(2, 3, 4), i64(-1, 4)])
    book.add("Reshape", "copy_dim", [f32(2, 3, 4), i64(0, 0, 2, -1)])
    book.add("Reshape", "to_scalar", [f32(1), np.zeros(0, np.int64)])
    book.add("Reshape", "allow_zero", [f32(0, 3), i64(3, 0)], allowzero=1)
    book.add("Reshape", "i64", [ints(4), i64(2, 2)])
    book.add("Transpose", "default", [f32(2, 3, 4)])
    book.add("Transpose", "heads", [f32(2, 3, 2, 4)], perm=[0, 2, 1, 3])
    book.add("Transpose", "matrix", [f32(5, 7)], perm=[1, 0])
    book.add("Transpose", "rotate_axes", [ints(2, 3, 4)], perm=[2, 0, 1])
    book.add("Transpose", "same_order", [f32(2, 3)], perm=[0, 1])
    book.add("Unsqueeze", "front", [f32(3, 4), i64(0)])
    book.add("Unsqueeze", "two", [f32(3, 4), i64(1, 3)])
    book.add("Unsqueeze", "negative", [f32(3), i64(-1, 0)])
    book.add("Unsqueeze", "scalar", [ints(), i64(0)])
    book.add("Squeeze", "all", [f32(1, 3, 1, 2)])
    book.add("Squeeze", "chosen", [f32(1, 3, 1, 2), i64(2)])
    book.add("Squeeze", "negative", [f32(1, 3, 1), i64(-1, 0)])
    book.add("Concat", "axis_0", [f32(2, 3), f32(1, 3)], axis=0)
    book.add("Concat", "last", [f32(2, 3), f32(2, 1), f32(2, 4)], axis=-1)
    book.add("Concat", "middle", [f32(2, 2, 2), f32(2, 3, 2)], axis=1)
    book.add("Concat", "one", [ints(3)], axis=0)
    book.add("Concat", "with_empty", [f32(0, 3), f32(2, 3)], axis=0)
    book.add("Split", "equal", [f32(2, 6)], outputs=3, axis=1, num_outputs=3)
    book.add("Split", "uneven", [f32(7, 2)], outputs=3, axis=0, num_outputs=3)
    book.add("Split", "sizes", [f32(2, 7), i64(4, 1, 2)], outputs=3, axis=-1)
    book.add("Split", "empty_part", [f32(3), i64(0, 3)], outputs=2)
    book.add("Slice", "plain", [f32(5, 6), i64(1, 2), i64(4, 5)])
    book.add("Slice", "axes", [f32(2, 3, 6), i64(1), i64(I64_MAX), i64(2)])
    book.add("Slice", "negative_ends", [f32(4, 5), i64(-3), i64(-1), i64(1)])
    book.add("Slice", "step_2", [f32(3, 7), i64(0), i64(7), i64(-1), i64(2)])
    book.add("Slice", "reverse", [f32(2, 5), i64(-1), i64(I64_MIN), i64(1), i64(-1)])
    book.add("Slice", "backwards_step_2", [ints(9), i64(7), i64(1), i64(0), i64(-2)])
    book.add("Slice", "past_the_end_is_empty", [f32(3, 2), i64(3), i64(9), i64(0)])
    book.add("Expand", "row", [f32(1, 3), i64(4, 3)])
    book.add("Expand", "more_dims", [f32(3, 1), i64(2, 1, 4)])
    book.add("Expand", "target_has_ones", [f32(2, 3), i64(1, 1)])
    book.add("Expand", "scalar", [ints(), i64(2, 2)])
    book.add("Shape", "whole", [f32(2, 3, 4)])
    book.add("Shape", "start", [f32(2, 3, 4)], start=1)
    book.add("Shape", "range", [f32(2, 3, 4, 5)], start=-3, end=-1)
    book.add("Shape", "scalar", [f32()])
    book.add("Gather", "embedding", [f32(9, 5), ints(2, 3, low=0, high=9)])
    book.add("Gather", "axis_1", [f32(3, 4, 2), ints(2, low=0, high=4)], axis=1)
    book.add("Gather", "scalar_index", [f32(3, 4), arr(2, "i64")], axis=0)
    book.add("Gather", "negative_indices", [f32(5, 2), i64(-1, 0, -5)])
    book.add("Gather", "i32_indices_last_axis", [f32(2, 6), arr([[5, 0], [1, 1]], "i32")], axis=-1)
    book.add("Gather", "of_shape", [i64(7, 8, 9), i64(1)])
    book.add("Constant", "tensor", [], value=f32(2, 3))
    book.add("Constant", "i64_tensor", [], value=i64(1, -1))
    book.add("Constant", "value_float", [], value_float=0.125)
    book.add("Constant", "value_int", [], value_int=42)
    book.add("Constant", "value_floats", [], value_floats=[0.5, -1.5, 2.0])
    book.add("Constant", "value_ints", [], value_ints=[1, 2, 3])
    book.add("ConstantOfShape", "default", [i64(2, 3)])
    book.add("ConstantOfShape", "i64", [i64(4)], value=i64(7))
    book.add("ConstantOfShape", "minus_inf", [i64(2, 2)], value=arr([-np.inf]))
    book.add("ConstantOfShape", "bool", [i64(3)], value=np.array([True]))
    book.add("ConstantOfShape", "scalar", [np.zeros(0, np.int64)], value=arr([1.5]))
    book.add("ConstantOfShape", "empty", [i64(0, 2)])
    book.add("Range", "i64", [arr(0, "i64"), arr(7, "i64"), arr(1, "i64")])
    book.add("Range", "i64_step", [arr(3, "i64"), arr(11, "i64"), arr(3, "i64")])
    book.add("Range", "i64_down", [arr(5, "i64"), arr(-3, "i64"), arr(-2, "i64")])
    book.add("Range", "f32", [arr(0.5), arr(3.0), arr(0.5)], CLOSE)
    book.add("Range", "empty", [arr(4, "i64"), arr(2, "i64"), arr(1, "i64")])


def reductions(book):
    for op in ("ReduceSum", "ReduceMean", "ReduceMax"):
        tolerance = EXACT if op == "ReduceMax" else SUMS
        book.add(op, "last", [f32(3, 37), i64(-1)], tolerance)
        book.add(op, "first_dropped", [f32(4, 3), i64(0)], tolerance, keepdims=0)
        book.add(op, "two_axes", [f32(2, 3, 4), i64(0, 2)], tolerance, keepdims=0)
        book.add(op, "all", [f32(2, 3, 2)], tolerance, keepdims=0)
        book.add(op, "all_kept", [f32(2, 3)], tolerance)
        book.add(op, "middle", [f32(2, 5, 3), i64(1)], tolerance, keepdims=1)
    book.add(
        "ReduceSum", "empty_axes_is_identity", [f32(2, 3), np.zeros(0, np.int64)], noop_with_empty_axes=1
    )
    book.add("ReduceSum", "i64", [ints(2, 5), i64(1)])
    book.add("ReduceMax", "i64", [ints(2, 5), i64(1)])
    book.add("ReduceMax", "minus_inf", [arr([[-np.inf, -np.inf], [-np.inf, 1.0]]), i64(1)])
    book.add("ArgMax", "default", [f32(4, 5)])
    book.add("ArgMax", "last_dropped", [f32(3, 37)], axis=-1, keepdims=0)
    book.add("ArgMax", "ties_first", [arr([[2.0, 3.0, 3.0], [1.0, 1.0, 0.0]])], axis=1)
    book.add("ArgMax", "ties_last", [arr([[2.0, 3.0, 3.0], [1.0, 1.0, 0.0]])], axis=1, select_last_index=1)
    book.add("ArgMax", "i32", [ints(2, 6, dtype="i32")], axis=1, keepdims=0)
    axis = lambda value: arr(value, "i64")
    book.add("CumSum", "last", [f32(2, 6), axis(-1)], SUMS)
    book.add("CumSum", "first", [f32(4, 3), axis(0)], SUMS)
    book.add("CumSum", "exclusive", [f32(7), axis(0)], SUMS, exclusive=1)
    book.add("CumSum", "reverse", [f32(2, 5), axis(1)], SUMS, reverse=1)
    book.add("CumSum", "exclusive_reverse", [f32(2, 5), axis(1)], SUMS, exclusive=1, reverse=1)
    book.add("CumSum", "i64", [ints(5), axis(0)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    args = parser.parse_args()
    book = Book()
    for chapter in (elementwise, logic, linear_algebra, rotary_cases, shapes, reductions):
        chapter(book)
    total = 0
    for op, cases in sorted(book.operators.items()):
        head = json.dumps({"op": op, "opset": OPSET, "onnx": onnx.__version__}, separators=(",", ":"))
        lines = ",\n".join(json.dumps(c, separators=(",", ":"), allow_nan=False) for c in cases)
        text = head[:-1] + ',"cases":[\n' + lines + "\n]}\n"
        total += len(text)
        with open(os.path.join(args.out, op + ".json"), "w", encoding="ascii") as out:
            out.write(text)
    print(
        f"{len(book.operators)} operators, {sum(map(len, book.operators.values()))} cases, "
        f"{total} bytes, opset {OPSET}"
    )


if __name__ == "__main__":
    main()
