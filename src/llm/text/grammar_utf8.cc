#include "llm/text/grammar_utf8.h"

#include <algorithm>

namespace oag {
namespace {

constexpr char32_t kLastOfSize[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};

uint8_t encode(char32_t c, uint8_t size, uint8_t index) {
  const auto bits = static_cast<uint8_t>((c >> (6 * (size - 1 - index))) & 0x3F);
  if (index > 0) return static_cast<uint8_t>(0x80 | bits);
  constexpr uint8_t kLead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
  return size == 1 ? static_cast<uint8_t>(c) : static_cast<uint8_t>(kLead[size] | bits);
}

// `first` … `last` have forms of one size. A range is split until each trailing byte that varies takes all of
// its values in every form or only behind equal leading bytes.
void split(char32_t first, char32_t last, uint8_t size, std::vector<Utf8Sequence>& out) {
  for (int trailing = 1; trailing < size; ++trailing) {
    const char32_t low = (char32_t{1} << (6 * trailing)) - 1;
    if ((first | low) == (last | low)) continue;
    if ((first & low) != 0) {
      split(first, first | low, size, out);
      split((first | low) + 1, last, size, out);
      return;
    }
    if ((last & low) != low) {
      split(first, (last & ~low) - 1, size, out);
      split(last & ~low, last, size, out);
      return;
    }
  }
  Utf8Sequence sequence;
  sequence.size = size;
  for (uint8_t i = 0; i < size; ++i) sequence.bytes[i] = {encode(first, size, i), encode(last, size, i)};
  out.push_back(sequence);
}

}  // namespace

std::vector<Utf8Sequence> utf8_sequences(std::span<const CharRange> ranges) {
  std::vector<Utf8Sequence> sequences;
  for (const auto [first, last] : ranges) {
    char32_t next = first;
    for (uint8_t size = 1; size <= 4 && next <= last; ++size) {
      const char32_t end = std::min(last, kLastOfSize[size - 1]);
      if (next > end) continue;
      split(next, end, size, sequences);
      next = end + 1;
    }
  }
  return sequences;
}

}  // namespace oag
