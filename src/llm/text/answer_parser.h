#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

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
  // The end of the answer: what was held back. The beginning of a call whose name is not known yet is text,
  // unless the answer was cut off: then it is left out.
  virtual AnswerPiece flush(bool cut_off = false) = 0;
  // With AnswerFormat::one_call: that call has been read, and nothing that follows is part of the answer.
  virtual bool ended() const = 0;
};

// How a model writes that it calls a tool.
enum class ToolFormat {
  kTagged,     // <tool_call>{"name": …, "arguments": {…}}</tool_call>: Qwen, Hermes
  kGlmTagged,  // <tool_call>NAME\n<arg_key>…</arg_key>\n<arg_value>…</arg_value>…</tool_call>: GLM-4.5
  kGlmLine,    // NAME\n{…}, the whole answer: GLM-4
  kMistral,    // [TOOL_CALLS][{"name": …, "arguments": {…}}, …]
  kJson,       // {"name": …, "parameters": {…}}, or a list of such, the whole answer: Llama 3
};

// The format that a chat template shows its model; kTagged for those that know none.
ToolFormat tool_format(std::string_view chat_template, std::string_view architecture);

// Whether a chat template writes the tools that it is given.
bool knows_tools(std::string_view chat_template);

// What a model is told of tools where its template does not: a system message that asks for kTagged.
std::string describe_tools(const Json& tools);

struct AnswerFormat {
  bool separate_reasoning = false;   // <think>…</think> is no text
  bool begins_in_reasoning = false;  // the prompt has opened it
  bool calls_tools = false;
  bool one_call = false;   // the answer ends with its first call
  bool must_call = false;  // the answer is calls and never text, though it may be cut off
  ToolFormat tools = ToolFormat::kTagged;
  std::vector<std::string> tool_names;  // that were offered; what calls another one is text
};

// Null where everything is text.
std::unique_ptr<AnswerParser> make_answer_parser(const AnswerFormat& format);

// The JSON Schema of an answer that has to be a call, in the form of kJson: of `named`, or of any tool where
// that is empty; with `several`, of one or more in a list. The schema of tool i stands under $defs as
// "tools[i].function.parameters", and its references lead to itself.
Json tool_call_schema(const Json& tools, std::string_view named, bool several);

}  // namespace oag
