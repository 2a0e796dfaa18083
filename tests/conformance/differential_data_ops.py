"""More operators that random graphs are made of: those that move data, choose by it, or change its type."""
import numpy as np
from onnx import helper

from differential_ops import ALL, F, I, NUMBERS, axes_of, wild

MOVED = ["float32", "float32", "float64", "float16", "int64", "int32", "int8", "uint8", "bool", "str"]


def an_axis(g, rank):
    return g.integer(-rank, rank - 1)


def concat(g):
    x = g.pick(MOVED, least=1)
    axis = an_axis(g, len(x.dims))
    others = []
    for _ in range(g.integer(0, 3)):
        dims = list(x.dims)
        dims[axis] = g.integer(0, 4)
        others.append(g.tensor(dims, x.dtype))
    inputs = [x] + others
    g.rng.shuffle(inputs)
    g.node("Concat", inputs, axis=axis)


def split(g):
    x = g.pick(MOVED, least=1)
    axis = an_axis(g, len(x.dims))
    size = x.dims[axis]
    parts = g.integer(1, min(4, max(size, 1)))
    if g.chance():
        cuts = sorted(g.integer(0, size) for _ in range(parts - 1))
        sizes = np.diff([0] + cuts + [size])
        g.node("Split", [x, g.parameter(sizes, "int64")], parts, axis=axis)
    elif g.opset >= 18:
        if -(-size // parts) * (parts - 1) > size:
            parts = 1
        g.node("Split", [x], parts, axis=axis, num_outputs=parts)
    elif size % parts == 0:
        g.node("Split", [x], parts, axis=axis)


def slices(g):
    x = g.pick(MOVED, least=1)
    axes = axes_of(g, len(x.dims))
    dtype = g.choice(["int64", "int64", "int32"])
    far = [np.iinfo(dtype).min, np.iinfo(dtype).max]
    starts = [g.choice([g.integer(-9, 9), g.integer(-9, 9), g.choice(far)]) for _ in axes]
    ends = [g.choice([g.integer(-9, 9), g.integer(-9, 9), g.choice(far)]) for _ in axes]
    steps = [g.choice([1, 1, 2, 3, -1, -2, 100]) for _ in axes]
    lists = [starts, ends, axes, steps][:g.integer(2, 4)]
    if len(lists) == 2:
        lists = [starts[:len(x.dims)], ends]
    g.node("Slice", [x] + [g.parameter(each, dtype) for each in lists])


def gather(g):
    x = g.pick(MOVED, least=1)
    axis = an_axis(g, len(x.dims))
    size = x.dims[axis]
    dims = g.dims(0, 2) if size else [0]
    indices = g.rng.integers(-size, max(size, 1), dims).astype(g.choice(["int64", "int32"]))
    g.node("Gather", [x, g.parameter(indices)], axis=g.choice([axis, axis, None]) if axis in (0, -len(x.dims)) else axis)


def some_dims(g, dims, axis):
    chosen = [g.integer(0 if g.chance(0.1) else min(1, d), d) for d in dims]
    chosen[axis] = g.integer(0 if dims[axis] == 0 else 1, max(dims[axis], 1)) if dims[axis] else 0
    return chosen


def gather_elements(g):
    x = g.pick(MOVED, least=1)
    axis = an_axis(g, len(x.dims))
    size = x.dims[axis]
    indices = g.rng.integers(-size, max(size, 1), some_dims(g, x.dims, axis)).astype(g.choice(["int64", "int32"]))
    g.node("GatherElements", [x, g.parameter(indices)], axis=axis)


def gather_nd(g):
    x = g.pick(MOVED, least=1)
    batch = g.integer(0, len(x.dims) - 1) if g.chance(0.3) else 0
    if 0 in x.dims:
        return
    depth = g.integer(1, len(x.dims) - batch)
    lead = x.dims[:batch] + g.dims(0 if batch else 1, 2)
    tuples = [g.rng.integers(-d, d, lead) for d in x.dims[batch:batch + depth]]
    g.node("GatherND", [x, g.parameter(np.stack(tuples, -1), "int64")], batch_dims=batch or None)


def scatter_elements(g):
    x = g.pick(F[:4] + I[:4] + ["bool", "str"], least=1)
    axis = an_axis(g, len(x.dims))
    dims = some_dims(g, x.dims, axis)
    moves = ["add", "mul", "max", "min"] if x.dtype in NUMBERS and g.opset >= 18 else ["add", "mul"] if x.dtype in NUMBERS else []
    reduction = g.choice(moves) if moves and g.chance() else None
    if reduction:
        indices = g.rng.integers(-x.dims[axis], max(x.dims[axis], 1), dims)
    else:  # which of equal indices wins is not defined
        indices = np.argsort(g.rng.random(dims), axis=axis)
    updates = g.tensor(dims, x.dtype)
    g.node("ScatterElements", [x, g.parameter(indices, g.choice(["int64", "int32"])), updates], axis=axis, reduction=reduction)


def scatter_nd(g):
    x = g.pick(F[:4] + I[:4] + ["bool", "str"], least=1)
    if 0 in x.dims:
        return
    depth = g.integer(1, len(x.dims))
    places = list(np.ndindex(*x.dims[:depth]))
    count = g.integer(1, min(4, len(places)))
    chosen = [places[i] for i in g.rng.permutation(len(places))[:count]]
    moves = (["add", "mul", "max", "min"] if g.opset >= 18 else ["add", "mul"]) if x.dtype in NUMBERS else []
    reduction = g.choice(moves) if moves and g.chance() else None
    if reduction and g.chance():
        chosen = [g.choice(chosen) for _ in chosen]
    g.node("ScatterND", [x, g.parameter(np.array(chosen), "int64"), g.tensor([count] + x.dims[depth:], x.dtype)], reduction=reduction)


def transpose(g):
    x = g.pick(MOVED)
    g.node("Transpose", [x], perm=g.choice([None, [int(a) for a in g.rng.permutation(len(x.dims))]]) or None)


def factors(g, count):
    dims = []
    for f in (2, 3, 5, 7, 17):
        while count > 1 and count % f == 0:
            dims.append(f)
            count //= f
    dims += [count] if count != 1 else []
    while len(dims) > 1 and g.chance(0.6):
        dims[:2] = [dims[0] * dims[1]]
    g.rng.shuffle(dims)
    return dims + [1] * g.integer(0, 1)


def reshape(g):
    x = g.pick(MOVED)
    if x.array.size == 0:
        g.node("Reshape", [x, g.parameter([0, 3] if g.chance() else [2, 0, 1], "int64")], allowzero=1)
        return
    dims = factors(g, x.array.size)
    target = list(dims)
    if target and g.chance():
        target[g.integer(0, len(target) - 1)] = -1
    target = [0 if i < len(x.dims) and x.dims[i] == d and g.chance() else d for i, d in enumerate(target)]
    g.node("Reshape", [x, g.parameter(target, "int64")])


def squeeze(g):
    x = g.pick(MOVED)
    ones = [i - (len(x.dims) if g.chance(0.3) else 0) for i, d in enumerate(x.dims) if d == 1 and g.chance(0.7)]
    g.node("Squeeze", [x] + ([g.parameter(ones, "int64")] if ones or g.chance(0.3) else []))


def unsqueeze(g):
    x = g.pick(MOVED, most=3)
    count = g.integer(1, 2)
    rank = len(x.dims) + count
    axes = [int(a) - (rank if g.chance(0.3) else 0) for a in g.rng.permutation(rank)[:count]]
    g.node("Unsqueeze", [x, g.parameter(axes, "int64")])


def flatten(g):
    x = g.pick(MOVED)
    g.node("Flatten", [x], axis=g.choice([None, g.integer(-len(x.dims), len(x.dims))]) if x.dims else 0)


def expand(g):
    x = g.pick(MOVED, most=3)
    target = [g.integer(0 if g.chance(0.05) else 1, 4) if d == 1 and g.chance() else g.choice([d, 1]) for d in x.dims]
    target = [g.integer(1, 3) for _ in range(g.integer(0, 1))] + target
    target = target[g.integer(0, len(target)):] if g.chance(0.2) else target
    g.node("Expand", [x, g.parameter(target, "int64")])


def tile(g):
    x = g.pick(MOVED)
    g.node("Tile", [x, g.parameter([g.choice([1, 1, 2, 3, 0] if g.chance(0.2) else [1, 2]) for _ in x.dims], "int64")])


def pad(g):
    x = g.pick(MOVED[:-1], least=1)
    mode = g.choice([None, "constant", "edge", "reflect"] + (["wrap"] if g.opset >= 19 else []))
    if mode in ("edge", "reflect", "wrap") and 0 in x.dims:
        return
    axes = axes_of(g, len(x.dims)) if g.opset >= 18 and g.chance(0.3) else None
    sizes = [x.dims[a] for a in axes] if axes else x.dims
    limit = [3 if mode in (None, "constant", "edge") else max(0, d - 1) if mode == "reflect" else d for d in sizes]
    pads = [g.integer(-1 if mode in (None, "constant") and d > 2 and g.chance(0.2) else 0, min(3, m)) for _ in range(2)
            for d, m in zip(sizes, limit)]
    value = g.parameter(g.array([], x.dtype)) if mode in (None, "constant") and g.chance() else None
    inputs = [x, g.parameter(pads, "int64")]
    inputs += [value, g.parameter(axes, g.choice(["int64", "int32"]))] if axes else [value] if value else []
    g.node("Pad", inputs, mode=mode)


def depth_to_space(g):
    block, n, c, h, w = g.integer(1, 3), *(g.integer(1, 3) for _ in range(4))
    x = g.tensor([n, c * block * block, h, w], ["float32", "float64", "uint8", "float16"])
    g.node("DepthToSpace", [x], blocksize=block, mode=g.choice([None, "DCR", "CRD"]))


def space_to_depth(g):
    block, n, c, h, w = g.integer(1, 3), *(g.integer(1, 3) for _ in range(4))
    g.node("SpaceToDepth", [g.tensor([n, c, h * block, w * block], ["float32", "float64"])], blocksize=block)


def shape(g):
    x = g.pick(ALL)
    g.node("Shape", [x], start=g.choice([None, g.integer(-5, 5)]), end=g.choice([None, g.integer(-5, 5)]))


def size_of(g):
    g.node("Size", [g.pick(ALL)])


def constant_of_shape(g):
    value = g.array([1], g.choice(NUMBERS + ["bool"]), "wild")
    tensor = helper.make_tensor("value", helper.np_dtype_to_tensor_dtype(value.dtype), [1], value.tobytes(), raw=True)
    g.node("ConstantOfShape", [g.parameter(g.dims(0, 3), "int64")], value=g.choice([None, tensor]))


def range_of(g):
    dtype = g.choice(["float32", "float64", "int64", "int32", "int16"])
    numbers = [g.integer(-5, 5), g.integer(-9, 9), g.choice([1, 2, -1, -3])]
    if dtype.startswith("float"):
        numbers = [n * 0.5 for n in numbers]
    g.node("Range", [g.parameter(np.array(n, dtype)) for n in numbers])


def one_hot(g):
    depth = g.integer(1, 5)
    indices = g.array(g.dims(0, 3), g.choice(["int64", "int32", "float32"]))
    values = g.array([2], g.choice(["float32", "int64", "int32"]))
    depth_array = np.array(depth if g.chance() else [depth], g.choice(["int64", "int32", "float32"]))
    rank = indices.ndim + 1
    g.node("OneHot", [g.input(np.round(indices)), g.parameter(depth_array), g.parameter(values)],
           axis=g.choice([None, g.integer(-rank, rank - 1)]))


def non_zero(g):
    g.node("NonZero", [g.tensor(g.dims(1), ["float32", "int64", "int32", "uint8", "bool"], "few")])


def compress(g):
    x = g.pick(MOVED, least=1)
    axis = g.choice([None, an_axis(g, len(x.dims))])
    size = x.array.size if axis is None else x.dims[axis]
    g.node("Compress", [x, g.parameter(g.array([g.integer(0, size)], "bool"))], axis=axis)


def unique(g):
    dtype = g.choice(["float32", "float64", "int64", "int8", "str"])
    x = g.tensor(g.dims(1), dtype, "few")
    g.node("Unique", [x], 4, axis=g.choice([None, an_axis(g, len(x.dims))]), sorted=g.choice([None, 0, 1]),
           wanted=[True] + [g.chance(0.7) for _ in range(3)])


def eye_like(g):
    g.node("EyeLike", [g.pick(["float32", "float64", "int32", "int64", "uint64"], least=2, most=2)], k=g.choice([None, g.integer(-6, 6)]),
           dtype=g.choice([None, 1, 7, 11, 6]))


def trilu(g):
    x = g.pick(["float32", "float64", "int64", "bool"], least=2)
    k = [g.parameter(np.array(g.integer(-6, 6), "int64"))] if g.chance(0.7) else []
    g.node("Trilu", [x] + k, upper=g.choice([None, 0, 1]))


def reverse_sequence(g):
    x = g.tensor(g.dims(2), MOVED)
    batch = g.integer(0, 1)
    size = x.dims[1 - batch]
    if 0 in x.dims:
        return
    lengths = g.rng.integers(1, size + 1, [x.dims[batch]])
    g.node("ReverseSequence", [x, g.parameter(lengths, "int64")], batch_axis=batch, time_axis=1 - batch)


CAST = {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "str": 8, "bool": 9, "float16": 10,
        "float64": 11, "uint32": 12, "uint64": 13}


def cast(g):
    target = g.choice(list(CAST))
    x = g.pick([d for d in ALL if d != "str"], kind="normal", exact=True)
    if target == "str" and x.dtype in F:  # how many digits is not defined
        return
    if x.dtype in F and target.startswith("u"):  # negative ones are not defined
        x = g.tensor(x.dims, x.dtype, "positive")
    g.node("Cast", [x], to=CAST[target])


def cast_text(g):
    words = ["1", "-2", "3", " 4", "007", "100"]
    x = g.input(np.array([g.choice(words) for _ in range(4)], dtype=object))
    g.node("Cast", [x], to=g.choice([1, 7, 6, 11]))


def through_narrow(g):
    """To a type that numpy lacks, and back."""
    x = g.pick(["float32", "float16"], kind=wild(g), exact=True)
    narrow = g.choice([16, 17, 18, 19, 20] if g.opset >= 19 else [16])
    saturate = g.choice([None, 0, 1]) if narrow != 16 else None
    g.chain("Cast", {"to": narrow, "saturate": saturate}, "Cast", {"to": g.choice([1, 10])}, x)


def top_k(g):
    x = g.pick(["float32", "float64", "int64", "int32"], least=1, exact=True)
    if 0 in x.dims:
        return
    x = g.tensor(x.dims, x.dtype, "few") if g.chance() else x
    axis = an_axis(g, len(x.dims))
    sort = g.choice([None, 1])
    g.node("TopK", [x, g.parameter([g.integer(0, x.dims[axis])], "int64")], 2, axis=axis, largest=g.choice([None, 0, 1]), sorted=sort)


def quantize(g):
    x = g.pick(["float32", "float32", "float16"], least=1, exact=True)
    if np.isnan(x.array).any():  # what it becomes is not defined
        return
    axis = an_axis(g, len(x.dims))
    per_axis = g.chance() and x.dims[axis] > 0
    dims = [x.dims[axis]] if per_axis else []
    scale = g.parameter(np.array(2.0 ** g.rng.integers(-4, 2, dims), x.dtype))
    dtype = g.choice(["uint8", "int8"] + (["int16", "uint16"] if g.opset >= 21 else []))
    inputs = [x, scale] + ([g.parameter(g.array(dims, dtype))] if g.chance(0.7) else [])
    g.node("QuantizeLinear", inputs, axis=axis if per_axis or g.chance() else None)


def dequantize(g):
    x = g.pick(["uint8", "int8", "int32"], least=1, exact=True)
    axis = an_axis(g, len(x.dims))
    per_axis = g.chance() and x.dims[axis] > 0
    dims = [x.dims[axis]] if per_axis else []
    scale = g.parameter(g.array(dims, "float32", "positive"))
    inputs = [x, scale] + ([g.parameter(g.array(dims, x.dtype))] if g.chance(0.7) and x.dtype != "int32" else [])
    g.node("DequantizeLinear", inputs, axis=axis if per_axis or g.chance() else None)


def dynamic_quantize(g):
    g.node("DynamicQuantizeLinear", [g.tensor([g.integer(1, 5) for _ in range(g.integer(1, 3))], "float32")], 3)


DATA_OPERATORS = {
    "Concat": concat, "Split": split, "Slice": slices, "Gather": gather, "GatherElements": gather_elements, "GatherND": gather_nd,
    "ScatterElements": scatter_elements, "ScatterND": scatter_nd, "Transpose": transpose, "Reshape": reshape, "Squeeze": squeeze,
    "Unsqueeze": unsqueeze, "Flatten": flatten, "Expand": expand, "Tile": tile, "Pad": pad, "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth, "Shape": shape, "Size": size_of, "ConstantOfShape": constant_of_shape, "Range": range_of,
    "OneHot": one_hot, "NonZero": non_zero, "Compress": compress, "Unique": unique, "EyeLike": eye_like, "Trilu": trilu,
    "ReverseSequence": reverse_sequence, "Cast": cast, "Cast of text": cast_text, "Cast and back": through_narrow, "TopK": top_k,
    "QuantizeLinear": quantize, "DequantizeLinear": dequantize, "DynamicQuantizeLinear": dynamic_quantize,
}
