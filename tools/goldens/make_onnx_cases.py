#!/usr/bin/env python3
"""Writes one-node ONNX models with stored answers to tests/data/onnx/cases, in the layout of ONNX's own suite:
operators that the suite leaves out or tests by one case only.

The answers are those of ONNX Runtime, which implements ai.onnx.ml and com.microsoft, but where it differs from
ONNX's text. Run it with onnx 1.23.2,
onnxruntime 1.32.0, Pillow 13.0 and numpy:

  make_onnx_cases.py [FOLDER]

Layout: FOLDER/<domain>/<case>/model.onnx, test_data_set_0/{input,output}_K.pb, and FOLDER/manifest.json.
"""
import io
import json
import pathlib
import shutil
import struct
import sys

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import PIL.Image
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

ML, MS = "ai.onnx.ml", "com.microsoft"
LAST_OF_ML = {"TreeEnsembleClassifier": 3, "TreeEnsembleRegressor": 3}  # opsets with operators that 5 has no more
IR_VERSION = 10
TYPES = {"float32": T.FLOAT, "float64": T.DOUBLE, "float16": T.FLOAT16, "int64": T.INT64, "int32": T.INT32, "int8": T.INT8,
         "uint8": T.UINT8, "bool": T.BOOL, "int16": T.INT16}


def strings(*values):
    return np.array(values, dtype=object)


def f32(values):
    return np.array(values, dtype=np.float32)


def type_of(value):
    """The ONNX type of a value; of arrays, with the rank but no dims."""
    if isinstance(value, dict):
        key, item = next(iter(value.items()))
        code = T.STRING if isinstance(key, str) else T.INT64
        element = T.STRING if isinstance(item, str) else T.INT64 if isinstance(item, int) else T.FLOAT
        return helper.make_map_type_proto(code, helper.make_tensor_type_proto(element, []))
    if isinstance(value, list):
        return helper.make_sequence_type_proto(type_of(value[0]))
    code = T.STRING if value.dtype == object else TYPES[value.dtype.name]
    return helper.make_tensor_type_proto(code, [None] * value.ndim)


def to_proto(value, name):
    if isinstance(value, list):
        return numpy_helper.from_list(value, name)
    if isinstance(value, dict):
        return map_proto(value, name)
    return numpy_helper.from_array(np.asarray(value), name)


def map_proto(value, name):
    """numpy_helper.from_dict, with keys in a fixed order and scalars of ONNX's types."""
    proto = onnx.MapProto(name=name)
    keys = sorted(value)
    if isinstance(keys[0], str):
        proto.key_type = T.STRING
        proto.string_keys.extend(key.encode() for key in keys)
    else:
        proto.key_type = T.INT64
        proto.keys.extend(keys)
    items = [value[key] for key in keys]
    dtype = object if isinstance(items[0], str) else np.int64 if isinstance(items[0], int) else np.float32
    proto.values.name = name
    proto.values.elem_type = onnx.SequenceProto.TENSOR
    proto.values.tensor_values.extend(numpy_helper.from_array(np.array(item, dtype=dtype)) for item in items)
    return proto


def sequence_proto(value, name):
    if not isinstance(value[0], dict):
        return numpy_helper.from_list([np.asarray(item) for item in value], name)
    proto = onnx.SequenceProto(name=name, elem_type=onnx.SequenceProto.MAP)
    proto.map_values.extend(map_proto(item, "") for item in value)
    return proto


