// Fields of the endpoints that take texts: completions, embeddings, tokens.
#include "service/protocol/json_shape.h"
#include "service/protocol/message_schema.h"
#include "service/protocol/openai_fields.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

constexpr std::string_view kBoolean = R"({"type":"boolean"})";
constexpr std::string_view kPrompt =
    R"({"anyOf":[{"type":"string"},{"type":"array","minItems":1,"maxItems":1048576,"items":{"anyOf":[{"type":"integer"},{"type":"string"},{"type":"array","items":{"type":"integer"}}]}}]})";

// A text, ids, or a list of either.
std::vector<PromptText> prompts_of(const Json& value, const std::string& name, size_t most) {
  if (value.is_string()) return {value.get<std::string>()};
  const auto ids_of = [&](const Json& list, const std::string& path) {
    std::vector<int64_t> ids;
    ids.reserve(list.size());
    for (const Json& id : list) {
      if (!id.is_number_integer())
        reject("invalid_type", path, "holds {}, expected token ids alone", described(id));
      ids.push_back(id.get<int64_t>());
    }
    if (ids.empty()) reject("invalid_value", path, "is an empty list, expected token ids");
    return ids;
  };
  if (value.front().is_number()) return {ids_of(value, name)};
  if (value.size() > most)
    reject("invalid_value", name, "has {} prompts, at most {} are taken", value.size(), most);
  std::vector<PromptText> prompts;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", name, i);
    if (value[i].is_string())
      prompts.emplace_back(value[i].get<std::string>());
    else if (value[i].is_array())
      prompts.emplace_back(ids_of(value[i], path));
    else
      reject("invalid_type", path, "is {}, expected a text or a list of token ids", described(value[i]));
  }
  return prompts;
}

TokenizeRequest& tokenize_of(Request& request) {
  return std::get<TokenizeRequest>(request.payload);
}

// A text or a conversation.
void set_source(Request& request, const Json& value) {
  TokenizeRequest& tokenize = tokenize_of(request);
  if (tokenize.source.index() != 0)
    reject("invalid_value", "messages", "stand beside a prompt; one of them is enough");
  if (value.is_string())
    tokenize.source = value.get<std::string>();
  else
    tokenize.source = value;
}

}  // namespace

std::span<const Field> completion_fields() {
  using enum FieldUse;
  static constexpr Field kFields[] = {
      {"prompt", kHonoured, kPrompt,
       [](const Json& v, Request& r) { text_of(r).prompts = prompts_of(v, "prompt", 64); },
       "A text, a list of token ids, or a list of either."},
      {"logprobs", kHonoured, R"({"type":"integer","minimum":0,"maximum":20})",
       [](const Json& v, Request& r) { text_of(r).logprobs = v.get<int64_t>(); },
       "Give the log probability of each token of the answer and of so many of the most likely ones."},
      {"echo", kHonoured, kBoolean, [](const Json& v, Request& r) { text_of(r).echo = v; },
       "The text begins with the prompt."},
      {"add_special_tokens", kHonoured, kBoolean,
       [](const Json& v, Request& r) { text_of(r).add_special_tokens = v; },
       "Add the tokens that the model wants around a text (default true)."},
      {"response_format", kHonoured,
       R"({"type":"object","required":["type"],"properties":{"type":{"type":"string"},"json_schema":{}}})",
       [](const Json& v, Request& r) { read_response_format(v, text_of(r).output); },
       "What the answer has to be: text, json_object, or json_schema."},
      {"suffix", kUnneeded, "{}", nullptr, "models that fill in text are not known", R"([""])"},
  };
  return kFields;
}

std::span<const Field> embedding_fields() {
  using enum FieldUse;
  static constexpr Field kFields[] = {
      {"model", kHonoured, R"({"type":"string","maxLength":1024})",
       [](const Json& v, Request& r) { r.context.model = v.get<std::string>(); },
       "The model's name, as /v1/models lists it."},
      {"input", kHonoured, kPrompt,
       [](const Json& v, Request& r) {
         std::get<EmbeddingRequest>(r.payload).inputs = prompts_of(v, "input", 2048);
       },
       "A text, a list of token ids, or a list of either."},
      {"encoding_format", kHonoured, R"({"type":"string","enum":["float","base64"]})",
       [](const Json& v, Request& r) { std::get<EmbeddingRequest>(r.payload).base64 = v == "base64"; },
       "float (a list of numbers) or base64 (little-endian f32)."},
      {"dimensions", kHonoured, R"({"type":"integer","minimum":1,"maximum":1048576})",
       [](const Json& v, Request& r) { std::get<EmbeddingRequest>(r.payload).dimensions = v.get<int64_t>(); },
       "Refused where it is not the model's own."},
      {"user", kNoEffect, R"({"type":"string"})", nullptr, "Who asks."},
  };
  return kFields;
}

std::span<const Field> tokenize_fields() {
  using enum FieldUse;
  static constexpr Field kFields[] = {
      {"model", kHonoured, R"({"type":"string","maxLength":1024})",
       [](const Json& v, Request& r) { r.context.model = v.get<std::string>(); },
       "The model's name, as /v1/models lists it."},
      {"prompt", kHonoured, R"({"type":"string"})", [](const Json& v, Request& r) { set_source(r, v); },
       "A text."},
      {"messages", kHonoured, kMessagesSchema, [](const Json& v, Request& r) { set_source(r, v); },
       "A conversation, in place of prompt."},
      {"tools", kHonoured, kToolsSchema, [](const Json& v, Request& r) { tokenize_of(r).tools = v; },
       "Functions, with messages."},
      {"chat_template_kwargs", kHonoured, R"({"type":"object"})",
       [](const Json& v, Request& r) {
         check_template_arguments(v);
         tokenize_of(r).template_arguments = v;
       },
       "More variables of the chat template."},
      {"add_special_tokens", kHonoured, kBoolean,
       [](const Json& v, Request& r) { tokenize_of(r).add_special_tokens = v; },
       "Add the tokens that the model wants around a text (default true)."},
      {"add_generation_prompt", kHonoured, kBoolean,
       [](const Json& v, Request& r) { tokenize_of(r).add_generation_prompt = v; },
       "Begin the assistant's turn (default true)."},
      {"return_token_strs", kHonoured, kBoolean,
       [](const Json& v, Request& r) { tokenize_of(r).return_token_strings = v; },
       "Give each token's text too."},
  };
  return kFields;
}

std::span<const Field> detokenize_fields() {
  using enum FieldUse;
  static constexpr Field kFields[] = {
      {"model", kHonoured, R"({"type":"string","maxLength":1024})",
       [](const Json& v, Request& r) { r.context.model = v.get<std::string>(); },
       "The model's name, as /v1/models lists it."},
      {"tokens", kHonoured, R"({"type":"array","maxItems":1048576,"items":{"type":"integer"}})",
       [](const Json& v, Request& r) {
         std::get<DetokenizeRequest>(r.payload).tokens = v.get<std::vector<int64_t>>();
       },
       "Token ids."},
  };
  return kFields;
}

}  // namespace oag
