#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/grammar_matcher.h"
#include "llm/text/token_constraint.h"

namespace oag {

struct LazyTrigger {
  std::string text;
  bool belongs_to_inner = false;  // the inner constraint sees the trigger's own text too
};

// Everything is allowed until a trigger has been written (compared as bytes, across tokens; of several the
// one that ends first counts, of those that end together the longest). From there the inner constraint rules,
// and bytes that stand behind the trigger in its token are the inner's first. Tokens whose such bytes would
// break the inner constraint are not allowed.
class LazyConstraint : public TokenConstraint {
 public:
  // Errors: kInvalidArgument for no trigger, more than 64, an empty one, one above 1 KiB, and one that
  // belongs to the inner constraint, which does not allow it.
  LazyConstraint(std::vector<LazyTrigger> triggers, GrammarMatcher inner);

  void mask(std::span<uint32_t> bits) override;
  bool accept(TokenId id) override;
  bool complete() const override { return triggered_ && inner_.complete(); }

  bool triggered() const { return triggered_; }

 private:
  struct Match {
    const LazyTrigger* trigger = nullptr;
    size_t end = 0;  // bytes of the text up to the trigger's end
  };

  Match find_trigger(std::string_view text) const;
  bool enter(GrammarMatcher& matcher, const LazyTrigger& trigger, std::string_view behind) const;
  void collect_suspects();
  bool may_be_in_trigger() const;
  bool breaks_inner(TokenId id) const;

  std::vector<LazyTrigger> triggers_;
  GrammarMatcher inner_;
  bool triggered_ = false;
  std::string tail_;                     // the last bytes written, fewer than the longest trigger has
  std::vector<TokenId> suspects_;        // tokens that could end a trigger and hold bytes behind it
  std::vector<TokenId> breaking_alone_;  // those not allowed where no trigger has begun
};

// Where the inner constraint is Grammar::phone_agent_action().
std::vector<LazyTrigger> phone_agent_triggers();

}  // namespace oag
