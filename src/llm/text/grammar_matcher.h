#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "llm/text/grammar.h"
#include "llm/text/grammar_vocabulary.h"
#include "llm/text/token_constraint.h"

namespace oag {

class GrammarStates;

// A grammar made ready for one vocabulary: it keeps the masks of the states that answers have been in. Shared
// by the answers that use it and thread safe; what it keeps is bounded by kMaxGrammarCacheBytes.
class CompiledGrammar {
 public:
  // Cheap: masks are computed when an answer first needs them.
  static std::shared_ptr<CompiledGrammar> create(std::shared_ptr<const Grammar> grammar,
                                                 std::shared_ptr<const GrammarVocabulary> vocabulary);
  ~CompiledGrammar();

  const std::shared_ptr<const GrammarVocabulary>& vocabulary() const { return vocabulary_; }
  size_t cached_bytes();

 private:
  friend class GrammarMatcher;
  CompiledGrammar(std::shared_ptr<const Grammar> grammar,
                  std::shared_ptr<const GrammarVocabulary> vocabulary);

  // The states to use now: those of `held` unless they have grown too large.
  std::shared_ptr<GrammarStates> current_states();

  const std::shared_ptr<const Grammar> grammar_;
  const std::shared_ptr<const GrammarVocabulary> vocabulary_;
  std::mutex mutex_;  // guards all states, also those that were replaced and are still held
  std::shared_ptr<GrammarStates> states_;
};

// Where one answer stands in a grammar. Copies are independent of each other and cheap.
class GrammarMatcher : public TokenConstraint {
 public:
  // `end_ids` are allowed where the text may end and nowhere else; empty means the vocabulary's own.
  explicit GrammarMatcher(std::shared_ptr<CompiledGrammar> compiled, std::span<const TokenId> end_ids = {});

  void mask(std::span<uint32_t> bits) override;
  bool accept(TokenId id) override;
  bool complete() const override;

  // Takes text that is not tied to tokens. False, and nothing changes, where the grammar does not allow it.
  bool accept_bytes(std::string_view bytes);
  // The text so far is a whole one.
  bool may_end() const;
  const CompiledGrammar& compiled() const { return *compiled_; }
  std::span<const TokenId> end_ids() const { return end_ids_; }

  // Sets in `bits` the tokens below a node of the vocabulary's trie whose bytes behind the node's may follow.
  void add_below(uint32_t node, std::span<uint32_t> bits);

 private:
  void enter_states();

  std::shared_ptr<CompiledGrammar> compiled_;
  std::vector<TokenId> end_ids_;
  std::shared_ptr<GrammarStates> states_;
  uint32_t configuration_;
  bool ended_ = false;  // an end id was accepted
};

}  // namespace oag
