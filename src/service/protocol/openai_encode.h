#pragma once

#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "service/protocol/answer.h"

namespace oag {

// Writes the pieces of one streamed answer as OpenAI's chunks, each a JSON document on one line.
class OpenAiStream {
 public:
  OpenAiStream(const AnswerHead& head, bool include_usage);

  // The role, which is the first piece of a chat's choice. Completions have none.
  std::string begin(int64_t choice) const;
  std::string piece(const AnswerDelta& delta, const std::optional<AnswerUsage>& usage = {});
  // The last chunk, without choices: usage and timings.
  std::string usage(const AnswerUsage& usage, const AnswerTimings& timings) const;

 private:
  int64_t advance_offset(const AnswerDelta& delta);
  std::string finish_chunk(std::string out, const std::optional<AnswerUsage>& usage) const;

  AnswerHead head_;
  bool include_usage_;
  std::string opening_;                           // up to the list of choices
  std::unordered_map<int64_t, int64_t> offsets_;  // of choices with logprobs: characters so far
};

// The whole answer: one delta for each choice, in order.
Json openai_answer(const AnswerHead& head, std::span<const AnswerDelta> choices, const AnswerUsage& usage,
                   const AnswerTimings& timings);

// The same as text, made choice by choice and token by token: log probabilities take many times as much
// memory as a tree.
std::string openai_answer_text(const AnswerHead& head, std::span<const AnswerDelta> choices,
                               const AnswerUsage& usage, const AnswerTimings& timings);

Json usage_json(const AnswerUsage& usage);

// The answer of /v1/embeddings; `base64` as little-endian f32.
Json openai_embeddings(std::string_view model, std::span<const std::vector<float>> vectors, int64_t tokens,
                       bool base64);

}  // namespace oag
