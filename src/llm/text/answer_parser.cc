#include "llm/text/answer_parser.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "llm/text/mark_finder.h"
#include "llm/text/tool_call_reader.h"

namespace oag {
namespace {

constexpr std::string_view kThinkBegin = "<think>", kThinkEnd = "</think>";
constexpr std::string_view kCallBegin = "<tool_call>", kCallEnd = "</tool_call>";
constexpr std::string_view kMistralCalls = "[TOOL_CALLS]";

// Text up to the mark, then calls. A part of a parser: pieces go to what its owner collects.
class CallFinder {
 public:
  virtual ~CallFinder() = default;
  virtual void push(std::string_view text, AnswerPiece& out) = 0;
  virtual void flush(AnswerPiece& out) = 0;
};

// JSON calls between marks, or (Mistral) in a list behind one.
class TaggedJsonCalls : public CallFinder {
 public:
  TaggedJsonCalls(std::string_view begin, std::string_view end) : begin_(begin), end_(end) {}

  void push(std::string_view text, AnswerPiece& out) override {
    held_ += text;
    while (step(out)) {
    }
  }
  void flush(AnswerPiece& out) override {
    // A call that was cut off before its name was known is text after all.
    if (call_ && !call_->has_name()) out.text += std::string(begin_) + call_->text();
    if (!inside_) out.text += held_;
    held_.clear();
  }

 private:
  // False once nothing more can be said of what is held.
  bool step(AnswerPiece& out) {
    if (!inside_) {
      inside_ = cut_at_mark(held_, begin_, out.text);
      return inside_;
    }
    if (!call_) return begin_call();
    held_.erase(0, call_->push(held_, out.calls));
    if (!call_->done()) return false;
    call_.reset();
    return true;
  }
  bool begin_call() {
    const size_t at = held_.find_first_of("{<");
    if (at == std::string::npos) {
      held_.clear();  // white space, commas and brackets between calls
      return false;
    }
    held_.erase(0, at);
    if (held_.front() == '{') {
      call_.emplace(count_++);
      return true;
    }
    if (end_.empty()) {
      held_.erase(0, 1);
      return true;
    }
    if (held_.size() < end_.size()) return false;
    if (held_.starts_with(end_)) inside_ = false;
    held_.erase(0, inside_ ? 1 : end_.size());
    return true;
  }

  std::string_view begin_, end_;  // an empty end: calls go on to the answer's end
  std::string held_;
  bool inside_ = false;
  std::optional<ToolCallReader> call_;
  int64_t count_ = 0;
};

// The whole answer is a call or a list of calls, or none of it is.
class WholeJsonCalls : public CallFinder {
 public:
  void push(std::string_view text, AnswerPiece& out) override {
    if (is_text_) {
      out.text += text;
      return;
    }
    held_ += text;
    for (;;) {
      if (call_) {
        held_.erase(0, call_->push(held_, out.calls));
        if (!call_->done()) return;
        if (!call_->has_name()) out.text += call_->text();
        call_.reset();
      }
      const size_t at = held_.find_first_not_of(" \t\r\n[],;");
      if (at == std::string::npos) {
        if (count_ > 0) held_.clear();
        return;
      }
      if (held_[at] != '{') {
        is_text_ = count_ == 0;
        if (is_text_) out.text += held_;
        held_.clear();
        return;
      }
      held_.erase(0, at);
      call_.emplace(count_++);
    }
  }
  void flush(AnswerPiece& out) override {
    if (call_ && !call_->has_name()) out.text += call_->text();
    out.text += held_;
    held_.clear();
  }

 private:
  std::string held_;
  bool is_text_ = false;
  std::optional<ToolCallReader> call_;
  int64_t count_ = 0;
};

// A line that is a tool's name, then its arguments.
class GlmLineCalls : public CallFinder {
 public:
  explicit GlmLineCalls(std::vector<std::string> names) : names_(std::move(names)) {}

  void push(std::string_view text, AnswerPiece& out) override {
    if (is_text_) {
      out.text += text;
    } else if (is_call_) {
      out.calls.push_back({0, "", std::string(text)});
    } else {
      held_ += text;
      decide(out);
    }
  }
  void flush(AnswerPiece& out) override {
    out.text += held_;
    held_.clear();
  }

