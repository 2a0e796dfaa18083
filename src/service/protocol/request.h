#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace oag {

// A request, whatever dialect it came in: what the parts behind the codecs read. Token ids are 64 bits wide
// here, since nobody has compared them with a vocabulary yet.

// Around the payload: who asks, and how it shall be treated.
struct RequestContext {
  std::string id;     // "chatcmpl-…", unique
  std::string model;  // as asked for; empty: the only one
  std::string api;    // the endpoint's name: "chat.completions"
  TimePoint arrival = Clock::now();
  int priority = 0;  // higher first
  std::optional<TimePoint> deadline;
  std::vector<std::pair<std::string, std::string>> tags;
};

struct SamplingRequest {
  std::optional<float> temperature, top_p, min_p;
  std::optional<int64_t> top_k;  // 0: all
  std::optional<float> repetition_penalty, frequency_penalty, presence_penalty;
  std::optional<uint64_t> seed;
  std::vector<std::pair<int64_t, float>> logit_bias;
  std::vector<int64_t> allowed_token_ids;
  std::vector<std::string> bad_words;
};

// What an answer has to look like.
struct StructuredOutput {
  enum class Kind { kNone, kJsonObject, kJsonSchema, kRegex, kChoice, kGrammar };
  Kind kind = Kind::kNone;
  Json schema;                       // kJsonSchema
  std::string text;                  // kRegex, kGrammar
  std::vector<std::string> choices;  // kChoice
  bool compact = false;              // JSON without whitespace between its tokens
  std::string field;                 // of the request, for errors
};

struct ToolChoice {
  enum class Kind { kAuto, kNone, kRequired, kNamed };
  Kind kind = Kind::kAuto;
  std::string name;  // kNamed
};

// Ends an answer that repeats itself: a pattern of up to `max_pattern` tokens, `min_count` times in a row.
struct RepetitionDetection {
  int64_t min_pattern = 1, max_pattern = 64, min_count = 4;
};

// Forces the end of thinking after so many tokens.
struct ThinkingBudget {
  int64_t tokens = 0;
};

using PromptText = std::variant<std::string, std::vector<int64_t>>;

// /v1/chat/completions and /v1/completions.
struct TextRequest {
  bool chat = true;

  // Of a chat.
  Json messages;               // OpenAI's layout
  Json tools = Json::array();  // likewise
  ToolChoice tool_choice;
  bool parallel_tool_calls = true;
  bool legacy_functions = false;             // asked with functions: a call is answered as function_call
  Json template_arguments = Json::object();  // chat_template_kwargs, documents, reasoning_effort
  bool add_generation_prompt = true;
  bool continue_final_message = false;
  bool separate_reasoning = false;  // thoughts go to reasoning_content
  std::optional<int64_t> max_pixels;

  // Of a completion.
  std::vector<PromptText> prompts;
  bool echo = false;
  bool add_special_tokens = true;

  // Of both.
  int64_t n = 1;
  std::optional<int64_t> best_of;
  SamplingRequest sampling;
  std::optional<int64_t> max_tokens;
  int64_t min_tokens = 0;
  std::vector<std::string> stop;
  std::vector<int64_t> stop_token_ids;
  bool include_stop_text = false;
  bool ignore_end = false;
  bool skip_special_tokens = true;
  std::optional<int64_t> logprobs;  // for each token its own, and so many of the best
  StructuredOutput output;
  std::optional<ThinkingBudget> thinking;
  std::optional<RepetitionDetection> repetition;
  std::optional<int64_t> truncate_prompt_tokens;  // the last so many are kept; -1: what the context holds
  std::string cache_salt;
  int64_t lookup_tokens = 0;

  bool stream = false;
  bool include_usage = false;     // a last chunk with the usage
  bool continuous_usage = false;  // usage in every chunk
  bool return_token_ids = false;
};

struct EmbeddingRequest {
  std::vector<PromptText> inputs;
  bool base64 = false;
  std::optional<int64_t> dimensions;
};

struct TokenizeRequest {
  std::variant<std::monostate, std::string, Json> source;  // a text, or messages
  Json tools = Json::array();
  Json template_arguments = Json::object();
  bool add_special_tokens = true;
  bool add_generation_prompt = true;
  bool return_token_strings = false;
};

struct DetokenizeRequest {
  std::vector<int64_t> tokens;
};

using RequestPayload = std::variant<TextRequest, EmbeddingRequest, TokenizeRequest, DetokenizeRequest>;

struct Request {
  RequestContext context;
  RequestPayload payload;
  std::vector<std::string> warnings;  // one line each: fields that are unknown, or names that are old
};

// The payload of a chat or completion.
inline TextRequest& text_of(Request& request) {
  return std::get<TextRequest>(request.payload);
}

}  // namespace oag
