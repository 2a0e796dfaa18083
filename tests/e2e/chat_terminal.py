"""A chat on a terminal."""

import os
import pty
import select
import signal
import time

from cli import BINARY, SMOLLM2, environment


class ChatOnTerminal:
    """A chat on a terminal of its own, with the default model unless `arguments` say otherwise; killed in the end if it has not
    ended."""

    def __init__(self, case, *arguments):
        self.case, self.shown = case, b""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            command = [BINARY, "run", *(arguments or [SMOLLM2]), "--greedy", "--ignore-eos"]
            os.execve(BINARY, [os.fspath(word) for word in command], environment(TERM="dumb"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)

    def write(self, text):
        os.write(self.terminal, text)

    def read_some(self):
        """Waits a moment for output; False when the other end is closed."""
        try:
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.shown += os.read(self.terminal, 4096)
        except OSError:
            return False
        return True

    def read_until(self, wanted):
        end = time.monotonic() + 30
        while wanted not in self.shown and time.monotonic() < end and self.read_some():
            pass
        self.case.assertIn(wanted, self.shown)
        self.shown = self.shown[self.shown.index(wanted) + len(wanted):]

    def begin_long_answer(self):
        self.read_until(b">>> ")
        self.write(b"Tell me a long story about a dragon.\n")
        self.read_until(b"dragon.")
        self.read_until(b"the")

    def exit_code(self):
        """Of the program, which must end soon; None when it does not."""
        end = time.monotonic() + 20
        while (ended := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                return None
            if not self.read_some():
                time.sleep(0.05)
        self.pid = 0
        return os.waitstatus_to_exitcode(ended[1])
