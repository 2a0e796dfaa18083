#pragma once

#include <memory>
#include <optional>
#include <string>

#include "llm/generate/generation.h"
#include "llm/text/tokenizer.h"

namespace oag {

// Watches an answer for the end of its thinking and says which ids are put in where that does not come in
// time, see ThinkingLimit. Without a limit it does nothing.
class ThinkingBudget {
 public:
  ThinkingBudget(std::optional<ThinkingLimit> limit, std::shared_ptr<const Tokenizer> tokenizer);

  // What the next token has to be.
  std::optional<TokenId> forced() const;
  // Takes the next token of the answer. Errors: kInvalidArgument for an id out of range.
  void push(TokenId id);

 private:
  bool has_begun(TokenId id);
  bool has_ended(TokenId id);
  void shorten_tail();

  std::optional<ThinkingLimit> limit_;  // none once it is over
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool thinks_ = false;
  size_t longest_mark_ = 0;
  std::string tail_;   // of the text, as long as a mark that it may be the beginning of
  int64_t taken_ = 0;  // tokens of the thought
  size_t put_in_ = 0;  // of limit_->forced
};

}  // namespace oag
