"""The operators that random graphs are made of: maths on elements, reductions, products. Each entry draws inputs and attributes
and adds its nodes to a Graph."""
import numpy as np

F = ["float32", "float32", "float32", "float64", "float16"]
I = ["int64", "int32", "int8", "uint8", "int16", "uint16", "uint32", "uint64"]
NUMBERS = F + I
ALL = NUMBERS + ["bool", "str"]

EXACT_UNARY = {"Abs": NUMBERS, "Neg": F + I[:3] + ["int16"], "Sign": NUMBERS, "Ceil": F, "Floor": F, "Round": F, "Relu": F + I[:3],
               "Not": ["bool"], "BitwiseNot": I, "IsNaN": F, "IsInf": F, "Identity": ALL}
INEXACT_UNARY = {"Exp": "normal", "Log": "positive", "Sqrt": "positive", "Reciprocal": "nonzero", "Sin": "normal", "Cos": "normal",
                 "Tan": "normal", "Asin": "unit", "Acos": "unit", "Atan": "normal", "Sinh": "normal", "Cosh": "normal",
                 "Tanh": "normal", "Asinh": "normal", "Acosh": "normal", "Atanh": "unit", "Erf": "normal", "Sigmoid": "normal",
                 "Softplus": "normal", "Softsign": "normal", "HardSwish": "normal", "Mish": "normal"}
WITH_ALPHA = {"Elu": ["alpha"], "Selu": ["alpha", "gamma"], "Celu": ["alpha"], "LeakyRelu": ["alpha"], "ThresholdedRelu": ["alpha"],
              "HardSigmoid": ["alpha", "beta"]}
ARITHMETIC = ["Add", "Sub", "Mul", "Div"]
COMPARISONS = {"Equal": ALL, "Greater": NUMBERS, "Less": NUMBERS, "GreaterOrEqual": NUMBERS, "LessOrEqual": NUMBERS}
REDUCTIONS = ["ReduceSum", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp",
              "ReduceMax", "ReduceMin"]
# Steps: since these opsets.
SINCE = {"Mish": 18, "HardSwish": 14, "BitwiseNot": 18, "Gelu": 20, "Swish": 24, "BitwiseAnd": 18, "BitwiseOr": 18, "BitwiseXor": 18}


def wild(g):
    return "wild" if g.chance(0.4) else "normal"


def unary(operator, dtypes):
    def add(g):
        attributes = {}
        if operator == "IsInf" and g.chance():
            attributes = {"detect_negative": g.integer(0, 1), "detect_positive": g.integer(0, 1)}
        g.node(operator, [g.pick(dtypes, kind=wild(g), exact=True)], **attributes)
    return add


def smooth(operator, kind):
    return lambda g: g.node(operator, [g.pick(F, kind=wild(g) if g.chance(0.3) else kind, exact=kind != "normal")])


def with_alpha(operator, names):
    return lambda g: g.node(operator, [g.pick(F, kind=wild(g))],
                            **{n: round(float(g.rng.uniform(0.1, 2)), 2) for n in names if g.chance()})


def gelu(g):
    g.node("Gelu", [g.pick(F)], approximate=g.choice([None, "none", "tanh"]))


def swish(g):
    g.node("Swish", [g.pick(F)], alpha=g.choice([None, 1.5]))


def prelu(g):
    x = g.pick(F + ["int32", "int64"], kind=wild(g))
    g.node("PRelu", [x, g.tensor([d if g.chance() else 1 for d in x.dims], x.dtype)])


def shrink(g):
    g.node("Shrink", [g.pick(NUMBERS, exact=True)], lambd=g.choice([None, 0.25, 1.5]), bias=g.choice([None, 0.5, 1.0]))


def clip(g):
    x = g.pick(NUMBERS, kind=wild(g))
    low = g.parameter(g.array([], x.dtype)) if g.chance(0.7) else None
    high = g.parameter(g.array([], x.dtype)) if g.chance(0.7) else None
    g.node("Clip", [x] + ([low, high] if high else [low] if low else []))


