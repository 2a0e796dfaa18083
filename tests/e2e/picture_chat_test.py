#!/usr/bin/env python3
"""Pictures in a chat on a terminal."""

import os
import shutil
import unittest

from chat_terminal import ChatOnTerminal
from cli import CliTest
from made_models import GLM4V


class PictureChat(CliTest):
    def test_a_chat_shows_a_picture_with_the_next_message(self):
        with ChatOnTerminal(self, GLM4V, "-n", "8", "--max-pixels", "50176") as chat:
            chat.read_until(b">>> ")
            for line, answer in ((b"/help", b"/image FILE"), (b"/image", b"which picture?"),
                                 (b"/image /no/such.png", b"oag: /no/such.png: "),
                                 (b"/imge a.png", b"unknown command /imge"),
                                 (b"/image " + os.fsencode(GLM4V / "config.json"), b"oag: "),
                                 (b"/image " + os.fsencode(GLM4V / "ref/img_b.image0.png"), b"(a picture of 168x84"),
                                 (b"What is on the screen?", b"(the answer reached its limit"),
                                 (b"/stats", b"pictures 18 tokens, "), (b"And now?", b"(the answer reached its limit"),
                                 (b"/stats", b"pictures 18 tokens, 0 ms"), (b"/reset", b"forgotten"),
                                 (b"Hello", b"(the answer reached its limit"), (b"/stats", b"prompt ")):
                chat.write(line + b"\n")
                chat.read_until(answer)
                chat.read_until(b">>> ")
            chat.write(b"/exit\n")
            self.assertEqual(chat.exit_code(), 0)

    def test_a_chat_without_a_tower_says_why_it_takes_no_picture(self):
        alone = self.folder / "alone.gguf"
        shutil.copy(GLM4V / "glm4v.bf16.gguf", alone)
        with ChatOnTerminal(self, alone, "-n", "1") as chat:
            chat.read_until(b">>> ")
            chat.write(b"/image " + os.fsencode(GLM4V / "ref/img_b.image0.png") + b"\n")
            chat.read_until(b"mmproj")
            chat.read_until(b">>> ")


if __name__ == "__main__":
    unittest.main()
