#!/usr/bin/env python3
"""Checks the disassembly of the CPU kernels of one instruction set.

usage: check_kernels.py [--objdump PROGRAM] PROCESSOR/SET OBJECT...

The products of packed weights (packed_dot) have to use the set's own instruction, and no object may hold one of a
newer set: it would end the program on a processor that lacks it.

Exit status: 0 when all is well, 3 when an instruction is missing or too new, 2 for a usage error.
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys

# What the products need, and what no object of the set may hold: regular expressions over "mnemonic operands".
Rule = collections.namedtuple("Rule", "needs refuses")
# AVX-512 has registers of its own, also in instructions on shorter vectors (AVX-512VL) that look like AVX2's otherwise.
AVX512_REGISTERS = [r"\S+\s.*%zmm", r"\S+\s.*%[xy]mm(1[6-9]|2[0-9]|3[01])\b", r"\S+\s.*%k[0-7]\b"]
RULES = {
    "x86_64/baseline": Rule([r"pmaddwd\s.*%xmm"], [r"v[a-z0-9]+\s.*%[xyz]mm"] + AVX512_REGISTERS),
    "x86_64/avx2": Rule([r"vpmaddubsw\s.*%ymm", r"vfmadd\w+\s.*%ymm", r"vpshufb\s.*%ymm"], AVX512_REGISTERS + [r"\{?vex\}? vpdpbusd", r"vpdpbusd\s"]),
    "x86_64/avx512": Rule([r"vpdpbusd\s.*%zmm", r"vfmadd\w+\s.*%zmm", r"vpshufb\s.*%zmm"], [r"t(dp|ileload)\w+\s"]),
    "aarch64/baseline": Rule([r"f(mul|mla|madd)\s"], [r"[su]dot\s", r"[su]s?mmla\s"]),
    "aarch64/neon": Rule([r"sdot\s", r"fmla\s", r"tbl\s"], [r"[su]s?mmla\s", r"\S+\s.*\bz[0-9]+\."]),
    "aarch64/i8mm": Rule([r"smmla\s", r"sdot\s", r"fmla\s", r"tbl\s"], [r"\S+\s.*\bz[0-9]+\."]),
}
ALIASES = {"AMD64": "x86_64", "arm64": "aarch64"}


def instructions(objdump, path):
    """The instructions of one object, as "mnemonic operands"."""
    run = subprocess.run([objdump, "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
    return [line.split("\t", 1)[1].strip() for line in run.stdout.splitlines() if re.match(r"\s+[0-9a-f]+:\t", line)]


def problems(rule, objects):
    """What is wrong with `objects`, {path: instructions}, one line each."""
    products = [i for path, found in objects.items() if pathlib.Path(path).name.startswith("packed_dot") for i in found]
    for pattern in rule.needs:
        if not any(re.match(pattern, i) for i in products):
            yield f"packed_dot has no instruction like {pattern}"
    for path, found in objects.items():
        for pattern in rule.refuses:
            first = next((i for i in found if re.match(pattern, i)), None)
            if first is not None:
                yield f"{path}: \"{first}\" is of a newer instruction set"


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objdump", default="objdump", metavar="PROGRAM")
    parser.add_argument("set", metavar="PROCESSOR/SET", help=", ".join(RULES))
    parser.add_argument("objects", nargs="+", metavar="OBJECT")
    options = parser.parse_args(arguments)
    processor, _, name = options.set.partition("/")
    rule = RULES.get(f"{ALIASES.get(processor, processor)}/{name}")
    if rule is None:
        parser.error(f"no rule for \"{options.set}\"; there are rules for: {', '.join(RULES)}")
    try:
        found = {path: instructions(options.objdump, path) for path in options.objects}
    except (OSError, subprocess.CalledProcessError) as error:
        parser.error(f"{options.objdump} failed: {error}")
    wrong = list(problems(rule, found))
    for line in wrong:
        print(f"check_kernels: {line}")
    if not wrong:
        print(f"check_kernels: {options.set}: {sum(map(len, found.values()))} instructions in {len(found)} objects")
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
