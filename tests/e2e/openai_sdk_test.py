#!/usr/bin/env python3
"""oag serve through the official client, the Python package openai, with SmolLM2 and a tiny text encoder.

OAG_BINARY is the program, OAG_TEST_MODEL the path of SmolLM2; the client stands in build/python (tools/setup dev).
"""

import asyncio
import json
import math
import os
import sys
import threading
import typing
import unittest

from server import ROOT, Server

sys.path.insert(0, os.environ.get("OAG_PYTHON_PACKAGES", str(ROOT / "build/python")))
try:
    import openai
    import pydantic
except ImportError:
    sys.exit("the package openai is not here: tools/setup dev puts it into build/python")

SMOLLM2 = os.environ.get("OAG_TEST_MODEL")
BERT = ROOT / "tests/data/bert"
MODEL, KEY = "smollm2", "a key of this test"
CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather in a city",
    "parameters": {"type": "object", "additionalProperties": False, "required": ["city", "unit"], "properties": {
        "city": {"enum": ["Paris", "Rome", "Oslo"]}, "unit": {"enum": ["celsius", "fahrenheit"]}}}}}
ALARM = {"type": "function", "function": {
    "name": "set_alarm", "description": "Sets an alarm",
    "parameters": {"type": "object", "additionalProperties": False, "required": ["hour", "loud"], "properties": {
        "hour": {"enum": [6, 7, 8]}, "loud": {"type": "boolean"}}}}}
NAMES = {"get_weather", "set_alarm"}
ASK_WEATHER = [{"role": "user", "content": "What is the weather in Rome, in celsius?"}]


class City(pydantic.BaseModel):
    name: typing.Literal["Paris", "Rome"]
    capital: bool


def client_of(server, key=KEY, **options):
    return openai.OpenAI(base_url=server.url + "/v1", api_key=key, max_retries=0, timeout=120, **options)


@unittest.skipUnless(SMOLLM2, "OAG_TEST_MODEL is not set")
class SdkTest(unittest.TestCase):
    server = None

    @classmethod
    def setUpClass(cls):
        if SdkTest.server is None:
            SdkTest.server = Server(SMOLLM2, BERT, "--name", MODEL, "--name", "bert", "--ctx", 2048, "--parallel", 8, key=KEY)
            unittest.addModuleCleanup(SdkTest.server.stop)
        cls.client = client_of(SdkTest.server)

    def chat(self, messages=None, **options):
        options = {"temperature": 0, "max_completion_tokens": 24, **options}
        return self.client.chat.completions.create(model=MODEL, messages=messages or CAPITAL, **options)

    def complete(self, prompt="The capital of France is", **options):
        options = {"temperature": 0, "max_tokens": 12, **options}
        return self.client.completions.create(model=MODEL, prompt=prompt, **options)

    def tokenize(self, text):
        return self.server.post("/tokenize", {"model": MODEL, "prompt": text, "add_special_tokens": False}).json["tokens"]


