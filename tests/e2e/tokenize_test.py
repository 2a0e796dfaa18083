#!/usr/bin/env python3
"""oag tokenize, of texts and of chats."""

import base64
import json
import shutil
import struct
import unittest
import zlib

from cli import DATA, TINY, CliTest, accepted_by_schema, oag, run_json
from made_models import GLM4V, MADE


class Tokenize(CliTest):
    def test_a_sentencepiece_llama_without_a_template_gets_that_of_llama_2(self):
        model = MADE / "sentencepiece.gguf"
        result = oag("run", model, "-p", "hello", "-n", 0, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b'"llama-2"', result.stderr)
        rendered = oag("tokenize", model, "--ids", stdin=b"<s>[INST] hello [/INST]")
        self.assertEqual(json.loads(result.stdout)["prompt_ids"], [int(i) for i in rendered.stdout.split()])

    def test_a_sentencepiece_models_ids_are_those_of_its_library(self):
        fixture = json.loads((DATA / "tokenizer/spm.json").read_text(encoding="utf-8"))
        # add_special is off in the oracle: the model's own bos token is taken off again.
        bos = fixture["vocabulary"]["bos"]
        cases = [c for c in fixture["suites"][0]["cases"] if "text" in c and c["text"].strip() and "\0" not in c["text"]][:12]
        for case in cases:
            result = oag("tokenize", MADE / "sentencepiece.gguf", "--ids", stdin=case["text"].encode())
            self.assertEqual(result.returncode, 0, result.stderr)
            lines = result.stdout.decode().splitlines()
            self.assertEqual(len(lines), 1)
            ids = [int(i) for i in lines[0].split()]
            self.assertEqual(ids[1:] if ids[:1] == [bos] else ids, case["ids"], case["text"])


