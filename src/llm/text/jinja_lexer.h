#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "llm/text/jinja_ast.h"

namespace oag::jinja {

enum class TokenKind : uint8_t {
  kText,
  kOutputBegin,  // {{
  kOutputEnd,    // }}
  kTagBegin,     // {%
  kTagEnd,       // %}
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Position at;
  std::string text;  // the name, operator, decoded string or template text
  int64_t integer = 0;
  double number = 0;
};

// Splits a template into tokens. Whitespace control follows jinja2 with trim_blocks and lstrip_blocks on and
// the template's last newline dropped, which is how chat templates are written to be read. Errors:
// kCorruptData with name:line:column for bad characters, unclosed comments, strings and raw blocks,
// unbalanced brackets, bad UTF-8.
std::vector<Token> tokenize(std::string_view source, std::string_view name);

// Throws the error of a template that cannot be read.
[[noreturn]] void fail_syntax(std::string_view name, Position at, const std::string& message);

}  // namespace oag::jinja
