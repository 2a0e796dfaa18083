#pragma once

#include <string>

#include "llm/text/jinja_runtime.h"

namespace oag::jinja {

// Runs a parsed template. One evaluator serves one render.
class Evaluator {
 public:
  // `scope` holds the variables of the context.
  Evaluator(Runtime& rt, Scope* scope) : rt_(rt), scope_(scope) {}

  // Runs the template and returns its text.
  std::string run(const Body& body);

 private:
  // How a statement ends: whether the loop around it goes on.
  enum class Flow : uint8_t { kNext, kBreak, kContinue };

  // Makes `scope` the current one while it lives.
  class InScope {
   public:
    InScope(Evaluator& evaluator, Scope* scope) : evaluator_(evaluator), outer_(evaluator.scope_) {
      evaluator.scope_ = scope;
    }
    ~InScope() { evaluator_.scope_ = outer_; }
    InScope(const InScope&) = delete;
    InScope& operator=(const InScope&) = delete;

   private:
    Evaluator& evaluator_;
    Scope* outer_;
  };

  // Statements, in jinja_exec.cc
  Flow exec(const Body& body);
  Flow exec(const Stmt& statement);
  Flow exec_if(const Stmt& statement);
  void exec_for(const Stmt& statement);
  void exec_set_block(const Stmt& statement);
  void exec_with(const Stmt& statement);
  void exec_call_block(const Stmt& statement);
  // Runs the iterations of a for statement over `iterable`, with names looked up from `scope`.
  void run_loop(const Stmt& statement, const Value& iterable, Scope* scope, size_t depth);
  List* loop_items(const Stmt& statement, const Value& iterable, Scope* scope);
  void assign(const Target& target, const Value& value);
  Value make_macro(const Macro& macro);
  // The text that a body prints, in a scope of its own.
  std::string capture(const Body& body, Scope* scope);
  void print(const Value& value);

  // Expressions, in jinja_eval.cc
  Value eval(const Expr& expr);
  Value eval_name(const Expr& expr);
  Value eval_sequence(const Expr& expr);
  Value eval_dict(const Expr& expr);
  Value eval_access(const Expr& expr);
  Value eval_call(const Expr& expr);
  Value eval_filter(const Expr& expr);
  Value eval_test(const Expr& expr);
  Value eval_operator(const Expr& expr);
  Value eval_compare(const Expr& expr);
  Value eval_concat(const Expr& expr);
  Value eval_choice(const Expr& expr);
  CallArgs eval_arguments(const Expr& expr);
  // Applies a chain of filters whose head has no input of its own.
  Value filter_block(const Expr& chain, Value value);
  Value call(const Value& callee, CallArgs args);
  Value call_macro(const Callable& callable, CallArgs args);
  void bind_parameters(const Macro& macro, Scope& scope, CallArgs& args);
  void bind_extras(const Macro& macro, Scope& scope, CallArgs& args);

  Runtime& rt_;
  Scope* scope_;
  std::string* out_ = nullptr;
};

}  // namespace oag::jinja
