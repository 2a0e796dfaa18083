#pragma once

#include <cstddef>
#include <span>
#include <unordered_map>
#include <vector>

#include "llm/text/vocabulary.h"

namespace oag {

// Sequences of tokens that a text never completes: where it ends with all of one but the last token, that
// one is barred, as transformers' NoBadWordsLogitsProcessor does it.
class BadWords {
 public:
  // `words` are not empty; `text` is what stands before the first token that is pushed.
  BadWords(std::vector<std::vector<TokenId>> words, std::span<const TokenId> text);

  bool empty() const { return words_.empty(); }
  void push(TokenId id);
  // Makes -inf of the logits of tokens that would complete one.
  void bar(std::span<float> logits) const;

 private:
  bool is_begun(std::span<const TokenId> word) const;

  std::vector<std::vector<TokenId>> words_;
  std::vector<TokenId> singles_;  // barred always
  // Of the longer ones, by the token before the last: which of `words_`.
  std::unordered_map<TokenId, std::vector<size_t>> by_previous_;
  size_t longest_ = 0;
  std::vector<TokenId> recent_;  // the end of the text, as far as the longest needs it
};

}  // namespace oag
