#!/usr/bin/env python3
"""oag doctor."""

import json
import pathlib
import shutil
import unittest

from cli import DATA, TINY, CliTest, accepted_by_schema, oag, with_template
from made_models import GLM4V, MADE


class Doctor(CliTest):
    def doctor(self, *arguments, code=0):
        result = oag("doctor", *arguments, "--json")
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        accepted_by_schema(self, result.stdout)
        document = json.loads(result.stdout)
        self.assertEqual(document["verdict"], "bad" if code else "ok")
        document["by_name"] = {finding["name"]: finding for finding in document["findings"]}
        return document

    def test_a_whole_model_is_ok_from_a_folder_and_from_gguf(self):
        documents = [self.doctor(GLM4V), self.doctor(GLM4V / "glm4v.bf16.gguf")]
        for document in documents:
            self.assertEqual((document["test_screen"]["tokens"], document["vision"]["there"]), (3354, True))
            self.assertEqual(document["memory"]["kv_bytes_per_token"], 2 * 2 * 2 * 32 * 2)
            self.assertEqual(document["content_format"], "list")
            self.assertEqual({f["verdict"] for f in document["findings"]} - {"ok", "note", "warning"}, set())
            for name in ("computing", "picture", "test screen", "memory"):
                self.assertEqual(document["by_name"][name]["verdict"], "ok", name)
        self.assertEqual(documents[0]["fingerprint"], documents[1]["fingerprint"])
        text = oag("doctor", GLM4V, "--quick")
        self.assertEqual((text.returncode, text.stdout.splitlines()[-1]), (0, b"OK"))

    def test_a_text_model_needs_no_tower(self):
        document = self.doctor(TINY, "--quick")
        self.assertEqual(document["vision"], {"needed": False, "there": False})
        self.assertEqual(document["by_name"]["computing"]["verdict"], "skipped")

    def test_a_missing_tower_is_bad_and_says_what_to_do(self):
        alone = self.folder / "alone"
        alone.mkdir()
        shutil.copy(GLM4V / "glm4v.bf16.gguf", alone)
        document = self.doctor(alone / "glm4v.bf16.gguf", "--quick", code=3)
        self.assertEqual(document["by_name"]["vision tower"]["verdict"], "bad")
        self.assertIn("mmproj", document["by_name"]["vision tower"]["text"])
        named = self.doctor(alone / "glm4v.bf16.gguf", "--quick", "--mmproj", GLM4V / "mmproj-glm4v.bf16.gguf")
        self.assertTrue(named["vision"]["there"])

    def test_broken_files_are_bad_in_one_line(self):
        whole = pathlib.Path(TINY).read_bytes()
        path = self.folder / "broken.gguf"
        for size in (0, 100, 5_000, len(whole) - 1):
            path.write_bytes(whole[:size])
            document = self.doctor(path, code=3)
            bad = [f for f in document["findings"] if f["verdict"] == "bad"]
            self.assertEqual(len(bad), 1, size)
            self.assertNotIn("\n", bad[0]["text"])
            text = oag("doctor", path)
            self.assertEqual((text.returncode, text.stdout.splitlines()[-1]), (3, b"BAD"))

    def test_weights_that_are_no_numbers_are_bad(self):
        path = self.folder / "nan.gguf"
        path.write_bytes(pathlib.Path(TINY).read_bytes()[:-64] + b"\xff" * 64)
        document = self.doctor(path, code=3)
        self.assertEqual(document["by_name"]["computing"]["verdict"], "bad")
        self.assertIn("no numbers", document["by_name"]["computing"]["text"])

    def test_a_template_that_loops_or_fails_is_bad(self):
        path = self.folder / "template.gguf"
        for template, said in ((b"{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", ""),
                               (b"{% if %}", ""), (b"nothing of the messages", "leaves out")):
            path.write_bytes(with_template(template))
            found = self.doctor(path, "--quick", code=3)["by_name"]["chat template"]
            self.assertEqual(found["verdict"], "bad", template)
            self.assertIn(said, found["text"])

    def test_a_model_that_does_not_fit_is_bad_with_what_would_fit(self):
        document = self.doctor(MADE / "long_context.gguf", "--quick", "--ctx", 1_000_000_000, code=3)
        self.assertEqual(document["by_name"]["memory"]["verdict"], "bad")
        self.assertGreater(document["memory"]["largest_context_f16"], 0)
        self.assertIn("--ctx", document["by_name"]["memory"]["advice"])

    def test_logits_are_compared_with_those_of_transformers(self):
        folder = DATA / "doctor"
        for model in (GLM4V, GLM4V / "glm4v.bf16.gguf"):
            document = self.doctor(model, "--references", folder / "glm4v.json")
            self.assertLess(document["reference"]["largest_difference"], 1e-3)
            self.assertEqual(document["by_name"]["references"]["verdict"], "ok")
        wrong = json.loads((folder / "glm4v.json").read_text())
        wrong["references"][0]["best"][0]["logit"] += 0.1
        path = self.folder / "wrong.json"
        path.write_text(json.dumps(wrong))
        self.assertEqual(self.doctor(GLM4V, "--references", path, code=3)["by_name"]["references"]["verdict"], "bad")
        path.write_text('{"references": [{}]}')
        self.doctor(GLM4V, "--references", path, code=3)

    def test_a_text_encoder_is_ok_and_sent_to_embed(self):
        document = self.doctor(DATA / "bert")
        self.assertEqual(document["by_name"]["architecture"]["verdict"], "ok")
        self.assertIn("oag embed", document["by_name"]["use"]["text"])
        broken = self.folder / "encoder"
        shutil.copytree(DATA / "bert", broken)
        (broken / "tokenizer.json").unlink()
        self.assertIn("tokenizer.json", self.doctor(broken, code=3)["by_name"]["model"]["text"])

    def test_a_missing_model_is_an_error_and_no_verdict(self):
        self.assert_refused(oag("doctor", "/no/such/model.gguf"), 1, "/no/such/model.gguf")


if __name__ == "__main__":
    unittest.main(verbosity=2)
