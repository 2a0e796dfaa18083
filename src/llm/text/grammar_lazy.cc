#include "llm/text/grammar_lazy.h"

#include <algorithm>

#include "base/error.h"

namespace oag {
namespace {

constexpr size_t kMaxTriggers = 64;
constexpr size_t kMaxTriggerBytes = 1024;

}  // namespace

LazyConstraint::LazyConstraint(std::vector<LazyTrigger> triggers, GrammarMatcher inner)
    : triggers_(std::move(triggers)), inner_(std::move(inner)) {
  if (triggers_.empty() || triggers_.size() > kMaxTriggers) {
    fail(ErrorCode::kInvalidArgument, "triggers", "there are {}; 1 to {} are possible", triggers_.size(),
         kMaxTriggers);
  }
  for (const LazyTrigger& trigger : triggers_) {
    if (trigger.text.empty() || trigger.text.size() > kMaxTriggerBytes) {
      fail(ErrorCode::kInvalidArgument, "triggers", "a trigger has {} bytes; 1 to {} are possible",
           trigger.text.size(), kMaxTriggerBytes);
    }
    GrammarMatcher matcher = inner_;
    if (!enter(matcher, trigger, "")) {
      fail(ErrorCode::kInvalidArgument, "triggers",
           "the grammar behind the trigger \"{}\" cannot start with it", trigger.text);
    }
  }
  collect_suspects();
}

bool LazyConstraint::enter(GrammarMatcher& matcher, const LazyTrigger& trigger,
                           std::string_view behind) const {
  if (trigger.belongs_to_inner && !matcher.accept_bytes(trigger.text)) return false;
  return matcher.accept_bytes(behind);
}

LazyConstraint::Match LazyConstraint::find_trigger(std::string_view text) const {
  Match best;
  for (const LazyTrigger& trigger : triggers_) {
    const size_t begin = text.find(trigger.text);
    if (begin == std::string_view::npos) continue;
    const size_t end = begin + trigger.text.size();
    const bool is_longer = best.trigger != nullptr && trigger.text.size() > best.trigger->text.size();
    if (best.trigger == nullptr || end < best.end || (end == best.end && is_longer)) best = {&trigger, end};
  }
  return best;
}

// Tokens that hold a trigger's last byte and more behind it: those with the whole trigger inside, and those
// that start with an end of it. Which of the latter matter depends on what was written before.
void LazyConstraint::collect_suspects() {
  const GrammarVocabulary& vocabulary = *inner_.compiled().vocabulary();
  for (size_t id = 0; id < vocabulary.size_tokens(); ++id) {
    const std::string_view bytes = vocabulary.bytes(static_cast<TokenId>(id));
    for (const LazyTrigger& trigger : triggers_) {
      const std::string_view text = trigger.text;
      bool suspect = bytes.size() > text.size() && bytes.find(text) != std::string_view::npos;
      for (size_t skipped = 1; skipped < text.size() && !suspect; ++skipped) {
        const std::string_view end = text.substr(skipped);
        suspect = bytes.size() > end.size() && bytes[0] == end[0] && bytes.starts_with(end);
      }
      if (suspect) {
        suspects_.push_back(static_cast<TokenId>(id));
        break;
      }
    }
  }
  std::copy_if(suspects_.begin(), suspects_.end(), std::back_inserter(breaking_alone_),
               [&](TokenId id) { return breaks_inner(id); });
}

void LazyConstraint::mask(std::span<uint32_t> bits) {
  if (triggered_) return inner_.mask(bits);
  const GrammarVocabulary& vocabulary = *inner_.compiled().vocabulary();
  const size_t tokens = vocabulary.size_tokens(), words = mask_words(tokens);
  if (bits.size() < words) {
    fail(ErrorCode::kInvalidArgument, "token mask", "has {} words, a vocabulary of {} tokens takes {}",
         bits.size(), tokens, words);
  }
  std::fill(bits.begin(), bits.end(), 0);
  std::fill_n(bits.begin(), words, ~uint32_t{0});
  if (tokens % 32 != 0) bits[words - 1] = (uint32_t{1} << (tokens % 32)) - 1;
  const auto forbid = [&](TokenId id) {
    bits[static_cast<size_t>(id) / 32] &= ~(uint32_t{1} << (static_cast<size_t>(id) % 32));
  };
  if (!may_be_in_trigger()) {
    for (const TokenId id : breaking_alone_) forbid(id);
    return;
  }
  for (const TokenId id : suspects_) {
    if (breaks_inner(id)) forbid(id);
  }
}

// What was written ends with the beginning of a trigger.
bool LazyConstraint::may_be_in_trigger() const {
  for (const LazyTrigger& trigger : triggers_) {
    const std::string_view text = trigger.text;
    for (size_t size = 1; size <= tail_.size() && size < text.size(); ++size) {
      if (tail_.ends_with(text.substr(0, size))) return true;
    }
  }
  return false;
}

// The token would complete a trigger, and the inner constraint does not allow what it holds behind it.
bool LazyConstraint::breaks_inner(TokenId id) const {
  const std::string text = tail_ + std::string(inner_.compiled().vocabulary()->bytes(id));
  const Match match = find_trigger(text);
  if (match.trigger == nullptr || match.end == text.size()) return false;
  GrammarMatcher matcher = inner_;
  return !enter(matcher, *match.trigger, std::string_view(text).substr(match.end));
}

bool LazyConstraint::accept(TokenId id) {
  if (triggered_) return inner_.accept(id);
  const GrammarVocabulary& vocabulary = *inner_.compiled().vocabulary();
  if (id < 0 || static_cast<size_t>(id) >= vocabulary.size_tokens()) return false;
  std::string text = tail_ + std::string(vocabulary.bytes(id));
  if (const Match match = find_trigger(text); match.trigger != nullptr) {
    GrammarMatcher matcher = inner_;
    if (!enter(matcher, *match.trigger, std::string_view(text).substr(match.end))) return false;
    inner_ = std::move(matcher);
    triggered_ = true;
    return true;
  }
  size_t longest = 0;
  for (const LazyTrigger& trigger : triggers_) longest = std::max(longest, trigger.text.size());
  tail_ = text.size() < longest ? std::move(text) : text.substr(text.size() - (longest - 1));
  return true;
}

std::vector<LazyTrigger> phone_agent_triggers() {
  return {{"do(action=", true}, {"finish(message=", true}};
}

}  // namespace oag
