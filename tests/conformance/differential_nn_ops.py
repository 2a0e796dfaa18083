"""More operators that random graphs are made of: windows, normalisation, recurrence, attention, signals."""
import numpy as np

from differential_ops import F

REAL = ["float32", "float32", "float32", "float64", "float16"]


def window(g, rank, kernel, size):
    """Attributes that windows share; None where the input is too small."""
    attributes = {"strides": [g.integer(1, 3) for _ in range(rank)] if g.chance() else None}
    dilations = [g.integer(1, 2) for _ in range(rank)] if g.chance(0.4) else None
    attributes["dilations"] = dilations
    mode = g.choice([None, "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]) if g.chance(0.4) else None
    attributes["auto_pad"] = mode
    if mode in (None, "NOTSET") and g.chance(0.6):
        attributes["pads"] = [g.integer(0, (k - 1) // 2) for _ in range(2) for k in kernel]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations or [1] * rank)]
    return attributes if all(r <= s for r, s in zip(reach, size)) else None


def conv(g):
    rank, group = g.integer(1, 3), g.integer(1, 3)
    size = [g.integer(4, 9) for _ in range(rank)]
    kernel = [g.integer(1, 3) for _ in range(rank)]
    attributes = window(g, rank, kernel, size)
    if attributes is None:
        return
    if attributes["auto_pad"] in ("SAME_UPPER", "SAME_LOWER"):
        attributes["dilations"] = None
    c = g.integer(1, 3)
    x = g.tensor([g.integer(1, 2), c * group] + size, REAL)
    out = g.integer(1, 3) * group
    inputs = [x, g.tensor([out, c] + kernel, x.dtype)] + ([g.tensor([out], x.dtype)] if g.chance() else [])
    g.node("Conv", inputs, group=group if group > 1 or g.chance() else None, kernel_shape=g.choice([None, kernel]), **attributes)


def conv_transpose(g):
    rank, group = g.integer(1, 2), g.integer(1, 2)
    kernel = [g.integer(1, 3) for _ in range(rank)]
    strides = [g.integer(1, 3) for _ in range(rank)]
    c, out = g.integer(1, 3), g.integer(1, 3)
    x = g.tensor([g.integer(1, 2), c * group] + [g.integer(3, 6) for _ in range(rank)], REAL)
    inputs = [x, g.tensor([c * group, out] + kernel, x.dtype)] + ([g.tensor([out * group], x.dtype)] if g.chance() else [])
    attributes = {"auto_pad": g.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])} if g.chance(0.3) else {
        "pads": [g.integer(0, (k - 1) // 2) for _ in range(2) for k in kernel]}
    g.node("ConvTranspose", inputs, group=group, strides=strides, kernel_shape=g.choice([None, kernel]),
           output_padding=g.choice([None, [g.integer(0, s - 1) for s in strides]]), **attributes)


def conv_integer(g):
    c, out = g.integer(1, 3), g.integer(1, 3)
    x = g.tensor([1, c, g.integer(3, 6), g.integer(3, 6)], "uint8", "wild")
    w = g.tensor([out, c, 2, 3], "uint8", "wild")
    points = [g.parameter(g.array([], "uint8")) for _ in range(2)]
    g.node("ConvInteger", [x, w] + points[:g.integer(0, 2)], pads=g.choice([None, [0, 1, 1, 0]]))


def pool(operator):
    def add(g):
        rank = g.integer(1, 3)
        size = [g.integer(4, 9) for _ in range(rank)]
        kernel = [g.integer(1, 3) for _ in range(rank)]
        attributes = window(g, rank, kernel, size)
        if attributes is None:
            return
        if operator != "MaxPool" and g.opset < 19 or attributes["auto_pad"] not in (None, "NOTSET"):
            attributes["dilations"] = None
        if operator == "LpPool":
            attributes["p"] = g.choice([None, 1, 2, 3])
        if operator == "AveragePool":
            attributes["count_include_pad"] = g.choice([None, 0, 1])
        if g.opset >= 18 or operator != "LpPool":
            attributes["ceil_mode"] = g.choice([None, None, 0, 1])
        dtypes = REAL + ["uint8", "int8"] if operator == "MaxPool" else REAL
        x = g.tensor([g.integer(1, 2), g.integer(1, 3)] + size, dtypes)
        outputs = 2 if operator == "MaxPool" and g.chance(0.4) else 1
        if outputs == 2:
            attributes["storage_order"] = g.choice([None, 0, 1])
        g.node(operator, [x], outputs, kernel_shape=kernel, **attributes)
    return add


def global_pool(operator):
    return lambda g: g.node(operator, [g.tensor([g.integer(1, 3) for _ in range(g.integer(3, 5))], REAL)])


def channels(g, count=None):
    count = count or g.integer(1, 4)
    return [g.integer(1, 3), count] + [g.integer(1, 5) for _ in range(g.integer(0, 3))], count


def batch_normalization(g):
    dims, c = channels(g)
    x = g.tensor(dims, REAL)
    g.node("BatchNormalization", [x] + [g.tensor([c], x.dtype) for _ in range(3)] + [g.tensor([c], x.dtype, "positive")],
           epsilon=g.choice([None, 1e-3]))


def instance_normalization(g):
    dims, c = channels(g)
    x = g.tensor(dims + [3, 2], REAL)
    g.node("InstanceNormalization", [x, g.tensor([c], x.dtype), g.tensor([c], x.dtype)], epsilon=g.choice([None, 1e-3]))


def layer_normalization(g):
    x = g.tensor(g.dims(1, 3) + [g.integer(2, 6)], REAL)
    axis = g.integer(-len(x.dims), len(x.dims) - 1)
    tail = x.dims[axis:]
    bias = [g.tensor(tail, x.dtype)] if g.chance() else []
    g.node("LayerNormalization", [x, g.tensor(tail, x.dtype)] + bias, axis=axis, epsilon=g.choice([None, 1e-3]))


def group_normalization(g):
    groups = g.integer(1, 3)
    dims, c = channels(g, groups * g.integer(1, 3))
    x = g.tensor(dims + [2], REAL[:3])
    count = c if g.opset >= 21 else groups
    g.node("GroupNormalization", [x, g.tensor([count], x.dtype), g.tensor([count], x.dtype)], num_groups=groups)


def rms_normalization(g):
    x = g.tensor(g.dims(1, 3) + [g.integer(2, 6)], REAL)
    axis = g.integer(-len(x.dims), -1)
    g.node("RMSNormalization", [x, g.tensor(x.dims[axis:], x.dtype)], axis=axis)


def lrn(g):
    x = g.tensor([g.integer(1, 2), g.integer(1, 6), g.integer(1, 4), g.integer(1, 4)], "float32")
    g.node("LRN", [x], size=g.choice([1, 3, 5]), alpha=g.choice([None, 0.1]), beta=g.choice([None, 0.5]), bias=g.choice([None, 2.0]))


def mean_variance(g):
    g.node("MeanVarianceNormalization", [g.tensor([g.integer(1, 3) for _ in range(3)] + [4], "float32")],
           axes=g.choice([None, [0, 2, 3], [2, 3]]))


def resize(g):
    mode = g.choice(["nearest", "linear", "cubic"])
    transform = g.choice(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]
                         + (["half_pixel_symmetric"] if g.opset >= 19 else []))
    x = g.tensor([1, g.integer(1, 2), g.integer(2, 6), g.integer(2, 6)], ["float32", "float32", "uint8"] if mode != "cubic" else "float32")
    attributes = {"mode": mode, "coordinate_transformation_mode": transform}
    if mode == "nearest":
        attributes["nearest_mode"] = g.choice([None, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    if mode == "cubic":
        attributes["cubic_coeff_a"] = g.choice([None, -0.5])
        attributes["exclude_outside"] = g.choice([None, 0, 1])
    if g.opset >= 18 and mode != "nearest" and g.chance(0.4):
        attributes["antialias"] = 1
    if g.chance():
        sizes = x.dims[:2] + [g.integer(1, 9), g.integer(1, 9)]
        g.node("Resize", [x, None, None, g.constant(sizes, "int64")], **attributes)
    else:
        scales = [1.0, 1.0, g.choice([0.5, 2.0, 1.5, 1.0]), g.choice([0.5, 2.0, 0.75, 3.0])]
        g.node("Resize", [x, None, g.constant(scales, "float32")], **attributes)


def grid_sample(g):
    x = g.tensor([1, g.integer(1, 3), g.integer(2, 5), g.integer(2, 5)], "float32")
    grid = g.input(g.rng.uniform(-1.3, 1.3, [1, g.integer(1, 4), g.integer(1, 4), 2]).astype("float32"))
    modes = ["linear", "nearest", "cubic"] if g.opset >= 20 else ["bilinear", "nearest", "bicubic"]
    g.node("GridSample", [x, grid], mode=g.choice(modes), padding_mode=g.choice([None, "zeros", "border", "reflection"]),
           align_corners=g.choice([None, 0, 1]))


def recurrent(operator, gates):
    def add(g):
        direction = g.choice(["forward", "reverse", "bidirectional"])
        d = 2 if direction == "bidirectional" else 1
        steps, batch, size, hidden = (g.integer(1, 4) for _ in range(4))
        layout = 0
        x = g.tensor([steps, batch, size], "float32")
        inputs = [x, g.tensor([d, gates * hidden, size], "float32"), g.tensor([d, gates * hidden, hidden], "float32")]
        inputs.append(g.tensor([d, 2 * gates * hidden], "float32") if g.chance() else None)
        inputs.append(g.parameter(g.rng.integers(1, steps + 1, [batch]), "int32") if g.chance(0.3) else None)
        inputs.append(g.tensor([d, batch, hidden], "float32") if g.chance() else None)
        if operator == "LSTM":
            inputs.append(g.tensor([d, batch, hidden], "float32") if g.chance() else None)
            inputs.append(g.tensor([d, 3 * hidden], "float32") if g.chance(0.3) else None)
        while inputs[-1] is None:
            inputs.pop()
        outputs = 3 if operator == "LSTM" else 2
        g.node(operator, inputs, outputs, wanted=[True] + [g.chance(0.7)] * (outputs - 1), hidden_size=hidden, direction=direction,
               layout=layout or None, clip=g.choice([None, None, 0.5]),
               linear_before_reset=g.choice([None, 0, 1]) if operator == "GRU" else None,
               input_forget=g.choice([None, 0, 1]) if operator == "LSTM" else None)
    return add


def attention(g):
    batch, heads, groups, q, k, size, values = (g.integer(1, 3) for _ in range(7))
    size += size % 2
    dtype = g.choice(["float32", "float32", "float16"])
    inputs = [g.tensor([batch, heads * groups, q, size], dtype), g.tensor([batch, heads, k, size], dtype),
              g.tensor([batch, heads, k, values], dtype)]
    if g.chance(0.4):
        inputs.append(g.tensor(g.choice([[q, k], [batch, 1, q, k], [1, heads * groups, q, k]]), [dtype]))
    g.node("Attention", inputs, is_causal=g.choice([None, 0, 1]), scale=g.choice([None, 0.3]), softcap=g.choice([None, None, 2.0]))


def rotary(g):
    batch, heads, steps, half = (g.integer(1, 3) for _ in range(4))
    x = g.tensor([batch, heads, steps, 2 * half], ["float32", "float16"])
    caches = [g.tensor([8, half], x.dtype) for _ in range(2)]
    g.node("RotaryEmbedding", [x] + caches + [g.parameter(g.rng.integers(0, 8, [batch, steps]), "int64")],
           interleaved=g.choice([None, 0, 1]))


def dft(g):
    x = g.tensor([g.integer(1, 2), g.integer(1, 9), g.integer(1, 2)], ["float32", "float64"])
    inverse = g.choice([None, 0, 1]) if x.dims[-1] == 2 else None
    length = [g.parameter(np.array(g.integer(1, 9), "int64"))] if g.chance(0.4) else []
    onesided = g.choice([None, 1]) if x.dims[-1] == 1 else None
    g.node("DFT", [x] + length, inverse=inverse, onesided=onesided, **({"axis": 1} if g.opset < 20 else {}))


def hann(operator):
    return lambda g: g.node(operator, [g.parameter(np.array(g.integer(1, 12), "int64"))], periodic=g.choice([None, 0, 1]))


def center_crop_pad(g):
    x = g.tensor(g.dims(1, 3), ["float32", "int64"])
    g.node("CenterCropPad", [x, g.constant([g.integer(1, 6) for _ in x.dims], "int64")])


def suppression(g):
    boxes, classes = g.integer(1, 6), g.integer(1, 3)
    corners = g.rng.random([1, boxes, 4]).astype("float32")
    scores = g.rng.permutation(boxes * classes).reshape([1, classes, boxes]).astype("float32") / 16
    inputs = [g.input(corners), g.input(scores), g.parameter([g.integer(0, 4)], "int64"),
              g.parameter([g.choice([0.0, 0.3, 0.5])], "float32"), g.parameter([0.11], "float32")]
    g.node("NonMaxSuppression", inputs[:g.integer(3, 5)], center_point_box=g.choice([None, 0, 1]))


def roi_align(g):
    x = g.tensor([1, 2, 5, 6], "float32")
    rois = np.sort(g.rng.random([2, 2, 2]) * 5, axis=1).reshape(2, 4).astype("float32")
    g.node("RoiAlign", [x, g.input(rois), g.parameter([0, 0], "int64")], output_height=g.integer(1, 3), output_width=g.integer(1, 3),
           sampling_ratio=g.choice([None, 0, 1, 2]), spatial_scale=g.choice([None, 0.5]), mode=g.choice([None, "avg", "max"]),
           coordinate_transformation_mode=g.choice([None, "half_pixel", "output_half_pixel"]))


def det(g):
    n = g.integer(1, 4)
    g.node("Det", [g.tensor(g.dims(0, 2) + [n, n], ["float32", "float64"])])


NN_OPERATORS = {
    "Conv": conv, "ConvTranspose": conv_transpose, "ConvInteger": conv_integer,
    **{name: pool(name) for name in ("MaxPool", "AveragePool", "LpPool")},
    **{name: global_pool(name) for name in ("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool")},
    "BatchNormalization": batch_normalization, "InstanceNormalization": instance_normalization,
    "LayerNormalization": layer_normalization, "GroupNormalization": group_normalization, "RMSNormalization": rms_normalization,
    "LRN": lrn, "MeanVarianceNormalization": mean_variance, "Resize": resize, "GridSample": grid_sample,
    "LSTM": recurrent("LSTM", 4), "GRU": recurrent("GRU", 3), "RNN": recurrent("RNN", 1), "Attention": attention,
    "RotaryEmbedding": rotary, "DFT": dft, **{name: hann(name) for name in ("HannWindow", "HammingWindow", "BlackmanWindow")},
    "CenterCropPad": center_crop_pad, "NonMaxSuppression": suppression, "RoiAlign": roi_align, "Det": det,
}
NN_SINCE = {"GroupNormalization": 18, "RMSNormalization": 23, "Attention": 23, "RotaryEmbedding": 23, "DFT": 17, "CenterCropPad": 18,
            "LayerNormalization": 17, "GridSample": 16}
