#pragma once

#include <string_view>

#include "llm/generate/generation.h"
#include "llm/text/answer_parser.h"
#include "service/protocol/request.h"
#include "service/serve/served_model.h"

namespace oag {

// Of a completion that says nothing of its length: OpenAI's default.
inline constexpr int64_t kCompletionTokens = 16;

// How answer number `copy` to a chat or completion is made: everything but its prompt and callbacks. Errors:
// RequestError for ids beyond the vocabulary; those of GrammarCache::find.
GenerationRequest generation_request(const Request& request, ServedModel& model, int64_t copy);

// How the answers to a chat are told apart; `prompt` is its rendered text.
AnswerFormat answer_format(const TextRequest& text, const ServedModel& model, std::string_view prompt);

}  // namespace oag
