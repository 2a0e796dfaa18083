#include "llm/text/jinja_expression_parser.h"

#include <algorithm>

namespace oag::jinja {

namespace {

// Bounds the recursion of parser and evaluator. Templates in use stay below 30 levels.
constexpr int kMaxNesting = 200;
constexpr int kMaxDepth = 400;

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kText: return "template text";
    case TokenKind::kOutputBegin: return "'{{'";
    case TokenKind::kOutputEnd: return "'}}'";
    case TokenKind::kTagBegin: return "'{%'";
    case TokenKind::kTagEnd: return "'%}'";
    case TokenKind::kString: return "a string";
    case TokenKind::kInteger:
    case TokenKind::kFloat: return "a number";
    case TokenKind::kEnd: return "the end of the template";
    case TokenKind::kName:
    case TokenKind::kOperator: return fmt::format("'{}'", token.text.substr(0, 64));
  }
  return "a token";
}

}  // namespace

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kMaxNesting) {
    --parser_.nesting_;
    parser_.fail_here(fmt::format("nested deeper than {} levels", kMaxNesting));
  }
}

bool ExpressionParser::skip_name(std::string_view name) {
  if (!is_name(name)) return false;
  take();
  return true;
}

bool ExpressionParser::skip_operator(std::string_view op) {
  if (!is_operator(op)) return false;
  take();
  return true;
}

Token ExpressionParser::expect(TokenKind kind, std::string_view what) {
  if (!is(kind)) fail_expected(what);
  return take();
}

void ExpressionParser::expect_operator(std::string_view op) {
  if (!skip_operator(op)) fail_expected(fmt::format("'{}'", op));
}

void ExpressionParser::fail_here(const std::string& message) const {
  fail_syntax(name_, current().at, message);
}

void ExpressionParser::fail_expected(std::string_view what) const {
  fail_here(fmt::format("expected {}, saw {}", what, describe(current())));
}

ExprPtr ExpressionParser::make(ExprKind kind, Position at, std::vector<ExprPtr> items) {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->at = at;
  int depth = 0;
  for (const ExprPtr& item : items) depth = std::max(depth, item ? int{item->depth} : 0);
  if (depth >= kMaxDepth)
    fail_syntax(name_, at, fmt::format("an expression of more than {} levels", kMaxDepth));
  expr->depth = static_cast<uint16_t>(depth + 1);
  expr->items = std::move(items);
  return expr;
}

namespace {

template <typename... Items>
std::vector<ExprPtr> list_of(Items... items) {
  std::vector<ExprPtr> list;
  (list.push_back(std::move(items)), ...);
  return list;
}

}  // namespace

ExprPtr ExpressionParser::make_binary(Op op, Position at, ExprPtr left, ExprPtr right) {
  ExprPtr expr = make(ExprKind::kBinary, at, list_of(std::move(left), std::move(right)));
  expr->ops.push_back(op);
  return expr;
}

ExprPtr ExpressionParser::parse_expression() {
  const Nesting nesting(*this);
  const Position at = current().at;
  ExprPtr value = parse_or();
  while (skip_name("if")) {
    ExprPtr condition = parse_or();
    ExprPtr otherwise = skip_name("else") ? parse_expression() : nullptr;
    value = make(ExprKind::kConditional, at,
                 list_of(std::move(value), std::move(condition), std::move(otherwise)));
  }
  return value;
}

ExprPtr ExpressionParser::parse_or() {
  ExprPtr left = parse_and();
  while (is_name("or")) {
    const Position at = take().at;
    left = make(ExprKind::kOr, at, list_of(std::move(left), parse_and()));
  }
  return left;
}

ExprPtr ExpressionParser::parse_and() {
  ExprPtr left = parse_not();
  while (is_name("and")) {
    const Position at = take().at;
    left = make(ExprKind::kAnd, at, list_of(std::move(left), parse_not()));
  }
  return left;
}

ExprPtr ExpressionParser::parse_not() {
  if (!is_name("not")) return parse_compare();
  const Nesting nesting(*this);
  const Position at = take().at;
  return make(ExprKind::kNot, at, list_of(parse_not()));
}

ExprPtr ExpressionParser::parse_compare() {
  const Position at = current().at;
  ExprPtr first = parse_sum();
  std::vector<Op> ops;
  std::vector<ExprPtr> items;
  for (;;) {
    if (skip_operator("==")) {
      ops.push_back(Op::kEqual);
    } else if (skip_operator("!=")) {
      ops.push_back(Op::kNotEqual);
    } else if (skip_operator("<=")) {
      ops.push_back(Op::kLessEqual);
    } else if (skip_operator("<")) {
      ops.push_back(Op::kLess);
    } else if (skip_operator(">=")) {
      ops.push_back(Op::kGreaterEqual);
    } else if (skip_operator(">")) {
      ops.push_back(Op::kGreater);
    } else if (skip_name("in")) {
      ops.push_back(Op::kIn);
    } else if (is_name("not") && next().kind == TokenKind::kName && next().text == "in") {
      take();
      take();
      ops.push_back(Op::kNotIn);
    } else {
      break;
    }
    if (items.empty()) items.push_back(std::move(first));
    items.push_back(parse_sum());
  }
  if (ops.empty()) return first;
  ExprPtr expr = make(ExprKind::kCompare, at, std::move(items));
  expr->ops = std::move(ops);
  return expr;
}

