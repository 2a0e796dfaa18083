#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/tokenizer.h"

namespace oag {

// The text of an answer as its tokens arrive: whole characters, cut before the first stop string. Text that
// may be the beginning of a stop string is held back until that is decided.
class StopMatcher {
 public:
  StopMatcher(std::shared_ptr<const Tokenizer> tokenizer, std::vector<std::string> stops)
      : decoder_(std::move(tokenizer)), stops_(std::move(stops)) {}

  // The text that `id` lets out. After a stop string was found matched() is true and nothing more comes.
  std::string push(TokenId id) { return release(decoder_.push(id), false); }
  std::string flush() { return release(decoder_.flush(), true); }
  bool matched() const { return matched_; }

 private:
  std::string release(std::string_view fresh, bool at_end);

  StreamDecoder decoder_;
  std::vector<std::string> stops_;
  std::string held_;
  bool matched_ = false;
};

}  // namespace oag
