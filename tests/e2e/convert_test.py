#!/usr/bin/env python3
"""oag convert."""

import json
import pathlib
import signal
import tempfile
import unittest

from cli import DATA, TINY, CliTest, oag, started

GLM4V = DATA / "glm4v/glm4v.bf16.gguf"


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

    def test_a_model_that_takes_pictures_becomes_two_files_which_repeat_after_any_interruption(self):
        whole, out = self.folder / "whole/x.gguf", self.folder / "stopped/x.gguf"
        for path in (whole, out):
            path.parent.mkdir()
        flags = ["--quant", "f32", "--mmproj-quant", "f32"]
        self.assertEqual(oag("convert", GLM4V, whole, *flags).returncode, 0)
        for _ in range(6):
            process = started("convert", GLM4V, out, *flags)
            for _ in range(2000):
                if process.poll() is not None or (out.exists() and not (out.parent / "mmproj-x.gguf").exists()):
                    break
            process.send_signal(signal.SIGINT)
            error = process.communicate(timeout=60)[1]
            if process.returncode == 0:
                break
            # Before its handler stands, the signal ends it.
            self.assertIn(process.returncode, (130, -signal.SIGINT), error)
        if process.returncode != 0:
            result = oag("convert", GLM4V, out, *flags)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(path.name for path in out.parent.iterdir()), ["mmproj-x.gguf", "x.gguf"])
        for name in ("x.gguf", "mmproj-x.gguf"):
            self.assertEqual((out.parent / name).read_bytes(), (whole.parent / name).read_bytes())

    def test_a_missing_vision_file_is_refused_before_anything_is_written(self):
        result = oag("convert", GLM4V, self.folder / "x.gguf", "--mmproj", "/nope")
        self.assert_refused(result, 1, "/nope")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_unknown_recipes_are_a_usage_error_that_names_the_known_ones(self):
        result = oag("convert", TINY, self.folder / "out.gguf", "--quant", "q9")
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"q4_k_m", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
