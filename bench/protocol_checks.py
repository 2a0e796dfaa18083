"""What clients of OpenAI's API rely on, as checks of a running server; bench/serve_protocol runs them.

A check's name states the behaviour. It returns what was seen where the server behaves so, and raises Wrong otherwise.
No check knows the server or, where it can be helped, the model: token ids 1000 and 1001 have to print different texts.
"""
import http.client
import json
import os
import socket
import threading
import time
import urllib.parse

PROMPT = [{"role": "user", "content": "Tell me about the sea."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 12}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 3, "maximum": 9}, "b": {"enum": ["x", "y"]}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
TOO_MANY_WORDS = 200_000
LONG = {"max_tokens": 4000, "temperature": 1, "seed": 1, "ignore_eos": True}  # where known, it does not end by itself
CHECKS = {}  # function by name, in order


class Wrong(Exception):
    """The server does not behave as the check's name says; the text is what was seen."""


class NotChecked(Exception):
    """The check says nothing about this server; the text is why."""


def check(name):
    def keep(function):
        CHECKS[name] = function
        return function

    return keep


def need(condition, seen):
    if not condition:
        raise Wrong(seen)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = dict(response.getheaders())
        self.text = response.read().decode("utf-8", "replace")

    def json(self):
        need(self.status == 200, f"{self.status} {self.message()}")
        return json.loads(self.text)

    def choice(self):
        return self.json()["choices"][0]

    def content(self):
        text = self.choice()["message"]["content"]
        need(isinstance(text, str) and text, f"the content is {text!r}")
        return text

    def events(self):
        """The data of a stream's events, less the [DONE] that has to end them."""
        need(self.status == 200, f"{self.status} {self.message()}")
        data = [line[6:] for line in self.text.splitlines() if line.startswith("data: ")]
        need(data and data[-1] == "[DONE]", f"the stream ends with {data[-1] if data else self.text!r}")
        events = [json.loads(one) for one in data[:-1]]
        need(events, "the stream is empty")
        for event in events:
            need("error" not in event, f"the stream holds {event}")
        return events

    def message(self):
        try:
            return json.loads(self.text)["error"]["message"]
        except (ValueError, KeyError, TypeError):
            return self.text

    def refusal(self, status, code=None):
        """What is seen of an error in OpenAI's form with this status."""
        need(self.status == status, f"{self.status} {self.message()}")
        try:
            error = json.loads(self.text)["error"]
            whole = all(name in error for name in ("message", "type", "param", "code"))
        except (ValueError, KeyError, TypeError):
            whole = False
        need(whole, f"{self.status} in another form: {self.text}")
        need(code is None or error["code"] == code, f"{self.status} with the code {error['code']}: {error['message']}")
        return f"{self.status} {error['code']}: {error['message']}"


class Target:
    """A running server. `pid`, where its process is on this machine, tells whether it works."""

    def __init__(self, url, name="", model=None, pid=None, key=None, timeout_s=60.0):
        self.url = urllib.parse.urlsplit(url if "//" in url else f"http://{url}")
        self.name, self.pid, self.key, self.timeout_s = name, pid, key, timeout_s
        self.sockets = []
        self.model = model or self.request("GET", "/v1/models").json()["data"][0]["id"]

    def connect(self, method, path, body=None):
        """Sends a request; the connection is the caller's to read or to leave."""
        kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.url.hostname, self.url.port, timeout=self.timeout_s)
        connection.connect()
        self.sockets.append(connection.sock)
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        connection.request(method, path, text, headers)
        return connection

    def request(self, method, path, body=None):
        connection = self.connect(method, path, body)
        try:
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def body(self, **fields):
        body = {"model": self.model, "messages": PROMPT, "max_tokens": 6, "temperature": 0} | fields
        return {name: value for name, value in body.items() if value is not None}

    def chat(self, **fields):
        return self.request("POST", "/v1/chat/completions", self.body(**fields))

    def complete(self, prompt):
        return self.request("POST", "/v1/completions", {"model": self.model, "prompt": prompt, "max_tokens": 2})

    def leave_all(self):
        """Ends every connection, and with them the reads that wait on them."""
        for one in self.sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()
        self.sockets.clear()

    def cpu_seconds(self):
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError as error:
            raise Wrong("its process is gone") from error
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_use(self, seconds):
        """Processors that it keeps busy, over so many seconds."""
        before, begin = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_seconds() - before) / (time.monotonic() - begin)

    def settle(self, most_s=60.0):
        """Waits until what earlier checks asked for is no longer worked on, so that checks do not meet each other."""
        limit = time.monotonic() + most_s
        while self.pid and time.monotonic() < limit and self.cpu_use(0.3) > 0.1:
            pass


