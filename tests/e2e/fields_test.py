#!/usr/bin/env python3
"""What fields of a request do to its answer, through `oag serve` with a tiny model. OAG_BINARY is the program; numpy makes the model."""

import json
import pathlib
import re
import tempfile
import unittest

from server import ROOT, Server, make_tiny_agent

MODEL, KEY, ADMIN_KEY = "tiny", "a key of this test", "an admin's key of this test"
HI = [{"role": "user", "content": "Hi"}]
WEATHER = {"name": "get_weather", "parameters": {"type": "object", "additionalProperties": False, "required": ["city"],
                                                 "properties": {"city": {"enum": ["Paris", "Rome"]}}}}
TOOLS = {"tools": [{"type": "function", "function": WEATHER}], "tool_choice": "required"}
FUNCTIONS = {"functions": [WEATHER], "function_call": {"name": "get_weather"}}
SCHEMA = {"type": "object", "additionalProperties": False, "required": ["a", "b"],
          "properties": {"a": {"enum": ["x y", "z: 1"]}, "b": {"type": "array", "items": {"enum": [1, 2]}, "minItems": 2, "maxItems": 3}}}


class FieldsTest(unittest.TestCase):
    server = None

    @classmethod
    def setUpClass(cls):
        if FieldsTest.server is not None:
            return
        folder = tempfile.TemporaryDirectory(prefix="oag-fields-")
        unittest.addModuleCleanup(folder.cleanup)
        work = pathlib.Path(folder.name)
        (work / "admin").write_text(ADMIN_KEY + "\n", encoding="utf-8")
        model = make_tiny_agent(work / "model")
        FieldsTest.work = work
        FieldsTest.server = Server(model, ROOT / "tests/data/bert", "--name", MODEL, "--name", "bert", "--ctx", 2048,
                                   "--parallel", 2, "--no-repetition-check", "--admin-key-file", work / "admin", key=KEY)
        unittest.addModuleCleanup(FieldsTest.server.stop)

    def chat(self, status=200, **fields):
        answer = self.server.post("/v1/chat/completions", {"model": MODEL, "messages": HI, "temperature": 0, **fields})
        self.assertEqual(answer.status, status, answer.body)
        return answer

    def choice(self, **fields):
        return self.chat(**fields).json["choices"][0]

    def stream(self, **fields):
        """What the pieces of a streamed choice join to, and its last piece."""
        body = {"model": MODEL, "messages": HI, "temperature": 0, "stream": True, **fields}
        choices = [c["choices"][0] for c in self.server.stream("/v1/chat/completions", body)]
        return [c["delta"] for c in choices], choices[-1]

    def complete(self, status=200, **fields):
        answer = self.server.post("/v1/completions", {"model": MODEL, "temperature": 0, **fields})
        self.assertEqual(answer.status, status, answer.body)
        return answer

    def token(self, text):
        ids = self.server.post("/tokenize", {"model": MODEL, "prompt": text, "add_special_tokens": False}).json["tokens"]
        self.assertEqual(len(ids), 1, f"{text} is no single token")
        return ids[0]