def arithmetic(operator):
    def add(g):
        x = g.pick(NUMBERS, kind=wild(g))
        # ONNX Runtime dies of an integer's division by zero.
        kind = "nonzero" if operator == "Div" and x.dtype not in F else wild(g)
        operands = [x, g.broadcastable(x, kind)]
        g.node(operator, operands if operator == "Div" or g.chance() else operands[::-1])
    return add


def comparison(operator, dtypes):
    def add(g):
        x = g.pick(dtypes, kind=wild(g), exact=True)
        g.node(operator, [x, g.broadcastable(x, wild(g))])
    return add


def logical(operator, dtypes):
    def add(g):
        x = g.pick(dtypes)
        g.node(operator, [x, g.broadcastable(x)])
    return add


def power(g):
    x = g.tensor(g.dims(), F + ["int32", "int64"], "positive")
    exponent = g.tensor([d if g.chance() else 1 for d in x.dims], F[:4] + ["int32", "int64"], "positive")
    exponent.array = (exponent.array % 4).astype(exponent.array.dtype)
    g.node("Pow", [x, exponent])


def modulo(g):
    x = g.pick(NUMBERS, exact=True)
    g.node("Mod", [x, g.broadcastable(x, "nonzero")], fmod=1 if x.dtype in F else g.choice([None, 0, 1]))


def bit_shift(g):
    x = g.pick(["uint8", "uint16", "uint32", "uint64"])
    g.node("BitShift", [x, g.broadcastable(x)], direction=g.choice(["LEFT", "RIGHT"]))


def variadic(operator):
    def add(g):
        x = g.pick(F if operator in ("Sum", "Mean") else NUMBERS, kind=wild(g) if operator in ("Max", "Min") else "normal")
        g.node(operator, [x] + [g.broadcastable(x) for _ in range(g.integer(0, 3))])
    return add


def where(g):
    x = g.pick(ALL, kind=wild(g))
    g.node("Where", [g.tensor([d if g.chance(0.8) else 1 for d in x.dims], "bool"), x, g.broadcastable(x)])


def axes_of(g, rank, least=1):
    """Different axes, some counted from the end."""
    count = g.integer(min(least, rank), rank)
    return [int(a) - (rank if g.chance(0.3) else 0) for a in g.rng.permutation(rank)[:count]]


def reduction(operator):
    def add(g):
        exact = operator in ("ReduceMax", "ReduceMin")
        x = g.pick(F + I[:4] if exact else F + I[:2], kind=wild(g) if exact else
                   "positive" if operator == "ReduceLogSum" else "normal")
        axes = g.choice([None, None, axes_of(g, len(x.dims))])
        keep = g.choice([None, 0, 1])
        if g.opset >= 18 or operator == "ReduceSum":
            noop = g.choice([None, None, 0, 1])
            g.node(operator, [x] + ([g.parameter(axes, "int64")] if axes is not None else []), keepdims=keep,
                   noop_with_empty_axes=noop)
        else:
            g.node(operator, [x], keepdims=keep, axes=axes or None)
    return add


def arg_reduction(operator):
    def add(g):
        x = g.pick(F + I[:4], least=1, exact=True)
        x = g.tensor(x.dims, x.dtype, "few") if g.chance() else x
        rank = len(x.dims)
        g.node(operator, [x], axis=g.choice([None, g.integer(-rank, rank - 1)]), keepdims=g.choice([None, 0, 1]),
               select_last_index=g.choice([None, 0, 1]))
    return add


def cumulative(g):
    x = g.pick(F[:4] + I[:2], least=1)
    axis = g.integer(-len(x.dims), len(x.dims) - 1)
    g.node("CumSum", [x, g.parameter(np.array(axis, g.choice(["int32", "int64"])))], exclusive=g.choice([None, 0, 1]),
           reverse=g.choice([None, 0, 1]))


def softmax(operator):
    def add(g):
        x = g.pick(F, least=1, exact=operator == "Hardmax")
        g.node(operator, [x], axis=g.choice([None, g.integer(-len(x.dims), len(x.dims) - 1)]))
    return add


