#!/usr/bin/env python3
"""oag serve at its edges: how it ends, and what it refuses to take. The models are tiny.

OAG_BINARY is the program.
"""

import signal
import socket
import time
import unittest

from cli import TINY, CliTest
from server import Server


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


if __name__ == "__main__":
    unittest.main(verbosity=2)
