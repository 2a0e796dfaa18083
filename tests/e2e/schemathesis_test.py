#!/usr/bin/env python3
"""Requests that Schemathesis makes from the server's own /openapi.json, right ones and wrong ones: none ends in a 5xx, every
answer is one that the description announces, what breaks the description is refused.

OAG_BINARY is the program; numpy makes the model; Schemathesis stands in build/python (tools/setup dev).
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from server import ROOT, Server, environment, make_tiny_agent

PACKAGES = os.environ.get("OAG_PYTHON_PACKAGES", str(ROOT / "build/python"))
KEY = "a key of this test"
EXAMPLES = 25  # of each endpoint and phase
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
          "negative_data_rejection", "ignored_auth", "unsupported_method", "allow_header_conformance"]


class SchemathesisTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not (pathlib.Path(PACKAGES) / "schemathesis").is_dir():
            raise RuntimeError("the package schemathesis is not here: tools/setup dev puts it into build/python")
        cls.folder = tempfile.TemporaryDirectory(prefix="oag-schemathesis-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.work = pathlib.Path(cls.folder.name)
        model = make_tiny_agent(cls.work / "model")
        # A short context: answers without a limit end there.
        cls.server = Server(model, "--name", "tiny", "--ctx", 512, "--parallel", 4, key=KEY)
        cls.addClassCleanup(cls.server.stop)

    def test_the_description_stands_and_names_every_endpoint(self):
        answer = self.server.get("/openapi.json", headers={})
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["openapi"], "3.1.0")
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/v1/models/{model}", "/tokenize",
                     "/detokenize", "/healthz", "/readyz", "/progressz", "/metrics"):
            self.assertIn(path, answer.json["paths"])

    def test_every_list_says_what_it_is_a_list_of(self):
        def lists_without_items(value, path):
            if isinstance(value, list):
                return [found for number, item in enumerate(value) for found in lists_without_items(item, f"{path}/{number}")]
            if not isinstance(value, dict):
                return []
            own = [path] if "array" in json.dumps(value.get("type")) and "items" not in value else []
            return own + [found for name, item in value.items() for found in lists_without_items(item, f"{path}/{name}")]

        document = self.server.get("/openapi.json").json
        self.assertEqual(lists_without_items(document["paths"], ""), [])

    def test_requests_made_from_the_description(self):
        # A list that is too long may make a body that is too large; that is said first.
        (self.work / "schemathesis.toml").write_text(
            '[checks.negative_data_rejection]\nexpected-statuses = ["400", "401", "403", "404", "405", "408", "413", "415"]\n',
            encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", self.server.url + "/openapi.json",
             "--header", f"Authorization: Bearer {KEY}", "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing",
             "--max-examples", str(EXAMPLES), "--generation-deterministic",
             "--suppress-health-check", "all", "--request-timeout", "60", "--continue-on-failure", "--no-color", "--workers", "2"],
            cwd=self.work, env=environment(PYTHONPATH=PACKAGES), capture_output=True, text=True, timeout=540)
        self.assertEqual(result.returncode, 0, result.stdout[-20000:] + result.stderr[-2000:])
        self.assertRegex(result.stdout, r"\d+ generated")
        self.check_alive()

    def check_alive(self):
        """Nothing of what came has left work behind or hurt anything."""
        self.assertIsNone(self.server.process.poll())
        self.server.wait_for(lambda m: m["oag_requests_running"] == 0 and m["oag_requests_waiting"] == 0
                             and m["oag_kv_usage_ratio"] == 0, "nothing is at work", limit_s=60)
        answer = self.server.post("/v1/chat/completions", {"model": "tiny", "max_tokens": 2,
                                                           "messages": [{"role": "user", "content": "Hi"}]})
        self.assertEqual(answer.status, 200)
        self.assertFalse(re.search(r"\b(assert|Sanitizer|terminate)", self.server.log()), self.server.log()[-2000:])

    def test_bodies_that_are_no_json_are_refused(self):
        bodies = [b"", b"{", b"[]", b"null", b"\"text\"", b"{\"model\": \"\xff\"}", b"[" * 100000, b"{\"a\":" * 50000,
                  b"{\"messages\": [], \"messages\": 1}", json.dumps({"prompt": "x" * (1 << 20)}).encode()]
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/tokenize", "/detokenize"):
            for body in bodies:
                with self.subTest(path, body=body[:40]):
                    answer = self.server.post(path, body)
                    self.assertTrue(400 <= answer.status < 500, f"{answer.status}: {answer.body[:300]}")
                    self.assertEqual(sorted(answer.error), ["code", "message", "param", "type"])
        self.check_alive()

    def test_numbers_at_the_edges_are_honoured_or_refused(self):
        numbers = [0, -0.0, 1, -1, 2**31, -2**31 - 1, 2**63, -2**63, 2**64, 1e308, 5e-324, True, "1", [1], {}]
        names = ["temperature", "top_p", "top_k", "min_p", "n", "max_tokens", "max_completion_tokens", "min_tokens", "seed",
                 "frequency_penalty", "presence_penalty", "repetition_penalty", "top_logprobs", "logprobs", "stop_token_ids",
                 "truncate_prompt_tokens", "priority", "deadline_ms", "thinking_token_budget", "lookup_tokens"]
        for name in names:
            for number in numbers:
                with self.subTest(name, number=number):
                    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 2,
                            name: number}
                    answer = self.server.post("/v1/chat/completions", body)
                    self.assertTrue(answer.status in (200, 408, 429) or answer.status == 400 and answer.error["param"],
                                    f"{answer.status}: {answer.body[:300]}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