def lp_normalization(g):
    x = g.tensor(g.dims(1), F, "positive")
    g.node("LpNormalization", [x], axis=g.choice([None, g.integer(-len(x.dims), len(x.dims) - 1)]), p=g.choice([None, 1, 2]))


def mat_mul(g):
    x = g.pick(F + ["int32", "int64", "uint32", "uint64"], least=1)
    k = x.dims[-1]
    batch = [d if g.chance(0.7) else 1 for d in x.dims[:-2]]
    batch = batch[g.integer(0, len(batch)):] if g.chance(0.3) else batch
    dims = [k] if g.chance(0.15) else batch + [k, g.integer(1, 9)]
    g.node("MatMul", [x, g.tensor(dims, x.dtype)])


def gemm(g):
    x = g.pick(F, least=2, most=2)
    transposed, other = g.integer(0, 1), g.integer(0, 1)
    m, k = x.dims[::-1] if transposed else x.dims
    n = g.integer(1, 9)
    inputs = [x, g.tensor([n, k] if other else [k, n], x.dtype)]
    if g.chance(0.7):
        inputs.append(g.tensor(g.choice([[m, n], [1, n], [m, 1], [n], [1], []]), x.dtype))
    g.node("Gemm", inputs, transA=transposed, transB=other, alpha=g.choice([None, 0.5]), beta=g.choice([None, 2.0, 0.0]))


def einsum(g):
    equation = g.choice(["ij,jk->ik", "bij,bjk->bik", "ij,jk", "i,j->ij", "ij->ji", "ij->", "ij->j", "bhid,bhjd->bhij", "...ij,...jk->...ik",
                         "ii->i", "ij,ij->i", "i,i->", "abc,cd,be->aed", "ij , jk -> ki"])
    sizes = {letter: g.integer(1, 5) for letter in "abcdehijk"}
    dtype = g.choice(["float32", "float64", "int32", "int64"])
    terms = equation.replace(" ", "").split("->")[0].split(",")
    rest = [g.integer(1, 3)]
    inputs = [g.tensor((rest if "..." in t else []) + [sizes[c] for c in t.replace(".", "")], dtype) for t in terms]
    g.node("Einsum", inputs, equation=equation)


def mat_mul_integer(g):
    m, k, n = (g.integer(1, 7) for _ in range(3))
    a, b = g.tensor([m, k], ["uint8", "int8"], "wild"), g.tensor([k, n], ["uint8", "int8"], "wild")
    points = [g.parameter(g.array([], v.dtype)) for v in (a, b)]
    g.node("MatMulInteger", [a, b] + points[:g.integer(0, 2)])


OPERATORS = {
    **{name: unary(name, dtypes) for name, dtypes in EXACT_UNARY.items()},
    **{name: smooth(name, kind) for name, kind in INEXACT_UNARY.items()},
    **{name: with_alpha(name, names) for name, names in WITH_ALPHA.items()},
    **{name: arithmetic(name) for name in ARITHMETIC},
    **{name: comparison(name, dtypes) for name, dtypes in COMPARISONS.items()},
    **{name: logical(name, ["bool"]) for name in ("And", "Or", "Xor")},
    **{name: logical(name, I) for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")},
    **{name: variadic(name) for name in ("Max", "Min", "Sum", "Mean")},
    **{name: reduction(name) for name in REDUCTIONS},
    **{name: arg_reduction(name) for name in ("ArgMax", "ArgMin")},
    **{name: softmax(name) for name in ("Softmax", "LogSoftmax", "Hardmax")},
    "Gelu": gelu, "Swish": swish, "PRelu": prelu, "Shrink": shrink, "Clip": clip, "Pow": power, "Mod": modulo, "BitShift": bit_shift,
    "Where": where, "CumSum": cumulative, "LpNormalization": lp_normalization, "MatMul": mat_mul, "Gemm": gemm, "Einsum": einsum,
    "MatMulInteger": mat_mul_integer,
}
