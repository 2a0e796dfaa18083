#!/usr/bin/env python3
"""oag bench of ONNX models: engines in turns, what they give compared, PyTorch in a process of its own."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from cli import BINARY, LIMIT_S, CliTest, accepted_by_schema, environment
from onnx_models import TensorProto, helper, model_of, np, numpy_helper, onnx, port

# What a program of PyTorch answers, without PyTorch: the engine talks to it line by line.
STAND_IN = """
import json, sys
import numpy
folder, threads, count = sys.argv[4], sys.argv[5], int(sys.argv[6])
values = [numpy.load(f"{folder}/input_{k}.npy") for k in range(count)]
print(json.dumps({"version": "0." + threads, "load_ms": 3.5}), flush=True)
for line in sys.stdin:
    if line == "run\\n":
        print(2.25, flush=True)
    else:
        numpy.save(f"{folder}/output_0.npy", values[0] @ numpy.full((8, 4), 0.5, numpy.float32) + numpy.float32(0.125))
        print(1, flush=True)
"""


class BenchOnnx(CliTest):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        weights = numpy_helper.from_array(np.full((8, 4), 0.5, np.float32), "w")
        self.model = self.folder / "m.onnx"
        onnx.save(model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], [port("x", TensorProto.FLOAT, ["n", 8])],
                           [port("y", TensorProto.FLOAT, ["n", 4])], [weights]), self.model)

    def bench(self, *arguments, **variables):
        library = next(pathlib.Path(onnx.__file__).parent.parent.glob("onnxruntime/capi/libonnxruntime.so.*"), "")
        return subprocess.run([BINARY, "bench", self.model, *map(str, arguments)], capture_output=True, timeout=LIMIT_S,
                              env=environment(**{"OAG_ONNXRUNTIME": str(library), **variables}))

    def results(self, *arguments, **variables):
        done = self.bench("--json", "--repeats", 5, *arguments, **variables)
        self.assertEqual(done.returncode, 0, done.stderr)
        accepted_by_schema(self, done.stdout)
        return json.loads(done.stdout)

    def test_the_engines_are_timed_and_their_outputs_compared(self):
        document = self.results("--engine", "oag,onnxruntime", "--shape", "x=3,8")
        self.assertEqual(document["inputs"], [{"name": "x", "dtype": "f32", "shape": [3, 8]}])
        own, other = document["results"]
        self.assertTrue(own["engine"].startswith("oag/cpu"), own)
        self.assertTrue(other["engine"].startswith("onnxruntime@"), other)
        for result in (own, other):
            self.assertEqual((result["name"], result["runs"]), ("latency", 5))
            self.assertGreater(result["latency_ms"]["median"], 0)
        self.assertIsNone(own["difference"])
        self.assertLess(other["difference"], 1e-5)
        self.assertGreater(other["greatest"], 0)

    def test_a_process_answers_for_pytorch(self):
        stand_in = self.folder / "python"
        stand_in.write_text(f"#!{sys.executable}{STAND_IN}")
        stand_in.chmod(0o755)
        (self.folder / "m.pt2").write_bytes(b"")
        result = self.results("--engine", "oag,pytorch", "--source", self.folder / "m.pt2", "--threads", 1, OAG_PYTHON=str(stand_in),
                              PYTHONPATH=str(pathlib.Path(np.__file__).parent.parent))["results"][1]
        self.assertEqual((result["engine"], result["load_ms"], result["latency_ms"]["median"]), ("pytorch@0.1", 3.5, 2.25))
        self.assertAlmostEqual(result["difference"], 0.125, places=5)

    def test_what_cannot_be_measured_is_told(self):
        for arguments, words in ((["--engine", "oag,oag"], "twice"), (["--engine", "none"], "none"),
                                 (["--engine", "pytorch"], "--source"), (["--source", "m.pt2"], "--engine pytorch"),
                                 (["--prefill", "3"], "language models"), (["--input", "z=a.npy"], '"z"')):
            done = self.bench("--shape", "x=3,8", *arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr.decode())
            self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)

    def test_a_python_without_pytorch_says_so(self):
        (self.folder / "m.pt2").write_bytes(b"")
        python = self.folder / "python"
        python.write_text("#!/bin/sh\necho 'ModuleNotFoundError: No module named torch' >&2\nexit 1\n")
        python.chmod(0o755)
        done = self.bench("--engine", "pytorch", "--source", self.folder / "m.pt2", OAG_PYTHON=str(python))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("No module named torch", done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
