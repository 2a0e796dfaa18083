#include <algorithm>
#include <cmath>

#include "llm/text/jinja_filters.h"
#include "llm/text/jinja_operators.h"
#include "llm/text/jinja_print.h"
#include "llm/text/jinja_text.h"

namespace oag::jinja {

namespace {

using TestFunction = bool (*)(Runtime& rt, const Value& value, const CallArgs& args);

struct TestEntry {
  std::string_view name;
  size_t arguments;
  TestFunction apply;
};

template <Kind kKind>
bool is_kind(Runtime&, const Value& value, const CallArgs&) {
  return value.is(kKind);
}

template <bool kWanted>
bool is_constant(Runtime&, const Value& value, const CallArgs&) {
  return value.is(Kind::kBool) && value.boolean() == kWanted;
}

template <Op kOp>
bool compares(Runtime& rt, const Value& value, const CallArgs& args) {
  return compare(rt, kOp, value, args.positional[0]);
}

bool is_defined(Runtime&, const Value& value, const CallArgs&) {
  return !value.is_undefined();
}
bool is_number(Runtime&, const Value& value, const CallArgs&) {
  return value.is_number();
}
bool is_callable(Runtime&, const Value& value, const CallArgs&) {
  return value.is(Kind::kCallable);
}
bool is_escaped(Runtime&, const Value& value, const CallArgs&) {
  return value.is_markup();
}

bool is_iterable(Runtime&, const Value& value, const CallArgs&) {
  return value.is_string() || value.is_list() || value.is_dict() || value.is_undefined() ||
         value.is(Kind::kLoop);
}

bool is_sequence(Runtime&, const Value& value, const CallArgs&) {
  return value.is_string() || value.is_dict() || value.is_undefined() ||
         (value.is_list() && value.list().indexable());
}

int64_t remainder(Runtime& rt, const Value& value, int64_t divisor) {
  const Value rest = arithmetic(rt, Op::kModulo, value, Value(divisor));
  return rest.kind() == Kind::kFloat
             ? static_cast<int64_t>(rest.number() != std::floor(rest.number()) ? -1 : rest.number())
             : rest.integer();
}

bool is_even(Runtime& rt, const Value& value, const CallArgs&) {
  if (!value.is_number()) rt.fail("'even' needs a number, saw {}", type_name(value));
  return remainder(rt, value, 2) == 0;
}

bool is_odd(Runtime& rt, const Value& value, const CallArgs&) {
  if (!value.is_number()) rt.fail("'odd' needs a number, saw {}", type_name(value));
  return remainder(rt, value, 2) == 1;
}

bool divides(Runtime& rt, const Value& value, const CallArgs& args) {
  if (!value.is_number() || !args.positional[0].is_number()) rt.fail("'divisibleby' needs numbers");
  return arithmetic(rt, Op::kModulo, value, args.positional[0]).number() == 0;
}

bool same_as(Runtime& rt, const Value& value, const CallArgs& args) {
  const Value& other = args.positional[0];
  if (value.kind() != other.kind()) return false;
  if (value.is_list()) return &value.list() == &other.list();
  if (value.is_dict()) return &value.dict() == &other.dict();
  return equals(rt, value, other);
}

// True when some character has the wanted case and none the other one.
template <bool (*kWanted)(uint32_t), bool (*kRefused)(uint32_t)>
bool is_cased(Runtime& rt, const Value& value, const CallArgs&) {
  const std::string text = to_text(rt, value);
  rt.spend_bytes(text.size() * 8);
  bool some = false;
  for (size_t i = 0; i < text.size();) {
    const uint32_t c = next_code_point(text, i);
    if (kRefused(c)) return false;
    some |= kWanted(c);
  }
  return some;
}

bool names_filter(Runtime&, const Value& value, const CallArgs&) {
  return value.is_string() && has_filter(value.text());
}

bool names_test(Runtime&, const Value& value, const CallArgs&) {
  return value.is_string() && has_test(value.text());
}

constexpr TestEntry kTests[] = {
    {"defined", 0, is_defined},
    {"undefined", 0, is_kind<Kind::kUndefined>},
    {"none", 0, is_kind<Kind::kNone>},
    {"string", 0, is_kind<Kind::kString>},
    {"mapping", 0, is_kind<Kind::kDict>},
    {"iterable", 0, is_iterable},
    {"sequence", 0, is_sequence},
    {"number", 0, is_number},
    {"integer", 0, is_kind<Kind::kInt>},
    {"float", 0, is_kind<Kind::kFloat>},
    {"boolean", 0, is_kind<Kind::kBool>},
    {"true", 0, is_constant<true>},
    {"false", 0, is_constant<false>},
    {"callable", 0, is_callable},
    {"escaped", 0, is_escaped},
    {"even", 0, is_even},
    {"odd", 0, is_odd},
    {"lower", 0, is_cased<is_lower, is_upper>},
    {"upper", 0, is_cased<is_upper, is_lower>},
    {"filter", 0, names_filter},
    {"test", 0, names_test},
    {"divisibleby", 1, divides},
    {"sameas", 1, same_as},
    {"in", 1, compares<Op::kIn>},
    {"equalto", 1, compares<Op::kEqual>},
    {"eq", 1, compares<Op::kEqual>},
    {"==", 1, compares<Op::kEqual>},
    {"ne", 1, compares<Op::kNotEqual>},
    {"!=", 1, compares<Op::kNotEqual>},
    {"lt", 1, compares<Op::kLess>},
    {"<", 1, compares<Op::kLess>},
    {"lessthan", 1, compares<Op::kLess>},
    {"le", 1, compares<Op::kLessEqual>},
    {"<=", 1, compares<Op::kLessEqual>},
    {"gt", 1, compares<Op::kGreater>},
    {">", 1, compares<Op::kGreater>},
    {"greaterthan", 1, compares<Op::kGreater>},
    {"ge", 1, compares<Op::kGreaterEqual>},
    {">=", 1, compares<Op::kGreaterEqual>},
};

const TestEntry* find_test(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTests), std::end(kTests),
                                   [&](const TestEntry& entry) { return entry.name == name; });
  return found == std::end(kTests) ? nullptr : found;
}

}  // namespace

bool has_test(std::string_view name) {
  return find_test(name) != nullptr;
}

bool apply_test(Runtime& rt, std::string_view name, const Value& value, const CallArgs& args) {
  const TestEntry* entry = find_test(name);
  if (!entry) rt.fail("there is no test '{}'", name);
  if (args.positional.size() != entry->arguments || !args.keywords.empty()) {
    rt.fail("the test '{}' takes {} arguments, saw {}", name, entry->arguments,
            args.positional.size() + args.keywords.size());
  }
  rt.spend(1);
  return entry->apply(rt, value, args);
}

}  // namespace oag::jinja