class Ends(FieldsTest):
    def test_an_end_token_that_is_ignored_is_no_text(self):
        fields = {"logit_bias": {str(self.token("</answer>")): 100}, "ignore_eos": True, "max_tokens": 5}
        answer = self.chat(**fields).json
        self.assertEqual(answer["choices"][0]["message"]["content"], "")
        self.assertEqual((answer["usage"]["completion_tokens"], answer["choices"][0]["finish_reason"]), (5, "length"))
        deltas, last = self.stream(**fields)
        self.assertEqual("".join(d.get("content") or "" for d in deltas), "")
        self.assertEqual(last["finish_reason"], "length")

    def test_an_answer_that_ends_at_once_is_an_empty_one(self):
        choice = self.choice(logit_bias={str(self.token("</answer>")): 100}, max_tokens=5)
        self.assertEqual((choice["message"]["content"], choice["finish_reason"], choice["stop_reason"]), ("", "stop", None))

    def test_an_answer_of_no_tokens_is_refused_but_with_echo(self):
        for name in ("max_tokens", "max_completion_tokens"):
            self.assertEqual(self.chat(400, **{name: 0}).error["param"], name)
        self.assertEqual(self.complete(400, prompt="Hi there", max_tokens=0).error["param"], "max_tokens")
        answer = self.complete(prompt="Hi there", max_tokens=0, echo=True).json
        self.assertEqual((answer["choices"][0]["text"], answer["choices"][0]["finish_reason"]), ("Hi there", "length"))
        self.assertEqual(answer["usage"]["completion_tokens"], 0)

    def test_the_stop_that_ended_an_answer_is_named(self):
        whole = self.complete(prompt="The next step", max_tokens=12, ignore_eos=True, return_token_ids=True).json["choices"][0]
        self.assertIsNone(whole["stop_reason"])
        stop = whole["text"][3:6]
        choice = self.complete(prompt="The next step", max_tokens=12, ignore_eos=True, stop=["never", stop]).json["choices"][0]
        self.assertEqual((choice["stop_reason"], choice["finish_reason"]), (stop, "stop"))
        ended = whole["token_ids"][4]
        choice = self.complete(prompt="The next step", max_tokens=12, ignore_eos=True, stop_token_ids=[ended]).json["choices"][0]
        self.assertEqual((choice["stop_reason"], choice["finish_reason"]), (ended, "stop"))
        _, last = self.stream(stop_token_ids=[ended], logit_bias={str(ended): 100}, max_tokens=4)
        self.assertEqual((last["stop_reason"], last["finish_reason"]), (ended, "stop"))

    def test_a_deadline_is_named_with_its_number(self):
        answer = self.chat(408, deadline_ms=30, max_tokens=1900, ignore_eos=True)
        self.assertEqual(answer.error["message"], "the answer took longer than deadline_ms 30")


class Calls(FieldsTest):
    def test_one_that_is_cut_is_no_text(self):
        for fields in (TOOLS, FUNCTIONS):
            for most in (1, 4, 6):
                choice = self.choice(max_tokens=most, **fields)
                self.assertFalse(choice["message"]["content"], choice)
                self.assertEqual(choice["finish_reason"], "length")
                deltas, _ = self.stream(max_tokens=most, **fields)
                self.assertEqual("".join(d.get("content") or "" for d in deltas), "")

    def test_functions_are_answered_as_such(self):
        choice = self.choice(max_tokens=400, **FUNCTIONS)
        self.assertEqual(choice["finish_reason"], "function_call")
        self.assertEqual(choice["message"]["function_call"]["name"], "get_weather")
        self.assertIn(json.loads(choice["message"]["function_call"]["arguments"])["city"], ("Paris", "Rome"))
        self.assertNotIn("tool_calls", choice["message"])
        deltas, last = self.stream(max_tokens=400, **FUNCTIONS)
        calls = [d["function_call"] for d in deltas if "function_call" in d]
        self.assertEqual([c["name"] for c in calls if "name" in c], ["get_weather"])
        self.assertEqual("".join(c["arguments"] for c in calls), choice["message"]["function_call"]["arguments"])
        self.assertEqual(last["finish_reason"], "function_call")

    def test_their_results_go_back_as_those_of_tools_do(self):
        def tokens(call, result):
            messages = HI + [{"role": "assistant", "content": None, **call}, result]
            return self.server.post("/tokenize", {"model": MODEL, "messages": messages}).json["tokens"]

        function = {"name": "get_weather", "arguments": "{\"city\": \"Rome\"}"}
        old = tokens({"function_call": function}, {"role": "function", "name": "get_weather", "content": "sunny"})
        new = tokens({"tool_calls": [{"id": "a", "type": "function", "function": function}]},
                     {"role": "tool", "tool_call_id": "a", "content": "sunny"})
        self.assertEqual(old, new)
        self.assertGreater(len(old), 20)


