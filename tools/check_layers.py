#!/usr/bin/env python3
"""Checks every #include of the project against the table "Allowed includes" in ARCHITECTURE.md.

Exit status: 0 when every include follows the table, 3 when one does not, 2 for a usage error or an unreadable table.
"""

import argparse
import dataclasses
import os
import pathlib
import re
import sys

SOURCE_SUFFIXES = {".h", ".hpp", ".c", ".cc", ".cpp", ".cu", ".inc"}
FREE_FOLDERS = ("tests", "bench", "examples")  # these may include everything
PUBLIC_ROOM = "include/openautoglm"
EVERYTHING = "everything"
UNIT_TESTS = "*_test.cc"
HEADING = "## Allowed includes"

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"(?P<quoted>[^"\n]*)"|<(?P<angled>[^>\n]*)>|(?P<other>.*))', re.M)
# Strings and line comments are matched so that a "/*" inside them starts no comment.
COMMENT_OR_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.S)


class TableError(Exception):
    """The table cannot be read; the message names the line."""


@dataclasses.dataclass(frozen=True)
class Include:
    file: str  # path from the root of the project
    line: int
    path: str  # as written
    kind: str  # "quoted", "angled" or "other"


@dataclasses.dataclass
class Rule:
    """One right side of the table: patterns that a target room has to match, and those it must not."""

    allowed: list
    excluded: list

    def admits(self, room):
        if any(matches(pattern, room) for pattern in self.excluded):
            return False
        return EVERYTHING in self.allowed or any(matches(pattern, room) for pattern in self.allowed)


def matches(pattern, room):
    """Whether a room is the one that the pattern names or lies in it; "a/*" names every room below a."""
    prefix = pattern[:-1] if pattern.endswith("/*") else pattern + "/"
    return room == pattern or room.startswith(prefix)


def split_names(text):
    """Splits "a, b/{c, d}" at the commas outside braces and expands the braces."""
    names = []
    for part in re.findall(r"[^,{]*\{[^}]*\}|[^,]+", text):
        part = part.strip()
        braces = re.fullmatch(r"([^{]*)\{([^}]*)\}", part)
        if braces:
            names += [braces[1] + inner.strip() for inner in braces[2].split(",")]
        elif part:
            names.append(part)
    return names


class Table:
    """The allowed edges, read from the first fenced block below the heading."""

    def __init__(self, text):
        self.rules = {}  # left side -> [Rule]
        section = text.partition("\n" + HEADING + "\n")[2]
        block = re.search(r"^```[^\n]*\n(.*?)^```", section, re.S | re.M)
        if not block:
            raise TableError(f'no fenced block below the heading "{HEADING}"')
        for line in block[1].splitlines():
            line = line.split("#")[0].strip()
            if line:
                self._read_line(line)
        for left, rules in self.rules.items():
            for rule in rules:
                for pattern in rule.allowed + rule.excluded:
                    self._require_known(pattern, left)

    def _read_line(self, line):
        left, arrow, right = line.partition("->")
        if not arrow:
            raise TableError(f'"{line}" has no "->"')
        right, _, excluded = right.partition(" except ")
        rule = Rule([] if right.strip() == "-" else split_names(right), split_names(excluded))
        for name in split_names(left):
            self.rules.setdefault(name, []).append(rule)

    def _require_known(self, pattern, left):
        known = [EVERYTHING, "base", PUBLIC_ROOM, *FREE_FOLDERS, *self.rules]
        if not any(matches(pattern, name) for name in known):
            raise TableError(f'"{left}" may include "{pattern}", which no line of the table describes')

    def room_of(self, path):
        """The room of a path from src/ (or "include/…"): the longest left side that covers it, or None."""
        parts = pathlib.PurePosixPath(path).parts[:-1]
        for size in range(len(parts), 0, -1):
            room = "/".join(parts[:size])
            if room in self.rules or (size > 1 and "/".join(parts[: size - 1]) + "/*" in self.rules):
                return room
        return None

    def rules_of(self, room):
        parent = room.rpartition("/")[0]
        return self.rules.get(room, []) + self.rules.get(parent + "/*", [])

    def allows(self, source, target, unit_test):
        if source == target:
            return True
        rules = list(self.rules_of(source))
        if unit_test:
            rules += self.rules.get(UNIT_TESTS, [])
        if target == "base" and source != PUBLIC_ROOM:
            return True
        return any(rule.admits(target) for rule in rules)


def blank(match):
    """Block comments become as many line ends as they had, so that line numbers stay right."""
    return "\n" * match[0].count("\n") if match[0].startswith("/*") else match[0]


def includes_of(root, path):
    text = COMMENT_OR_STRING.sub(blank, (root / path).read_text(encoding="utf-8", errors="replace"))
    for match in INCLUDE.finditer(text):
        kind = match.lastgroup
        yield Include(path, text.count("\n", 0, match.start()) + 1, match[kind].strip(), kind)


