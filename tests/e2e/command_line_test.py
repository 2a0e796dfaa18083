#!/usr/bin/env python3
"""Command lines that are wrong, and what the devices and the benchmark say."""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import unittest

from cli import BINARY, LIMIT_S, TINY, CliTest, accepted_by_schema, environment, oag, run_json


class Usage(CliTest):
    def test_help_goes_to_stdout_and_is_a_success(self):
        for arguments in ([], ["--help"], ["run", "--help"]):
            result = oag(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, b""), arguments)
            self.assertIn(b"run", result.stdout)

    def test_a_wrong_command_line_is_exit_code_2(self):
        for arguments in (["run"], ["no-such-command"], ["run", TINY, "--no-such-flag"], ["run", TINY, "--kv", "q9"],
                          ["run", TINY, "-n", "many", "-p", "x"], ["run", TINY, "--threads", "0", "-p", "x"],
                          ["run", TINY, "--ctx", "-5", "-p", "x"], ["run", TINY, "more", "arguments"]):
            self.assert_refused(oag(*arguments), 2)

    def test_what_cannot_be_written_is_an_error_with_its_cause(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        for arguments in (["version"], ["--version"], ["run", "--help"], ["inspect", TINY, "--json"]):
            with open("/dev/full", "wb") as full:
                result = subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                                        timeout=LIMIT_S, env=environment())
            self.assertEqual(result.returncode, 1, arguments)
            self.assertIn(b"No space left on device", result.stderr, arguments)
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_a_command_with_json_that_fails_prints_an_object_with_the_line_of_stderr(self):
        for command in (["tokenize", "/no/such.gguf", "x"], ["inspect", "/no/such.gguf"], ["convert", "/no/such.gguf", self.folder / "out.gguf"],
                        ["doctor", "/no/such.gguf"], ["embed", "/no/such", "-p", "x"], ["bench", "/no/such.gguf"]):
            line = self.assert_refused(oag(*command), 1, "/no/such")
            result = oag(*command, "--json")
            self.assertEqual((result.returncode, result.stderr.decode()), (1, line + "\n"))
            self.assertEqual(json.loads(result.stdout), {"schema": "oag.error/1", "command": command[0], "cancelled": False, "error": line[5:]})
            accepted_by_schema(self, result.stdout)
        ran = oag("run", "/no/such.gguf", "-p", "x", "--json")
        self.assertEqual((ran.returncode, json.loads(ran.stdout)["schema"], len(ran.stderr.splitlines())), (1, "oag.run/1", 1))
        self.assert_refused(oag("tokenize", "--json"), 2, "MODEL is missing")

    def test_sampling_options_out_of_range_are_refused_by_name(self):
        for flag, value in (("--temperature", "-1"), ("--top-p", "1.5"), ("--min-p", "-0.1"), ("--repeat-penalty", "0")):
            result = oag("run", TINY, "-p", "x", flag, value)
            self.assertIn(result.returncode, (1, 2))
            self.assert_refused(result, result.returncode, flag.strip("-").replace("-", " ").split()[0])


    def test_usage_errors_quote_what_was_given(self):
        for arguments, said in ((["-n", "many"], '--max-tokens: "many" is not a whole number from 0'),
                                (["--ctx", "0"], '--ctx: "0" is not a whole number from 1'),
                                (["--top-p", "1.1"], '--top-p: "1.1" is not a number from 0 to 1'),
                                (["--temperature", "nan"], '--temperature: "nan" is not a number from 0 to 100'),
                                (["--seed", "-1"], '--seed: "-1" is not a whole number from 0 to 18446744073709551615'),
                                (["--seed", "18446744073709551616"], '--seed: "18446744073709551616" is not'),
                                (["-n"], "--max-tokens: needs a value"),
                                (["-n", "1", "-n", "2"], "--max-tokens: is given more than once"),
                                (["one", "two"], '"one", "two" are not expected here')):
            self.assert_refused(oag("run", TINY, "-p", "x", *arguments), 2, said)
        self.assert_refused(oag("run", "", "-p", "x"), 2, "MODEL: is empty")
        self.assert_refused(oag("run", "-p", "x"), 2, "MODEL is missing")
        self.assert_refused(oag("tokenize", TINY, "x", "--ids", "--json"), 2, "cannot be given together")

    def test_the_largest_seed_is_a_seed(self):
        self.assertEqual(run_json(TINY, "--raw", "-p", "x", "-n", 1, "--seed", 2**64 - 1)["seed"], 2**64 - 1)

    def test_help_is_a_command_too(self):
        self.assertEqual(oag("help").stdout, oag("--help").stdout)
        self.assertEqual(oag("help", "run").stdout, oag("run", "--help").stdout)
        self.assert_refused(oag("help", "no-such-command"), 2, "no-such-command")

    def test_a_standard_error_that_cannot_be_written_changes_nothing(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        answer = ["run", TINY, "--raw", "-p", "the", "-n", "3", "--ignore-eos", "--greedy", "--stats", "--explain"]
        expected = oag(*answer).stdout
        cache = self.folder / "stderr_cache"
        for arguments, code in ((["run", "no-such-model", "-p", "x"], 1), (["no-such-command"], 2), (answer, 0), (["models"], 0),
                                (["pull", TINY], 0), (["run", TINY, "-p", "x", "-n", "0"], 0)):
            for redirection in ("2>/dev/full", "2>&-"):
                result = subprocess.run(["/bin/sh", "-c", f'exec "$0" "$@" {redirection}', BINARY, *arguments], stdin=subprocess.DEVNULL,
                                        capture_output=True, timeout=LIMIT_S, env=environment(OAG_MODELS=str(cache)))
                self.assertEqual((result.returncode, result.stderr), (code, b""), (arguments, redirection))
                if arguments is answer:
                    self.assertEqual(result.stdout, expected)
        self.assertEqual((cache / "llama.bf16.gguf").read_bytes(), pathlib.Path(TINY).read_bytes())

    def test_threads_that_the_system_refuses_are_said_with_the_limit(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become a user that has no other process")
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            program, model = shutil.copy(BINARY, folder), shutil.copy(TINY, folder)

            def become_limited():
                os.setuid(54321)
                resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

            result = subprocess.run([program, "run", model, "--raw", "-p", "x", "-n", "1", "--threads", "8"], stdin=subprocess.DEVNULL,
                                    capture_output=True, timeout=LIMIT_S, env=environment(), preexec_fn=become_limited)
        self.assert_refused(result, 1, "thread", "ulimit")

    def test_the_version_in_a_device_name_has_to_be_this_one(self):
        version = json.loads(oag("version", "--json").stdout)["version"]
        answer = ["run", TINY, "--raw", "-p", "the", "-n", 3, "--greedy", "--ignore-eos"]
        for device in (f"oag@{version}", f"oag@{version}/cpu"):
            self.assertEqual(oag(*answer, "--device", device).stdout, oag(*answer).stdout)
        self.assert_refused(oag(*answer, "--device", "oag@9/cpu"), 1, f"version 9 is not {version}")


class Bench(CliTest):
    def test_explain_accounts_for_the_time_of_each_phase(self):
        result = oag("bench", TINY, "--prefill", 24, "--decode", 4, "--repeats", 2, "--explain", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        document = json.loads(result.stdout)
        self.assertEqual([(each["name"], each["context"]) for each in document["explain"]], [("prefill", 0), ("decode", 0)])
        for phase in document["explain"]:
            inside = sum(each["ms"] for each in phase["operators"])
            self.assertAlmostEqual(inside + phase["between_ms"], phase["total_ms"], places=6)
            products = [each for each in phase["operators"] if each["operator"] in ("oag.Linear", "oag.MultiLinear")]
            self.assertTrue(products)
            for each in products:
                self.assertGreater(each["f32_ops"] + each["int8_ops"], 0, each)
        result = oag("bench", TINY, "--prefill", 0, "--decode", 4, "--repeats", 1, "--explain")
        self.assertIn(b"\na decode step, batch 1, context 0: ", result.stdout)
        self.assertIn(b"between operators", result.stdout)
        self.assertLessEqual(max(map(len, result.stdout.split(b"a decode step")[1].splitlines())), 110)

    def test_without_explain_nothing_is_explained(self):
        result = oag("bench", TINY, "--prefill", 0, "--decode", 2, "--repeats", 1, "--json")
        self.assertNotIn("explain", json.loads(result.stdout))


class Autotune(CliTest):
    def test_a_choice_is_measured_once_and_changes_no_answer(self):
        answer = ["run", TINY, "--raw", "-p", "the", "-n", "3", "--greedy", "--ignore-eos", "--device", "cpu:baseline"]
        if len(os.sched_getaffinity(0)) == 1:
            self.skipTest("one processor leaves no choice")
        tuned = [subprocess.run([BINARY, *answer, "--autotune"], capture_output=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL,
                                env=environment(XDG_CACHE_HOME=str(self.folder))) for _ in range(2)]
        for result in tuned:
            self.assertEqual((result.returncode, result.stdout), (0, oag(*answer).stdout), result.stderr)
        self.assertIn(b"decode tokens/s", tuned[0].stderr)
        self.assertIn(b"measured before", tuned[1].stderr)
        document = json.loads((self.folder / "openautoglm/autotune.json").read_text())
        self.assertEqual([choice["variant"] for choice in document["choices"]], ["baseline"])


class Devices(CliTest):
    def test_instruction_sets_are_listed_with_their_self_test(self):
        document = json.loads(oag("devices", "--json").stdout)
        cpu = next(device for device in document["devices"] if device["name"].startswith("oag/cpu:"))
        states = {state["name"]: state for state in cpu["instruction_sets"]}
        self.assertTrue(states["baseline"]["supported"] and states["baseline"]["self_test"])
        self.assertEqual([name for name, state in states.items() if state["supported"]], cpu["variants"])
        used = [name for name, state in states.items() if state["used"]]
        self.assertEqual(["oag/cpu:" + name for name in used], [cpu["name"]])
        self.assertIsNone(cpu["unusable"])
        self.assertIn(b"self-test", oag("devices").stdout)

    def test_the_self_tests_are_shown_when_no_instruction_set_can_be_used(self):
        def listed(*arguments):
            return subprocess.run([BINARY, "devices", *arguments], capture_output=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL,
                                  env={**environment(), "OAG_CPU_ISA": "sse9"})
        table = listed()
        self.assertEqual(table.returncode, 0, table.stderr)
        self.assertRegex(table.stdout, rb"baseline +yes +passed +no")
        self.assertRegex(table.stderr, rb'^oag: OAG_CPU_ISA: "sse9" is not available')
        cpu = json.loads(listed("--json").stdout)["devices"][0]
        self.assertEqual(cpu["name"], "oag/cpu")
        self.assertIn("sse9", cpu["unusable"])
        self.assertFalse(any(state["used"] for state in cpu["instruction_sets"]))

    def test_an_engine_that_is_not_there_says_why_and_what_to_do(self):
        result = subprocess.run([BINARY, "devices", "--json"], capture_output=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL,
                                env={**environment(), "OAG_ONNXRUNTIME": "/no/such/library.so"})
        engine = next(device for device in json.loads(result.stdout)["devices"] if device["name"] == "onnxruntime")
        self.assertRegex(engine["unusable"], "^onnxruntime: not available because /no/such/library.so, which OAG_ONNXRUNTIME names")
        self.assertIn("pip install onnxruntime", engine["unusable"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