class Json(FieldsTest):
    def test_has_no_whitespace_before_colons_and_commas_and_no_empty_lines(self):
        for bias in ("\n", " ", "\n\n"):
            ids = self.server.post("/tokenize", {"model": MODEL, "prompt": bias, "add_special_tokens": False}).json["tokens"]
            text = self.choice(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
                               logit_bias={str(one): 8 for one in ids}, max_tokens=1000)["message"]["content"]
            plain = re.sub(r'"[^"]*"', '""', text)
            self.assertNotRegex(plain, r"\s[:,]|\n\n|: *\n|  +[^ ]*:", text)
            self.assertEqual(sorted(json.loads(text)), ["a", "b"])

    def test_has_none_at_all_on_request(self):
        text = self.choice(structured_outputs={"json": SCHEMA, "disable_any_whitespace": True},
                           logit_bias={str(self.token("\n")): 20}, max_tokens=1000)["message"]["content"]
        self.assertEqual(text, json.dumps(json.loads(text), separators=(",", ":")))


class Fields(FieldsTest):
    def test_a_middling_effort_is_left_out_with_a_warning(self):
        self.assertIn("reasoning_effort", self.chat(reasoning_effort="medium", max_tokens=1).headers["X-OAG-Warning"])
        self.assertEqual(self.chat(400, reasoning_effort="high", max_tokens=1).error["param"], "reasoning_effort")

    def test_max_tokens_is_no_reason_for_a_warning(self):
        self.assertNotIn("X-OAG-Warning", self.chat(max_tokens=1).headers)

    def test_a_prompt_is_cut_to_what_the_context_holds(self):
        ids = [self.token("a")] * 5000
        self.complete(400, prompt=ids, max_tokens=40)
        answer = self.complete(prompt=ids, max_tokens=40, ignore_eos=True, truncate_prompt_tokens=-1).json
        self.assertEqual(answer["usage"]["prompt_tokens"], 2048 - 40)
        self.assertEqual(answer["usage"]["completion_tokens"], 40)

    def test_token_texts_of_bert_are_its_vocabularys(self):
        answer = self.server.post("/tokenize", {"model": "bert", "prompt": "hello", "return_token_strs": True}).json
        self.assertEqual((answer["token_strs"][0], answer["token_strs"][-1]), ("[CLS]", "[SEP]"))
        self.assertEqual("".join(t.removeprefix("##") for t in answer["token_strs"][1:-1]), "hello")


class Admin(FieldsTest):
    def load(self, **body):
        answer = self.server.post("/admin/models/load", body, key=ADMIN_KEY)
        return answer.status, answer.error

    def test_what_is_wrong_with_a_file_is_wrong_with_the_source(self):
        secret = self.work / "secret"
        secret.write_text("rootpassword")
        for source in (self.work / "missing.gguf", secret):
            status, error = self.load(source=str(source))
            self.assertGreaterEqual(status, 400)
            self.assertEqual(error["param"], "source", error)
            self.assertNotRegex(error["message"], "root|726f6f74")

    def test_names_can_stand_in_an_address(self):
        for name in ("a/../b c", "a//b", "/a", "a/", ".", "a b", "a?b", "a\nb", "x" * 129):
            status, error = self.load(source=str(self.work / "model"), name=name)
            self.assertEqual((status, error["param"]), (400, "name"), name)


class Host(unittest.TestCase):
    def test_a_name_that_is_refused_is_told_with_those_that_are_not(self):
        with Server(ROOT / "tests/data/bert") as server:
            answer = server.get("/v1/models", headers={"Host": "phone.example"})
            self.assertEqual(answer.status, 403)
            for text in ("localhost", "127.0.0.1", "phone.example", "--host", "--api-key"):
                self.assertIn(text, answer.error["message"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
