#include "service/protocol/openai_decode.h"

#include <algorithm>

#include "service/protocol/json_shape.h"
#include "service/protocol/message_rules.h"
#include "service/protocol/openai_fields.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

// What single fields cannot say.
void check_text(const TextRequest& text) {
  if (text.max_tokens && text.min_tokens > *text.max_tokens) {
    reject("invalid_value", "min_tokens", "is {}, more than the {} tokens that the answer may have",
           text.min_tokens, *text.max_tokens);
  }
  if (text.max_tokens == 0 && !text.echo) reject("invalid_value", "max_tokens", "is 0, expected at least 1");
  if (text.best_of && *text.best_of != text.n) {
    reject("unsupported_value", "best_of",
           "is {} beside an n of {}: no more answers are made than given; leave it out", *text.best_of,
           text.n);
  }
  if (text.echo && text.logprobs)
    reject("unsupported_value", "echo", "with logprobs: those of the prompt are not computed; leave one out");
  if (!text.stream && (text.include_usage || text.continuous_usage))
    reject("invalid_value", "stream_options", "is for answers with stream: true");
}

void check_tools(const TextRequest& text) {
  using Kind = ToolChoice::Kind;
  const ToolChoice& choice = text.tool_choice;
  if (text.tools.empty()) {
    if (choice.kind == Kind::kRequired || choice.kind == Kind::kNamed)
      reject("invalid_value", "tool_choice", "asks for a call, but there are no tools");
    return;
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < text.tools.size(); ++i) {
    names.push_back(text.tools[i]["function"]["name"]);
    if (std::count(names.begin(), names.end(), names.back()) > 1) {
      reject("invalid_value", fmt::format("tools[{}].function.name", i),
             "is \"{}\", which another tool has already", names.back());
    }
  }
  if (choice.kind == Kind::kNamed && std::find(names.begin(), names.end(), choice.name) == names.end())
    reject("invalid_value", "tool_choice.function.name", "is \"{}\", which no tool has", choice.name);
  const bool must_call = choice.kind == Kind::kRequired || choice.kind == Kind::kNamed;
  if (must_call && text.output.kind != StructuredOutput::Kind::kNone)
    reject("invalid_value", text.output.field,
           "says what the answer has to match, but tool_choice asks for a call");
}

void check_chat(const TextRequest& text) {
  check_messages(text.messages);
  check_text(text);
  check_tools(text);
  if (!text.continue_final_message) return;
  if (text.messages.back()["role"] != "assistant")
    reject("invalid_value", "continue_final_message", "needs a last message of the assistant's");
  if (text.add_generation_prompt)
    reject("invalid_value", "continue_final_message", "needs add_generation_prompt: false");
}

}  // namespace

OpenAiDecoder::OpenAiDecoder(bool strict_fields)
    : strict_(strict_fields),
      chat_({chat_fields(), text_fields()}, {"messages"}),
      completion_({completion_fields(), text_fields()}, {"prompt"}),
      embedding_({embedding_fields()}, {"input"}),
      tokenize_({tokenize_fields()}, {}),
      detokenize_({detokenize_fields()}, {"tokens"}) {}

void OpenAiDecoder::read(const FieldTable& table, std::string_view body, std::string_view api,
                         Request& request) const {
  request.context.api = api;
  table.read(parse_body(body), strict_, request);
}

Request OpenAiDecoder::chat(std::string_view body) const {
  Request request;
  request.payload.emplace<TextRequest>();
  read(chat_, body, "chat.completions", request);
  if (text_of(request).legacy_functions) text_of(request).parallel_tool_calls = false;
  check_chat(text_of(request));
  return request;
}

Request OpenAiDecoder::completion(std::string_view body) const {
  Request request;
  request.payload.emplace<TextRequest>().chat = false;
  read(completion_, body, "completions", request);
  check_text(text_of(request));
  return request;
}

Request OpenAiDecoder::embedding(std::string_view body) const {
  Request request;
  request.payload.emplace<EmbeddingRequest>();
  read(embedding_, body, "embeddings", request);
  return request;
}

Request OpenAiDecoder::tokenize(std::string_view body) const {
  Request request;
  request.payload.emplace<TokenizeRequest>();
  read(tokenize_, body, "tokenize", request);
  if (std::get<TokenizeRequest>(request.payload).source.index() == 0)
    reject("missing_required_parameter", "prompt", "is missing, and so is messages");
  if (const auto* messages = std::get_if<Json>(&std::get<TokenizeRequest>(request.payload).source))
    check_messages(*messages);
  return request;
}

Request OpenAiDecoder::detokenize(std::string_view body) const {
  Request request;
  request.payload.emplace<DetokenizeRequest>();
  read(detokenize_, body, "detokenize", request);
  return request;
}

}  // namespace oag
