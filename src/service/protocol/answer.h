#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace oag {

// Answers, whatever dialect they leave in: what the parts in front of the codecs write.

// A token of an answer with its log probability under the model, and those of the most likely tokens at its
// place. Text is the token's bytes, which need not be whole characters.
struct TokenLogprob {
  struct Candidate {
    int64_t id = 0;
    std::string text;
    float logprob = 0;
  };
  Candidate token;
  std::vector<Candidate> top;  // most likely first
};

// A call of a tool, or a piece of one: of those with the same index the texts are joined.
struct ToolCall {
  int64_t index = 0;
  std::string id, name;   // in the first piece
  std::string arguments;  // JSON text
};

struct AnswerUsage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t cached_tokens = 0;     // of the prompt: taken from the prefix cache
  int64_t reasoning_tokens = 0;  // of the completion
};

// Where the time went, in ms.
struct AnswerTimings {
  double queue_ms = 0, image_ms = 0, prefill_ms = 0, ttft_ms = 0, decode_ms = 0;
};

// What one choice gains, or all of it.
struct AnswerDelta {
  int64_t choice = 0;
  std::string text, reasoning;
  std::vector<ToolCall> tool_calls;
  std::vector<TokenLogprob> logprobs;
  std::vector<int64_t> token_ids;
  std::string_view finish_reason = {};  // "stop", "length", "tool_calls", "repetition"; empty: it goes on
  // Beside a finish_reason: the stop text or token of the request that ended it, if one did.
  std::variant<std::monostate, std::string, int64_t> stop_reason = {};

  bool empty() const {
    return text.empty() && reasoning.empty() && tool_calls.empty() && logprobs.empty() && token_ids.empty() &&
           finish_reason.empty();
  }
};

// What stands around every piece of an answer.
struct AnswerHead {
  std::string id;
  std::string model;
  int64_t created = 0;  // seconds since 1970
  bool chat = true;
  bool return_token_ids = false;
  bool logprobs = false;   // the field is written even where it is empty
  bool functions = false;  // a call is written as function_call, as before there were tools
};

}  // namespace oag
