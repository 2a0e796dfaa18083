#!/usr/bin/env python3
"""oag as a user meets it: exit codes, what stands on which stream, and what is said when something is wrong.

OAG_BINARY is the program, OAG_MAKE_TEST_MODELS the one that writes models which stand nowhere as files. Tests of real answers
want OAG_TEST_MODEL, the path of SmolLM2, and are skipped without it.
"""

import base64
import hashlib
import http.server
import json
import os
import pathlib
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BINARY = os.environ.get("OAG_BINARY", "oag")
SMOLLM2 = os.environ.get("OAG_TEST_MODEL")
DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
TINY = str(DATA / "models/llama/llama.bf16.gguf")
LIMIT_S = 120

CAPITAL = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OAG_", "HF_")) or k == "OAG_CPU_ISA"}
    env.update(NO_COLOR="1", LC_ALL="C.UTF-8", **more)
    return env


def oag(*arguments, stdin=b"", **options):
    """Runs oag to its end with standard input from `stdin`; stdout and stderr are bytes."""
    return subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True, timeout=LIMIT_S,
                          env=environment(), **options)


def started(*arguments, **options):
    """Starts oag with unbuffered pipes."""
    return subprocess.Popen([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, bufsize=0, env=environment(), **options)


def on_terminal(*arguments):
    """Runs oag with a terminal as standard output, and returns exit code and what was shown on it."""
    terminal, slave = pty.openpty()
    process = subprocess.Popen([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.DEVNULL,
                               env=environment())
    os.close(slave)
    shown = b""
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return process.wait(timeout=LIMIT_S), shown.replace(b"\r\n", b"\n")


def with_template(template):
    """The bytes of the tiny model with a chat template: one more key, padded so that the data stay aligned."""
    whole = pathlib.Path(TINY).read_bytes()
    key = b"tokenizer.chat_template"
    head = struct.pack("<Q", len(key)) + key + struct.pack("<I", 8)
    template += b"{#" + b" " * (-(len(head) + 12 + len(template)) % 32) + b"#}"
    keys, = struct.unpack_from("<Q", whole, 16)
    return whole[:16] + struct.pack("<Q", keys + 1) + head + struct.pack("<Q", len(template)) + template + whole[24:]


def run_json(*arguments, **options):
    result = oag("run", *arguments, "--json", **options)
    if result.returncode != 0:
        raise AssertionError(f"exit code {result.returncode}: {result.stderr.decode()}")
    return json.loads(result.stdout)


class ChatOnTerminal:
    """A chat on a terminal of its own, with the default model unless `arguments` say otherwise; killed in the end if it has not
    ended."""

    def __init__(self, case, *arguments):
        self.case, self.shown = case, b""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            command = [BINARY, "run", *(arguments or [SMOLLM2]), "--greedy", "--ignore-eos"]
            os.execve(BINARY, [os.fspath(word) for word in command], environment(TERM="dumb"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)

    def write(self, text):
        os.write(self.terminal, text)

    def read_some(self):
        """Waits a moment for output; False when the other end is closed."""
        try:
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.shown += os.read(self.terminal, 4096)
        except OSError:
            return False
        return True

    def read_until(self, wanted):
        end = time.monotonic() + 30
        while wanted not in self.shown and time.monotonic() < end and self.read_some():
            pass
        self.case.assertIn(wanted, self.shown)
        self.shown = self.shown[self.shown.index(wanted) + len(wanted):]

    def begin_long_answer(self):
        self.read_until(b">>> ")
        self.write(b"Tell me a long story about a dragon.\n")
        self.read_until(b"dragon.")
        self.read_until(b"the")

    def exit_code(self):
        """Of the program, which must end soon; None when it does not."""
        end = time.monotonic() + 20
        while (ended := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                return None
            if not self.read_some():
                time.sleep(0.05)
        self.pid = 0
        return os.waitstatus_to_exitcode(ended[1])


class CliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="oag_cli_test.")
        cls.folder = pathlib.Path(cls.temporary.name)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def assert_refused(self, result, code, *needles):
        """Nothing on stdout and one line on stderr that holds every needle."""
        text = result.stderr.decode()
        self.assertEqual(result.returncode, code, text)
        self.assertEqual(result.stdout, b"")
        lines = text.splitlines()
        self.assertEqual(len(lines), 1, text)
        self.assertTrue(lines[0].startswith("oag: "), text)
        for needle in needles:
            self.assertIn(needle, lines[0])
        return lines[0]


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
        cpu, = json.loads(listed("--json").stdout)["devices"]
        self.assertEqual(cpu["name"], "oag/cpu")
        self.assertIn("sse9", cpu["unusable"])
        self.assertFalse(any(state["used"] for state in cpu["instruction_sets"]))


class WrongModels(CliTest):
    def test_a_pipe_is_no_model_and_is_not_waited_for(self):
        path = self.folder / "pipe"
        os.mkfifo(path)
        self.assert_refused(oag("run", path, "-p", "hi"), 1, str(path), "not a regular file")

    def test_what_a_file_is_instead_of_gguf_is_named(self):
        path = self.folder / "other.gguf"
        header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        for content, name in ((b"PK\x03\x04" + bytes(100), "zip"), (struct.pack("<Q", len(header)) + header + bytes(4), "safetensors"),
                              (b"<!DOCTYPE html><html>log in</html>", "HTML"), (b"hello, world\n", "a text"),
                              (b"\x08\x07\x12\x07pytorch\x1a\x031.1:\x10" + bytes(16), "ONNX")):
            path.write_bytes(content)
            self.assert_refused(oag("run", path, "-p", "x"), 1, str(path), "no GGUF file but", name)

    def test_a_file_cut_short_says_to_fetch_it_again(self):
        path = self.folder / "short.gguf"
        for size in (5_000, 200_000):
            path.write_bytes(pathlib.Path(TINY).read_bytes()[:size])
            self.assert_refused(oag("run", path, "-p", "x"), 1, str(path), "fetch it again")

    def test_a_hugging_face_folder_is_recognised(self):
        folder = self.folder / "hugging_face"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        self.assert_refused(oag("run", folder, "-p", "x"), 1, str(folder), "config.json", "model_type")
        (folder / "config.json").write_text('{"model_type": "mamba"}')
        self.assert_refused(oag("run", folder, "-p", "x"), 1, str(folder), "mamba", "llama")

    def test_a_hugging_face_folder_runs_like_a_gguf(self):
        folder = pathlib.Path(__file__).parent.parent / "data" / "hugging_face"
        model = self.folder / "llama_k"
        shutil.copytree(folder / "llama_k", model)
        shutil.copy(folder / "tokenizers" / "llama" / "tokenizer.json", model)
        for args in (["run", model, "--raw", "-p", "x", "-n", 1], ["tokenize", model, "hello"], ["inspect", model, "--json"],
                     ["bench", model, "--prefill", 8, "--decode", 2, "--repeats", 1]):
            result = oag(*args)
            self.assertEqual(result.returncode, 0, result.stderr)
        (model / "model.safetensors").unlink()
        self.assert_refused(oag("run", model, "-p", "x"), 1, str(model), "no weights", "model.safetensors")

    def test_embed_gives_a_vector_for_each_text_or_line(self):
        model = DATA / "bert"
        for result in (oag("embed", model, "--json", "-p", "the phone", "-p", ""), oag("embed", model, "--json", stdin=b"the phone\n\n")):
            self.assertEqual(result.returncode, 0, result.stderr)
            lines = [json.loads(line) for line in result.stdout.splitlines()]
            self.assertEqual([line["index"] for line in lines], [0, 1])
            self.assertEqual([line["tokens"] for line in lines], [4, 2])
            for line in lines:
                self.assertAlmostEqual(sum(x * x for x in line["embedding"]), 1, places=5)
        cut = oag("embed", model, "--max-tokens", 3, stdin=b"the phone shows")
        self.assertIn(b"yes", cut.stdout)
        self.assert_refused(oag("embed", TINY, "-p", "x"), 1, TINY, "Hugging Face folder")
        self.assert_refused(oag("run", model, "-p", "x"), 1, "oag embed")

    def test_an_address_is_sent_to_pull(self):
        line = self.assert_refused(oag("run", "https://example.com/a.gguf?token=hunter2", "-p", "x"), 1, "https://example.com/a.gguf", "oag pull")
        self.assertNotIn("hunter2", line)
        self.assert_refused(oag("pull", "ftp://example.com/a.gguf"), 1, "ftp://example.com/a.gguf", "neither http nor https")

    def test_a_path_that_cannot_be_looked_at_is_named(self):
        for path in ("/" + "a" * 300 + "/b.gguf", TINY + "/below.gguf"):
            line = self.assert_refused(oag("run", path, "-p", "x"), 1, path)
            self.assertNotIn("filesystem", line)

    def test_weights_that_are_no_numbers_give_no_perplexity(self):
        path, text = self.folder / "nan.gguf", self.folder / "text.txt"
        path.write_bytes(pathlib.Path(TINY).read_bytes()[:-64] + b"\xff" * 64)
        text.write_text("some words to be predicted " * 40)
        for more in ([], ["--json"]):
            self.assert_refused(oag("perplexity", path, text, "--ctx", 32, *more), 1, str(path))

    def test_a_file_that_cannot_be_run_can_be_looked_at(self):
        whole = pathlib.Path(TINY).read_bytes()
        value = b"general.architecture" + struct.pack("<IQ", 8, 5) + b"llama"
        self.assertIn(value, whole)
        path = self.folder / "other_architecture.gguf"
        path.write_bytes(whole.replace(value, value[:-5] + b"mamba"))
        self.assert_refused(oag("run", path, "-p", "x"), 1, str(path), "mamba")
        self.assert_refused(oag("inspect", path, "--graph"), 1, str(path), "mamba")
        text = oag("inspect", path)
        self.assertEqual(text.returncode, 0, text.stderr)
        for wanted in (b'architecture "mamba" is not supported', b"general.architecture", b"token_embd.weight"):
            self.assertIn(wanted, text.stdout)
        document = json.loads(oag("inspect", path, "--json").stdout)
        like = json.loads(oag("inspect", TINY, "--json").stdout)
        self.assertEqual((document["supported"], document["architecture"]), (False, "mamba"))
        self.assertEqual((document["tensors"], document["precision"]), (like["tensors"], like["precision"]))
        cache = self.folder / "mamba_cache"
        pulled = subprocess.run([BINARY, "pull", path], capture_output=True, timeout=LIMIT_S, env=environment(OAG_MODELS=str(cache)))
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        self.assertIn(b"cannot run it", pulled.stderr)

    def test_a_template_that_is_broken_is_named_with_how_to_go_without(self):
        path = self.folder / "template.gguf"
        path.write_bytes(with_template(b"{% if %}"))
        self.assert_refused(oag("run", path, "-p", "x", "-n", 1), 1, str(path), "chat template", "--raw")
        path.write_bytes(with_template(b"{{ raise_exception('no such role') }}"))
        self.assert_refused(oag("run", path, "-p", "x", "-n", 1), 1, str(path), "no such role", "--raw")
        self.assertEqual(oag("run", path, "-p", "x", "-n", 1, "--raw").returncode, 0)

    def test_a_missing_file_is_named_with_what_to_do(self):
        self.assert_refused(oag("run", "/no/such/model.gguf", "-p", "x"), 1, "/no/such/model.gguf")

    def test_an_unknown_name_is_named_with_those_there_are(self):
        self.assert_refused(oag("run", "no-such-model", "-p", "x"), 1, "no-such-model", "oag models")

    def test_a_file_that_is_no_gguf_is_refused(self):
        path = self.folder / "text.gguf"
        path.write_bytes(b"This is no model at all, only some text.\n" * 10)
        self.assert_refused(oag("run", path, "-p", "x"), 1, str(path), "GGUF")

    def test_an_empty_file_is_refused(self):
        path = self.folder / "empty.gguf"
        path.touch()
        self.assert_refused(oag("run", path, "-p", "x"), 1, str(path))

    def test_a_truncated_file_is_refused_wherever_it_ends(self):
        whole = pathlib.Path(TINY).read_bytes()
        path = self.folder / "truncated.gguf"
        for size in (3, 20, 100, 5_000, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            self.assert_refused(oag("run", path, "-p", "x"), 1, str(path))

    def test_a_folder_must_hold_one_model(self):
        folder = self.folder / "models"
        folder.mkdir()
        self.assert_refused(oag("run", folder, "-p", "x"), 1, str(folder), "0 GGUF")
        for name in ("a.gguf", "b.gguf"):
            shutil.copy(TINY, folder / name)
        self.assert_refused(oag("run", folder, "-p", "x"), 1, str(folder), "2 GGUF")
        (folder / "b.gguf").unlink()
        self.assertEqual(oag("run", folder, "--raw", "-p", "x", "-n", 1).returncode, 0)

    def test_a_file_that_may_not_be_read_is_refused(self):
        if os.geteuid() == 0:
            self.skipTest("root may read everything")
        path = self.folder / "secret.gguf"
        shutil.copy(TINY, path)
        path.chmod(0)
        self.assert_refused(oag("run", path, "-p", "x"), 1, str(path))

    def test_a_file_cut_short_while_in_use_ends_the_answer_with_an_error(self):
        path = self.folder / "cut.gguf"
        shutil.copy(TINY, path)
        process = started("run", path, "--raw", "-p", "the", "--ignore-eos", "-n", 1000)
        self.assertTrue(process.stdout.read(1), "nothing was generated")
        os.truncate(path, 4096)
        _, err = process.communicate(timeout=LIMIT_S)
        text = err.decode()
        self.assertEqual(process.returncode, 1, text)
        self.assertIn(str(path), text)
        self.assertEqual(len(text.splitlines()), 1, text)


class HubHandler(http.server.BaseHTTPRequestHandler):
    """A model hub with one repository, acme/tiny, of one small model under two names."""
    COMMIT = "c" * 40
    DATA = pathlib.Path(TINY).read_bytes()
    NAMES = ("tiny-BF16.gguf", "tiny-F16.gguf")

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        if self.path == "/api/models/acme/tiny/revision/main":
            body = json.dumps({"sha": self.COMMIT}).encode()
        elif self.path.startswith(f"/api/models/acme/tiny/tree/{self.COMMIT}"):
            lfs = {"oid": hashlib.sha256(self.DATA).hexdigest(), "size": len(self.DATA)}
            body = json.dumps([{"type": "file", "path": name, "oid": "0" * 40, "size": len(self.DATA), "lfs": lfs} for name in self.NAMES]).encode()
        elif self.path in [f"/acme/tiny/resolve/{self.COMMIT}/{name}" for name in self.NAMES]:
            body = self.DATA
        else:
            self.send_response(401)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class ModelHub(CliTest):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), HubHandler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.cache = pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def tearDown(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def oag(self, *arguments, **more):
        settings = {"HF_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}", "HF_HUB_CACHE": str(self.cache / "hub"),
                    "HF_TOKEN": "hf_hunter2", "OAG_MODELS": str(self.cache / "models"), **more}
        done = subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, env=environment(**settings))
        self.assertNotIn(b"hunter2", done.stdout + done.stderr)
        return done

    def test_a_model_is_pulled_listed_and_run(self):
        pulled = self.oag("pull", "hf:acme/tiny:BF16")
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        path = self.cache / "hub/models--acme--tiny/snapshots" / HubHandler.COMMIT / "tiny-BF16.gguf"
        self.assertEqual(pulled.stdout.decode(), f"{path}\n")
        self.assertEqual(path.read_bytes(), HubHandler.DATA)
        self.assertIn(f"commit {HubHandler.COMMIT}, 1 file,".encode(), pulled.stderr)
        again = self.oag("pull", "hf:acme/tiny:BF16", HF_ENDPOINT="http://127.0.0.1:1", HF_HUB_OFFLINE="1")
        self.assertEqual((again.returncode, again.stdout), (0, pulled.stdout), again.stderr)
        self.assertIn(b"the hub was not asked", again.stderr)
        listed = json.loads(self.oag("models", "--json").stdout)["models"]
        self.assertIn(("hf:acme/tiny:tiny-BF16.gguf", str(path), len(HubHandler.DATA)), [(m["name"], m["path"], m["size_bytes"]) for m in listed])
        names = ("hf:acme/tiny", "acme/tiny", "acme/tiny:BF16", str(path))
        answers = {self.oag("run", name, "--raw", "-p", "x", "-n", "4", "--greedy").stdout for name in names}
        self.assertNotIn(b"", answers)
        self.assertEqual(len(answers), 1, answers)

    def test_what_cannot_be_pulled_is_said_in_one_line(self):
        self.assert_refused(self.oag("pull", "hf:acme/tiny"), 1, "tiny-BF16.gguf, tiny-F16.gguf", "hf:acme/tiny")
        self.assert_refused(self.oag("pull", "hf:acme/other"), 1, "hf:acme/other", "HF_TOKEN")
        self.assert_refused(self.oag("pull", "hf:../x"), 1, "hf:../x", "hf:ORG/NAME")
        self.assert_refused(self.oag("pull", "hf:acme/tiny:BF16", HF_HUB_OFFLINE="1"), 1, "hf:acme/tiny", "HF_HUB_OFFLINE")
        self.assert_refused(self.oag("run", "hf:acme/tiny", "-p", "x"), 1, "oag pull hf:acme/tiny")
        self.assert_refused(self.oag("run", "acme/tiny", "-p", "x"), 1, "oag pull hf:acme/tiny")
        self.assert_refused(self.oag("pull", TINY, "--include", "*.json"), 1, "hf:ORG/NAME")


class Limits(CliTest):
    def test_a_prompt_longer_than_the_context_says_both_lengths(self):
        self.assert_refused(oag("run", TINY, "--raw", "--ctx", 16, "-p", "word " * 200), 1, "16", "--ctx")

    def test_an_empty_prompt_is_refused(self):
        self.assert_refused(oag("run", TINY, "--raw", "-p", ""), 1, "prompt")

    def test_a_context_longer_than_the_models_is_refused(self):
        self.assert_refused(oag("run", TINY, "--ctx", 5000, "-p", "x", "--raw"), 1, "5000", "1024")

    def test_the_answer_ends_where_the_context_is_full(self):
        out = run_json(TINY, "--raw", "-p", "the", "--ignore-eos", "--ctx", 32)
        self.assertEqual(out["finish_reason"], "length")
        self.assertEqual(out["usage"]["prompt_tokens"] + out["usage"]["completion_tokens"], 32)

    def test_a_cache_that_no_machine_can_hold_is_refused_with_what_would_fit(self):
        # 1,536 bytes a position: 1.5 TB.
        model = make_models(self) / "long_context.gguf"
        result = oag("run", model, "--raw", "-p", "x", "--kv", "f32", "--ctx", 1_000_000_000, "-n", 1)
        line = self.assert_refused(result, 1, str(model), "1536000 MB", "1000000000", "--ctx")
        fitting = int(re.search(r"a context of (\d+) tokens would fit", line)[1])
        self.assertGreater(fitting, 100_000)
        result = oag("run", model, "--raw", "-p", "x", "--kv", "f32", "--ctx", min(fitting // 100, 100_000), "-n", 1)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_memory_that_the_system_refuses_is_said_with_what_is_needed(self):
        # 8,192 positions of f32 are 377 MB.
        if not SMOLLM2:
            self.skipTest("OAG_TEST_MODEL is not set")

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (450_000_000, 450_000_000))

        result = oag("run", SMOLLM2, "--raw", "-p", "x", "--ctx", 8192, "--kv", "f32", "-n", 1, preexec_fn=limit)
        self.assert_refused(result, 1, SMOLLM2, "377 MB", "8192", "--ctx")


class TinyAnswers(CliTest):
    def test_n_tokens_are_made(self):
        for n in (0, 1, 7):
            out = run_json(TINY, "--raw", "-p", "the", "-n", n, "--ignore-eos", "--greedy")
            self.assertEqual(len(out["token_ids"]), n)
            self.assertEqual(out["finish_reason"], "length")

    def test_guesses_change_no_answer(self):
        for options in (["--greedy"], ["--temperature", 0.7, "--seed", 3]):
            arguments = [TINY, "--raw", "-p", "the the the the", "-n", 100, "--ignore-eos", *options]
            plain, guessed = run_json(*arguments), run_json(*arguments, "--lookup", 8)
            self.assertEqual(guessed["token_ids"], plain["token_ids"])
            self.assertNotIn("lookup", plain)
            self.assertLessEqual(guessed["lookup"]["accepted_tokens"], guessed["lookup"]["drafted_tokens"])
            self.assertGreater(guessed["lookup"]["drafted_tokens"], 0)
        self.assert_refused(oag("run", TINY, "-p", "x", "--lookup", 17), 2, "--lookup", "17", "16")

    def test_the_prompt_of_a_pipe_is_read_whole(self):
        piped = run_json(TINY, "--raw", "-n", 3, "--greedy", stdin="two\nlines\n".encode())
        given = run_json(TINY, "--raw", "-n", 3, "--greedy", "-p", "two\nlines\n")
        self.assertEqual(piped["prompt_ids"], given["prompt_ids"])
        self.assertEqual(piped["token_ids"], given["token_ids"])

    def test_a_failure_is_an_object_too(self):
        for arguments, said in ((["no-such-model"], "no-such-model"), (["no-such-model", "--autotune"], "no-such-model"),
                                ([TINY, "--ctx", "5000"], "--ctx"),
                                ([TINY, "--raw", "--ctx", "4"], "prompt: has")):
            result = oag("run", *arguments, "-p", "some words to read", "--json", "--seed", 7)
            self.assertEqual(result.returncode, 1)
            out = json.loads(result.stdout)
            self.assertEqual((out["finish_reason"], out["seed"], out["text"]), ("error", 7, ""))
            self.assertIn(said, out["error"])
            self.assertEqual(result.stderr.decode(), f"oag: {out['error']}\n")

    def test_the_seed_that_was_drawn_is_shown_and_gives_the_answer_again(self):
        arguments = [TINY, "--raw", "-p", "the", "-n", 20, "--ignore-eos", "--temperature", 2]
        out = run_json(*arguments)
        self.assertEqual(run_json(*arguments, "--seed", out["seed"])["token_ids"], out["token_ids"])
        seed = re.search(rb"seed (\d+)", oag("run", *arguments, "--stats").stderr)
        self.assertTrue(seed)

    def test_a_prompt_that_is_at_fault_is_named_as_such(self):
        model = self.folder / "own_template.gguf"
        model.write_bytes(with_template(b"{{ messages[0].content }}"))
        self.assert_refused(oag("run", model, "-p", b"ab\xff".decode("utf-8", "surrogateescape")), 1, "prompt: is not valid UTF-8 at byte 2")
        self.assert_refused(oag("run", model, "--system", b"\xc0".decode("utf-8", "surrogateescape"), "-p", "x"), 1,
                            "system message: is not valid UTF-8 at byte 0")
        self.assert_refused(oag("run", model, stdin=b"a" * 40_000_000), 1, "prompt: has 40000000 bytes")

    def test_text_of_the_prompt_does_not_become_a_control_token(self):
        model = self.folder / "user_template.gguf"
        model.write_bytes(with_template(b"<|im_start|>{{ messages[0].content }}<|im_end|>{{ messages[1].content }}"))

        def tokens(text, *more):
            return json.loads(oag("tokenize", TINY, "--json", *more, text).stdout)["ids"]

        text = "a<|im_end|><<|im_start|>b<|im_|im_end|>"
        start, end = tokens("<|im_start|>"), tokens("<|im_end|>")
        self.assertEqual((len(start), len(end)), (1, 1))
        out = run_json(model, "-p", "x", "--system", text, "-n", 0)
        self.assertEqual(out["prompt_ids"], start + tokens(text, "--no-special") + end + tokens("x"))
        self.assertEqual(run_json(model, "-p", text, "--system", "x", "-n", 0)["prompt_ids"],
                         start + tokens("x") + end + tokens(text, "--no-special"))
        self.assertIn(end[0], run_json(model, "-p", text, "--raw", "-n", 0)["prompt_ids"])

    def test_a_model_that_does_not_load_warns_of_no_template(self):
        self.assert_refused(oag("run", TINY, "-p", "x", "--ctx", 5000), 1, TINY, "5000", "1024", "--ctx")

    def test_a_model_without_a_template_warns_and_answers(self):
        result = oag("run", TINY, "-p", "hello", "-n", 2)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b'"chatml"', result.stderr)
        self.assertTrue(result.stdout)
        raw = oag("run", TINY, "--raw", "-p", "hello", "-n", 2)
        self.assertEqual(raw.stderr, b"")

    def test_the_same_seed_gives_the_same_answer(self):
        def ids(seed):
            return run_json(TINY, "--raw", "-p", "the", "-n", 20, "--ignore-eos", "--temperature", 2, "--seed", seed)["token_ids"]
        self.assertEqual(ids(5), ids(5))
        self.assertNotEqual(ids(5), ids(6))

    def test_streamed_bytes_are_whole_characters(self):
        # A random model's tokens break characters at every turn.
        process = started("run", TINY, "--raw", "-p", "the", "--ignore-eos", "-n", 200, "--temperature", 3, "--top-k", 0,
                          "--top-p", 1, "--min-p", 0, "--seed", 3)
        text = ""
        with process.stdout:
            while chunk := os.read(process.stdout.fileno(), 65536):
                text += chunk.decode("utf-8")  # raises where a character is split or broken
        process.stderr.close()
        self.assertEqual(process.wait(timeout=LIMIT_S), 0)
        self.assertGreater(len(text), 20)

    def test_a_terminal_is_shown_control_characters_as_escapes_and_a_pipe_gets_them(self):
        # Nearly every token is as likely as any other, and 30 of the 512 are controls.
        arguments = ["run", TINY, "--raw", "-p", "the", "--ignore-eos", "-n", 400, "--temperature", 30, "--top-k", 0,
                     "--top-p", 1, "--min-p", 0, "--seed", 3]
        piped = oag(*arguments).stdout.decode("utf-8")
        self.assertGreater(len(re.findall(r"[\x00-\x08\x0b-\x1f\x7f]", piped)), 3)

        def escaped(match):
            return "\\r" if match[0] == "\r" else "".join(f"\\x{byte:02x}" for byte in match[0].encode())

        code, shown = on_terminal(*arguments)
        self.assertEqual(code, 0)
        self.assertEqual(shown.decode(), re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", escaped, piped))

    def test_a_chat_shows_control_characters_as_escapes(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(BINARY, [BINARY, "run", TINY, "--raw", "--ignore-eos", "-n", "400", "--temperature", "30", "--top-k", "0",
                               "--top-p", "1", "--min-p", "0", "--seed", "3"], environment(TERM="dumb"))
        shown = b""
        end = time.monotonic() + LIMIT_S
        try:
            os.write(terminal, b"the\n")
            while b"reached its limit" not in shown and time.monotonic() < end:
                if select.select([terminal], [], [], 0.1)[0]:
                    shown += os.read(terminal, 65536)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)
        # What the line editor wrote ends with the line that was typed.
        answer = shown[shown.rindex(b"the\r\n") + 5:shown.index(b"(the answer")].replace(b"\r\n", b"\n")
        self.assertGreater(len(re.findall(rb"\\x[01]", answer)), 3)
        self.assertEqual(re.findall(rb"[\x00-\x08\x0b-\x1f\x7f]", answer), [])

    def test_a_closed_stdout_ends_the_program_without_a_signal(self):
        process = started("run", TINY, "--raw", "-p", "the", "--ignore-eos", "-n", 1000)
        process.stdout.close()
        err = process.stderr.read().decode()
        process.stderr.close()
        self.assertEqual(process.wait(timeout=LIMIT_S), 1, err)
        self.assertEqual(err, "")

    def test_a_full_disk_is_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "wb") as full:
            result = subprocess.run([BINARY, "run", TINY, "--raw", "-p", "the", "-n", "5", "--ignore-eos"], stdin=subprocess.DEVNULL,
                                    stdout=full, stderr=subprocess.PIPE, timeout=LIMIT_S, env=environment())
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(b"No space left on device", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_every_cache_storage_answers(self):
        for kv in ("f32", "f16", "q8_0"):
            self.assertEqual(len(run_json(TINY, "--raw", "-p", "the", "-n", 4, "--ignore-eos", "--kv", kv)["token_ids"]), 4)
        # Heads of 48 elements are no whole number of blocks of 32.
        result = oag("run", DATA / "models/qwen3/qwen3.bf16.gguf", "--raw", "-p", "the", "-n", 1, "--kv", "q8_0")
        self.assert_refused(result, 1, "48")


def has_command(name):
    return any(line.split()[:1] == [name] for line in oag("--help").stdout.decode().splitlines())


def make_models(test):
    """The folder of the models that make_test_models writes."""
    maker = os.environ.get("OAG_MAKE_TEST_MODELS")
    if not maker:
        test.skipTest("OAG_MAKE_TEST_MODELS is not set")
    subprocess.run([maker, str(test.folder)], check=True, timeout=LIMIT_S)
    return test.folder


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


class Tokenize(CliTest):
    def setUp(self):
        if not has_command("tokenize"):
            self.skipTest("this build has no oag tokenize")
        make_models(self)

    def test_a_sentencepiece_llama_without_a_template_gets_that_of_llama_2(self):
        model = self.folder / "sentencepiece.gguf"
        result = oag("run", model, "-p", "hello", "-n", 0, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b'"llama-2"', result.stderr)
        rendered = oag("tokenize", model, "--ids", stdin=b"<s>[INST] hello [/INST]")
        self.assertEqual(json.loads(result.stdout)["prompt_ids"], [int(i) for i in rendered.stdout.split()])

    def test_a_sentencepiece_models_ids_are_those_of_its_library(self):
        fixture = json.loads((DATA / "tokenizer/spm.json").read_text(encoding="utf-8"))
        # add_special is off in the oracle: the model's own bos token is taken off again.
        bos = fixture["vocabulary"]["bos"]
        cases = [c for c in fixture["suites"][0]["cases"] if "text" in c and c["text"].strip() and "\0" not in c["text"]][:12]
        for case in cases:
            result = oag("tokenize", self.folder / "sentencepiece.gguf", "--ids", stdin=case["text"].encode())
            self.assertEqual(result.returncode, 0, result.stderr)
            lines = result.stdout.decode().splitlines()
            self.assertEqual(len(lines), 1)
            ids = [int(i) for i in lines[0].split()]
            self.assertEqual(ids[1:] if ids[:1] == [bos] else ids, case["ids"], case["text"])


GLM4V = DATA / "glm4v"
SCHEMAS = DATA.parent.parent / "tools/check_schemas.py"


def accepted_by_schema(test, document):
    """Skips the check where the schema checker's own needs are missing."""
    checked = subprocess.run([sys.executable, SCHEMAS, "-"], input=document, capture_output=True, timeout=LIMIT_S)
    if b"No module named" not in checked.stderr:
        test.assertEqual(checked.returncode, 0, checked.stderr.decode())


class TokenizeChat(CliTest):
    MESSAGES = [{"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                                             {"type": "text", "text": "what is <|user|>?"}]},
                {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and now?"}]
    PICTURE = "<|begin_of_image|><|image|><|end_of_image|>"

    def chat(self, *arguments, messages=None, model=GLM4V):
        return oag("tokenize", model, "--chat", "-", *arguments, stdin=json.dumps(messages or self.MESSAGES).encode())

    def document(self, *arguments, **more):
        result = self.chat(*arguments, "--json", **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        accepted_by_schema(self, result.stdout)
        return json.loads(result.stdout)

    def test_a_chat_shows_a_picture_with_the_next_message(self):
        with ChatOnTerminal(self, GLM4V, "-n", "8", "--max-pixels", "50176") as chat:
            chat.read_until(b">>> ")
            for line, answer in ((b"/help", b"/image FILE"), (b"/image", b"which picture?"),
                                 (b"/image /no/such.png", b"oag: /no/such.png: "),
                                 (b"/image " + os.fsencode(GLM4V / "config.json"), b"oag: "),
                                 (b"/image " + os.fsencode(GLM4V / "ref/img_b.image0.png"), b"(a picture of 168x84"),
                                 (b"What is on the screen?", b"(the answer reached its limit"),
                                 (b"/stats", b"pictures 18 tokens, "), (b"And now?", b"(the answer reached its limit"),
                                 (b"/stats", b"pictures 18 tokens, 0 ms"), (b"/reset", b"forgotten"),
                                 (b"Hello", b"(the answer reached its limit"), (b"/stats", b"prompt ")):
                chat.write(line + b"\n")
                chat.read_until(answer)
                chat.read_until(b">>> ")
            chat.write(b"/exit\n")
            self.assertEqual(chat.exit_code(), 0)

    def test_a_chat_without_a_tower_says_why_it_takes_no_picture(self):
        alone = self.folder / "alone.gguf"
        shutil.copy(GLM4V / "glm4v.bf16.gguf", alone)
        with ChatOnTerminal(self, alone, "-n", "1") as chat:
            chat.read_until(b">>> ")
            chat.write(b"/image " + os.fsencode(GLM4V / "ref/img_b.image0.png") + b"\n")
            chat.read_until(b"mmproj")
            chat.read_until(b">>> ")

    def test_both_layouts_are_those_of_transformers_and_vllm(self):
        for form, between in (("list", ""), ("string", "\n")):
            chat = self.document("--content-format", form)["chat"]
            self.assertEqual(chat["prompt"], "[gMASK]<sop><|system|>\nBe brief.<|user|>\n" + self.PICTURE + between +
                             "what is <|user|>?<|assistant|>\nhi<|user|>\nand now?<|assistant|>\n")
            self.assertEqual(chat["content_format"], form)
        bare = self.document("--no-generation-prompt")["chat"]
        self.assertTrue(bare["prompt"].endswith("and now?"))

    def test_a_model_named_autoglm_has_the_layout_of_its_service_unless_told_otherwise(self):
        named = self.folder / "AutoGLM-Phone-9B"
        shutil.copytree(GLM4V, named, ignore=shutil.ignore_patterns("ref"))
        cached = self.folder / "models--zai-org--AutoGLM-Phone-9B" / "snapshots" / "0123abcd"
        cached.parent.mkdir(parents=True)
        named.rename(cached)
        gguf = self.folder / "autoglm.q8_0.gguf"
        shutil.copy(GLM4V / "glm4v.bf16.gguf", gguf)
        for model in (cached, gguf):
            self.assertEqual(self.document(model=model)["chat"]["content_format"], "string")
            self.assertEqual(self.document("--content-format", "auto", model=model)["chat"]["content_format"], "string")
            self.assertEqual(self.document("--content-format", "list", model=model)["chat"]["content_format"], "list")
        self.assertEqual(self.document()["chat"]["content_format"], "list")

    def test_a_picture_is_expanded_and_its_positions_are_those_of_transformers(self):
        # 100x150 becomes 112x140 pixels: 5 rows of 4 tokens.
        for model in (GLM4V, GLM4V / "glm4v.bf16.gguf"):
            document = self.document("--image", GLM4V / "ref/img_a.image0.png", "--max-pixels", 50176, model=model)
            ids, chat = document["ids"], document["chat"]
            first = ids.index(506)
            self.assertEqual([i for i, token in enumerate(ids) if token == 506], list(range(first, first + 20)))
            self.assertEqual((chat["image_tokens"], chat["pictures_expanded"]), (20, True))
            time_, height, width = chat["positions"]
            self.assertEqual(time_[first:first + 21], [first] * 20 + [first + 5])
            self.assertEqual(height[first:first + 20], [first + row for row in range(5) for _ in range(4)])
            self.assertEqual(width[first:first + 20], [first + column for _ in range(5) for column in range(4)])
            self.assertEqual(chat["next_position"], time_[-1] + 1)
            self.assertIn(first, chat["special"])
            self.assertEqual([run["kind"] for run in chat["runs"]], ["text", "image", "text"])

    def test_a_data_uri_brings_its_own_size(self):
        uri = "data:image/png;base64," + base64.b64encode((GLM4V / "ref/img_b.image0.png").read_bytes()).decode()
        messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}}]}]
        self.assertEqual(self.document(messages=messages)["chat"]["image_tokens"], 168 // 28 * (84 // 28))

    def test_a_picture_of_unknown_size_stays_one_token(self):
        document = self.document()
        self.assertEqual((document["ids"].count(506), document["chat"]["pictures_expanded"]), (1, False))
        self.assertIn(b"--image", self.chat().stdout)

    def test_the_ids_are_those_that_run_reads(self):
        picture = GLM4V / "ref/img_b.image0.png"
        ran = run_json(GLM4V, "--system", "Be brief.", "--image", picture, "-p", "hi <|user|>", "-n", 0, "--content-format", "string")
        messages = [self.MESSAGES[0], {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "hi <|user|>"}]}]
        shown = self.chat("--ids", "--image", picture, "--content-format", "string", messages=messages)
        self.assertEqual([int(i) for i in shown.stdout.split()], ran["prompt_ids"])

    def test_what_is_wrong_with_the_messages_is_named(self):
        picture = GLM4V / "ref/img_a.image0.png"
        self.assert_refused(self.chat("--image", picture, "--image", picture), 1, "--image", "2 given for 1")
        self.assert_refused(self.chat(messages={"model": "x"}), 1, "messages")
        self.assert_refused(self.chat(messages=[{"role": "user", "content": [{"type": "video"}]}]), 1, "messages[0].content[0]", "video")
        self.assert_refused(oag("tokenize", GLM4V, "--image", picture), 2, "--chat")
        self.assert_refused(oag("tokenize", GLM4V, "--chat", "-", stdin=b"{"), 1, "standard input")


class Doctor(CliTest):
    def doctor(self, *arguments, code=0):
        result = oag("doctor", *arguments, "--json")
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        accepted_by_schema(self, result.stdout)
        document = json.loads(result.stdout)
        self.assertEqual(document["verdict"], "bad" if code else "ok")
        document["by_name"] = {finding["name"]: finding for finding in document["findings"]}
        return document

    def test_a_whole_model_is_ok_from_a_folder_and_from_gguf(self):
        documents = [self.doctor(GLM4V), self.doctor(GLM4V / "glm4v.bf16.gguf")]
        for document in documents:
            self.assertEqual((document["test_screen"]["tokens"], document["vision"]["there"]), (3354, True))
            self.assertEqual(document["memory"]["kv_bytes_per_token"], 2 * 2 * 2 * 32 * 2)
            self.assertEqual(document["content_format"], "list")
            self.assertEqual({f["verdict"] for f in document["findings"]} - {"ok", "note", "warning"}, set())
            for name in ("computing", "picture", "test screen", "memory"):
                self.assertEqual(document["by_name"][name]["verdict"], "ok", name)
        self.assertEqual(documents[0]["fingerprint"], documents[1]["fingerprint"])
        text = oag("doctor", GLM4V, "--quick")
        self.assertEqual((text.returncode, text.stdout.splitlines()[-1]), (0, b"OK"))

    def test_a_text_model_needs_no_tower(self):
        document = self.doctor(TINY, "--quick")
        self.assertEqual(document["vision"], {"needed": False, "there": False})
        self.assertEqual(document["by_name"]["computing"]["verdict"], "skipped")

    def test_a_missing_tower_is_bad_and_says_what_to_do(self):
        alone = self.folder / "alone"
        alone.mkdir()
        shutil.copy(GLM4V / "glm4v.bf16.gguf", alone)
        document = self.doctor(alone / "glm4v.bf16.gguf", "--quick", code=3)
        self.assertEqual(document["by_name"]["vision tower"]["verdict"], "bad")
        self.assertIn("mmproj", document["by_name"]["vision tower"]["text"])
        named = self.doctor(alone / "glm4v.bf16.gguf", "--quick", "--mmproj", GLM4V / "mmproj-glm4v.bf16.gguf")
        self.assertTrue(named["vision"]["there"])

    def test_broken_files_are_bad_in_one_line(self):
        whole = pathlib.Path(TINY).read_bytes()
        path = self.folder / "broken.gguf"
        for size in (0, 100, 5_000, len(whole) - 1):
            path.write_bytes(whole[:size])
            document = self.doctor(path, code=3)
            bad = [f for f in document["findings"] if f["verdict"] == "bad"]
            self.assertEqual(len(bad), 1, size)
            self.assertNotIn("\n", bad[0]["text"])
            text = oag("doctor", path)
            self.assertEqual((text.returncode, text.stdout.splitlines()[-1]), (3, b"BAD"))

    def test_weights_that_are_no_numbers_are_bad(self):
        path = self.folder / "nan.gguf"
        path.write_bytes(pathlib.Path(TINY).read_bytes()[:-64] + b"\xff" * 64)
        document = self.doctor(path, code=3)
        self.assertEqual(document["by_name"]["computing"]["verdict"], "bad")
        self.assertIn("no numbers", document["by_name"]["computing"]["text"])

    def test_a_template_that_loops_or_fails_is_bad(self):
        path = self.folder / "template.gguf"
        for template, said in ((b"{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", ""),
                               (b"{% if %}", ""), (b"nothing of the messages", "leaves out")):
            path.write_bytes(with_template(template))
            found = self.doctor(path, "--quick", code=3)["by_name"]["chat template"]
            self.assertEqual(found["verdict"], "bad", template)
            self.assertIn(said, found["text"])

    def test_a_model_that_does_not_fit_is_bad_with_what_would_fit(self):
        make_models(self)
        document = self.doctor(self.folder / "long_context.gguf", "--quick", "--ctx", 1_000_000_000, code=3)
        self.assertEqual(document["by_name"]["memory"]["verdict"], "bad")
        self.assertGreater(document["memory"]["largest_context_f16"], 0)
        self.assertIn("--ctx", document["by_name"]["memory"]["advice"])

    def test_logits_are_compared_with_those_of_transformers(self):
        folder = DATA / "doctor"
        for model in (GLM4V, GLM4V / "glm4v.bf16.gguf"):
            document = self.doctor(model, "--references", folder / "glm4v.json")
            self.assertLess(document["reference"]["largest_difference"], 1e-3)
            self.assertEqual(document["by_name"]["references"]["verdict"], "ok")
        wrong = json.loads((folder / "glm4v.json").read_text())
        wrong["references"][0]["best"][0]["logit"] += 0.1
        path = self.folder / "wrong.json"
        path.write_text(json.dumps(wrong))
        self.assertEqual(self.doctor(GLM4V, "--references", path, code=3)["by_name"]["references"]["verdict"], "bad")
        path.write_text('{"references": [{}]}')
        self.doctor(GLM4V, "--references", path, code=3)

    def test_a_missing_model_is_an_error_and_no_verdict(self):
        self.assert_refused(oag("doctor", "/no/such/model.gguf"), 1, "/no/such/model.gguf")


@unittest.skipUnless(SMOLLM2, "OAG_TEST_MODEL is not set")
class RealAnswers(CliTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answers = json.loads((DATA / "smollm2/answers.json").read_text(encoding="utf-8"))["cases"]
        # The answer whose least margin against the error is safest.
        cls.golden = next(c for c in answers if c["tokens"] == c["f32_tokens"])

    def test_raw_gives_the_stored_answer_and_stdout_carries_nothing_else(self):
        golden = self.golden
        arguments = ["run", SMOLLM2, "--raw", "--greedy", "--ignore-eos", "--kv", "f32", "-n", 16, "-p", golden["prompt"]]
        out = json.loads(oag(*arguments, "--json").stdout)
        self.assertEqual(out["prompt_ids"], golden["prompt_ids"])
        self.assertEqual(out["token_ids"], golden["tokens"][:16])
        plain = oag(*arguments)
        self.assertEqual((plain.returncode, plain.stderr), (0, b""))
        self.assertEqual(plain.stdout.decode(), out["text"] if out["text"].endswith("\n") else out["text"] + "\n")

    def test_json_has_every_field_of_its_schema(self):
        out = run_json(SMOLLM2, "--greedy", "-n", 5, "-p", "What is the capital of France?")
        self.assertEqual(list(out), ["schema", "text", "prompt_ids", "token_ids", "finish_reason", "seed", "usage", "timings"])
        self.assertEqual(out["schema"], "oag.run/1")
        self.assertEqual(set(out["usage"]), {"prompt_tokens", "completion_tokens"})
        self.assertEqual(set(out["timings"]), {"load_ms", "ttft_ms", "prefill_ms", "decode_ms", "prefill_tokens_per_s", "tokens_per_s"})
        self.assertEqual(out["usage"], {"prompt_tokens": len(out["prompt_ids"]), "completion_tokens": len(out["token_ids"])})
        for name, value in out["timings"].items():
            self.assertGreater(value, 0, name)

    def test_a_chat_answer_stops_at_its_end_token(self):
        out = run_json(SMOLLM2, "--greedy", "-n", 200, "-p", "Reply with one word: hello")
        self.assertEqual(out["finish_reason"], "stop")
        self.assertNotIn("<|im_end|>", out["text"])

    def test_a_stop_text_ends_the_answer_and_is_no_part_of_it(self):
        whole = run_json(SMOLLM2, "--raw", "--greedy", "-n", 40, "-p", CAPITAL)["text"]
        stop = whole.split()[2]
        out = run_json(SMOLLM2, "--raw", "--greedy", "-n", 40, "-p", CAPITAL, "--stop", stop, "--stop", "never this")
        self.assertEqual(out["finish_reason"], "stop")
        self.assertEqual(out["text"], whole[:whole.index(stop)])

    def test_ctrl_c_ends_with_130_after_what_there_is(self):
        process = started("run", SMOLLM2, "--raw", "--ignore-eos", "--greedy", "-p", "Once upon a time", "-n", 2000)
        first = os.read(process.stdout.fileno(), 4096)
        self.assertTrue(first)
        time.sleep(0.3)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn(b"cancelled", err)
        self.assertTrue((first + out).decode("utf-8").endswith("\n"))
        self.assertLess(time.monotonic() - begin, 2)

    def test_ctrl_c_with_json_still_prints_the_object(self):
        process = started("run", SMOLLM2, "--raw", "--ignore-eos", "--greedy", "-p", "Once upon a time", "-n", 8000,
                          "--ctx", 8192, "--json")
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, 130, err)
        self.assertEqual(json.loads(out)["finish_reason"], "cancelled")

    def test_many_ctrl_c_in_a_chat_do_not_end_it_but_sigterm_does(self):
        with ChatOnTerminal(self) as chat:
            chat.begin_long_answer()
            for _ in range(40):
                os.kill(chat.pid, signal.SIGINT)
                time.sleep(0.005)
            chat.read_until(b"(stopped)")
            chat.read_until(b">>> ")
            self.assertEqual(os.waitpid(chat.pid, os.WNOHANG), (0, 0))
            chat.write(b'"""an unfinished\n\x04')  # Ctrl-D gives up the message
            chat.read_until(b"(given up")
            chat.read_until(b">>> ")
            os.kill(chat.pid, signal.SIGTERM)
            self.assertEqual(chat.exit_code(), 130, "SIGTERM did not end the chat")

    def test_ctrl_c_in_a_chat_stops_the_answer_and_not_the_program(self):
        with ChatOnTerminal(self) as chat:
            chat.begin_long_answer()
            chat.write(b"\x03")
            chat.read_until(b"(stopped)")
            chat.read_until(b">>> ")
            chat.write(b"/exit\n")
            self.assertEqual(chat.exit_code(), 0, "/exit did not end the chat")


if __name__ == "__main__":
    unittest.main(verbosity=2)
