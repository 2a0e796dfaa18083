#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "llm/text/grammar.h"
#include "llm/text/grammar_matcher.h"
#include "llm/text/tokenizer.h"
#include "service/protocol/request.h"

namespace oag {

// The grammars that requests ask for, compiled for one model's vocabulary and kept: clients send the same few
// again and again. Thread safe.
class GrammarCache {
 public:
  explicit GrammarCache(std::shared_ptr<const Tokenizer> tokenizer);

  // What an answer has to match; null where the request leaves it open. Errors: those of Grammar, with the
  // request's field in front.
  std::shared_ptr<CompiledGrammar> find(const StructuredOutput& output);
  std::shared_ptr<CompiledGrammar> agent_action();
  // Calls of tools behind their first mark, held to `schema`.
  std::shared_ptr<CompiledGrammar> calls(const Json& schema, const Grammar::Marks& marks);

  const std::shared_ptr<const Tokenizer>& tokenizer() const { return tokenizer_; }

 private:
  std::shared_ptr<CompiledGrammar> find(const std::string& key,
                                        const std::function<std::shared_ptr<const Grammar>()>& make);

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const GrammarVocabulary> vocabulary_;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<CompiledGrammar>>> kept_;  // last used first
};

}  // namespace oag
