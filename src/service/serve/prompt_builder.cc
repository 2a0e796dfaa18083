#include "service/serve/prompt_builder.h"

#include <algorithm>

#include "llm/bundle/chat_prompt.h"
#include "llm/generate/prompt_images.h"
#include "llm/text/answer_parser.h"
#include "service/protocol/field.h"
#include "service/protocol/request_error.h"
#include "service/serve/generation_options.h"
#include "service/serve/respond.h"

namespace oag {
namespace {

[[noreturn]] void fail_length(const ServedModel& model, std::string_view param, std::string_view measure,
                              int64_t tokens) {
  reject(
      "context_length_exceeded", param,
      "has {}{} tokens, and this model's context is {} tokens with at least one for the answer; shorten it",
      measure, tokens, model.context_tokens());
}

// What cannot fit, whatever its tokens are, is refused before anything works on it; unless only its end is
// wanted.
void check_bytes(const ServedModel& model, std::string_view param, size_t bytes,
                 const std::optional<int64_t>& kept = {}) {
  const size_t tokens = bytes / model.longest_token();
  if (!kept && static_cast<int64_t>(tokens) >= model.context_tokens())
    fail_length(model, param, "at least ", static_cast<int64_t>(tokens));
}

// How many tokens of a prompt are wanted, from its end; -1 in the request means what the answer leaves of the
// context.
std::optional<int64_t> kept_tokens(const ServedModel& model, const TextRequest& text) {
  if (text.truncate_prompt_tokens != -1) return text.truncate_prompt_tokens;
  const int64_t answer = text.max_tokens.value_or(text.chat ? 1 : kCompletionTokens);
  return std::max<int64_t>(1, model.context_tokens() - std::max<int64_t>(1, answer));
}

// Drops what surely stands before the last `kept` tokens of a text, and a page more, so that tokens near the
// cut do not matter.
void keep_end(const ServedModel& model, std::string& text, int64_t kept) {
  constexpr size_t kMargin = 4096;
  const size_t tokens = static_cast<size_t>(std::min(kept, model.context_tokens()));
  const size_t bytes = tokens * model.longest_token() + kMargin;
  if (text.size() <= bytes) return;
  size_t cut = text.size() - bytes;
  while (cut < text.size() && (static_cast<unsigned char>(text[cut]) & 0xC0u) == 0x80u) ++cut;
  text.erase(0, cut);
}

void check_length(const ServedModel& model, std::string_view param, Prompt& prompt,
                  const std::optional<int64_t>& kept) {
  if (kept && prompt.total_tokens() > *kept) {
    if (!prompt.pictures.empty())
      reject("unsupported_value", "truncate_prompt_tokens",
             "cannot cut a prompt with pictures; leave it out");
    prompt.tokens.erase(prompt.tokens.begin(), prompt.tokens.end() - *kept);
  }
  if (prompt.tokens.empty()) reject("invalid_value", param, "is empty; there is nothing to continue");
  if (prompt.total_tokens() >= model.context_tokens()) fail_length(model, param, "", prompt.total_tokens());
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

// Of everything that a template may write of a value.
size_t all_bytes(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().size();
  size_t bytes = 1;
  if (value.is_object()) {
    for (const auto& [name, member] : value.items()) bytes += name.size() + all_bytes(member);
  } else if (value.is_array()) {
    for (const Json& item : value) bytes += all_bytes(item);
  }
  return bytes;
}

// What the template gets beside the messages.
void check_extras(const ServedModel& model, const Json& tools, const Json& arguments) {
  check_bytes(model, "tools", all_bytes(tools));
  check_bytes(model, "chat_template_kwargs", all_bytes(arguments));
}

// Variables of the template that it does not look at have no effect.
void check_variables(const ServedModel& model, const Json& arguments, std::vector<std::string>& warnings) {
  for (const auto& [name, value] : arguments.items()) {
    if (model.chat_template().source().find(name) != std::string::npos) continue;
    // What asks for little, or for what SDKs send by themselves, is left out.
    if (name == "reasoning_effort" && value != "none" && value != "medium")
      reject("unsupported_parameter", name, "is not known to the chat template of \"{}\"; leave it out",
             model.name());
    warnings.push_back("the chat template does not know " + shown_name(name));
  }
}

Json template_variables(const Json& arguments, const Json& tools, bool generation_prompt) {
  Json variables = arguments;
  variables["add_generation_prompt"] = generation_prompt;
  if (!tools.empty()) variables["tools"] = tools;
  return variables;
}

// Arguments of earlier calls come as JSON text; templates write the object. What is none, or beyond what a
// document may be, stays the text that it is.
void parse_arguments(Json& message) {
  for (Json& call : message["tool_calls"]) {
    Json& arguments = call["function"]["arguments"];
    if (!arguments.is_string()) continue;
    std::optional<Json> parsed = find_json(arguments.get_ref<const std::string&>());
    if (parsed && parsed->is_object()) arguments = std::move(*parsed);
  }
}

// Writes texts around a content, which is a text or a list of parts.
void surround(Json& content, const std::string& before, const std::string& behind) {
  const auto part = [](const std::string& text) { return Json{{"type", "text"}, {"text", text}}; };
  if (!content.is_array()) {
    content = before + (content.is_string() ? content.get<std::string>() : "") + behind;
    return;
  }
  if (!before.empty()) content.insert(content.begin(), part(before));
  if (!behind.empty()) content.push_back(part(behind));
}

// Calls and their results as text, as describe_tools() asks for them, where a template would leave them out.
void write_calls_as_text(Json& message) {
  if (message["role"] == "tool") {
    message["role"] = "user";
    surround(message["content"], "<tool_response>\n", "\n</tool_response>");
  }
  const auto calls = message.find("tool_calls");
  if (calls == message.end() || !calls->is_array()) return;
  std::string text;
  const bool says = message["content"] != "" && !message["content"].empty();
  for (const Json& call : *calls) {
    const Json written = {{"name", call["function"]["name"]},
                          {"arguments", call["function"].value("arguments", Json::object())}};
    text += (text.empty() && !says ? "" : "\n") + ("<tool_call>\n" + json_line(written) + "\n</tool_call>");
  }
  surround(message["content"], "", text);
  message.erase("tool_calls");
}

// The call of an old message, as a list of one.
void renew_function_call(Json& message) {
  const auto call = message.find("function_call");
  if (call == message.end()) return;
  const auto calls = message.find("tool_calls");
  const bool has_calls = calls != message.end() && calls->is_array() && !calls->empty();
  if (call->is_object() && !has_calls)
    message["tool_calls"] = {{{"id", "call_0"}, {"type", "function"}, {"function", *call}}};
  message.erase("function_call");
}

// Messages as templates know them: "developer" is what OpenAI calls the system's role now, "function" what it
// called a tool's, and no content is an empty one.
Json template_messages(const ServedModel& model, const Json& messages) {
  const bool knows = knows_tools(model.chat_template().source());
  Json out = messages;
  for (Json& message : out) {
    if (message["role"] == "developer") message["role"] = "system";
    if (message["role"] == "function") message["role"] = "tool";
    renew_function_call(message);
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
  if (messages.front().value("role", "") == "system") {
    surround(messages.front()["content"], "", "\n\n" + text);
  } else {
    const Json message = {{"role", "system"}, {"content", text}};
    messages.insert(messages.begin(), message);
  }
}

// What goes wrong in the template is the messages' fault, and where the file stands is nobody's business.
std::string rendered_chat(const ServedModel& model, const Json& messages, const Json& variables) {
  try {
    return render_chat(model.chat_template(), *model.tokenizer(), messages, variables);
  } catch (const Error& error) {
    reject("invalid_value", "messages", "the model's chat template refuses them: {}", error.message());
  }
}

// How many `part` stand behind each other at most.
size_t longest_run(std::string_view text, std::string_view part) {
  size_t longest = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at)) {
    size_t run = 0;
    for (; text.substr(at).starts_with(part); at += part.size()) ++run;
    longest = std::max(longest, run);
  }
  return longest;
}

// The text of the last message goes on: what the template writes behind it is cut off. A mark behind the text
// shows where that is: noncharacters, more of them than stand in a row anywhere.
std::string rendered_to_last(const ServedModel& model, Json messages, const Json& variables) {
  constexpr std::string_view kPart = "\xEF\xB7\x91";  // U+FDD1
  const std::string all = json_line(messages);
  std::string mark;
  for (size_t parts = longest_run(all, kPart) + 1; parts > 0; --parts) mark += kPart;
  const Json& calls = messages.back().value("tool_calls", Json());
  if (calls.is_array() && !calls.empty())
    reject("unsupported_value", "continue_final_message", "cannot go on from calls of tools");
  surround(messages.back()["content"], "", mark);
  const std::string rendered = rendered_chat(model, messages, variables);
  const size_t at = rendered.rfind(mark);
  if (at == std::string::npos)
    reject("unsupported_value", "continue_final_message",
           "the chat template does not write the last message as it is");
  return rendered.substr(0, at);
}

// A few bytes can say that they are very many pixels, so the headers of all pictures are looked at before one
// is decoded.
std::vector<Picture> open_pictures(PictureStore& store, const std::vector<std::string>& sources) {
  const auto name = [](size_t i) { return fmt::format("picture {}", i + 1); };
  std::vector<Picture> pictures;
  try {
    int64_t pixels = 0;
    for (size_t i = 0; i < sources.size(); ++i) pixels += PictureStore::pixels_of(sources[i], name(i));
    if (pixels > kMostRequestPixels) {
      fail(ErrorCode::kInvalidArgument, "",
           "the pictures have {} pixels together, at most {} are taken: send fewer or smaller ones", pixels,
           kMostRequestPixels);
    }
    for (size_t i = 0; i < sources.size(); ++i) pictures.push_back(store.open(sources[i], name(i)));
  } catch (const Error& error) {
    const ApiProblem problem = problem_of(error);
    throw RequestError(problem.status, problem.code, "messages", problem.message);
  }
  return pictures;
}

// The messages of a request as its model's template takes them, with the tools where that would not show
// them.
ChatMessages shown_messages(const ServedModel& model, const Json& messages, const Json& tools) {
  Json shown = template_messages(model, messages);
  if (!tools.empty() && !knows_tools(model.chat_template().source()))
    describe_in_system_message(shown, tools);
  return read_chat_messages(*model.tokenizer(), shown, model.content_format());
}

Prompt rendered_prompt(ServedModel& model, Request& request) {
  TextRequest& text = text_of(request);
  const Tokenizer& tokenizer = *model.tokenizer();
  const bool offers = !text.tools.empty() && text.tool_choice.kind != ToolChoice::Kind::kNone;
  const Json tools = offers ? text.tools : Json::array();
  const ChatMessages chat = shown_messages(model, text.messages, tools);
  if (!chat.pictures.empty()) model.pictures();
  const Json variables = template_variables(text.template_arguments, tools, text.add_generation_prompt);
  std::string rendered = text.continue_final_message ? rendered_to_last(model, chat.list, variables)
                                                     : rendered_chat(model, chat.list, variables);
  if (const auto kept = kept_tokens(model, text); kept && chat.pictures.empty())
    keep_end(model, rendered, *kept);
  Prompt prompt;
  prompt.tokens = encode_rendered_chat(tokenizer, rendered);
  prompt.text = shown_chat(rendered);
  if (!chat.pictures.empty()) prompt.pictures = open_pictures(model.pictures(), chat.pictures);
  for (const Picture& picture : prompt.pictures) prompt.picture_tokens += picture.grid.patches();
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
  check_bytes(model, "messages", text_bytes(text.messages), text.truncate_prompt_tokens);
  check_extras(model, text.tools, text.template_arguments);
  check_variables(model, text.template_arguments, request.warnings);
  if (text.max_pixels && text.max_pixels != model.settings().image_options.max_pixels) {
    reject("unsupported_value", "mm_processor_kwargs.max_pixels",
           "is set for all requests when the server starts (--max-pixels); leave it out");
  }
  Prompt prompt = rendered_prompt(model, request);
  check_length(model, "messages", prompt, kept_tokens(model, text));
  return prompt;
}

std::vector<Prompt> completion_prompts(ServedModel& model, const TextRequest& text) {
  model.language_model();
  const auto kept = kept_tokens(model, text);
  std::vector<Prompt> prompts;
  for (const PromptText& source : text.prompts) {
    Prompt prompt;
    if (const auto* ids = std::get_if<std::vector<int64_t>>(&source)) {
      prompt.tokens = ids_of(*ids, model, "prompt");
      prompt.text = model.tokenizer()->decode(prompt.tokens, false);
    } else {
      prompt.text = std::get<std::string>(source);
      check_bytes(model, "prompt", prompt.text.size(), kept);
      std::string end = prompt.text;
      if (kept) keep_end(model, end, *kept);
      prompt.tokens =
          model.tokenizer()->encode(end, {.parse_special = true, .add_special = text.add_special_tokens});
    }
    check_length(model, "prompt", prompt, kept);
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

std::vector<TokenId> tokenize_messages(ServedModel& model, Request& request) {
  model.language_model();
  const auto& wanted = std::get<TokenizeRequest>(request.payload);
  const Json& messages = std::get<Json>(wanted.source);
  check_bytes(model, "messages", text_bytes(messages));
  check_extras(model, wanted.tools, wanted.template_arguments);
  check_variables(model, wanted.template_arguments, request.warnings);
  const ChatMessages chat = shown_messages(model, messages, wanted.tools);
  const Json variables =
      template_variables(wanted.template_arguments, wanted.tools, wanted.add_generation_prompt);
  return encode_rendered_chat(*model.tokenizer(), rendered_chat(model, chat.list, variables));
}

}  // namespace oag
