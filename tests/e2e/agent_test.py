#!/usr/bin/env python3
"""oag serve as the phone agent Open-AutoGLM meets it: whole loops of a client that sends what that one sends and reads
answers as it does, against a tiny model with random weights. It proves protocol, cache and stop handling, not intelligence.

OAG_BINARY is the program. numpy is needed, to make the model.
"""

import ast
import concurrent.futures
import json
import pathlib
import socket
import tempfile
import threading
import time
import unittest

import pictures
from server import ROOT, Server, StreamFailed, events, make_tiny_agent

MODEL, KEY = "autoglm-phone-9b", "EMPTY"
PAGE_TOKENS = 32  # prefixes are found page by page
SCREEN_TOKENS = 3354  # of 1080x2400: resized to 1092x2408, a token for each 28x28
THINKING_TOKENS = 24

SYSTEM = "You are an agent that works on a phone for its owner. You see its screen and choose the next action.\n" + "\n".join(
    f"- do(action=\"{name}\", ...) {what}" for name, what in [
        ("Launch", "opens an app by its name"), ("Tap", "taps a point; coordinates go from 0 to 1000 on both axes"),
        ("Type", "writes text into the field that has the focus"), ("Swipe", "drags from a start to an end"),
        ("Back", "goes to the page before"), ("Home", "goes to the home screen"), ("Wait", "waits some seconds"),
        ("Take_over", "asks the owner to sign in"), ("Note", "keeps what the page says")]) + (
    "\nEnd with finish(message=\"...\") when the task is done. Think first, between <think> and </think>; the action stands "
    "between <answer> and </answer>, alone and on one line. ") + "Check each step on the next screen before you go on. " * 20


class Unparsable(Exception):
    pass


def split_answer(content):
    """Thoughts and action, as the client tells them apart."""
    for mark in ("finish(message=", "do(action="):
        if mark in content:
            before, _, after = content.partition(mark)
            return before, mark + after
    raise Unparsable(content)


def parse_action(action):
    """What the client does with an action; an action that does not end at its parenthesis goes wrong here as it does there."""
    if action.startswith("finish(message="):
        return {"kind": "finish", "message": action[len("finish(message="):][1:-2]}
    for name in ("Type", "Type_Name"):
        if action.startswith(f'do(action="{name}"') and "text=" in action:
            return {"kind": name, "text": action.split("text=", 1)[1][1:-2]}
    call = ast.parse(action, mode="eval").body
    if not isinstance(call, ast.Call) or call.func.id != "do" or call.args:
        raise Unparsable(action)
    values = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
    return {"kind": values.pop("action"), **values}


class Agent:
    """One conversation with the model: a task, and a screen for each step."""

    def __init__(self, server, task):
        self.server, self.task = server, task
        self.messages = [{"role": "system", "content": SYSTEM}]
        self.steps, self.bodies, self.answers, self.usages = 0, [], [], []

    def probe(self):
        """What the client asks before it begins."""
        return self.server.post("/v1/chat/completions", {
            "model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, "temperature": 0.0,
            "stream": False})

    def body(self, stream):
        return {"messages": self.messages, "model": MODEL, "max_tokens": 3000, "temperature": 0.0, "top_p": 0.85,
                "frequency_penalty": 0.2, "stream": stream}

    def step(self, screen, stream=True):
        """One turn: look, ask, act. Returns the action."""
        text = f'** Screen Info **\n\n{{"current_app": "App {self.steps}"}}'
        if self.steps == 0:
            text = f"{self.task}\n\n{text}"
        self.messages.append({"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": pictures.data_uri(screen)}}, {"type": "text", "text": text}]})
        body = self.body(stream)
        self.bodies.append(body)
        content = self.ask_streamed(body) if stream else self.ask_whole(body)
        self.answers.append(content)
        thoughts, action = split_answer(content)
        parsed = parse_action(action)
        last = self.messages[-1]
        last["content"] = [part for part in last["content"] if part["type"] == "text"]
        self.messages.append({"role": "assistant", "content": f"<think>{thoughts}</think><answer>{action}</answer>"})
        self.steps += 1
        return parsed

    def ask_streamed(self, body):
        """Joins the text of a stream, and checks what stands around it."""
        chunks = self.server.stream("/v1/chat/completions", body)
        with_choice = [chunk for chunk in chunks if chunk["choices"]]
        assert {chunk["id"] for chunk in chunks} == {chunks[0]["id"]}, "the chunks' ids differ"
        assert all(chunk["object"] == "chat.completion.chunk" and chunk["model"] == MODEL for chunk in chunks)
        assert with_choice[0]["choices"][0]["delta"]["role"] == "assistant"
        reasons = [chunk["choices"][0]["finish_reason"] for chunk in with_choice]
        assert reasons[-1] == "stop" and not any(reasons[:-1]), reasons
        return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in with_choice)

    def ask_whole(self, body):
        answer = self.server.post("/v1/chat/completions", body)
        if answer.status != 200:
            raise AssertionError(answer.body.decode())
        self.usages.append(answer.json["usage"])
        choice, = answer.json["choices"]
        assert choice["finish_reason"] == "stop", choice["finish_reason"]
        return choice["message"]["content"]


class AgentTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="oag-agent-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.model = make_tiny_agent(pathlib.Path(cls.folder.name) / "model")
        cls.server = cls.serve("--agent-grammar", "--thinking-budget", THINKING_TOKENS)
        cls.addClassCleanup(cls.server.stop)

    @classmethod
    def serve(cls, *options):
        return Server(cls.model, "--name", MODEL, "--ctx", 32768, "--parallel", 4, *options, key=KEY)

    def chat(self, messages, **more):
        return self.server.post("/v1/chat/completions",
                                {"model": MODEL, "messages": messages, "temperature": 0, "max_tokens": 1, **more})

    def prompt_tokens(self, messages):
        answer = self.chat(messages)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["usage"]["prompt_tokens"]

    def count(self, messages, **more):
        answer = self.server.post("/tokenize", {"model": MODEL, "messages": messages, **more})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["count"]

    def token(self, text):
        ids = self.server.post("/tokenize", {"model": MODEL, "prompt": text, "add_special_tokens": False}).json["tokens"]
        self.assertEqual(len(ids), 1, f"{text} is no single token")
        return ids[0]

    def with_picture(self, data, kind="image/png", text="What is this?"):
        return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": pictures.data_uri(data, kind)}},
                                             {"type": "text", "text": text}]}]


class Loop(AgentTest):
    def test_the_probe_is_answered(self):
        answer = Agent(self.server, "").probe()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["object"], "chat.completion")
        self.assertGreaterEqual(len(answer.json["choices"]), 1)
        self.assertLessEqual(answer.json["usage"]["completion_tokens"], 5)

    def test_a_loop_gives_an_action_at_every_step(self):
        agent = Agent(self.server, "Open the settings and switch the dark mode on.")
        self.assertEqual(agent.probe().status, 200)
        for number in range(4):
            agent.step(pictures.screen(number))
        for body in agent.bodies:
            self.assertEqual(sorted(body), ["frequency_penalty", "max_tokens", "messages", "model", "stream", "temperature",
                                            "top_p"])
        for content in agent.answers:
            self.assertTrue(content.endswith(")"), content)
            self.assertNotIn("</answer>", content)
            self.assertNotIn("<|", content)
            self.assertIn("<answer>", content)  # the budget for thoughts has forced it
            self.assertNotIn("\n", split_answer(content)[1])

    def test_each_step_finds_what_stood_before_the_last_user_turn(self):
        agent = Agent(self.server, "Find the weather for tomorrow.")
        kept = []
        for number in range(4):
            kept.append(self.count(agent.messages, add_generation_prompt=False))
            agent.step(pictures.screen(20 + number), stream=False)
        cached = [usage["prompt_tokens_details"]["cached_tokens"] for usage in agent.usages]
        for number in range(1, 4):
            self.assertGreaterEqual(cached[number], kept[number - 1] - PAGE_TOKENS, f"step {number + 1}: {cached} of {kept}")
        self.assertGreater(cached[2], cached[1])
        self.assertGreater(cached[3], cached[2])

    def test_the_probe_leaves_the_system_prompt_in_the_cache(self):
        agent = Agent(self.server, "Play some music.")
        agent.step(pictures.screen(30), stream=False)
        for _ in range(3):
            self.assertEqual(agent.probe().status, 200)
        agent.step(pictures.screen(31), stream=False)
        system = self.count(agent.messages[:1], add_generation_prompt=False)
        self.assertGreaterEqual(agent.usages[1]["prompt_tokens_details"]["cached_tokens"], system - PAGE_TOKENS)

    def test_a_screen_that_did_not_change_is_not_encoded_again(self):
        agent = Agent(self.server, "Wait for the download.")
        screen = pictures.screen(40)
        agent.step(screen)
        before = self.server.metrics()
        agent.step(screen)
        after = self.server.metrics()
        self.assertEqual(after["oag_pictures_computed_total"], before["oag_pictures_computed_total"])
        self.assertEqual(after["oag_pictures_cached_total"], before["oag_pictures_cached_total"] + 1)

    def test_several_phones_at_once_each_get_their_actions(self):
        def play(phone):
            agent = Agent(self.server, f"Task of phone {phone}.")
            return [agent.step(pictures.screen(50 + phone, 540, 1200)) for _ in range(3)]

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for actions in pool.map(play, range(4)):
                self.assertEqual(len(actions), 3)


