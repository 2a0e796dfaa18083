#include "llm/text/jinja_eval.h"

#include <algorithm>

#include "llm/text/jinja_filters.h"
#include "llm/text/jinja_globals.h"
#include "llm/text/jinja_methods.h"
#include "llm/text/jinja_operators.h"
#include "llm/text/jinja_print.h"

namespace oag::jinja {

Value Evaluator::eval(const Expr& expr) {
  const Runtime::Nesting nesting(rt_);
  rt_.spend(1);
  rt_.at(expr.at);
  switch (expr.kind) {
    case ExprKind::kLiteral: return expr.literal;
    case ExprKind::kName: return eval_name(expr);
    case ExprKind::kList:
    case ExprKind::kTuple: return eval_sequence(expr);
    case ExprKind::kDict: return eval_dict(expr);
    case ExprKind::kAttribute:
    case ExprKind::kItem:
    case ExprKind::kSlice: return eval_access(expr);
    case ExprKind::kCall: return eval_call(expr);
    case ExprKind::kFilter: return eval_filter(expr);
    case ExprKind::kTest: return eval_test(expr);
    case ExprKind::kNegate:
    case ExprKind::kPlus:
    case ExprKind::kNot:
    case ExprKind::kBinary: return eval_operator(expr);
    case ExprKind::kCompare: return eval_compare(expr);
    case ExprKind::kConcat: return eval_concat(expr);
    case ExprKind::kAnd:
    case ExprKind::kOr:
    case ExprKind::kConditional: return eval_choice(expr);
  }
  return {};
}

Value Evaluator::eval_name(const Expr& expr) {
  for (const Scope* scope = scope_; scope; scope = scope->parent()) {
    rt_.spend(scope->size() / 32);
    if (const Value* value = scope->find(expr.name)) return *value;
  }
  if (!is_global(expr.name)) return Value::undefined(fmt::format("'{}' is undefined", expr.name));
  Callable* callable = rt_.make_callable();
  callable->name = expr.name;
  return Value(callable);
}

Value Evaluator::eval_sequence(const Expr& expr) {
  std::vector<Value> items;
  items.reserve(expr.items.size());
  for (const ExprPtr& item : expr.items) items.push_back(eval(*item));
  return rt_.list(std::move(items), expr.kind == ExprKind::kTuple ? ListKind::kTuple : ListKind::kList);
}

Value Evaluator::eval_dict(const Expr& expr) {
  Dict* dict = rt_.make_dict();
  for (size_t i = 0; i + 1 < expr.items.size(); i += 2) {
    const Value key = eval(*expr.items[i]);
    if (!Dict::can_be_key(key)) rt_.fail("a value of type {} cannot be a key", type_name(key));
    dict->set(key, eval(*expr.items[i + 1]));
  }
  return Value(dict);
}

Value Evaluator::eval_access(const Expr& expr) {
  const Value object = eval(*expr.items[0]);
  if (expr.kind == ExprKind::kAttribute) {
    rt_.at(expr.at);
    return get_attribute(rt_, object, expr.name);
  }
  const auto bound = [&](size_t i) { return expr.items[i] ? eval(*expr.items[i]) : Value::none(); };
  const Value key = bound(1);
  if (expr.kind == ExprKind::kItem) {
    rt_.at(expr.at);
    return get_item(rt_, object, key);
  }
  const Value stop = bound(2);
  const Value step = bound(3);
  rt_.at(expr.at);
  return get_slice(rt_, object, key, stop, step);
}

CallArgs Evaluator::eval_arguments(const Expr& expr) {
  CallArgs args;
  for (const Argument& argument : expr.arguments) {
    Value value = eval(*argument.value);
    switch (argument.type) {
      case Argument::Type::kPositional: args.positional.push_back(std::move(value)); break;
      case Argument::Type::kKeyword: args.keywords.emplace_back(argument.name, std::move(value)); break;
      case Argument::Type::kSpread:
        for (Value& item : iterate(rt_, value)) args.positional.push_back(std::move(item));
        break;
      case Argument::Type::kSpreadKeywords:
        if (!value.is_dict()) rt_.fail("'**' needs a dict, saw {}", type_name(value));
        rt_.spend_items(value.dict().entries.size());
        for (const auto& [key, item] : value.dict().entries) {
          if (!key.is_string()) rt_.fail("'**' needs keys that are texts");
          args.keywords.emplace_back(key.text(), item);
        }
        break;
    }
  }
  return args;
}

Value Evaluator::eval_call(const Expr& expr) {
  const Value callee = eval(*expr.items[0]);
  CallArgs args = eval_arguments(expr);
  rt_.at(expr.at);
  return call(callee, std::move(args));
}

Value Evaluator::call(const Value& callee, CallArgs args) {
  if (callee.is_undefined()) rt_.fail("{}", callee.reason());
  if (callee.is(Kind::kLoop)) {
    const Loop& loop = callee.loop();
    if (!loop.statement) rt_.fail("this loop is not marked 'recursive'");
    if (args.positional.size() != 1) rt_.fail("a recursive loop takes one argument");
    const Runtime::Nesting nesting(rt_, 4);
    std::string text;
    std::string* const outer = std::exchange(out_, &text);
    run_loop(*loop.statement, args.positional[0], loop.scope, loop.depth + 1);
    out_ = outer;
    return Value(std::move(text));
  }
  if (!callee.is(Kind::kCallable)) rt_.fail("a value of type {} cannot be called", type_name(callee));
  Callable& callable = callee.callable();
  switch (callable.type) {
    case Callable::Type::kMethod: return call_method(rt_, callable.self, callable.name, args);
    case Callable::Type::kMacro: return call_macro(callable, std::move(args));
    case Callable::Type::kJoiner:
      return std::exchange(callable.used, true) ? callable.self : Value(std::string());
    case Callable::Type::kGlobal: break;
  }
  return call_global(rt_, callable.name, args);
}

Value Evaluator::call_macro(const Callable& callable, CallArgs args) {
  const Runtime::Nesting nesting(rt_, 4);
  const Macro& macro = *callable.macro;
  Scope* scope = rt_.make_scope(callable.scope);
  {
    const InScope in_scope(*this, scope);
    bind_parameters(macro, *scope, args);
  }
  return Value(capture(macro.body, scope));
}

void Evaluator::bind_parameters(const Macro& macro, Scope& scope, CallArgs& args) {
  const size_t given = std::min(args.positional.size(), macro.parameters.size());
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    const auto keyword = std::find_if(args.keywords.begin(), args.keywords.end(),
                                      [&](const auto& entry) { return entry.first == parameter.name; });
    const bool named = keyword != args.keywords.end();
    if (i < given) {
      if (named) rt_.fail("macro '{}' got argument '{}' twice", macro.name, parameter.name);
      scope.set(parameter.name, args.positional[i]);
    } else if (named) {
      scope.set(parameter.name, keyword->second);
      args.keywords.erase(keyword);
    } else if (parameter.default_value) {
      scope.set(parameter.name, eval(*parameter.default_value));
    } else {
      scope.set(parameter.name,
                Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name)));
    }
  }
  args.positional.erase(args.positional.begin(),
                        args.positional.begin() + static_cast<std::ptrdiff_t>(given));
  bind_extras(macro, scope, args);
}

