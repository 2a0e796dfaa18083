"""Operators of com.microsoft that random graphs are made of."""
import numpy as np

MS = "com.microsoft"
BYTES = ["uint8", "int8"]
FUSED = {"Relu": [], "Sigmoid": [], "Tanh": [], "LeakyRelu": ["alpha"], "HardSigmoid": ["alpha", "beta"], "Elu": ["alpha"],
         "Softplus": [], "Softsign": [], "Celu": ["alpha"], "Selu": ["alpha", "gamma"], "ThresholdedRelu": ["alpha"],
         "ScaledTanh": ["alpha", "beta"], "ParametricSoftplus": ["alpha", "beta"]}


def codes(g, dims, dtype):
    info = np.iinfo(dtype)
    return g.input(g.rng.integers(info.min, info.max + 1, tuple(dims)).astype(dtype))


def scale(g, low=0.01, high=0.1):
    # A constant, as each zero point: ONNX Runtime dies of some mixtures with inputs.
    return g.constant(np.float32(g.rng.uniform(low, high)))


def zero(g, dtype):
    info = np.iinfo(dtype)
    return g.constant(g.rng.integers(info.min, info.max + 1), dtype)


def quantised(g, dims, dtype):
    """An array, its scale, its zero point."""
    return [codes(g, dims, dtype), scale(g), zero(g, dtype)]


def qlinear_binary(operator):
    def add(g):
        dtype, dims = g.choice(BYTES), g.dims(1, 3)
        other = [d if g.chance(0.75) else 1 for d in dims]
        g.node(operator, quantised(g, dims, dtype) + quantised(g, other, dtype) + [scale(g, 0.05, 0.3), zero(g, dtype)], domain=MS)
    return add


def qlinear_where(g):
    dtype, dims = g.choice(BYTES), g.dims(1, 3)
    condition = g.tensor([d if g.chance(0.75) else 1 for d in dims], "bool")
    g.node("QLinearWhere", [condition] + quantised(g, dims, dtype) + quantised(g, dims, dtype) + [scale(g), zero(g, dtype)], domain=MS)


def qlinear_unary(operator, **attributes):
    def add(g):
        dtype = g.choice(BYTES)
        drawn = {key: draw(g) for key, draw in attributes.items()}
        g.node(operator, quantised(g, g.dims(1, 3), dtype) + [scale(g, 0.004, 0.05), zero(g, dtype)], domain=MS, **drawn)
    return add


def qlinear_softmax(g):
    dtype, dims = g.choice(BYTES), g.dims(1, 3)
    g.node("QLinearSoftmax", quantised(g, dims, dtype) + [scale(g, 0.003, 0.01), zero(g, dtype)], domain=MS,
           opset=g.choice([12, 13]), axis=g.integer(-len(dims), len(dims) - 1))


def qlinear_concat(g):
    dtype, dims = g.choice(BYTES), g.dims(1, 3)
    axis = g.integer(0, len(dims) - 1)
    inputs = [scale(g), zero(g, dtype)]
    for _ in range(g.integer(1, 3)):
        part = list(dims)
        part[axis] = g.integer(1, 4)
        inputs += quantised(g, part, dtype)
    g.node("QLinearConcat", inputs, domain=MS, axis=axis)


def layout(g, channels, size):
    """Dims and channels_last."""
    last = g.integer(0, 1)
    return [g.integer(1, 2)] + (size + [channels] if last else [channels] + size), last


