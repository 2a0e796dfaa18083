#include "llm/text/jinja_parser.h"

#include <initializer_list>

#include "llm/text/jinja_expression_parser.h"

namespace oag::jinja {

namespace {

using Ends = std::initializer_list<std::string_view>;

class Parser : ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Body parse() { return parse_body({}); }

 private:
  // Parses up to a tag whose name is in `ends` and leaves the cursor on that name.
  Body parse_body(Ends ends) {
    const Nesting nesting(*this);
    Body body;
    for (;;) {
      if (is(TokenKind::kEnd)) {
        if (ends.size() > 0) fail_expected(fmt::format("{{% {} %}}", *(ends.end() - 1)));
        return body;
      }
      if (is(TokenKind::kText)) {
        auto& statement = add(body, StmtKind::kText);
        statement.text = take().text;
      } else if (is(TokenKind::kOutputBegin)) {
        auto& statement = add(body, StmtKind::kOutput);
        take();
        statement.expr = parse_tuple();
        expect(TokenKind::kOutputEnd, "'}}'");
      } else {
        expect(TokenKind::kTagBegin, "'{%'");
        for (const std::string_view end : ends) {
          if (is_name(end)) return body;
        }
        parse_statement(body);
        expect(TokenKind::kTagEnd, "'%}'");
      }
    }
  }

  Stmt& add(Body& body, StmtKind kind) const {
    body.push_back(std::make_unique<Stmt>());
    body.back()->kind = kind;
    body.back()->at = current().at;
    return *body.back();
  }

  // The body of a statement whose opening tag ends here; the name of the closing tag is left for the caller.
  Body parse_block(Ends ends) {
    skip_operator(":");
    expect(TokenKind::kTagEnd, "'%}'");
    return parse_body(ends);
  }

  Body parse_block_to(std::string_view end) {
    Body body = parse_block({end});
    take();
    return body;
  }

  void parse_statement(Body& body) {
    if (!is(TokenKind::kName)) fail_expected("the name of a statement");
    if (is_name("if")) return parse_if(add(body, StmtKind::kIf));
    if (is_name("for")) return parse_for(add(body, StmtKind::kFor));
    if (is_name("set")) return parse_set(add(body, StmtKind::kSet));
    if (is_name("macro")) return parse_macro(add(body, StmtKind::kMacro));
    if (is_name("call")) return parse_call_block(add(body, StmtKind::kCallBlock));
    if (is_name("with")) return parse_with(add(body, StmtKind::kWith));
    if (is_name("filter")) {
      Stmt& statement = add(body, StmtKind::kFilterBlock);
      take();
      statement.expr = parse_filters(nullptr, true);
      statement.body = parse_block_to("endfilter");
    } else if (is_name("generation")) {
      Stmt& statement = add(body, StmtKind::kScope);
      take();
      statement.body = parse_block_to("endgeneration");
    } else if (is_name("break") || is_name("continue")) {
      if (loops_ == 0) fail_here(fmt::format("'{}' stands outside a loop", current().text));
      add(body, is_name("break") ? StmtKind::kBreak : StmtKind::kContinue);
      take();
    } else {
      fail_here(fmt::format("the statement '{}' is not known to chat templates", current().text));
    }
  }

  void parse_if(Stmt& statement) {
    for (bool more = true; more;) {
      Branch& branch = statement.branches.emplace_back();
      if (skip_name("else")) {
        branch.body = parse_block({"endif"});
        more = false;
      } else {
        take();
        branch.condition = parse_tuple(false);
        branch.body = parse_block({"elif", "else", "endif"});
        more = !is_name("endif");
      }
    }
    take();
  }

  void parse_for(Stmt& statement) {
    take();
    statement.target = parse_target();
    if (!skip_name("in")) fail_expected("'in'");
    statement.expr = parse_tuple(false);
    if (skip_name("if")) statement.condition = parse_expression();
    statement.recursive = skip_name("recursive");
    ++loops_;
    statement.body = parse_block({"else", "endfor"});
    --loops_;
    if (skip_name("else")) statement.otherwise = parse_block({"endfor"});
    take();
  }

