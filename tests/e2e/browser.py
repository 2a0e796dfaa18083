"""A small driver of headless Chromium: its DevTools protocol over a pair of pipes, without further packages."""

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

LIMIT_S = 60

# The keys that tests press: key, code, Windows key code, text that they write.
KEYS = {
    "Enter": ("Enter", "Enter", 13, "\r"),
    "Escape": ("Escape", "Escape", 27, ""),
    "Tab": ("Tab", "Tab", 9, ""),
    "Space": (" ", "Space", 32, " "),
    "ArrowDown": ("ArrowDown", "ArrowDown", 40, ""),
}
SHIFT = 8


def find_chromium():
    return os.environ.get("OAG_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


class BrowserError(Exception):
    pass


class Browser:
    """One Chromium with a profile of its own, gone with close()."""

    def __init__(self, binary, width=1280, height=800):
        self._profile = tempfile.TemporaryDirectory(prefix="oag-chromium-", ignore_cleanup_errors=True)
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()
        # Chromium wants 3 and 4; numbers above cannot be in the way of each other.
        passed = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_child, from_child)]
        command = ["bash", "-c", f'exec "$@" 3<&{passed[0]} 4>&{passed[1]}', "chromium", binary,
                   "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
                   "--remote-debugging-pipe", f"--user-data-dir={self._profile.name}", f"--window-size={width},{height}",
                   "about:blank"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, pass_fds=passed, start_new_session=True)
        for fd in (to_child, from_child, *passed):
            os.close(fd)
        self._numbers = itertools.count(1)
        self._changed, self._writing = threading.Condition(), threading.Lock()
        self._answers, self._listeners, self._ended = {}, [], False
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        rest = b""
        while True:
            try:
                part = os.read(self._read, 1 << 16)
            except OSError:
                part = b""
            if not part:
                break
            *whole, rest = (rest + part).split(b"\0")
            for text in whole:
                self._take(json.loads(text))
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, message):
        with self._changed:
            if "id" in message:
                self._answers[message["id"]] = message
                self._changed.notify_all()
                return
            listeners = list(self._listeners)
        for session, listener in listeners:
            if session == message.get("sessionId"):
                listener(message["method"], message.get("params", {}))

    def listen(self, session, listener):
        with self._changed:
            self._listeners.append((session, listener))

    def send(self, method, session=None, **params):
        """Asks for something without waiting for its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        with self._writing:
            while data:
                data = data[os.write(self._write, data):]
        return number

    def call(self, method, session=None, **params):
        number = self.send(method, session, **params)
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended or number in self._answers, LIMIT_S):
                raise BrowserError(f"{method} had no answer in {LIMIT_S} s")
            if number not in self._answers:
                raise BrowserError(f"Chromium ended before it answered {method}")
            answer = self._answers.pop(number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def open(self, url):
        return Page(self, url)

    def close(self):
        try:
            self.call("Browser.close")
        except (BrowserError, OSError):
            pass
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)
        self._profile.cleanup()


class Page:
    """One tab. `requests` are the addresses it asked for, `sent` the JSON bodies of its questions, `problems` what it
    complained of on the console. `more` is added to the bodies of questions on their way."""

    def __init__(self, browser, url):
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._target = target
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.requests, self.sent, self.problems, self.more = [], [], [], {}
        browser.listen(self._session, self._note)
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")
        self.call("Fetch.enable", patterns=[{"urlPattern": "*/v1/chat/completions"}])
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def _note(self, method, params):
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.problems.append(str([one.get("value", one.get("description")) for one in params["args"]]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))
        elif method == "Fetch.requestPaused":
            body = json.loads(params["request"]["postData"])
            self.sent.append(body)
            data = base64.b64encode(json.dumps({**body, **self.more}).encode()).decode()
            self._browser.send("Fetch.continueRequest", self._session, requestId=params["requestId"], postData=data)

    def call(self, method, **params):
        return self._browser.call(method, self._session, **params)

    def value(self, expression):
        """What an expression of the page's is; promises are waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, expression, limit_s=LIMIT_S):
        """Waits until an expression is true."""
        end = time.monotonic() + limit_s
        while not self.value(f"Boolean({expression})"):
            if time.monotonic() > end:
                raise BrowserError(f"not true in {limit_s} s: {expression}\nthe page: {self.value('document.body.innerText')[-500:]}")
            time.sleep(0.03)

    def press(self, name, modifiers=0):
        key, code, number, text = KEYS[name]
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def write(self, text):
        """Writes where the focus is, as a keyboard or an input method does."""
        self.call("Input.insertText", text=text)

    def focused(self):
        return self.value("document.activeElement.id || document.activeElement.textContent.slice(0, 40)")

    def tab_to(self, identifier, most=40):
        """Presses Tab until an element has the focus."""
        for _ in range(most):
            if self.value("document.activeElement.id") == identifier:
                return
            self.press("Tab")
        raise BrowserError(f"{most} times Tab do not lead to #{identifier}")

    def choose_files(self, selector, *paths):
        """Gives files to an <input type=file>, as its dialog would."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def emulate(self, width, height, dark=False, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self._browser.call("Target.closeTarget", targetId=self._target)
