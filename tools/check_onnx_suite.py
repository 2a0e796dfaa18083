#!/usr/bin/env python3
"""Runs `oag verify` on folders of ONNX cases and compares what fails with the list of what is known to fail.

Usage: check_onnx_suite.py [--oag PROGRAM] [--misses FILE] [--every N] [--kernels best,reference] FOLDER...

FILE holds a case and the reason why it fails on each line; a case is named by the end of its path. A case that fails and is
not listed, one that passes and is listed, and a listed one that is not there are problems; each is told in one line.
Exit status: 0 when there is none, 3 when there are some, 2 for a usage error.
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Problem(Exception):
    """What keeps the cases from being judged."""


def read_misses(path):
    misses = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, reason = line.partition(" ")
        if not name or name.startswith("#"):
            continue
        if not reason.strip() or name in misses:
            raise Problem(f'{path}: {name} {"stands there twice" if name in misses else "has no reason"}')
        misses[name] = reason.strip()
    return misses


def find_cases(folder):
    cases = sorted(path.parent for path in folder.rglob("model.onnx"))
    if not cases:
        raise Problem(f"{folder}: holds no cases")
    return cases


def verify(program, kernels, cases):
    """The result of each case, as oag tells it."""
    done = subprocess.run([program, "verify", "--json", "--kernels", kernels, *cases], capture_output=True, check=False)
    try:
        document = json.loads(done.stdout)
        return document["cases"]
    except (ValueError, KeyError) as error:
        raise Problem(f"{program} verify --kernels {kernels}: exit status {done.returncode}, no result: "
                      f"{done.stderr.decode(errors='replace').strip()[-300:]}") from error


def listed(path, misses):
    parts = pathlib.Path(path).parts
    return next((end for at in range(len(parts)) if (end := "/".join(parts[at:])) in misses), None)


def judge(results, misses, whole):
    """One line for each result that is not as the list says."""
    found = set()
    for case in results:
        name = listed(case["path"], misses)
        shown = "/".join(pathlib.Path(case["path"]).parts[-2:])
        found.add(name)
        if case["status"] != "passed" and name is None:
            yield f'{shown} {case["status"]}: {case["reason"]}'
        elif case["status"] == "passed" and name is not None:
            yield f'{shown} passes, but is listed as failing: "{misses[name]}"'
    if whole:
        for name in sorted(misses.keys() - found):
            yield f"{name} is listed as failing, but is not there"


def main(arguments):
    parser = argparse.ArgumentParser(description="Compare what fails in folders of ONNX cases with a list.")
    parser.add_argument("--oag", default=str(ROOT / "build/release/bin/oag"), help="the program")
    parser.add_argument("--misses", type=pathlib.Path, default=ROOT / "tests/conformance/onnx_suite_misses.txt",
                        help="cases that fail, and why")
    parser.add_argument("--every", type=int, default=1, help="take each N-th case of a folder only")
    parser.add_argument("--kernels", default="best,reference", help="the choices of kernels to run with")
    parser.add_argument("folders", type=pathlib.Path, nargs="+", metavar="FOLDER")
    options = parser.parse_args(arguments)
    try:
        misses = read_misses(options.misses)
        cases = [case for folder in options.folders for case in find_cases(folder)[::options.every]]
        problems, told = 0, []
        for kernels in options.kernels.split(","):
            results = verify(options.oag, kernels, cases)
            for problem in judge(results, misses, options.every == 1):
                print(f"{kernels} kernels: {problem}")
                problems += 1
            told.append(f'{sum(case["status"] == "passed" for case in results)} with {kernels} kernels')
        print(f'check_onnx_suite: of {len(cases)} cases pass {", ".join(told)}; {len(misses)} are known to fail')
    except (Problem, OSError) as problem:
        print(f"check_onnx_suite: {problem}", file=sys.stderr)
        return 3
    return 3 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
