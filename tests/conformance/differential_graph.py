"""Random graphs that grow node by node: ONNX Runtime computes each node as soon as it is added, so that the next one can be chosen
by the shapes and values that are there."""
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

onnxruntime.set_default_logger_severity(4)

TOLERANCES = json.loads((pathlib.Path(__file__).parent / "tolerance.json").read_text())
IR_VERSION = 10
ML_DOMAIN = "ai.onnx.ml"
CONTRIB_DOMAIN = "com.microsoft"
# Inputs drawn for an operator that can take them: NaN, infinities, both zeros, the greatest and the least numbers.
WILD = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 1e-30, 3e30]


class Refused(Exception):
    """ONNX Runtime does not compute this node."""


class Value:
    """A tensor of the graph: what ONNX Runtime computed for it, and how far another engine's may be from that."""

    def __init__(self, name, array, exact=True, error=0.0):
        self.name = name
        self.array = array
        self.exact = exact
        self.error = error  # relative to the greatest number of the graph

    @property
    def dtype(self):
        return dtype_name(self.array)

    @property
    def dims(self):
        return list(self.array.shape)


class Step:
    """What one call of Graph.node added."""

    def __init__(self, nodes, inputs, outputs, own, whole):
        self.nodes, self.inputs, self.outputs = nodes, inputs, outputs
        self.own = own  # (rtol, atol) of the node alone, its inputs being given
        self.whole = whole  # (rtol, atol) with what its inputs may be off


def dtype_name(array):
    return "str" if array.dtype.kind in "OU" else array.dtype.name


def onnx_type(array):
    return TensorProto.STRING if array.dtype.kind in "OU" else helper.np_dtype_to_tensor_dtype(array.dtype)


def magnitude(array):
    """The greatest finite |x|, 0 without one."""
    if array.dtype.kind not in "fiub" or array.size == 0:
        return 0.0
    numbers = np.abs(array.astype(np.float64))
    numbers = numbers[np.isfinite(numbers)]
    return float(numbers.max()) if numbers.size else 0.0


def tolerance_of(operator, dtype):
    """(units in the last place, of the greatest number rather than each number's own, steps that integers may be off)."""
    entry = TOLERANCES["operators"].get(operator, TOLERANCES["default"])
    return entry.get(dtype, entry.get("ulps", 0)), entry.get("sums", False), entry.get("steps", 0)


def opsets_with(opset):
    return [helper.make_opsetid("", opset), helper.make_opsetid(ML_DOMAIN, 3), helper.make_opsetid(CONTRIB_DOMAIN, 1)]


def make_model(nodes, inputs, outputs, constants, opset, declared=None):
    """A model over Values; `declared` gives an input's dims (None: its own)."""
    declared = declared or (lambda value: value.dims)
    graph = helper.make_graph(
        nodes, "differential",
        [helper.make_tensor_value_info(v.name, onnx_type(v.array), declared(v)) for v in inputs],
        [helper.make_tensor_value_info(v.name, onnx_type(v.array), None) for v in outputs],
        [numpy_helper.from_array(v.array, v.name) for v in constants])
    return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opsets_with(opset))


def run_onnxruntime(model, feeds):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(None, feeds)
    except Exception as error:  # its exceptions have no common base
        raise Refused(str(error)) from None