class Chat(SdkTest):
    def test_an_answer(self):
        answer = self.chat()
        choice, = answer.choices
        self.assertIn("Paris", choice.message.content)
        self.assertEqual((choice.message.role, choice.index), ("assistant", 0))
        self.assertIn(choice.finish_reason, ("stop", "length"))
        self.assertEqual((answer.object, answer.model), ("chat.completion", MODEL))
        self.assertTrue(answer.id.startswith("chatcmpl-"))
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_a_stream_gives_the_same_text_and_a_last_chunk_with_the_usage(self):
        whole = self.chat()
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual("".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]),
                         whole.choices[0].message.content)
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        self.assertEqual(chunks[-2].choices[0].finish_reason, whole.choices[0].finish_reason)
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)
        self.assertTrue(all(chunk.usage is None for chunk in chunks[:-1]))
        self.assertEqual(len({chunk.id for chunk in chunks}), 1)
        self.assertTrue(all(chunk.usage is None for chunk in self.chat(stream=True)))

    def test_the_clients_own_stream_helper(self):
        with self.client.chat.completions.stream(model=MODEL, messages=CAPITAL, temperature=0,
                                                 max_completion_tokens=24) as stream:
            kinds = {event.type for event in stream}
            final = stream.get_final_completion()
        self.assertTrue({"chunk", "content.delta", "content.done"} <= kinds, kinds)
        self.assertEqual(final.choices[0].message.content, self.chat().choices[0].message.content)

    def test_content_as_parts_and_the_developers_role(self):
        plain = self.chat([{"role": "system", "content": "Be brief."}, *CAPITAL])
        parts = self.chat([{"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
                           {"role": "user", "content": [{"type": "text", "text": CAPITAL[0]["content"]}]}])
        self.assertEqual(plain.choices[0].message.content, parts.choices[0].message.content)
        self.assertEqual(plain.usage.prompt_tokens, parts.usage.prompt_tokens)

    def test_a_second_request_finds_the_first_ones_prefix(self):
        messages = [{"role": "system", "content": "You answer questions on geography. " * 20}, *CAPITAL]
        self.chat(messages)
        usage = self.chat(messages).usage
        self.assertGreater(usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens // 2)

    def test_many_at_once(self):
        async def ask():
            client = openai.AsyncOpenAI(base_url=self.server.url + "/v1", api_key=KEY, max_retries=0, timeout=120)
            async with client:
                return await asyncio.gather(*(client.chat.completions.create(
                    model=MODEL, messages=CAPITAL, temperature=0, max_completion_tokens=8) for _ in range(12)))

        self.assertEqual({answer.choices[0].message.content for answer in asyncio.run(ask())},
                         {self.chat(max_completion_tokens=8).choices[0].message.content})

    def test_closing_a_stream_ends_the_work(self):
        before = self.server.metrics()["oag_answers_cancelled_total"]
        stream = self.chat(stream=True, max_completion_tokens=1500, extra_body={"ignore_eos": True})
        next(stream)
        stream.close()
        self.server.wait_for(lambda m: m["oag_requests_running"] == 0 and m["oag_answers_cancelled_total"] == before + 1,
                             "the answer is cancelled")


class Logprobs(SdkTest):
    def check(self, choice):
        tokens = choice.logprobs.content
        self.assertEqual(b"".join(bytes(token.bytes) for token in tokens).decode(), choice.message.content)
        for token in tokens:
            self.assertEqual(len(token.top_logprobs), 3)
            values = [one.logprob for one in token.top_logprobs]
            self.assertEqual(values, sorted(values, reverse=True))
            self.assertLessEqual(sum(math.exp(value) for value in values), 1.0001)
            self.assertEqual((token.token, token.logprob), (token.top_logprobs[0].token, values[0]))  # greedy

    def test_of_each_token_with_bytes(self):
        # Cut off before an end token, whose place has a token but no text.
        answer = self.chat(logprobs=True, top_logprobs=3, max_completion_tokens=6)
        self.assertEqual(len(answer.choices[0].logprobs.content), answer.usage.completion_tokens)
        self.check(answer.choices[0])

    def test_of_bytes_that_are_half_a_character(self):
        answer = self.chat([{"role": "user", "content": "Smile"}], logprobs=True, top_logprobs=3,
                           extra_body={"structured_outputs": {"choice": ["\U0001f642\u00e9\u732b"]}})
        tokens = answer.choices[0].logprobs.content
        self.assertTrue(b"".join(bytes(token.bytes) for token in tokens).startswith("\U0001f642\u00e9\u732b".encode()))

    def test_in_a_stream_they_are_the_same(self):
        whole = self.chat(logprobs=True, top_logprobs=3, max_completion_tokens=6).choices[0].logprobs.content
        parts = [token for chunk in self.chat(logprobs=True, top_logprobs=3, max_completion_tokens=6, stream=True)
                 if chunk.choices[0].logprobs for token in chunk.choices[0].logprobs.content]
        self.assertEqual([token.bytes for token in parts], [token.bytes for token in whole])
        for one, other in zip(parts, whole):
            self.assertAlmostEqual(one.logprob, other.logprob, places=2)

    def test_without_top_there_is_the_token_alone(self):
        tokens = self.chat(logprobs=True, max_completion_tokens=4).choices[0].logprobs.content
        self.assertEqual([token.top_logprobs for token in tokens], [[]] * 4)

    def test_top_logprobs_need_logprobs(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(top_logprobs=3)
        self.assertEqual(caught.exception.param, "top_logprobs")


class Sampling(SdkTest):
    def test_n_answers_share_the_prompt(self):
        answer = self.chat(n=3, temperature=1.2, seed=7, max_completion_tokens=12)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1, 2])
        self.assertGreater(len({choice.message.content for choice in answer.choices}), 1)
        self.assertEqual(answer.usage.prompt_tokens, self.chat(max_completion_tokens=1).usage.prompt_tokens)
        self.assertLessEqual(answer.usage.completion_tokens, 36)
        self.assertGreater(answer.usage.completion_tokens, 12)

    def test_n_answers_in_a_stream(self):
        texts, reasons = ["", ""], [None, None]
        for chunk in self.chat(n=2, stream=True, max_completion_tokens=4):
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
                reasons[choice.index] = choice.finish_reason or reasons[choice.index]
        self.assertEqual(texts[0], texts[1])  # greedy
        self.assertEqual(texts[0], self.chat(max_completion_tokens=4).choices[0].message.content)
        self.assertEqual(reasons, ["length", "length"])

    def test_a_seed_gives_the_same_answer_again(self):
        def draw(seed):
            return self.chat(temperature=1.5, seed=seed).choices[0].message.content

        self.assertEqual(draw(11), draw(11))
        self.assertGreater(len({draw(seed) for seed in (11, 12, 13)}), 1)

    def test_stop_texts_end_the_answer_and_are_no_part_of_it(self):
        free = self.chat().choices[0].message.content
        for stop in ("Paris", ["nowhere", "Paris"]):
            choice = self.chat(stop=stop).choices[0]
            self.assertEqual((choice.message.content, choice.finish_reason), (free[:free.index("Paris")], "stop"))
        kept = self.chat(stop="Paris", extra_body={"include_stop_str_in_output": True}).choices[0]
        self.assertTrue(kept.message.content.endswith("Paris"))

    def test_a_logit_bias_forces_or_bans_a_token(self):
        token, = self.tokenize("yes")
        self.assertEqual(self.chat(logit_bias={str(token): 100}, max_completion_tokens=3).choices[0].message.content, "yesyesyes")
        first = self.chat(logprobs=True, max_completion_tokens=1).choices[0].logprobs.content[0].token
        token, = self.tokenize(first)
        other = self.chat(logit_bias={str(token): -100}, logprobs=True, max_completion_tokens=1)
        self.assertNotEqual(other.choices[0].logprobs.content[0].token, first)

    def test_the_longest_answer(self):
        for name in ("max_completion_tokens", "max_tokens"):
            options = {"max_completion_tokens": openai.NOT_GIVEN, name: 5}
            answer = self.chat(**options)
            self.assertEqual((answer.usage.completion_tokens, answer.choices[0].finish_reason), (5, "length"))

    def test_penalties_change_greedy_answers(self):
        def tokens(**options):
            answer = self.complete("na na na", max_tokens=24, extra_body={"ignore_eos": True, "return_token_ids": True}, **options)
            return answer.choices[0].model_extra["token_ids"]

        self.assertGreater(len(set(tokens(frequency_penalty=1.5))), len(set(tokens())))
        self.assertNotEqual(tokens(presence_penalty=1.5), tokens())

    def test_extensions_in_common_use(self):
        greedy = self.chat().choices[0].message.content
        self.assertEqual(self.chat(temperature=1.5, extra_body={"top_k": 1}).choices[0].message.content, greedy)
        self.assertEqual(self.chat(temperature=1.5, extra_body={"min_p": 1.0}).choices[0].message.content, greedy)
        long = self.chat([{"role": "user", "content": "Hi"}], max_completion_tokens=200, extra_body={"min_tokens": 60})
        self.assertGreaterEqual(long.usage.completion_tokens, 60)
        endless = self.chat(max_completion_tokens=90, extra_body={"ignore_eos": True})
        self.assertEqual((endless.usage.completion_tokens, endless.choices[0].finish_reason), (90, "length"))
        paris = self.tokenize(" Paris")[0]
        self.assertNotIn("Paris", self.chat(extra_body={"stop_token_ids": [paris]}).choices[0].message.content)
        self.assertNotIn("Paris", self.chat(extra_body={"bad_words": ["Paris"]}).choices[0].message.content)
        only = self.chat(max_completion_tokens=4, extra_body={"allowed_token_ids": [paris]})
        self.assertEqual(only.choices[0].message.content, " Paris" * 4)
        marked = self.chat(max_completion_tokens=200, extra_body={"skip_special_tokens": False, "stop_token_ids": []})
        self.assertIn("Paris", marked.choices[0].message.content)


class Structured(SdkTest):
    def test_a_json_object(self):
        choice = self.chat([{"role": "user", "content": "Give the name and the age of a person as JSON."}],
                           response_format={"type": "json_object"}, max_completion_tokens=300).choices[0]
        self.assertTrue(choice.message.content.lstrip().startswith("{"))
        if choice.finish_reason == "stop":
            self.assertIsInstance(json.loads(choice.message.content), dict)

    def test_a_json_schema_by_the_clients_own_parser(self):
        answer = self.client.chat.completions.parse(model=MODEL, messages=CAPITAL, response_format=City, temperature=0)
        self.assertIsInstance(answer.choices[0].message.parsed, City)
        self.assertEqual(answer.choices[0].finish_reason, "stop")

    def test_a_json_schema_in_a_stream(self):
        schema = {"type": "object", "required": ["city", "sizes"], "additionalProperties": False, "properties": {
            "city": {"type": "string", "maxLength": 12}, "sizes": {"type": "array", "items": {"enum": [1, 2]}, "minItems": 2, "maxItems": 2}}}
        chunks = self.chat(response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema}},
                           stream=True, max_completion_tokens=200)
        value = json.loads("".join(chunk.choices[0].delta.content or "" for chunk in chunks))
        self.assertEqual(sorted(value), ["city", "sizes"])
        self.assertEqual(len(value["sizes"]), 2)
        self.assertLessEqual(len(value["city"]), 12)

    def test_regex_choice_and_grammar(self):
        def constrained(**output):
            return self.chat(extra_body={"structured_outputs": output}).choices[0].message.content

        self.assertRegex(constrained(regex=r"\d{4}-\d{2}-\d{2}"), r"^\d{4}-\d{2}-\d{2}$")
        self.assertIn(constrained(choice=["Paris", "Rome"]), ("Paris", "Rome"))
        self.assertIn(constrained(grammar='root ::= "yes" | "no"'), ("yes", "no"))

    def test_old_names_work_with_a_warning(self):
        raw = self.client.chat.completions.with_raw_response.create(
            model=MODEL, messages=CAPITAL, temperature=0, extra_body={"guided_choice": ["left", "right"]})
        self.assertIn(raw.parse().choices[0].message.content, ("left", "right"))
        self.assertIn("guided_choice", raw.headers["x-oag-warning"])

    def test_a_schema_that_is_none_is_refused(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "thing"}}})
        self.assertIn("response_format", caught.exception.param)


