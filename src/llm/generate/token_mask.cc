#include "llm/generate/token_mask.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

namespace oag {
namespace {

constexpr float kBarred = -std::numeric_limits<float>::infinity();
constexpr size_t kWord = 32;

constexpr std::array<uint32_t, kWord> kBits = [] {
  std::array<uint32_t, kWord> bits{};
  for (size_t i = 0; i < kWord; ++i) bits[i] = uint32_t{1} << i;
  return bits;
}();

// Against a table of bits and without a branch, so that it compiles to vectors.
void copy_word(const float* from, uint32_t bits, float* to) {
  uint32_t values[kWord];
  std::memcpy(values, from, sizeof(values));
  for (size_t i = 0; i < kWord; ++i) {
    const uint32_t keep = (bits & kBits[i]) != 0 ? ~uint32_t{0} : 0;
    values[i] = (values[i] & keep) | (std::bit_cast<uint32_t>(kBarred) & ~keep);
  }
  std::memcpy(to, values, sizeof(values));
}

}  // namespace

void copy_allowed(std::span<const float> logits, std::span<const uint32_t> mask, std::span<float> row) {
  const size_t words = std::min(mask.size(), logits.size() / kWord);
  for (size_t word = 0; word < words; ++word) {
    const float* const from = logits.data() + word * kWord;
    float* const to = row.data() + word * kWord;
    const uint32_t bits = mask[word];
    if (bits == 0) {
      std::fill_n(to, kWord, kBarred);
    } else if (bits == ~uint32_t{0}) {
      std::copy_n(from, kWord, to);
    } else {
      copy_word(from, bits, to);
    }
  }
  for (size_t i = words * kWord; i < logits.size(); ++i) {
    const bool allowed = i / kWord < mask.size() && (mask[i / kWord] & kBits[i % kWord]) != 0;
    row[i] = allowed ? logits[i] : kBarred;
  }
}

std::vector<uint32_t> mask_of(std::span<const TokenId> ids) {
  if (ids.empty()) return {};
  std::vector<uint32_t> mask(static_cast<size_t>(*std::max_element(ids.begin(), ids.end())) / kWord + 1);
  for (const TokenId id : ids)
    mask[static_cast<size_t>(id) / kWord] |= kBits[static_cast<size_t>(id) % kWord];
  return mask;
}

}  // namespace oag
