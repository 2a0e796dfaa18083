#!/usr/bin/env python3
"""Runs random graphs on ONNX Runtime and on `oag verify`, and tells where the two differ.

Usage: onnx_differential.py [--oag PROGRAM] [--seed N] [--graphs N] [--only OPERATOR[,OPERATOR...]] [--keep FOLDER]

Each graph depends on the seed and its own number alone. What differs is looked at again node by node, with ONNX Runtime's values
as the node's inputs, and each node told in one line; where onnx's ReferenceEvaluator says as we do, the line says so.
--keep leaves the cases of graphs and nodes that differ in FOLDER. Known differences: differential_known.py.
Exit status: 0 when nothing differs, 1 when something does.
"""
import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, os.environ.get("OAG_PYTHON_PACKAGES", str(ROOT / "build/python")))

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from differential_contrib_ops import CONTRIB_OPERATORS
from differential_data_ops import DATA_OPERATORS
from differential_graph import Graph, Refused
from differential_known import known
from differential_nn_ops import NN_OPERATORS, NN_SINCE
from differential_ops import OPERATORS, SINCE

OPSETS = [13, 17, 18, 19, 20, 21, 22, 23, 24]
CASES_AT_ONCE = 200
ADDERS = {**OPERATORS, **DATA_OPERATORS, **NN_OPERATORS, **CONTRIB_OPERATORS}
FIRST_OPSETS = {**SINCE, **NN_SINCE}


def make_graph(seed, number, names, refused):
    """A graph of one to eight nodes; what ONNX Runtime refuses is left out of it, and counted."""
    rng = np.random.default_rng([seed, number])
    graph = Graph(rng, int(rng.choice(OPSETS)))
    wanted = 1 if rng.random() < 0.4 else int(rng.integers(2, 9))
    for _ in range(50):
        if len(graph.steps) >= wanted:
            break
        name = names[int(rng.integers(len(names)))]
        if graph.opset < FIRST_OPSETS.get(name, 1):
            continue
        before = len(graph.values)
        try:
            ADDERS[name](graph)
        except Refused:
            refused[name] += 1
            del graph.values[before:]
    return graph if graph.steps else None


def verify(program, folders, manifest):
    """{folder: None or the reason why it failed}; a case that ends the program is found by halves."""
    if not folders:
        return {}
    command = [program, "verify", "--json", "--threads", "1", "--timeout", "20", "--manifest", manifest, *folders]
    done = subprocess.run(command, capture_output=True, check=False)
    try:
        cases = json.loads(done.stdout)["cases"]
        return {pathlib.Path(c["path"]): None if c["status"] == "passed" else c["reason"] for c in cases}
    except (ValueError, KeyError):
        if len(folders) == 1:
            return {folders[0]: f"the program ended with status {done.returncode}: {done.stderr.decode(errors='replace')[-200:]}"}
        half = len(folders) // 2
        return {**verify(program, folders[:half], manifest), **verify(program, folders[half:], manifest)}


class Cases:
    """Case folders below one folder, and their manifest."""

    def __init__(self, folder):
        self.folder, self.rows, self.folders = folder, [], []

    def add(self, name, write):
        path = self.folder / name
        rtol, atol = write(path)
        self.rows.append({"dir": name, "kind": "differential", "rtol": rtol, "atol": atol, "random": False})
        self.folders.append(path)
        return path

    def run(self, program):
        manifest = self.folder / "manifest.json"
        manifest.write_text(json.dumps({"cases": self.rows}))
        results = {}
        for at in range(0, len(self.folders), CASES_AT_ONCE):
            results.update(verify(program, self.folders[at:at + CASES_AT_ONCE], manifest))
        return results