class Tools(SdkTest):
    def ask(self, choice, **options):
        return self.chat(ASK_WEATHER, tools=[WEATHER, ALARM], tool_choice=choice, max_completion_tokens=120, **options)

    def check_call(self, name, arguments):
        values = json.loads(arguments)
        self.assertEqual(sorted(values), {"get_weather": ["city", "unit"], "set_alarm": ["hour", "loud"]}[name])

    def joined(self, stream):
        """The calls of a stream, and how it ended."""
        calls, reason = {}, None
        for chunk in stream:
            choice = chunk.choices[0]
            for piece in choice.delta.tool_calls or []:
                call = calls.setdefault(piece.index, {"id": piece.id, "name": piece.function.name, "arguments": ""})
                if call["arguments"]:
                    self.assertIsNone(piece.id)
                call["arguments"] += piece.function.arguments or ""
            self.assertFalse(calls and choice.delta.content)
            reason = choice.finish_reason or reason
        return list(calls.values()), reason

    def test_none_calls_nothing(self):
        message = self.ask("none").choices[0].message
        self.assertIsNone(message.tool_calls)
        self.assertTrue(message.content)

    def test_auto_gives_text_or_calls(self):
        for options in ({"tool_choice": "auto"}, {}):
            choice = self.chat(ASK_WEATHER, tools=[WEATHER], max_completion_tokens=60, **options).choices[0]
            if choice.message.tool_calls:
                self.assertEqual(choice.finish_reason, "tool_calls")
                json.loads(choice.message.tool_calls[0].function.arguments)
            else:
                self.assertTrue(choice.message.content)

    def test_auto_reads_a_call_that_the_model_writes(self):
        text = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome", "unit": "celsius"}}\n</tool_call>'
        extra = {"structured_outputs": {"choice": [text]}}
        choice = self.ask("auto", extra_body=extra).choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        call, = choice.message.tool_calls
        self.assertEqual((call.type, call.function.name), ("function", "get_weather"))
        self.assertEqual(json.loads(call.function.arguments), {"city": "Rome", "unit": "celsius"})
        calls, reason = self.joined(self.ask("auto", extra_body=extra, stream=True))
        self.assertEqual((calls[0]["name"], json.loads(calls[0]["arguments"]), reason),
                         ("get_weather", {"city": "Rome", "unit": "celsius"}, "tool_calls"))

    def test_required_calls_one_or_more(self):
        choice = self.ask("required").choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.assertTrue(choice.message.tool_calls)
        self.assertEqual(len({call.id for call in choice.message.tool_calls}), len(choice.message.tool_calls))
        for call in choice.message.tool_calls:
            self.assertIn(call.function.name, NAMES)
            self.check_call(call.function.name, call.function.arguments)

    def test_required_but_not_parallel_is_one_call(self):
        self.assertEqual(len(self.ask("required", parallel_tool_calls=False).choices[0].message.tool_calls), 1)

    def test_a_named_tool_is_called(self):
        for name in sorted(NAMES):
            choice = self.ask({"type": "function", "function": {"name": name}}).choices[0]
            call, = choice.message.tool_calls
            self.assertEqual(call.function.name, name)
            self.assertIn(choice.finish_reason, ("tool_calls", "stop"))
            self.check_call(name, call.function.arguments)

    def test_streamed_calls_are_the_same(self):
        for choice in ("required", {"type": "function", "function": {"name": "set_alarm"}}):
            whole = self.ask(choice).choices[0].message.tool_calls
            calls, reason = self.joined(self.ask(choice, stream=True))
            self.assertEqual([(call["name"], json.loads(call["arguments"])) for call in calls],
                             [(call.function.name, json.loads(call.function.arguments)) for call in whole])
            self.assertTrue(all(call["id"] for call in calls))
            self.assertIn(reason, ("tool_calls", "stop"))

    def test_the_answer_of_a_tool_goes_back(self):
        call = self.ask({"type": "function", "function": {"name": "get_weather"}}).choices[0].message
        messages = [*ASK_WEATHER, call, {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "21 degrees, sunny"}]
        answer = self.chat(messages, tools=[WEATHER, ALARM])
        self.assertTrue(answer.choices[0].message.content or answer.choices[0].message.tool_calls)

    def test_a_choice_without_its_tool_is_refused(self):
        for options in ({"tool_choice": "required"},
                        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "other"}}},
                        {"tools": [WEATHER, WEATHER]}):
            with self.assertRaises(openai.BadRequestError):
                self.chat(ASK_WEATHER, **options)


