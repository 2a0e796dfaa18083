#!/usr/bin/env python3
"""What is left when a request to oag serve ends before its answer does: nothing, and soon.

Each combination of streamed or whole, in the queue, while the prompt is read or while the answer is made, the client gone or the
deadline passed; and what such ends do to the answers of others. The model is tiny and has random weights.

OAG_BINARY is the program. numpy is needed, to make the model.
"""

import itertools
import json
import pathlib
import random
import socket
import tempfile
import threading
import time
import unittest

from server import LIMIT_S, Server, StreamFailed, events, make_tiny_agent

PLACES = 2
CONTEXT = 32768
PROMPT_TOKENS = 24000  # a prompt that takes many steps to read
SOON_S = 3             # some hundred times what a step takes
ENDLESS = {"prompt": "On and on", "max_tokens": 30000, "ignore_eos": True}
COUNTED = ("oag_answers_started_total", "oag_answers_total", "oag_answers_cancelled_total", "oag_answers_failed_total",
           "oag_disconnects_total", "oag_http_gone_total", "oag_http_cut_total")


def long_prompt(seed, tokens=PROMPT_TOKENS):
    drawn = random.Random(seed)
    return [drawn.randrange(40, 90) for _ in range(tokens)]


def at_work(metrics):
    return metrics["oag_requests_running"] + metrics["oag_requests_waiting"] + metrics["oag_kv_usage_ratio"]


def changes(before, after):
    return {name: after[name] - before[name] for name in COUNTED if after[name] != before[name]}


class CancelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="oag-cancel-")
        cls.addClassCleanup(folder.cleanup)
        model = make_tiny_agent(pathlib.Path(folder.name) / "model")
        cls.server = Server(model, "--ctx", CONTEXT, "--cache-tokens", 4 * CONTEXT, "--parallel", PLACES)
        cls.addClassCleanup(cls.server.stop)

    def idle(self, limit_s=30):
        return self.server.wait_for(lambda m: at_work(m) == 0, "nothing is at work and no page is in use", limit_s)

    def send(self, body):
        """A connection whose request has been sent and whose answer nobody has read."""
        connection = self.server.connect()
        self.addCleanup(connection.close)
        connection.request("POST", "/v1/completions", json.dumps(body).encode(), self.server.headers(None))
        return connection

    def endless_streams(self, count):
        """So many answers at work, until their connections are closed."""
        before = self.server.metrics()["oag_requests_running"]
        streams = [self.server.open_stream("/v1/completions", {**ENDLESS, "stream": True}) for _ in range(count)]
        self.server.wait_for(lambda m: m["oag_requests_running"] == before + count, "they are at work")
        return streams

    def leave(self, streams):
        for connection, response in streams:
            response.close()
            connection.close()

    def answer(self, body):
        answer = self.server.post("/v1/completions", body)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json


