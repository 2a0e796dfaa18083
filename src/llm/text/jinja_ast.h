#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "llm/text/jinja_value.h"

namespace oag::jinja {

// Line and column (in characters) in the template, both from 1.
struct Position {
  uint32_t line = 1;
  uint32_t column = 1;
};

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<std::unique_ptr<Stmt>>;

enum class Op : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct Argument {
  enum class Type : uint8_t { kPositional, kKeyword, kSpread, kSpreadKeywords };

  Type type = Type::kPositional;
  std::string name;  // kKeyword
  ExprPtr value;
};

enum class ExprKind : uint8_t {
  kLiteral,      // literal
  kName,         // name
  kList,         // items
  kTuple,        // items
  kDict,         // items: key, value, key, value, …
  kAttribute,    // items[0].name
  kItem,         // items[0][items[1]]
  kSlice,        // items[0][items[1]:items[2]:items[3]], absent bounds are null
  kCall,         // items[0](arguments)
  kFilter,       // items[0] | name(arguments); items[0] is null at the head of a filter or set block
  kTest,         // items[0] is name(arguments)
  kNegate,       // -items[0]
  kPlus,         // +items[0]
  kNot,          // not items[0]
  kBinary,       // items[0] ops[0] items[1]
  kCompare,      // items[0] ops[0] items[1] ops[1] items[2] …
  kConcat,       // items[0] ~ items[1] ~ …
  kAnd,          // items[0] and items[1]
  kOr,           // items[0] or items[1]
  kConditional,  // items[0] if items[1] else items[2]; items[2] may be null
};

struct Expr {
  ExprKind kind = ExprKind::kLiteral;
  uint16_t depth = 1;  // height of the tree below, bounded by the parser
  Position at;
  Value literal;
  std::string name;
  std::vector<ExprPtr> items;
  std::vector<Op> ops;
  std::vector<Argument> arguments;
};

// What a `set` or `for` assigns to: a name, a namespace attribute, or a tuple of targets.
struct Target {
  Position at;
  bool is_tuple = false;
  std::string name;
  std::string attribute;  // not empty: name.attribute
  std::vector<Target> items;
};

struct Parameter {
  std::string name;
  ExprPtr default_value;
};

struct Macro {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  bool uses_varargs = false;
  bool uses_kwargs = false;
  bool uses_caller = false;
};

enum class StmtKind : uint8_t {
  kText,         // text
  kOutput,       // expr
  kIf,           // branches; the else branch has no condition
  kFor,          // for target in expr if condition: body, otherwise; recursive
  kSet,          // target = expr
  kSetBlock,     // target = body through the filters of expr (may be null)
  kMacro,        // macro
  kCallBlock,    // expr is the call, macro is the caller
  kFilterBlock,  // body through the filters of expr
  kWith,         // targets, values: body
  kScope,        // body with its own names
  kBreak,
  kContinue,
};

struct Branch {
  ExprPtr condition;
  Body body;
};

struct Stmt {
  StmtKind kind = StmtKind::kText;
  Position at;
  std::string text;
  ExprPtr expr;
  ExprPtr condition;
  Target target;
  Body body;
  Body otherwise;
  bool recursive = false;
  std::vector<Branch> branches;
  std::vector<Target> targets;
  std::vector<ExprPtr> values;
  std::unique_ptr<Macro> macro;
};

}  // namespace oag::jinja
