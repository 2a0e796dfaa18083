#!/usr/bin/env python3
"""Makes tests/data/tokenizer/unicode.json: what CPython's unicodedata and UTF-8 decoder say.

    make_unicode_cases.py OUT.json

Made with Python 3.11 (Unicode 14.0). Classes of code points that are unassigned there, and what NFC makes of characters that its
older tables do not know, are those of tokenizers 0.23.3.
"""

import json
import pathlib
import random
import sys
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

CLASS_OF_MAJOR = {"L": "L", "N": "N", "M": "M", "P": "P", "S": "S", "Z": "W", "C": "-"}


def newer_classes():
    """The class letter of each code point that is unassigned in unicodedata and matched by \\p{...}."""
    classes = {}
    for letter in "LNMPS":
        cut = pre_tokenizers.Split(Regex(rf"\p{{{letter}}}"), "removed")
        for begin in range(0, 0x110000, 0x1000):
            block = [p for p in range(begin, begin + 0x1000) if unicodedata.category(chr(p)) == "Cn"]
            kept = set("".join(piece for piece, _ in cut.pre_tokenize_str("".join(map(chr, block))))) if block else set()
            classes |= {p: letter for p in block if chr(p) not in kept}
    return classes


def class_runs():
    """[first code point, class letter or "-"] wherever the class changes; W is the White_Space property."""
    runs, newer = [], newer_classes()
    for point in range(0x110000):
        char = chr(point)
        category = unicodedata.category(char)
        # str.isspace also takes U+001C..1F, which are not White_Space.
        white = char.isspace() and not 0x1C <= point <= 0x1F
        letter = newer.get(point, "-") if category == "Cn" else "W" if white else CLASS_OF_MAJOR[category[0]]
        if not runs or runs[-1][1] != letter:
            runs.append([point, letter])
    return runs


def decoding_cases():
    rng = random.Random(11)
    interesting = [0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF]
    cases = [bytes([a]) for a in interesting] + [bytes([a, b]) for a in interesting for b in interesting]
    cases += [bytes(rng.choice(interesting) for _ in range(rng.randint(3, 9))) for _ in range(400)]
    cases += ["é好🙂".encode()[:n] for n in range(10)]
    return [[c.hex(), c.decode("utf-8", errors="replace")] for c in cases]


def nfc_cases():
    rng = random.Random(12)
    marks = [chr(p) for p in range(0x300, 0x370)] + list("\u0591\u05b0\u064b\u0651\u093c\u0f71\u0f72\u0f74\u3099\u20d0\U0001d165\U0001d16e")
    bases = [chr(p) for p in range(0x41, 0x180)] + [chr(p) for p in range(0x1100, 0x1113)] + [chr(p) for p in range(0x1161, 0x1176)] + [chr(p) for p in range(0x11A7, 0x11C3)]
    bases += [chr(p) for p in range(0xAC00, 0xD7A4, 97)] + [chr(p) for p in range(0x1E00, 0x2000, 3)] + [chr(p) for p in range(0xF900, 0xFAD0, 7)] + list("\u212b\u2126\u0958\u09dc\u0b5c\u2adc\ufb1d\U0001d15e\U0002f800 x中")
    bases = [b for b in bases if unicodedata.category(b) != "Cn"]
    texts = ["".join(rng.choice(bases) + "".join(rng.choice(marks) for _ in range(rng.randint(0, 4))) for _ in range(rng.randint(1, 5))) for _ in range(500)]
    return [[t, unicodedata.normalize("NFC", t)] for t in texts]


def tokenizers_nfc_cases():
    rng = random.Random(13)
    nfc = normalizers.NFC()
    marks = [chr(p) for p in range(0x300, 0x1F000) if unicodedata.combining(chr(p))]
    newer = [chr(p) for p in newer_classes()]
    pool = [marks, marks, newer, "aeouAE\u0301\u0323\u0308\U00011935\U00011930\U00016d67\U00011382\U000113c9\U000105d2\u0307"]
    texts = ["".join(rng.choice(rng.choice(pool)) for _ in range(rng.randint(2, 9))) for _ in range(200)]
    return [[t, nfc.normalize_str(t)] for t in texts]


def main():
    dump = lambda value: json.dumps(value, separators=(",", ":"))
    origin = f"CPython {sys.version.split()[0]}, Unicode {unicodedata.unidata_version}; make_unicode_cases.py"
    parts = [f'{{"origin":{dump(origin)}', f'"classes":{dump(class_runs())}', f'"decoding":{dump(decoding_cases())}', f'"nfc":{dump(nfc_cases())}',
             f'"tokenizers_nfc":{dump(tokenizers_nfc_cases())}}}\n']
    pathlib.Path(sys.argv[1]).write_text(",\n".join(parts))


if __name__ == "__main__":
    main()