def runtime(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def reference(model, feeds):
    """ONNX's evaluator, where ONNX Runtime differs from ONNX's text."""
    return ReferenceEvaluator(model).run(None, feeds)


class Cases:
    def __init__(self, folder):
        self.folder = folder
        self.manifest = []

    def add(self, domain, name, op, inputs, rtol=1e-3, atol=1e-6, initializers=(), outputs=1, unused=(),
            oracle=None, **attributes):
        """One node; inputs is a list of values, None for one that is left out; outputs in `unused` are left out."""
        names = ["" if value is None else f"x{i}" for i, value in enumerate(inputs)]
        results = ["" if i in unused else f"y{i}" for i in range(outputs)]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        node = helper.make_node(op, names, results, domain=domain, **attributes)
        results = [result for result in results if result]
        graph_inputs, feeds, constants = [], {}, []
        for i, (key, value) in enumerate(zip(names, inputs)):
            if value is None:
                continue
            if i in initializers:
                constants.append(numpy_helper.from_array(np.asarray(value), key))
                continue
            graph_inputs.append(helper.make_value_info(key, type_of(value)))
            feeds[key] = value if isinstance(value, (dict, list)) else np.asarray(value)
        graph = helper.make_graph([node], name, graph_inputs, [helper.make_empty_tensor_value_info(r) for r in results],
                                  constants)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(ML, LAST_OF_ML.get(op, 5)), helper.make_opsetid(MS, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        answers = (oracle or runtime)(model, feeds)
        del graph.output[:]
        for key, value in zip(results, answers):
            graph.output.append(helper.make_value_info(key, type_of(value)))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        model.producer_name = ""
        self.write(domain, f"{op}_{name}".lower(), model, feeds, dict(zip(results, answers)), rtol, atol)

    def write(self, domain, name, model, feeds, answers, rtol, atol):
        place = self.folder / (domain or "ai.onnx") / name
        data = place / "test_data_set_0"
        data.mkdir(parents=True)
        (place / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        for tag, values in (("input", feeds), ("output", answers)):
            for i, (key, value) in enumerate(values.items()):
                proto = sequence_proto(value, key) if isinstance(value, list) else to_proto(value, key)
                (data / f"{tag}_{i}.pb").write_bytes(proto.SerializeToString(deterministic=True))
        self.manifest.append({"name": name, "dir": str(place.relative_to(self.folder)), "kind": "node",
                              "rtol": rtol, "atol": atol, "random": False})

    def finish(self):
        document = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "cases": self.manifest}
        (self.folder / "manifest.json").write_text(json.dumps(document, indent=1) + "\n")


def features(cases, random):
    x = f32([[1, -2, 3, 0], [0.5, 2, -1, 4], [0, 0, 0, 0]])
    cases.add(ML, "float32", "Binarizer", [x], threshold=0.75)
    cases.add(ML, "strings", "ArrayFeatureExtractor", [strings("a", "b", "c"), np.array([2, 0, 2])])
    cases.add(ML, "rank3", "ArrayFeatureExtractor", [np.arange(12).reshape(2, 2, 3), np.array([[1], [1]])])
    cases.add(ML, "three", "FeatureVectorizer", [x, x[:, :1], x[:, 1:3]], inputdimensions=[4, 1, 2])
    cases.add(ML, "int64", "FeatureVectorizer", [np.arange(6).reshape(2, 3)], inputdimensions=[3])
    nan = f32([[1, np.nan, 3], [np.nan, 0, 1]])
    cases.add(ML, "nan", "Imputer", [nan], imputed_value_floats=[7.0, 8.0, 9.0], replaced_value_float=float("nan"))
    cases.add(ML, "one", "Imputer", [nan], imputed_value_floats=[-1.0], replaced_value_float=1.0)
    cases.add(ML, "int64", "Imputer", [np.array([[1, 2], [2, 3]])], imputed_value_int64s=[5, 6], replaced_value_int64=2)
    for norm in ("MAX", "L1", "L2"):
        cases.add(ML, norm, "Normalizer", [x], norm=norm)
        cases.add(ML, norm + "_int64", "Normalizer", [np.array([[3, 4, -5], [0, 0, 0], [-1, -2, -3]])], norm=norm)
        cases.add(ML, norm + "_row", "Normalizer", [x[0]], norm=norm)
    cases.add(ML, "strings", "OneHotEncoder", [strings("b", "x", "a")], cats_strings=["a", "b", "c"])
    cases.add(ML, "int64", "OneHotEncoder", [np.array([[1, 5], [9, 3]])], cats_int64s=[5, 3, 1], zeros=1)
    cases.add(ML, "float", "OneHotEncoder", [f32([1.9, 2.0, 3.1])], cats_int64s=[1, 2, 3])
    cases.add(ML, "per_feature", "Scaler", [x], offset=[1.0, 2.0, 3.0, 4.0], scale=[0.5, 2.0, -1.0, 3.0])
    cases.add(ML, "one", "Scaler", [np.array([[1, 2], [3, 4]])], offset=[1.5], scale=[0.5])


def labels(cases, random):
    words = strings("cat", "dog", "cow", "")
    cases.add(ML, "to_int", "CategoryMapper", [words], cats_strings=["cat", "cow"], cats_int64s=[3, 5], default_int64=-7)
    cases.add(ML, "to_string", "CategoryMapper", [np.array([3, 4, 5])], cats_strings=["cat", "cow"], cats_int64s=[3, 5],
              default_string="none")
    cases.add(ML, "string_float", "LabelEncoder", [words], keys_strings=["dog", "cow"], values_floats=[1.5, -2.5])
    cases.add(ML, "int_string", "LabelEncoder", [np.array([[1, 2], [3, 1]])], keys_int64s=[1, 3],
              values_strings=["one", "three"])
    cases.add(ML, "float_int", "LabelEncoder", [f32([1.5, np.nan, -0.0, 7])], keys_floats=[1.5, float("nan"), 0.0],
              values_int64s=[1, 2, 3], default_int64=9)
    cases.add(ML, "string_string", "LabelEncoder", [words], keys_strings=["dog", "cat"], values_strings=["hund", "katze"])
    cases.add(ML, "tensors", "LabelEncoder", [np.array([1, 2, 3])],
              keys_tensor=helper.make_tensor("", T.INT64, [2], [1, 2]),
              values_tensor=helper.make_tensor("", T.DOUBLE, [2], [0.5, 0.25]),
              default_tensor=helper.make_tensor("", T.DOUBLE, [1], [-1]))
    cases.add(ML, "double", "LabelEncoder", [np.array([1.5, np.nan])],
              keys_tensor=helper.make_tensor("", T.DOUBLE, [2], [1.5, float("nan")]),
              values_tensor=helper.make_tensor("", T.STRING, [2], ["x", "y"]),
              default_tensor=helper.make_tensor("", T.STRING, [1], ["z"]))


def maps(cases, random):
    for cast in ("TO_FLOAT", "TO_STRING", "TO_INT64"):
        cases.add(ML, cast, "CastMap", [{3: 1.5, -1: 2.25, 7: -3.0}], cast_to=cast)
        cases.add(ML, cast + "_sparse", "CastMap", [{3: 1.5, 1: 2.25}], cast_to=cast, map_form="SPARSE", max_map=5)
    cases.add(ML, "string_float", "DictVectorizer", [{"a": 4.0, "c": 8.0}], string_vocabulary=["a", "c", "b", "z"])
    cases.add(ML, "int_float", "DictVectorizer", [{5: 4.0, 1: 8.0}], int64_vocabulary=[1, 2, 5])
    rows = f32([[0.25, 0.75], [0.5, -0.5]])
    cases.add(ML, "strings", "ZipMap", [rows], classlabels_strings=["no", "yes"])
    cases.add(ML, "int64", "ZipMap", [rows], classlabels_int64s=[10, 20])
    cases.add(ML, "row", "ZipMap", [rows[0]], classlabels_int64s=[10, 20])


def linear(cases, random):
    x = f32(random.normal(size=(5, 3)))
    for transform in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        common = {"coefficients": random.normal(size=9).tolist(), "intercepts": [0.5, -0.5, 0.0], "post_transform": transform}
        cases.add(ML, transform, "LinearClassifier", [x], outputs=2, classlabels_ints=[4, 5, 6], multi_class=1, **common)
        cases.add(ML, transform, "LinearRegressor", [x], targets=3, **common)
        cases.add(ML, transform + "_one", "LinearRegressor", [x], targets=1, coefficients=[0.5, -0.25, 1.0],
                  intercepts=[0.1], post_transform=transform)
        binary = {"coefficients": [0.5, -0.25, 1.0], "intercepts": [0.1], "post_transform": transform}
        cases.add(ML, transform + "_binary", "LinearClassifier", [x], outputs=2, classlabels_strings=["no", "yes"], **binary)
        cases.add(ML, transform + "_binary_ints", "LinearClassifier", [x], outputs=2, classlabels_ints=[7, 9], **binary)
    probabilities = f32([[0.1, 0.6], [0.9, 0.4]])
    identity = {"coefficients": [1.0, 0.0, 0.0, 1.0], "intercepts": [0.0, 0.0], "post_transform": "PROBIT"}
    cases.add(ML, "probit", "LinearRegressor", [probabilities], targets=2, **identity)
    cases.add(ML, "probit", "LinearClassifier", [probabilities], outputs=2, classlabels_strings=["a", "b"], **identity)
    cases.add(ML, "row", "LinearRegressor", [x[0]], targets=2, coefficients=random.normal(size=6).tolist())
    cases.add(ML, "double", "LinearClassifier", [x.astype(np.float64)], outputs=2, classlabels_ints=[0, 1, 2],
              coefficients=random.normal(size=9).tolist(), intercepts=[0.5, -0.5, 0.0])


def svm(cases, random):
    x = f32(random.normal(size=(6, 3)))
    kernels = {"LINEAR": [0.0, 0.0, 0.0], "POLY": [0.5, 1.0, 3.0], "RBF": [0.7, 0.0, 0.0], "SIGMOID": [0.3, 0.1, 0.0]}
    for kernel, parameters in kernels.items():
        common = {"kernel_type": kernel, "kernel_params": parameters}
        cases.add(ML, kernel, "SVMRegressor", [x], coefficients=random.normal(size=4).tolist(), n_supports=4, rho=[0.25],
                  support_vectors=random.normal(size=12).tolist(), **common)
        cases.add(ML, kernel, "SVMClassifier", [x], outputs=2, classlabels_ints=[1, 5, 9], vectors_per_class=[2, 1, 2],
                  coefficients=random.normal(size=10).tolist(), rho=[0.1, -0.2, 0.3],
                  support_vectors=random.normal(size=15).tolist(), **common)
    cases.add(ML, "one_class", "SVMRegressor", [x], coefficients=[1.0, -1.0], n_supports=2, rho=[0.0], one_class=1,
              support_vectors=random.normal(size=6).tolist(), kernel_type="RBF", kernel_params=[0.5, 0.0, 0.0])
    cases.add(ML, "liblinear", "SVMRegressor", [x], coefficients=[1.0, -1.0, 0.5], n_supports=0, rho=[0.5],
              kernel_params=[0.0, 0.0, 0.0])
    pairs = {"vectors_per_class": [2, 1, 2], "coefficients": random.normal(size=10).tolist(), "rho": [0.1, -0.2, 0.3],
             "support_vectors": random.normal(size=15).tolist(), "kernel_type": "RBF", "kernel_params": [0.5, 0.0, 0.0]}
    cases.add(ML, "probabilities", "SVMClassifier", [x], outputs=2, classlabels_strings=["a", "b", "c"],
              prob_a=[-1.5, -1.2, -0.8], prob_b=[0.1, 0.0, -0.2], **pairs)
    cases.add(ML, "softmax", "SVMClassifier", [x], outputs=2, classlabels_strings=["a", "b", "c"], post_transform="SOFTMAX",
              **pairs)
    two = {"vectors_per_class": [2, 1], "support_vectors": random.normal(size=9).tolist(), "rho": [0.1],
           "kernel_type": "RBF", "kernel_params": [0.5, 0.0, 0.0]}
    for name, coefficients in (("mixed", [0.5, -1.0, 0.8]), ("positive", [0.5, 1.0, 0.8])):
        for transform in ("NONE", "LOGISTIC", "SOFTMAX"):
            cases.add(ML, f"two_{name}_{transform}", "SVMClassifier", [x], outputs=2, classlabels_ints=[3, 8],
                      coefficients=coefficients, post_transform=transform, **two)
        cases.add(ML, f"two_{name}_probabilities", "SVMClassifier", [x], outputs=2, classlabels_ints=[3, 8],
                  coefficients=coefficients, prob_a=[-1.1], prob_b=[0.2], **two)
        cases.add(ML, f"liblinear_{name}", "SVMClassifier", [x], outputs=2, classlabels_strings=["l", "r"],
                  coefficients=coefficients * 2, rho=[0.05], kernel_params=[0.0, 0.0, 0.0])
    cases.add(ML, "liblinear_three", "SVMClassifier", [x], outputs=2, classlabels_ints=[2, 3, 4],
              coefficients=random.normal(size=9).tolist(), rho=[0.05], post_transform="LOGISTIC",
              kernel_params=[0.0, 0.0, 0.0])


def random_trees(random, trees, modes, votes, features):
    """Attributes nodes_* and votes of complete trees of depth 2."""
    nodes = {key: [] for key in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
                                 "missing_value_tracks_true")}
    voted = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(trees):
        for node in range(7):
            leaf = node >= 3
            nodes["treeids"].append(tree)
            nodes["nodeids"].append(node)
            nodes["featureids"].append(0 if leaf else int(random.integers(features)))
            nodes["modes"].append("LEAF" if leaf else modes[(3 * tree + node) % len(modes)])
            nodes["values"].append(0.0 if leaf else float(np.float32(round(random.normal() * 2) / 2)))
            nodes["truenodeids"].append(0 if leaf else 2 * node + 1)
            nodes["falsenodeids"].append(0 if leaf else 2 * node + 2)
            nodes["missing_value_tracks_true"].append(0 if leaf else int(random.integers(2)))
            for target in votes(tree, node) if leaf else []:
                voted["treeids"].append(tree)
                voted["nodeids"].append(node)
                voted["ids"].append(target)
                voted["weights"].append(float(np.float32(random.normal())))
    return {f"nodes_{key}": value for key, value in nodes.items()}, voted


BRANCHES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ"]


def prefixed(prefix, voted):
    return {f"{prefix}_{key}": value for key, value in voted.items()}


def trees_by_id(cases, random):
    x = f32(np.round(random.normal(size=(9, 3)) * 2) / 2)
    x[2, 1] = x[4, 0] = np.nan
    nodes, voted = random_trees(random, 4, BRANCHES, lambda tree, node: [0, 1] if node % 2 else [1], 3)
    for function in ("SUM", "AVERAGE", "MIN", "MAX"):
        cases.add(ML, function, "TreeEnsembleRegressor", [x], n_targets=2, aggregate_function=function,
                  base_values=[0.5, -1.0], **nodes, **prefixed("target", voted))
    for transform in ("SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        cases.add(ML, transform, "TreeEnsembleRegressor", [x], n_targets=2, post_transform=transform, **nodes,
                  **prefixed("target", voted))
    one_nodes, one_voted = random_trees(random, 3, BRANCHES, lambda tree, node: [0], 3)
    cases.add(ML, "one_target", "TreeEnsembleRegressor", [x], n_targets=1, base_values=[2.0], **one_nodes,
              **prefixed("target", one_voted))
    cases.add(ML, "one_target_logistic", "TreeEnsembleRegressor", [x], n_targets=1, post_transform="LOGISTIC", **one_nodes,
              **prefixed("target", one_voted))
    double_nodes, double_voted = dict(one_nodes), prefixed("target", one_voted)
    for attributes, key in ((double_nodes, "nodes_values"), (double_voted, "target_weights")):
        values = attributes.pop(key)
        attributes[key + "_as_tensor"] = helper.make_tensor("", T.DOUBLE, [len(values)], values)
    cases.add(ML, "double", "TreeEnsembleRegressor", [x.astype(np.float64)], n_targets=1, **double_nodes, **double_voted)
    classifiers(cases, random, x)


def classifiers(cases, random, x):
    shapes = {"three": ([0, 1, 2], 3), "first": ([0], 2), "second": ([1], 2)}
    for name, (classes, count) in shapes.items():
        nodes, voted = random_trees(random, 3, BRANCHES, lambda tree, node: classes, 3)
        positive = dict(voted, weights=[abs(weight) / 3 for weight in voted["weights"]])
        for sign, votes in (("mixed", voted), ("positive", positive)):
            for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
                if sign == "positive" and transform not in ("NONE", "LOGISTIC"):
                    continue
                cases.add(ML, f"{name}_{sign}_{transform}", "TreeEnsembleClassifier", [x], outputs=2,
                          classlabels_int64s=list(range(10, 10 + count)), post_transform=transform, **nodes,
                          **prefixed("class", votes))
        if name != "three":
            continue  # ONNX Runtime drops base values here
        cases.add(ML, "base", "TreeEnsembleClassifier", [x], outputs=2,
                  classlabels_strings=[f"label {i}" for i in range(count)], base_values=[0.25] * count, **nodes,
                  **prefixed("class", voted))
    nodes, voted = random_trees(random, 3, BRANCHES, lambda tree, node: [0], 3)
    cases.add(ML, "one_label", "TreeEnsembleClassifier", [x], outputs=2, classlabels_int64s=[1], **nodes,
              **prefixed("class", voted))
    cases.add(ML, "base_of_one", "TreeEnsembleClassifier", [x], outputs=2, classlabels_int64s=[5, 6], base_values=[0.5],
              **nodes, **prefixed("class", voted))


def trees_by_index(cases, random):
    x = np.round(random.normal(size=(8, 3)) * 2) / 2
    for dtype, code in ((np.float32, T.FLOAT), (np.float64, T.DOUBLE)):
        tensor = lambda values: helper.make_tensor("", code, [len(values)], values)
        common = {
            "tree_roots": [0, 3], "nodes_featureids": [0, 1, 2, 0], "nodes_truenodeids": [1, 0, 2, 4],
            "nodes_falsenodeids": [2, 1, 3, 5], "nodes_trueleafs": [0, 1, 1, 1], "nodes_falseleafs": [0, 1, 1, 1],
            "nodes_splits": tensor([0.5, -0.5, 0.0, 0.5]), "leaf_targetids": [0, 1, 0, 1, 0, 1],
            "leaf_weights": tensor([1.5, -2.5, 3.0, 0.5, -1.0, 2.0]), "n_targets": 2}
        modes = lambda values: helper.make_tensor("", T.UINT8, [len(values)], values)
        for function in range(4):
            cases.add(ML, f"{dtype.__name__}_aggregate{function}", "TreeEnsemble", [x.astype(dtype)],
                      aggregate_function=function, nodes_modes=modes([0, 1, 2, 3]), **common)
        cases.add(ML, f"{dtype.__name__}_softmax_zero", "TreeEnsemble", [x.astype(dtype)], post_transform=3,
                  nodes_modes=modes([4, 5, 0, 0]), **common)
        cases.add(ML, f"{dtype.__name__}_member", "TreeEnsemble", [x.astype(dtype)], nodes_modes=modes([6, 0, 6, 0]), oracle=reference,
                  membership_values=tensor([1.0, 0.5, float("nan"), -0.5, -1.0, 1.0, float("nan")]), **common)


def texts(cases, random):
    words = strings("Straße ÇA ΣΣ", "the", "THE", "İı", "ǆ Ǆ", "éÉ")
    for action in ("LOWER", "UPPER", "NONE"):
        cases.add("", action, "StringNormalizer", [words], case_change_action=action, locale="C.UTF-8")
        cases.add("", action + "_stop", "StringNormalizer", [words], case_change_action=action, is_case_sensitive=1,
                  stopwords=["the"], locale="C.UTF-8")
        cases.add("", action + "_stop_any_case", "StringNormalizer", [words], case_change_action=action, is_case_sensitive=0,
                  stopwords=["the", "éé"], locale="C.UTF-8")
    spaced = strings("  a b\tc  ", "", "x", " one  two three ", "a,b,,c")
    for limit in (None, 0, 1, 2):
        cases.add("", f"spaces_{limit}", "StringSplit", [spaced], outputs=2, oracle=reference, maxsplit=limit)
        cases.add("", f"commas_{limit}", "StringSplit", [spaced], outputs=2, oracle=reference, delimiter=",",
                  maxsplit=limit)
    pieces = strings("ab12", "AB12", "aé", "12", "a\nb", "")
    for name, pattern in (("class", r"[a-z]+\d{2}"), ("no_case", r"(?i)[a-z]+\d{2}"), ("unicode", r"\p{L}+"),
                          ("dot", r"a.b"), ("dot_all", r"(?s)a.b"), ("choice", r"(ab|AB)(1|2)*|"), ("lines", r"(?m)^a$\n^b$")):
        cases.add("", name, "RegexFullMatch", [pieces], pattern=pattern)
    grams = {"pool_strings": ["a", "b", "c", "a", "b", "b", "c", "a", "b", "c"], "ngram_counts": [0, 3, 7],
             "ngram_indexes": [3, 1, 0, 5, 2, 4], "weights": [0.5, 2.0, 3.0, 4.0, 5.0, 6.0]}
    rows = np.array([list("abcab"), list("cbaxb")], dtype=object)
    for mode in ("TF", "IDF", "TFIDF"):
        for skip in (0, 1, 3):
            cases.add("", f"{mode}_skip{skip}", "TfIdfVectorizer", [rows], mode=mode, max_skip_count=skip, min_gram_length=1,
                      max_gram_length=3, **grams)
    cases.add("", "pairs", "TfIdfVectorizer", [rows[0]], mode="TF", max_skip_count=0, min_gram_length=2, max_gram_length=2,
              **grams)
    cases.add("", "int32", "TfIdfVectorizer", [np.array([1, 2, 3, 1, 2], dtype=np.int32)], mode="TF", max_skip_count=1,
              min_gram_length=1, max_gram_length=2, pool_int64s=[1, 2, 1, 2, 3, 1], ngram_counts=[0, 2],
              ngram_indexes=[0, 1, 2, 3])

def normal(random, *dims):
    return f32(random.normal(size=dims))


def activations(cases, random):
    x, bias = normal(random, 2, 3, 4) * 2, normal(random, 4)
    cases.add(MS, "plain", "Gelu", [x])
    cases.add(MS, "bias", "BiasGelu", [x, bias])
    cases.add(MS, "plain", "FastGelu", [x])
    cases.add(MS, "bias", "FastGelu", [x, bias])
    cases.add(MS, "plain", "QuickGelu", [x])
    cases.add(MS, "alpha", "QuickGelu", [x], alpha=0.5)


def products(cases, random):
    a, b = normal(random, 2, 3, 4), normal(random, 2, 4, 5)
    cases.add(MS, "scaled", "FusedMatMul", [a, b], alpha=0.5)
    cases.add(MS, "first", "FusedMatMul", [np.swapaxes(a, 1, 2).copy(), b], transA=1)
    cases.add(MS, "both", "FusedMatMul", [np.swapaxes(a, 1, 2).copy(), np.swapaxes(b, 1, 2)[:1].copy()], transA=1, transB=1,
              alpha=-2.0)


def normalizations(cases, random):
    x, skip, gamma, beta, bias = (normal(random, 2, 3, 4), normal(random, 2, 3, 4), normal(random, 4), normal(random, 4),
                                  normal(random, 4))
    cases.add(MS, "plain", "SkipLayerNormalization", [x, skip, gamma, beta], epsilon=1e-5)
    cases.add(MS, "sum", "SkipLayerNormalization", [x, skip, gamma, beta, bias], outputs=4, unused=(1, 2))
    cases.add(MS, "repeated", "SkipLayerNormalization", [x, skip[:1], gamma, None, bias], epsilon=1e-5)
    cases.add(MS, "plain", "SkipSimplifiedLayerNormalization", [x, skip, gamma], epsilon=1e-5)
    cases.add(MS, "sum", "SkipSimplifiedLayerNormalization", [x, skip, gamma, bias], outputs=4, unused=(1, 2))
    cases.add("", "plain", "SimplifiedLayerNormalization", [x, gamma], epsilon=1e-5, axis=-1)
    ids = np.array([[1, 4, 0], [2, 2, 3]], dtype=np.int32)
    tables = [normal(random, 5, 4), normal(random, 6, 4), normal(random, 2, 4)]
    mask = np.array([[1, 1, 0], [1, 1, 1]], dtype=np.int32)
    cases.add(MS, "all", "EmbedLayerNormalization", [ids, mask, *tables, gamma, beta, mask], outputs=3,
              initializers=(2, 3, 4, 5, 6))
    cases.add(MS, "no_segments", "EmbedLayerNormalization", [ids, None, *tables[:2], None, gamma, beta], outputs=2,
              initializers=(2, 3, 5, 6))


def few_bits(cases, random):
    k, n, block = 40, 6, 16
    blocks = (k + block - 1) // block
    a = normal(random, 2, 3, k)
    for bits in (4, 8):
        b = random.integers(0, 256, size=(n, blocks, block * bits // 8), dtype=np.uint8)
        scales = np.abs(normal(random, n, blocks)) * 0.1
        zeros = random.integers(0, 256, size=(n, (blocks * bits + 7) // 8), dtype=np.uint8)
        common = {"K": k, "N": n, "bits": bits, "block_size": block}
        cases.add(MS, f"{bits}bits", "MatMulNBits", [a, b, scales], initializers=(1, 2), **common)
        cases.add(MS, f"{bits}bits_zeros", "MatMulNBits", [a, b, scales, zeros], initializers=(1, 2, 3), **common)
        if bits == 4:
            cases.add(MS, "float_zeros", "MatMulNBits", [a, b, scales, f32(np.round(normal(random, n, blocks)) + 8)],
                      initializers=(1, 2, 3), **common)
        cases.add(MS, f"{bits}bits_bias", "MatMulNBits", [a, b, scales, None, None, normal(random, n)],
                  initializers=(1, 2, 5), **common)
        table = random.integers(0, 256, size=(5, 32 * bits // 8), dtype=np.uint8)
        ids = np.array([[4, 0], [2, -1]])
        table_scales = normal(random, 5, 2)
        table_zeros = random.integers(0, 256, size=(5, (2 * bits + 7) // 8), dtype=np.uint8)
        common = {"bits": bits, "block_size": 16, "gather_axis": 0, "quantize_axis": 1}
        cases.add(MS, f"{bits}bits", "GatherBlockQuantized", [table, ids, table_scales], initializers=(0, 2), **common)
        cases.add(MS, f"{bits}bits_zeros", "GatherBlockQuantized", [table, ids, table_scales, table_zeros],
                  initializers=(0, 2, 3), **common)


def group_attention(cases, random):
    batch, heads, shared, width = 2, 2, 1, 16
    caches = [normal(random, 12, width // 2), normal(random, 12, width // 2)]
    int32 = lambda *values: np.array(values, dtype=np.int32)
    common = {"num_heads": heads, "kv_num_heads": shared}

    def chunk(tokens):
        return [normal(random, batch, tokens, heads * width), normal(random, batch, tokens, shared * width),
                normal(random, batch, tokens, shared * width)]

    def past(tokens):
        return [normal(random, batch, shared, tokens, width), normal(random, batch, shared, tokens, width)]

    first = [*chunk(3), None, None, int32(2, 2), int32(3)]
    cases.add(MS, "first", "GroupQueryAttention", first, outputs=3, **common)
    cases.add(MS, "first_rotary", "GroupQueryAttention", [*first, *caches], outputs=3, do_rotary=1, **common)
    cases.add(MS, "first_interleaved", "GroupQueryAttention", [*first, *caches], outputs=3, do_rotary=1,
              rotary_interleaved=1, **common)
    cases.add(MS, "first_window", "GroupQueryAttention", first, outputs=3, local_window_size=2, **common)
    packed = normal(random, batch, 3, (heads + 2 * shared) * width)
    cases.add(MS, "packed", "GroupQueryAttention", [packed, None, None, *past(0), int32(2, 2), int32(3), *caches], outputs=3,
              do_rotary=1, **common)
    later = [*chunk(1), *past(5), int32(5, 5), int32(6)]
    cases.add(MS, "later", "GroupQueryAttention", [*later, *caches], outputs=3, do_rotary=1, **common)
    cases.add(MS, "later_window", "GroupQueryAttention", later, outputs=3, local_window_size=3, **common)
    cases.add(MS, "later_softcap", "GroupQueryAttention", later, outputs=3, softcap=2.0, scale=0.5, **common)
    cases.add(MS, "later_sink", "GroupQueryAttention", [*later, None, None, None, None, normal(random, heads)], outputs=3,
              **common)
    cases.add(MS, "smooth", "GroupQueryAttention", later, outputs=3, smooth_softmax=1, **common)
    cases.add(MS, "bias", "GroupQueryAttention", [*later, None, None, None, normal(random, 1, heads, 1, 6)], outputs=3,
              **common)
    x, positions = normal(random, 2, 3, 32), np.array([[0, 1, 2], [5, 6, 7]])
    cases.add(MS, "plain", "RotaryEmbedding", [x, positions, *caches])
    cases.add(MS, "interleaved", "RotaryEmbedding", [x, np.array([4]), *caches], interleaved=1)
    cases.add(MS, "heads_first", "RotaryEmbedding", [normal(random, 2, 2, 3, 16), positions, *caches])
    half = [cache[:, :4].copy() for cache in caches]
    cases.add(MS, "half", "RotaryEmbedding", [x, positions, *half], num_heads=2, rotary_embedding_dim=8)


def multi_head_attention(cases, random):
    batch, heads, width, tokens, keys = 2, 2, 4, 3, 5
    hidden = heads * width
    q, k, v = normal(random, batch, tokens, hidden), normal(random, batch, keys, hidden), normal(random, batch, keys, hidden)
    bias, mask = normal(random, 3 * hidden), np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=np.int32)
    cases.add(MS, "plain", "MultiHeadAttention", [q, k, v], num_heads=heads)
    cases.add(MS, "bias", "MultiHeadAttention", [q, k, v, bias], num_heads=heads, scale=0.3)
    cases.add(MS, "mask", "MultiHeadAttention", [q, k, v, None, mask], num_heads=heads)
    cases.add(MS, "lengths", "MultiHeadAttention", [q, k, v, None, np.array([3, 5], dtype=np.int32)], num_heads=heads)
    cases.add(MS, "score_bias", "MultiHeadAttention", [q, k, v, None, None, normal(random, 1, heads, tokens, keys)],
              num_heads=heads)
    cases.add(MS, "unidirectional", "MultiHeadAttention", [q, q * 2, q - 1], num_heads=heads, unidirectional=1)
    past = [normal(random, batch, heads, 4, width), normal(random, batch, heads, 4, width)]
    cases.add(MS, "past", "MultiHeadAttention", [q, q * 2, q - 1, bias, None, None, *past], outputs=3, num_heads=heads)
    cases.add(MS, "heads_first", "MultiHeadAttention", [q, *past], num_heads=heads)
    x, weights = normal(random, batch, tokens, 6), normal(random, 6, 3 * hidden)
    short = np.array([[1, 1, 0], [1, 1, 1]], dtype=np.int32)
    cases.add(MS, "plain", "Attention", [x, weights, bias], num_heads=heads)
    cases.add(MS, "mask", "Attention", [x, weights, bias, short], num_heads=heads)
    cases.add(MS, "lengths", "Attention", [x, weights, bias, np.array([2, 3], dtype=np.int32)], num_heads=heads)
    cases.add(MS, "ends_and_starts", "Attention", [x, weights, bias, np.array([3, 2, 1, 0], dtype=np.int32)], num_heads=heads)
    cases.add(MS, "unidirectional", "Attention", [x, weights, bias], num_heads=heads, unidirectional=1)
    cases.add(MS, "past", "Attention", [x, weights, bias, None, normal(random, 2, batch, heads, 4, width)], outputs=2,
              num_heads=heads, unidirectional=1)
    cases.add(MS, "widths", "Attention", [x, normal(random, 6, 20), normal(random, 20)], num_heads=heads,
              qkv_hidden_sizes=[8, 8, 4])



def caches(cases, random):
    """Caches of GroupQueryAttention that are full afterwards: rows beyond have no defined values."""
    heads, width, had = 2, 16, 3
    rows = [normal(random, 1, 1, heads * width), normal(random, 1, 1, width), normal(random, 1, 1, width)]
    lengths = [np.array([had], dtype=np.int32), np.array(had + 1, dtype=np.int32)]
    common = {"num_heads": heads, "kv_num_heads": 1, "outputs": 3}
    for bits, kind, dims in ((8, "PER_TENSOR", [1]), (8, "PER_CHANNEL", [1, 1, 1, width]), (4, "PER_CHANNEL", [1, 1, 1, width])):
        dtype = np.int8 if bits == 8 else np.uint8
        past = [random.integers(0, 100, size=(1, 1, had, width * bits // 8), dtype=dtype) for _ in range(2)]
        scales = [f32(random.uniform(0.02, 0.2, size=dims)) for _ in range(2)]
        cases.add(MS, f"{bits}bits_{kind}", "GroupQueryAttention", [*rows, *past, *lengths, *[None] * 5, *scales], atol=1e-5,
                  initializers=(5, 6, 12, 13), kv_cache_bit_width=bits, k_quant_type=kind, v_quant_type=kind, **common)
    past = [normal(random, 1, 1, had, width) for _ in range(2)]
    cases.add(MS, "evicting", "GroupQueryAttention", [*rows, *past, *lengths], initializers=(5, 6), sliding_window_cache=1,
              local_window_size=had, **common)


def recurrent(cases, random):
    x = normal(random, 1, 2, 3)
    cases.add(MS, "silu", "CausalConvWithState", [x, normal(random, 2, 1, 3), normal(random, 2), normal(random, 1, 2, 2)],
              initializers=(1, 2), outputs=2, activation="silu")
    rows = [normal(random, 1, 2, 4) / 2 for _ in range(3)]
    cases.add(MS, "delta", "LinearAttention", [*rows, None, -np.abs(normal(random, 1, 2, 2)), np.abs(normal(random, 1, 2, 2))],
              outputs=2, q_num_heads=2, kv_num_heads=2)
    cases.add(MS, "groups", "GatedRMSNorm", [normal(random, 2, 4), normal(random, 2), normal(random, 2, 4)], epsilon=1e-3)
    tables = [normal(random, 6, 4), normal(random, 6, 4)]
    positions = np.array([[[0, 1, 2]], [[3, 4, 5]], [[5, 1, 0]]])
    for layout in (0, 1):
        cases.add(MS, f"layout{layout}", "MRotaryEmbedding", [normal(random, 1, 3, 16), positions, *tables],
                  initializers=(2, 3), num_heads=2, mrope_section=[2, 1, 1], mrope_layout=layout)
    cases.add(MS, "bicubic", "GridSample", [normal(random, 1, 1, 3, 4), f32(random.uniform(-1, 1, size=(1, 2, 2, 2)))],
              mode="bicubic")


def quantised(cases, random):
    """Operators on 8-bit integers. ONNX Runtime rounds in float32 on the way: answers may be a step apart."""
    def codes(*dims, dtype=np.uint8):
        info = np.iinfo(dtype)
        return random.integers(info.min, info.max + 1, size=dims, dtype=dtype)

    def add(name, operator, inputs, of=(0,), **rest):
        """`of` are the node's inputs that the model has; the others are constants."""
        constants = [i for i, value in enumerate(inputs) if i not in of and value is not None]
        cases.add(MS, name, operator, inputs, initializers=constants, **rest)

    a, b, zero, scale = codes(2, 3), codes(3), np.uint8(110), np.float32
    binary = [a, scale(0.05), np.uint8(100), b, scale(0.03), zero, scale(0.07), np.uint8(3)]
    add("row", "QLinearAdd", binary, of=(0, 3), atol=1)
    add("row", "QLinearMul", binary, of=(0, 3), atol=1)
    add("row", "QLinearWhere", [np.array([[True], [False]]), *binary], of=(0, 1, 4), atol=1)
    unary = [codes(2, 3, dtype=np.int8), scale(0.05), np.int8(9), scale(1 / 256), np.int8(-128)]
    add("int8", "QLinearSigmoid", unary, atol=1)
    add("alpha", "QLinearLeakyRelu", [*binary[:3], scale(0.05), zero], alpha=0.2, atol=1)
    softmax = [codes(2, 2, 3), scale(0.02), zero, scale(1 / 256), np.uint8(0)]
    add("axis", "QLinearSoftmax", softmax, axis=1, opset=13, atol=1)
    add("coerced", "QLinearSoftmax", softmax, axis=1, opset=12, atol=1)
    add("two", "QLinearConcat", [scale(0.06), zero, *binary[:3], codes(1, 3), scale(0.03), zero], of=(2, 5), axis=0,
        atol=1)
    image = codes(1, 4, 5, 2)
    pooled = [image, scale(0.05), zero, scale(0.03), np.uint8(120)]
    add("last", "QLinearAveragePool", pooled, kernel_shape=[2, 3], pads=[1, 0, 0, 1], channels_last=1, atol=1)
    add("first", "QLinearGlobalAveragePool", pooled, atol=1)
    add("last", "QLinearGlobalAveragePool", pooled, channels_last=1, atol=1)
    weights = codes(3, 2, 2, 2, dtype=np.int8)
    add("last", "QLinearConv", [image, scale(0.05), zero, weights, f32([0.01, 0.02, 0.015]), np.zeros(3, np.int8), scale(0.4),
                                np.uint8(128), random.integers(-500, 500, size=3, dtype=np.int32)], channels_last=1, atol=1)
    add("pads", "NhwcMaxPool", [image], kernel_shape=[2, 2], pads=[1, 0, 1, 0], strides=[2, 1])
    matrix, scales, zeros = codes(4, 3, dtype=np.int8), f32([0.01, 0.02, 0.015]), np.array([1, -2, 0], dtype=np.int8)
    left, bias = codes(2, 4), normal(random, 3)
    whole = random.integers(-500, 500, size=3, dtype=np.int32)
    add("columns", "MatMulIntegerToFloat", [left, matrix, scale(0.05), scales, zero, zeros, bias])
    add("plain", "MatMulIntegerToFloat", [left, matrix, scale(0.05), scale(0.02)])
    add("columns", "DynamicQuantizeMatMul", [normal(random, 2, 4), matrix, scales, zeros, bias])
    add("plain", "DynamicQuantizeMatMul", [normal(random, 1, 2, 4), matrix, scale(0.02)])
    add("wraps", "MatMulInteger16", [np.full((1, 8), 32767, np.int16), np.full((8, 1), 32767, np.int16)], of=(0, 1))
    product = [left, scale(0.05), zero, matrix, scales, zeros, whole]
    add("float", "QGemm", product, alpha=0.5)
    add("bytes", "QGemm", [*product, scale(0.1), zero], atol=1)
    add("transposed", "QGemm", [left.T.copy(), scale(0.05), zero, matrix.T.copy(), scale(0.02), np.int8(3)], transA=1, transB=1)
    x, axis_scale = normal(random, 2, 3), f32([0.01, 0.02, 0.03])
    add("axis", "QuantizeLinear", [x, axis_scale, np.array([1, 2, 3], np.int16)], axis=1)
    add("axis", "DequantizeLinear", [codes(2, 3, dtype=np.int16), f32([0.01, 0.02]), np.array([5, 7], np.int16)], axis=0)
    hidden = [codes(2, 3, 4), codes(4, 12, dtype=np.int8), normal(random, 12), scale(0.02), scale(0.01)]
    add("mask", "QAttention", [*hidden, np.array([2, 3], dtype=np.int32), zero, np.int8(3)], of=(0, 5), num_heads=2)
    add("past", "QAttention", [*hidden, None, zero, None, normal(random, 2, 2, 2, 1, 2)], of=(0, 8), outputs=2, num_heads=2,
        unidirectional=1)
    ids, segments = (np.array(values, dtype=np.int32) for values in ([[1, 4, 2], [0, 3, 3]], [[0, 1, 1], [0, 0, 1]]))
    tables = [codes(5, 4), codes(4, 4), codes(2, 4), codes(4), codes(4)]
    scales = [scale(value) for value in (0.01, 0.02, 0.03, 0.01, 0.01)]
    mask = np.array([[1, 1, 0], [1, 1, 1]], dtype=np.int32)
    add("all", "QEmbedLayerNormalization", [ids, segments, *tables, mask, *scales, *[zero] * 5], of=(0, 1, 7), outputs=2)


def fusions(cases, random):
    matrices = [normal(random, 2, 3), normal(random, 4, 3), normal(random, 4)]
    common = {"transB": 1, "alpha": 0.5, "initializers": (1, 2)}
    cases.add(MS, "leakyrelu", "FusedGemm", matrices, activation="LeakyRelu", activation_alpha=0.3, **common)
    cases.add(MS, "selu", "FusedGemm", matrices, activation="Selu", activation_alpha=0.3, activation_gamma=1.5, **common)
    cases.add(MS, "scaledtanh", "FusedGemm", matrices, activation="ScaledTanh", activation_alpha=0.3, activation_beta=0.7, **common)
    cases.add(MS, "softplus", "FusedGemm", matrices, activation="ParametricSoftplus", activation_alpha=0.3, activation_beta=0.7,
              **common)
    layer = [normal(random, 1, 2, 3, 3), normal(random, 2, 2, 2, 2), normal(random, 2), normal(random, 1, 2, 2, 2)]
    cases.add(MS, "sum", "FusedConv", layer, initializers=(1, 2), activation="Relu")
    cases.add(MS, "clip", "FusedConv", layer[:3], initializers=(1, 2), activation="Clip",
              activation_params=[-0.25, 0.5])
    cases.add(MS, "hardsigmoid", "FusedConv", [*layer[:2], None, layer[3]], initializers=(1,), activation="HardSigmoid",
              activation_params=[0.3, 0.4])


def arrays(cases, random):
    x = normal(random, 2, 3)
    square = normal(random, 2, 3, 3)
    cases.add(MS, "batch", "Inverse", [square], rtol=1e-2)
    for metric in ("euclidean", None):
        cases.add(MS, metric or "squares", "CDist", [x, normal(random, 4, 3)], metric=metric)
    cases.add(MS, "lower", "Trilu", [square[0], np.array(-1)], upper=0)
    cases.add(MS, "last", "ExpandDims", [x, np.array(-1, dtype=np.int32)])
    cases.add(MS, "int32", "GatherND", [x, np.array([[1, 2], [0, -1]], dtype=np.int32)])
    cases.add(MS, "step", "Range", [np.array([1], np.int16), np.array([9], np.int16), np.array([3], np.int16)])
    cases.add(MS, "plain", "Range", [np.float32(0.5), np.float32(4)])
    cases.add(MS, "row", "Pad", [x, np.array([[0, 1, 1, -1]]), f32([5])])
    cases.add(MS, "wrap", "Pad", [x, np.array([0, 1, 1, 0])], mode="wrap")
    cases.add(MS, "order", "Unique", [f32([2, 1, 1, 3, 4, 3])], outputs=3)
    cases.add(MS, "second", "TransposeMatMul", [x, normal(random, 4, 3)], transB=1, alpha=2.0)


def experts(cases, random):
    width, inner, count = 16, 16, 3
    x, scores = normal(random, 4, width), normal(random, 4, count)
    weights = [normal(random, count, 4, width), normal(random, count, 4), normal(random, count, width, 4),
               normal(random, count, width)]
    cases.add(MS, "gelu", "MoE", [x, scores, *weights], initializers=(2, 3, 4, 5), k=2, activation_type="gelu")
    cases.add(MS, "ties", "MoE", [x, np.round(scores), *weights[:1], None, weights[2]], initializers=(2, 4), k=1,
              activation_type="silu", normalize_routing_weights=1)
    gated = {"k": 2, "activation_type": "swiglu", "swiglu_fusion": 1, "activation_alpha": 1.7, "activation_beta": 1.0,
             "swiglu_limit": 0.5, "normalize_routing_weights": 1}
    cases.add(MS, "swiglu", "MoE", [x, scores, normal(random, count, 8, width), normal(random, count, 8), *weights[2:]],
              initializers=(2, 3, 4, 5), **gated)
    for bits, block in ((2, None), (4, 16), (8, None)):
        def packed(*dims):
            return random.integers(0, 256, size=dims, dtype=np.uint8)

        def layer(rows, columns):
            scales = f32(random.uniform(0.01, 0.05, size=(count, rows) + ((columns // block,) if block else ())))
            points = packed(count, rows, 1) if block else packed(count, rows * bits // 8)
            return packed(count, rows, columns * bits // 8), scales, points

        (first, first_scales, first_points), (second, second_scales, second_points) = layer(2 * inner, width), layer(width, inner)
        inputs = [x, scores, first, first_scales, normal(random, count, 2 * inner), second, second_scales,
                  normal(random, count, width), None, None, None, first_points, second_points]
        cases.add(MS, f"{bits}bits", "QMoE", inputs, initializers=(2, 3, 4, 5, 6, 7, 11, 12), expert_weight_bits=bits,
                  block_size=block, **gated)
    table = random.integers(0, 120, size=(4, 32), dtype=np.uint8).view(ml_dtypes.float8_e4m3fn)
    cases.add(MS, "float8", "GatherBlockQuantized", [table, np.array([2, 4, -1]), f32([[0.5], [2], [1], [3]])],
              initializers=(0, 2), block_size=0, gather_axis=0, quantize_axis=1)
    codes = random.integers(0, 256, size=24, dtype=np.uint8)
    for kind, name in enumerate(("fp4", "nf4")):
        cases.add(MS, name, "MatMulBnb4", [normal(random, 2, 16), codes, normal(random, 3)], initializers=(1, 2), K=16, N=3,
                  block_size=16, quant_type=kind)


def bitmap(width, height, bits, compression, body, palette=b"", masks=b""):
    """A BMP file with a header of 40 bytes."""
    offset = 54 + len(masks) + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, len(palette) // 4, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + header + masks + palette + body


def pictures(cases, random):
    """Pictures of 7x5 pixels as Pillow decodes them; it writes some of the files itself."""
    pixels = random.integers(0, 256, size=(5, 7, 3), dtype=np.uint8)
    colour = PIL.Image.fromarray(pixels)
    files = {}
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        stream = io.BytesIO()
        colour.convert(mode).save(stream, "BMP")
        files[f"bmp_{mode}"] = stream.getvalue()
    for mode in ("1", "L", "RGB"):
        stream = io.BytesIO()
        colour.convert(mode).save(stream, "PPM")
        files[f"pnm_{mode}"] = stream.getvalue()
    palette = random.integers(0, 256, size=64, dtype=np.uint8).tobytes()
    wide = random.integers(0, 256, size=80, dtype=np.uint8).tobytes()
    files["bmp_555"] = bitmap(7, 5, 16, 0, wide)
    files["bmp_565"] = bitmap(7, -5, 16, 3, wide, masks=struct.pack("<III", 0xF800, 0x07E0, 0x001F))
    files["bmp_4bits"] = bitmap(7, 5, 4, 0, wide[:20], palette)
    row = b"\x07\x03\x00\x00"
    runs = (row + b"\x02\x01\x00\x05\x01\x02\x03\x04\x05\x00\x00\x00"  # a run, five pixels as they are, the row's end
            b"\x00\x02\x02\x01\x05\x09\x00\x00" + row + b"\x00\x01")  # a step to the right and up
    files["bmp_rle8"] = bitmap(7, 5, 8, 1, runs, palette)
    runs = b"\x07\x12\x00\x00" * 3 + b"\x00\x07\x12\x34\x56\x70\x00\x00" + b"\x04\xAB\x03\xC0\x00\x01"
    files["bmp_rle4"] = bitmap(7, 5, 4, 2, runs, palette)
    samples = " ".join(str(value) for value in random.integers(0, 101, size=35))
    files["pnm_p1"] = b"P1 # bits\n7 5\n" + b"".join(b"%d" % bit for bit in random.integers(0, 2, size=35))
    files["pnm_p2"] = b"P2\n7\t5 100\n" + samples.encode()
    files["pnm_p3"] = b"P3\n# a comment\n1 5\n# and one\n100\n" + " ".join(samples.split()[:15]).encode()
    files["pnm_p5_100"] = b"P5 7 5 100\n" + bytes(int(value) for value in samples.split())
    files["pnm_p6_1000"] = b"P6\n3 2\n1000\n" + random.integers(0, 1000, size=18).astype(">u2").tobytes()
    for name, file in files.items():
        stream = np.frombuffer(file, dtype=np.uint8)
        for form in ("RGB", "Grayscale") if name in ("bmp_P", "bmp_565") else ("RGB",):
            cases.add("", f"{name}_{form}", "ImageDecoder", [stream], oracle=pillow, pixel_format=form, atol=0)


def pillow(model, feeds):
    image = PIL.Image.open(io.BytesIO(feeds["x0"].tobytes()))
    if model.graph.node[0].attribute[0].s == b"RGB":
        return [np.array(image.convert("RGB"))]
    return [np.array(image.convert("L"))[:, :, None]]


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                          pathlib.Path(__file__).parents[2] / "tests/data/onnx/cases")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cases = Cases(folder)
    for i, group in enumerate((features, labels, maps, linear, svm, trees_by_id, trees_by_index, texts, pictures,
                               activations, products, normalizations, few_bits, group_attention, multi_head_attention,
                               quantised, fusions, arrays, experts, caches, recurrent)):
        group(cases, np.random.default_rng(i))
    cases.finish()


if __name__ == "__main__":
    main()
