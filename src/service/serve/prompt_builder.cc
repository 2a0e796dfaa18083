#include "service/serve/prompt_builder.h"

#include <algorithm>

#include "llm/bundle/chat_prompt.h"
#include "llm/generate/prompt_images.h"
#include "llm/text/answer_parser.h"
#include "service/protocol/request_error.h"
#include "service/serve/respond.h"

namespace oag {
namespace {

[[noreturn]] void fail_length(const ServedModel& model, std::string_view param, int64_t tokens) {
  reject("context_length_exceeded", param,
         "has {} tokens, and this model's context is {} tokens with at least one for the answer; shorten it",
         tokens, model.context_tokens());
}

// What cannot fit, whatever its tokens are, is refused before anything works on it.
void check_bytes(const ServedModel& model, std::string_view param, size_t bytes) {
  const size_t tokens = bytes / model.longest_token();
  if (static_cast<int64_t>(tokens) >= model.context_tokens())
    fail_length(model, param, static_cast<int64_t>(tokens));
}

void check_length(const ServedModel& model, std::string_view param, Prompt& prompt, const TextRequest& text) {
  std::optional<int64_t> kept = text.truncate_prompt_tokens;
  if (kept == -1) {
    constexpr int64_t kCompletionTokens = 16;
    const int64_t answer = text.max_tokens.value_or(text.chat ? 1 : kCompletionTokens);
    kept = std::max<int64_t>(1, model.context_tokens() - std::max<int64_t>(1, answer));
  }
  if (kept && prompt.total_tokens() > *kept) {
    if (!prompt.pictures.empty())
      reject("unsupported_value", "truncate_prompt_tokens",
             "cannot cut a prompt with pictures; leave it out");
    prompt.tokens.erase(prompt.tokens.begin(), prompt.tokens.end() - *kept);
  }
  if (prompt.tokens.empty()) reject("invalid_value", param, "is empty; there is nothing to continue");
  if (prompt.total_tokens() >= model.context_tokens()) fail_length(model, param, prompt.total_tokens());
}

// Of all texts but addresses of pictures.
size_t text_bytes(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().size();
  size_t bytes = 0;
  if (value.is_object()) {
    for (const auto& [name, member] : value.items())
      bytes += name == "image_url" || name == "image" ? 0 : text_bytes(member);
  } else if (value.is_array()) {
    for (const Json& item : value) bytes += text_bytes(item);
  }
  return bytes;
}

// Variables of the template that it does not look at have no effect.
void check_variables(const ServedModel& model, Request& request) {
  for (const auto& [name, value] : text_of(request).template_arguments.items()) {
    if (model.chat_template().source().find(name) != std::string::npos) continue;
    // What asks for little, or for what SDKs send by themselves, is left out.
    if (name == "reasoning_effort" && value != "none" && value != "medium")
      reject("unsupported_parameter", name, "is not known to the chat template of \"{}\"; leave it out",
             model.name());
    request.warnings.push_back(fmt::format("the chat template does not know \"{}\"", name));
  }
}

Json template_variables(const Json& arguments, const Json& tools, bool generation_prompt) {
  Json variables = arguments;
  variables["add_generation_prompt"] = generation_prompt;
  if (!tools.empty()) variables["tools"] = tools;
  return variables;
}

// Arguments of earlier calls come as JSON text; templates write the object.
void parse_arguments(Json& message) {
  for (Json& call : message["tool_calls"]) {
    Json& arguments = call["function"]["arguments"];
    if (arguments.is_string()) {
      const Json parsed = Json::parse(arguments.get_ref<const std::string&>(), nullptr, false);
      if (parsed.is_object()) arguments = parsed;
    }
  }
}

// Calls and their results as text, as describe_tools() asks for them, where a template would leave them out.
void write_calls_as_text(Json& message) {
  if (message["role"] == "tool" || message["role"] == "function") {
    message["role"] = "user";
    if (message["content"].is_string())
      message["content"] = "<tool_response>\n" + message["content"].get<std::string>() + "\n</tool_response>";
  }
  const auto calls = message.find("tool_calls");
  if (calls == message.end() || !calls->is_array()) return;
  std::string text = message["content"].is_string() ? message["content"].get<std::string>() : "";
  for (const Json& call : *calls) {
    const Json written = {{"name", call["function"]["name"]},
                          {"arguments", call["function"].value("arguments", Json::object())}};
    text += (text.empty() ? "" : "\n") + ("<tool_call>\n" + json_line(written) + "\n</tool_call>");
  }
  message["content"] = text;
  message.erase("tool_calls");
}

// A call and its result as they were written before there were tools.
void read_function_call(Json& message) {
  if (message["role"] == "function") message["role"] = "tool";
  const auto call = message.find("function_call");
  if (call == message.end() || !call->is_object()) return;
  const Json function = *call;
  message.erase("function_call");
  if (!message.contains("tool_calls") || message["tool_calls"].is_null())
    message["tool_calls"] = Json::array({Json{{"type", "function"}, {"function", function}}});
}

// Messages as templates know them: "developer" is what OpenAI calls the system's role now, and no content is
// an empty one.
Json template_messages(const ServedModel& model, const Json& messages) {
  const bool knows = knows_tools(model.chat_template().source());
  Json out = messages;
  for (Json& message : out) {
    if (message["role"] == "developer") message["role"] = "system";
    read_function_call(message);
    if (const auto calls = message.find("tool_calls"); calls != message.end() && calls->is_array())
      parse_arguments(message);
    if (!message.contains("content") || message["content"].is_null()) message["content"] = "";
    if (!knows) write_calls_as_text(message);
  }
  return out;
}

// Tells the model of its tools where its template would not.
void describe_in_system_message(Json& messages, const Json& tools) {
  const std::string text = describe_tools(tools);
  if (messages.front().value("role", "") == "system" && messages.front()["content"].is_string()) {
    messages.front()["content"] = messages.front()["content"].get<std::string>() + "\n\n" + text;
  } else {
    const Json message = {{"role", "system"}, {"content", text}};
    messages.insert(messages.begin(), message);
  }
}

// The text of the last message goes on: what the template writes behind it is cut off.
std::string continue_last(const std::string& rendered, const Json& messages) {
  const Json& content = messages.back()["content"];
  const std::string last = content.is_string() ? content.get<std::string>() : "";
  const size_t at = rendered.rfind(last);
  if (last.empty() || at == std::string::npos)
    reject("unsupported_value", "continue_final_message",
           "the chat template does not write the last message as it is");
  return rendered.substr(0, at + last.size());
}

// What goes wrong in the template is the messages' fault, and where the file stands is nobody's business.
std::string rendered_chat(const ServedModel& model, const Json& messages, const Json& variables) {
  try {
    return render_chat(model.chat_template(), *model.tokenizer(), messages, variables);
  } catch (const Error& error) {
    reject("invalid_value", "messages", "the model's chat template refuses them: {}", error.message());
  }
}

Picture open_picture(ServedModel& model, const std::string& source, const std::string& where) {
  try {
    return model.pictures().open(source, where);
  } catch (const Error& error) {
    const ApiProblem problem = problem_of(error);
    throw RequestError(problem.status, problem.code, "messages", error.what());
  }
}

Prompt rendered_prompt(ServedModel& model, Request& request) {
  TextRequest& text = text_of(request);
  const Tokenizer& tokenizer = *model.tokenizer();
  const bool offers = !text.tools.empty() && text.tool_choice.kind != ToolChoice::Kind::kNone;
  const Json tools = offers ? text.tools : Json::array();
  Json messages = template_messages(model, text.messages);
  if (offers && !knows_tools(model.chat_template().source())) describe_in_system_message(messages, tools);
  const ChatMessages chat = read_chat_messages(tokenizer, messages, model.content_format());
  if (!chat.pictures.empty()) model.pictures();
  std::string rendered = rendered_chat(
      model, chat.list, template_variables(text.template_arguments, tools, text.add_generation_prompt));
  if (text.continue_final_message) rendered = continue_last(rendered, chat.list);
  Prompt prompt;
  prompt.tokens = encode_rendered_chat(tokenizer, rendered);
  prompt.text = shown_chat(rendered);
  for (size_t i = 0; i < chat.pictures.size(); ++i) {
    prompt.pictures.push_back(open_picture(model, chat.pictures[i], fmt::format("picture {}", i + 1)));
    prompt.picture_tokens += prompt.pictures.back().grid.patches();
  }
  if (model.bundle().image_token)
    check_image_places(prompt.tokens, *model.bundle().image_token, prompt.pictures.size());
  return prompt;
}

std::vector<TokenId> ids_of(const std::vector<int64_t>& wide, const ServedModel& model,
                            std::string_view param) {
  const auto count = static_cast<int64_t>(model.tokenizer()->size_tokens());
  std::vector<TokenId> ids;
  ids.reserve(wide.size());
  for (const int64_t id : wide) {
    if (id < 0 || id >= count)
      reject("invalid_value", param, "holds {}, expected token ids below {}", id, count);
    ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

}  // namespace

int64_t Prompt::total_tokens() const {
  return static_cast<int64_t>(tokens.size()) - static_cast<int64_t>(pictures.size()) + picture_tokens;
}

Prompt chat_prompt(ServedModel& model, Request& request) {
  TextRequest& text = text_of(request);
  model.language_model();
  check_bytes(model, "messages", text_bytes(text.messages));
  check_variables(model, request);
  if (text.max_pixels && text.max_pixels != model.settings().image_options.max_pixels) {
    reject("unsupported_value", "mm_processor_kwargs.max_pixels",
           "is set for all requests when the server starts (--max-pixels); leave it out");
  }
  Prompt prompt = rendered_prompt(model, request);
  check_length(model, "messages", prompt, text);
  return prompt;
}

std::vector<Prompt> completion_prompts(ServedModel& model, const TextRequest& text) {
  model.language_model();
  std::vector<Prompt> prompts;
  for (const PromptText& source : text.prompts) {
    Prompt prompt;
    if (const auto* ids = std::get_if<std::vector<int64_t>>(&source)) {
      prompt.tokens = ids_of(*ids, model, "prompt");
      prompt.text = model.tokenizer()->decode(prompt.tokens, false);
    } else {
      prompt.text = std::get<std::string>(source);
      check_bytes(model, "prompt", prompt.text.size());
      prompt.tokens = model.tokenizer()->encode(
          prompt.text, {.parse_special = true, .add_special = text.add_special_tokens});
    }
    check_length(model, "prompt", prompt, text);
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

std::vector<PromptImage> place_pictures(ServedModel& model, Prompt& prompt) {
  if (prompt.pictures.empty()) return {};
  std::vector<EncodedImage> encoded;
  for (const Picture& picture : prompt.pictures) encoded.push_back({picture.grid, picture.rows});
  std::vector<PromptImage> placed = place_images(prompt.tokens, *model.bundle().image_token, encoded);
  for (size_t i = 0; i < placed.size(); ++i) placed[i].hash = prompt.pictures[i].hash;
  return placed;
}

std::vector<TokenId> tokenize_messages(ServedModel& model, const TokenizeRequest& request) {
  model.language_model();
  const Json& messages = std::get<Json>(request.source);
  check_bytes(model, "messages", text_bytes(messages));
  const ChatMessages chat =
      read_chat_messages(*model.tokenizer(), template_messages(model, messages), model.content_format());
  const Json variables =
      template_variables(request.template_arguments, request.tools, request.add_generation_prompt);
  return encode_rendered_chat(*model.tokenizer(), rendered_chat(model, chat.list, variables));
}

}  // namespace oag
