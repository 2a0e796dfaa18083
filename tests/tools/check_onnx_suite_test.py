"""tools/check_onnx_suite.py, with a program in place of oag that fails the cases whose names say so."""

import pathlib
import tempfile
import unittest

from scripts import run_python

STAND_IN = """#!/usr/bin/env python3
import json, pathlib, sys
cases = [a for a in sys.argv[1:] if "/" in a]
if any("crash" in case for case in cases):
    sys.exit("cannot go on")
print(json.dumps({"cases": [{"path": c, "status": "failed" if "bad" in c else "passed", "reason": "wrong"} for c in cases]}))
"""


class CheckOnnxSuite(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.program = self.root / "oag"
        self.program.write_text(STAND_IN, encoding="utf-8")
        self.program.chmod(0o755)
        self.misses = self.root / "misses.txt"

    def check(self, misses, *arguments, cases=("node/bad_a", "node/b", "node/c")):
        for case in cases:
            (self.root / "suite" / case).mkdir(parents=True, exist_ok=True)
            (self.root / "suite" / case / "model.onnx").touch()
        self.misses.write_text(misses, encoding="utf-8")
        return run_python("check_onnx_suite", "--oag", self.program, "--misses", self.misses, *arguments, self.root / "suite")

    def test_a_listed_failure_is_no_problem(self):
        result = self.check("# known\nnode/bad_a  there is no decoder\n")
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertEqual(result.stdout, "check_onnx_suite: of 3 cases pass 2 with best kernels, 2 with reference kernels; 1 are known to fail\n")

    def test_what_the_list_does_not_say_is_a_problem(self):
        result = self.check("node/b  why\nnode/gone  why\n", "--kernels", "best")
        self.assertEqual(result.returncode, 3)
        self.assertEqual(result.stdout.splitlines()[:-1], [
            'best kernels: node/b passes, but is listed as failing: "why"', "best kernels: node/bad_a failed: wrong",
            "best kernels: node/gone is listed as failing, but is not there"])

    def test_a_sample_need_not_hold_what_is_listed(self):
        result = self.check("node/bad_a  why\nnode/gone  why\n", "--every", "3")
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn("of 1 cases", result.stdout)

    def test_a_program_that_breaks_is_a_problem(self):
        result = self.check("", cases=("node/crash",))
        self.assertEqual(result.returncode, 3)
        self.assertIn("exit status 1, no result: cannot go on", result.stderr)

    def test_a_list_without_reasons_and_an_empty_suite_are_refused(self):
        self.assertIn("node/b has no reason", self.check("node/b\n").stderr)
        self.assertIn("stands there twice", self.check("node/b x\nnode/b x\n").stderr)
        self.misses.write_text("", encoding="utf-8")
        self.assertIn("holds no cases", run_python("check_onnx_suite", "--misses", self.misses, self.root / "nothing").stderr)


if __name__ == "__main__":
    unittest.main()
