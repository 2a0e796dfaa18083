"""`oag serve` for tests: starts it, talks plain HTTP to it, reads its metrics."""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

BINARY = os.environ.get("OAG_BINARY", "oag")
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIMIT_S = 120


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OAG_", "HF_")) or k == "OAG_CPU_ISA"}
    env.update(NO_COLOR="1", LC_ALL="C.UTF-8", **more)
    return env


def python_with(module):
    """A Python that has a module: this one, or Debian's, which the packages of tools/packages.txt belong to."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0:
            return python
    return None


def make_tiny_agent(folder):
    """Writes the stand-in for AutoGLM-Phone; its path."""
    python = python_with("numpy")
    if python is None:
        raise RuntimeError("no Python here has numpy: install python3-numpy (tools/setup dev)")
    subprocess.run([python, ROOT / "tools/make_tiny_agent.py", folder], check=True, timeout=LIMIT_S)
    return folder


class StreamFailed(Exception):
    """A stream of events ended with an error, or without its end."""


class Answer:
    """A response that was read whole."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


class Server:
    """A server of its own on a free port; with Server(...) as server."""

    def __init__(self, *arguments, key=None):
        self.key = key
        self._log = tempfile.TemporaryFile()
        keyed = ["--api-key", key] if key else []
        self.process = subprocess.Popen([BINARY, "serve", *map(str, arguments), "--port", "0", *keyed],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log,
                                        env=environment())
        line = self._first_line()
        found = re.fullmatch(r"listening on (http://[\d.]+:(\d+))\n", line)
        if not found:
            self.stop()
            raise RuntimeError(f"oag serve said {line!r}, and on standard error: {self.log()}")
        self.url, self.port = found[1], int(found[2])

    def _first_line(self):
        """The line that says that it is ready, or what came in its place."""
        timer = threading.Timer(LIMIT_S, self.process.kill)
        timer.start()
        try:
            return self.process.stdout.readline().decode()
        finally:
            timer.cancel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def log(self):
        """What it has written to standard error."""
        if not self._log.closed:
            self._log.seek(0)
            self._said = self._log.read().decode(errors="replace")
        return self._said

    def stop(self, number=signal.SIGTERM):
        """Ends it and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.log()
        self._log.close()
        return self.process.returncode

    # --- requests ---

    def connect(self, timeout=LIMIT_S):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def headers(self, key):
        out = {"Content-Type": "application/json"}
        if key or self.key:
            out["Authorization"] = f"Bearer {key or self.key}"
        return out

    def request(self, method, path, body=None, key=None, headers=None, timeout=LIMIT_S):
        """`body` is a document, or bytes as they are."""
        connection = self.connect(timeout)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, self.headers(key) if headers is None else headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body, **options):
        return self.request("POST", path, body, **options)

    def open_stream(self, path, body, key=None):
        """The connection and the response behind its headers."""
        connection = self.connect()
        connection.request("POST", path, json.dumps(body).encode(), self.headers(key))
        return connection, connection.getresponse()

    def stream(self, path, body, key=None):
        """The events of a streamed answer, which must come to its end."""
        connection, response = self.open_stream(path, body, key)
        try:
            if response.status != 200:
                raise StreamFailed(f"status {response.status}: {response.read().decode()}")
            return list(events(response))
        finally:
            connection.close()

    def metrics(self):
        """The values of /metrics, summed over labels."""
        sums = {}
        for line in self.get("/metrics").body.decode().splitlines():
            found = re.match(r"(\w+)(?:\{.*\})? (\S+)", line)
            if found:
                sums[found[1]] = sums.get(found[1], 0) + float(found[2])
        return sums

    def wait_for(self, condition, what, limit_s=30):
        """Waits until the metrics fulfil a condition, and returns them."""
        end = time.monotonic() + limit_s
        while True:
            metrics = self.metrics()
            if condition(metrics):
                return metrics
            if time.monotonic() > end:
                raise AssertionError(f"not so in {limit_s} s: {what}; the metrics: {metrics}")
            time.sleep(0.02)


def events(response):
    """The documents of a stream of server-sent events. Raises StreamFailed for an error, and where [DONE] is missing."""
    done = False
    for line in lines_of(response):
        if line == b"" or line.startswith(b":"):
            continue
        if done or not line.startswith(b"data: "):
            raise StreamFailed(f"an unexpected line: {line!r}")
        if line == b"data: [DONE]":
            done = True
            continue
        event = json.loads(line[6:])
        if "error" in event:
            rest = response.read()
            if b"[DONE]" in rest:
                raise AssertionError("[DONE] follows an error")
            raise StreamFailed(event["error"]["message"])
        yield event
    if not done:
        raise StreamFailed("the stream ended without [DONE]")


def lines_of(response):
    try:
        while line := response.readline():
            yield line.rstrip(b"\n")
    except (http.client.IncompleteRead, ConnectionError) as error:
        raise StreamFailed("the connection broke") from error