def run(name, target):
    """{"passed": True, False or None where it was not checked, "seen": text}, after target.timeout_s at most."""
    result = {}

    def work():
        try:
            result.update(passed=True, seen=str(CHECKS[name](target)))
        except Wrong as wrong:
            result.update(passed=False, seen=str(wrong))
        except NotChecked as reason:
            result.update(passed=None, seen=str(reason))
        except Exception as error:  # whatever an answer makes of its reader is that answer's fault
            result.update(passed=False, seen=f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(target.timeout_s)
    late = thread.is_alive()
    target.leave_all()
    thread.join(5)
    return {"passed": False, "seen": f"no end within {target.timeout_s:g} s"} if late else result


# --- contents and choices ---


def parts(text):
    return [{"type": "text", "text": text}]


@check("content may be a list of text parts")
def content_parts(target):
    return target.chat(messages=[{"role": "user", "content": parts(PROMPT[0]["content"])}]).content()


@check("content may be a list in system and assistant messages")
def content_parts_of_roles(target):
    said = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", PROMPT[0]["content"])]
    return target.chat(messages=[{"role": role, "content": parts(text)} for role, text in said]).content()


@check("an unknown model is a 404 model_not_found")
def unknown_model(target):
    return target.chat(model="no-such-model").refusal(404, "model_not_found")


@check("n: 2 gives two choices")
def two_choices(target):
    choices = target.chat(n=2, temperature=1).json()["choices"]
    need([one["index"] for one in choices] == [0, 1], f"{len(choices)} choices")
    need(all(one["message"]["content"] for one in choices), f"{choices}")
    return f"{len(choices)} choices"


@check("max_completion_tokens ends an answer")
def max_completion_tokens(target):
    question = [{"role": "user", "content": "Name a fruit."}]  # for the servers that answer it to its end
    answer = target.chat(messages=question, max_tokens=None, max_completion_tokens=3)
    count, reason = answer.json()["usage"]["completion_tokens"], answer.choice()["finish_reason"]
    need((count, reason) == (3, "length"), f"{count} tokens, finish_reason {reason}")
    return f"{count} tokens"


@check("a stop sequence ends an answer and is no part of it")
def stop_sequence(target):
    whole = target.chat(max_tokens=20).content()
    stop = whole[len(whole) // 2 :][:4]
    choice = target.chat(max_tokens=20, stop=[stop]).choice()
    seen = f"{choice['finish_reason']} {choice['message']['content']!r}"
    expected = whole[: whole.index(stop)].rstrip()
    need(choice["finish_reason"] == "stop" and choice["message"]["content"].rstrip() == expected, f"{seen}, stop {stop!r}")
    return seen


@check("five stop sequences are taken")
def five_stops(target):
    return target.chat(stop=["q1", "q2", "q3", "q4", "zz"]).content()


@check("logprobs have each token's text, bytes and top_logprobs")
def logprobs(target):
    choice = target.chat(logprobs=True, top_logprobs=2).choice()
    tokens = (choice.get("logprobs") or {}).get("content") or []
    need(tokens and all(isinstance(one["bytes"], list) for one in tokens), f"{choice.get('logprobs')}")
    text = b"".join(bytes(one["bytes"]) for one in tokens).decode()
    need(text.strip() == choice["message"]["content"].strip(), f"the bytes are {text!r}")
    for one in tokens:
        need(one["token"] and one["logprob"] <= 0 and len(one["top_logprobs"]) == 2, f"{one}")
    return f"{len(tokens)} tokens"


# --- streams ---


@check("a stream begins with the role and ends with finish_reason and [DONE]")
def stream(target):
    events = target.chat(stream=True).events()
    first, last = events[0]["choices"][0], events[-1]["choices"][0]
    need(first["delta"].get("role") == "assistant", f"the first is {first}")
    need(last["finish_reason"] in ("length", "stop"), f"the last is {last}")
    return f"{len(events)} events"


@check("stream_options.include_usage gives a last chunk with the usage")
def include_usage(target):
    expected = target.chat().json()["usage"]["completion_tokens"]
    last = target.chat(stream=True, stream_options={"include_usage": True}).events()[-1]
    need(last["choices"] == [] and last.get("usage"), f"the last is {last}")
    need(last["usage"]["completion_tokens"] == expected, f"{last['usage']}, {expected} without a stream")
    return f"{last['usage']}"


# --- what is refused ---


def too_long():
    return [{"role": "user", "content": "word " * TOO_MANY_WORDS}]


@check("too long a prompt is a 400 context_length_exceeded")
def long_prompt(target):
    return target.chat(messages=too_long()).refusal(400, "context_length_exceeded")


@check("too long a prompt of a stream is a 400 too, not a broken 200")
def long_prompt_of_stream(target):
    return target.chat(stream=True, messages=too_long()).refusal(400, "context_length_exceeded")


@check("after too long a prompt the next request is answered")
def after_long_prompt(target):
    target.chat(messages=too_long())
    return target.chat().content()


@check("a temperature that is a text is a 400")
def temperature_text(target):
    return target.chat(temperature="hot").refusal(400)


@check("a negative temperature is a 400")
def temperature_negative(target):
    return target.chat(temperature=-1).refusal(400)


@check("malformed JSON is a 400")
def malformed_json(target):
    return target.request("POST", "/v1/chat/completions", '{"model":').refusal(400)


@check("no messages are a 400")
def no_messages(target):
    return target.chat(messages=[]).refusal(400)


@check("an unknown role is a 400")
def unknown_role(target):
    return target.chat(messages=[{"role": "robot", "content": "x"}]).refusal(400)


@check("an unknown field is named, in a header or a refusal")
def unknown_field(target):
    answer = target.chat(max_tokens=1, guided_jsn=1)
    if answer.status == 400:
        need("guided_jsn" in answer.message(), answer.refusal(400))
        return answer.refusal(400)
    answer.json()
    named = [f"{name}: {value}" for name, value in answer.headers.items() if "guided_jsn" in value]
    need(named, f"{answer.status}, it is dropped in silence")
    return named[0]


@check("a picture that cannot be read or seen is a 400")
def picture(target):
    uri = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    return target.chat(messages=[{"role": "user", "content": [uri, *parts("What is it?")]}]).refusal(400)


@check("an unknown address is a 404 in OpenAI's form")
def unknown_address(target):
    return target.request("POST", "/v1/nothing", {}).refusal(404)


# --- what answers are held to ---


@check("a seed repeats an answer, another seed does not")
def seeds(target):
    drawn = [target.chat(seed=seed, temperature=1.5, max_tokens=16).content() for seed in (5, 5, 6)]
    need(drawn[0] == drawn[1] != drawn[2], f"{drawn}")
    return f"{drawn[0]!r}, then {drawn[2]!r}"


def repeats(text, count):
    """Whether a text is one piece so many times; answers may lack the blank that they begin with."""
    return any(len(one) >= count and one == one[: len(one) // count] * count for one in (text, " " + text))


@check("a logit_bias of 100 forces its token")
def logit_bias(target):
    forced = [target.chat(max_tokens=4, logit_bias={token: 100}).content() for token in ("1000", "1001")]
    need(forced[0] != forced[1] and all(repeats(text, 4) for text in forced), f"{forced}")
    return f"{forced}"


@check("response_format json_schema holds an answer to the schema")
def json_schema(target):
    form = {"type": "json_schema", "json_schema": {"name": "q", "schema": SCHEMA, "strict": True}}
    text = target.chat(max_tokens=80, response_format=form).content()
    value = json.loads(text)
    fits = isinstance(value, dict) and set(value) == {"a", "b"} and 3 <= value["a"] <= 9 and value["b"] in ("x", "y")
    need(fits, text)
    return text


@check("a schema that cannot be is a 400")
def wrong_schema(target):
    form = {"type": "json_schema", "json_schema": {"name": "q", "schema": {"type": "foo"}}}
    return target.chat(response_format=form).refusal(400)


def need_call(name, arguments):
    seen = f"{name} {arguments}"
    need(name == "get_weather" and set(json.loads(arguments)) == {"city"} and len(json.loads(arguments)["city"]) <= 12, seen)
    return seen


@check("tool_choice required gives a call that fits the tool's schema")
def required_tool(target):
    message = target.chat(max_tokens=60, tools=[TOOL], tool_choice="required").choice()["message"]
    need(message.get("tool_calls"), f"no call: {message}")
    call = message["tool_calls"][0]["function"]
    return need_call(call["name"], call["arguments"])


@check("a named tool's call is streamed in pieces that join to JSON")
def named_tool(target):
    choice = {"type": "function", "function": {"name": "get_weather"}}
    events = target.chat(max_tokens=60, tools=[TOOL], tool_choice=choice, stream=True).events()
    deltas = [call["function"] for event in events for one in event["choices"] for call in one["delta"].get("tool_calls") or []]
    need(deltas, "no call")
    return need_call(next(d["name"] for d in deltas if d.get("name")), "".join(d.get("arguments") or "" for d in deltas))


@check("/v1/completions takes a list of prompts")
def prompts(target):
    choices = target.complete(["The sky is", "Grass is"]).json()["choices"]
    need([one["index"] for one in choices] == [0, 1] and all(one["text"] for one in choices), f"{choices}")
    return f"{len(choices)} choices"


@check("/v1/completions takes token ids")
def prompt_ids(target):
    usage = target.complete([504, 100]).json()["usage"]
    need(usage["prompt_tokens"] in (2, 3), f"{usage}")  # a model may put a token before them
    return f"{usage}"


# --- several clients ---


def long_request(target, streamed):
    return target.connect("POST", "/v1/chat/completions", target.body(stream=streamed, **LONG))


def cpu_use_of_long_answer(target):
    """Processors that a long answer keeps busy; it has to last as long as work_after_leaving() looks."""
    connection = long_request(target, True)
    response = connection.getresponse()
    need(response.status == 200, f"{response.status}")
    uses = []
    reader = threading.Thread(target=lambda: uses.append(target.cpu_use(1.5)), daemon=True)
    reader.start()
    limit = time.monotonic() + 5
    while time.monotonic() < limit:
        if not response.read1(65536):
            raise NotChecked("its long answer ended by itself before a client could leave it")
    reader.join()
    target.leave_all()
    target.settle()
    if uses[0] < 0.2:
        raise NotChecked("its process computes too little to see by its processor time whether it works")
    return uses[0]


def work_after_leaving(target, streamed):
    if not target.pid:
        raise NotChecked("its process is not known (--pid)")
    busy = cpu_use_of_long_answer(target)
    connection = long_request(target, streamed)
    if streamed:
        connection.getresponse().read1(200)
    time.sleep(1)
    target.leave_all()
    time.sleep(0.7)
    use = target.cpu_use(2)
    seen = f"{use:.2f} processors busy after the client has left, {busy:.2f} before"
    need(use < 0.25 * busy, seen)
    return seen


@check("when the client of a stream leaves, work on its answer ends")
def gone_stream(target):
    return work_after_leaving(target, True)


@check("when a client that waits for a whole answer leaves, work on it ends")
def gone_unary(target):
    return work_after_leaving(target, False)


@check("a short question is answered while a long answer streams")
def short_beside_long(target):
    begun, ended, seen = threading.Event(), [], []

    def follow():
        try:
            body = target.body(stream=True, **LONG | {"max_tokens": 600})
            for line in target.connect("POST", "/v1/chat/completions", body).getresponse():
                seen.append(line.decode("utf-8", "replace").strip())
                begun.set()
        except (OSError, http.client.HTTPException):
            pass  # its lines lack their end then
        finally:
            ended.append(time.monotonic())
            begun.set()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    begun.wait()
    target.chat(max_tokens=2).content()
    answered = time.monotonic()
    thread.join()
    events = [line for line in seen if line.startswith("data: ")]
    need(events and events[-1] == "data: [DONE]" and len(events) > 4, f"the long answer broke off after {len(events)} events")
    need(answered < ended[0], f"the short answer came {answered - ended[0]:.1f} s after the long one's end")
    return f"the short answer came {ended[0] - answered:.1f} s before the long one's end"


@check("eight clients at once get whole answers")
def eight_clients(target):
    outcomes = []

    def ask():
        try:
            events = target.chat(stream=True, max_tokens=8).events()
            outcomes.append("" if len(events) > 2 else f"{len(events)} events")
        except Exception as error:  # told below
            outcomes.append(str(error) or type(error).__name__)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    wrong = [outcome for outcome in outcomes if outcome]
    need(not wrong, f"{len(wrong)} of 8 did not: {wrong[0] if wrong else ''}")
    return "8 of 8"
