#include <utility>

#include "llm/text/jinja_eval.h"
#include "llm/text/jinja_filters.h"
#include "llm/text/jinja_operators.h"
#include "llm/text/jinja_print.h"

namespace oag::jinja {

std::string Evaluator::run(const Body& body) {
  return capture(body, scope_);
}

std::string Evaluator::capture(const Body& body, Scope* scope) {
  const InScope in_scope(*this, scope);
  std::string text;
  std::string* const outer = std::exchange(out_, &text);
  exec(body);
  out_ = outer;
  return text;
}

void Evaluator::print(const Value& value) {
  if (value.is_string()) {
    rt_.append(*out_, value.text());
  } else {
    rt_.append(*out_, to_text(rt_, value));
  }
}

Evaluator::Flow Evaluator::exec(const Body& body) {
  for (const auto& statement : body) {
    const Flow flow = exec(*statement);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::exec(const Stmt& statement) {
  const Runtime::Nesting nesting(rt_);
  rt_.spend(1);
  rt_.at(statement.at);
  switch (statement.kind) {
    case StmtKind::kText: rt_.append(*out_, statement.text); break;
    case StmtKind::kOutput: print(eval(*statement.expr)); break;
    case StmtKind::kIf: return exec_if(statement);
    case StmtKind::kFor: exec_for(statement); break;
    case StmtKind::kSet: assign(statement.target, eval(*statement.expr)); break;
    case StmtKind::kSetBlock: exec_set_block(statement); break;
    case StmtKind::kMacro: scope_->set(statement.macro->name, make_macro(*statement.macro)); break;
    case StmtKind::kCallBlock: exec_call_block(statement); break;
    case StmtKind::kFilterBlock:
      print(filter_block(*statement.expr, Value(capture(statement.body, rt_.make_scope(scope_)))));
      break;
    case StmtKind::kWith: exec_with(statement); break;
    case StmtKind::kScope: rt_.append(*out_, capture(statement.body, rt_.make_scope(scope_))); break;
    case StmtKind::kBreak: return Flow::kBreak;
    case StmtKind::kContinue: return Flow::kContinue;
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::exec_if(const Stmt& statement) {
  for (const Branch& branch : statement.branches) {
    if (!branch.condition || truthy(eval(*branch.condition))) return exec(branch.body);
  }
  return Flow::kNext;
}

void Evaluator::exec_for(const Stmt& statement) {
  run_loop(statement, eval(*statement.expr), scope_, 0);
}

// The items to walk: those that pass the loop's own condition.
List* Evaluator::loop_items(const Stmt& statement, const Value& iterable, Scope* scope) {
  List* list = rt_.make_list();
  std::vector<Value> items = iterate(rt_, iterable);
  if (!statement.condition) {
    list->items = std::move(items);
    return list;
  }
  for (Value& item : items) {
    const InScope in_scope(*this, rt_.make_scope(scope));
    rt_.spend(1);
    assign(statement.target, item);
    if (truthy(eval(*statement.condition))) list->items.push_back(std::move(item));
  }
  return list;
}

void Evaluator::run_loop(const Stmt& statement, const Value& iterable, Scope* scope, size_t depth) {
  rt_.at(statement.at);
  Loop* loop = rt_.make_loop();
  const List* list = loop_items(statement, iterable, scope);
  loop->items = &list->items;
  loop->depth = depth;
  if (statement.recursive) {
    loop->statement = &statement;
    loop->scope = scope;
  }
  for (size_t i = 0; i < list->items.size(); ++i) {
    rt_.spend(1);
    loop->index = i;
    const InScope in_scope(*this, rt_.make_scope(scope));
    scope_->set("loop", Value(loop));
    assign(statement.target, list->items[i]);
    if (exec(statement.body) == Flow::kBreak) break;
  }
  if (!list->items.empty()) return;
  const InScope in_scope(*this, rt_.make_scope(scope));
  exec(statement.otherwise);
}

void Evaluator::exec_set_block(const Stmt& statement) {
  Value value{capture(statement.body, rt_.make_scope(scope_))};
  if (statement.expr) value = filter_block(*statement.expr, std::move(value));
  assign(statement.target, value);
}

void Evaluator::exec_with(const Stmt& statement) {
  Scope* inner = rt_.make_scope(scope_);
  std::vector<Value> values;
  for (const ExprPtr& value : statement.values) values.push_back(eval(*value));
  const InScope in_scope(*this, inner);
  for (size_t i = 0; i < values.size(); ++i) assign(statement.targets[i], values[i]);
  exec(statement.body);
}

void Evaluator::exec_call_block(const Stmt& statement) {
  const Expr& expr = *statement.expr;
  const Value callee = eval(*expr.items[0]);
  CallArgs args = eval_arguments(expr);
  args.keywords.emplace_back("caller", make_macro(*statement.macro));
  rt_.at(expr.at);
  print(call(callee, std::move(args)));
}

Value Evaluator::make_macro(const Macro& macro) {
  Callable* callable = rt_.make_callable();
  callable->type = Callable::Type::kMacro;
  callable->name = macro.name;
  callable->macro = &macro;
  callable->scope = scope_;
  return Value(callable);
}

void Evaluator::assign(const Target& target, const Value& value) {
  rt_.at(target.at);
  if (target.is_tuple) {
    const std::vector<Value> items = iterate(rt_, value);
    if (items.size() != target.items.size()) {
      rt_.fail("{} names cannot take {} values", target.items.size(), items.size());
    }
    for (size_t i = 0; i < items.size(); ++i) assign(target.items[i], items[i]);
    return;
  }
  rt_.spend(scope_->size() / 32);
  if (target.attribute.empty()) return scope_->set(target.name, value);
  for (const Scope* scope = scope_; scope; scope = scope->parent()) {
    const Value* found = scope->find(target.name);
    if (!found) continue;
    if (!found->is(Kind::kNamespace)) break;
    found->space().attributes.set(Value(target.attribute), value);
    return;
  }
  rt_.fail("'{}' is not a namespace, so '{}' cannot be set on it", target.name, target.attribute);
}

}  // namespace oag::jinja
