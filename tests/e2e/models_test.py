#!/usr/bin/env python3
"""Files and folders that are a model, or none."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import unittest

from cli import BINARY, DATA, LIMIT_S, TINY, CliTest, environment, oag, started, with_template
from made_models import GLM4V


class WrongModels(CliTest):
    def test_a_pipe_is_no_model_and_is_not_waited_for(self):
        path = self.folder / "pipe"
        os.mkfifo(path)
        self.assert_refused(oag("run", path, "-p", "hi"), 1, str(path), "not a regular file")

    def test_what_a_file_is_instead_of_gguf_is_named(self):
        path = self.folder / "other.gguf"
        header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        for content, name in ((b"PK\x03\x04" + bytes(100), "zip"), (struct.pack("<Q", len(header)) + header + bytes(4), "safetensors"),
                              (b"<!DOCTYPE html><html>log in</html>", "HTML"), (b"hello, world\n", "a text"),
                              (b"\x08\x07\x12\x07pytorch\x1a\x031.1:\x10" + bytes(16), "ONNX")):
            path.write_bytes(content)
            self.assert_refused(oag("run", path, "-p", "x"), 1, str(path), "no GGUF file but", name)

    def test_a_file_cut_short_says_to_fetch_it_again(self):
        path = self.folder / "short.gguf"
        for size in (5_000, 200_000):
            path.write_bytes(pathlib.Path(TINY).read_bytes()[:size])
            self.assert_refused(oag("run", path, "-p", "x"), 1, str(path), "fetch it again")

    def test_a_hugging_face_folder_is_recognised(self):
        folder = self.folder / "hugging_face"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        self.assert_refused(oag("run", folder, "-p", "x"), 1, str(folder), "config.json", "model_type")
        (folder / "config.json").write_text('{"model_type": "mamba"}')
        self.assert_refused(oag("run", folder, "-p", "x"), 1, str(folder), "mamba", "llama")

    def test_a_hugging_face_folder_runs_like_a_gguf(self):
        model = self.folder / "runs"
        shutil.copytree(GLM4V, model, ignore=shutil.ignore_patterns("*.gguf", "ref"))
        for args in (["run", model, "--raw", "-p", "x", "-n", 1], ["tokenize", model, "hello"], ["inspect", model, "--json"],
                     ["bench", model, "--prefill", 8, "--decode", 2, "--repeats", 1]):
            result = oag(*args)
            self.assertEqual(result.returncode, 0, result.stderr)
        (model / "model.safetensors").unlink()
        self.assert_refused(oag("run", model, "-p", "x"), 1, str(model), "no weights", "model.safetensors")

    def test_embed_gives_a_vector_for_each_text_or_line(self):
        model = DATA / "bert"
        for result in (oag("embed", model, "--json", "-p", "the phone", "-p", ""), oag("embed", model, "--json", stdin=b"the phone\n\n")):
            self.assertEqual(result.returncode, 0, result.stderr)
            lines = [json.loads(line) for line in result.stdout.splitlines()]
            self.assertEqual([line["index"] for line in lines], [0, 1])
            self.assertEqual([line["tokens"] for line in lines], [4, 2])
            for line in lines:
                self.assertAlmostEqual(sum(x * x for x in line["embedding"]), 1, places=5)
        cut = oag("embed", model, "--max-tokens", 3, stdin=b"the phone shows")
        self.assertIn(b"yes", cut.stdout)
        self.assert_refused(oag("embed", TINY, "-p", "x"), 1, TINY, "Hugging Face folder")
        self.assert_refused(oag("run", model, "-p", "x"), 1, "oag embed")

    def test_an_address_is_sent_to_pull(self):
        line = self.assert_refused(oag("run", "https://example.com/a.gguf?token=hunter2", "-p", "x"), 1, "https://example.com/a.gguf", "oag pull")
        self.assertNotIn("hunter2", line)
        self.assert_refused(oag("pull", "ftp://example.com/a.gguf"), 1, "ftp://example.com/a.gguf", "neither http nor https")

    def test_a_path_that_cannot_be_looked_at_is_named(self):
        for path in ("/" + "a" * 300 + "/b.gguf", TINY + "/below.gguf"):
            line = self.assert_refused(oag("run", path, "-p", "x"), 1, path)
            self.assertNotIn("filesystem", line)

    def test_weights_that_are_no_numbers_give_no_perplexity(self):
        path, text = self.folder / "nan.gguf", self.folder / "text.txt"
        path.write_bytes(pathlib.Path(TINY).read_bytes()[:-64] + b"\xff" * 64)
        text.write_text("some words to be predicted " * 40)
        line = self.assert_refused(oag("perplexity", path, text, "--ctx", 32), 1, str(path))
        failed = oag("perplexity", path, text, "--ctx", 32, "--json")
        self.assertEqual((failed.returncode, "oag: " + json.loads(failed.stdout)["error"]), (1, line))

    def test_a_file_that_cannot_be_run_can_be_looked_at(self):
        whole = pathlib.Path(TINY).read_bytes()
        value = b"general.architecture" + struct.pack("<IQ", 8, 5) + b"llama"
        self.assertIn(value, whole)
        path = self.folder / "other_architecture.gguf"
        path.write_bytes(whole.replace(value, value[:-5] + b"mamba"))
        self.assert_refused(oag("run", path, "-p", "x"), 1, str(path), "mamba")
        self.assert_refused(oag("inspect", path, "--graph"), 1, str(path), "mamba")
        text = oag("inspect", path)
        self.assertEqual(text.returncode, 0, text.stderr)
        for wanted in (b'architecture "mamba" is not supported', b"general.architecture", b"token_embd.weight"):
            self.assertIn(wanted, text.stdout)
        document = json.loads(oag("inspect", path, "--json").stdout)
        like = json.loads(oag("inspect", TINY, "--json").stdout)
        self.assertEqual((document["supported"], document["architecture"]), (False, "mamba"))
        self.assertEqual((document["tensors"], document["precision"]), (like["tensors"], like["precision"]))
        cache = self.folder / "mamba_cache"
        pulled = subprocess.run([BINARY, "pull", path], capture_output=True, timeout=LIMIT_S, env=environment(OAG_MODELS=str(cache)))
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        self.assertIn(b"cannot run it", pulled.stderr)

    def test_a_template_that_is_broken_is_named_with_how_to_go_without(self):
        path = self.folder / "template.gguf"
        path.write_bytes(with_template(b"{% if %}"))
        self.assert_refused(oag("run", path, "-p", "x", "-n", 1), 1, str(path), "chat template", "--raw")
        path.write_bytes(with_template(b"{{ raise_exception('no such role') }}"))
        self.assert_refused(oag("run", path, "-p", "x", "-n", 1), 1, str(path), "no such role", "--raw")
        self.assertEqual(oag("run", path, "-p", "x", "-n", 1, "--raw").returncode, 0)

    def test_a_missing_file_is_named_with_what_to_do(self):
        self.assert_refused(oag("run", "/no/such/model.gguf", "-p", "x"), 1, "/no/such/model.gguf")

    def test_an_unknown_name_is_named_with_those_there_are(self):
        self.assert_refused(oag("run", "no-such-model", "-p", "x"), 1, "no-such-model", "oag models")

    def test_a_file_that_is_no_gguf_is_refused(self):
        path = self.folder / "text.gguf"
        path.write_bytes(b"This is no model at all, only some text.\n" * 10)
        self.assert_refused(oag("run", path, "-p", "x"), 1, str(path), "GGUF")

    def test_an_empty_file_is_refused(self):
        path = self.folder / "empty.gguf"
        path.touch()
        self.assert_refused(oag("run", path, "-p", "x"), 1, str(path))

    def test_a_truncated_file_is_refused_wherever_it_ends(self):
        whole = pathlib.Path(TINY).read_bytes()
        path = self.folder / "truncated.gguf"
        for size in (3, 20, 100, 5_000, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            self.assert_refused(oag("run", path, "-p", "x"), 1, str(path))

    def test_a_folder_must_hold_one_model(self):
        folder = self.folder / "models"
        folder.mkdir()
        self.assert_refused(oag("run", folder, "-p", "x"), 1, str(folder), "0 GGUF")
        for name in ("a.gguf", "b.gguf"):
            shutil.copy(TINY, folder / name)
        self.assert_refused(oag("run", folder, "-p", "x"), 1, str(folder), "2 GGUF")
        (folder / "b.gguf").unlink()
        self.assertEqual(oag("run", folder, "--raw", "-p", "x", "-n", 1).returncode, 0)

    def test_a_vision_tower_in_a_folder_is_no_second_model(self):
        folder = self.folder / "with_tower"
        folder.mkdir()
        model, tower = GLM4V / "glm4v.bf16.gguf", GLM4V / "mmproj-glm4v.bf16.gguf"
        shutil.copy(tower, folder)
        self.assert_refused(oag("run", folder, "-p", "x"), 1, str(folder), "vision tower (mmproj) alone")
        shutil.copy(model, folder)
        picture = ["--image", GLM4V / "ref/img_a.image0.png", "-p", "x", "-n", 0, "--json"]
        ran = [json.loads(oag("run", each, *picture, "--seed", 1).stdout)["prompt_ids"] for each in (folder, model)]
        self.assertEqual(ran[0], ran[1])
        self.assertTrue(ran[0])

    def test_a_vision_tower_is_no_model(self):
        tower = GLM4V / "mmproj-glm4v.bf16.gguf"
        self.assert_refused(oag("run", tower, "-p", "x"), 1, str(tower), "vision tower", "--mmproj")
        result = oag("doctor", tower)
        self.assertEqual(result.returncode, 3)
        self.assertIn(b"is the vision tower of a model (mmproj)", result.stdout)

    def test_a_folder_that_lacks_a_part_is_told_which(self):
        folder = self.folder / "lacks"
        shutil.copytree(GLM4V, folder, ignore=shutil.ignore_patterns("*.gguf", "ref"))
        (folder / "preprocessor_config.json").unlink()
        picture = GLM4V / "ref/img_a.image0.png"
        self.assert_refused(oag("run", folder, "-p", "x", "--image", picture), 1, "preprocessor_config.json: is missing", "fetch it")
        (folder / "config.json").unlink()
        self.assert_refused(oag("run", folder, "-p", "x"), 1, str(folder), "config.json is missing")
        (folder / "oag-convert.state").touch()  # as a conversion leaves it that was stopped
        self.assert_refused(oag("run", folder, "-p", "x"), 1, str(folder), "a conversion that was stopped; repeat")

    def test_an_end_token_that_is_no_token_is_passed_over_with_a_word(self):
        folder = self.folder / "ends"
        shutil.copytree(GLM4V, folder, ignore=shutil.ignore_patterns("*.gguf", "ref"))
        path = folder / "generation_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token_id": [99999]}))
        result = oag("run", folder, "-p", "x", "-n", 1)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"generation_config.json: eos_token_id 99999 is no token", result.stderr)

    def test_an_image_token_that_the_tokenizer_has_elsewhere_is_refused(self):
        folder = self.folder / "image_token"
        shutil.copytree(GLM4V, folder, ignore=shutil.ignore_patterns("*.gguf", "ref"))
        path = folder / "config.json"
        for wrong in (99999, 3):
            path.write_text(json.dumps({**json.loads(path.read_text()), "image_token_id": wrong}))
            self.assert_refused(oag("run", folder, "-p", "x"), 1, f"{path}: image_token_id is {wrong}, but <|image|> is token 506")

    def test_a_folder_to_write_into_that_is_not_there_is_named(self):
        target = self.folder / "nodir" / "out.gguf"
        self.assert_refused(oag("convert", TINY, target), 1, str(target), f"the folder {target.parent} does not exist")

    def test_a_file_that_may_not_be_read_is_refused(self):
        if os.geteuid() == 0:
            self.skipTest("root may read everything")
        path = self.folder / "secret.gguf"
        shutil.copy(TINY, path)
        path.chmod(0)
        self.assert_refused(oag("run", path, "-p", "x"), 1, str(path))

    def test_a_file_cut_short_while_in_use_ends_the_answer_with_an_error(self):
        path = self.folder / "cut.gguf"
        shutil.copy(TINY, path)
        process = started("run", path, "--raw", "-p", "the", "--ignore-eos", "-n", 1000)
        self.assertTrue(process.stdout.read(1), "nothing was generated")
        os.truncate(path, 4096)
        _, err = process.communicate(timeout=LIMIT_S)
        text = err.decode()
        self.assertEqual(process.returncode, 1, text)
        self.assertIn(str(path), text)
        self.assertEqual(len(text.splitlines()), 1, text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