class Answers(AgentTest):
    def test_the_end_token_of_an_answer_is_never_text(self):
        end = self.token("</answer>")
        for stream in (False, True):
            body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "logit_bias": {str(end): 100},
                    "stream": stream}
            if stream:
                chunks = self.server.stream("/v1/chat/completions", body)
                text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
                reason = chunks[-1]["choices"][0]["finish_reason"]
            else:
                choice = self.server.post("/v1/chat/completions", body).json["choices"][0]
                text, reason = choice["message"]["content"], choice["finish_reason"]
            self.assertEqual((text, reason), ("", "stop"))

    def test_special_tokens_are_stripped_unless_asked_for(self):
        box = self.token("<|begin_of_box|>")
        for skip, wanted in ((True, ""), (False, "<|begin_of_box|>" * 3)):
            answer = self.chat([{"role": "user", "content": "Hi"}], logit_bias={str(box): 100}, max_tokens=3,
                               skip_special_tokens=skip)
            self.assertEqual(answer.json["choices"][0]["message"]["content"], wanted)
        answer = self.chat([{"role": "user", "content": "Hi"}], logit_bias={str(box): 100}, max_tokens=3)
        self.assertEqual(answer.json["choices"][0]["message"]["content"], "")

    def test_a_frequency_penalty_changes_greedy_answers(self):
        def most_frequent(penalty):
            answer = self.server.post("/v1/completions", {
                "model": MODEL, "prompt": "The next step", "max_tokens": 48, "temperature": 0.0, "top_p": 0.85,
                "frequency_penalty": penalty, "ignore_eos": True, "return_token_ids": True})
            ids = answer.json["choices"][0]["token_ids"]
            self.assertEqual(len(ids), 48)
            return max(ids.count(one) for one in ids), ids

        free, penalised = most_frequent(0.0), most_frequent(2.0)
        self.assertGreater(free[0], penalised[0])
        self.assertNotEqual(free[1], most_frequent(0.2)[1])
        self.assertEqual(most_frequent(0.2)[1], most_frequent(0.2)[1])

    def test_thoughts_end_at_their_budget(self):
        answer = self.chat([{"role": "user", "content": "Think."}], max_tokens=400, thinking_token_budget=8,
                           frequency_penalty=0.2)
        content = answer.json["choices"][0]["message"]["content"]
        thoughts = content[:content.index("<answer>")]
        self.assertLessEqual(len(self.server.post("/tokenize", {"model": MODEL, "prompt": thoughts}).json["tokens"]), 20)
        parse_action(split_answer(content)[1])

    def test_tokens_of_thoughts_are_counted_in_the_usage(self):
        opened = {"model": MODEL, "temperature": 0, "max_tokens": 400, "frequency_penalty": 0.2, "thinking_token_budget": 8,
                  "add_generation_prompt": False, "continue_final_message": True,
                  "messages": [{"role": "user", "content": "Think."}, {"role": "assistant", "content": "<think>"}]}
        for separate, n in ((False, 1), (True, 2)):
            body = {**opened, "separate_reasoning": separate, "n": n}
            whole = self.server.post("/v1/chat/completions", body).json
            streamed = self.server.stream("/v1/chat/completions", {**body, "stream": True, "stream_options": {"include_usage": True}})
            for usage in (whole["usage"], streamed[-1]["usage"]):
                self.assertEqual(usage["completion_tokens_details"], {"reasoning_tokens": 8 * n})
                self.assertGreater(usage["completion_tokens"], 8 * n)
        # Without thoughts there is nothing to say of them.
        usage = self.chat([{"role": "user", "content": "Hi"}], max_tokens=20, thinking_token_budget=0).json["usage"]
        self.assertNotIn("completion_tokens_details", usage)

    def test_content_is_a_text_or_a_list_in_every_role(self):
        turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "<think>No.</think><answer>do(action=\"Back\")</answer>"),
                 ("user", "Again")]
        plain = [{"role": role, "content": text} for role, text in turns]
        parts = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns]
        self.assertEqual(self.server.post("/tokenize", {"model": MODEL, "messages": plain}).json["tokens"],
                         self.server.post("/tokenize", {"model": MODEL, "messages": parts}).json["tokens"])
        first, second = (self.chat(messages, max_tokens=200).json["choices"][0]["message"]["content"]
                         for messages in (plain, parts))
        self.assertEqual(first, second)


