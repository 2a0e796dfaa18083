#!/usr/bin/env python3
"""Makes tests/data/tokenizer/pretokenizers.json: where the pre-tokenizers of model families cut text.

    make_pretokenizer_cases.py OUT.json

The cuts are those of PyPI tokenizers 0.23.3, given the regular expressions of the models' tokenizer.json files.
"""

import json
import pathlib
import sys

from tokenizers import Regex, pre_tokenizers

import tokenizer_corpus as corpus

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
LEAD = r"[^\r\n\p{L}\p{N}]?"


def cased_words(suffix, digits):
    return rf"{LEAD}{UPPER}*{LOWER}+{suffix}|{LEAD}{UPPER}+{LOWER}*{suffix}|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{REST}"


def words(digits, signs):
    return rf"{CONTRACTIONS}|{LEAD}\p{{L}}+|{digits}|{signs}|{REST}"


LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c"
    "\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a"
    "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3"
    "\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149"
    "\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17"
    "\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)
IDEOGRAPHS = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
BLOOM = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"

PRE = {
    "gpt-4o": [cased_words(CONTRACTIONS + "?", r"\p{N}{1,3}")],
    "tekken": [cased_words("", r"\p{N}")],
    "deepseek-llm": [r"[\r\n]", rf"\s?[{LETTERS}]+", "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", r"\s+$", IDEOGRAPHS, r"\p{N}+"],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", IDEOGRAPHS, r"\p{N}"],
    "deepseek-v3": [
        r"\p{N}{1,3}",
        "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|" + REST,
    ],
    "bloom": [BLOOM],
    "viking": [BLOOM, r"\p{N}"],
    "seed-coder": [words(r"\p{N}{1}", r" ?[^\s\p{L}\p{N}\r\n]+")],
    "bailingmoe": [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"],
    "minicpm5": [r"\p{N}{1,3}", words(r"\p{N}+", r" ?[^\s\p{L}\p{N}]+[\r\n]*")],
}

CASES = [
    "camelCase PascalCase HTTPServer iPhone XMLHttpRequest ABCdef ABC's ABC'LL don'T I'M", "\u4e2dA \u4e2dAB\u4e2d ABC\u4e2d abc\u4e2dDEF", "\u0301A \u0301\u0301ABC a\u0301B",
    "path/to/file //comment\n//x ../..\n/\n", "\u01c5x \u01c8Y \u02b0A \u00aaB", "\u1c90\u10d0 \u13a0\uab70", "x'\u017f X'\u017f", "na\u00efve \u0531\u0561 \u10d3\u10d0", "1234 12 34567a", "a  1  23",
]


def cuts(splitter, text):
    """Lengths of the pieces, in characters."""
    return " ".join(str(len(piece)) for piece, _ in splitter.pre_tokenize_str(text))


def main():
    texts = corpus.DECLARATION + [t for t in corpus.PROSE if t] + corpus.CODE + corpus.random_texts(30, 21) + corpus.random_code_points(8, 22) + CASES
    texts = [t for t in dict.fromkeys(texts) if len(t) < 200]
    dump = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    out = ['{"origin":"regular expressions of the models, cuts of PyPI tokenizers 0.23.3; make_pretokenizer_cases.py"', '"texts":[\n%s]' % ",\n".join(map(dump, texts))]
    suites = []
    for name, regexes in PRE.items():
        splitter = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r), "isolated") for r in regexes])
        suites.append('"%s":[\n%s]' % (name, ",\n".join(dump(cuts(splitter, t)) for t in texts)))
    out.append('"cuts":{%s}}\n' % ",\n".join(suites))
    path = pathlib.Path(sys.argv[1])
    path.write_text(",\n".join(out), encoding="utf-8")
    print(path.stat().st_size, "bytes", len(texts), "texts")


if __name__ == "__main__":
    main()
