#include "llm/text/answer_parser.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "llm/text/mark_finder.h"
#include "llm/text/tool_call_reader.h"

namespace oag {
namespace {

constexpr std::string_view kThinkBegin = "<think>", kThinkEnd = "</think>";
constexpr std::string_view kCallBegin = "<tool_call>", kCallEnd = "</tool_call>";
constexpr std::string_view kMistralCalls = "[TOOL_CALLS]";

// Text up to the mark, then calls. A part of a parser: pieces go to what its owner collects. What turns out
// to be no call is text again, with its marks.
class CallFinder {
 public:
  virtual ~CallFinder() = default;
  virtual void push(std::string_view text, AnswerPiece& out) = 0;
  virtual void flush(AnswerPiece& out) = 0;
  virtual int64_t finished() const = 0;  // calls that were read to their end
};

// Objects that may be calls, one after the other.
class CallSequence {
 public:
  explicit CallSequence(std::vector<std::string> names) : names_(std::move(names)) {}

  bool reads() const { return call_.has_value(); }
  bool has_calls() const { return finished_ > 0 || (call_ && call_->has_name()); }
  int64_t finished() const { return finished_; }

  void begin() { call_.emplace(finished_, names_); }
  // Takes of `held` what belongs to the object; false while it goes on.
  bool read(std::string& held, AnswerPiece& out) {
    const bool had_name = call_->has_name();
    held.erase(0, call_->push(held, out.calls));
    if (!had_name && call_->has_name()) give_back(out, false);
    if (!call_->done()) return false;
    if (call_->has_name())
      ++finished_;
    else
      skipped_ += call_->text();
    call_.reset();
    return true;
  }
  // Text that is no call. Between calls, separators say nothing.
  void skip(std::string_view text) { skipped_ += text; }
  std::string take_skipped() {
    if (call_ && !call_->has_name()) skipped_ += call_->text();
    return std::exchange(skipped_, {});
  }
  void give_back(AnswerPiece& out, bool whole) {
    const std::string text = std::exchange(skipped_, {});
    if (whole || text.find_first_not_of(kSeparators) != std::string::npos) out.text += text;
  }

  static constexpr const char* kSeparators = " \t\r\n[],;";

 private:
  std::vector<std::string> names_;
  std::string skipped_;
  std::optional<ToolCallReader> call_;
  int64_t finished_ = 0;
};

// JSON calls between marks, or (Mistral) in a list behind one.
class TaggedJsonCalls : public CallFinder {
 public:
  TaggedJsonCalls(std::string_view begin, std::string_view end, std::vector<std::string> names)
      : begin_(begin), end_(end), calls_(std::move(names)) {}

  void push(std::string_view text, AnswerPiece& out) override {
    held_ += text;
    while (step(out)) {
    }
  }
  void flush(AnswerPiece& out) override {
    if (inside_) {
      calls_.skip(std::exchange(held_, {}));
      end_block("", out);
    }
    out.text += std::exchange(held_, {});
  }
  int64_t finished() const override { return calls_.finished(); }

 private:
  // False once nothing more can be said of what is held.
  bool step(AnswerPiece& out) {
    if (!inside_) {
      inside_ = cut_at_mark(held_, begin_, out.text);
      before_ = calls_.finished();
      return inside_;
    }
    if (calls_.reads()) return calls_.read(held_, out);
    const size_t at = std::min(held_.find_first_of(end_.empty() ? "{" : "{<"), held_.size());
    calls_.skip(std::string_view(held_).substr(0, at));
    held_.erase(0, at);
    if (held_.empty()) return false;
    if (held_.front() == '{') {
      calls_.begin();
      return true;
    }
    if (held_.size() < end_.size()) return false;
    inside_ = !held_.starts_with(end_);
    if (inside_) {
      calls_.skip("<");
      held_.erase(0, 1);
    } else {
      held_.erase(0, end_.size());
      end_block(end_, out);
    }
    return true;
  }
  void end_block(std::string_view mark, AnswerPiece& out) {
    const bool has_call = calls_.has_calls() && (calls_.reads() || calls_.finished() > before_);
    const std::string text = calls_.take_skipped();
    if (!has_call)
      out.text += std::string(begin_) + text + std::string(mark);
    else if (text.find_first_not_of(CallSequence::kSeparators) != std::string::npos)
      out.text += text;
  }

  std::string_view begin_, end_;  // an empty end: calls go on to the answer's end
  CallSequence calls_;
  std::string held_;
  bool inside_ = false;
  int64_t before_ = 0;  // calls before these marks
};

// The whole answer is a call or a list of calls, or none of it is.
class WholeJsonCalls : public CallFinder {
 public:
  explicit WholeJsonCalls(std::vector<std::string> names) : calls_(std::move(names)) {}

  void push(std::string_view text, AnswerPiece& out) override {
    if (is_text_) {
      out.text += text;
      return;
    }
    held_ += text;
    for (;;) {
      if (calls_.reads() && !calls_.read(held_, out)) return;
      const size_t at = std::min(held_.find_first_not_of(CallSequence::kSeparators), held_.size());
      calls_.skip(std::string_view(held_).substr(0, at));
      held_.erase(0, at);
      if (held_.empty()) return;
      if (held_.front() != '{') {
        is_text_ = true;
        flush(out);
        return;
      }
      calls_.begin();
    }
  }
  void flush(AnswerPiece& out) override {
    const bool has_calls = calls_.has_calls();
    calls_.skip(calls_.take_skipped());
    calls_.give_back(out, !has_calls);
    out.text += std::exchange(held_, {});
  }
  int64_t finished() const override { return calls_.finished(); }

