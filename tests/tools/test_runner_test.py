"""tools/test in a small made-up project: what it prints, counts and returns."""

import pathlib
import subprocess
import tempfile
import unittest

from scripts import copy_tools

TABLE = "# A\n\n## Allowed includes\n\n```\nlow -> -\nhigh -> low\n```\n"


class RunnerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        copy_tools(self.root)
        (self.root / "ARCHITECTURE.md").write_text(TABLE, encoding="utf-8")
        (self.root / "src/low").mkdir(parents=True)
        (self.root / "src/low/a.h").write_text("#pragma once\n", encoding="utf-8")

    def run_test(self, *arguments):
        return subprocess.run([self.root / "tools/test", *arguments], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)

    def test_a_passing_step_ends_in_the_count_alone_on_the_last_line(self):
        result = self.run_test("--only", "layers")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.splitlines()[-1], "1 passed, 0 failed")
        self.assertRegex(result.stdout, r"(?m)^layers +[0-9.]+  passed \(check_layers: .*\)$")

    def test_a_failing_step_is_counted_shows_its_log_and_returns_1(self):
        (self.root / "src/low/b.h").write_text('#include "../low/a.h"\n', encoding="utf-8")
        result = self.run_test("--only", "layers")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout.splitlines()[-1], "0 passed, 1 failed")
        self.assertIn('climbs with ".."', result.stderr)
        self.assertIn('climbs with ".."', (self.root / "build/log/test-layers.log").read_text(encoding="utf-8"))

    def test_what_needs_a_failed_build_is_not_run_and_counts_as_failed(self):
        result = self.run_test("--only", "unit,layers")  # there is no CMake project here, so the build fails
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"(?m)^unit +0.0  failed: not run, it needs release$")
        self.assertEqual(result.stdout.splitlines()[-1], "1 passed, 2 failed")

    def test_a_step_without_input_fails(self):
        result = self.run_test("--only", "schemas")
        self.assertEqual(result.stdout.splitlines()[-1], "0 passed, 1 failed")

    def test_an_unknown_step_is_a_usage_error(self):
        result = self.run_test("--only", "layer")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn('no step "layer"', result.stderr)

    def test_every_listed_step_has_a_function(self):
        steps = [line.split()[0] for line in self.run_test("--list").stdout.splitlines()]
        self.assertGreater(len(steps), 15)
        text = (self.root / "tools/lib/test_steps.sh").read_text(encoding="utf-8")
        for step in steps:
            self.assertIn(f"\nstep_{step.replace('-', '_')}() {{", text)


if __name__ == "__main__":
    unittest.main()