def by_the_reference(graph, index):
    """What onnx's Python reference computes for a node; None where it fails."""
    step = graph.steps[index]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(step.nodes, "one", [onnx.ValueInfoProto(name=v.name) for v in step.inputs],
                               [onnx.ValueInfoProto(name=v.name) for v in step.outputs]),
        opset_imports=[onnx.helper.make_opsetid("", graph.opset)])
    try:
        with np.errstate(all="ignore"):
            found = ReferenceEvaluator(model).run(None, {v.name: v.array for v in step.inputs})
        return found if all(f.dtype == v.array.dtype for f, v in zip(found, step.outputs)) else None
    except Exception:  # whatever its Python code raises
        return None


def describe(graph, index):
    step = graph.steps[index]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for n in step.nodes for a in n.attribute}
    return (f"{'+'.join(n.op_type for n in step.nodes)} (opset {graph.opset}) "
            f"of {', '.join(f'{v.dtype}{v.dims}' for v in step.inputs)} "
            f"{({k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()})}")


def look_closer(graphs, reasons, program, folder):
    """Lines about graphs that differ: the nodes at fault. Returns the lines and the numbers of graphs that are not excused."""
    cases, nodes = Cases(folder), {}
    for number in reasons:
        for index in range(len(graphs[number].steps)):
            path = cases.add(f"node-{number}-{index}", lambda to, n=number, i=index: graphs[n].write_step(i, to))
            nodes[path] = number, index
    failed = [(path, reason) for path, reason in cases.run(program).items() if reason]
    second, agreed = Cases(folder), {}
    for path, _ in failed:
        number, index = nodes[path]
        expected = by_the_reference(graphs[number], index)
        if expected is not None:
            agreed[second.add(f"reference-{number}-{index}",
                              lambda to, n=number, i=index, e=expected: graphs[n].write_step(i, to, e))] = path
    as_we_do = {agreed[path] for path, reason in second.run(program).items() if not reason}
    lines, left = [], set(reasons)
    guilty = collections.defaultdict(list)
    for path, reason in failed:
        number, index = nodes[path]
        excuse = known(graphs[number], graphs[number].steps[index], path in as_we_do)
        guilty[number].append(excuse)
        if not excuse:
            lines.append(f"graph {number}: {describe(graphs[number], index)}: {reason}"
                         f"{' [as onnx does]' if path in as_we_do else ''}")
    for number, reason in reasons.items():
        if number not in guilty:
            lines.append(f"graph {number}: as a whole ({', '.join(n.op_type for s in graphs[number].steps for n in s.nodes)}): {reason}")
        elif all(guilty[number]):
            left.discard(number)
    return lines, left


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oag", type=pathlib.Path, default=ROOT / "build/release/bin/oag")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--graphs", type=int, default=400)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=pathlib.Path)
    flags = parser.parse_args()
    names = sorted(flags.only.split(",") if flags.only else ADDERS)
    refused = collections.Counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        cases, graphs = Cases(folder), {}
        for number in range(flags.graphs):
            graph = make_graph(flags.seed, number, names, refused)
            if graph:
                graphs[number] = graph
                cases.add(f"graph-{number}", graph.write)
        numbers = dict(zip(cases.folders, graphs))
        reasons = {numbers[path]: reason for path, reason in cases.run(flags.oag).items() if reason}
        lines, left = look_closer(graphs, reasons, flags.oag, folder)
        for path in [p for p in folder.iterdir() if flags.keep and any(f"-{n}" in p.name for n in left)]:
            shutil.copytree(path, flags.keep / path.name, dirs_exist_ok=True) if path.is_dir() else None
    for line in lines:
        print(line)
    tally = collections.Counter(n.op_type for g in graphs.values() for s in g.steps for n in s.nodes)
    print(f"{sum(tally.values())} nodes of {len(tally)} operators; nodes that ONNX Runtime refuses: {sum(refused.values())}")
    print(f"seed {flags.seed}: {len(graphs)} graphs, {len(left)} differ"
          + (f" ({len(reasons) - len(left)} in known ways)" if len(reasons) > len(left) else ""))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
