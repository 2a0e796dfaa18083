#!/usr/bin/env python3
"""oag pull against a hub of the test's own."""

import hashlib
import http.server
import json
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from cli import BINARY, DATA, LIMIT_S, TINY, CliTest, environment, oag


class HubHandler(http.server.BaseHTTPRequestHandler):
    """A model hub with one repository, acme/tiny, of one small model under two names."""
    COMMIT = "c" * 40
    DATA = pathlib.Path(TINY).read_bytes()
    NAMES = ("tiny-BF16.gguf", "tiny-F16.gguf")

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        if self.path.startswith("/page/"):
            body = b"<!DOCTYPE html><html>log in</html>"
        elif self.path.startswith("/slow/") and "/resolve/" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.DATA)))
            self.end_headers()
            self.wfile.write(self.DATA[:100_000])
            self.wfile.flush()
            time.sleep(5)
            return
        elif self.path.removeprefix("/slow") == "/api/models/acme/tiny/revision/main":
            body = json.dumps({"sha": self.COMMIT}).encode()
        elif self.path.removeprefix("/slow").startswith(f"/api/models/acme/tiny/tree/{self.COMMIT}"):
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

    def test_a_hub_that_is_none_is_told_with_its_address(self):
        page = f"http://127.0.0.1:{self.server.server_port}/page"
        self.assert_refused(self.oag("pull", "hf:acme/tiny", HF_ENDPOINT=page), 1, f"hf:acme/tiny at {page}: the answer is a web page", "HF_ENDPOINT")
        line = self.assert_refused(self.oag("pull", "hf:acme/tiny", HF_ENDPOINT="garbage"), 1, "HF_ENDPOINT: ", "https://huggingface.co")
        self.assertNotIn(".gguf", line)

    def test_a_pull_that_is_stopped_says_how_it_goes_on(self):
        env = environment(HF_ENDPOINT=f"http://127.0.0.1:{self.server.server_port}/slow", HF_HUB_CACHE=str(self.cache / "hub"),
                          OAG_MODELS=str(self.cache / "models"))
        process = subprocess.Popen([BINARY, "pull", "hf:acme/tiny:BF16"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=env)
        begin = time.monotonic()
        while not list(self.cache.rglob("*.incomplete")):
            self.assertLess(time.monotonic() - begin, LIMIT_S)
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
        self.assertEqual((process.returncode, out, len(err.splitlines())), (130, b"", 1), err)
        self.assertIn(b"the same command goes on from there", err)

    def test_what_cannot_be_pulled_is_said_in_one_line(self):
        self.assert_refused(self.oag("pull", "hf:acme/tiny"), 1, "tiny-BF16.gguf, tiny-F16.gguf", "hf:acme/tiny")
        self.assert_refused(self.oag("pull", "hf:acme/other"), 1, "hf:acme/other", "HF_TOKEN")
        self.assert_refused(self.oag("pull", "hf:../x"), 1, "hf:../x", "hf:ORG/NAME")
        self.assert_refused(self.oag("pull", "hf:acme/tiny:BF16", HF_HUB_OFFLINE="1"), 1, "hf:acme/tiny", "HF_HUB_OFFLINE")
        self.assert_refused(self.oag("run", "hf:acme/tiny", "-p", "x"), 1, "oag pull hf:acme/tiny")
        self.assert_refused(self.oag("run", "acme/tiny", "-p", "x"), 1, "oag pull hf:acme/tiny")
        self.assert_refused(self.oag("pull", TINY, "--include", "*.json"), 1, "hf:ORG/NAME")


if __name__ == "__main__":
    unittest.main(verbosity=2)