void Evaluator::bind_extras(const Macro& macro, Scope& scope, CallArgs& args) {
  if (macro.uses_caller && !scope.find("caller")) {
    const auto caller = std::find_if(args.keywords.begin(), args.keywords.end(),
                                     [](const auto& entry) { return entry.first == "caller"; });
    scope.set("caller",
              caller != args.keywords.end() ? caller->second : Value::undefined("no caller is defined"));
    if (caller != args.keywords.end()) args.keywords.erase(caller);
  }
  if (!macro.uses_kwargs && !args.keywords.empty()) {
    rt_.fail("macro '{}' has no parameter '{}'", macro.name, args.keywords[0].first);
  }
  if (!macro.uses_varargs && !args.positional.empty()) {
    rt_.fail("macro '{}' takes at most {} arguments", macro.name, macro.parameters.size());
  }
  if (macro.uses_kwargs) {
    Dict* dict = rt_.make_dict();
    for (auto& [name, value] : args.keywords) dict->set(Value(name), std::move(value));
    scope.set("kwargs", Value(dict));
  }
  if (macro.uses_varargs) scope.set("varargs", rt_.list(std::move(args.positional), ListKind::kTuple));
}

Value Evaluator::eval_filter(const Expr& expr) {
  const Value value = eval(*expr.items[0]);
  const CallArgs args = eval_arguments(expr);
  rt_.at(expr.at);
  return apply_filter(rt_, expr.name, value, args);
}

Value Evaluator::filter_block(const Expr& chain, Value value) {
  if (chain.items[0]) value = filter_block(*chain.items[0], std::move(value));
  const CallArgs args = eval_arguments(chain);
  rt_.at(chain.at);
  return apply_filter(rt_, chain.name, value, args);
}

Value Evaluator::eval_test(const Expr& expr) {
  const Value value = eval(*expr.items[0]);
  const CallArgs args = eval_arguments(expr);
  rt_.at(expr.at);
  return Value(apply_test(rt_, expr.name, value, args));
}

Value Evaluator::eval_operator(const Expr& expr) {
  const Value left = eval(*expr.items[0]);
  if (expr.kind == ExprKind::kNot) return Value(!truthy(left));
  if (expr.kind == ExprKind::kBinary) {
    const Value right = eval(*expr.items[1]);
    rt_.at(expr.at);
    return arithmetic(rt_, expr.ops[0], left, right);
  }
  rt_.at(expr.at);
  return expr.kind == ExprKind::kNegate ? negate(rt_, left) : positive(rt_, left);
}

Value Evaluator::eval_compare(const Expr& expr) {
  Value left = eval(*expr.items[0]);
  for (size_t i = 0; i < expr.ops.size(); ++i) {
    Value right = eval(*expr.items[i + 1]);
    rt_.at(expr.at);
    if (!compare(rt_, expr.ops[i], left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Evaluator::eval_concat(const Expr& expr) {
  std::string out;
  for (const ExprPtr& item : expr.items) {
    const Value value = eval(*item);
    rt_.append(out, value.is_string() ? value.text() : to_text(rt_, value));
  }
  return Value(std::move(out));
}

Value Evaluator::eval_choice(const Expr& expr) {
  if (expr.kind == ExprKind::kConditional) {
    if (truthy(eval(*expr.items[1]))) return eval(*expr.items[0]);
    if (expr.items[2]) return eval(*expr.items[2]);
    return Value::undefined("an inline 'if' without 'else' gave no value");
  }
  Value left = eval(*expr.items[0]);
  const bool decided = truthy(left) == (expr.kind == ExprKind::kOr);
  return decided ? left : eval(*expr.items[1]);
}

}  // namespace oag::jinja
