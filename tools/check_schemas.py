#!/usr/bin/env python3
"""Checks the JSON outputs of oag against the schemas in docs/schemas/.

Without arguments: each docs/schemas/NAME.json is a JSON Schema (draft 2020-12) that demands {"schema": "oag.NAME/1"},
and has at least one example, docs/schemas/examples/NAME.json or NAME-*.json, that it accepts.
With files (or - for standard input): each holds one output of oag, which its schema has to accept.

Exit status: 0 when all is well, 3 when a document is not what it should be, 2 for a usage error.
"""

import argparse
import json
import pathlib
import re
import sys

import jsonschema


class Problem(Exception):
    """A document that is not what it should be."""


def load(path):
    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Problem(f"{path}: is not JSON: {error}") from error


def load_schema(path):
    """The validator of a schema file and the name that its documents carry."""
    schema = load(path)
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise Problem(f"{path}: is no JSON Schema: {error.message}") from error
    name = schema.get("properties", {}).get("schema", {}).get("const", "")
    if not re.fullmatch(rf"oag\.{re.escape(path.stem)}/[0-9]+", name) or "schema" not in schema.get("required", []):
        raise Problem(f'{path}: must demand a "schema" that is the constant "oag.{path.stem}/1", has "{name}"')
    return name, jsonschema.Draft202012Validator(schema)


def check_document(path, document, validator):
    for error in validator.iter_errors(document):
        raise Problem(f"{path}: {error.json_path}: {error.message}")


def owner(example, schemas):
    """The schema that an example belongs to by its name: the longest that fits, for models-list is no example of models."""
    fitting = [s for s in schemas if example.stem == s.stem or example.stem.startswith(s.stem + "-")]
    return max(fitting, key=lambda s: len(s.stem), default=None)


def check_tree(folder):
    """Checks every schema and every example; returns how many of each."""
    schemas = sorted(folder.glob("*.json"))
    examples = set(folder.glob("examples/*.json"))
    count = len(examples)
    if not schemas:
        raise Problem(f"{folder}: holds no schema")
    for path in schemas:
        _, validator = load_schema(path)
        own = [e for e in examples if owner(e, schemas) == path]
        if not own:
            raise Problem(f"{path}: has no example in {folder / 'examples'}")
        for example in own:
            check_document(example, load(example), validator)
        examples -= set(own)
    for example in sorted(examples):
        raise Problem(f"{example}: belongs to no schema")
    return len(schemas), count


def check_outputs(folder, paths):
    validators = dict(load_schema(path) for path in sorted(folder.glob("*.json")))
    for path in paths:
        document = load(path)
        name = document.get("schema") if isinstance(document, dict) else None
        if name not in validators:
            raise Problem(f'{path}: has the schema {json.dumps(name)}, known are {", ".join(sorted(validators))}')
        check_document(path, document, validators[name])


def main(arguments):
    default = pathlib.Path(__file__).resolve().parent.parent / "docs/schemas"
    parser = argparse.ArgumentParser(description="Check JSON outputs of oag against their schemas.")
    parser.add_argument("--schemas", type=pathlib.Path, default=default, help="their folder (default: docs/schemas)")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="outputs to check, - for standard input")
    options = parser.parse_args(arguments)
    try:
        if options.files:
            check_outputs(options.schemas, options.files)
            print(f"check_schemas: {len(options.files)} outputs follow their schemas")
        else:
            print("check_schemas: {} schemas, {} examples".format(*check_tree(options.schemas)))
    except (Problem, OSError) as problem:
        print(f"check_schemas: {problem}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