class Completions(SdkTest):
    def test_a_text_goes_on(self):
        answer = self.complete()
        self.assertIn("Paris", answer.choices[0].text)
        self.assertEqual(answer.object, "text_completion")
        self.assertTrue(answer.id.startswith("cmpl-"))

    def test_token_ids_go_on_as_their_text_does(self):
        ids = self.server.post("/tokenize", {"model": MODEL, "prompt": "The capital of France is"}).json["tokens"]
        self.assertEqual(self.complete(ids).choices[0].text, self.complete().choices[0].text)

    def test_echo_begins_with_the_prompt(self):
        plain = self.complete().choices[0].text
        self.assertEqual(self.complete(echo=True).choices[0].text, "The capital of France is" + plain)
        streamed = "".join(chunk.choices[0].text for chunk in self.complete(echo=True, stream=True))
        self.assertEqual(streamed, "The capital of France is" + plain)

    def test_a_list_of_prompts_gives_a_list_of_answers(self):
        answer = self.complete(["The capital of France is", "The capital of Italy is"], n=2)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1, 2, 3])
        alone = [self.complete(f"The capital of {name} is").choices[0].text for name in ("France", "Italy")]
        self.assertEqual([choice.text for choice in answer.choices], [alone[0], alone[0], alone[1], alone[1]])

    def test_logprobs(self):
        logprobs = self.complete(logprobs=2, max_tokens=5).choices[0].logprobs
        self.assertEqual(len(logprobs.tokens), 5)
        self.assertEqual([len(one) for one in logprobs.top_logprobs], [2] * 5)
        for token, value, top in zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs):
            self.assertEqual(top[token], value)

    def test_offsets_of_tokens_are_places_in_the_text_in_streams_too(self):
        chunks = [chunk.choices[0] for chunk in self.complete(stream=True, logprobs=0)]
        text = "".join(chunk.text for chunk in chunks)
        tokens = [token for chunk in chunks if chunk.logprobs for token in zip(chunk.logprobs.tokens, chunk.logprobs.text_offset)]
        self.assertEqual(len(tokens), 12)
        for token, offset in tokens:
            self.assertEqual(text[offset:offset + len(token)], token)

    def test_a_stream(self):
        chunks = list(self.complete(stream=True, stream_options={"include_usage": True}))
        self.assertEqual("".join(chunk.choices[0].text for chunk in chunks[:-1]), self.complete().choices[0].text)
        self.assertEqual(chunks[-1].usage.completion_tokens, 12)

    def test_the_default_length_is_16(self):
        answer = self.client.completions.create(model=MODEL, prompt="Once upon a time", temperature=0, extra_body={"ignore_eos": True})
        self.assertEqual(answer.usage.completion_tokens, 16)

    def test_what_would_be_ignored_is_refused(self):
        for options in ({"suffix": "end"}, {"best_of": 3}):
            with self.assertRaises(openai.BadRequestError) as caught:
                self.complete(**options)
            self.assertEqual(caught.exception.param, next(iter(options)))


