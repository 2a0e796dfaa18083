// Fields of /v1/chat/completions beside those of text_fields.cc.
#include <algorithm>

#include "service/protocol/json_shape.h"
#include "service/protocol/message_schema.h"
#include "service/protocol/openai_fields.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

constexpr std::string_view kBoolean = R"({"type":"boolean"})";

constexpr std::string_view kToolChoice =
    R"({"anyOf":[{"type":"string","enum":["none","auto","required"]},{"type":"object","required":["function"],"properties":{
  "type":{"type":"string","enum":["function"]},"function":{"type":"object","required":["name"],"properties":{"name":{"type":"string","minLength":1}}}}}]})";

ToolChoice tool_choice_of(const Json& value) {
  using Kind = ToolChoice::Kind;
  if (value == "none") return {Kind::kNone, {}};
  if (value == "required") return {Kind::kRequired, {}};
  if (value == "auto") return {Kind::kAuto, {}};
  return {Kind::kNamed, value["function"]["name"]};
}

// functions and function_call, which tools and tool_choice replaced.
void read_functions(const Json& value, Request& request) {
  Json& tools = text_of(request).tools;
  tools = Json::array();
  for (const Json& function : value) tools.push_back({{"type", "function"}, {"function", function}});
  text_of(request).legacy_functions = true;
}

void read_function_call(const Json& value, Request& request) {
  text_of(request).tool_choice =
      value.is_string() ? tool_choice_of(value) : ToolChoice{ToolChoice::Kind::kNamed, value["name"]};
}

void read_logprobs(const Json& value, Request& request) {
  if (value == true) text_of(request).logprobs = 0;
}

// Stands behind logprobs in the table.
void read_top_logprobs(const Json& value, Request& request) {
  std::optional<int64_t>& count = text_of(request).logprobs;
  const auto wanted = value.get<int64_t>();
  if (count)
    count = wanted;
  else if (wanted > 0)
    reject("invalid_value", "top_logprobs", "needs logprobs: true");
}

void read_template_arguments(const Json& value, Request& request) {
  check_template_arguments(value);
  text_of(request).template_arguments.update(value);
}

void read_image_arguments(const Json& value, Request& request) {
  for (const auto& [name, argument] : value.items()) {
    if (name != "max_pixels")
      reject("unsupported_parameter", "mm_processor_kwargs." + name, "is not supported; known is max_pixels");
  }
  if (const int64_t pixels = member_or<int64_t>(value, "max_pixels", 0); pixels > 0)
    text_of(request).max_pixels = pixels;
}

}  // namespace

void check_template_arguments(const Json& value) {
  constexpr std::string_view kOwn[] = {"messages", "tools", "add_generation_prompt", "chat_template"};
  for (const auto& [name, argument] : value.items()) {
    if (std::find(std::begin(kOwn), std::end(kOwn), name) != std::end(kOwn))
      reject("invalid_value", "chat_template_kwargs." + name, "is set by the request itself");
  }
}

