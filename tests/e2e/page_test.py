#!/usr/bin/env python3
"""The page at / of oag serve, as people use it: headless Chromium drives it against the real server.

OAG_BINARY is the program, OAG_CHROMIUM the browser (default: chromium). numpy is needed, to make the model.
"""

import pathlib
import tempfile
import unittest

import pictures
from browser import SHIFT, Browser, find_chromium
from server import Server, make_tiny_agent

KEY = "a key of this test"
INTERACTIVE = "a[href], button, input, select, textarea, summary, [tabindex]"


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        binary = find_chromium()
        if binary is None:
            raise RuntimeError("there is no chromium here: tools/setup dev installs it")
        cls.folder = tempfile.TemporaryDirectory(prefix="oag-page-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.path = pathlib.Path(cls.folder.name)
        cls.model = make_tiny_agent(cls.path / "model")
        cls.picture = cls.path / "screen.png"
        cls.picture.write_bytes(pictures.screen(1, 108, 240))
        cls.server = cls.serve()
        cls.addClassCleanup(cls.server.stop)
        cls.browser = Browser(binary)
        cls.addClassCleanup(cls.browser.close)

    @classmethod
    def serve(cls, **options):
        # The model writes on and on: an answer ends where it is made to.
        return Server(cls.model, "--name", "tiny", "--ctx", 32768, "--no-repetition-check", **options)

    def open(self, server=None, ready=True):
        page = self.browser.open((server or self.server).url + "/")
        self.addCleanup(page.close)
        if ready:
            page.wait("document.querySelector('#state').textContent === 'ready'")
        return page

    def answers(self, page):
        return page.value("[...document.querySelectorAll('.answer .words')].map((one) => one.textContent)")

    def ask(self, page, text, answer=None, tokens=None):
        """Sends a message as a person does; `answer` is what the model is made to say."""
        page.more = {"temperature": 0, **({"structured_outputs": {"choice": [answer]}} if answer else {}),
                     **({"max_completion_tokens": tokens} if tokens else {})}
        page.value("document.querySelector('#prompt').focus()")
        page.write(text)
        page.press("Enter")
        page.wait("document.querySelectorAll('.answer').length > 0")

    def wait_for_end(self, page):
        page.wait("!document.querySelector('#send').hidden && !document.querySelector('[aria-busy]')")

    def wait_until_it_writes(self, page):
        page.wait("document.querySelector('.answer:last-child .words').textContent.length > 20")

    def check_quiet(self, page):
        self.assertEqual(page.problems, [])

    # --- answers ---

    def test_an_answer_appears_while_it_is_made(self):
        page = self.open()
        page.value("""{ window.seen = new Set();
            new MutationObserver(() => seen.add(document.querySelector('.answer .words').textContent.length))
                .observe(document.querySelector('#log'), {childList: true, subtree: true, characterData: true}); }""")
        self.ask(page, "Tell me a story", tokens=4000)
        self.wait_for_end(page)
        self.assertGreater(page.value("seen.size"), 1)
        foot = page.value("document.querySelector('.foot').textContent")
        for part in ("4000 tokens", "tokens/s", "first after", "of prompt", "ended: length"):
            self.assertIn(part, foot)
        self.assertEqual(page.sent[-1]["messages"], [{"role": "user", "content": "Tell me a story"}])
        self.check_quiet(page)

    def test_the_conversation_is_sent_with_each_question(self):
        page = self.open()
        self.ask(page, "One", answer="First.")
        self.wait_for_end(page)
        self.ask(page, "Two", answer="Second.")
        self.wait_for_end(page)
        self.assertEqual(self.answers(page), ["First.", "Second."])
        self.assertEqual([one["content"] for one in page.sent[-1]["messages"]], ["One", "First.", "Two"])
        page.value("document.querySelector('#fresh').click()")
        self.ask(page, "Three", answer="Third.")
        self.wait_for_end(page)
        self.assertEqual(page.sent[-1]["messages"], [{"role": "user", "content": "Three"}])
        self.check_quiet(page)

    def test_stop_ends_the_answer_and_its_work(self):
        for how in ("key", "button"):
            with self.subTest(how):
                page = self.open()
                before = self.server.metrics()["oag_answers_cancelled_total"]
                self.ask(page, "On and on")
                self.wait_until_it_writes(page)
                if how == "key":
                    page.press("Escape")
                else:
                    page.value("document.querySelector('#stop').click()")
                self.wait_for_end(page)
                self.assertIn("stopped", page.value("document.querySelector('.foot').textContent"))
                self.assertGreater(len(self.answers(page)[0]), 20)
                self.server.wait_for(lambda m: m["oag_requests_running"] == 0
                                     and m["oag_answers_cancelled_total"] == before + 1, "the answer is cancelled")
                self.assertEqual(page.value("document.querySelector('[role=alert]')"), None)
                self.check_quiet(page)

    def test_what_looks_like_html_stays_text(self):
        page = self.open()
        wanted = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"><b>bold</b>"
        self.ask(page, "<i>me too</i>", answer=wanted)
        self.wait_for_end(page)
        self.assertEqual(self.answers(page), [wanted])
        self.assertEqual(page.value("document.querySelector('.mine .words').textContent"), "<i>me too</i>")
        self.assertEqual(page.value("document.title"), "OpenAutoGLM")
        self.assertEqual(page.value("document.querySelectorAll('#log script, #log img, #log b, .words i').length"), 0)
        self.check_quiet(page)

    def test_markdown_is_shown_as_what_it_means(self):
        page = self.open()
        answer = ("## A *b*\n\nOne **two** `<i>x</i>` 2 * 3 * 4 a_b_c\nnext line\n\nApart.\n- first\n- **second**\n  goes on\n\n3. three\n4. four\n\n"
                  "| n | m |\n|---|:-:|\n| 1 | `2` |\n| a \n\n**open and `left")
        self.ask(page, "Markdown", answer=answer)
        self.wait_for_end(page)
        self.assertEqual(page.value("document.querySelector('.answer .words').innerHTML"),
                         "<h2>A <em>b</em></h2>"
                         "<p>One <strong>two</strong> <code>&lt;i&gt;x&lt;/i&gt;</code> 2 * 3 * 4 a_b_c\nnext line</p><p>Apart.</p>"
                         "<ul><li>first</li><li><strong>second</strong>\ngoes on</li></ul>"
                         '<ol start="3"><li>three</li><li>four</li></ol>'
                         '<div class="table" tabindex="0"><table><thead><tr><th>n</th><th>m</th></tr></thead>'
                         "<tbody><tr><td>1</td><td><code>2</code></td></tr></tbody></table></div>"
                         "<p>| a </p><p>**open and `left</p>")
        self.check_quiet(page)

    def test_code_stands_in_a_block_of_its_own(self):
        page = self.open()
        self.ask(page, "Code", answer="So:\n\n```python\nprint(\"<b>\")\n```\n\nDone.")
        self.wait_for_end(page)
        self.assertEqual(page.value("document.querySelector('.answer pre code').textContent"), "print(\"<b>\")")
        self.assertEqual(page.value("[...document.querySelectorAll('.answer p')].map((one) => one.textContent)"), ["So:", "Done."])

    def test_thoughts_can_be_folded(self):
        page = self.open()
        self.ask(page, "Think", answer="<think>First I look.</think>Then I act.")
        self.wait_for_end(page)
        self.assertEqual(self.answers(page), ["Then I act."])
        self.assertEqual(page.value("document.querySelector('.thoughts div').textContent"), "First I look.")
        self.assertFalse(page.value("document.querySelector('.thoughts').open"))
        page.value("document.querySelector('.thoughts summary').focus()")
        page.press("Enter")
        self.assertTrue(page.value("document.querySelector('.thoughts').open"))
        # The model gets its own words back whole.
        self.ask(page, "Go on", answer="Yes.")
        self.wait_for_end(page)
        self.assertEqual(page.sent[-1]["messages"][1]["content"], "<think>First I look.</think>Then I act.")

    # --- pictures ---

    def test_a_picture_is_sent_as_a_data_uri(self):
        page = self.open()
        page.choose_files("#file", self.picture)
        page.wait("document.querySelectorAll('#picked img').length === 1")
        self.ask(page, "What is this?", answer="A screen.")
        self.wait_for_end(page)
        self.assertEqual(self.answers(page), ["A screen."])
        shown, text = page.sent[-1]["messages"][0]["content"]
        self.assertEqual(shown, {"type": "image_url", "image_url": {"url": pictures.data_uri(self.picture.read_bytes())}})
        self.assertEqual(text, {"type": "text", "text": "What is this?"})
        self.assertEqual(page.value("document.querySelectorAll('#picked img').length"), 0)
        self.assertEqual(page.value("document.querySelectorAll('.mine img').length"), 1)
        self.check_quiet(page)

    def test_pictures_can_be_pasted_dropped_and_taken_back(self):
        page = self.open()
        page.value("""{ const file = new File([new Uint8Array(%s)], "a.png", {type: "image/png"});
            const transfer = new DataTransfer();
            transfer.items.add(file);
            const prompt = document.querySelector("#prompt");
            prompt.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}));
            prompt.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true})); }"""
                   % list(self.picture.read_bytes()))
        page.wait("document.querySelectorAll('#picked img').length === 2")
        page.value("document.querySelector('#picked button').focus()")
        self.assertEqual(page.value("document.activeElement.getAttribute('aria-label')"), "Remove a.png")
        page.press("Enter")
        page.wait("document.querySelectorAll('#picked img').length === 1")
        page.press("Enter")
        page.wait("document.querySelectorAll('#picked img').length === 0")
        self.assertEqual(page.focused(), "prompt")
        self.check_quiet(page)

    # --- the keyboard ---

    def test_the_keyboard_is_enough(self):
        page = self.open()
        self.assertEqual(page.focused(), "prompt")
        page.more = {"structured_outputs": {"choice": ["Yes."]}}
        page.write("First line")
        page.press("Enter", SHIFT)
        page.write("second line")
        page.press("Enter")
        page.wait("document.querySelectorAll('.answer').length === 1")
        self.wait_for_end(page)
        self.assertEqual(page.sent[-1]["messages"][0]["content"], "First line\nsecond line")
        page.more = {}
        page.write("On and on")
        page.press("Enter")
        self.wait_until_it_writes(page)
        page.tab_to("stop")
        page.press("Enter")
        self.wait_for_end(page)
        self.assertEqual(page.focused(), "prompt")
        page.tab_to("toggle")
        page.press("Enter")
        self.assertTrue(page.value("document.querySelector('#side').hidden"))
        page.press("Space")
        self.assertFalse(page.value("document.querySelector('#side').hidden"))
        for name in ("log", "prompt", "attach", "system", "temperature", "tokens", "key", "model", "fresh"):
            page.tab_to(name)
        page.press("Enter")
        self.assertEqual(page.value("document.querySelectorAll('.turn').length"), 0)
        self.check_quiet(page)

    def test_every_control_has_a_name_and_shows_its_focus(self):
        page = self.open()
        nameless = page.value("""[...document.querySelectorAll("%s")].filter((one) => !one.hidden && one.type !== "file"
            && !(one.getAttribute("aria-label") || one.textContent.trim() || (one.labels && one.labels.length)))
            .map((one) => one.outerHTML)""" % INTERACTIVE)
        self.assertEqual(nameless, [])
        page.tab_to("toggle")
        self.assertNotEqual(page.value("getComputedStyle(document.activeElement).outlineStyle"), "none")
        self.assertEqual(page.value("document.documentElement.lang"), "en")
        self.assertEqual(page.value("document.querySelector('#log').getAttribute('aria-live')"), "polite")

    # --- the server ---

    def test_nothing_is_asked_of_anybody_else(self):
        page = self.open()
        page.choose_files("#file", self.picture)
        page.wait("document.querySelectorAll('#picked img').length === 1")
        self.ask(page, "Hello", answer="Hello.")
        self.wait_for_end(page)
        page.wait("document.querySelector('#gauges dd').textContent !== '–'")
        for address in page.requests:
            self.assertTrue(address.startswith((self.server.url + "/", "data:", "blob:")), address[:100])
        with self.assertRaisesRegex(Exception, "Failed to fetch"):
            page.value("fetch('http://127.0.0.1:1/')")
        self.assertTrue(any("Content Security Policy" in one for one in page.problems), page.problems)

    def test_gauges_follow_the_server(self):
        page = self.open()
        self.ask(page, "On and on")
        self.wait_until_it_writes(page)
        page.wait("[...document.querySelectorAll('.gauge')].some((one) => one.textContent === 'Running1')")
        self.assertTrue(page.value("document.querySelector('.gauge path.over').getAttribute('d').startsWith('M')"))
        page.press("Escape")
        page.wait("[...document.querySelectorAll('.gauge')].some((one) => one.textContent === 'Running0')")
        self.check_quiet(page)

    def test_settings_are_sent(self):
        page = self.open()
        for name, text in (("system", "Be brief."), ("temperature", "0.5"), ("tokens", "7")):
            page.value(f"document.querySelector('#{name}').focus()")
            page.write(text)
            page.press("Tab")
        self.ask(page, "Hello")
        self.wait_for_end(page)
        body = page.sent[-1]
        self.assertEqual((body["temperature"], body["max_completion_tokens"]), (0.5, 7))
        self.assertEqual(body["messages"][0], {"role": "system", "content": "Be brief."})
        self.assertEqual(page.value("document.querySelector('.foot').textContent.includes('7 tokens')"), True)

    def test_what_is_wrong_is_said_in_its_place(self):
        page = self.open()
        self.ask(page, "Hello", tokens=-1)
        page.wait("document.querySelector('.answer [role=alert]')")
        self.assertIn("max_completion_tokens", page.value("document.querySelector('[role=alert]').textContent"))
        page.more = {"structured_outputs": {"choice": ["Better."]}}
        page.value("document.querySelector('[role=alert] button').focus()")
        page.press("Enter")
        page.wait("document.querySelector('.answer .words').textContent === 'Better.'")
        self.assertEqual(page.value("document.querySelectorAll('[role=alert]').length"), 0)
        self.assertEqual(page.sent[-1]["messages"], [{"role": "user", "content": "Hello"}])

    def test_an_answer_that_breaks_is_not_taken_for_whole(self):
        with self.serve() as server:
            page = self.open(server)
            self.ask(page, "On and on")
            self.wait_until_it_writes(page)
            server.process.kill()
            page.wait("document.querySelector('.answer [role=alert]')")
            self.assertGreater(len(self.answers(page)[0]), 20)
            page.wait("document.querySelector('#state').textContent === 'unreachable'")

    def test_a_key_is_asked_for_and_kept_in_the_tab_alone(self):
        with self.serve(key=KEY) as server:
            page = self.open(server, ready=False)
            page.wait("document.querySelector('#state').textContent === 'key needed'")
            self.assertEqual(page.focused(), "key")
            page.write(KEY)
            page.press("Tab")
            page.wait("document.querySelector('#state').textContent === 'ready'")
            self.ask(page, "Hello", answer="Hello.")
            self.wait_for_end(page)
            self.assertEqual(self.answers(page), ["Hello."])
            self.assertEqual(page.value("[localStorage.length, document.cookie, document.querySelector('#key').type]"), [0, "", "password"])
            self.assertFalse(page.value("location.href").endswith(KEY))

    # --- looks ---

    def test_it_fits_small_screens_and_follows_the_scheme(self):
        page = self.open()
        self.ask(page, "Hello", answer="Hello. " * 30 + "\n```\n" + "a long line of code " * 20 + "\n```")
        self.wait_for_end(page)
        for width, height in ((320, 568), (390, 844), (844, 390), (1280, 800)):
            page.emulate(width, height, mobile=width < 900)
            self.assertLessEqual(page.value("document.documentElement.scrollWidth"), width)
            box = page.value("(() => { const box = document.querySelector('#send').getBoundingClientRect();"
                             " return [box.right, box.bottom]; })()")
            self.assertTrue(box[0] <= width and box[1] <= height, (width, height, box))
        papers = []
        for dark in (False, True):
            page.emulate(1280, 800, dark)
            papers.append(page.value("getComputedStyle(document.body).backgroundColor"))
        self.assertNotEqual(*papers)


if __name__ == "__main__":
    unittest.main(verbosity=2)