 private:
  void decide(AnswerPiece& out) {
    const size_t begin = std::min(held_.find_first_not_of(" \t\r\n"), held_.size());
    const size_t end = held_.find('\n', begin);
    const std::string line = held_.substr(begin, end == std::string::npos ? end : end - begin);
    const bool may_be = std::ranges::any_of(names_, [&](const std::string& name) {
      return end == std::string::npos ? name.starts_with(line) : name == line;
    });
    if (may_be && end == std::string::npos) return;
    if (may_be) {
      is_call_ = true;
      out.calls.push_back({0, line, held_.substr(end + 1)});
    } else {
      is_text_ = true;
      out.text += held_;
    }
    held_.clear();
  }

  std::vector<std::string> names_;
  std::string held_;
  bool is_text_ = false, is_call_ = false;
};

// GLM-4.5 writes each argument between marks of its own; a call is handed on when it is complete.
class GlmTaggedCalls : public CallFinder {
 public:
  void push(std::string_view text, AnswerPiece& out) override {
    held_ += text;
    for (;;) {
      if (!inside_) {
        inside_ = cut_at_mark(held_, kCallBegin, out.text);
        if (!inside_) return;
      }
      std::string body;
      const size_t end = held_.find(kCallEnd);
      if (end == std::string::npos) return;
      body = held_.substr(0, end);
      held_.erase(0, end + kCallEnd.size());
      inside_ = false;
      out.calls.push_back(read(body));
    }
  }
  void flush(AnswerPiece& out) override {
    out.text += inside_ ? std::string(kCallBegin) + held_ : held_;
    held_.clear();
  }

 private:
  static std::string between(std::string_view text, std::string_view begin, std::string_view end,
                             size_t& at) {
    const size_t from = text.find(begin, at);
    const size_t to = from == std::string_view::npos ? from : text.find(end, from + begin.size());
    at = to == std::string_view::npos ? to : to + end.size();
    return at == std::string_view::npos
               ? ""
               : std::string(text.substr(from + begin.size(), to - from - begin.size()));
  }
  // Values are JSON where they can be read as such, else texts.
  static Json value_of(const std::string& text) {
    Json value = Json::parse(text, nullptr, false);
    return value.is_discarded() ? Json(text) : value;
  }
  ToolCallPiece read(std::string_view body) {
    const size_t name_end = std::min({body.find('\n'), body.find('<'), body.size()});
    std::string name(body.substr(0, name_end));
    while (!name.empty() && (name.back() == ' ' || name.back() == '\r')) name.pop_back();
    Json arguments = Json::object();
    for (size_t at = name_end;;) {
      const std::string key = between(body, "<arg_key>", "</arg_key>", at);
      if (at == std::string_view::npos) break;
      const std::string value = between(body, "<arg_value>", "</arg_value>", at);
      if (at == std::string_view::npos) break;
      arguments[key] = value_of(value);
    }
    return {count_++, std::move(name), arguments.dump(-1, ' ', false, Json::error_handler_t::replace)};
  }

  std::string held_;
  bool inside_ = false;
  int64_t count_ = 0;
};

std::unique_ptr<CallFinder> make_call_finder(const AnswerFormat& format) {
  switch (format.tools) {
    case ToolFormat::kTagged: return std::make_unique<TaggedJsonCalls>(kCallBegin, kCallEnd);
    case ToolFormat::kGlmTagged: return std::make_unique<GlmTaggedCalls>();
    case ToolFormat::kGlmLine: return std::make_unique<GlmLineCalls>(format.tool_names);
    case ToolFormat::kMistral: return std::make_unique<TaggedJsonCalls>(kMistralCalls, "");
    case ToolFormat::kJson: return std::make_unique<WholeJsonCalls>();
  }
  return nullptr;
}

class Parser : public AnswerParser {
 public:
  explicit Parser(const AnswerFormat& format)
      : must_call_(format.must_call),
        thinks_(format.separate_reasoning),
        inside_(format.separate_reasoning && format.begins_in_reasoning) {
    if (format.calls_tools) calls_ = make_call_finder(format);
  }

