#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/jinja_lexer.h"

namespace oag::jinja {

// The token cursor and the expression grammar; jinja_parser.cc adds the statements.
class ExpressionParser {
 public:
  ExpressionParser(std::vector<Token> tokens, std::string_view name)
      : tokens_(std::move(tokens)), name_(name) {}

 protected:
  // Counts one level of nesting while it lives.
  class Nesting {
   public:
    explicit Nesting(ExpressionParser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ExpressionParser& parser_;
  };

  const Token& current() const { return tokens_[cursor_]; }
  const Token& next() const { return tokens_[std::min(cursor_ + 1, tokens_.size() - 1)]; }
  Token take() { return std::move(tokens_[cursor_ + 1 < tokens_.size() ? cursor_++ : cursor_]); }
  bool is(TokenKind kind) const { return current().kind == kind; }
  bool is_name(std::string_view name) const { return is(TokenKind::kName) && current().text == name; }
  bool is_operator(std::string_view op) const { return is(TokenKind::kOperator) && current().text == op; }
  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view op);
  Token expect(TokenKind kind, std::string_view what);
  void expect_operator(std::string_view op);
  [[noreturn]] void fail_here(const std::string& message) const;
  [[noreturn]] void fail_expected(std::string_view what) const;

  std::string_view template_name() const { return name_; }

  ExprPtr parse_expression();
  // One expression, or a tuple of them without parentheses. `allow_empty`: "()" is a tuple.
  ExprPtr parse_tuple(bool with_conditional = true, bool allow_empty = false);
  ExprPtr parse_primary();
  // A chain of filters, starting with the name of the first one when `at_name`; null when there is none.
  ExprPtr parse_filters(ExprPtr value, bool at_name);

  // Flags of the macro whose body is being parsed; names used in it decide what it accepts.
  Macro* macro_ = nullptr;

 private:
  ExprPtr make(ExprKind kind, Position at, std::vector<ExprPtr> items);
  ExprPtr make_binary(Op op, Position at, ExprPtr left, ExprPtr right);
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filters);
  ExprPtr parse_name();
  ExprPtr parse_sequence(std::string_view close, ExprKind kind);
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr value);
  ExprPtr parse_filters_and_tests(ExprPtr value);
  ExprPtr parse_test(ExprPtr value);
  ExprPtr parse_attribute(ExprPtr value);
  ExprPtr parse_subscript(ExprPtr value);
  ExprPtr parse_call(ExprPtr callee);
  void parse_arguments(Expr& call);

  std::vector<Token> tokens_;
  std::string_view name_;
  size_t cursor_ = 0;
  int nesting_ = 0;
};

}  // namespace oag::jinja
