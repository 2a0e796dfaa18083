#!/usr/bin/env python3
"""Models of one operator in an old opset, with values, in the layout of ONNX's own test cases.

Every model holds the node twice: once on the model's inputs and initializers, and, in the outputs that end in
"_late", on copies of them, of whose ranks and types an importer knows nothing. Values are ONNX Runtime's at the
old opset; where it lacks that (all opsets below 7), they are computed here in numpy from the old definition.
Needs onnx 1.23.2, onnxruntime 1.32.0. Usage: make_onnx_upgrade_cases.py OUT
"""

import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

ML = "ai.onnx.ml"
CASES = {}
LATEST = [None]
rng = np.random.default_rng(7)


def f32(*dims):
    values = np.round(rng.standard_normal(dims), 2).astype(np.float32)
    LATEST[0] = values
    return values


def last():
    """What the latest f32() gave: for expected values of inputs that are written in place."""
    return LATEST[0]


def i64(*values):
    return np.array(values, np.int64)


def model_of(op, opset, inputs, outputs, attributes, constants, late, domain):
    """The model, and what is fed to it."""
    feeds, initializers, nodes, names, late_names = {}, [], [], [], []
    for i, value in enumerate(inputs):
        name = f"x{i}" if value is not None else ""
        names.append(name)
        late_names.append(name and f"{name}_late")
        if value is None:
            continue
        if i in constants:
            initializers.append(numpy_helper.from_array(value, name))
        else:
            feeds[name] = value
        if late:
            nodes.append(helper.make_node("Identity", [name], [f"{name}_late"]))
    nodes.append(helper.make_node(op, names, outputs, domain=domain, **attributes))
    results = [o for o in outputs if o]
    if late:
        nodes.append(helper.make_node(op, late_names, [o and f"{o}_late" for o in outputs], domain=domain, **attributes))
        results += [f"{o}_late" for o in outputs if o]
    old = opset < 9
    declared = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in feeds.items()]
    if old:  # there, initializers are inputs too
        declared += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in initializers]
    graph = helper.make_graph(nodes, "g", declared, [onnx.ValueInfoProto(name=r) for r in results], initializers)
    imports = [helper.make_opsetid("", 12 if domain else opset)]
    if domain:
        imports.append(helper.make_opsetid(domain, opset))
    return helper.make_model(graph, opset_imports=imports, ir_version=3 if old else 7), feeds, results


def run(model, results, feeds):
    session = ort.SessionOptions()
    session.log_severity_level = 4
    return ort.InferenceSession(model.SerializeToString(), session).run(results, feeds)


def case(name, op, opset, inputs, attributes=None, outputs=("y",), expected=None, constants=(), late=True, domain=""):
    """`expected`: the outputs' values; None: what ONNX Runtime says."""
    model, feeds, results = model_of(op, opset, inputs, outputs, attributes or {}, constants, late, domain)
    if expected is None:
        expected = run(model, results, feeds)
    elif late:
        expected = [*expected, *expected]
    finish(name, model, feeds, dict(zip(results, expected)))


def finish(name, model, feeds, values):
    """Declares the outputs' types, and keeps the case."""
    for output in model.graph.output:
        value = values[output.name] = np.asarray(values[output.name])
        dtype = TensorProto.STRING if value.dtype.kind in "OU" else helper.np_dtype_to_tensor_dtype(value.dtype)
        output.CopyFrom(helper.make_tensor_value_info(output.name, dtype, value.shape))
    CASES[name] = (model, list(feeds.items()), list(values.items()))


