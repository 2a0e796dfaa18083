"""bench/serve_protocol on made-up servers: one that answers everything with {} fails every check, one that never answers holds
nobody up."""

import json
import pathlib
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import unittest

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))

import protocol_checks  # noqa: E402  stands beside the program that runs it


class Empty(socketserver.StreamRequestHandler):
    """Every request is answered with 200 and {}; a list of one model names itself."""

    def handle(self):
        length = 0
        first = self.rfile.readline()
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.rfile.read(length)
        body = b'{"data": [{"id": "made-up"}]}' if first.startswith(b"GET") else b"{}"
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))


class Silent(Empty):
    """Names its model, and leaves other requests without an answer."""

    def handle(self):
        if self.connection.recv(4, socket.MSG_PEEK).startswith(b"GET"):
            return super().handle()
        while self.connection.recv(65536):
            pass
        return None


class Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


class ServeProtocolTest(unittest.TestCase):
    def serve(self, handler):
        server = Listener(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}"

    def run_program(self, *arguments):
        command = [sys.executable, BENCH / "serve_protocol", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def test_every_check_can_fail(self):
        url = self.serve(Empty)
        target = protocol_checks.Target(url, pid=1, timeout_s=20)
        outcomes = {name: protocol_checks.run(name, target) for name in protocol_checks.CHECKS}
        self.assertGreater(len(outcomes), 30)
        of_leaving = {name for name in outcomes if " leaves, " in name}
        self.assertEqual(len(of_leaving), 2)
        for name, outcome in outcomes.items():
            expected = None if name in of_leaving else False  # its answers end before anybody could leave
            self.assertIs(outcome["passed"], expected, f"{name}: {outcome}")

    def test_a_failure_of_the_first_server_is_status_3_and_stands_in_table_and_json(self):
        url = self.serve(Empty)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "results.json"
            done = self.run_program("--url", url, "--name", "empty", "--json", path)
            results = json.loads(path.read_text(encoding="utf-8"))
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("| n: 2 gives two choices | **no**: ", done.stdout)
        self.assertIn("not checked: its process is not known (--pid)", done.stdout)
        (server,) = results["servers"]
        self.assertEqual((server["name"], server["passed"], server["checked"]), ("empty", 0, len(server["checks"]) - 2))

    def test_two_servers_stand_side_by_side_and_equal_rows_can_be_left_out(self):
        url = self.serve(Empty)
        done = self.run_program("--url", url, "--name", "one", "--url", url, "--name", "two", "--differing")
        self.assertEqual(done.stdout.splitlines(), ["| check | one | two |", "|---|---|---|", "| passed | 0 of 31 | 0 of 31 |"])

    def test_a_server_that_never_answers_holds_no_check_up(self):
        target = protocol_checks.Target(self.serve(Silent), timeout_s=0.5)
        for name in (
            "n: 2 gives two choices",
            "a short question is answered while a long answer streams",
            "eight clients at once get whole answers",
        ):
            outcome = protocol_checks.run(name, target)
            self.assertFalse(outcome["passed"], name)
            self.assertRegex(outcome["seen"], "no end within|timed out", name)

    def test_a_server_that_is_not_there_is_status_1(self):
        done = self.run_program("--url", "http://127.0.0.1:9")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertTrue(done.stderr.startswith("bench/serve_protocol: "), done.stderr)

    def test_more_names_than_servers_are_a_usage_error(self):
        done = self.run_program("--url", "http://127.0.0.1:9", "--name", "one", "--name", "two")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--name", done.stderr)


if __name__ == "__main__":
    unittest.main()