class Embeddings(SdkTest):
    def test_vectors_are_those_of_the_reference(self):
        cases = json.loads((BERT / "vectors.json").read_text())[:4]
        answer = self.client.embeddings.create(model="bert", input=[case["text"] for case in cases])
        self.assertEqual([one.index for one in answer.data], [0, 1, 2, 3])
        for one, case in zip(answer.data, cases):
            self.assertLess(max(abs(a - b) for a, b in zip(one.embedding, case["mean"], strict=True)), 1e-4)
        self.assertGreater(answer.usage.prompt_tokens, 4)

    def test_numbers_and_base64_are_the_same(self):
        # The client asks for base64 unless told otherwise, and unpacks it.
        packed = self.client.embeddings.create(model="bert", input="the phone").data[0].embedding
        plain = self.client.embeddings.create(model="bert", input="the phone", encoding_format="float").data[0].embedding
        self.assertLess(max(abs(a - b) for a, b in zip(packed, plain, strict=True)), 1e-6)

    def test_dimensions_that_the_model_lacks_are_refused(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.embeddings.create(model="bert", input="the phone", dimensions=5)
        self.assertEqual(caught.exception.param, "dimensions")

    def test_what_is_asked_for_is_checked_before_anything_is_computed(self):
        # The input is wrong too, which shows when it is looked at.
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.embeddings.create(model="bert", input=[2_000_000_000], dimensions=5)
        self.assertEqual(caught.exception.param, "dimensions")

    def test_a_model_of_the_other_kind_is_refused(self):
        with self.assertRaises(openai.BadRequestError):
            self.client.embeddings.create(model=MODEL, input="the phone")
        with self.assertRaises(openai.BadRequestError):
            self.client.chat.completions.create(model="bert", messages=CAPITAL)


class Models(SdkTest):
    def test_list_and_retrieve(self):
        self.assertEqual(sorted(one.id for one in self.client.models.list()), ["bert", MODEL])
        one = self.client.models.retrieve(MODEL)
        self.assertEqual((one.id, one.object), (MODEL, "model"))
        self.assertGreater(one.created, 1_600_000_000)
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("gpt-17")


class Errors(SdkTest):
    def check(self, error, status, code):
        self.assertEqual((error.status_code, error.code), (status, code))
        self.assertEqual(sorted(error.response.json()), ["error"])
        self.assertEqual(sorted(error.response.json()["error"]), ["code", "message", "param", "type"])

    def test_a_bad_request_names_its_field(self):
        cases = [({"temperature": 3}, "temperature", "invalid_value"), ({"n": 0}, "n", "invalid_value"),
                 ({"top_p": "high"}, "top_p", "invalid_type"), ({"messages": [{"content": "x"}]}, "messages[0].role",
                                                               "missing_required_parameter"),
                 ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role", "invalid_value"),
                 ({"extra_body": {"use_beam_search": True}}, "use_beam_search", "unsupported_parameter")]
        for options, param, code in cases:
            for stream in (False, True):
                with self.subTest(param, stream=stream), self.assertRaises(openai.BadRequestError) as caught:
                    self.chat(**{"messages": CAPITAL, **options}, stream=stream)
                self.check(caught.exception, 400, code)
                self.assertEqual(caught.exception.param, param)

    def test_too_long_a_prompt(self):
        for stream in (False, True):
            with self.assertRaises(openai.BadRequestError) as caught:
                self.chat([{"role": "user", "content": "word " * 5000}], stream=stream)
            self.check(caught.exception, 400, "context_length_exceeded")

    def test_an_unknown_model(self):
        for stream in (False, True):
            with self.assertRaises(openai.NotFoundError) as caught:
                self.client.chat.completions.create(model="gpt-17", messages=CAPITAL, stream=stream)
            self.check(caught.exception, 404, "model_not_found")

    def test_a_wrong_key(self):
        client = client_of(self.server, key="wrong")
        for call in (client.models.list, lambda: client.chat.completions.create(model=MODEL, messages=CAPITAL)):
            with self.assertRaises(openai.AuthenticationError) as caught:
                call()
            self.check(caught.exception, 401, "invalid_api_key")

    def test_a_full_queue(self):
        with Server(SMOLLM2, "--name", MODEL, "--ctx", 2048, "--parallel", 1, "--queue", 0) as server:
            client = client_of(server)
            stream = client.chat.completions.create(model=MODEL, messages=CAPITAL, stream=True, max_completion_tokens=1500,
                                                    extra_body={"ignore_eos": True})
            next(stream)
            with self.assertRaises(openai.RateLimitError) as caught:
                client.chat.completions.create(model=MODEL, messages=CAPITAL)
            self.check(caught.exception, 429, "queue_full")
            self.assertGreaterEqual(int(caught.exception.response.headers["retry-after"]), 1)
            stream.close()
            server.wait_for(lambda m: m["oag_requests_running"] == 0, "the place is free again")
            self.assertTrue(client.chat.completions.create(model=MODEL, messages=CAPITAL, max_completion_tokens=4).choices)

    def test_an_unknown_field_is_warned_of_or_refused(self):
        raw = self.client.chat.completions.with_raw_response.create(
            model=MODEL, messages=CAPITAL, max_completion_tokens=2, extra_body={"tempature": 1})
        self.assertIn("tempature", raw.headers["x-oag-warning"])
        with Server(SMOLLM2, "--name", MODEL, "--ctx", 256, "--strict-fields") as server:
            with self.assertRaises(openai.BadRequestError) as caught:
                client_of(server).chat.completions.create(model=MODEL, messages=CAPITAL, extra_body={"tempature": 1})
            self.check(caught.exception, 400, "unknown_parameter")
            self.assertEqual(caught.exception.param, "tempature")

    def test_a_failure_inside_a_stream_raises(self):
        stream = self.chat(stream=True, max_completion_tokens=1800, extra_body={"ignore_eos": True, "deadline_ms": 1000})
        with self.assertRaises(openai.APIError):
            for _ in stream:
                pass

    def test_a_stream_that_the_servers_end_breaks_raises(self):
        with Server(SMOLLM2, "--name", MODEL, "--ctx", 2048, "--drain", 0) as server:
            stream = client_of(server).chat.completions.create(
                model=MODEL, messages=CAPITAL, stream=True, max_completion_tokens=1800, extra_body={"ignore_eos": True})
            next(stream)
            ending = threading.Thread(target=server.stop)
            ending.start()
            with self.assertRaises(openai.APIError):
                for _ in stream:
                    pass
            ending.join()

    def test_an_unknown_address(self):
        with self.assertRaises(openai.NotFoundError):
            self.client.moderations.create(input="x")


def load_tests(loader, _, __):
    cases = (Chat, Logprobs, Sampling, Structured, Tools, Completions, Embeddings, Models, Errors)
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


if __name__ == "__main__":
    unittest.main(verbosity=2)
