#!/usr/bin/env python3
"""Small cases of neural-network operators with outputs of ONNX Runtime, in the format of tests/data/op_cases.

For operators of which ONNX's own suite has few cases or none. Inputs are seeded.
Usage: make_network_cases.py OUT
"""

import collections
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import helper

OPSET = 21  # the newest that ONNX Runtime has all of them of; later ones only add element types
TOLERANCE = (1e-5, 1e-6)
rng = np.random.default_rng(7)


def f32(*dims):
    """Normal values with three decimals: short to print, exact in float32 all the same."""
    return np.round(rng.standard_normal(dims), 3).astype(np.float32)


def tensor(array):
    name = {"float32": "f32", "int32": "i32", "int64": "i64"}[array.dtype.name]
    # The shortest digits that give the stored value back.
    data = [float(str(v)) if name == "f32" else int(v) for v in array.reshape(-1)]
    return {"dtype": name, "dims": list(array.shape), "data": data}


def attribute(value):
    if isinstance(value, str):
        return {"type": "string", "value": value}
    if isinstance(value, (int, float)):
        return {"type": type(value).__name__, "value": value}
    kind = {str: "strings", int: "ints", float: "floats"}[type(value[0])]
    return {"type": kind, "value": value}


def run(op, attributes, inputs, outputs):
    names = [f"x{i}" if x is not None else "" for i, x in enumerate(inputs)]
    results = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op, names, results, **attributes)],
        op,
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for n, x in zip(names, inputs)
            if x is not None
        ],
        [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in results],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {n: x for n, x in zip(names, inputs) if x is not None})


BOOK = collections.defaultdict(list)


def add(op, name, inputs, outputs=1, **attributes):
    results = run(op, attributes, inputs, outputs)
    BOOK[op].append(
        {
            "name": name,
            "attributes": {key: attribute(value) for key, value in attributes.items()},
            "inputs": [None if x is None else tensor(x) for x in inputs],
            "outputs": [tensor(y) for y in results],
            "rtol": TOLERANCE[0],
            "atol": TOLERANCE[1],
        }
    )


def convolutions():
    add("Conv", "line", [f32(1, 2, 7), f32(3, 2, 3), f32(3)], pads=[1, 0], strides=[2])
    add("Conv", "groups", [f32(2, 4, 4, 5), f32(6, 2, 3, 2)], group=2, dilations=[1, 2], pads=[1, 0, 2, 1])
    add("Conv", "channel_by_channel", [f32(1, 5, 4, 4), f32(5, 1, 3, 3), f32(5)], group=5, auto_pad="SAME_LOWER")
    add("Conv", "volume", [f32(1, 2, 3, 4, 3), f32(2, 2, 2, 3, 2)], auto_pad="SAME_UPPER", strides=[1, 2, 2])
    add("Conv", "many_terms", [f32(1, 70, 3, 3), f32(2, 70, 2, 2)])
    add("ConvTranspose", "line", [f32(1, 2, 4), f32(2, 3, 3), f32(3)], strides=[2], pads=[1, 1])
    add(
        "ConvTranspose",
        "groups",
        [f32(2, 4, 3, 2), f32(4, 2, 2, 3), f32(4)],
        group=2,
        dilations=[2, 1],
        strides=[2, 3],
        output_padding=[1, 2],
        pads=[1, 0, 0, 1],
    )
    add("ConvTranspose", "volume", [f32(1, 1, 2, 2, 2), f32(1, 2, 2, 2, 3)], strides=[1, 2, 2])


def pools():
    add("GlobalLpPool", "default", [f32(2, 3, 4, 2)])
    add("GlobalLpPool", "first_norm", [f32(1, 2, 5)], p=1)
    add("GlobalLpPool", "third_norm", [f32(1, 2, 2, 3, 2)], p=3)
    rois = np.array([[0, 0, 0, 3, 3], [1, 1, 2, 4, 3], [0, 2.4, 1.6, 7, 9], [1, 9, 9, 9, 9]], np.float32)
    add("MaxRoiPool", "default", [f32(2, 2, 5, 6), rois], pooled_shape=[2, 2])
    add("MaxRoiPool", "scaled", [f32(2, 1, 4, 4), rois], pooled_shape=[3, 1], spatial_scale=0.5)


def recurrent():
    lengths = np.array([3, 1], np.int32)
    for direction, count in (("reverse", 1), ("bidirectional", 2)):
        x, state = f32(3, 2, 2), (count, 2, 3)
        add(
            "RNN",
            direction,
            [x, f32(count, 3, 2), f32(count, 3, 3), f32(count, 6), lengths, f32(*state)],
            2,
            hidden_size=3,
            direction=direction,
            activations=["Relu", "Affine"][:count],
            activation_alpha=[0.5] * (count - 1) or [1.0],
            activation_beta=[0.25] * (count - 1) or [1.0],
            clip=1.5,
        )
        for after in (0, 1):
            add(
                "GRU",
                f"{direction}_reset_{'after' if after else 'before'}",
                [x, f32(count, 9, 2), f32(count, 9, 3), f32(count, 18), lengths, f32(*state)],
                2,
                hidden_size=3,
                direction=direction,
                linear_before_reset=after,
            )
        add(
            "LSTM",
            direction,
            [x, f32(count, 12, 2), f32(count, 12, 3), f32(count, 24), lengths]
            + [f32(*state), f32(*state), f32(count, 9)],
            3,
            hidden_size=3,
            direction=direction,
        )


def main():
    for chapter in (convolutions, pools, recurrent):
        chapter()
    for op, cases in BOOK.items():
        head = json.dumps({"op": op, "opset": OPSET, "onnxruntime": onnxruntime.__version__}, separators=(",", ":"))
        lines = ",\n".join(json.dumps(c, separators=(",", ":"), allow_nan=False) for c in cases)
        with open(os.path.join(sys.argv[1], op + ".json"), "w", encoding="ascii") as out:
            out.write(head[:-1] + ',"cases":[\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
