#!/usr/bin/env python3
"""Random documents that constrained decoding writes must be valid under their schemas, says jsonschema.

OAG_GRAMMAR_WALK names the program that writes them. Needs the package python3-jsonschema.
"""

import json
import os
import pathlib
import subprocess
import unittest
import warnings

import jsonschema

SCHEMAS = pathlib.Path(__file__).resolve().parents[1] / "data" / "grammar" / "schemas.json"


class GrammarWalks(unittest.TestCase):
    def test_every_document_is_valid_under_its_schema(self):
        schemas = {case["name"]: case["schema"] for case in json.loads(SCHEMAS.read_text())}
        output = subprocess.run([os.environ["OAG_GRAMMAR_WALK"]], check=True, capture_output=True, text=True).stdout
        walks = [json.loads(line) for line in output.splitlines()]
        checked = set()
        checker = getattr(jsonschema.Draft202012Validator, "FORMAT_CHECKER", None) or jsonschema.draft202012_format_checker
        for walk in walks:
            validator = jsonschema.Draft202012Validator(schemas[walk["case"]], format_checker=checker)
            with self.subTest(case=walk["case"], text=walk["text"]):
                value = json.loads(walk["text"], parse_constant=self.fail)
                self.assertIsNone(next(validator.iter_errors(value), None))
            checked.add(walk["case"])
        self.assertGreater(len(walks), 400)
        self.assertGreater(len(checked), 95)


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    unittest.main()
