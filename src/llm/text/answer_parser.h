#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace oag {

// A piece of a call of a tool; pieces of one index belong together.
struct ToolCallPiece {
  int64_t index = 0;
  std::string name;       // in a call's first piece
  std::string arguments;  // JSON text, joined over the pieces
};

// What a piece of an answer's text means.
struct AnswerPiece {
  std::string text, reasoning;
  std::vector<ToolCallPiece> calls;
};

// Tells thoughts, tool calls and text of one answer apart while it is written.
class AnswerParser {
 public:
  virtual ~AnswerParser() = default;

  // What `text` lets out; text that may be the beginning of a mark is held back.
  virtual AnswerPiece push(std::string_view text) = 0;
  // The end of the answer: what was held back.
  virtual AnswerPiece flush() = 0;
};

}  // namespace oag