def elementwise():
    a = f32(2, 3, 4, 5)
    case("add_6_axis", "Add", 6, [a, f32(3, 4)], {"broadcast": 1, "axis": 1}, expected=[a + last().reshape(3, 4, 1)])
    case("sub_6_axis_0", "Sub", 6, [a, f32(2)], {"broadcast": 1, "axis": 0}, expected=[a - last().reshape(2, 1, 1, 1)])
    case("mul_6_suffix", "Mul", 6, [a, f32(4, 5)], {"broadcast": 1}, expected=[a * last()])
    case("div_1_negative_axis", "Div", 1, [a, 1 + f32(4) ** 2], {"broadcast": 1, "axis": -2, "consumed_inputs": [0, 0]},
         expected=[a / (1 + last().reshape(4, 1) ** 2)])
    case("pow_1_one_element", "Pow", 1, [a * a, np.full((1, 1), 2, np.float32)], {"broadcast": 1, "axis": 1},
         expected=[a * a * a * a])
    case("less_1_axis", "Less", 1, [a, f32(3)], {"broadcast": 1, "axis": 1}, expected=[a < last().reshape(3, 1, 1)],
         constants={1})
    bits = rng.integers(0, 2, (2, 3, 2)).astype(bool)
    case("and_6_axis", "And", 6, [bits, bits[:, :, 0]], {"broadcast": 1, "axis": 0}, expected=[bits & bits[:, :, :1]])
    x = f32(2, 3, 2, 2)
    for size in (3, 1):
        slope = f32(size)
        case(f"prelu_6_{size}", "PRelu", 6, [x, slope], expected=[np.where(x < 0, x * slope.reshape(-1, 1, 1), x)])
    case("selu_1", "Selu", 1, [x], {"consumed_inputs": [0]},
         expected=[np.where(x <= 0, np.float32(1.0507 * 1.6732) * np.expm1(x), np.float32(1.0507) * x).astype(np.float32)])
    case("relu_1", "Relu", 1, [x], {"consumed_inputs": [1]}, expected=[np.maximum(x, 0)])
    case("cast_1", "Cast", 1, [3 * x], {"to": "INT32"}, expected=[(3 * x).astype(np.int32)])
    case("clip_6", "Clip", 10, [x], {"min": -0.5, "max": 0.25})
    half = x.astype(np.float16)
    case("clip_6_f16", "Clip", 6, [half], {"min": -0.5}, expected=[np.maximum(half, np.float16(-0.5))])
    numbers = np.array([-9, 0, 9], np.int32)
    case("erf_9_int", "Erf", 9, [numbers], expected=[np.sign(numbers)], late=False)


def reductions():
    x = f32(2, 3, 4)
    case("reduce_sum_11", "ReduceSum", 11, [x], {"axes": [-1, 0], "keepdims": 0})
    case("reduce_mean_11_all", "ReduceMean", 11, [x])
    case("reduce_l2_13", "ReduceL2", 13, [x], {"axes": [1]})
    case("reduce_log_sum_exp_13", "ReduceLogSumExp", 13, [x], {"axes": [1], "keepdims": 0})
    counts = rng.integers(1, 90, (3, 4)).astype(np.int32)
    case("reduce_log_sum_13_int", "ReduceLogSum", 13, [counts], {"axes": [1], "keepdims": 0}, late=False,
         expected=[np.log(counts.sum(1)).astype(np.int32)])
    case("softmax_11", "Softmax", 11, [x])
    case("softmax_9_axis_0", "Softmax", 9, [x], {"axis": 0})
    case("softmax_11_last", "Softmax", 11, [x], {"axis": 2})
    case("log_softmax_12_negative", "LogSoftmax", 12, [x], {"axis": -2})
    case("hardmax_11", "Hardmax", 11, [x], {"axis": 1})


def shapes():
    x = f32(1, 2, 1, 3)
    case("squeeze_11", "Squeeze", 11, [x], {"axes": [-2]})
    case("squeeze_11_all", "Squeeze", 11, [x])
    case("unsqueeze_12", "Unsqueeze", 12, [f32(2, 3)], {"axes": [-1, 0]})
    case("concat_1", "Concat", 1, [x, x], expected=[np.concatenate([x, x], 1)])
    m = f32(3, 4)
    case("pad_1", "Pad", 1, [m], {"paddings": [0, 1, 2, 0], "value": 1.5},
         expected=[np.pad(m, ((0, 2), (1, 0)), constant_values=1.5)])
    case("pad_10_crop", "Pad", 10, [m], {"pads": [-1, 1, 0, 2]})
    case("pad_10_reflect", "Pad", 10, [m], {"pads": [1, 0, 0, 2], "mode": "reflect"})
    case("pad_10_double", "Pad", 10, [m.astype(np.float64)], {"pads": [0, 0, 1, 1], "value": -2.5})
    case("reshape_1", "Reshape", 1, [m], {"shape": [0, 2, -1]}, expected=[m.reshape(3, 2, 2)])
    case("slice_9", "Slice", 9, [m], {"starts": [1, -3], "ends": [100, -1]})
    case("slice_1_axes", "Slice", 1, [m], {"starts": [1], "ends": [3], "axes": [1]}, expected=[m[:, 1:3]])
    case("slice_9_fewer", "Slice", 9, [m], {"starts": [1], "ends": [2]}, expected=[m[1:2]])
    case("split_11", "Split", 11, [m], {"axis": 1, "split": [1, 3]}, ("y", "z"))
    case("split_11_equal", "Split", 11, [m], {"axis": -1}, ("y", "z"))
    case("split_13_equal", "Split", 13, [m], {"axis": 1}, ("y", "z"))
    case("split_1_input", "Split", 1, [m, np.array([1, 2], np.float32)], {"axis": 0}, ("y", "z"), expected=[m[:1], m[1:]])
    case("tile_1", "Tile", 1, [m, np.float32([2]), np.float32([1])], expected=[np.tile(m, (1, 2))])


