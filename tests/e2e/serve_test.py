#!/usr/bin/env python3
"""What the options of oag serve do, and what requests of different kinds do to each other, with a tiny model.

OAG_BINARY is the program. numpy is needed, to make the model.
"""

import http.client
import json
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import pictures
from server import BINARY, LIMIT_S, Server, environment, events, make_tiny_agent

ENDLESS = {"prompt": "On and on", "max_tokens": 30000, "ignore_eos": True}


class ServeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="oag-serve-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.model = make_tiny_agent(cls.folder / "model")

    def serve(self, *options):
        server = Server(*options)
        self.addCleanup(server.stop)
        return server

    def endless(self, server, **more):
        connection, response = server.open_stream("/v1/completions", {**ENDLESS, "stream": True, **more})
        self.addCleanup(connection.close)
        self.assertEqual(response.status, 200)
        return connection, response


class Streams(ServeTest):
    def test_a_short_question_is_answered_while_pictures_of_another_are_encoded(self):
        server = self.serve(self.model, "--ctx", 32768, "--parallel", 4)
        parts = [{"type": "image_url", "image_url": {"url": pictures.data_uri(pictures.screen(number))}} for number in range(6)]
        first_word = []

        def look():
            body = {"messages": [{"role": "user", "content": parts}], "max_tokens": 2, "stream": True}
            for event in server.stream("/v1/chat/completions", body):
                first_word.append(event)

        looking = threading.Thread(target=look)
        looking.start()
        self.addCleanup(looking.join)
        server.wait_for(lambda m: m["oag_pictures_computed_total"] > 0, "the first picture is encoded")
        answer = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3})
        self.assertEqual(answer.status, 200)
        self.assertLess(server.metrics()["oag_pictures_computed_total"], len(parts))
        self.assertEqual(first_word, [])
        looking.join()
        self.assertGreater(len(first_word), 0)

    def test_a_stream_that_waits_says_so(self):
        server = self.serve(self.model, "--ctx", 32768, "--parallel", 1, "--comment-interval", 1)
        at_work, answer = self.endless(server)
        self.assertTrue(answer.readline())
        waiting = self.endless(server)[1]
        begin = time.monotonic()
        self.assertEqual(waiting.readline(), b": waiting\n")
        self.assertGreater(time.monotonic() - begin, 0.5)
        at_work.close()
        lines = (line for line in iter(waiting.readline, b"") if line not in (b"\n", b": waiting\n"))
        self.assertTrue(next(lines).startswith(b"data: {"))


class Options(ServeTest):
    def test_everything_may_stand_in_a_config_file(self):
        config = self.folder / "serve.json"
        config.write_text(json.dumps({"schema": "oag.serve/1", "model": [str(self.model), str(self.model)],
                                      "name": ["first", "second"], "ctx": 2048, "parallel": 2, "api-key": "of the file"}))
        server = self.serve("--config", config, "--ctx", 1024)
        server.key = "of the file"
        models = server.get("/v1/models").json["data"]
        # The command line wins over the file.
        self.assertEqual([(one["id"], one["max_model_len"]) for one in models], [("first", 1024), ("second", 1024)])
        self.assertEqual(server.get("/v1/models", key="another").status, 401)
        answer = server.post("/v1/completions", {"model": "second", "prompt": "The", "max_tokens": 3})
        self.assertEqual((answer.status, answer.json["model"]), (200, "second"))

    def test_what_is_wrong_with_a_config_file_is_said(self):
        config = self.folder / "wrong.json"
        schema = {"schema": "oag.serve/1"}
        for content, reason in (({**schema, "port": 0}, "MODEL"), ({"model": "x"}, 'lacks "schema": "oag.serve/1"'),
                                ({"schema": "oag.serve/2"}, 'expected "oag.serve/1"'),
                                ({**schema, "queue": "x"}, 'wrong.json: queue: "x" is not a whole number'),
                                ({**schema, "prot": 1}, "wrong.json: prot: is no option")):
            config.write_text(json.dumps(content))
            self.refused(reason, "--config", config)

    def test_what_cannot_be_meant_is_refused_before_anything_is_loaded(self):
        self.refused("--name: is empty", self.model, "--name", "")
        self.refused("--tls-key: stands alone", self.model, "--tls-key", "key.pem")
        self.refused('"x" is taken; choose another (--name)', self.model, self.model, "--name", "x", "--name", "x")

    def refused(self, reason, *options):
        run = subprocess.run([BINARY, "serve", "--port", "0", "--log-level", "error", *map(str, options)], capture_output=True,
                             env=environment(), timeout=LIMIT_S)
        self.assertIn(run.returncode, (1, 2))
        self.assertIn(reason, run.stderr.decode())
        self.assertEqual(run.stderr.count(b"\n"), 1)