def qlinear_average_pool(g):
    dtype, kernel = g.choice(BYTES), [g.integer(1, 3), g.integer(1, 3)]
    dims, last = layout(g, g.integer(1, 4), [g.integer(4, 8), g.integer(4, 8)])
    pads = [g.integer(0, (k - 1) // 2) for _ in range(2) for k in kernel]
    g.node("QLinearAveragePool", quantised(g, dims, dtype) + [scale(g), zero(g, dtype)], domain=MS, kernel_shape=kernel,
           channels_last=last, pads=pads, strides=g.choice([None, [1, 2], [2, 2]]), count_include_pad=g.choice([None, 0, 1]))


def qlinear_global_average_pool(g):
    dtype = g.choice(BYTES)
    dims, last = layout(g, g.integer(1, 4), [g.integer(1, 6), g.integer(1, 6)])
    g.node("QLinearGlobalAveragePool", quantised(g, dims, dtype) + [scale(g), zero(g, dtype)], domain=MS, channels_last=last)


def qlinear_conv(g):
    dtype, group, c, out = g.choice(BYTES), g.integer(1, 2), g.integer(1, 3), g.integer(1, 3)
    dims, last = layout(g, c * group, [g.integer(4, 7), g.integer(4, 7)])
    weights = "int8" if dtype == "int8" else g.choice(BYTES)
    count = [out * group] if g.chance() else []
    w_scale = g.constant(g.rng.uniform(0.001, 0.01, count), "float32")
    w_zero = g.constant(np.zeros(count) if weights == "int8" else np.full(count, 120), weights)
    bias = [g.constant(g.rng.integers(-500, 500, out * group), "int32")] if g.chance() else []
    g.node("QLinearConv", quantised(g, dims, dtype) + [g.constant(codes(g, [out * group, c, 2, 3], weights).array), w_scale, w_zero,
                                                       scale(g, 0.05, 0.3), zero(g, dtype)] + bias,
           domain=MS, group=group, channels_last=last, pads=g.choice([None, [0, 1, 1, 0]]), strides=g.choice([None, [1, 2]]))


def nhwc_max_pool(g):
    kernel = [g.integer(1, 3), g.integer(1, 3)]
    x = codes(g, [g.integer(1, 2), g.integer(4, 7), g.integer(4, 7), g.integer(1, 4)], g.choice(BYTES))
    g.node("NhwcMaxPool", [x], domain=MS, kernel_shape=kernel, strides=g.choice([None, [1, 2]]),
           pads=[g.integer(0, (k - 1) // 2) for _ in range(2) for k in kernel])


def column_scales(g, columns, dtype):
    """Scale and zero point of a right factor: one, or one for each column."""
    dims = [columns] if g.chance() else []
    info = np.iinfo(dtype)
    return (g.parameter(g.rng.uniform(0.01, 0.1, dims), "float32"),
            g.parameter(g.rng.integers(info.min, info.max + 1, dims), dtype))


def factors(g):
    left = g.choice(BYTES)
    right = "int8" if left == "int8" else g.choice(BYTES)
    return left, right, g.integer(1, 5), g.integer(1, 9), g.integer(1, 6)


def matmul_to_float(g):
    left, right, m, k, n = factors(g)
    b_scale, b_zero = column_scales(g, n, right)
    inputs = [codes(g, g.choice([[m, k], [2, m, k]]), left), codes(g, [k, n], right), scale(g), b_scale]
    points = [zero(g, left) if g.chance() else None, b_zero if g.chance(0.7) else None, g.tensor([n], "float32") if g.chance() else None]
    g.node("MatMulIntegerToFloat", inputs + points, domain=MS)


def dynamic_matmul(g):
    _, right, m, k, n = factors(g)
    b_scale, b_zero = column_scales(g, n, right)
    inputs = [g.pick(["float32"], dims=g.choice([[m, k], [2, m, k]])), codes(g, [k, n], right), b_scale]
    g.node("DynamicQuantizeMatMul", inputs + [b_zero if g.chance() else None, g.tensor([n], "float32") if g.chance() else None],
           domain=MS)


def matmul16(g):
    _, _, m, k, n = factors(g)
    g.node("MatMulInteger16", [codes(g, [m, k], "int16"), codes(g, [k, n], "int16")], domain=MS)


def qgemm(g):
    left, right, m, k, n = factors(g)
    b_scale, b_zero = column_scales(g, n, right)
    first, second = g.integer(0, 1), g.integer(0, 1)
    inputs = quantised(g, [k, m] if first else [m, k], left) + [codes(g, [n, k] if second else [k, n], right), b_scale, b_zero]
    c = g.choice([None, [n], [m, n], [1, n], []])
    inputs.append(g.parameter(g.rng.integers(-900, 900, c), "int32") if c is not None else None)
    inputs += [scale(g, 0.5, 2), zero(g, left)] if g.chance() else []
    g.node("QGemm", inputs, domain=MS, alpha=g.choice([None, 0.5]), transA=first, transB=second)


def fused_gemm(g):
    m, k, n = g.integer(1, 4), g.integer(1, 6), g.integer(1, 5)
    first, second = g.integer(0, 1), g.integer(0, 1)
    name = g.choice(sorted(FUSED))
    x = g.tensor([k, m] if first else [m, k], "float32")
    inputs = [x, g.tensor([n, k] if second else [k, n], "float32")] + ([g.tensor([n], "float32")] if g.chance() else [])
    g.node("FusedGemm", inputs, domain=MS, activation=name, transA=first, transB=second, alpha=g.choice([None, 0.5]),
           **{f"activation_{p}": round(float(g.rng.uniform(0.1, 2)), 2) for p in FUSED[name]})


def fused_conv(g):
    c, out = g.integer(1, 3), g.integer(1, 3)
    x, w = g.tensor([1, c, 4, 5], "float32"), g.tensor([out, c, 2, 2], "float32")
    name, count = g.choice([("Relu", 0), ("Sigmoid", 0), ("Tanh", 0), ("LeakyRelu", 1), ("Clip", 2), ("HardSigmoid", 2)])
    params = sorted(round(float(g.rng.uniform(0.1, 0.9)), 2) for _ in range(count))
    bias = g.tensor([out], "float32") if g.chance() else None
    g.node("FusedConv", [x, w, bias] + ([g.tensor([1, out, 3, 4], "float32")] if g.chance() else []), domain=MS, activation=name,
           activation_params=params or None)


def quantize_linear(g):
    x = g.tensor(g.dims(1, 3), "float32")
    dtype = g.choice(BYTES + ["int16", "uint16"])
    axis = g.choice([None, g.integer(0, len(x.dims) - 1)])
    dims = [] if axis is None else [x.dims[axis]]
    info = np.iinfo(dtype)
    g.node("QuantizeLinear", [x, g.parameter(g.rng.uniform(0.01, 0.1, dims), "float32"),
                              g.parameter(g.rng.integers(info.min, info.max + 1, dims), dtype)], domain=MS, axis=axis)


def dequantize_linear(g):
    dtype = g.choice(BYTES + ["int16", "uint16"])
    x = codes(g, g.dims(1, 3), dtype)
    axis = g.choice([None, g.integer(0, len(x.dims) - 1)])
    dims = [] if axis is None else [x.dims[axis]]
    info = np.iinfo(dtype)
    g.node("DequantizeLinear", [x, g.parameter(g.rng.uniform(0.01, 0.1, dims), "float32"),
                                g.parameter(g.rng.integers(info.min, info.max + 1, dims), dtype)], domain=MS, axis=axis)


def attention(g):
    heads, width, tokens, size = g.integer(1, 3), g.integer(1, 4), g.integer(1, 4), g.integer(1, 6)
    hidden = heads * width
    x, w = codes(g, [2, tokens, size], "uint8"), codes(g, [size, 3 * hidden], "int8")
    mask = g.choice([None, [1] * 2, [tokens] * 2])
    inputs = [x, w, g.tensor([3 * hidden], "float32"), scale(g), scale(g), g.parameter(mask, "int32") if mask else None, zero(g, "uint8"),
              zero(g, "int8")]
    g.node("QAttention", inputs, domain=MS, num_heads=heads, unidirectional=g.choice([None, 0, 1]))


def inverse(g):
    n = g.integer(1, 5)
    x = g.array(g.choice([[n, n], [2, n, n]]), "float32") + np.eye(n, dtype=np.float32) * 4
    g.node("Inverse", [g.input(x)], domain=MS)


def cdist(g):
    n, dtype = g.integer(1, 6), g.choice(["float32", "float64"])
    g.node("CDist", [g.tensor([g.integer(1, 4), n], dtype), g.tensor([g.integer(1, 4), n], dtype)], domain=MS,
           metric=g.choice([None, "euclidean", "sqeuclidean"]))


def trilu(g):
    x = g.tensor(g.dims(2, 4), g.choice(["float32", "float64", "int64"]))
    g.node("Trilu", [x] + ([g.parameter(g.integer(-3, 3), "int64")] if g.chance() else []), domain=MS, upper=g.choice([None, 0, 1]))


def expand_dims(g):
    x = g.pick(["float32", "int32", "bool", "int8"])
    g.node("ExpandDims", [x, g.parameter(g.integer(-len(x.dims) - 1, len(x.dims)), "int32")], domain=MS)


def gather_nd(g):
    x = g.tensor([g.integer(1, 4) for _ in range(g.integer(1, 3))], ["float32", "int64", "int8"])
    depth = g.integer(1, len(x.dims))
    indices = np.stack([g.rng.integers(-d, d, (2, 3)) for d in x.dims[:depth]], -1)
    g.node("GatherND", [x, g.parameter(indices, g.choice(["int32", "int64"]))], domain=MS)


def range_of(g):
    dtype = g.choice(["int16", "int32", "int64", "float32", "float64"])
    start, limit = g.parameter(g.integer(-5, 5), dtype), g.parameter(g.integer(-5, 15), dtype)
    g.node("Range", [start, limit] + ([g.parameter(g.choice([-2, 1, 3]), dtype)] if g.chance() else []), domain=MS)


def pad(g):
    x = g.tensor([g.integer(2, 5) for _ in range(g.integer(1, 3))], "float32")
    pads = np.array([g.integer(-1, 1) for _ in range(2 * len(x.dims))])
    mode = g.choice([None, "constant", "reflect", "edge"])
    value = [g.parameter(np.float32([2.5]))] if mode != "reflect" and g.chance() else []
    g.node("Pad", [x, g.parameter(pads[None] if g.chance() else pads, "int64")] + value, domain=MS, mode=mode)


def unique(g):
    g.node("Unique", [g.tensor(g.dims(1, 1), "float32", "few")], 3, domain=MS)


def matmul_bnb4(g):
    n, k, block = g.integer(1, 5), g.integer(1, 40), 16
    b = g.constant(g.rng.integers(0, 256, (n * k + 1) // 2), "uint8")
    absmax = g.constant(g.rng.uniform(0.1, 1, (n * k + block - 1) // block), "float32")
    g.node("MatMulBnb4", [g.tensor([2, k], "float32"), b, absmax], domain=MS, N=n, K=k, block_size=block, quant_type=g.integer(0, 1))


def routed(g, experts):
    tokens = g.integer(1, 5)
    return tokens, g.tensor([tokens, experts], "float32"), g.integer(1, experts)


def moe(g):
    experts, width, inner = g.integer(1, 4), g.integer(1, 6), g.integer(1, 5)
    tokens, scores, k = routed(g, experts)
    kind = g.choice(["relu", "gelu", "silu", "identity", "swiglu"])
    first = inner * (2 if kind == "swiglu" else 1)
    biases = [g.tensor([experts, first], "float32"), g.tensor([experts, width], "float32")] if g.chance() else [None, None]
    x = g.tensor([tokens, width], "float32")
    g.node("MoE", [x, scores, g.tensor([experts, first, width], "float32"), biases[0], g.tensor([experts, width, inner], "float32"),
                   biases[1]], domain=MS, k=k, activation_type=kind, normalize_routing_weights=g.choice([None, 0, 1]),
           **({"swiglu_fusion": 1, "swiglu_limit": g.choice([None, 0.5]), "activation_beta": 1.0} if kind == "swiglu" else {}))


def qmoe(g):
    # Its shares are always divided by their sum, whatever normalize_routing_weights says.
    experts, bits, width, inner = g.integer(1, 3), g.choice([2, 4, 8]), 16, 32
    block = g.choice([None, 16])
    tokens, scores, k = routed(g, experts)

    def layer(rows, columns):
        scales = [experts, rows] + ([columns // block] if block else [])
        return [codes(g, [experts, rows, columns * bits // 8], "uint8"), g.parameter(g.rng.uniform(0.01, 0.05, scales), "float32"),
                g.tensor([experts, rows], "float32") if g.chance() else None]

    kind = g.choice(["relu", "silu", "identity", "swiglu"])
    g.node("QMoE", [g.tensor([tokens, width], "float32"), scores] + layer(inner * (2 if kind == "swiglu" else 1), width)
           + layer(width, inner), domain=MS, k=k, expert_weight_bits=bits, block_size=block, normalize_routing_weights=1,
           activation_type=kind, **({"swiglu_fusion": 1} if kind == "swiglu" else {}))


def gelu(operator, bias):
    def add(g):
        x = g.pick(["float32"], least=1)
        given = bias == "always" or (bias == "maybe" and g.chance())
        g.node(operator, [x] + ([g.tensor(x.dims[-1:], "float32")] if given else []), domain=MS)
    return add


def skip_normalization(operator):
    def add(g):
        x = g.tensor([g.integer(1, 2), g.integer(1, 4), g.integer(2, 6)], "float32")
        vectors = [g.tensor(x.dims[-1:], "float32") for _ in range(1 + g.integer(0, 1))]
        g.node(operator, [x, g.tensor(x.dims, "float32")] + vectors, domain=MS, epsilon=1e-3)
    return add


def fused_matmul(g):
    first, second, m, k, n = g.integer(0, 1), g.integer(0, 1), g.integer(1, 4), g.integer(1, 5), g.integer(1, 4)
    batch = g.choice([[], [2], [2, 1]])
    a = g.tensor(batch + ([k, m] if first else [m, k]), "float32")
    g.node(g.choice(["FusedMatMul", "TransposeMatMul"]), [a, g.tensor(batch + ([n, k] if second else [k, n]), "float32")], domain=MS,
           transA=first, transB=second, alpha=g.choice([None, 0.5]))


def group_attention(g):
    """A cache that is full afterwards: ONNX Runtime leaves rows beyond it to chance."""
    shared, width, tokens, had = g.integer(1, 2), 16, g.integer(1, 3), g.integer(1, 6)
    heads = shared * g.integer(1, 2)
    kind = g.choice(["NONE", "PER_TENSOR", "PER_CHANNEL", "window"])
    rows = [g.tensor([1, tokens, count * width], "float32") for count in (heads, shared, shared)]
    attributes = {"num_heads": heads, "kv_num_heads": shared, "local_window_size": g.choice([None, g.integer(1, 6)])}
    if kind in ("NONE", "window"):
        past = [g.tensor([1, shared, had, width], "float32") for _ in range(2)]
        scales = []
    else:
        bits = g.choice([4, 8])
        past = [codes(g, [1, shared, had, width // 2 if bits == 4 else width], "uint8" if bits == 4 else "int8") for _ in range(2)]
        dims = [1] if kind == "PER_TENSOR" else [1, shared, 1, width]
        scales = [None] * 5 + [g.constant(g.rng.uniform(0.02, 0.2, dims), "float32") for _ in range(2)]
        attributes |= {"kv_cache_bit_width": bits, "k_quant_type": kind, "v_quant_type": kind}
    if kind == "window":
        attributes |= {"sliding_window_cache": 1, "local_window_size": had}
    lengths = [g.constant([had + tokens - 1], "int32"), g.constant(had + tokens, "int32")]
    g.node("GroupQueryAttention", rows + past + lengths + scales, 3, domain=MS, **attributes)


def causal_conv(g):
    c, k = g.integer(1, 4), g.integer(1, 4)
    inputs = [g.tensor([2, c, g.integer(1, 6)], "float32"), g.tensor([c, 1, k], "float32")]
    bias = g.tensor([c], "float32") if g.chance() else None
    g.node("CausalConvWithState", inputs + [bias, g.tensor([2, c, k - 1], "float32") if k > 1 and g.chance() else None], 2, domain=MS,
           activation=g.choice([None, "none", "silu", "swish"]))


def linear_attention(g):
    heads, width, tokens = g.integer(1, 3), g.integer(1, 4), g.integer(1, 4)
    rule = g.choice(["linear", "gated", "delta", "gated_delta"])
    rows = [g.input(g.array([1, tokens, heads * width], "float32") * np.float32(0.5)) for _ in range(3)]
    past = g.tensor([1, heads, width, width], "float32") if g.chance() else None
    decay = g.input(-np.abs(g.array([1, tokens, heads], "float32"))) if "gated" in rule else None
    beta = g.tensor([1, tokens, heads], "float32", "unit") if "delta" in rule else None
    g.node("LinearAttention", rows + [past, decay, beta], 2, domain=MS, q_num_heads=heads, kv_num_heads=heads, update_rule=rule)


def gated_norm(g):
    groups, width = g.integer(1, 3), g.integer(1, 5)
    x = g.tensor([2, g.integer(1, 3), groups * width], "float32")
    g.node("GatedRMSNorm", [x, g.tensor([width], "float32"), g.tensor(x.dims, "float32")], domain=MS, epsilon=1e-3,
           activation=g.choice(["silu", "swish", "sigmoid"]))


def mrotary(g):
    heads, pairs, tokens = g.integer(1, 2), 8, g.integer(1, 4)
    x = g.tensor(g.choice([[1, tokens, heads * 2 * pairs], [1, heads, tokens, 2 * pairs]]), "float32")
    positions = g.parameter(g.rng.integers(0, 10, (3, 1, tokens)), "int64")
    caches = [g.constant(g.array([10, pairs], "float32")) for _ in range(2)]
    g.node("MRotaryEmbedding", [x, positions] + caches, domain=MS, num_heads=heads if len(x.dims) == 3 else None,
           mrope_section=g.choice([[4, 2, 2], [2, 3, 3], [8, 0, 0]]), mrope_layout=g.integer(0, 1), interleaved=g.choice([None, 0, 1]))


def grid_sample(g):
    x = g.tensor([1, 2, g.integer(1, 5), g.integer(1, 5)], "float32")
    grid = g.input((g.rng.random((1, 3, 2, 2)) * 2.4 - 1.2).astype("float32"))
    g.node("GridSample", [x, grid], domain=MS, mode=g.choice([None, "bilinear", "bicubic"]), align_corners=g.choice([None, 0, 1]),
           padding_mode=g.choice([None, "zeros", "border", "reflection"]))


def gather_blocks(g):
    bits, rows, blocks = g.choice([2, 4, 8]), g.integer(1, 5), g.integer(1, 3)
    table = g.constant(codes(g, [rows, 16 * blocks * bits // 8], "uint8").array)
    scales = g.constant(g.rng.uniform(0.01, 0.1, [rows, blocks]), "float32")
    points = [g.constant(codes(g, [rows, (blocks * bits + 7) // 8], "uint8").array)] if g.chance() else []
    indices = g.parameter(g.rng.integers(-rows - 1, rows + 1, g.dims(0, 2)), g.choice(["int32", "int64"]))
    g.node("GatherBlockQuantized", [table, indices, scales] + points, domain=MS, bits=bits, block_size=16, gather_axis=0, quantize_axis=1)


def matmul_nbits(g):
    bits, n, k = g.choice([2, 4, 8]), g.integer(1, 5), g.choice([16, 20, 48])
    blocks = (k + 15) // 16
    weights = [g.constant(codes(g, [n, blocks, 2 * bits], "uint8").array), g.constant(g.rng.uniform(0.01, 0.1, [n, blocks]), "float32")]
    points = [g.constant(codes(g, [n, (blocks * bits + 7) // 8], "uint8").array)] if g.chance() else []
    g.node("MatMulNBits", [g.tensor([g.integer(1, 3), k], "float32")] + weights + points, domain=MS, bits=bits, block_size=16, K=k, N=n,
           accuracy_level=1)


def rotary(g):
    heads, pairs, tokens = g.integer(1, 3), g.integer(1, 4) * 4, g.integer(1, 4)
    x = g.tensor([2, tokens, heads * 2 * pairs], "float32")
    positions = g.parameter(g.choice([[g.integer(0, 5)], g.rng.integers(0, 10, (2, tokens))]), "int64")
    g.node("RotaryEmbedding", [x, positions] + [g.constant(g.array([10, pairs], "float32")) for _ in range(2)], domain=MS,
           interleaved=g.choice([None, 0, 1]))


def multi_head_attention(g):
    heads, width, tokens, keys = g.integer(1, 3), g.integer(1, 4), g.integer(1, 4), g.integer(1, 5)
    rows = [g.tensor([2, count, heads * width], "float32") for count in (tokens, keys, keys)]
    bias = g.tensor([3 * heads * width], "float32") if g.chance() else None
    mask = g.parameter(g.rng.integers(1, keys + 1, 2), "int32") if g.chance() else None
    g.node("MultiHeadAttention", rows + [bias, mask], domain=MS, num_heads=heads, scale=g.choice([None, 0.3]))


CONTRIB_OPERATORS = {
    "QLinearAdd": qlinear_binary("QLinearAdd"), "QLinearMul": qlinear_binary("QLinearMul"), "QLinearWhere": qlinear_where,
    "QLinearSigmoid": qlinear_unary("QLinearSigmoid"),
    "QLinearLeakyRelu": qlinear_unary("QLinearLeakyRelu", alpha=lambda g: g.choice([None, 0.25])),
    "QLinearSoftmax": qlinear_softmax, "QLinearConcat": qlinear_concat, "QLinearAveragePool": qlinear_average_pool,
    "QLinearGlobalAveragePool": qlinear_global_average_pool, "MicrosoftQLinearConv": qlinear_conv, "NhwcMaxPool": nhwc_max_pool,
    "MatMulIntegerToFloat": matmul_to_float, "DynamicQuantizeMatMul": dynamic_matmul, "MatMulInteger16": matmul16, "QGemm": qgemm,
    "FusedGemm": fused_gemm, "FusedConv": fused_conv, "MicrosoftQuantizeLinear": quantize_linear,
    "MicrosoftDequantizeLinear": dequantize_linear, "QAttention": attention, "Inverse": inverse, "CDist": cdist,
    "MicrosoftTrilu": trilu, "ExpandDims": expand_dims, "MicrosoftGatherND": gather_nd, "MicrosoftRange": range_of,
    "MicrosoftPad": pad, "MicrosoftUnique": unique, "MatMulBnb4": matmul_bnb4, "MoE": moe, "QMoE": qmoe,
    "MicrosoftGelu": gelu("Gelu", "never"), "BiasGelu": gelu("BiasGelu", "always"), "FastGelu": gelu("FastGelu", "maybe"),
    "QuickGelu": gelu("QuickGelu", "never"), "SkipLayerNormalization": skip_normalization("SkipLayerNormalization"),
    "SkipSimplifiedLayerNormalization": skip_normalization("SkipSimplifiedLayerNormalization"), "FusedMatMul": fused_matmul,
    "GroupQueryAttention": group_attention, "MicrosoftCausalConvWithState": causal_conv, "MicrosoftLinearAttention": linear_attention,
    "GatedRMSNorm": gated_norm, "MRotaryEmbedding": mrotary, "MicrosoftGridSample": grid_sample,
    "GatherBlockQuantized": gather_blocks, "MatMulNBits": matmul_nbits, "MicrosoftRotaryEmbedding": rotary,
    "MultiHeadAttention": multi_head_attention}
