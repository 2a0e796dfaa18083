#!/usr/bin/env python3
"""Prints the table of docs/parity.md from a run of tiny_models_tests.

Usage: parity_table.py [PATH_OF_tiny_models_tests]      (default: build/release/tests/tiny_models_tests)

The tests hold every model to its tolerance; this shows how near it came. A line that tells a difference belongs to the
test whose result follows it.
"""
import pathlib
import re
import subprocess
import sys

DEFAULT = pathlib.Path(__file__).resolve().parent.parent / "build/release/tests/tiny_models_tests"
DIFFERENCE = re.compile(r"largest difference of (?:a logit|a row's value): (\S+)")
DEVIATION = re.compile(r"error in standard deviations: (\S+) root mean square, (\S+) at most")
RESULT = re.compile(r"\[ +(OK|FAILED) +\] (\S+) \(")

# Suite and test -> what is compared. {} stands for the test's parameter.
TITLES = {
    "TinyModel.GivesTheTokensAndLogitsOfTransformersHoweverThePromptIsCut": "GGUF, {}: tokens, logits",
    "TinyQuantised.StaysWithinTheErrorOfRoundedActivations": "GGUF, {}: logits, root mean square and largest",
    "HuggingFaceModel.GivesTheTokensAndLogitsOfTransformers": "folder, {}: tokens, logits",
    "HuggingFaceVariant.GivesTheTokensAndLogitsOfTransformers": "folder, {}: tokens, logits",
    "GgufVariants.KeysGiveWhatTheConfigOfTransformersGives": "GGUF, linear, YaRN, windows as keys: tokens, logits",
    "Glm4v.MakesTheRowsOfTransformers": "GLM-4.1V, {}: rows of pictures",
    "Glm4v.GivesTheLogitsOfTransformersHoweverThePromptIsCut": "GLM-4.1V, {}: logits behind text and pictures",
}


def rows(output):
    """(title, what was seen, unit, passed) of the tests of TITLES."""
    pending = []
    for line in output.splitlines():
        difference, deviation, result = DIFFERENCE.search(line), DEVIATION.search(line), RESULT.match(line)
        if difference:
            pending.append((f"{float(difference.group(1)):.1e}", "absolute"))
        elif deviation:
            pending.append((f"{deviation.group(1)}, {deviation.group(2)}", "of a standard deviation"))
        elif result:
            name = result.group(2).removeprefix("All/").removeprefix("Sources/")
            suite, _, parameter = name.partition("/")
            if pending and suite in TITLES:
                yield TITLES[suite].format(parameter), *max(pending), result.group(1) == "OK"
            pending = []


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else DEFAULT
    output = subprocess.run([program], capture_output=True, text=True).stdout
    print("| model and what is compared | largest difference | unit | within its limit |\n|---|---|---|---|")
    for title, seen, unit, passed in rows(output):
        print(f"| {title} | {seen} | {unit} | {'yes' if passed else '**no**'} |")


if __name__ == "__main__":
    main()
