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
  // What grammars keep, together, stays below `most_bytes` but for the one that was asked for last.
  explicit GrammarCache(std::shared_ptr<const Tokenizer> tokenizer, size_t most_bytes = size_t{256} << 20);

  // What an answer has to match; null where the request leaves it open. Errors: those of Grammar, with the
  // request's field in front.
  std::shared_ptr<CompiledGrammar> find(const StructuredOutput& output);
  std::shared_ptr<CompiledGrammar> agent_action();
  // Calls of tools behind their first mark, held to `schema`.
  std::shared_ptr<CompiledGrammar> calls(const Json& schema, const Grammar::Marks& marks);

 private:
  void drop_oldest();
  std::shared_ptr<CompiledGrammar> find(const std::string& key,
                                        const std::function<std::shared_ptr<const Grammar>()>& make);

  std::shared_ptr<const GrammarVocabulary> vocabulary_;
  const size_t most_bytes_;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<CompiledGrammar>>> kept_;  // by a hash, last used first
};

}  // namespace oag