class Graph:
    """A graph under construction."""

    def __init__(self, rng, opset):
        self.rng, self.opset = rng, opset
        self.inputs, self.constants, self.values, self.steps = [], [], [], []
        self.names = 0
        self.shapes = rng.choice(["static", "static", "symbolic", "none"])

    # --- drawing ---

    def chance(self, p=0.5):
        return self.rng.random() < p

    def choice(self, items):
        return items[int(self.rng.integers(len(items)))]

    def integer(self, low, high):
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def dims(self, least=0, most=4):
        sizes = [0, 1, 1, 2, 3, 4, 5, 7] if self.chance(0.15) else [1, 2, 2, 3, 3, 4, 5, 6, 17]
        return [self.choice(sizes) for _ in range(self.integer(least, most))]

    def array(self, dims, dtype, kind="normal"):
        """normal, unit (0 to 1), positive, nonzero, wild (NaN, infinities, extremes among them), few (much that is equal)."""
        dims = tuple(dims)
        if dtype == "str":
            words = ["", "a", "b", "ab", "Abc", "naïve", "東京", " x "]
            drawn = [self.choice(words) for _ in range(int(np.prod(dims)))]
            return np.array(drawn, dtype=object).reshape(dims)
        if dtype == "bool":
            return self.rng.integers(0, 2, dims).astype(bool)
        if np.dtype(dtype).kind in "iu":
            return self.integers(dims, np.dtype(dtype), kind)
        x = self.rng.standard_normal(dims) * (1 if kind == "normal" else 3)
        if kind == "unit":
            x = self.rng.random(dims)
        elif kind == "positive":
            x = np.abs(x) + 0.1
        elif kind == "nonzero":
            x = np.where(np.abs(x) < 0.1, 1.0, x)
        elif kind == "few":
            x = np.round(x)
        x = np.array(x)
        if kind == "wild" and x.size:
            mask = self.rng.random(dims) < 0.3
            x[mask] = self.rng.choice(WILD, int(mask.sum()))
        with np.errstate(over="ignore"):
            return x.astype(dtype)

    def integers(self, dims, dtype, kind):
        limits = np.iinfo(dtype)
        low = 0 if dtype.kind == "u" else -9
        if kind == "unit":
            return self.rng.integers(0, 2, dims).astype(dtype)
        if kind in ("positive", "nonzero"):
            return self.rng.integers(1, 10, dims).astype(dtype)
        x = np.array(self.rng.integers(low, 10, dims).astype(dtype))
        if kind == "wild" and x.size:
            mask = self.rng.random(dims) < 0.2
            x[mask] = self.rng.choice(np.array([limits.min, limits.max, limits.max - 1], dtype), int(mask.sum()))
        return x

    # --- values ---

    def name(self):
        self.names += 1
        return f"v{self.names}"

    def input(self, array):
        value = Value(self.name(), np.asarray(array))
        self.inputs.append(value)
        self.values.append(value)
        return value

    def constant(self, array, dtype=None):
        """An initializer; ONNX Runtime wants some operators' inputs to be such."""
        value = Value(self.name(), np.asarray(array, dtype))
        self.constants.append(value)
        return value

    def parameter(self, array, dtype=None):
        """An initializer or an input: axes, starts, shapes."""
        if self.chance(0.6):
            return self.constant(array, dtype)
        value = Value(self.name(), np.asarray(array, dtype))
        self.inputs.append(value)
        return value

    def tensor(self, dims, dtypes, kind="normal"):
        return self.input(self.array(dims, dtypes if isinstance(dtypes, str) else self.choice(dtypes), kind))

    def pick(self, dtypes, least=0, most=4, kind="normal", exact=False, dims=None):
        """An existing value that fits, else a new input. Values with a domain of their own (kind) are always new."""
        if kind in ("normal", "wild") and dims is None and self.chance(0.7):
            fitting = [v for v in self.values if v.dtype in dtypes and least <= len(v.dims) <= most
                       and (v.exact or not exact) and v.array.size < 20000 and magnitude(v.array) < 1e4]
            if fitting:
                return fitting[-1] if self.chance(0.7) else self.choice(fitting)
        return self.tensor(self.dims(least, most) if dims is None else dims, dtypes, kind)

    def broadcastable(self, value, kind="normal"):
        """A new input of the value's dtype, whose dims broadcast with the value's."""
        dims = [d if self.chance(0.75) else 1 for d in value.dims]
        dims = dims[self.integer(0, len(dims)):] if self.chance(0.3) else dims
        if self.chance(0.1):
            dims = [self.choice([1, 2])] + [1] * (len(value.dims) - len(dims)) + dims
        return self.tensor(dims, value.dtype, kind)

    # --- nodes ---

    def node(self, operator, inputs, outputs=1, *, domain="", wanted=None, **attributes):
        """Adds a node and returns its outputs; raises Refused where ONNX Runtime does. `wanted[i]` False leaves output i out."""
        wanted = wanted or [True] * outputs
        names = [self.name() if keep else "" for keep in wanted]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        node = helper.make_node(operator, [v.name if v else "" for v in inputs], names, domain=domain, **attributes)
        given = list({v.name: v for v in inputs if v}.values())
        arrays = self.compute([node], given)
        rtol, sums, steps = 0.0, False, 0
        named = f"{domain}.{operator}" if domain == CONTRIB_DOMAIN else operator
        for array in arrays:
            ulps, sums, allowed = tolerance_of(named, dtype_name(array))
            steps = max(steps, allowed if array.dtype.kind in "iu" else 0)
            rtol = max(rtol, ulps * float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0.0)
        scale = max([1.0] + [magnitude(a) for a in arrays] + [magnitude(v.array) for v in given])
        inherited = max([v.error for v in given], default=0.0)
        own = (rtol, max(rtol * (scale if sums else 1.0), steps))
        error = own[1] / scale + 4 * inherited
        exact = rtol == 0 and all(v.exact for v in given)
        made = [Value(n, a, exact, error) for n, a in zip((n for n in names if n), arrays)]
        self.values += made if steps == 0 else []  # integers that may be off are for no other node
        whole = (rtol + 4 * inherited, own[1] + 4 * inherited * scale)
        self.steps.append(Step([node], given, made, own, whole))
        return made

    def chain(self, first, first_attributes, second, second_attributes, x):
        """Two nodes whose value in between is of a type that numpy lacks: computed together."""
        attributes = [{k: v for k, v in each.items() if v is not None} for each in (first_attributes, second_attributes)]
        between, name = self.name(), self.name()
        nodes = [helper.make_node(first, [x.name], [between], **attributes[0]),
                 helper.make_node(second, [between], [name], **attributes[1])]
        made = [Value(name, a, x.exact, x.error) for a in self.compute(nodes, [x])]
        self.values += made
        self.steps.append(Step(nodes, [x], made, (0.0, 0.0), (4 * x.error, 4 * x.error * magnitude(x.array))))

    def compute(self, nodes, given):
        constants = [v for v in given if any(v is c for c in self.constants)]
        inputs = [v for v in given if not any(v is c for c in self.constants)]
        graph = helper.make_graph(
            nodes, "one", [helper.make_tensor_value_info(v.name, onnx_type(v.array), v.dims) for v in inputs],
            [onnx.ValueInfoProto(name=name) for name in nodes[-1].output if name],
            [numpy_helper.from_array(v.array, v.name) for v in constants])
        model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opsets_with(self.opset))
        outputs = run_onnxruntime(model, {v.name: v.array for v in inputs})
        outputs = [np.asarray(o) for o in outputs]
        if any(o.size > 200000 for o in outputs):
            raise Refused("too large")
        return outputs

    # --- writing ---

    def declared(self, value):
        if self.shapes == "none":
            return None
        if self.shapes == "symbolic":
            return [f"n{d}" if (d + len(value.name)) % 3 else d for d in value.dims]
        return value.dims

    def outputs(self):
        """Values that nothing reads, and half of the others."""
        read = {v.name for step in self.steps for v in step.inputs}
        rng = np.random.default_rng(self.names)
        return [v for step in self.steps for v in step.outputs if v.name not in read or rng.random() < 0.5]

    def write(self, folder):
        """Writes the case; returns its (rtol, atol)."""
        read = {v.name for step in self.steps for v in step.inputs}
        inputs = [v for v in self.inputs if v.name in read]
        constants = [v for v in self.constants if v.name in read]
        outputs = self.outputs()
        model = make_model([n for s in self.steps for n in s.nodes], inputs, outputs, constants, self.opset, self.declared)
        write_case(folder, model, inputs, outputs)
        return max(s.whole[0] for s in self.steps), max(s.whole[1] for s in self.steps)

    def write_step(self, index, folder, expected=None):
        """Writes one node as a case of its own, with ONNX Runtime's values (or `expected`); returns its (rtol, atol)."""
        step = self.steps[index]
        constants = [v for v in step.inputs if any(v is c for c in self.constants)]
        inputs = [v for v in step.inputs if not any(v is c for c in self.constants)]
        outputs = step.outputs
        if expected:
            outputs = [Value(v.name, np.asarray(a)) for v, a in zip(outputs, expected)]
        model = make_model(step.nodes, inputs, outputs, constants, self.opset)
        write_case(folder, model, inputs, outputs)
        return step.own


def write_case(folder, model, inputs, outputs):
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    for kind, values in (("input", inputs), ("output", outputs)):
        for k, value in enumerate(values):
            tensor = numpy_helper.from_array(value.array, value.name)
            (data / f"{kind}_{k}.pb").write_bytes(tensor.SerializeToString())