  void parse_set(Stmt& statement) {
    take();
    statement.target = parse_target();
    if (skip_operator("=")) {
      statement.expr = parse_tuple();
      return;
    }
    statement.kind = StmtKind::kSetBlock;
    statement.expr = parse_filters(nullptr, is_operator("|") && skip_operator("|"));
    statement.body = parse_block_to("endset");
  }

  // One target or, without parentheses, a tuple of them.
  Target parse_target() {
    const Position at = current().at;
    Target first = parse_single_target();
    if (!is_operator(",")) return first;
    Target tuple;
    tuple.at = at;
    tuple.is_tuple = true;
    tuple.items.push_back(std::move(first));
    while (skip_operator(",")) {
      if (!is(TokenKind::kName) && !is_operator("(")) break;
      if (is_name("in")) break;
      tuple.items.push_back(parse_single_target());
    }
    return tuple;
  }

  Target parse_single_target() {
    const Nesting nesting(*this);
    if (skip_operator("(")) {
      Target target = parse_target();
      expect_operator(")");
      return target;
    }
    Target target;
    target.at = current().at;
    target.name = expect(TokenKind::kName, "a name to assign to").text;
    for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
      if (target.name == constant) fail_syntax_at(target.at, fmt::format("cannot assign to '{}'", constant));
    }
    if (skip_operator(".")) target.attribute = expect(TokenKind::kName, "an attribute name").text;
    return target;
  }

  [[noreturn]] void fail_syntax_at(Position at, const std::string& message) const {
    fail_syntax(template_name(), at, message);
  }

  void parse_parameters(Macro& macro) {
    expect_operator("(");
    while (!is_operator(")")) {
      Parameter& parameter = macro.parameters.emplace_back();
      parameter.name = expect(TokenKind::kName, "a parameter name").text;
      if (skip_operator("=")) {
        parameter.default_value = parse_expression();
      } else if (macro.parameters.size() > 1 && (macro.parameters.end() - 2)->default_value) {
        fail_here("a parameter without a default follows one with a default");
      }
      if (!is_operator(")")) expect_operator(",");
    }
    take();
  }

  // The names that the body uses decide which extra arguments the macro takes.
  void parse_macro_body(Macro& macro, std::string_view end) {
    Macro* const outer = macro_;
    const int outer_loops = loops_;
    macro_ = &macro;
    loops_ = 0;
    macro.body = parse_block_to(end);
    macro_ = outer;
    loops_ = outer_loops;
    if (!outer) return;
    outer->uses_varargs |= macro.uses_varargs;
    outer->uses_kwargs |= macro.uses_kwargs;
    outer->uses_caller |= macro.uses_caller;
  }

  void parse_macro(Stmt& statement) {
    take();
    statement.macro = std::make_unique<Macro>();
    statement.macro->name = expect(TokenKind::kName, "a macro name").text;
    parse_parameters(*statement.macro);
    parse_macro_body(*statement.macro, "endmacro");
  }

  void parse_call_block(Stmt& statement) {
    take();
    statement.macro = std::make_unique<Macro>();
    statement.macro->name = "caller";
    if (is_operator("(")) parse_parameters(*statement.macro);
    statement.expr = parse_expression();
    if (statement.expr->kind != ExprKind::kCall) fail_syntax_at(statement.expr->at, "expected a call");
    parse_macro_body(*statement.macro, "endcall");
  }

  void parse_with(Stmt& statement) {
    take();
    while (!is(TokenKind::kTagEnd)) {
      if (!statement.targets.empty()) expect_operator(",");
      statement.targets.push_back(parse_single_target());
      expect_operator("=");
      statement.values.push_back(parse_expression());
    }
    statement.body = parse_block_to("endwith");
  }

  int loops_ = 0;  // loops around the cursor inside the current macro
};

}  // namespace

Body parse_template(std::string_view source, std::string_view name) {
  return Parser(tokenize(source, name), name).parse();
}

}  // namespace oag::jinja