ExprPtr ExpressionParser::parse_sum() {
  ExprPtr left = parse_concat();
  while (is_operator("+") || is_operator("-")) {
    const Token op = take();
    left = make_binary(op.text == "+" ? Op::kAdd : Op::kSubtract, op.at, std::move(left), parse_concat());
  }
  return left;
}

ExprPtr ExpressionParser::parse_concat() {
  const Position at = current().at;
  ExprPtr first = parse_product();
  if (!is_operator("~")) return first;
  std::vector<ExprPtr> items = list_of(std::move(first));
  while (skip_operator("~")) items.push_back(parse_product());
  return make(ExprKind::kConcat, at, std::move(items));
}

ExprPtr ExpressionParser::parse_product() {
  ExprPtr left = parse_power();
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    const Token token = take();
    const Op op = token.text == "*"    ? Op::kMultiply
                  : token.text == "/"  ? Op::kDivide
                  : token.text == "//" ? Op::kFloorDivide
                                       : Op::kModulo;
    left = make_binary(op, token.at, std::move(left), parse_power());
  }
  return left;
}

ExprPtr ExpressionParser::parse_power() {
  ExprPtr left = parse_unary(true);
  while (is_operator("**")) {
    const Position at = take().at;
    left = make_binary(Op::kPower, at, std::move(left), parse_unary(true));
  }
  return left;
}

ExprPtr ExpressionParser::parse_unary(bool with_filters) {
  const Nesting nesting(*this);
  ExprPtr value;
  if (is_operator("-") || is_operator("+")) {
    const Token sign = take();
    value =
        make(sign.text == "-" ? ExprKind::kNegate : ExprKind::kPlus, sign.at, list_of(parse_unary(false)));
  } else {
    value = parse_primary();
  }
  value = parse_postfix(std::move(value));
  return with_filters ? parse_filters_and_tests(std::move(value)) : std::move(value);
}

ExprPtr ExpressionParser::parse_primary() {
  const Position at = current().at;
  if (is(TokenKind::kName)) return parse_name();
  if (is(TokenKind::kString)) {
    std::string text = take().text;
    while (is(TokenKind::kString)) text += take().text;
    ExprPtr expr = make(ExprKind::kLiteral, at, {});
    expr->literal = Value(std::move(text));
    return expr;
  }
  if (is(TokenKind::kInteger) || is(TokenKind::kFloat)) {
    ExprPtr expr = make(ExprKind::kLiteral, at, {});
    expr->literal = is(TokenKind::kInteger) ? Value(current().integer) : Value(current().number);
    take();
    return expr;
  }
  if (skip_operator("(")) {
    ExprPtr expr = parse_tuple(true, true);
    expect_operator(")");
    return expr;
  }
  if (is_operator("[")) return parse_sequence("]", ExprKind::kList);
  if (is_operator("{")) return parse_dict();
  fail_expected("an expression");
}

ExprPtr ExpressionParser::parse_name() {
  Token token = take();
  ExprPtr expr = make(ExprKind::kLiteral, token.at, {});
  if (token.text == "true" || token.text == "True") {
    expr->literal = Value(true);
  } else if (token.text == "false" || token.text == "False") {
    expr->literal = Value(false);
  } else if (token.text == "none" || token.text == "None") {
    expr->literal = Value::none();
  } else {
    if (macro_) {
      macro_->uses_varargs |= token.text == "varargs";
      macro_->uses_kwargs |= token.text == "kwargs";
      macro_->uses_caller |= token.text == "caller";
    }
    expr->kind = ExprKind::kName;
    expr->name = std::move(token.text);
  }
  return expr;
}

