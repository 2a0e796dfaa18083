#!/usr/bin/env python3
"""oag bench serve, held against a server of the test's own whose times and counts are known."""

import http.server
import json
import os
import signal
import threading
import time
import unittest

from cli import CliTest, accepted_by_schema, oag, started

FIRST_S, NEXT_S = 0.12, 0.03
TEMPLATE_TOKENS, TOKENS_A_WORD = 11, 2


class StandIn(http.server.BaseHTTPRequestHandler):
    """Answers after FIRST_S, then every NEXT_S; counts words as two tokens each."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.whole(200, {"data": [{"id": "stand-in"}, {"id": "other"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["prompt"] if self.path.endswith("/completions") and "prompt" in body else body["messages"][0]["content"]
        with self.server.lock:
            self.server.asked.append((self.path, self.headers.get("Authorization"), body))
            self.server.open += 1
            self.server.most_open = max(self.server.most_open, self.server.open)
        usage = {"prompt_tokens": TEMPLATE_TOKENS + TOKENS_A_WORD * len(text.split()), "completion_tokens": body["max_tokens"],
                 "prompt_tokens_details": {"cached_tokens": 7}}
        if not body.get("stream"):
            self.whole(200, {"usage": usage, "choices": []})
        else:
            self.server.answer(self, body, usage)
        with self.server.lock:
            self.server.open -= 1

    def whole(self, status, answer):
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()

    def event(self, data):
        self.wfile.write(b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\r\n\r\n")
        self.wfile.flush()

    def piece(self, text, body):
        self.event({"choices": [{"text": text} if "prompt" in body else {"delta": {"content": text}}]})


def in_time(handler, body, usage):
    handler.begin()
    handler.event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
    time.sleep(FIRST_S)
    for i in range(body["max_tokens"]):
        if i > 0:
            time.sleep(NEXT_S)
        handler.wfile.write(b": a comment\n\n")
        handler.piece("x", body)
    handler.event({"choices": [], "usage": usage})
    handler.event(b"[DONE]")


class BenchServe(CliTest):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
        self.server.daemon_threads = True
        self.server.lock, self.server.asked, self.server.open, self.server.most_open = threading.Lock(), [], 0, 0
        self.server.answer = in_time
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        os.environ["OPENAI_API_KEY"] = "sk-bench-secret"

    def tearDown(self):
        del os.environ["OPENAI_API_KEY"]
        self.server.shutdown()
        self.server.server_close()

    def bench(self, *arguments):
        return oag("bench", "serve", "--url", self.url, *arguments)

    def streams(self):
        return [body for _, _, body in self.server.asked if body.get("stream")]

    def test_times_and_counts_are_the_servers(self):
        result = self.bench("--clients", "1,3", "--requests", "6", "--max-tokens", "4", "--prompt-tokens", "91", "--json")
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        accepted_by_schema(self, result.stdout)
        report = json.loads(result.stdout)
        self.assertEqual((report["model"], [row["clients"] for row in report["results"]]), ("stand-in", [1, 3]))
        for row in report["results"]:
            self.assertEqual((row["requests"], row["failed"], row["completion_tokens"], row["cached_tokens"]), (6, 0, 24, 42))
            self.assertEqual(row["prompt_tokens"], 6 * 91)
            # Sleeping takes at least so long; how much longer is the machine's load.
            self.assertGreaterEqual(row["ttft_ms"]["p50"], FIRST_S * 1e3)
            self.assertLess(row["ttft_ms"]["p50"], FIRST_S * 1e3 + 500)
            self.assertGreater(row["inter_token_ms"]["p50"], NEXT_S * 1e3 * 0.9)
            self.assertLess(row["inter_token_ms"]["p50"], NEXT_S * 1e3 + 200)
            self.assertGreaterEqual(row["latency_ms"]["p50"], (FIRST_S + 3 * NEXT_S) * 1e3)
            rounds = 6 / row["clients"]
            self.assertGreaterEqual(row["seconds"], rounds * (FIRST_S + 3 * NEXT_S))
            self.assertAlmostEqual(row["tokens_per_s"], 24 / row["seconds"])
        self.assertEqual(self.server.most_open, 3)

    def test_prompts_share_what_was_asked_for_and_no_more(self):
        self.bench("--clients", "2", "--requests", "5", "--max-tokens", "1", "--prompt-tokens", "211", "--shared-prefix", "111")
        prompts = [body["messages"][0]["content"].split() for body in self.streams()]
        self.assertEqual([len(words) for words in prompts], [100] * 5)
        self.assertEqual(len({tuple(words[:50]) for words in prompts}), 1)
        self.assertEqual(len({tuple(words[50:60]) for words in prompts}), 5)

    def test_what_is_sent_is_what_servers_know(self):
        self.bench("--clients", "1", "--requests", "1", "--max-tokens", "2", "--endpoint", "completions", "--model", "other")
        path, key, body = self.server.asked[-1]
        self.assertEqual((path, key), ("/v1/completions", "Bearer sk-bench-secret"))
        self.assertEqual({k: v for k, v in body.items() if k != "prompt"},
                         {"model": "other", "max_tokens": 2, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True})
        self.server.asked.clear()
        oag("bench", "serve", "--url", self.url + "/openai/v1/", "--clients", "1", "--requests", "1", "--max-tokens", "2", "--stop-at-end")
        self.assertEqual(self.server.asked[-1][0], "/openai/v1/chat/completions")
        self.assertNotIn("ignore_eos", self.server.asked[-1][2])

    def test_a_seed_gives_the_same_prompts_again_and_none_gives_others(self):
        def prompts(*arguments):
            self.server.asked.clear()
            self.bench("--clients", "1", "--requests", "3", "--max-tokens", "1", *arguments)
            return [body["messages"][0]["content"] for body in self.streams()]
        self.assertEqual(prompts("--seed", "5"), prompts("--seed", "5"))
        self.assertNotEqual(prompts(), prompts())

    def test_with_a_rate_a_late_answer_counts_from_when_it_was_due(self):
        result = self.bench("--clients", "1", "--requests", "8", "--max-tokens", "1", "--rate", "1000", "--json")
        row, = json.loads(result.stdout)["results"]
        # All are due at once and one client asks: the last waits for the seven before it.
        self.assertGreaterEqual(row["ttft_ms"]["p99"], 7 * FIRST_S * 1e3)
        self.assertGreaterEqual(row["ttft_ms"]["p50"], 3 * FIRST_S * 1e3)

    def test_answers_that_fail_are_counted_and_the_first_is_told(self):
        def refuse(handler, body, usage):
            handler.whole(429, {"error": {"message": "the queue is full"}})

        def cut(handler, body, usage):
            handler.begin()
            handler.piece("x", body)

        def fail(handler, body, usage):
            handler.begin()
            handler.piece("x", body)
            handler.event({"error": {"message": "out of pages"}})
            handler.event(b"[DONE]")

        def empty(handler, body, usage):
            handler.begin()
            handler.event(b"[DONE]")

        def no_json(handler, body, usage):
            handler.begin()
            handler.event(b"{oops")
            handler.event(b"[DONE]")

        for answer, said in ((refuse, "HTTP status 429: the queue is full"), (cut, "without [DONE]"), (fail, "out of pages"),
                             (empty, "empty"), (no_json, "no JSON")):
            self.server.answer = answer
            result = self.bench("--clients", "2", "--requests", "3", "--json")
            self.assertEqual(result.returncode, 1)
            row, = json.loads(result.stdout)["results"]
            accepted_by_schema(self, result.stdout)
            self.assertEqual((row["failed"], row["completion_tokens"]), (3, 0))
            self.assertIn(said, row["first_error"])
            self.assertIn("3 of 3 requests failed", result.stderr.decode())
            self.assertNotIn("sk-bench-secret", result.stderr.decode())

    def test_a_server_that_is_not_there_is_one_line(self):
        self.assert_refused(oag("bench", "serve", "--url", "http://127.0.0.1:1"), 1, "http://127.0.0.1:1/v1/models")
        self.assert_refused(oag("bench", "serve", "--url", "localhost:1"), 1, "http://localhost:1/v1/models")
        self.assert_refused(oag("bench", "serve", "--url", "ftp://localhost"), 1, "neither http nor https")
        self.assert_refused(self.bench("--shared-prefix", "500"), 2, "--shared-prefix")
        self.assert_refused(self.bench("--clients", "1,x"), 2, "--clients")
        self.assert_refused(oag("bench"), 2, "MODEL is missing")

    def test_ctrl_c_ends_it(self):
        def never(handler, body, usage):
            handler.begin()
            time.sleep(30)

        self.server.answer = never
        process = started("bench", "serve", "--url", self.url, "--clients", "2")
        while not self.streams():
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        out, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, out, err), (130, b"", b"oag: cancelled\n"))
        self.assertLess(time.monotonic() - begin, 5)


if __name__ == "__main__":
    unittest.main()
