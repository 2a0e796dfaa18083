#!/usr/bin/env python3
"""Writes src/llm/text/newer_characters.h: where the tokenizers package knows more or fewer characters than others do.

Usage: make_newer_characters.py OUTPUT      (tokenizers 0.23.3, Python 3.11)
Its regular expressions know Unicode 16, its NFC an older one. Both are asked of it, one code point at a time; Python's
unicodedata has Unicode 14, and what came later is listed.
"""
import pathlib
import sys
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

NFC = normalizers.NFC()
CLASSES = {r"\p{Lu}": "kLetter | kUpper", r"\p{Lt}": "kLetter | kUpper", r"\p{Ll}": "kLetter | kLower", r"\p{Lm}": "kLetter",
           r"\p{Lo}": "kLetter", r"\p{M}": "kMark", r"\p{N}": "kNumber", r"\p{P}": "kPunctuation", r"\p{S}": "kSymbol"}
HEAD = """// Made by tools/goldens/make_newer_characters.py of the tokenizers package 0.23.3.
#pragma once

#include <cstdint>

#include "llm/text/unicode.h"

namespace oag::newer_characters {

struct ClassRange {
  uint32_t first, last;
  uint16_t classes;
};
struct Range {
  uint32_t first, last;
};

// clang-format off
// Characters of Unicode 15 to 16, by what \\\\p{...} matches.
"""


def every():
    return (c for c in range(0x110000) if not 0xD800 <= c < 0xE000)


def matched(pattern):
    """The code points that a class matches; texts of one block each, since removed ones cannot be counted."""
    cut = pre_tokenizers.Split(Regex(pattern), "removed")
    found = set()
    for begin in range(0, 0x110000, 0x1000):
        block = [c for c in range(begin, begin + 0x1000) if not 0xD800 <= c < 0xE000]
        kept = set("".join(piece for piece, _ in cut.pre_tokenize_str("".join(map(chr, block)))))
        found.update(c for c in block if chr(c) not in kept)
    return found


def unknown_to_nfc(c):
    """Marks that NFC neither reorders nor composes, though Unicode says so."""
    ch = chr(c)
    if unicodedata.combining(ch):
        return any(NFC.normalize_str(s) != unicodedata.normalize("NFC", s)
                   for s in ("a" + ch + "\u0323", "a\u0315" + ch, "a\u0345" + ch, "a" + ch + "\u0334", "a" + ch + "\u0301"))
    return False


def pair_marks():
    """Second halves of compositions that NFC does not make."""
    for c in every():
        parts = unicodedata.decomposition(chr(c)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            text = "".join(chr(int(part, 16)) for part in parts)
            if NFC.normalize_str(text) != unicodedata.normalize("NFC", text):
                yield int(parts[1], 16)


def ranges(members):
    out = []
    for c, value in members:
        if out and out[-1][1] == c - 1 and out[-1][2] == value:
            out[-1][1] = c
        else:
            out.append([c, c, value])
    return out


def table(head, rows):
    lines, line = [], "   "
    for row in rows:
        if len(line) + len(row) > 104:
            lines.append(line)
            line = "   "
        line += " " + row + ","
    return f"{head} = {{\n" + "\n".join(lines + [line]) + "\n};\n"


def main():
    newer = {}
    for pattern, classes in CLASSES.items():
        newer |= {c: classes for c in matched(pattern) if unicodedata.category(chr(c)) == "Cn"}
    text = HEAD.replace("\\\\", "\\")
    text += table("inline constexpr ClassRange kClasses[]",
                  [f"{{0x{a:x}, 0x{b:x}, {v}}}" for a, b, v in ranges(sorted(newer.items()))])
    unknown = {c for c in every() if unknown_to_nfc(c)} | set(pair_marks())
    text += "// Further characters that its NFC leaves as they stand, and composes with nothing.\n"
    text += table("inline constexpr Range kUnknownToNfc[]",
                  [f"{{0x{a:x}, 0x{b:x}}}" for a, b, _ in ranges((c, 0) for c in sorted(unknown))])
    pathlib.Path(sys.argv[1]).write_text(text + "// clang-format on\n\n}  // namespace oag::newer_characters\n")


main()
