#!/usr/bin/env python3
"""Many streams at once from oag serve, half of whose clients leave at some moment; at the end the server is as it was.

OAG_BINARY is the program, OAG_LOAD_CLIENTS how many come (default 400). numpy is needed, to make the model.
"""

import asyncio
import collections
import json
import os
import pathlib
import random
import tempfile
import time
import unittest

import pictures
from server import LIMIT_S, Server, make_tiny_agent

CLIENTS = int(os.environ.get("OAG_LOAD_CLIENTS", "400"))
TOGETHER = 200  # connections at once
PLACES, QUEUE = 8, 160
CONTEXT = 32768
ENDLESS = 30000  # tokens: clients that leave have left by then
WITNESS = {"prompt": "The next step is", "max_tokens": 40, "temperature": 0, "ignore_eos": True}
PER_CLIENT_S = 2  # bound of the whole, far above what it takes
LEAVING = ("leaves soon", "leaves later", "resets")
SCREENS = [pictures.data_uri(pictures.screen(number, 280, 560)) for number in range(8)]
PREFIXES = [f"Step {number} of the task is to " * 12 for number in range(5)]


class Client:
    """One request over a socket of its own: it reads to the end, or leaves before."""

    def __init__(self, number, server):
        drawn = random.Random(number)
        self.server = server
        self.kind = drawn.choice(["reads", "reads", "witness", *LEAVING, "leaves later", "half sent"])
        self.stream = drawn.random() < 0.8 or self.kind == "leaves later"
        self.sees = self.kind != "witness" and drawn.random() < 0.25
        self.patience_s = drawn.random() ** 2
        self.lines = drawn.randrange(1, 60)
        self.outcome = self.text = None
        if self.kind == "witness":
            self.body = {**WITNESS, "stream": self.stream}
            return
        self.body = {"stream": self.stream, "ignore_eos": True, "seed": number,
                     "max_tokens": drawn.randrange(1, 60) if self.kind == "reads" else ENDLESS}
        text = drawn.choice(PREFIXES) + str(number)
        if self.sees:
            picture = {"type": "image_url", "image_url": {"url": drawn.choice(SCREENS)}}
            self.body["messages"] = [{"role": "user", "content": [picture, {"type": "text", "text": text}]}]
        else:
            self.body["prompt"] = text
        if self.kind == "reads" and drawn.random() < 0.2:
            self.body["n"] = 3

    def request(self):
        path = b"/v1/chat/completions" if self.sees else b"/v1/completions"
        body = json.dumps(self.body).encode()
        return (b"POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (path, len(body), body))

    async def run(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            request = self.request()
            writer.write(request[:-5] if self.kind == "half sent" else request)
            await writer.drain()
            if self.kind in ("reads", "witness"):
                self.outcome = self.judge(await asyncio.wait_for(reader.read(), LIMIT_S))
            elif self.kind == "leaves later":
                self.outcome = await self.read_some(reader)
            else:
                await asyncio.sleep(self.patience_s)
                self.outcome = "left"
            if self.kind == "resets":
                writer.transport.abort()
        finally:
            writer.close()

    async def read_some(self, reader):
        """The beginning of an answer, which may be that there is no room for it."""
        for _ in range(self.lines):
            line = await asyncio.wait_for(reader.readline(), LIMIT_S)
            if line.startswith(b"HTTP/1.1 429"):
                return "refused"
            if line == b"" or line.startswith(b"HTTP/1.1") and not line.startswith(b"HTTP/1.1 200"):
                raise AssertionError(f"an answer began with {line!r}")
        return "left"

    def judge(self, answer):
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status == 429:
            return "refused"
        assert status == 200, answer
        self.text, reasons = self.streamed(body) if self.stream else self.whole(body)
        assert reasons == ["length"] * self.body.get("n", 1), (reasons, body[-300:])
        return "read"

    def whole(self, body):
        choices = json.loads(body)["choices"]
        texts = [choice["message"]["content"] if self.sees else choice["text"] for choice in choices]
        return "".join(texts), [choice["finish_reason"] for choice in choices]

    def streamed(self, body):
        """Of a chunked body that must come to its end."""
        parts = []
        while body:
            size, _, body = body.partition(b"\r\n")
            parts.append(body[:int(size, 16)])
            body = body[int(size, 16) + 2:]
        assert parts[-1] == b"", "the last chunk is missing"
        datas = [line[6:] for line in b"".join(parts).split(b"\n") if line.startswith(b"data: ")]
        assert datas[-1] == b"[DONE]", datas[-1]
        choices = [json.loads(data)["choices"][0] for data in datas[:-1]]
        texts = [choice["delta"].get("content") or "" if self.sees else choice["text"] for choice in choices]
        return "".join(texts), [c["finish_reason"] for c in choices if c["finish_reason"]]


async def run_all(clients):
    places = asyncio.Semaphore(TOGETHER)

    async def run(client):
        async with places:
            await client.run()

    await asyncio.gather(*(run(client) for client in clients))


class Load(unittest.TestCase):
    def test_many_clients_that_come_and_go_leave_nothing_behind(self):
        with tempfile.TemporaryDirectory(prefix="oag-load-") as folder:
            model = make_tiny_agent(pathlib.Path(folder) / "model")
            with Server(model, "--ctx", CONTEXT, "--parallel", PLACES, "--queue", QUEUE) as server:
                self.load(server)
                self.assertEqual(server.stop(), 0, server.log())

    def witness(self, server):
        answer = server.post("/v1/completions", WITNESS)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["choices"][0]["text"]

    def load(self, server):
        quiet = self.witness(server)
        before = server.metrics()
        clients = [Client(number, server) for number in range(CLIENTS)]
        begin = time.monotonic()
        asyncio.run(asyncio.wait_for(run_all(clients), CLIENTS * PER_CLIENT_S))
        took = time.monotonic() - begin
        outcomes = collections.Counter((client.kind, client.outcome) for client in clients)
        print(f"{CLIENTS} clients in {took:.1f} s: {dict(outcomes)}", flush=True)
        after = server.wait_for(
            lambda m: m["oag_requests_running"] == m["oag_requests_waiting"] == m["oag_kv_usage_ratio"] == 0
            and m["oag_http_connections"] == 1, "nothing is left", limit_s=60)

        def rise(name):
            return after.get(name, 0) - before.get(name, 0)

        # Every answer that began has ended, by itself or because its client left.
        read = sum(client.body.get("n", 1) for client in clients if client.outcome == "read")
        self.assertEqual(rise("oag_answers_started_total"), rise("oag_answers_total"))
        self.assertEqual(rise("oag_answers_total"), read + rise("oag_answers_cancelled_total"))
        self.assertEqual(rise("oag_answers_failed_total"), 0)
        self.assertEqual(rise("oag_kv_pages"), 0)
        self.assertEqual(after["oag_kv_pages_free"] + after["oag_kv_pages_cached"], after["oag_kv_pages"])
        # A refusal that came after its client had gone is one too; a reset may overtake the request.
        left = collections.Counter(client.kind for client in clients if client.outcome == "left")
        refused = sum(client.outcome == "refused" for client in clients)
        gone = rise("oag_disconnects_total") + rise("oag_rejections_total") - refused
        self.assertGreaterEqual(gone, left["leaves soon"] + left["leaves later"])
        self.assertLessEqual(gone, left["leaves soon"] + left["leaves later"] + left["resets"])
        # Answers in between were right, and so are those that follow.
        texts = {client.text for client in clients if client.kind == "witness" and client.outcome == "read"}
        self.assertLessEqual(texts, {quiet})
        self.assertGreater(read, 0)
        self.assertEqual(self.witness(server), quiet)


if __name__ == "__main__":
    unittest.main(verbosity=2)