def selections():
    indices, values = np.array([[0, 2], [-1, 3]], np.float32), np.array([-1, 1], np.int64)
    hot = np.where(indices[..., None] == np.arange(3), 1, -1)
    case("one_hot_9", "OneHot", 9, [indices, i64(3), values], expected=[hot])
    case("one_hot_9_axis", "OneHot", 10, [indices, np.array(3.0, np.float32), values], {"axis": 0},
         expected=[np.moveaxis(hot, -1, 0)])
    case("scatter_10", "Scatter", 10, [f32(2, 3), np.array([[1], [2]], np.int64), f32(2, 1)], {"axis": 1})
    case("topk_9", "TopK", 9, [f32(3, 5)], {"k": 2}, ("y", "z"))
    case("top_k_1_axis", "TopK", 1, [f32(3, 4)], {"k": 1, "axis": 0}, ("y", "z"),
         expected=[last().max(0, keepdims=True), last().argmax(0)[None]])


def layers():
    signal = f32(1, 6, 3, 1)
    spectrum = np.fft.fft(signal[..., 0].astype(np.float64), axis=1)
    case("dft_17", "DFT", 17, [signal], expected=[np.stack([spectrum.real, spectrum.imag], -1).astype(np.float32)])
    half = np.fft.rfft(signal[..., 0].astype(np.float64), axis=2)
    case("dft_17_axis", "DFT", 17, [signal], {"axis": 2, "onesided": 1},
         expected=[np.stack([half.real, half.imag], -1).astype(np.float32)])
    x = f32(2, 3)
    ones = np.ones_like(x)
    case("dropout_6", "Dropout", 6, [x], {"is_test": 1, "ratio": 0.75}, expected=[x])
    case("dropout_7_mask", "Dropout", 7, [x], {"ratio": 0.75}, ("y", "mask"), expected=[x, ones])
    case("dropout_10_mask", "Dropout", 10, [x], {}, ("y", "mask"), expected=[x, ones.astype(bool)])
    a, b, c = f32(2, 3), f32(4, 3), f32(4)
    case("gemm_6", "Gemm", 6, [a, b, c], {"transB": 1, "broadcast": 1, "alpha": 0.5}, expected=[np.float32(0.5) * (a @ b.T) + c])
    image = f32(1, 2, 4, 3)
    grid = np.round(rng.uniform(-1.1, 1.1, (1, 2, 2, 2)), 2).astype(np.float32)
    for mode in ("bilinear", "bicubic", "nearest"):
        case(f"grid_sample_16_{mode}", "GridSample", 16, [image, grid], {} if mode == "bilinear" else {"mode": mode})
    absolute = np.abs(image.astype(np.float64))
    case("global_lp_pool_1", "GlobalLpPool", 1, [image], {"p": 3.0},
         expected=[((absolute**3).sum((2, 3), keepdims=True) ** (1 / 3)).astype(np.float32)])
    windows = np.lib.stride_tricks.sliding_window_view(absolute, (2, 2), (2, 3))
    case("lp_pool_1", "LpPool", 1, [image], {"p": 1.0, "kernel_shape": [2, 2]}, expected=[windows.sum((4, 5)).astype(np.float32)])
    sequence = f32(3, 2, 2)
    for op, gates, opset in (("RNN", 1, 1), ("GRU", 3, 3), ("LSTM", 4, 6)):
        inputs = [sequence, f32(1, gates * 2, 2), f32(1, gates * 2, 2)]
        newer, feeds, results = model_of(op, 7, inputs, ("y", "h"), {"hidden_size": 2}, (), False, "")
        expected = run(newer, results, feeds)
        case(f"{op.lower()}_{opset}", op, opset, inputs, {"hidden_size": 2, "output_sequence": 1}, ("y", "h"), expected=expected)
    rois = np.array([[0, 0, 2, 3], [1, 0, 3, 2]], np.float32)
    case("roi_align_10", "RoiAlign", 10, [f32(1, 1, 5, 5), rois, i64(0, 0)],
         {"output_height": 2, "output_width": 2, "sampling_ratio": 2})


