#!/usr/bin/env python3
"""oag serve at its edges: how it ends, and what it refuses to take. The models are tiny.

OAG_BINARY is the program.
"""

import pathlib
import signal
import socket
import tempfile
import time
import unittest

import pictures
from cli import TINY, CliTest, oag
from server import Server, make_tiny_agent


class Options(CliTest):
    def test_a_body_larger_than_all_that_is_received_at_once_cannot_be_asked_for(self):
        self.assert_refused(oag("serve", TINY, "--max-body", 2048), 2, "--max-body", "1024")


class Ending(CliTest):
    def half_sent_request(self, server):
        """A request whose body is still to come: it keeps the server from ending for a while."""
        client = socket.create_connection(("127.0.0.1", server.port))
        self.addCleanup(client.close)
        client.sendall(b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.2)
        return client

    def test_a_second_signal_of_either_kind_ends_at_once(self):
        for first in (signal.SIGINT, signal.SIGTERM):
            for second in (signal.SIGINT, signal.SIGTERM):
                with self.subTest(first=first, second=second), Server(TINY, "--name", "tiny", "--drain", 25) as server:
                    self.half_sent_request(server)
                    server.process.send_signal(first)
                    time.sleep(0.5)
                    self.assertIsNone(server.process.poll(), "it did not wait for the request")
                    begin = time.monotonic()
                    self.assertEqual(server.stop(second), 130)
                    self.assertLess(time.monotonic() - begin, 10)


class Deadlines(unittest.TestCase):
    def test_a_deadline_holds_while_pictures_wait_for_the_tower(self):
        def request(count, **more):
            parts = [{"type": "image_url", "image_url": {"url": pictures.data_uri(pictures.screen(80 + i))}} for i in range(count)]
            return {"model": "agent", "messages": [{"role": "user", "content": parts}], "max_tokens": 1, **more}

        with tempfile.TemporaryDirectory() as folder, Server(make_tiny_agent(pathlib.Path(folder) / "agent"), "--name", "agent") as server:
            connection, response = server.open_stream("/v1/chat/completions", request(4, stream=True))
            self.addCleanup(connection.close)
            self.assertEqual(response.status, 200)
            begin = time.monotonic()
            answer = server.post("/v1/chat/completions", request(1, deadline_ms=400))
            seconds = time.monotonic() - begin
            self.assertEqual((answer.status, answer.error["code"]), (408, "deadline_exceeded"))
            self.assertLess(server.metrics()["oag_pictures_computed_total"], 4, "the tower was too fast for this test")
            self.assertLess(seconds, 1.5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
