#!/usr/bin/env python3
"""oag verify: cases that pass, cases that are wrong in every way, and what is told of them."""

import json
import pathlib
import shutil
import signal
import tempfile
import time
import unittest

from cli import CliTest, accepted_by_schema, oag, started
from onnx_models import TensorProto, endless, helper, identity, model_of, np, numpy_helper, port, write_case

F32 = TensorProto.FLOAT
X = np.array([1, 2, 4], np.float32)


class Verify(CliTest):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def case(self, name, outputs, inputs=(X,), model=None):
        return write_case(self.folder / name, model or identity(F32, [3]), [(list(inputs), list(outputs))])

    def last_line(self, *arguments):
        result = oag("verify", *arguments)
        return result.returncode, result.stdout.decode().splitlines()[-1], result.stdout.decode()

    def test_folders_are_walked_and_counted(self):
        self.case("a/right", [X])
        self.case("a/b/wrong", [X + 1])
        code, line, text = self.last_line(self.folder)
        self.assertEqual((code, line), (3, "1 passed, 1 failed, 0 skipped"))
        self.assertIn('FAILED a/b/wrong: output "y" of Identity "same": 3 of 3 values differ, most at [0]: 1, expected 2', text)
        self.assertEqual(self.last_line(self.folder / "a/right")[:2], (0, "1 passed, 0 failed, 0 skipped"))
        for kernels in ("best", "reference"):
            self.assertEqual(self.last_line(self.folder, "--kernels", kernels)[:2], (3, "1 passed, 1 failed, 0 skipped"))

    def test_json_follows_its_schema_and_says_the_same(self):
        self.case("right", [X])
        self.case("wrong", [X + 1])
        result = oag("verify", self.folder, "--json")
        self.assertEqual(result.returncode, 3)
        accepted_by_schema(self, result.stdout)
        document = json.loads(result.stdout)
        self.assertEqual((document["passed"], document["failed"], document["skipped"]), (1, 1, 0))
        self.assertEqual([case["status"] for case in document["cases"]], ["passed", "failed"])

    def test_every_wrong_case_is_a_failure_of_one_line(self):
        self.case("dtype", [X.astype(np.float64)])
        self.case("shape", [X.reshape(1, 3)])
        self.case("more_outputs", [X, X])
        self.case("fewer_inputs", [X], inputs=())
        self.case("input_shape", [X], inputs=(np.zeros(4, np.float32),))
        self.case("input_dtype", [X], inputs=(X.astype(np.int32),))
        self.case("unknown", [X], model=model_of([helper.make_node("Nonsense", ["x"], ["y"])], [port("x", F32, [3])], [port("y", F32, [3])]))
        shutil.rmtree(self.case("no_data", [X]) / "test_data_set_0")
        (self.case("no_model", [X]) / "model.onnx").unlink()
        (self.case("no_output", [X]) / "test_data_set_0/output_0.pb").unlink()
        (self.case("cut_model", [X]) / "model.onnx").write_bytes(b"\x08\x0a\x3a\xff")
        (self.case("cut_value", [X]) / "test_data_set_0/input_0.pb").write_bytes(b"\x08\x03\x10\x01\x4a\x50abc")
        (self.case("empty_value", [X]) / "test_data_set_0/output_0.pb").write_bytes(b"")
        self.case("right", [X])
        code, line, text = self.last_line(self.folder)
        self.assertEqual((code, line), (3, "1 passed, 13 failed, 0 skipped"), text)
        failed = dict(line[len("FAILED "):].split(": ", 1) for line in text.splitlines() if line.startswith("FAILED "))
        for name, needle in (("dtype", "is f32[3], expected f64[3]"), ("shape", "is f32[3], expected f32[1, 3]"),
                             ("more_outputs", "has 2 outputs, the model makes 1"), ("fewer_inputs", "has 0 inputs, the model takes 1"),
                             ("unknown", "Nonsense"), ("no_data", "test_data_set_0"), ("no_model", "model.onnx"),
                             ("no_output", "output_0.pb")):
            self.assertIn(needle, failed[name])

    def test_tolerances_are_the_manifests_else_the_options(self):
        near = X * np.float32(1.01)
        self.case("case", [near])
        self.assertEqual(self.last_line(self.folder)[0], 3)
        self.assertEqual(self.last_line(self.folder, "--rtol", "0.02")[0], 0)
        self.assertEqual(self.last_line(self.folder, "--atol", "0.1")[0], 0)
        manifest = self.folder / "manifest.json"
        manifest.write_text(json.dumps({"cases": [{"dir": "case", "kind": "made", "rtol": 0.02, "atol": 0}]}))
        code, _, text = self.last_line(self.folder / "case")
        self.assertEqual(code, 0)
        self.assertIn("made", text)
        moved = self.folder / "elsewhere.json"
        manifest.rename(moved)
        self.assertEqual(self.last_line(self.folder / "case")[0], 3)
        self.assertEqual(self.last_line(self.folder / "case", "--manifest", moved)[0], 0)

    def test_of_random_values_type_and_shape_are_compared(self):
        self.case("case", [X + 100])
        manifest = self.folder / "manifest.json"
        manifest.write_text(json.dumps({"cases": [{"dir": "case", "random": True}]}))
        self.assertEqual(self.last_line(self.folder)[0], 0)

    def test_initializers_are_no_inputs(self):
        weight = numpy_helper.from_array(np.array([1, 1, 1], np.float32), "w")
        model = model_of([helper.make_node("Add", ["w", "x"], ["y"])], [port("w", F32, [3]), port("x", F32, [3])], [port("y", F32, [3])],
                         [weight])
        self.case("case", [X + 1], model=model)
        self.assertEqual(self.last_line(self.folder)[:2], (0, "1 passed, 0 failed, 0 skipped"))

    def test_an_endless_model_fails_at_its_time_and_the_next_one_runs(self):
        self.case("a_endless", [X], model=endless())
        self.case("b_right", [X])
        begin = time.monotonic()
        code, line, text = self.last_line(self.folder, "--timeout", "0.5")
        self.assertEqual((code, line), (3, "1 passed, 1 failed, 0 skipped"), text)
        self.assertIn("a_endless: it took longer than --timeout allows", text)
        self.assertLess(time.monotonic() - begin, 20)

    def test_an_interrupt_ends_it_with_what_is_known(self):
        self.case("a_right", [X])
        self.case("b_endless", [X], model=endless())
        self.case("c_right", [X])
        process = started("verify", self.folder)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(out.decode().splitlines()[-1], "1 passed, 0 failed, 2 skipped")

    def test_what_is_no_case_is_refused(self):
        self.assert_refused(oag("verify", self.folder / "nowhere"), 1, "nowhere", "is not there")
        self.assert_refused(oag("verify", self.folder), 1, "holds no case")
        self.assert_refused(oag("verify"), 2, "CASE_DIR")
        self.assert_refused(oag("verify", self.folder, "--kernels", "fast"), 2, "best,reference")
        self.assert_refused(oag("verify", self.folder, "--rtol", "-1"), 2, "--rtol")


if __name__ == "__main__":
    unittest.main(verbosity=2)