class TokenizeChat(CliTest):
    MESSAGES = [{"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                                             {"type": "text", "text": "what is <|user|>?"}]},
                {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and now?"}]
    PICTURE = "<|begin_of_image|><|image|><|end_of_image|>"

    def chat(self, *arguments, messages=None, model=GLM4V):
        return oag("tokenize", model, "--chat", "-", *arguments, stdin=json.dumps(messages or self.MESSAGES).encode())

    def document(self, *arguments, **more):
        result = self.chat(*arguments, "--json", **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        accepted_by_schema(self, result.stdout)
        return json.loads(result.stdout)

    def test_both_layouts_are_those_of_transformers_and_vllm(self):
        for form, between in (("list", ""), ("string", "\n")):
            chat = self.document("--content-format", form)["chat"]
            self.assertEqual(chat["prompt"], "[gMASK]<sop><|system|>\nBe brief.<|user|>\n" + self.PICTURE + between +
                             "what is <|user|>?<|assistant|>\nhi<|user|>\nand now?<|assistant|>\n")
            self.assertEqual(chat["content_format"], form)
        bare = self.document("--no-generation-prompt")["chat"]
        self.assertTrue(bare["prompt"].endswith("and now?"))

    def test_a_model_named_autoglm_has_the_layout_of_its_service_unless_told_otherwise(self):
        named = self.folder / "AutoGLM-Phone-9B"
        shutil.copytree(GLM4V, named, ignore=shutil.ignore_patterns("ref"))
        cached = self.folder / "models--zai-org--AutoGLM-Phone-9B" / "snapshots" / "0123abcd"
        cached.parent.mkdir(parents=True)
        named.rename(cached)
        gguf = self.folder / "autoglm.q8_0.gguf"
        shutil.copy(GLM4V / "glm4v.bf16.gguf", gguf)
        for model in (cached, gguf):
            self.assertEqual(self.document(model=model)["chat"]["content_format"], "string")
            self.assertEqual(self.document("--content-format", "auto", model=model)["chat"]["content_format"], "string")
            self.assertEqual(self.document("--content-format", "list", model=model)["chat"]["content_format"], "list")
        self.assertEqual(self.document()["chat"]["content_format"], "list")

    def test_a_picture_is_expanded_and_its_positions_are_those_of_transformers(self):
        # 100x150 becomes 112x140 pixels: 5 rows of 4 tokens.
        for model in (GLM4V, GLM4V / "glm4v.bf16.gguf"):
            document = self.document("--image", GLM4V / "ref/img_a.image0.png", "--max-pixels", 50176, model=model)
            ids, chat = document["ids"], document["chat"]
            first = ids.index(506)
            self.assertEqual([i for i, token in enumerate(ids) if token == 506], list(range(first, first + 20)))
            self.assertEqual((chat["image_tokens"], chat["pictures_expanded"]), (20, True))
            time_, height, width = chat["positions"]
            self.assertEqual(time_[first:first + 21], [first] * 20 + [first + 5])
            self.assertEqual(height[first:first + 20], [first + row for row in range(5) for _ in range(4)])
            self.assertEqual(width[first:first + 20], [first + column for _ in range(5) for column in range(4)])
            self.assertEqual(chat["next_position"], time_[-1] + 1)
            self.assertIn(first, chat["special"])
            self.assertEqual([run["kind"] for run in chat["runs"]], ["text", "image", "text"])

    def test_a_data_uri_brings_its_own_size(self):
        uri = "data:image/png;base64," + base64.b64encode((GLM4V / "ref/img_b.image0.png").read_bytes()).decode()
        messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}}]}]
        self.assertEqual(self.document(messages=messages)["chat"]["image_tokens"], 168 // 28 * (84 // 28))

    def test_a_picture_of_unknown_size_stays_one_token(self):
        document = self.document()
        self.assertEqual((document["ids"].count(506), document["chat"]["pictures_expanded"]), (1, False))
        self.assertIn(b"--image", self.chat().stdout)

    def test_the_ids_are_those_that_run_reads(self):
        picture = GLM4V / "ref/img_b.image0.png"
        ran = run_json(GLM4V, "--system", "Be brief.", "--image", picture, "-p", "hi <|user|>", "-n", 0, "--content-format", "string")
        messages = [self.MESSAGES[0], {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "hi <|user|>"}]}]
        shown = self.chat("--ids", "--image", picture, "--content-format", "string", messages=messages)
        self.assertEqual([int(i) for i in shown.stdout.split()], ran["prompt_ids"])

    def test_a_model_of_texts_refuses_pictures_as_run_does(self):
        picture = GLM4V / "ref/img_a.image0.png"
        ran = self.assert_refused(oag("run", TINY, "--image", picture, "-p", "x"), 1, TINY, "takes no pictures")
        self.assertEqual(self.assert_refused(self.chat(model=TINY), 1), ran)
        self.assertEqual(self.assert_refused(self.chat("--image", picture, model=TINY), 1), ran)
        tower = ["--mmproj", GLM4V / "mmproj-glm4v.bf16.gguf"]
        self.assertEqual(self.assert_refused(oag("run", TINY, *tower, "-p", "x"), 1), ran)
        self.assertEqual(self.assert_refused(self.chat(*tower, model=TINY, messages=[{"role": "user", "content": "x"}]), 1), ran)

    def test_a_content_that_is_null_is_an_empty_text(self):
        for model in (TINY, MADE / "sentencepiece.gguf", GLM4V):
            messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": None}, {"role": "user", "content": "b"}]
            null = self.chat("--ids", messages=messages, model=model)
            self.assertEqual(null.returncode, 0, null.stderr)
            messages[1]["content"] = ""
            self.assertEqual(null.stdout, self.chat("--ids", messages=messages, model=model).stdout)

    def test_a_picture_is_a_file_or_a_data_uri_and_no_address(self):
        for command in (["run", GLM4V, "-p", "x"], ["tokenize", GLM4V, "--chat", "-"]):
            stdin = json.dumps(self.MESSAGES).encode()
            for address in ("http://example.com/a.png", "https://example.com/a.png"):
                self.assert_refused(oag(*command, "--image", address, stdin=stdin), 1, address, "not fetched; download it")
            self.assert_refused(oag(*command, "--image", "", stdin=stdin), 2, "--image: is empty")
        uri = "data:image/png;base64," + base64.b64encode((GLM4V / "ref/img_a.image0.png").read_bytes()).decode()
        self.assertEqual(self.document("--image", uri)["chat"]["image_tokens"],
                         self.document("--image", GLM4V / "ref/img_a.image0.png")["chat"]["image_tokens"])

    def test_a_picture_whose_header_claims_too_much_is_too_large(self):
        chunk = b"IHDR" + struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
        path = self.folder / "max.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)))
        self.assert_refused(oag("run", GLM4V, "--image", path, "-p", "x"), 1, str(path), "is too large, a side may have at most 32768")

    def test_the_least_pixel_budget_is_told_with_its_reason(self):
        picture = GLM4V / "ref/img_a.image0.png"
        self.assert_refused(oag("run", GLM4V, "--raw", "--image", picture, "-p", "<|image|>", "--max-pixels", 1), 1,
                            "max_pixels: is 1", "the least is this model's")
        self.assert_refused(oag("run", GLM4V, "-p", "x", "--max-pixels", 2**32 + 1), 2, "from 1 to 4294967296")
        self.assert_refused(oag("run", GLM4V, "-p", "x", "--content-format", "foo"), 2, "auto", "list", "string")

    def test_what_is_wrong_with_the_messages_is_named(self):
        picture = GLM4V / "ref/img_a.image0.png"
        self.assert_refused(self.chat("--image", picture, "--image", picture), 1, "messages: has 1 place for a picture (<|image|>), but 2 pictures are given (--image)")
        self.assert_refused(oag("run", GLM4V, "--raw", "--image", picture, "-p", "x"), 1,
                            "prompt: has 0 places for a picture (<|image|>), but 1 picture is given (--image)")
        self.assert_refused(self.chat(messages={"model": "x"}), 1, "messages")
        self.assert_refused(self.chat(messages=[{"role": "user", "content": [{"type": "video"}]}]), 1, "messages[0].content[0]", "video")
        self.assert_refused(oag("tokenize", GLM4V, "--image", picture), 2, "--chat")
        self.assert_refused(oag("tokenize", GLM4V, "--chat", "-", stdin=b"{"), 1, "standard input")


if __name__ == "__main__":
    unittest.main(verbosity=2)
