#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/tokenizer.h"

namespace oag {

// The text of an answer as its tokens arrive: whole characters, cut before the stop string that is complete
// first; of several that end at the same place, before the longest. Text that may be the beginning of a stop
// string is held back until that is decided. How the text is divided into tokens makes no difference.
class StopMatcher {
 public:
  // With `include_stop` the answer is cut behind the stop string.
  StopMatcher(std::shared_ptr<const Tokenizer> tokenizer, std::vector<std::string> stops,
              bool skip_special = true, bool include_stop = false);

  // The text that `id` lets out. After a stop string was found matched() is true and nothing more comes.
  // Without `may_stop` those that are complete now are passed over. With skip_special, tokens that end
  // answers print nothing even where they are ordinary text, as GLM's </answer> is.
  std::string push(TokenId id, bool may_stop = true);
  std::string flush() { return release(decoder_.flush(), true, true); }
  bool matched() const { return stop_.has_value(); }
  // The stop string that was found.
  const std::string& stop() const { return stops_[*stop_]; }

 private:
  struct Match {
    size_t begin, end;
    size_t stop;  // its place in stops_
  };
  std::string release(std::string_view fresh, bool may_stop, bool at_end);
  std::optional<Match> find_stop() const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  StreamDecoder decoder_;
  std::vector<std::string> stops_;  // none of them empty
  bool skip_special_, include_stop_;
  std::string held_;
  size_t judged_ = 0;           // bytes of held_: no stop string that ends in them counts
  std::optional<size_t> stop_;  // of stops_, once found
};

}  // namespace oag