def source_files(root):
    for top in ("src", "include", *FREE_FOLDERS):
        for folder, _, names in os.walk(root / top):
            for name in names:
                if pathlib.PurePath(name).suffix in SOURCE_SUFFIXES:
                    yield pathlib.Path(folder, name).relative_to(root).as_posix()


def find_circle(edges):
    """One circle of a graph {node: nodes} as a list that ends where it began, or None."""
    done = set()
    for start in sorted(edges):
        path, iterators = [start], [iter(sorted(edges.get(start, ())))]
        while path:
            following = next(iterators[-1], None)
            if following is None:
                done.add(path.pop())
                iterators.pop()
            elif following in path:
                return path[path.index(following):] + [following]
            elif following not in done:
                path.append(following)
                iterators.append(iter(sorted(edges.get(following, ()))))
    return None


class Checker:
    def __init__(self, root, table):
        self.root = root
        self.table = table
        self.errors = []
        self.edges = {}  # (room, room) -> number of includes, product files only
        self.file_edges = {}

    def run(self):
        for path in sorted(source_files(self.root)):
            if path.startswith("src/"):
                source = self.table.room_of(path[len("src/"):])
            elif path.startswith("include/"):
                source = PUBLIC_ROOM
            else:
                source = None
            if source is None and path.startswith("src/"):
                self.errors.append(f"{path}:1: lies in no room of the table")
                continue
            for include in includes_of(self.root, path):
                self.check(include, source)
        self.check_circle({room: {b for a, b in self.edges if a == room} for room, _ in self.edges}, "rooms")
        self.check_circle(self.file_edges, "files")
        self.check_circle(self.table_edges(), "the table's lines")

    def report(self, include, message):
        self.errors.append(f"{include.file}:{include.line}: {message}")

    def resolve(self, include, source):
        """The included file as a path from the root of the project; None for a foreign header or after a report."""
        if ".." in include.path.split("/"):
            self.report(include, f'"{include.path}" climbs with "..": write the path from src/')
            return None
        if include.kind == "other":
            self.report(include, f'"{include.path}" is no literal path: write the path from src/')
            return None
        in_src = (self.root / "src" / include.path).is_file()
        if include.path.startswith("openautoglm/") or (self.root / "include" / include.path).is_file():
            if (self.root / "include" / include.path).is_file():
                return "include/" + include.path
        elif include.kind == "angled":
            if in_src and "/" in include.path:
                self.report(include, f'<{include.path}> is a file of this project: write "{include.path}"')
            return None
        elif in_src and "/" in include.path:
            return "src/" + include.path
        elif (source is None or include.file.endswith("_test.cc")) and (self.root / include.path).is_file():
            return include.path
        self.report(include, f'"{include.path}" is no file of src/ or include/: write the path from there')
        return None

    def check(self, include, source):
        target_file = self.resolve(include, source)
        if target_file is None:
            return
        if target_file != include.file or not target_file.endswith(".cc"):
            self.file_edges.setdefault(include.file, set()).add(target_file)
        if source is None:
            return
        if target_file.startswith("include/"):
            target = PUBLIC_ROOM
        elif target_file.split("/")[0] in FREE_FOLDERS:
            target = target_file.split("/")[0]
        else:
            target = self.table.room_of(target_file[len("src/"):])
        if target is None:
            self.report(include, f'"{include.path}" lies in no room of the table')
            return
        unit_test = include.file.endswith("_test.cc")
        if not self.table.allows(source, target, unit_test):
            self.report(include, f'{source} may not include {target} ("{include.path}")')
        if source != target and not unit_test:
            self.edges[source, target] = self.edges.get((source, target), 0) + 1

    def table_edges(self):
        rooms = [name.replace("*", "any") for name in self.table.rules if name != UNIT_TESTS]
        edges = {}
        for source in rooms:
            for target in rooms:
                if source != target and any(rule.admits(target) for rule in self.table.rules_of(source)):
                    edges.setdefault(source, set()).add(target)
        return edges

    def check_circle(self, edges, what):
        circle = find_circle(edges)
        if circle:
            self.errors.append(f"a circle among {what}: " + " -> ".join(circle))


def main(arguments):
    parser = argparse.ArgumentParser(description="Check every #include against ARCHITECTURE.md's table.")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent,
                        help="the project's folder (default: the one this script stands in)")
    parser.add_argument("--list", action="store_true", help="print the edges that the code has, with their counts")
    options = parser.parse_args(arguments)
    try:
        table = Table((options.root / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    except (OSError, TableError) as error:
        print(f"check_layers: {options.root / 'ARCHITECTURE.md'}: {error}", file=sys.stderr)
        return 2
    checker = Checker(options.root, table)
    checker.run()
    if options.list:
        for (source, target), count in sorted(checker.edges.items()):
            print(f"{source} -> {target}  {count}")
    for error in checker.errors:
        print(error)
    if checker.errors:
        print(f"check_layers: violations of the table in ARCHITECTURE.md: {len(checker.errors)}")
        return 3
    if not options.list:
        print(f"check_layers: edges between rooms: {len(checker.edges)}, all allowed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