class Pictures(AgentTest):
    def test_a_screen_takes_the_tokens_that_the_model_was_trained_with(self):
        without = self.prompt_tokens([{"role": "user", "content": "What is this?"}])
        frame = 2  # begin and end of the picture
        for data in (pictures.screen(60), pictures.black_screen()):
            self.assertEqual(self.prompt_tokens(self.with_picture(data)) - without, SCREEN_TOKENS + frame)

    def test_pictures_are_told_apart_by_content_and_not_by_label(self):
        folder = ROOT / "tests/data/images"
        for pattern in ("jpeg_420.jpg", "jpeg_progressive.jpg", "*.webp", "png_c6_d8.png", "png_c3_d8.png"):
            files = sorted(folder.glob(pattern))
            self.assertTrue(files, pattern)
            for kind in ("image/png", "image/jpeg"):
                answer = self.chat(self.with_picture(files[0].read_bytes(), kind))
                self.assertEqual(answer.status, 200, f"{files[0].name}: {answer.body}")

    def test_pictures_are_counted_together_before_any_is_decoded(self):
        def refusal(count):
            part = {"type": "image_url", "image_url": {"url": pictures.data_uri(pictures.huge_header(8000))}}
            answer = self.chat([{"role": "user", "content": [part] * count}])
            self.assertEqual(answer.status, 400)
            return answer.error["message"]

        # Each is within the limit of one, and has no pixels: decoding it fails.
        self.assertRegex(refusal(2), "cut off|broken")
        self.assertRegex(refusal(3), "192000000 pixels together")

    def test_broken_pictures_are_refused_soon_and_in_words(self):
        screen = pictures.screen(61)
        cases = {"huge": pictures.data_uri(pictures.huge_header()), "cut off": pictures.data_uri(screen[:len(screen) // 2]),
                 "no picture": pictures.data_uri(b"nothing at all"), "no base64": "data:image/png;base64,%%%",
                 "empty": "data:image/png;base64,", "an address": "http://127.0.0.1:9/a.png", "a file": "file:///etc/passwd"}
        for name, url in cases.items():
            for stream in (False, True):
                with self.subTest(name, stream=stream):
                    begin = time.monotonic()
                    answer = self.server.post("/v1/chat/completions", {
                        "model": MODEL, "stream": stream, "messages": [{"role": "user", "content": [
                            {"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "?"}]}]})
                    self.assertTrue(400 <= answer.status < 500, f"{answer.status}: {answer.body}")
                    self.assertEqual(sorted(answer.error), ["code", "message", "param", "type"])
                    self.assertLess(time.monotonic() - begin, 20)


class Failures(AgentTest):
    def test_too_long_a_prompt_is_a_400_with_the_numbers_before_any_stream(self):
        for stream in (False, True):
            answer = self.chat([{"role": "user", "content": "again and again " * 20000}], stream=stream)
            self.assertEqual(answer.status, 400)
            self.assertEqual(answer.error["code"], "context_length_exceeded")
            self.assertRegex(answer.error["message"], r"\d+ tokens.* 32768 tokens")

    def test_a_failure_inside_a_stream_is_an_error_event_and_no_end(self):
        connection, response = self.server.open_stream("/v1/completions", {
            "model": MODEL, "prompt": "On and on", "max_tokens": 30000, "ignore_eos": True, "stream": True,
            "deadline_ms": 300})
        self.addCleanup(connection.close)
        self.assertEqual(response.status, 200)
        with self.assertRaises(StreamFailed):
            list(events(response))

    def test_an_answer_that_the_servers_end_cuts_is_an_error_event(self):
        server = self.serve("--drain", 0)
        with server:
            connection, response = server.open_stream("/v1/completions", {
                "model": MODEL, "prompt": "On and on", "max_tokens": 30000, "ignore_eos": True, "stream": True})
            self.assertEqual(response.status, 200)
            response.readline()
            ending = threading.Thread(target=server.stop)
            ending.start()
            with self.assertRaisesRegex(StreamFailed, "the server is ending"):
                list(events(response))
            ending.join()
            connection.close()
        self.assertEqual(server.process.returncode, 0)

    def test_an_answer_at_work_ends_whole_when_the_server_is_asked_to_end(self):
        server = self.serve()
        with server:
            connection, response = server.open_stream("/v1/completions", {
                "model": MODEL, "prompt": "On and on", "max_tokens": 8000, "ignore_eos": True, "stream": True})
            response.readline()
            ending = threading.Thread(target=server.stop)
            ending.start()
            chunks = list(events(response))
            self.assertEqual(chunks[-1]["choices"][0]["finish_reason"], "length")
            connection.close()
            ending.join()
        self.assertEqual(server.process.returncode, 0)

    def test_demands_that_leave_no_token_are_the_requests_fault(self):
        box = self.token("<|begin_of_box|>")
        body = {"model": MODEL, "prompt": "A number:", "structured_outputs": {"regex": "[0-9]+"}, "allowed_token_ids": [box]}
        answer = self.server.post("/v1/completions", body)
        self.assertEqual((answer.status, answer.error["code"]), (400, "invalid_value"))
        self.assertIn("no next token", answer.error["message"])

    def test_an_unknown_model_is_a_404(self):
        answer = self.server.post("/v1/chat/completions", {"model": "autoglm-phone-9B", "messages": [{"role": "user", "content": "Hi"}]})
        self.assertEqual((answer.status, answer.error["code"]), (404, "model_not_found"))
        self.assertIn("autoglm-phone-9B", answer.error["message"])

    def test_a_wrong_or_missing_key_is_a_401(self):
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
        for headers in ({"Content-Type": "application/json", "Authorization": "Bearer WRONG"}, {"Content-Type": "application/json"},
                        {"Content-Type": "application/json", "Authorization": "Bearer EMPTY2"},
                        {"Content-Type": "application/json", "Authorization": KEY}):
            answer = self.server.post("/v1/chat/completions", body, headers=headers)
            self.assertEqual((answer.status, answer.error["code"]), (401, "invalid_api_key"), headers)
        self.assertNotIn("WRONG", self.server.log())

    def test_what_a_head_is_refused_for_is_said_before_the_body_comes(self):
        keyed, json_type = f"Authorization: Bearer {KEY}", "Content-Type: application/json"
        cases = [("POST /v1/chat/completions", json_type, 401), ("POST /v1/chat/completions", keyed, 415),
                 ("POST /v1/nothing", f"{keyed}\r\n{json_type}", 404), ("PUT /v1/models", f"{keyed}\r\n{json_type}", 405)]
        for line, header, status in cases:
            with self.subTest(line, status=status), socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as client:
                client.sendall(f"{line} HTTP/1.1\r\nHost: localhost\r\n{header}\r\nContent-Length: 60000000\r\n\r\n".encode())
                answer = client.makefile("rb").read().decode()  # to the connection's end
                self.assertTrue(answer.startswith(f"HTTP/1.1 {status} "), answer)
                self.assertEqual(sorted(json.loads(answer.partition("\r\n\r\n")[2])["error"]), ["code", "message", "param", "type"])


def load_tests(loader, _, __):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Loop, Answers, Pictures, Failures))


if __name__ == "__main__":
    unittest.main(verbosity=2)