std::span<const Field> chat_fields() {
  using enum FieldUse;
  static constexpr Field kFields[] = {
      {"messages", kHonoured, kMessagesSchema, [](const Json& v, Request& r) { text_of(r).messages = v; },
       "The conversation. Content is a text or a list of parts of type text or image_url (a data URI: "
       "addresses are not fetched)."},
      {"max_completion_tokens", kHonoured, R"({"type":"integer","minimum":1,"maximum":2147483647})",
       [](const Json& v, Request& r) { read_max_tokens("max_completion_tokens", v, r); },
       "Longest answer in tokens."},
      {"max_tokens", kHonoured, R"({"type":"integer","minimum":1,"maximum":2147483647})",
       [](const Json& v, Request& r) { read_max_tokens("max_tokens", v, r); },
       "The same as max_completion_tokens."},
      {"logprobs", kHonoured, kBoolean, read_logprobs,
       "Give the log probability of each token of the answer."},
      {"top_logprobs", kHonoured, R"({"type":"integer","minimum":0,"maximum":20})", read_top_logprobs,
       "With logprobs: those of so many of the most likely tokens too."},
      {"response_format", kHonoured,
       R"({"type":"object","required":["type"],"properties":{"type":{"type":"string","enum":["text","json_object","json_schema"]},"json_schema":{"type":"object","required":["schema"],"properties":{"name":{"type":"string"},"description":{"type":"string"},"schema":{"type":["object","boolean"]},"strict":{"type":"boolean"}}}}})",
       [](const Json& v, Request& r) { read_response_format(v, text_of(r).output); },
       "What the answer has to be: text, json_object, or json_schema."},
      {"tools", kHonoured, kToolsSchema, [](const Json& v, Request& r) { text_of(r).tools = v; },
       "Functions that the model may call."},
      {"tool_choice", kHonoured, kToolChoice,
       [](const Json& v, Request& r) { text_of(r).tool_choice = tool_choice_of(v); },
       "none, auto, required, or one function by name."},
      {"parallel_tool_calls", kHonoured, kBoolean,
       [](const Json& v, Request& r) { text_of(r).parallel_tool_calls = v; },
       "Several calls in one answer (default true)."},
      {"reasoning_effort", kHonoured,
       R"({"type":"string","enum":["none","minimal","low","medium","high","xhigh"]})",
       [](const Json& v, Request& r) { text_of(r).template_arguments["reasoning_effort"] = v; },
       "Handed to the chat template. Where that does not know it, none and medium are left out with a "
       "warning, "
       "others are refused."},
      {"chat_template_kwargs", kHonoured, R"({"type":"object"})", read_template_arguments,
       "More variables of the chat template, such as enable_thinking."},
      {"documents", kHonoured, R"({"type":"array","items":{"type":"object"}})",
       [](const Json& v, Request& r) { text_of(r).template_arguments["documents"] = v; },
       "Handed to the chat template."},
      {"add_generation_prompt", kHonoured, kBoolean,
       [](const Json& v, Request& r) { text_of(r).add_generation_prompt = v; },
       "Begin the assistant's turn (default true)."},
      {"continue_final_message", kHonoured, kBoolean,
       [](const Json& v, Request& r) { text_of(r).continue_final_message = v; },
       "Go on writing the last message, which is the assistant's."},
      {"thinking_token_budget", kHonoured, R"({"type":"integer","minimum":0,"maximum":2147483647})",
       [](const Json& v, Request& r) { text_of(r).thinking = ThinkingBudget{v.get<int64_t>()}; },
       "Thinking that is longer is ended: the model goes on with its answer."},
      {"separate_reasoning", kHonoured, kBoolean,
       [](const Json& v, Request& r) { text_of(r).separate_reasoning = v; },
       "Thoughts go to reasoning_content and not to content (default false: all is content)."},
      {"mm_processor_kwargs", kHonoured,
       R"({"type":"object","properties":{"max_pixels":{"type":"integer","minimum":784,"maximum":1000000000}}})",
       read_image_arguments, "max_pixels: pictures are made smaller until they have no more pixels."},

      {"functions",
       kOldName,
       R"({"type":"array","maxItems":512,"items":{"type":"object","required":["name"],"properties":{"name":{"type":"string","minLength":1,"maxLength":256},"description":{"type":"string"},"parameters":{"type":"object"}}}})",
       read_functions,
       "",
       {},
       "tools"},
      {"function_call",
       kOldName,
       R"({"anyOf":[{"type":"string","enum":["none","auto"]},{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}}]})",
       read_function_call,
       "",
       {},
       "tool_choice"},

      {"metadata", kNoEffect, R"({"type":"object"})", nullptr, ""},
      {"store", kNoEffect, kBoolean, nullptr, "Nothing is stored."},
      {"service_tier", kNoEffect, R"({"type":"string"})", nullptr, ""},
      {"safety_identifier", kNoEffect, R"({"type":"string"})", nullptr, ""},
      {"prompt_cache_key", kNoEffect, R"({"type":"string"})", nullptr, "Prefixes are found by content."},
      {"prompt_cache_retention", kNoEffect, R"({"type":"string"})", nullptr, ""},
      {"prediction", kNoEffect, R"({"type":"object"})", nullptr,
       "It could only make the answer faster; lookup_tokens does."},
      {"stream_reasoning", kNoEffect, kBoolean, nullptr, ""},
      {"include_reasoning", kUnneeded, kBoolean, nullptr,
       "thoughts are part of the content, or of reasoning_content with separate_reasoning", "[true]"},
      {"modalities", kUnneeded, R"({})", nullptr, "answers are text", R"([["text"]])"},
      {"audio", kUnneeded, R"({})", nullptr, "answers are text", "[]"},
      {"verbosity", kUnneeded, R"({})", nullptr, "", R"(["medium"])"},
      {"web_search_options", kUnneeded, R"({})", nullptr, "there is no web search", "[]"},
      {"chat_template", kUnneeded, R"({})", nullptr, "templates come with the model", "[]"},
      {"echo", kUnneeded, R"({})", nullptr, "", "[false]"},
      {"add_special_tokens", kUnneeded, R"({})", nullptr, "the chat template writes them", "[false]"},
      {"media_io_kwargs", kUnneeded, R"({})", nullptr, "", "[{}]"},
  };
  return kFields;
}

}  // namespace oag
