#!/usr/bin/env python3
"""Writes src/llm/text/bert_classes.h: the classes of characters that BertNormalizer and BertPreTokenizer go by.

Usage: make_bert_tables.py OUTPUT      (tokenizers 0.23)
The tokenizers package keeps the classes of Unicode 8, so they are asked of it, one code point at a time.
"""
import pathlib
import sys
import unicodedata

from tokenizers import normalizers, pre_tokenizers


def normalizer(**on):
    return normalizers.BertNormalizer(**({"clean_text": False, "handle_chinese_chars": False, "strip_accents": False,
                                          "lowercase": False} | on))


CLEAN, CHINESE, STRIP, LOWER = (normalizer(**{key: True}) for key in
                                ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"))
CUT = pre_tokenizers.BertPreTokenizer()
HEAD = """// Made by tools/goldens/make_bert_tables.py of the tokenizers package, which keeps the classes of Unicode 8.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace oag::bert_classes {

struct Range {
  uint32_t first, last;
};

inline bool is_in(std::span<const Range> ranges, uint32_t code_point) {
  const auto range = std::lower_bound(ranges.begin(), ranges.end(), code_point,
                                      [](const Range& r, uint32_t c) { return r.last < c; });
  return range != ranges.end() && range->first <= code_point;
}

// clang-format off
"""


def ranges(members):
    out = []
    for c in members:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def table(name, comment, members):
    lines, line = [], ""
    for first, last in ranges(members):
        entry = f"{{0x{first:x}, 0x{last:x}}}, "
        if len(line) + len(entry) > 104:
            lines.append(line)
            line = ""
        line += entry
    lines.append(line)
    body = "\n".join("    " + text.rstrip() for text in lines)
    return f"// {comment}\ninline constexpr Range {name}[] = {{\n{body}\n}};\n\n"


def main():
    every = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    removed = [c for c in every if CLEAN.normalize_str(chr(c)) == ""]
    accents = [c for c in every if STRIP.normalize_str(chr(c)) == ""]
    chinese = [c for c in every if CHINESE.normalize_str(chr(c)) != chr(c)]
    marks = [c for c in every if len(CUT.pre_tokenize_str("a" + chr(c) + "b")) == 3]
    # Pairs that Unicode 15, which the rest of the engine goes by, does not have.
    new = [(c, ord(LOWER.normalize_str(chr(c)))) for c in every
           if len(LOWER.normalize_str(chr(c))) == 1 and LOWER.normalize_str(chr(c)) != chr(c).lower()]
    assert unicodedata.unidata_version == "14.0.0", "which has the case pairs of Unicode 15"
    text = HEAD
    text += table("kRemoved", "clean_text drops these: controls, formats, private use, U+FFFD.", removed)
    text += table("kChinese", "handle_chinese_chars puts spaces around these.", chinese)
    text += table("kAccents", "strip_accents drops these (Mn) after decomposition.", accents)
    text += table("kPunctuation", "Each is a word of its own.", marks)
    text += "struct CasePair {\n  uint32_t upper, lower;\n};\n"
    text += "// Pairs of letters that came after Unicode 15.\ninline constexpr CasePair kNewCasePairs[] = {\n"
    for i in range(0, len(new), 5):
        text += "    " + " ".join(f"{{0x{a:x}, 0x{b:x}}}," for a, b in new[i:i + 5]) + "\n"
    text += "};\n// clang-format on\n\n}  // namespace oag::bert_classes\n"
    pathlib.Path(sys.argv[1]).write_text(text)
    print({name: len(ranges(m)) for name, m in
           {"removed": removed, "accents": accents, "chinese": chinese, "punctuation": marks}.items()}, len(new), "pairs")


main()