class Log(ServeTest):
    def test_there_is_a_line_for_each_request_and_nothing_of_its_content(self):
        server = Server(self.model, "--name", "m", "--ctx", 4096, key="the-key-of-the-test")
        self.addCleanup(server.stop)
        chat = {"model": "m", "messages": [{"role": "user", "content": "words-of-the-prompt"}], "max_tokens": 4, "ignore_eos": True}
        self.assertEqual(server.post("/v1/chat/completions", {**chat, "request_id": "one", "unheard": 1}).status, 200)
        self.assertEqual(server.post("/v1/chat/completions", {**chat, "n": "words-of-a-field"}).status, 400)
        self.assertEqual(server.post("/v1/chat/completions?secret=words-of-the-query", chat, key="wrong-key").status, 401)
        self.assertEqual(server.get("/healthz").status, 200)
        server.stop()
        log = server.log()
        stamp = r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info: "
        for line in (r'model "m" is loaded in [0-9.]+ s: glm4 with pictures, weights \d+ MB, cache \d+ tokens \(\d+ MB\), context 4096 tokens',
                     r'one: the field "unheard" is not known and was left out$',
                     r"127\.0\.0\.1 POST /v1/chat/completions 200 \d+ ms id=one model=m prompt=\d+ cached=0 answer=4 first=\d+ms end=length$",
                     r"127\.0\.0\.1 POST /v1/chat/completions 400 \d+ ms error=\w+ param=n$",
                     r"127\.0\.0\.1 POST /v1/chat/completions 401 \d+ ms error=invalid_api_key$"):
            self.assertRegex(log, stamp + line)
        self.assertNotRegex(log, "words-of|-key-of|wrong-key|healthz")

    def test_a_client_that_leaves_is_no_failure_of_the_server(self):
        server = self.serve(self.model, "--name", "m", "--ctx", 32768)
        connection = server.connect()
        connection.request("POST", "/v1/completions", json.dumps(ENDLESS).encode(), server.headers(None))
        server.wait_for(lambda m: m["oag_requests_running"] == 1, "it is at work")
        connection.close()
        server.wait_for(lambda m: m["oag_disconnects_total"] == 1, "it has left")
        server.stop()
        self.assertRegex(server.log(), r"info: 127\.0\.0\.1 POST /v1/completions - \d+ ms cut id=\S+ model=m .* end=cancelled")
        self.assertNotIn(" 500 ", server.log())

    def test_a_client_that_leaves_at_the_end_of_a_stream_has_not_left_early(self):
        server = self.serve(self.model, "--name", "m", "--ctx", 2048)
        for _ in range(40):
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                body = json.dumps({"prompt": "a", "max_tokens": 2, "stream": True})
                client.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
                received = b""
                while b"[DONE]" not in received:
                    received += client.recv(4096)
        self.assertEqual(server.metrics()["oag_disconnects_total"], 0)
        server.stop()
        self.assertEqual(server.log().count("end=length"), 40)
        self.assertNotIn(" cut ", server.log())

    def test_a_request_writes_few_lines_and_short_ones(self):
        server = self.serve(self.model, "--name", "m", "--ctx", 2048)
        many = {f"field_{number}": 1 for number in range(9000)}
        long_names = {"\u009b" + "S" * 2000 + str(number): 1 for number in range(3)}
        for more in (many, long_names, {"chat_template_kwargs": long_names}):
            body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, **more}
            self.assertEqual(server.post("/v1/chat/completions", body).status, 200)
        server.stop()
        lines = server.log().splitlines()
        self.assertLess(len(lines), 40)
        self.assertLess(max(map(len, lines)), 400)
        self.assertIn(": 8992 more warnings", server.log())
        self.assertNotIn("\u009b", server.log())

    def test_a_standard_error_that_nobody_reads_holds_nobody_up(self):
        process = subprocess.Popen([BINARY, "serve", self.model, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment())
        self.addCleanup(process.kill)
        port = int(process.stdout.readline().decode().rsplit(":", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        for _ in range(3000):  # of 60 bytes and more each; a pipe holds 65,536
            connection.request("GET", "/nowhere")
            connection.getresponse().read()
        connection.close()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT_S), 0)
        process.stdout.close()
        process.stderr.close()


class Sampling(ServeTest):
    """Of a request that says nothing of sampling."""

    BODY = {"prompt": "The next step is", "max_tokens": 40, "ignore_eos": True, "return_token_ids": True}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = cls.model / "generation_config.json"
        # So hot that two answers are never the same, but that only one token is left to draw.
        path.write_text(json.dumps({**json.loads(path.read_text()), "do_sample": True, "temperature": 5.0, "top_k": 1}))
        cls.gguf = cls.folder / "model.gguf"
        subprocess.run([BINARY, "convert", cls.model, cls.gguf], check=True, capture_output=True, env=environment(), timeout=LIMIT_S)

    def ids(self, server, **more):
        answer = server.post("/v1/completions", {**self.BODY, **more})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["choices"][0]["token_ids"]

    def test_is_the_models_own(self):
        for model in (self.model, self.gguf):
            with self.subTest(model.name):
                server = self.serve(model, "--ctx", 2048)
                self.assertEqual(self.ids(server), self.ids(server, temperature=0))
                # What the request says goes before, field by field: the temperature stays.
                self.assertNotEqual(self.ids(server, top_k=0), self.ids(server, top_k=0))
                self.assertEqual(self.ids(server, top_k=0, temperature=0), self.ids(server))

    def test_is_openais_where_it_is_asked_for(self):
        server = self.serve(self.model, "--ctx", 2048, "--generation-config", "none")
        self.assertNotEqual(self.ids(server), self.ids(server))
        self.assertEqual(self.ids(server, seed=7), self.ids(server, seed=7, temperature=1, top_p=1, top_k=0))

    def test_a_model_that_does_not_sample_takes_the_most_likely_token(self):
        greedy = make_tiny_agent(self.folder / "greedy")
        path = greedy / "generation_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "do_sample": False}))
        server = self.serve(greedy, "--ctx", 2048)
        self.assertEqual(self.ids(server), self.ids(server, temperature=0))


class Memory(ServeTest):
    CONTEXT = 32768
    BUDGET = 25  # MB, for two models with a cache of that many tokens and no third

    def setUp(self):
        keys = self.folder / "admin"
        keys.write_text("admin\n")
        self.options = ("--ctx", self.CONTEXT, "--cache-tokens", self.CONTEXT, "--admin-key-file", keys)

    def load(self, server, name):
        return server.post("/admin/models/load", {"source": str(self.model), "name": name}, key="admin")

    def names(self, server):
        return [one["id"] for one in server.get("/v1/models").json["data"]]

    def test_a_model_beyond_the_budget_is_refused(self):
        run = subprocess.run([BINARY, "serve", self.model, "--port", "0", "--memory-budget", "1", *map(str, self.options)],
                             capture_output=True, env=environment(), timeout=LIMIT_S)
        self.assertNotEqual(run.returncode, 0)
        self.assertRegex(run.stderr.decode(), r"--memory-budget: the models need at least \d+ MB together, the budget is 1 MB")

    def test_an_idle_model_makes_room_and_one_at_work_or_of_the_command_line_does_not(self):
        server = self.serve(self.model, "--name", "own", "--memory-budget", self.BUDGET, *self.options)
        self.assertEqual(self.load(server, "first").status, 200)
        connection, response = self.endless(server, model="first")
        self.assertTrue(response.readline())
        answer = self.load(server, "second")
        self.assertEqual((answer.status, answer.error["code"]), (507, "out_of_memory_budget"))
        self.assertEqual(self.names(server), ["own", "first"])
        self.assertTrue(next(events(response))["choices"][0]["text"] is not None)  # its answer goes on
        connection.close()
        end = time.monotonic() + LIMIT_S
        while (answer := self.load(server, "second")).status == 507 and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(self.names(server), ["own", "second"])
        for name, status in (("second", 200), ("own", 200), ("first", 404)):
            answer = server.post("/v1/completions", {"model": name, "prompt": "The", "max_tokens": 2})
            self.assertEqual(answer.status, status, name)


def load_tests(loader, _, __):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Streams, Options, Log, Sampling, Memory))


if __name__ == "__main__":
    unittest.main(verbosity=2)