def normalizations():
    x = f32(2, 3, 2)
    scale, bias, mean, var = f32(3), f32(3), f32(3), 0.5 + f32(3) ** 2
    column = (slice(None), None)

    def normal(x, mean, var, scale=scale, bias=bias, eps=1e-5):
        return ((x.astype(np.float64) - mean) / np.sqrt(var.astype(np.float64) + eps) * scale + bias).astype(np.float32)

    inputs = [x, scale, bias, mean, var]
    case("batch_norm_6", "BatchNormalization", 6, inputs, {"is_test": 1, "spatial": 1},
         expected=[normal(x, mean[column], var[column], scale[column], bias[column])])
    batch_mean, batch_var = x.mean((0, 2)), x.var((0, 2))
    case("batch_norm_9_training", "BatchNormalization", 9, inputs, {"momentum": 0.75}, ("y", "m", "v", "sm", "sv"),
         expected=[normal(x, batch_mean[column], batch_var[column], scale[column], bias[column]),
                   mean * np.float32(0.75) + batch_mean * np.float32(0.25),
                   var * np.float32(0.75) + batch_var * np.float32(0.25), batch_mean, batch_var])
    features = [f32(3, 2), f32(3, 2), f32(3, 2), 0.5 + f32(3, 2) ** 2]
    case("batch_norm_7_features", "BatchNormalization", 7, [x, *features], {"spatial": 0},
         expected=[normal(x, features[2], features[3], features[0], features[1])])
    case("batch_norm_7_features_training", "BatchNormalization", 7, [x, *features], {"spatial": 0, "momentum": 0.0},
         ("y", "", "v"), expected=[normal(x, x.mean(0), x.var(0), features[0], features[1]), x.var(0)])
    wide = f32(2, 4, 3)
    groups = wide.reshape(2, 2, -1).astype(np.float64)
    normalized = (groups - groups.mean(2, keepdims=True)) / np.sqrt(groups.var(2, keepdims=True) + 1e-5)
    scale, bias = f32(2), f32(2)
    y = (normalized * scale[column] + bias[column]).reshape(wide.shape)
    for dtype in (np.float32, np.float64):
        case(f"group_norm_18_{np.dtype(dtype).name}", "GroupNormalization", 18,
             [wide.astype(dtype), scale.astype(dtype), bias.astype(dtype)], {"num_groups": 2}, expected=[y.astype(dtype)],
             late=dtype == np.float32)


def resizes():
    x = f32(1, 1, 4, 5)
    scales = {"up": (2, 1.7), "down": (0.6, 0.7), "mixed": (0.6, 1.7)}
    for name, (h, w) in scales.items():
        sizes = np.array([1, 1, h, w], np.float32)
        case(f"resize_10_nearest_{name}", "Resize", 10, [x, sizes], constants={1})
    case("resize_10_linear", "Resize", 10, [x, np.array([1, 1, 0.6, 1.7], np.float32)], {"mode": "linear"}, constants={1})
    case("upsample_9_linear", "Upsample", 9, [x, np.array([1, 1, 2, 1.5], np.float32)], {"mode": "linear"}, constants={1})
    case("upsample_7", "Upsample", 7, [x], {"scales": [1.0, 1.0, 2.0, 3.0]})
    case("upsample_1", "Upsample", 1, [x], {"height_scale": 2.0, "width_scale": 3.0},
         expected=[x.repeat(2, 2).repeat(3, 3)])
    none = np.zeros(0, np.float32)
    sizes = i64(1, 1, 3, 7)
    case("resize_11_sizes", "Resize", 11, [x, none, none, sizes], {"mode": "linear"}, constants={1, 2, 3}, late=False)
    for rounding in ("floor", "round_prefer_floor"):
        case(f"resize_11_half_pixel_for_nn_{rounding}", "Resize", 11, [x, none, none, sizes], constants={1, 2, 3}, late=False,
             attributes={"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": rounding})
    roi = np.array([0, 0, 0.4, 0.6, 1, 1, 0.9, 1.3], np.float32)
    case("resize_11_crop", "Resize", 11, [x, roi, none, sizes], constants={1, 2, 3}, late=False,
         attributes={"coordinate_transformation_mode": "tf_crop_and_resize", "mode": "linear", "extrapolation_value": 9.0})