 private:
  CallSequence calls_;
  std::string held_;
  bool is_text_ = false;
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
  int64_t finished() const override { return 0; }  // it goes on to the answer's end

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
  explicit GlmTaggedCalls(std::vector<std::string> names) : names_(std::move(names)) {}

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
      ToolCallPiece call = read(body);
      if (names_.empty() || std::ranges::find(names_, call.name) != names_.end()) {
        ++count_;
        out.calls.push_back(std::move(call));
      } else {
        out.text += std::string(kCallBegin) + body + std::string(kCallEnd);
      }
    }
  }
  void flush(AnswerPiece& out) override {
    out.text += inside_ ? std::string(kCallBegin) + held_ : held_;
    held_.clear();
  }
  int64_t finished() const override { return count_; }

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
    std::optional<Json> value = find_json(text);
    return value ? std::move(*value) : Json(text);
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
    return {count_, std::move(name), arguments.dump(-1, ' ', false, Json::error_handler_t::replace)};
  }

  std::vector<std::string> names_;
  std::string held_;
  bool inside_ = false;
  int64_t count_ = 0;
};

// A schema with its references, which name its own root, leading to `root` in another document.
Json with_root(const Json& schema, const std::string& root) {
  constexpr std::string_view kOfSchemas[] = {"properties", "$defs", "definitions", "patternProperties",
                                             "dependentSchemas"};
  constexpr std::string_view kOfValues[] = {"enum", "const", "default", "example", "examples"};
  const auto is_one_of = [](std::string_view name, const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  if (!schema.is_structured()) return schema;
  Json out = schema;
  for (auto& [name, value] : out.items()) {
    if (schema.is_object() && name == "$ref" && value.is_string()) {
      const auto& reference = value.get_ref<const std::string&>();
      if (reference == "#" || reference.starts_with("#/")) value = root + reference.substr(1);
    } else if (schema.is_object() && is_one_of(name, kOfSchemas) && value.is_object()) {
      for (auto& member : value) member = with_root(member, root);
    } else if (!schema.is_object() || !is_one_of(name, kOfValues)) {
      value = with_root(value, root);
    }
  }
  return out;
}

std::unique_ptr<CallFinder> make_call_finder(const AnswerFormat& format) {
  switch (format.tools) {
    case ToolFormat::kTagged:
      return std::make_unique<TaggedJsonCalls>(kCallBegin, kCallEnd, format.tool_names);
    case ToolFormat::kGlmTagged: return std::make_unique<GlmTaggedCalls>(format.tool_names);
    case ToolFormat::kGlmLine: return std::make_unique<GlmLineCalls>(format.tool_names);
    case ToolFormat::kMistral: return std::make_unique<TaggedJsonCalls>(kMistralCalls, "", format.tool_names);
    case ToolFormat::kJson: return std::make_unique<WholeJsonCalls>(format.tool_names);
  }
  return nullptr;
}

class Parser : public AnswerParser {
 public:
  explicit Parser(const AnswerFormat& format)
      : must_call_(format.must_call),
        thinks_(format.separate_reasoning),
        inside_(format.separate_reasoning && format.begins_in_reasoning),
        one_call_(format.one_call) {
    if (format.calls_tools) calls_ = make_call_finder(format);
  }

  AnswerPiece push(std::string_view text) override {
    if (ended_) return {};
    AnswerPiece out = read(text);
    ended_ = one_call_ && calls_ && calls_->finished() > 0;
    if (ended_) std::erase_if(out.calls, [](const ToolCallPiece& piece) { return piece.index > 0; });
    return out;
  }
  AnswerPiece flush(bool cut_off) override {
    AnswerPiece out;
    if (ended_) return out;
    if (inside_)
      out.reasoning += held_;
    else
      say(held_, out);
    held_.clear();
    if (calls_) end_calls(cut_off, out);
    return out;
  }
  bool ended() const override { return ended_; }

 private:
  AnswerPiece read(std::string_view text) {
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

  bool must_call_, thinks_, inside_, one_call_;
  bool ended_ = false;
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
  for (size_t i = 0; i < tools.size(); ++i) {
    const Json& function = tools[i]["function"];
    if (!named.empty() && function["name"] != named) continue;
    Json parameters = function.value("parameters", Json::object());
    if (parameters.empty()) parameters = {{"type", "object"}};
    // Each stands as a whole under a name of its own, which is also its place in the request.
    const std::string key = "tools[" + std::to_string(i) + "].function.parameters";
    definitions[key] = with_root(parameters, "#/$defs/" + key);
    calls.push_back({{"type", "object"},
                     {"properties",
                      {{"name", {{"const", function["name"]}}}, {"arguments", {{"$ref", "#/$defs/" + key}}}}},
                     {"required", {"name", "arguments"}},
                     {"additionalProperties", false}});
  }
  const Json one = calls.size() == 1 ? calls.front() : Json{{"anyOf", calls}};
  Json schema = several ? Json{{"type", "array"}, {"items", one}, {"minItems", 1}} : one;
  schema["$defs"] = std::move(definitions);
  return schema;
}

}  // namespace oag