class Matrix(CancelTest):
    """Answers end in each stage, for each reason, and leave nothing behind."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        begin = time.monotonic()
        cls.server.post("/v1/completions", {"prompt": long_prompt("quiet"), "max_tokens": 1})
        cls.reading_s = time.monotonic() - begin

    def body(self, stage, stream):
        body = {**ENDLESS, "stream": stream}
        if stage == "prefill":
            body["prompt"] = long_prompt(f"{stage} {stream} {random.random()}")
        return body

    def reached(self, stage, before):
        """Whether the metrics say that the request is in its stage."""
        def look(metrics):
            made = metrics["oag_generated_tokens_total"] > before["oag_generated_tokens_total"] + 3
            return {"queued": metrics["oag_requests_waiting"] == 1,
                    "prefill": metrics["oag_requests_running"] == 1 and metrics["oag_steps_total"] > before["oag_steps_total"],
                    "decode": metrics["oag_requests_running"] == 1 and made}[stage]
        return look

    def check(self, stage, stream, end):
        self.idle()
        blockers = self.endless_streams(PLACES) if stage == "queued" else []
        before = self.server.metrics()
        end(self.body(stage, stream), stage, before)
        begin = time.monotonic()
        after = self.server.wait_for(
            lambda m: m["oag_requests_waiting"] == 0 and m["oag_requests_running"] == len(blockers)
            and (blockers or m["oag_kv_usage_ratio"] == 0), "what worked for it has ended")
        self.assertLess(time.monotonic() - begin, SOON_S)
        if stage == "prefill":  # it was not read to its end
            self.assertLess(after["oag_computed_tokens_total"] - before["oag_computed_tokens_total"], PROMPT_TOKENS)
            self.assertEqual(after["oag_generated_tokens_total"], before["oag_generated_tokens_total"])
        if stage == "queued":  # it never began
            self.assertEqual(after["oag_prompt_tokens_total"], before["oag_prompt_tokens_total"])
            for connection, response in blockers:
                self.assertTrue(response.readline(), "an answer at work has ended with the one that waited")
            self.leave(blockers)
            self.idle()
        return changes(before, after)

    def client_leaves(self, body, stage, before):
        connection = self.send(body)
        self.server.wait_for(self.reached(stage, before), f"the request is in the stage {stage}")
        connection.close()

    def deadline_passes(self, body, stage, before):
        limit_ms = max(1, int(1000 * self.reading_s / 4)) if stage == "prefill" else 300
        begin = time.monotonic()
        connection = self.send({**body, "deadline_ms": limit_ms})
        response = connection.getresponse()
        if body["stream"]:
            self.assertEqual(response.status, 200)
            with self.assertRaisesRegex(StreamFailed, "deadline"):
                list(events(response))
        else:
            self.assertEqual((response.status, json.loads(response.read())["error"]["code"]), (408, "deadline_exceeded"))
        self.assertLess(time.monotonic() - begin, limit_ms / 1000 + SOON_S)
        connection.close()

    def test_a_client_that_leaves(self):
        for stage, stream in itertools.product(("queued", "prefill", "decode"), (True, False)):
            with self.subTest(stage, stream=stream):
                self.assertEqual(self.check(stage, stream, self.client_leaves), {
                    "oag_answers_started_total": 1, "oag_answers_total": 1, "oag_answers_cancelled_total": 1,
                    "oag_disconnects_total": 1, "oag_http_gone_total": 1})

    def test_a_deadline_that_passes(self):
        for stage, stream in itertools.product(("queued", "prefill", "decode"), (True, False)):
            with self.subTest(stage, stream=stream):
                self.assertEqual(self.check(stage, stream, self.deadline_passes), {
                    "oag_answers_started_total": 1, "oag_answers_total": 1, "oag_answers_failed_total": 1})


class Others(CancelTest):
    """Ends of some answers change no others."""

    def test_answers_beside_those_that_are_cancelled_stay_the_same(self):
        shared = long_prompt("shared", 700)
        bodies = [{"prompt": prompt, "max_tokens": 60, "temperature": 0, "ignore_eos": True, "return_token_ids": True}
                  for prompt in (shared, shared[:500], shared[:333] + long_prompt("own", 50), "Open the settings")]
        quiet = [self.answer(body)["choices"][0]["token_ids"] for body in bodies]
        stop, wrong, answers = threading.Event(), [], []

        def ask():
            while not stop.is_set():
                for body, expected in zip(bodies, quiet):
                    found = self.answer(body)["choices"][0]["token_ids"]
                    answers.append(found)
                    if found != expected:
                        wrong.append((body, found))

        witness = threading.Thread(target=ask)
        witness.start()
        try:
            drawn = random.Random(1)
            for number in range(60):
                # Each shares pages with the witness's prompts, and ends wherever it is.
                body = {**ENDLESS, "prompt": shared[:drawn.randrange(40, 700)] + long_prompt(number, 400), "stream": number % 2 == 0}
                if number % 3 == 0:
                    body["deadline_ms"] = drawn.randrange(1, 40)
                connection = self.send(body)
                time.sleep(drawn.random() / 25)
                connection.close()
        finally:
            stop.set()
            witness.join()
        self.assertEqual(wrong, [])
        self.assertGreater(len(answers), len(bodies))
        self.idle()


class Counts(CancelTest):
    def test_a_client_that_does_not_read_is_cut_and_counted(self):
        before = self.idle()
        body = json.dumps({**ENDLESS, "stream": True, "logprobs": 20, "return_token_ids": True}).encode()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(LIMIT_S)
            client.connect(("127.0.0.1", self.server.port))
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self.server.wait_for(lambda m: m["oag_http_cut_total"] > before["oag_http_cut_total"], "it is cut")
            after = self.idle()
        self.assertEqual(changes(before, after), {
            "oag_answers_started_total": 1, "oag_answers_total": 1, "oag_answers_cancelled_total": 1,
            "oag_disconnects_total": 1, "oag_http_gone_total": 1, "oag_http_cut_total": 1})

    def test_a_client_that_leaves_at_any_moment_is_counted_once(self):
        drawn = random.Random(2)
        before = self.idle()
        for number in range(100):
            connection = self.send({**ENDLESS, "stream": number % 2 == 0})
            time.sleep(drawn.random() / 200)
            connection.close()
        after = self.server.wait_for(lambda m: at_work(m) == 0 and m["oag_http_gone_total"] == before["oag_http_gone_total"] + 100,
                                     "all have left")
        self.assertEqual(after["oag_disconnects_total"], before["oag_disconnects_total"] + 100)
        self.assertEqual(after["oag_answers_started_total"], after["oag_answers_total"])
        self.assertEqual(after["oag_answers_cancelled_total"] - before["oag_answers_cancelled_total"],
                         after["oag_answers_total"] - before["oag_answers_total"])

    def test_when_one_of_several_answers_fails_the_others_are_not_begun(self):
        before = self.idle()
        # The deadline has passed when the first is submitted, and to copy so long a prompt takes longer than to end it.
        answer = self.server.post("/v1/completions", {**ENDLESS, "prompt": long_prompt("n"), "n": 64, "deadline_ms": 1})
        self.assertEqual((answer.status, answer.error["code"]), (408, "deadline_exceeded"))
        after = self.idle()
        self.assertLess(after["oag_answers_started_total"] - before["oag_answers_started_total"], 64)
        self.assertEqual(after["oag_answers_started_total"], after["oag_answers_total"])


def load_tests(loader, _, __):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Matrix, Others, Counts))


if __name__ == "__main__":
    unittest.main(verbosity=2)
