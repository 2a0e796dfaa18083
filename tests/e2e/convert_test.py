#!/usr/bin/env python3
"""oag convert."""

import json
import pathlib
import tempfile
import unittest

from cli import TINY, CliTest, oag


class Convert(CliTest):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_a_file_is_made_once_and_never_silently_again(self):
        out = self.folder / "q8.gguf"
        first = oag("convert", TINY, out, "--quant", "q8_0", "--json")
        self.assertEqual(first.returncode, 0, first.stderr)
        report = json.loads(first.stdout)
        self.assertEqual(report["files"], [{"path": str(out), "bytes": out.stat().st_size}])
        again = oag("convert", TINY, out, "--quant", "q4_0")
        self.assertEqual(again.returncode, 1)
        self.assertIn(b"exists already", again.stderr)
        self.assertEqual(again.stderr.count(b"\n"), 1)
        self.assertEqual(oag("convert", TINY, out, "--quant", "q4_0", "--force").returncode, 0)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["q8.gguf"])

    def test_gguf_becomes_a_folder_that_runs_alike(self):
        self.assertEqual(oag("convert", TINY, self.folder / "hf").returncode, 0)
        asked = ["--raw", "-p", "the", "-n", "8", "--greedy"]
        self.assertEqual(oag("run", self.folder / "hf", *asked).stdout, oag("run", TINY, *asked).stdout)

    def test_unknown_recipes_are_a_usage_error_that_names_the_known_ones(self):
        result = oag("convert", TINY, self.folder / "out.gguf", "--quant", "q9")
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"q4_k_m", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
