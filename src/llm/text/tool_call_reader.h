#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/answer_parser.h"

namespace oag {

// Reads the JSON of one call while it is written: {"name": "f", "arguments": {…}}, where "parameters" is as
// good. The arguments are handed on as they come once the name is known.
class ToolCallReader {
 public:
  explicit ToolCallReader(int64_t index) : index_(index) {}

  // Takes text up to the end of the object; returns how many bytes of it.
  size_t push(std::string_view text, std::vector<ToolCallPiece>& calls);
  bool done() const { return done_; }
  // The text so far, for one that turned out to be no call.
  const std::string& text() const { return text_; }
  bool has_name() const { return named_; }

 private:
  void take(char c);
  void end_string();
  void emit(std::vector<ToolCallPiece>& calls);

  int64_t index_;
  std::string text_;
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false, done_ = false;
  std::string string_, key_, name_;
  bool after_colon_ = false;
  bool named_ = false;  // the name was handed on
  bool in_arguments_ = false, had_arguments_ = false;
  std::string arguments_;  // not handed on yet
};

}  // namespace oag
