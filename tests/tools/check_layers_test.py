"""tools/check_layers.py on small made-up trees: each kind of violation is found, and nothing else is."""

import pathlib
import tempfile
import unittest

from scripts import run_python

TABLE = """# Architecture

## Allowed includes

```
base                -> -
low                 -> -
mid                 -> low
high                -> {low, mid}, include/openautoglm   # a comment
plug/*              -> low
plug/bridge         -> mid
top                 -> everything except plug
include/openautoglm -> -
*_test.cc           -> top
```
"""


class CheckLayersTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.write("ARCHITECTURE.md", TABLE)
        for room in ("base", "low", "mid", "high", "top", "plug/one", "plug/two", "plug/bridge"):
            self.write(f"src/{room}/thing.h", "#pragma once\n#include <vector>\n")
        self.write("include/openautoglm/api.h", "#pragma once\n#include <string>\n")

    def write(self, path, text):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def check(self, *options):
        return run_python("check_layers", "--root", self.root, *options)

    def assert_clean(self):
        result = self.check()
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)

    def assert_found(self, *parts):
        result = self.check()
        self.assertEqual(result.returncode, 3, result.stdout + result.stderr)
        lines = result.stdout.splitlines()[:-1]
        self.assertEqual(len(lines), 1, result.stdout)
        for part in parts:
            self.assertIn(part, lines[0])

    def test_listed_edges_pass(self):
        self.write("src/high/a.cc", '#include "high/thing.h"\n#include "mid/thing.h"\n#include "base/thing.h"\n')
        self.write("src/top/a.cc", '#include "high/thing.h"\n#  include <openautoglm/api.h>\n')
        self.write("src/plug/one/a.cc", '#include "plug/one/thing.h"\n#include "low/thing.h"\n')
        self.write("src/plug/bridge/deep/a.cc", '#include "mid/thing.h"\n#include "low/thing.h"\n')
        self.write("src/high/c.cc", '#include "openautoglm/api.h"\n')
        self.assert_clean()

    def test_an_upward_edge_is_found_with_file_and_line(self):
        self.write("src/low/a.cc", '#include <vector>\n\n#include "mid/thing.h"\n')
        self.assert_found("src/low/a.cc:3:", "low may not include mid")

    def test_edges_are_not_passed_on(self):
        self.write("src/plug/one/a.cc", '#include "mid/thing.h"\n')
        self.assert_found("plug/one may not include mid")

    def test_base_includes_only_itself(self):
        self.write("src/base/a.cc", '#include "low/thing.h"\n')
        self.assert_found("base may not include low")

    def test_one_plug_may_not_include_another(self):
        self.write("src/plug/one/a.cc", '#include "plug/two/thing.h"\n')
        self.assert_found("plug/one may not include plug/two")

    def test_except_takes_a_room_out_of_everything(self):
        self.write("src/top/a.cc", '#include "plug/two/thing.h"\n')
        self.assert_found("top may not include plug/two")

    def test_public_headers_include_nothing_of_src(self):
        self.write("include/openautoglm/more.h", '#include "base/thing.h"\n')
        self.assert_found("include/openautoglm may not include base")

    def test_a_public_header_needs_a_listed_edge(self):
        self.write("src/mid/a.cc", '#include "openautoglm/api.h"\n')
        self.assert_found("mid may not include include/openautoglm")

    def test_a_climbing_path_is_found(self):
        self.write("src/high/a.cc", '#include "../low/thing.h"\n')
        self.assert_found("src/high/a.cc:1:", 'climbs with ".."')

    def test_a_path_relative_to_the_including_file_is_found(self):
        self.write("src/high/a.cc", '#include "thing.h"\n')
        self.assert_found('"thing.h" is no file of src/ or include/')

    def test_a_missing_public_header_is_found(self):
        self.write("src/high/a.cc", "#include <openautoglm/gone.h>\n")
        self.assert_found('"openautoglm/gone.h" is no file')

    def test_a_project_file_in_angle_brackets_is_found(self):
        self.write("src/high/a.cc", "#include <low/thing.h>\n")
        self.assert_found('<low/thing.h> is a file of this project: write "low/thing.h"')

    def test_a_macro_as_path_is_found(self):
        self.write("src/high/a.cc", "#include THING_HEADER\n")
        self.assert_found('"THING_HEADER" is no literal path')

    def test_a_folder_outside_the_table_is_found(self):
        self.write("src/cellar/a.cc", "#include <vector>\n")
        self.assert_found("src/cellar/a.cc:1: lies in no room")

    def test_a_circle_of_headers_is_found(self):
        self.write("src/low/one.h", '#include "low/two.h"\n')
        self.write("src/low/two.h", '#include "low/one.h"\n')
        self.assert_found("a circle among files: src/low/one.h -> src/low/two.h -> src/low/one.h")

    def test_a_circle_of_rooms_in_the_table_is_found(self):
        self.write("ARCHITECTURE.md", TABLE.replace("low                 -> -", "low -> high"))
        self.assert_found("a circle among the table's lines:", "high", "low")

    def test_a_circle_of_rooms_in_the_code_is_found(self):
        self.write("src/mid/a.cc", '#include "low/thing.h"\n')
        self.write("src/low/a.cc", '#include "mid/thing.h"\n')
        result = self.check()
        self.assertEqual(result.returncode, 3)
        self.assertIn("a circle among rooms: low -> mid -> low", result.stdout)

    def test_a_unit_test_may_use_its_rooms_edges_and_the_test_line(self):
        self.write("src/mid/a_test.cc", '#include "low/thing.h"\n#include "top/thing.h"\n')
        self.assert_clean()

    def test_a_unit_test_may_not_use_other_rooms(self):
        self.write("src/mid/a_test.cc", '#include "high/thing.h"\n')
        self.assert_found("mid may not include high")

    def test_only_unit_tests_use_files_of_tests_and_only_where_the_table_says(self):
        self.write("tests/shared.h", "#pragma once\n")
        self.write("src/mid/a_test.cc", '#include "tests/shared.h"\n')
        self.assert_found("mid may not include tests")
        self.write("ARCHITECTURE.md", TABLE.replace("*_test.cc           -> top", "*_test.cc -> top, tests"))
        self.assert_clean()
        self.write("src/mid/a.cc", '#include "tests/shared.h"\n')
        self.assert_found('"tests/shared.h" is no file of src/ or include/')

    def test_suites_benchmarks_and_examples_may_include_everything(self):
        self.write("tests/shared.h", '#include "plug/two/thing.h"\n')
        self.write("tests/suite/a.cc", '#include "tests/shared.h"\n#include "base/thing.h"\n#include "low/thing.h"\n')
        self.write("bench/a.cc", '#include "high/thing.h"\n')
        self.write("examples/a.c", "#include <openautoglm/api.h>\n")
        self.assert_clean()

    def test_suites_write_full_paths_too(self):
        self.write("tests/suite/near.h", "#pragma once\n")
        self.write("tests/suite/a.cc", '#include "near.h"\n')
        self.assert_found('tests/suite/a.cc:1: "near.h" is no file')

    def test_includes_in_comments_do_not_count(self):
        self.write("src/low/a.cc", '/*\n#include "mid/thing.h"\n*/\n// #include "mid/thing.h"\n')
        self.assert_clean()

    def test_a_comment_mark_in_a_string_hides_nothing(self):
        self.write("src/low/a.cc", 'auto a = "/*"; // and /*\n#include "mid/thing.h"\nauto b = "*/";\n')
        self.assert_found("src/low/a.cc:2:", "low may not include mid")

    def test_list_prints_edges_with_counts(self):
        self.write("src/high/a.cc", '#include "mid/thing.h"\n#include "low/thing.h"\n')
        self.write("src/high/b.cc", '#include "mid/thing.h"\n')
        self.assertEqual(self.check("--list").stdout, "high -> low  1\nhigh -> mid  2\n")

    def test_a_table_that_cannot_be_read_is_no_pass(self):
        for text in ("# no table\n", TABLE.replace("mid                 -> low", "mid low"),
                     TABLE.replace("mid                 -> low", "mid -> lov")):
            self.write("ARCHITECTURE.md", text)
            result = self.check()
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn("ARCHITECTURE.md", result.stderr)

    def test_this_projects_own_tree_follows_its_table(self):
        result = run_python("check_layers")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
