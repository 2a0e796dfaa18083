"""What the tests of the command line share: how oag is started and what a refusal looks like.

OAG_BINARY is the program, OAG_MAKE_TEST_MODELS the one that writes models which stand nowhere as files. Tests of real answers
want OAG_TEST_MODEL, the path of SmolLM2, and are skipped without it.
"""

import json
import os
import pathlib
import pty
import struct
import subprocess
import sys
import tempfile
import unittest

BINARY = os.environ.get("OAG_BINARY", "oag")
SMOLLM2 = os.environ.get("OAG_TEST_MODEL")
DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
TINY = str(DATA / "models/llama/llama.bf16.gguf")
SCHEMAS = DATA.parent.parent / "tools/check_schemas.py"
LIMIT_S = 120


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OAG_", "HF_")) or k == "OAG_CPU_ISA"}
    env.update(NO_COLOR="1", LC_ALL="C.UTF-8", **more)
    return env


def oag(*arguments, stdin=b"", **options):
    """Runs oag to its end with standard input from `stdin`; stdout and stderr are bytes."""
    return subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True, timeout=LIMIT_S,
                          env=environment(), **options)


def started(*arguments, **options):
    """Starts oag with unbuffered pipes."""
    return subprocess.Popen([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, bufsize=0, env=environment(), **options)


def on_terminal(*arguments):
    """Runs oag with a terminal as standard output, and returns exit code and what was shown on it."""
    terminal, slave = pty.openpty()
    process = subprocess.Popen([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.DEVNULL,
                               env=environment())
    os.close(slave)
    shown = b""
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return process.wait(timeout=LIMIT_S), shown.replace(b"\r\n", b"\n")


def with_template(template):
    """The bytes of the tiny model with a chat template: one more key, padded so that the data stay aligned."""
    whole = pathlib.Path(TINY).read_bytes()
    key = b"tokenizer.chat_template"
    head = struct.pack("<Q", len(key)) + key + struct.pack("<I", 8)
    template += b"{#" + b" " * (-(len(head) + 12 + len(template)) % 32) + b"#}"
    keys, = struct.unpack_from("<Q", whole, 16)
    return whole[:16] + struct.pack("<Q", keys + 1) + head + struct.pack("<Q", len(template)) + template + whole[24:]


def run_json(*arguments, **options):
    result = oag("run", *arguments, "--json", **options)
    if result.returncode != 0:
        raise AssertionError(f"exit code {result.returncode}: {result.stderr.decode()}")
    return json.loads(result.stdout)


class CliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="oag_cli_test.")
        cls.folder = pathlib.Path(cls.temporary.name)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def assert_refused(self, result, code, *needles):
        """Nothing on stdout and one line on stderr that holds every needle."""
        text = result.stderr.decode()
        self.assertEqual(result.returncode, code, text)
        self.assertEqual(result.stdout, b"")
        lines = text.splitlines()
        self.assertEqual(len(lines), 1, text)
        self.assertTrue(lines[0].startswith("oag: "), text)
        for needle in needles:
            self.assertIn(needle, lines[0])
        return lines[0]


def accepted_by_schema(test, document):
    """Skips the check where the schema checker's own needs are missing."""
    checked = subprocess.run([sys.executable, SCHEMAS, "-"], input=document, capture_output=True, timeout=LIMIT_S)
    if b"No module named" not in checked.stderr:
        test.assertEqual(checked.returncode, 0, checked.stderr.decode())
