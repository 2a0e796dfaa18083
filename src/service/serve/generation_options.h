#pragma once

#include <optional>
#include <string_view>

#include "llm/generate/generation.h"
#include "llm/text/answer_parser.h"
#include "llm/text/grammar_lazy.h"
#include "llm/text/grammar_matcher.h"
#include "service/protocol/request.h"
#include "service/protocol/request_error.h"
#include "service/serve/served_model.h"

namespace oag {

// Of a completion that says nothing of its length: OpenAI's default.
inline constexpr int64_t kCompletionTokens = 16;

// How the answers to a chat or completion are made: everything but prompt and callbacks.
class AnswerPlan {
 public:
  // `prompt` is a chat's rendered text. Errors: RequestError for ids beyond the vocabulary and what the model
  // cannot do; those of GrammarCache::find.
  AnswerPlan(const Request& request, ServedModel& model, std::string_view prompt);

  // Of answer number `copy`.
  GenerationRequest answer(int64_t copy) const;

 private:
  void constrain(const TextRequest& text, ServedModel& model, std::string_view prompt);

  GenerationRequest request_;  // without seed and constraint, which each answer has for itself
  std::optional<uint64_t> seed_;
  std::optional<GrammarMatcher> matcher_;
  std::optional<LazyConstraint> lazy_;
};

// What a client is told of an answer that failed.
ApiProblem problem_of_answer(const GenerationResult& result, const TextRequest& text);

// How the answers to a chat are told apart; `prompt` is its rendered text.
AnswerFormat answer_format(const TextRequest& text, const ServedModel& model, std::string_view prompt);

}  // namespace oag
