#!/usr/bin/env python3
"""Writes tests/data/grammar/*.json: which texts belong to a schema, a regular expression or a GBNF grammar.

Oracles: jsonschema (Draft202012Validator with format checks) for schemas, re.fullmatch (ASCII) for regular expressions,
xgrammar for GBNF. llguidance and xgrammar are asked about the schemas too; where they differ from jsonschema is printed.
Needs jsonschema 4.26 with rfc3339-validator, isoduration, fqdn and rfc3987, llguidance 1.9.1, xgrammar 0.2.8 (with torch).

Usage: tools/goldens/make_grammar_cases.py [--check] [--compare]
"""

import copy
import json
import pathlib
import random
import re
import sys

import jsonschema

from grammar_schemas import CASES, NARROW, REFUSED, TEXTS
from grammar_texts import GBNF, REGEXES

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "grammar"
LEAST_DOCUMENTS = 20
REPLACEMENTS = [None, True, 0, -7, 3.25, "", "zebra", [], [0], {}, {"zzz": 1}]


def writings(value):
    """A value as different programs write it."""
    yield json.dumps(value, ensure_ascii=False)
    yield json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    yield json.dumps(value, ensure_ascii=False, indent=2)


def mutations(value, rng):
    """One value changed somewhere: replaced, an item or member removed, added or doubled. Members keep their order."""
    value = copy.deepcopy(value)
    places = []

    def visit(at):
        items = at.items() if isinstance(at, dict) else enumerate(at) if isinstance(at, list) else ()
        for key, item in list(items):
            places.append((at, key))
            visit(item)

    visit(value)
    if not places:
        return rng.choice(REPLACEMENTS)
    at, key = rng.choice(places)
    action = rng.randrange(4)
    if action == 0:
        at[key] = rng.choice(REPLACEMENTS)
    elif action == 1:
        del at[key]
    elif isinstance(at, list):
        at.insert(len(at), copy.deepcopy(rng.choice([at[key], rng.choice(REPLACEMENTS)])))
    else:
        at["zz" + str(rng.randrange(9))] = rng.choice(REPLACEMENTS)
    return value


