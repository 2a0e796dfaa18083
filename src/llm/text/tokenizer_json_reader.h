#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace oag {

// A tokenizer.json: its two long lists, and all else as a tree.
struct TokenizerJson {
  struct Token {
    std::string text;
    uint64_t id;
  };
  std::vector<Token> vocabulary;    // model.vocab
  std::vector<std::string> merges;  // model.merges as "left right"
  bool has_merges = false;
  Json rest = Json::object();  // without these two
};

// Errors: kCorruptData, kUnsupported for a vocabulary that is a list (Unigram).
TokenizerJson parse_tokenizer_json(std::string_view text, std::string_view where);

}  // namespace oag
