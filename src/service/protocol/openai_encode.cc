#include "service/protocol/openai_encode.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/base64.h"
#include "service/protocol/json_writer.h"

namespace oag {
namespace {

std::string_view object_name(const AnswerHead& head, bool chunk) {
  if (!head.chat) return "text_completion";
  return chunk ? "chat.completion.chunk" : "chat.completion";
}

Json bytes_of(std::string_view text) {
  Json bytes = Json::array();
  for (const char byte : text) bytes.push_back(static_cast<unsigned char>(byte));
  return bytes;
}

// JSON has no infinity; OpenAI writes this for what is ruled out.
float finite(float logprob) {
  constexpr float kRuledOut = -9999.0f;
  return std::max(logprob, kRuledOut);
}

Json candidate_json(const TokenLogprob::Candidate& candidate) {
  return {
      {"token", candidate.text}, {"logprob", finite(candidate.logprob)}, {"bytes", bytes_of(candidate.text)}};
}

Json token_logprob_json(const TokenLogprob& token) {
  Json entry = candidate_json(token.token);
  entry["top_logprobs"] = Json::array();
  for (const auto& candidate : token.top) entry["top_logprobs"].push_back(candidate_json(candidate));
  return entry;
}

Json chat_logprobs(std::span<const TokenLogprob> tokens) {
  Json content = Json::array();
  for (const TokenLogprob& token : tokens) content.push_back(token_logprob_json(token));
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

// Characters that begin in a text, which may hold parts of some.
int64_t count_characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

// A token as completions name it: by its text, or by its bytes where these are no characters, as OpenAI does.
std::string token_name(const std::string& text) {
  try {
    Json(text).dump();
    return text;
  } catch (const Json::exception&) {
    std::string name = "bytes:";
    for (const char byte : text)
      fmt::format_to(std::back_inserter(name), "\\x{:02x}", static_cast<unsigned char>(byte));
    return name;
  }
}

// `offset`: characters of the answer before these tokens.
Json completion_logprobs(std::span<const TokenLogprob> tokens, int64_t offset) {
  Json out = {{"tokens", Json::array()},
              {"token_logprobs", Json::array()},
              {"top_logprobs", Json::array()},
              {"text_offset", Json::array()}};
  for (const TokenLogprob& token : tokens) {
    out["tokens"].push_back(token_name(token.token.text));
    out["token_logprobs"].push_back(finite(token.token.logprob));
    Json top = Json::object();
    for (const auto& candidate : token.top) top[token_name(candidate.text)] = finite(candidate.logprob);
    out["top_logprobs"].push_back(std::move(top));
    out["text_offset"].push_back(offset);
    offset += count_characters(token.token.text);
  }
  return out;
}

Json logprobs_json(const AnswerHead& head, const AnswerDelta& delta, int64_t offset = 0) {
  if (!head.logprobs) return nullptr;
  return head.chat ? chat_logprobs(delta.logprobs) : completion_logprobs(delta.logprobs, offset);
}

// A token's bytes may be half a character.
std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json timings_json(const AnswerTimings& timings) {
  Json out = {{"queue_ms", timings.queue_ms},
              {"prefill_ms", timings.prefill_ms},
              {"ttft_ms", timings.ttft_ms},
              {"decode_ms", timings.decode_ms}};
  if (timings.image_ms > 0) out["image_ms"] = timings.image_ms;
  return out;
}

Json call_json(const ToolCall& call) {
  return {{"id", call.id},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

void append_call_piece(std::string& out, const ToolCall& call) {
  fmt::format_to(std::back_inserter(out), "{{\"index\":{},", call.index);
  if (!call.id.empty()) {
    out += "\"id\":";
    append_json_string(out, call.id);
    out += ",\"type\":\"function\",";
  }
  out += "\"function\":{";
  if (!call.name.empty()) {
    out += "\"name\":";
    append_json_string(out, call.name);
    out += ',';
  }
  out += "\"arguments\":";
  append_json_string(out, call.arguments);
  out += "}}";
}

// Of functions there is one call, and one piece of it in a chunk.
void append_function_call(std::string& out, std::span<const ToolCall> calls) {
  std::string name, arguments;
  bool any = false;
  for (const ToolCall& call : calls) {
    if (call.index > 0) continue;
    any = true;
    name += call.name;
    arguments += call.arguments;
  }
  if (!any) return;
  out += "\"function_call\":{";
  if (!name.empty()) {
    out += "\"name\":";
    append_json_string(out, name);
    out += ',';
  }
  out += "\"arguments\":";
  append_json_string(out, arguments);
  out += "},";
}

std::string_view finish_reason_of(const AnswerHead& head, const AnswerDelta& delta) {
  return head.functions && delta.finish_reason == "tool_calls" ? "function_call" : delta.finish_reason;
}

Json stop_reason_json(const AnswerDelta& delta) {
  if (const auto* text = std::get_if<std::string>(&delta.stop_reason)) return *text;
  if (const auto* id = std::get_if<int64_t>(&delta.stop_reason)) return *id;
  return nullptr;
}

void append_chat_delta(std::string& out, const AnswerHead& head, const AnswerDelta& delta) {
  const size_t begin = out.size();
  if (!delta.reasoning.empty()) {
    out += "\"reasoning_content\":";
    append_json_string(out, delta.reasoning);
    out += ',';
  }
  if (!delta.text.empty()) {
    out += "\"content\":";
    append_json_string(out, delta.text);
    out += ',';
  }
  if (head.functions) {
    append_function_call(out, delta.tool_calls);
  } else if (!delta.tool_calls.empty()) {
    out += "\"tool_calls\":[";
    for (const ToolCall& call : delta.tool_calls) {
      append_call_piece(out, call);
      out += ',';
    }
    out.back() = ']';
    out += ',';
  }
  if (out.size() > begin) out.pop_back();
}

void append_ending(std::string& out, const AnswerHead& head, const AnswerDelta& delta, int64_t offset) {
  out += ",\"logprobs\":";
  out += head.logprobs && !delta.logprobs.empty() ? dumped(logprobs_json(head, delta, offset)) : "null";
  out += ",\"finish_reason\":";
  if (delta.finish_reason.empty())
    out += "null";
  else
    append_json_string(out, finish_reason_of(head, delta));
  if (!delta.finish_reason.empty()) out += ",\"stop_reason\":" + dumped(stop_reason_json(delta));
  if (head.return_token_ids)
    fmt::format_to(std::back_inserter(out), ",\"token_ids\":[{}]", fmt::join(delta.token_ids, ","));
  out += '}';
}

Json choice_json(const AnswerHead& head, const AnswerDelta& delta) {
  Json choice = {{"index", delta.choice}};
  if (head.chat) {
    Json message = {{"role", "assistant"}, {"content", delta.text}, {"refusal", nullptr}};
    if (!delta.tool_calls.empty()) {
      if (delta.text.empty()) message["content"] = nullptr;
      if (head.functions) {
        message["function_call"] = call_json(delta.tool_calls.front())["function"];
      } else {
        message["tool_calls"] = Json::array();
        for (const ToolCall& call : delta.tool_calls) message["tool_calls"].push_back(call_json(call));
      }
    }
    if (!delta.reasoning.empty()) message["reasoning_content"] = delta.reasoning;
    choice["message"] = std::move(message);
  } else {
    choice["text"] = delta.text;
  }
  choice["logprobs"] = logprobs_json(head, delta);
  choice["finish_reason"] = finish_reason_of(head, delta);
  choice["stop_reason"] = stop_reason_json(delta);
  if (head.return_token_ids) choice["token_ids"] = delta.token_ids;
  return choice;
}

// Up to the list of choices.
std::string opening(const AnswerHead& head, bool chunk) {
  std::string out = "{\"id\":";
  append_json_string(out, head.id);
  out += ",\"object\":";
  append_json_string(out, object_name(head, chunk));
  fmt::format_to(std::back_inserter(out), ",\"created\":{},\"model\":", head.created);
  append_json_string(out, head.model);
  out += ",\"choices\":[";
  return out;
}

// A member more of a document.
void append_member(std::string& object, std::string_view name, std::string_view value) {
  object.pop_back();
  fmt::format_to(std::back_inserter(object), ",\"{}\":{}}}", name, value);
}

std::string choice_text(const AnswerHead& head, const AnswerDelta& delta) {
  if (!head.chat || !head.logprobs) return dumped(choice_json(head, delta));
  Json choice =
      choice_json({head.id, head.model, head.created, head.chat, head.return_token_ids, false}, delta);
  choice.erase("logprobs");
  std::string logprobs = "{\"content\":[";
  for (const TokenLogprob& token : delta.logprobs) {
    logprobs += dumped(token_logprob_json(token));
    logprobs += ',';
  }
  if (!delta.logprobs.empty()) logprobs.pop_back();
  logprobs += "],\"refusal\":null}";
  std::string out = dumped(choice);
  append_member(out, "logprobs", logprobs);
  return out;
}

}  // namespace

OpenAiStream::OpenAiStream(const AnswerHead& head, bool include_usage)
    : head_(head), include_usage_(include_usage) {
  opening_ = opening(head, true);
}

std::string OpenAiStream::finish_chunk(std::string out, const std::optional<AnswerUsage>& usage) const {
  out += ']';
  if (usage)
    out += ",\"usage\":" + dumped(usage_json(*usage));
  else if (include_usage_)
    out += ",\"usage\":null";
  out += '}';
  return out;
}

std::string OpenAiStream::begin(int64_t choice) const {
  std::string out = opening_;
  fmt::format_to(std::back_inserter(out),
                 "{{\"index\":{},\"delta\":{{\"role\":\"assistant\",\"content\":\"\"}},\"logprobs\":null,"
                 "\"finish_reason\":null}}",
                 choice);
  return finish_chunk(std::move(out), {});
}

// Characters of the choice before the delta; the next delta's are counted on.
int64_t OpenAiStream::advance_offset(const AnswerDelta& delta) {
  if (delta.logprobs.empty()) return 0;
  int64_t& offset = offsets_[delta.choice];
  const int64_t begin = offset;
  for (const TokenLogprob& token : delta.logprobs) offset += count_characters(token.token.text);
  return begin;
}

std::string OpenAiStream::piece(const AnswerDelta& delta, const std::optional<AnswerUsage>& usage) {
  std::string out;
  out.reserve(opening_.size() + delta.text.size() + 128);
  out = opening_;
  fmt::format_to(std::back_inserter(out), "{{\"index\":{},", delta.choice);
  if (head_.chat) {
    out += "\"delta\":{";
    append_chat_delta(out, head_, delta);
    out += '}';
  } else {
    out += "\"text\":";
    append_json_string(out, delta.text);
  }
  append_ending(out, head_, delta, advance_offset(delta));
  return finish_chunk(std::move(out), usage);
}

std::string OpenAiStream::usage(const AnswerUsage& usage, const AnswerTimings& timings) const {
  std::string out = opening_;
  out += "],\"usage\":" + dumped(usage_json(usage)) + ",\"timings\":" + dumped(timings_json(timings)) + "}";
  return out;
}

Json usage_json(const AnswerUsage& usage) {
  Json out = {{"prompt_tokens", usage.prompt_tokens},
              {"completion_tokens", usage.completion_tokens},
              {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
              {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
  if (usage.reasoning_tokens > 0)
    out["completion_tokens_details"] = {{"reasoning_tokens", usage.reasoning_tokens}};
  return out;
}

Json openai_answer(const AnswerHead& head, std::span<const AnswerDelta> choices, const AnswerUsage& usage,
                   const AnswerTimings& timings) {
  Json list = Json::array();
  for (const AnswerDelta& choice : choices) list.push_back(choice_json(head, choice));
  return {{"id", head.id},
          {"object", object_name(head, false)},
          {"created", head.created},
          {"model", head.model},
          {"choices", std::move(list)},
          {"usage", usage_json(usage)},
          {"timings", timings_json(timings)}};
}

std::string openai_answer_text(const AnswerHead& head, std::span<const AnswerDelta> choices,
                               const AnswerUsage& usage, const AnswerTimings& timings) {
  std::string out = opening(head, false);
  for (const AnswerDelta& choice : choices) {
    out += choice_text(head, choice);
    out += ',';
  }
  if (!choices.empty()) out.pop_back();
  out += "],\"usage\":" + dumped(usage_json(usage)) + ",\"timings\":" + dumped(timings_json(timings)) + "}";
  return out;
}

Json openai_embeddings(std::string_view model, std::span<const std::vector<float>> vectors, int64_t tokens,
                       bool base64) {
  static_assert(std::endian::native == std::endian::little);
  Json data = Json::array();
  for (const std::vector<float>& vector : vectors) {
    Json values = vector;
    if (base64) {
      values = encode_base64(
          std::string_view(reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)));
    }
    data.push_back({{"object", "embedding"}, {"index", data.size()}, {"embedding", std::move(values)}});
  }
  return {{"object", "list"},
          {"data", std::move(data)},
          {"model", model},
          {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}};
}

}  // namespace oag
