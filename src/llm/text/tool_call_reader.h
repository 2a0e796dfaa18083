#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/answer_parser.h"

namespace oag {

// Reads the JSON of one call while it is written: {"name": "f", "arguments": {…}}, where "parameters" is as
// good, and so are arguments as a text that holds the object. They are handed on as they come once the name
// is known.
class ToolCallReader {
 public:
  // A name that is none of `names` is none: what is read is no call. Empty `names`: every name is one.
  ToolCallReader(int64_t index, std::span<const std::string> names) : index_(index), names_(names) {}

  // Takes text up to the end of the object, or up to a "<" that cannot be part of it; returns how many bytes.
  size_t push(std::string_view text, std::vector<ToolCallPiece>& calls);
  bool done() const { return done_; }
  // The text so far, for one that turned out to be no call.
  const std::string& text() const { return text_; }
  bool has_name() const { return named_; }

 private:
  void take(char c);
  void end_string();
  void emit(std::vector<ToolCallPiece>& calls);

  bool begins_arguments() const;

  int64_t index_;
  std::span<const std::string> names_;
  std::string text_;
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false, done_ = false;
  std::string string_, key_, name_;  // a string without its quotes, as it is written
  bool after_colon_ = false;
  bool named_ = false;  // the name was handed on
  bool in_arguments_ = false, had_arguments_ = false;
  bool arguments_are_plain_ = false;  // a number or a word, up to a comma or the object's end:
  std::string plain_;
  std::string arguments_;  // not handed on yet
};

}  // namespace oag
