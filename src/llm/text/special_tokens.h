#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "llm/text/vocabulary.h"

namespace oag {

// The tokens that are found in text before any pre-tokenizer sees it.
class SpecialTokens {
 public:
  // User-defined tokens, and with `with_control` also control and unknown ones. The vocabulary outlives this
  // object.
  SpecialTokens(const Vocabulary& vocabulary, bool with_control);

  struct Match {
    size_t begin;
    size_t end;
    TokenId id;
  };

  // The first special token at or after `from`; of those that begin at one place, the longest.
  std::optional<Match> find(std::string_view text, size_t from) const;

 private:
  struct Entry {
    std::string_view text;
    TokenId id;
  };

  std::optional<Match> longest_at(std::string_view text, size_t at) const;

  std::vector<Entry> sorted_;                     // by text, bytes as unsigned
  std::array<uint32_t, 257> first_by_byte_ = {};  // range in sorted_ of each first byte
};

}  // namespace oag
