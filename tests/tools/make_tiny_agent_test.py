"""tools/make_tiny_agent.py: the folder that it writes fits together, and is the same each time."""

import importlib.util
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent.parent / "tools/make_tiny_agent.py"


@unittest.skipUnless(importlib.util.find_spec("numpy"), "numpy is not here: tools/setup dev installs it")
class MakeTinyAgentTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.made = [pathlib.Path(cls.folder.name) / name for name in ("one", "two")]
        for folder in cls.made:
            subprocess.run([sys.executable, SCRIPT, folder], check=True)
        cls.config = json.loads((cls.made[0] / "config.json").read_text(encoding="utf-8"))
        cls.tokenizer = json.loads((cls.made[0] / "tokenizer.json").read_text(encoding="utf-8"))
        cls.ids = {**cls.tokenizer["model"]["vocab"], **{one["content"]: one["id"] for one in cls.tokenizer["added_tokens"]}}

    def test_two_runs_write_the_same_bytes(self):
        names = sorted(path.name for path in self.made[0].iterdir())
        self.assertEqual(names, sorted(path.name for path in self.made[1].iterdir()))
        for name in names:
            self.assertEqual((self.made[0] / name).read_bytes(), (self.made[1] / name).read_bytes(), name)

    def test_it_is_small(self):
        self.assertLess(sum(path.stat().st_size for path in self.made[0].iterdir()), 1 << 20)

    def test_ids_are_one_row_each(self):
        self.assertEqual(sorted(self.ids.values()), list(range(self.config["text_config"]["vocab_size"])))

    def test_an_answers_end_is_among_the_ends(self):
        generation = json.loads((self.made[0] / "generation_config.json").read_text(encoding="utf-8"))
        self.assertIn(self.ids["</answer>"], generation["eos_token_id"])
        self.assertEqual(generation["eos_token_id"], self.config["text_config"]["eos_token_id"])
        self.assertEqual(self.config["image_token_id"], self.ids["<|image|>"])

    def test_merges_build_words_of_the_vocabulary(self):
        model = self.tokenizer["model"]
        self.assertGreater(len(model["merges"]), 200)
        for left, right in model["merges"]:
            self.assertTrue({left, right, left + right} <= set(model["vocab"]), (left, right))

    def test_the_weights_have_the_configs_shapes(self):
        data = (self.made[0] / "model.safetensors").read_bytes()
        size, = struct.unpack_from("<Q", data)
        header = json.loads(data[8:8 + size])
        at = 0
        for name, entry in sorted(header.items(), key=lambda one: one[1]["data_offsets"]):
            values = 1
            for side in entry["shape"]:
                values *= side
            self.assertEqual(entry["data_offsets"], [at, at + 2 * values], name)
            at += 2 * values
        self.assertEqual(8 + size + at, len(data))
        text = self.config["text_config"]
        self.assertEqual(header["lm_head.weight"]["shape"], [text["vocab_size"], text["hidden_size"]])
        layers = {match[1] for name in header if (match := re.search(r"language_model\.layers\.(\d+)", name))}
        self.assertEqual(len(layers), text["num_hidden_layers"])


if __name__ == "__main__":
    unittest.main()
