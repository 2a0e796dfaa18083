#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/grammar.h"
#include "llm/text/grammar_vocabulary.h"
#include "llm/text/token_constraint.h"

namespace oag {

class GrammarStates;

// A grammar made ready for one vocabulary: it keeps the masks of the states that answers have been in. Shared
// by the answers that use it, thread safe; memory is bounded by kMaxGrammarCacheBytes.
class CompiledGrammar {
 public:
  // Cheap: masks are computed when an answer first needs them.
  static std::shared_ptr<CompiledGrammar> create(std::shared_ptr<const Grammar> grammar,
                                                 std::shared_ptr<const GrammarVocabulary> vocabulary);
  ~CompiledGrammar();

  const std::shared_ptr<const GrammarVocabulary>& vocabulary() const { return vocabulary_; }

 private:
  friend class GrammarMatcher;
  CompiledGrammar(std::shared_ptr<const Grammar> grammar,
                  std::shared_ptr<const GrammarVocabulary> vocabulary);

  const std::shared_ptr<const Grammar> grammar_;
  const std::shared_ptr<const GrammarVocabulary> vocabulary_;
  std::mutex mutex_;
  std::shared_ptr<GrammarStates> states_;  // replaced when it has grown too large
};

// Where one answer stands in a grammar. Copies are independent.
class GrammarMatcher : public TokenConstraint {
 public:
  // `end_ids` are allowed where the text may end; empty means the vocabulary's own.
  explicit GrammarMatcher(std::shared_ptr<CompiledGrammar> compiled, std::span<const TokenId> end_ids = {});

  void mask(std::span<uint32_t> bits) override;
  bool accept(TokenId id) override;
  bool complete() const override;

  // Takes text that is not tied to tokens. False, and nothing changes, where the grammar does not allow it.
  bool accept_bytes(std::string_view bytes);

  // The text so far is a whole one.
  bool may_end() const;
};

struct LazyTrigger {
  std::string text;
  bool belongs_to_inner = false;  // the inner constraint sees the trigger's own text too
};

// Everything is allowed until a trigger has been written (compared as bytes, across tokens; the first one
// that ends counts, the longest of those that end together). From there the inner constraint rules; bytes
// that stand behind the trigger in its token are the inner's first. Tokens whose such bytes would break the
// inner constraint are not allowed.
class LazyConstraint : public TokenConstraint {
 public:
  // Errors: kInvalidArgument for no trigger, an empty one, more than 64, or one above 1 KiB.
  LazyConstraint(std::vector<LazyTrigger> triggers, GrammarMatcher inner);

  void mask(std::span<uint32_t> bits) override;
  bool accept(TokenId id) override;
  bool complete() const override;

  bool triggered() const;
};

}  // namespace oag