ExprPtr ExpressionParser::parse_tuple(bool with_conditional, bool allow_empty) {
  const Position at = current().at;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  for (;;) {
    if (is(TokenKind::kOutputEnd) || is(TokenKind::kTagEnd) || is_operator(")")) break;
    items.push_back(with_conditional ? parse_expression() : parse_or());
    if (!skip_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) return std::move(items[0]);
  if (items.empty() && !allow_empty) fail_expected("an expression");
  return make(ExprKind::kTuple, at, std::move(items));
}

ExprPtr ExpressionParser::parse_sequence(std::string_view close, ExprKind kind) {
  const Position at = take().at;
  std::vector<ExprPtr> items;
  while (!is_operator(close)) {
    items.push_back(parse_expression());
    if (!is_operator(close)) expect_operator(",");
  }
  take();
  return make(kind, at, std::move(items));
}

ExprPtr ExpressionParser::parse_dict() {
  const Position at = take().at;
  std::vector<ExprPtr> items;
  while (!is_operator("}")) {
    items.push_back(parse_expression());
    expect_operator(":");
    items.push_back(parse_expression());
    if (!is_operator("}")) expect_operator(",");
  }
  take();
  return make(ExprKind::kDict, at, std::move(items));
}

ExprPtr ExpressionParser::parse_postfix(ExprPtr value) {
  for (;;) {
    if (is_operator(".")) {
      value = parse_attribute(std::move(value));
    } else if (is_operator("[")) {
      value = parse_subscript(std::move(value));
    } else if (is_operator("(")) {
      value = parse_call(std::move(value));
    } else {
      return value;
    }
  }
}

ExprPtr ExpressionParser::parse_attribute(ExprPtr value) {
  const Position at = take().at;
  if (is(TokenKind::kInteger)) {
    ExprPtr index = make(ExprKind::kLiteral, current().at, {});
    index->literal = Value(take().integer);
    return make(ExprKind::kItem, at, list_of(std::move(value), std::move(index)));
  }
  Token name = expect(TokenKind::kName, "an attribute name");
  ExprPtr expr = make(ExprKind::kAttribute, at, list_of(std::move(value)));
  expr->name = std::move(name.text);
  return expr;
}

ExprPtr ExpressionParser::parse_subscript(ExprPtr value) {
  const Position at = take().at;
  ExprPtr bounds[3];
  int colons = 0;
  while (!is_operator("]")) {
    if (skip_operator(":")) {
      if (++colons > 2) fail_here("a slice has at most two ':'");
    } else if (bounds[colons]) {
      fail_expected("']' or ':'");
    } else {
      bounds[colons] = parse_expression();
    }
  }
  if (colons == 0 && !bounds[0]) fail_expected("an index");
  take();
  if (colons == 0) return make(ExprKind::kItem, at, list_of(std::move(value), std::move(bounds[0])));
  return make(ExprKind::kSlice, at,
              list_of(std::move(value), std::move(bounds[0]), std::move(bounds[1]), std::move(bounds[2])));
}

ExprPtr ExpressionParser::parse_call(ExprPtr callee) {
  ExprPtr call = make(ExprKind::kCall, current().at, list_of(std::move(callee)));
  parse_arguments(*call);
  return call;
}

void ExpressionParser::parse_arguments(Expr& call) {
  expect_operator("(");
  while (!is_operator(")")) {
    Argument argument;
    if (skip_operator("**")) {
      argument.type = Argument::Type::kSpreadKeywords;
    } else if (skip_operator("*")) {
      argument.type = Argument::Type::kSpread;
    } else if (is(TokenKind::kName) && next().kind == TokenKind::kOperator && next().text == "=") {
      argument.type = Argument::Type::kKeyword;
      argument.name = take().text;
      take();
    }
    if (argument.type < (call.arguments.empty() ? argument.type : call.arguments.back().type)) {
      fail_here("positional arguments come before keyword arguments");
    }
    argument.value = parse_expression();
    call.depth = std::max<uint16_t>(call.depth, static_cast<uint16_t>(argument.value->depth + 1));
    call.arguments.push_back(std::move(argument));
    if (!is_operator(")")) expect_operator(",");
  }
  take();
}

ExprPtr ExpressionParser::parse_filters_and_tests(ExprPtr value) {
  for (;;) {
    if (is_operator("|")) {
      value = parse_filters(std::move(value), false);
    } else if (is_name("is")) {
      value = parse_test(std::move(value));
    } else if (is_operator("(")) {
      value = parse_call(std::move(value));
    } else {
      return value;
    }
  }
}

ExprPtr ExpressionParser::parse_filters(ExprPtr value, bool at_name) {
  while (at_name || skip_operator("|")) {
    at_name = false;
    Token name = expect(TokenKind::kName, "a filter name");
    ExprPtr filter = make(ExprKind::kFilter, name.at, list_of(std::move(value)));
    filter->name = std::move(name.text);
    if (is_operator("(")) parse_arguments(*filter);
    value = std::move(filter);
  }
  return value;
}

ExprPtr ExpressionParser::parse_test(ExprPtr value) {
  const Position at = take().at;
  const bool negated = skip_name("not");
  Token name = expect(TokenKind::kName, "a test name");
  ExprPtr test = make(ExprKind::kTest, at, list_of(std::move(value)));
  test->name = std::move(name.text);
  if (is_operator("(")) {
    parse_arguments(*test);
  } else {
    if (is_name("is")) fail_here("tests cannot be chained with 'is'");
    const bool operand = is(TokenKind::kName)
                             ? !is_name("else") && !is_name("or") && !is_name("and")
                             : is(TokenKind::kString) || is(TokenKind::kInteger) || is(TokenKind::kFloat) ||
                                   is_operator("[") || is_operator("{");
    if (operand) {
      Argument argument;
      argument.value = parse_postfix(parse_primary());
      test->depth = std::max<uint16_t>(test->depth, static_cast<uint16_t>(argument.value->depth + 1));
      test->arguments.push_back(std::move(argument));
    }
  }
  return negated ? make(ExprKind::kNot, at, list_of(std::move(test))) : std::move(test);
}

}  // namespace oag::jinja
