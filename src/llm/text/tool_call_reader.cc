#include "llm/text/tool_call_reader.h"

namespace oag {

size_t ToolCallReader::push(std::string_view text, std::vector<ToolCallPiece>& calls) {
  size_t used = 0;
  while (used < text.size() && !done_) {
    text_ += text[used];
    take(text[used++]);
  }
  emit(calls);
  return used;
}

void ToolCallReader::end_string() {
  // Escapes in names are undone by whoever wrote them plainly: function names are words.
  if (depth_ == 1 && !after_colon_) key_ = string_;
  if (depth_ == 1 && after_colon_ && key_ == "name") name_ = string_;
}

void ToolCallReader::take(char c) {
  const bool was_in_arguments = in_arguments_;
  if (in_string_) {
    if (in_arguments_) arguments_ += c;
    if (escaped_) {
      escaped_ = false;
      string_ += c;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
      end_string();
    } else {
      string_ += c;
    }
    return;
  }
  if (c == '"') {
    in_string_ = true;
    string_.clear();
  } else if (c == '{' || c == '[') {
    if (depth_ == 1 && after_colon_ && (key_ == "arguments" || key_ == "parameters"))
      in_arguments_ = had_arguments_ = true;
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
  }
  if (in_arguments_ || was_in_arguments) arguments_ += c;
  if (done_ && !had_arguments_) arguments_ = "{}";
}

void ToolCallReader::emit(std::vector<ToolCallPiece>& calls) {
  if (name_.empty()) return;
  if (!named_) {
    calls.push_back({index_, name_, ""});
    named_ = true;
  }
  if (arguments_.empty()) return;
  calls.push_back({index_, "", arguments_});
  arguments_.clear();
}

}  // namespace oag
