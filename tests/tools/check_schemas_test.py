"""tools/check_schemas.py on made-up schemas: good documents pass, each kind of wrong one is named."""

import json
import pathlib
import tempfile
import unittest

from scripts import run_python

SCHEMA = {
    "type": "object",
    "properties": {"schema": {"const": "oag.speed/1"}, "tokens": {"type": "integer"}},
    "required": ["schema", "tokens"],
}
GOOD = {"schema": "oag.speed/1", "tokens": 3}


class CheckSchemasTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "examples").mkdir()
        self.write("speed.json", SCHEMA)
        self.write("examples/speed.json", GOOD)

    def write(self, name, document):
        (self.folder / name).write_text(json.dumps(document), encoding="utf-8")

    def check(self, *arguments, stdin=""):
        return run_python("check_schemas", "--schemas", self.folder, *arguments, stdin=stdin)

    def assert_problem(self, expected, *arguments, stdin=""):
        result = self.check(*arguments, stdin=stdin)
        self.assertEqual(result.returncode, 3, result.stdout)
        self.assertIn(expected, result.stderr)

    def test_good_examples_pass_and_are_counted(self):
        self.write("examples/speed-more.json", GOOD)
        result = self.check()
        self.assertEqual((result.returncode, result.stdout), (0, "check_schemas: 1 schemas, 2 examples\n"))

    def test_an_example_that_breaks_its_schema_is_named_with_the_place(self):
        self.write("examples/speed.json", {"schema": "oag.speed/1", "tokens": "3"})
        self.assert_problem("speed.json: $.tokens: '3' is not of type 'integer'")

    def test_a_schema_without_example_is_a_problem(self):
        (self.folder / "examples/speed.json").unlink()
        self.assert_problem("speed.json: has no example")

    def test_an_example_without_schema_is_a_problem(self):
        self.write("examples/other.json", GOOD)
        self.assert_problem("other.json: belongs to no schema")

    def test_no_schemas_at_all_is_a_problem(self):
        (self.folder / "speed.json").unlink()
        self.assert_problem("holds no schema")

    def test_a_schema_has_to_demand_its_own_name(self):
        self.write("speed.json", {**SCHEMA, "required": ["tokens"]})
        self.assert_problem('must demand a "schema" that is the constant "oag.speed/1"')

    def test_a_file_that_is_no_schema_is_a_problem(self):
        self.write("speed.json", {**SCHEMA, "type": "thing"})
        self.assert_problem("speed.json: is no JSON Schema")

    def test_an_output_is_checked_against_the_schema_it_names(self):
        self.assertEqual(self.check("-", stdin=json.dumps(GOOD)).returncode, 0)
        self.assert_problem("'tokens' is a required property", "-", stdin='{"schema": "oag.speed/1"}')

    def test_an_output_with_an_unknown_schema_is_a_problem(self):
        self.assert_problem('has the schema "oag.sped/1", known are oag.speed/1', "-", stdin='{"schema": "oag.sped/1"}')

    def test_an_output_that_is_no_json_is_a_problem(self):
        self.assert_problem("is not JSON", "-", stdin="tokens: 3")


if __name__ == "__main__":
    unittest.main()
