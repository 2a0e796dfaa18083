#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "llm/text/grammar_rules.h"

namespace oag {

// Byte ranges, one for each byte of a character's UTF-8 form.
struct Utf8Sequence {
  struct Bytes {
    uint8_t first, last;
  };
  uint8_t size = 0;
  Bytes bytes[4] = {};
};

// The UTF-8 forms of the characters in `ranges` (normalised): each of them matches exactly one sequence.
std::vector<Utf8Sequence> utf8_sequences(std::span<const CharRange> ranges);

}  // namespace oag
