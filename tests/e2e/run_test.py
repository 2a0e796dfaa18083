#!/usr/bin/env python3
"""oag run on tiny models: limits, streams and what is said when something is wrong."""

import json
import os
import pty
import re
import resource
import select
import signal
import subprocess
import time
import unittest

from cli import BINARY, DATA, LIMIT_S, SMOLLM2, TINY, CliTest, environment, oag, on_terminal, run_json, started, with_template
from made_models import MADE


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
        model = MADE / "long_context.gguf"
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