def scans():
    """y[t] = state[t] * outer, the sum of what was read so far; the factor is captured from outside."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "e"], ["sum"]), helper.make_node("Mul", ["sum", "factor"], ["y"]),
         helper.make_node("Identity", ["sum"], ["out"])],
        "body", [value("s", TensorProto.FLOAT, [2]), value("e", TensorProto.FLOAT, [2])],
        [value("out", TensorProto.FLOAT, [2]), value("y", TensorProto.FLOAT, [2])])
    x, start, factor = f32(3, 4, 2), f32(3, 2), np.array([2], np.float32)
    for name, lengths, reverse in (("scan_8", None, False), ("scan_8_lengths", i64(4, 1, 2), True)):
        final, out = start.copy(), np.zeros_like(x)
        for b in range(3):
            n = 4 if lengths is None else lengths[b]
            for t in range(n):
                final[b] += x[b, n - 1 - t if reverse else t]
                out[b, t] = final[b] * 2
        feeds = {"start": start, "x": x, "factor": factor}
        if lengths is not None:
            feeds["lengths"] = lengths
        node = helper.make_node("Scan", ["lengths" if lengths is not None else "", "start", "x"], ["final", "out"], body=body,
                                num_scan_inputs=1, directions=[int(reverse)])
        graph = helper.make_graph([node], "g", [value(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in feeds.items()],
                                  [onnx.ValueInfoProto(name="final"), onnx.ValueInfoProto(name="out")])
        finish(name, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=3), feeds,
               {"final": final, "out": out})


def branches():
    """Old operators inside a subgraph, on a captured value."""
    value = helper.make_tensor_value_info
    x = f32(2, 3)
    then = helper.make_graph([helper.make_node("Unsqueeze", ["x"], ["t"], axes=[0]), helper.make_node("Softmax", ["t"], ["y"], axis=1)],
                             "then", [], [value("y", TensorProto.FLOAT, None)])
    other = helper.make_graph([helper.make_node("ReduceSum", ["x"], ["z"], axes=[1])], "else", [],
                              [value("z", TensorProto.FLOAT, None)])
    node = helper.make_node("If", ["c"], ["result"], then_branch=then, else_branch=other)
    graph = helper.make_graph([node], "g", [value("c", TensorProto.BOOL, []), value("x", TensorProto.FLOAT, [2, 3])],
                              [value("result", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    feeds = {"c": np.array(True), "x": x}
    finish("if_11", model, feeds, {"result": run(model, None, feeds)[0]})


def encoders():
    words = np.array(["b", "x", "a"], object)
    case("label_encoder_1_strings", "LabelEncoder", 1, [words], {"classes_strings": ["a", "b"], "default_int64": -7}, domain=ML)
    case("label_encoder_1_ints", "LabelEncoder", 1, [i64(1, 5, 0)], {"classes_strings": ["a", "b"], "default_string": "?"}, domain=ML)


def write(folder):
    total = 0
    for name, (model, inputs, outputs) in sorted(CASES.items()):
        data = os.path.join(folder, name, "test_data_set_0")
        os.makedirs(data, exist_ok=True)
        model.producer_name = "make_onnx_upgrade_cases"
        files = {os.path.join(folder, name, "model.onnx"): model}
        order = {v.name: i for i, v in enumerate(v for v in model.graph.input if v.name in dict(inputs))}
        for i, (key, value) in enumerate(inputs):
            files[os.path.join(data, f"input_{order[key]}.pb")] = numpy_helper.from_array(value, key)
        for i, (key, value) in enumerate(outputs):
            value = value.astype(object) if value.dtype.kind == "U" else value
            files[os.path.join(data, f"output_{i}.pb")] = numpy_helper.from_array(value, key)
        for path, proto in files.items():
            total += len(proto.SerializeToString())
            with open(path, "wb") as file:
                file.write(proto.SerializeToString())
    print(f"{len(CASES)} cases, {total} bytes")


if __name__ == "__main__":
    for make in (elementwise, reductions, shapes, selections, layers, normalizations, resizes, scans, branches, encoders):
        make()
    write(sys.argv[1])