  AnswerPiece push(std::string_view text) override {
    AnswerPiece out;
    if (!thinks_) {
      say(text, out);
      return out;
    }
    held_ += text;
    for (;;) {
      std::string before;
      const bool found = cut_at_mark(held_, inside_ ? kThinkEnd : kThinkBegin, before);
      if (inside_)
        out.reasoning += before;
      else
        say(before, out);
      if (!found) return out;
      inside_ = !inside_;
    }
  }
  AnswerPiece flush(bool cut_off) override {
    AnswerPiece out;
    if (inside_)
      out.reasoning += held_;
    else
      say(held_, out);
    held_.clear();
    if (calls_) end_calls(cut_off, out);
    return out;
  }

 private:
  void say(std::string_view text, AnswerPiece& out) {
    if (calls_)
      calls_->push(text, out);
    else
      out.text += text;
  }

  // The beginning of a call that was cut off is no text.
  void end_calls(bool cut_off, AnswerPiece& out) {
    AnswerPiece end;
    calls_->flush(end);
    const bool begins_call = end.text.starts_with(kCallBegin) || end.text.starts_with(kMistralCalls);
    if (!must_call_ && !(cut_off && begins_call)) out.text += end.text;
    std::ranges::move(end.calls, std::back_inserter(out.calls));
  }

  bool must_call_, thinks_, inside_;
  std::string held_;
  std::unique_ptr<CallFinder> calls_;
};

}  // namespace

ToolFormat tool_format(std::string_view chat_template, std::string_view architecture) {
  const auto shows = [&](std::string_view mark) {
    return chat_template.find(mark) != std::string_view::npos;
  };
  if (shows("<arg_key>")) return ToolFormat::kGlmTagged;
  if (shows(kCallBegin)) return ToolFormat::kTagged;
  if (shows(kMistralCalls)) return ToolFormat::kMistral;
  if (shows("<|python_tag|>") || (shows("\"parameters\"") && shows("<|start_header_id|>")))
    return ToolFormat::kJson;
  if (architecture == "glm4" || architecture == "chatglm") return ToolFormat::kGlmLine;
  return ToolFormat::kTagged;
}

bool knows_tools(std::string_view chat_template) {
  return chat_template.find("tools") != std::string_view::npos;
}

std::string describe_tools(const Json& tools) {
  std::string text = "You can call these functions, each described by a JSON Schema:\n";
  for (const Json& tool : tools) text += tool.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  text +=
      "To call one, answer with\n<tool_call>\n{\"name\": NAME, \"arguments\": {…}}\n</tool_call>\nand "
      "nothing else.";
  return text;
}

std::unique_ptr<AnswerParser> make_answer_parser(const AnswerFormat& format) {
  if (!format.separate_reasoning && !format.calls_tools) return nullptr;
  return std::make_unique<Parser>(format);
}

Json tool_call_schema(const Json& tools, std::string_view named, bool several) {
  Json calls = Json::array(), definitions = Json::object();
  for (const Json& tool : tools) {
    const Json& function = tool["function"];
    if (!named.empty() && function["name"] != named) continue;
    Json parameters = function.value("parameters", Json::object());
    if (parameters.empty()) parameters = {{"type", "object"}};
    // References name the document's root, which is another one here.
    if (const auto own = parameters.find("$defs"); own != parameters.end()) {
      definitions.update(*own);
      parameters.erase("$defs");
    }
    calls.push_back(
        {{"type", "object"},
         {"properties", {{"name", {{"const", function["name"]}}}, {"arguments", std::move(parameters)}}},
         {"required", {"name", "arguments"}},
         {"additionalProperties", false}});
  }
  const Json one = calls.size() == 1 ? calls.front() : Json{{"anyOf", calls}};
  Json schema = several ? Json{{"type", "array"}, {"items", one}, {"minItems", 1}} : one;
  if (!definitions.empty()) schema["$defs"] = std::move(definitions);
  return schema;
}

}  // namespace oag
