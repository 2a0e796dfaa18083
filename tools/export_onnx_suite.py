#!/usr/bin/env python3
"""Writes the test suite of the package onnx as folders that `oag verify` reads.

Usage: export_onnx_suite.py FOLDER        (onnx; build/python after tools/setup dev)

FOLDER/<kind>/<case>/model.onnx and test_data_set_N/{input,output}_K.pb, and FOLDER/manifest.json with a record for each case:
name, kind, dir, rtol, atol, the operator under test, and whether values are random, so that only type and shape can be
compared. Cases that the package keeps as files are copied; the others are made by its seeded generators, the same bytes each
time. FOLDER appears when it is complete.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import sys
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, os.environ.get("OAG_PYTHON_PACKAGES", str(ROOT / "build/python")))

try:
    import numpy as np
    import onnx
    from onnx import OptionalProto, SequenceProto, numpy_helper
    from onnx.backend.test.loader import load_model_tests
    from onnx.backend.test.runner import Runner
except ImportError as missing:
    sys.exit(f"export_onnx_suite: {missing}: tools/setup dev puts onnx into build/python")

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "real")
RANDOM_OPERATORS = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
PACKAGE = pathlib.Path(onnx.__file__).parent


def message_of(value, info):
    """The protobuf message of a value in memory."""
    if not isinstance(value, (np.ndarray, np.generic, list, tuple, dict, int, float, str, bytes, type(None))):
        return value  # is one already
    kind = info.type.WhichOneof("value")
    if kind == "sequence_type":
        # An empty list does not tell what it is a list of.
        return numpy_helper.from_list(value, info.name) if value else SequenceProto(name=info.name, elem_type=SequenceProto.TENSOR)
    if kind == "optional_type":
        if value is None:
            return numpy_helper.from_optional(value, info.name)
        of_tensor = info.type.optional_type.elem_type.WhichOneof("value") == "tensor_type"
        return numpy_helper.from_optional(value, info.name, OptionalProto.TENSOR if of_tensor else OptionalProto.SEQUENCE)
    if kind == "map_type":
        return numpy_helper.from_dict(value, info.name)
    return numpy_helper.from_array(np.asarray(value), info.name)


def write_values(folder, role, values, infos):
    if len(values) != len(infos):
        sys.exit(f"export_onnx_suite: {folder}: {len(values)} values for {len(infos)} {role}s")
    for k, (value, info) in enumerate(zip(values, infos)):
        (folder / f"{role}_{k}.pb").write_bytes(message_of(value, info).SerializeToString(deterministic=True))


def made_case(case, folder):
    """A case that the package makes in memory."""
    (folder / "model.onnx").write_bytes(case.model.SerializeToString(deterministic=True))
    for n, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{n}"
        data.mkdir()
        write_values(data, "input", inputs, case.model.graph.input)
        write_values(data, "output", outputs, case.model.graph.output)
    return case.model


def stored_case(case, folder):
    """A case that lies in the package as files."""
    source = pathlib.Path(case.model_dir)
    for path in [source / "model.onnx", *sorted(source.glob("test_data_set_*/*.pb"))]:
        target = folder / path.relative_to(source)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)
    return onnx.load(folder / "model.onnx")


def real_case(case, folder):
    """A whole network of constant weights: the package has its outputs, and makes its inputs as its own runner does."""
    source = PACKAGE.parent / case.url
    shutil.copyfile(source, folder / "model.onnx")
    model = onnx.load(source)
    data = folder / "test_data_set_0"
    data.mkdir()
    initializers = {tensor.name for tensor in model.graph.initializer}
    inputs = [info for info in model.graph.input if info.name not in initializers]
    write_values(data, "input", [Runner.generate_dummy_data(info, seed=0, name=case.model_name, random=False) for info in inputs],
                 inputs)
    for k in range(len(model.graph.output)):
        shutil.copyfile(source.with_name(f"{source.stem}_output_{k}.pb"), data / f"output_{k}.pb")
    return model


def operators_of(graph):
    for node in graph.node:
        yield node.op_type
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from operators_of(inner)


def draws_values(name, operators):
    dropout = "Dropout" in operators and name.startswith("test_training_dropout") and "zero_ratio" not in name
    return dropout or not RANDOM_OPERATORS.isdisjoint(operators)


def export_kind(kind, folder):
    """Writes all cases of a kind; returns their records."""
    cases = sorted(load_model_tests(kind=kind), key=lambda case: case.name)
    # A case whose operator is written out as its function's body tests the operator of the case that it was made of.
    tested = {case.name: case.model.graph.node[-1].op_type for case in cases if kind == "node" and case.model.graph.node}
    records = []
    for case in cases:
        target = folder / kind / case.name
        target.mkdir(parents=True)
        model = {"node": made_case, "real": real_case}.get(kind, stored_case)(case, target)
        plain = re.sub(r"_expanded(_ver\d+)?$", "", case.name)
        operators = set(operators_of(model.graph)).union(*(operators_of(function) for function in model.functions))
        records.append({"name": case.name, "kind": kind, "dir": f"{kind}/{case.name}", "rtol": case.rtol, "atol": case.atol,
                        "op": tested.get(plain, tested.get(case.name)), "random": draws_values(case.name, operators)})
    return records


def main(arguments):
    parser = argparse.ArgumentParser(description="Write the test suite of the package onnx as folders.")
    parser.add_argument("folder", type=pathlib.Path, help="where to; must not be there")
    target = parser.parse_args(arguments).folder
    if target.exists():
        sys.exit(f"export_onnx_suite: {target} is there already; remove it first")
    warnings.simplefilter("ignore")  # of the generators: they divide by zero on purpose
    unfinished = target.with_name(target.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    records = [record for kind in KINDS for record in export_kind(kind, unfinished)]
    manifest = {"onnx": onnx.__version__, "cases": records}
    (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    unfinished.rename(target)
    print(f"export_onnx_suite: {len(records)} cases of onnx {onnx.__version__} in {target}")


if __name__ == "__main__":
    main(sys.argv[1:])