def is_valid(validator, text):
    try:
        value = json.loads(text, parse_constant=lambda name: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return False
    return validator.is_valid(value)


def schema_case(name, schema, valid, invalid, rng):
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    texts = [text for value in valid for text in writings(value)]
    texts += [json.dumps(value, ensure_ascii=False) for value in invalid]
    for value in invalid:
        if validator.is_valid(value):
            sys.exit(f"{name}: {value!r} is valid")
    for tries in range(200):
        if len(set(texts)) >= LEAST_DOCUMENTS + 4:
            break
        texts.append(json.dumps(mutations(rng.choice(valid), rng), ensure_ascii=False))
    texts += [texts[0][:-1], texts[0] + "x", texts[0] + texts[0], ""] + TEXTS.get(name, [])
    documents = []
    for text in dict.fromkeys(texts):
        expected = is_valid(validator, text) and (name, text) not in NARROW
        documents.append({"text": text, "valid": expected})
    return {"name": name, "schema": schema, "documents": documents}


def sample(tree, rng):
    """A text that a parsed regular expression matches, or nearly."""
    out = ""
    for op, argument in tree:
        op = str(op)
        if op == "LITERAL":
            out += chr(argument)
        elif op == "NOT_LITERAL":
            out += rng.choice([c for c in "ab1 \n" if ord(c) != argument])
        elif op == "ANY":
            out += rng.choice("ab1 é日")
        elif op == "IN":
            out += sample_class(argument, rng)
        elif op == "BRANCH":
            out += sample(rng.choice(argument[1]), rng)
        elif op == "SUBPATTERN":
            out += sample(argument[3], rng)
        elif op in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, part = argument
            high = min(int(high), low + 3)
            for _ in range(rng.randint(low, high)):
                out += sample(part, rng)
    return out


def sample_class(items, rng):
    items = [(str(op), argument) for op, argument in items]
    if items[0][0] == "NEGATE":
        return rng.choice("aZ5_ \n-é日\\")
    op, argument = rng.choice(items)
    if op == "LITERAL":
        return chr(argument)
    if op == "RANGE":
        return chr(rng.randint(*argument))
    return rng.choice({"CATEGORY_DIGIT": "059", "CATEGORY_WORD": "aZ_9", "CATEGORY_SPACE": " \t\n"}.get(str(argument), "!é \n"))


def spoil(text, rng):
    place = rng.randint(0, len(text))
    kind = rng.randrange(3)
    if kind == 0:
        return text[:place] + rng.choice("a0 -.é\n") + text[place:]
    return text[:place] + text[place + 1:] if kind == 1 else text[:place] + text[place:][::-1]


def regex_case(pattern, extra, rng):
    compiled = re.compile(pattern, re.ASCII)
    tree = re._parser.parse(pattern, re.ASCII)  # the module that re itself uses
    texts = ["", "a", "0", "\n", "é"] + extra
    for _ in range(12):
        texts.append(sample(tree, rng))
        texts.append(spoil(texts[-1], rng))
    documents = []
    for text in dict.fromkeys(texts):
        # Python's $ also matches before a line break at the end; here $ is the end.
        if pattern.endswith("$") and text.endswith("\n"):
            continue
        documents.append({"text": text, "valid": compiled.fullmatch(text) is not None})
    return {"regex": pattern, "documents": documents}


def xgrammar_compiler():
    import xgrammar
    info = xgrammar.TokenizerInfo([bytes([i]) for i in range(256)] + ["<e>"], stop_token_ids=[256])
    return xgrammar, xgrammar.GrammarCompiler(info)


def xgrammar_takes(xgrammar, compiled, text):
    matcher = xgrammar.GrammarMatcher(compiled)
    return matcher.accept_string(text) and matcher.accept_token(256)


def gbnf_case(name, gbnf_text, documents, engine):
    xgrammar, compiler = engine
    text = gbnf_text + "\n"
    # xgrammar wants empty alternatives written out and knows no dot.
    for gbnf, ebnf in (("::= |", '::= "" |'), ("| )", '| "")'), (" . ", " [\\u0001-\\U0010FFFF] "), (" .\n", " [\\u0001-\\U0010FFFF]\n")):
        text = text.replace(gbnf, ebnf)
    compiled = compiler.compile_grammar(text)
    return {"name": name, "gbnf": gbnf_text,
            "documents": [{"text": d, "valid": xgrammar_takes(xgrammar, compiled, d)} for d in documents]}


def compare_engines(cases, engine):
    import llguidance
    xgrammar, compiler = engine
    tokenizer = llguidance.LLTokenizer("byte")
    for case in cases:
        answers = {}
        try:
            grammar = llguidance.LLMatcher.grammar_from_json_schema(case["schema"])
            if llguidance.LLMatcher.validate_grammar(grammar, tokenizer) == "":
                def ask(text):
                    matcher = llguidance.LLMatcher(tokenizer, grammar, log_level=0)
                    data = list(text.encode())
                    return matcher.try_consume_tokens(data) == len(data) and matcher.is_accepting()
                answers["llguidance"] = ask
        except Exception:  # what it does not support is no oracle
            pass
        try:
            compiled = compiler.compile_json_schema(json.dumps(case["schema"]), any_whitespace=True)
            answers["xgrammar"] = lambda text, c=compiled: xgrammar_takes(xgrammar, c, text)
        except Exception:
            pass
        for engine_name, ask in answers.items():
            differ = [d["text"] for d in case["documents"] if ask(d["text"]) != d["valid"]]
            print(f"{case['name']}: {engine_name} differs in {len(differ)} of {len(case['documents'])}: {differ[:3]}")


def main():
    rng = random.Random(6)
    engine = xgrammar_compiler()
    schemas = [schema_case(*case, rng) for case in CASES]
    outputs = {
        "schemas.json": schemas,
        "refused_schemas.json": [{"schema": schema, "reason": reason} for schema, reason in REFUSED],
        "regexes.json": [regex_case(pattern, extra, rng) for pattern, extra in REGEXES],
        "gbnf.json": [gbnf_case(name, text, documents, engine) for name, text, documents in GBNF],
    }
    if "--compare" in sys.argv:
        compare_engines(schemas, engine)
    for name, cases in outputs.items():
        text = "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n"
        if "--check" in sys.argv:
            if (DATA / name).read_text() != text:
                sys.exit(f"{name} differs")
        else:
            (DATA / name).write_text(text)
        print(f"{name}: {len(cases)} cases, {sum(len(c.get('documents', [])) for c in cases)} texts")


if __name__ == "__main__":
    main()
