#!/usr/bin/env python3
"""Answers and chats of SmolLM2."""

import json
import os
import signal
import time
import unittest

from chat_terminal import ChatOnTerminal
from cli import DATA, LIMIT_S, SMOLLM2, CliTest, oag, run_json, started

CAPITAL = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"


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
