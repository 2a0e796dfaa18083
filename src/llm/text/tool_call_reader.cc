#include "llm/text/tool_call_reader.h"

#include <algorithm>

namespace oag {
namespace {

// What a string says, given what stands between its quotes.
std::string unescaped(const std::string& written) {
  const Json parsed = Json::parse("\"" + written + "\"", nullptr, false);
  return parsed.is_string() ? parsed.get<std::string>() : written;
}

}  // namespace

size_t ToolCallReader::push(std::string_view text, std::vector<ToolCallPiece>& calls) {
  size_t used = 0;
  while (used < text.size() && !done_) {
    if (text[used] == '<' && !in_string_) {
      done_ = true;  // the closing mark of an object that was not closed
      if (!had_arguments_) arguments_ = "{}";
      break;
    }
    text_ += text[used];
    take(text[used++]);
  }
  emit(calls);
  return used;
}

bool ToolCallReader::begins_arguments() const {
  return depth_ == 1 && after_colon_ && !had_arguments_ && (key_ == "arguments" || key_ == "parameters");
}

void ToolCallReader::end_string() {
  if (depth_ != 1) return;
  if (!after_colon_) {
    key_ = unescaped(string_);
  } else if (key_ == "name") {
    name_ = unescaped(string_);
  } else if (begins_arguments()) {
    had_arguments_ = true;
    arguments_ = unescaped(string_);
    if (arguments_.empty()) arguments_ = "{}";
  }
}

void ToolCallReader::take(char c) {
  const bool was_in_arguments = in_arguments_;
  if (in_string_) {
    if (in_arguments_) arguments_ += c;
    if (!escaped_ && c == '"') {
      in_string_ = false;
      end_string();
    } else {
      string_ += c;
      escaped_ = !escaped_ && c == '\\';
    }
    return;
  }
  const bool is_blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
  if (c == '"') {
    in_string_ = true;
    string_.clear();
  } else if (c == '{' || c == '[') {
    if (begins_arguments()) in_arguments_ = had_arguments_ = true;
    ++depth_;
  } else if (c == '}' || c == ']') {
    --depth_;
    if (depth_ <= 1) in_arguments_ = false;
    done_ = depth_ <= 0;
  } else if (c == ':' && depth_ == 1) {
    after_colon_ = true;
    return;
  } else if (c == ',' && depth_ == 1) {
    after_colon_ = false;
  } else if (!is_blank && begins_arguments()) {
    arguments_are_plain_ = had_arguments_ = true;
  }
  if (arguments_are_plain_ && depth_ == 1 && c != ',' && !is_blank) {
    plain_ += c;
  } else if (in_arguments_ || was_in_arguments) {
    arguments_ += c;
  }
  if (arguments_are_plain_ && (c == ',' || done_)) {
    arguments_ = plain_ == "null" ? "{}" : plain_;
    arguments_are_plain_ = false;
  }
  if (done_ && !had_arguments_) arguments_ = "{}";
}

void ToolCallReader::emit(std::vector<ToolCallPiece>& calls) {
  if (name_.empty()) return;
  if (!names_.empty() && std::find(names_.begin(), names_.end(), name_) == names_.end()) return;
  if (!named_) {
    calls.push_back({index_, name_, ""});
    named_ = true;
  }
  if (arguments_.empty()) return;
  calls.push_back({index_, "", arguments_});
  arguments_.clear();
}

}  // namespace oag
