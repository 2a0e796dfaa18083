#include "llm/text/jinja_operators.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "llm/text/jinja_format.h"
#include "llm/text/jinja_markup.h"

namespace oag::jinja {

namespace {

std::string_view symbol(Op op) {
  constexpr std::string_view kSymbols[] = {
      "+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in"};
  return kSymbols[static_cast<size_t>(op)];
}

[[noreturn]] void fail_types(Runtime& rt, Op op, const Value& left, const Value& right) {
  for (const Value* value : {&left, &right}) {
    if (value->is_undefined()) rt.fail("{}", value->reason());
  }
  rt.fail("'{}' cannot be applied to {} and {}", symbol(op), type_name(left), type_name(right));
}

[[noreturn]] void fail_overflow(Runtime& rt) {
  rt.fail("the result does not fit a 64-bit integer");
}

// The remainder has the sign of the divisor, as in Python.
double floor_modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest == 0 ? std::copysign(0.0, b) : rest;
}

int64_t integer_power(Runtime& rt, int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) fail_overflow(rt);
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_overflow(rt);
  }
  return result;
}

Value integer_arithmetic(Runtime& rt, Op op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Op::kAdd:
      if (__builtin_add_overflow(a, b, &result)) fail_overflow(rt);
      return Value(result);
    case Op::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) fail_overflow(rt);
      return Value(result);
    case Op::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) fail_overflow(rt);
      return Value(result);
    case Op::kPower:
      if (b >= 0) return Value(integer_power(rt, a, b));
      if (a == 0) rt.fail("0 cannot be raised to a negative power");
      return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
    default: break;
  }
  if (b == 0) rt.fail("division by zero");
  if (op == Op::kDivide) return Value(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) {  // the one division that overflows
    if (op == Op::kModulo) return Value(int64_t{0});
    if (__builtin_sub_overflow(int64_t{0}, a, &result)) fail_overflow(rt);
    return Value(result);
  }
  const int64_t rest = a % b;
  const bool adjust = rest != 0 && (rest < 0) != (b < 0);
  return op == Op::kModulo ? Value(adjust ? rest + b : rest) : Value(a / b - (adjust ? 1 : 0));
}

Value float_arithmetic(Runtime& rt, Op op, double a, double b) {
  switch (op) {
    case Op::kAdd: return Value(a + b);
    case Op::kSubtract: return Value(a - b);
    case Op::kMultiply: return Value(a * b);
    case Op::kPower: {
      if (a == 0 && b < 0) rt.fail("0 cannot be raised to a negative power");
      const double result = std::pow(a, b);
      if (std::isnan(result) && !std::isnan(a) && !std::isnan(b)) rt.fail("the power is not a real number");
      return Value(result);
    }
    default: break;
  }
  if (b == 0) rt.fail("division by zero");
  if (op == Op::kDivide) return Value(a / b);
  if (op == Op::kModulo) return Value(floor_modulo(a, b));
  return Value(std::round((a - floor_modulo(a, b)) / b));
}

Value repeat(Runtime& rt, const Value& sequence, int64_t times) {
  const size_t count = times < 0 ? 0 : static_cast<size_t>(times);
  if (sequence.is_string()) {
    const std::string& unit = sequence.text();
    if (!unit.empty() && count > rt.limits().max_output_bytes / unit.size()) {
      rt.fail_limit("repeating a text {} times grows past {} bytes", count, rt.limits().max_output_bytes);
    }
    rt.spend_bytes(unit.size() * count);
    std::string out;
    out.reserve(unit.size() * count);
    for (size_t i = 0; i < count && !unit.empty(); ++i) out += unit;
    return text_like(rt, sequence, std::move(out));
  }
  const std::vector<Value>& unit = sequence.list().items;
  if (!unit.empty() && count > rt.limits().max_steps / unit.size()) {
    rt.fail_limit("repeating a list {} times makes too many items", count);
  }
  rt.spend_items(unit.size() * count);
  std::vector<Value> items;
  for (size_t i = 0; i < count && !unit.empty(); ++i) items.insert(items.end(), unit.begin(), unit.end());
  return rt.list(std::move(items), sequence.list().kind);
}

Value join_texts(Runtime& rt, const Value& left, const Value& right) {
  if (left.is_markup() != right.is_markup()) {
    return join_texts(rt, escape_operand(rt, left), escape_operand(rt, right));
  }
  rt.check_size(left.text().size() + right.text().size());
  return text_like(rt, left, left.text() + right.text());
}

bool is_list_or_tuple(const Value& value) {
  return value.is_list() && value.list().kind <= ListKind::kTuple;
}

bool equal_lists(Runtime& rt, const std::vector<Value>& left, const std::vector<Value>& right) {
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (!equals(rt, left[i], right[i])) return false;
  }
  return true;
}

bool equal_dicts(Runtime& rt, const Dict& left, const Dict& right) {
  if (left.entries.size() != right.entries.size()) return false;
  for (const auto& [key, value] : left.entries) {
    const Value* other = right.find(key);
    if (!other || !equals(rt, value, *other)) return false;
  }
  return true;
}

}  // namespace

Value arithmetic(Runtime& rt, Op op, const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) {
    return integer_arithmetic(rt, op, left.integer(), right.integer());
  }
  if (left.is_number() && right.is_number()) return float_arithmetic(rt, op, left.number(), right.number());
  if (op == Op::kModulo && left.is_string()) {
    const Value operand = left.is_markup() ? escape_operand(rt, right) : right;
    return text_like(rt, left, percent_format(rt, left.text(), operand));
  }
  if (op == Op::kAdd && left.is_string() && right.is_string()) {
    return join_texts(rt, left, right);
  }
  if (op == Op::kAdd && is_list_or_tuple(left) && is_list_or_tuple(right) &&
      left.list().kind == right.list().kind) {
    const auto& tail = right.list().items;
    rt.spend_items(left.list().items.size() + tail.size());
    std::vector<Value> items = left.list().items;
    items.insert(items.end(), tail.begin(), tail.end());
    return rt.list(std::move(items), left.list().kind);
  }
  if (op == Op::kMultiply) {
    const auto repeats = [](const Value& value) { return value.is_string() || is_list_or_tuple(value); };
    if (repeats(left) && right.is_integral()) return repeat(rt, left, right.integer());
    if (left.is_integral() && repeats(right)) return repeat(rt, right, left.integer());
  }
  fail_types(rt, op, left, right);
}

Value negate(Runtime& rt, const Value& value) {
  if (value.kind() == Kind::kFloat) return Value(-value.number());
  if (value.is_integral()) return integer_arithmetic(rt, Op::kSubtract, 0, value.integer());
  if (value.is_undefined()) rt.fail("{}", value.reason());
  rt.fail("a value of type {} has no negative", type_name(value));
}

Value positive(Runtime& rt, const Value& value) {
  if (value.kind() == Kind::kFloat) return value;
  if (value.is_integral()) return Value(value.integer());
  if (value.is_undefined()) rt.fail("{}", value.reason());
  rt.fail("'+' cannot be applied to {}", type_name(value));
}

bool equals(Runtime& rt, const Value& left, const Value& right) {
  rt.spend(1);
  if (left.is_integral() && right.is_integral()) return left.integer() == right.integer();
  if (left.is_number() && right.is_number()) return left.number() == right.number();
  if (left.kind() != right.kind()) return false;
  const Runtime::Nesting nesting(rt);
  switch (left.kind()) {
    case Kind::kString: rt.spend_bytes(left.text().size()); return left.text() == right.text();
    case Kind::kList:
      if (&left.list() == &right.list()) return true;
      if (left.list().kind != right.list().kind || left.list().kind > ListKind::kRange) return false;
      return equal_lists(rt, left.list().items, right.list().items);
    case Kind::kDict: return &left.dict() == &right.dict() || equal_dicts(rt, left.dict(), right.dict());
    case Kind::kNamespace: return &left.space() == &right.space();
    case Kind::kLoop: return &left.loop() == &right.loop();
    case Kind::kCallable: return &left.callable() == &right.callable();
    default: return true;  // none, undefined
  }
}

bool less(Runtime& rt, const Value& left, const Value& right) {
  rt.spend(1);
  if (left.is_integral() && right.is_integral()) return left.integer() < right.integer();
  if (left.is_number() && right.is_number()) return left.number() < right.number();
  if (left.is_string() && right.is_string()) {
    rt.spend_bytes(left.text().size());
    return left.text() < right.text();  // UTF-8 orders as code points do
  }
  if (is_list_or_tuple(left) && is_list_or_tuple(right) && left.list().kind == right.list().kind) {
    const Runtime::Nesting nesting(rt);
    const auto& a = left.list().items;
    const auto& b = right.list().items;
    for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
      if (!equals(rt, a[i], b[i])) return less(rt, a[i], b[i]);
    }
    return a.size() < b.size();
  }
  fail_types(rt, Op::kLess, left, right);
}

std::vector<size_t> sorted_order(Runtime& rt, const std::vector<Value>& keys, bool reverse) {
  // A merge sort of our own: it stays in bounds even where NaN makes the comparison contradict itself.
  const size_t count = keys.size();
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::vector<size_t> merged(count);
  const auto before = [&](size_t a, size_t b) {
    return reverse ? less(rt, keys[b], keys[a]) : less(rt, keys[a], keys[b]);
  };
  for (size_t width = 1; width < count; width *= 2) {
    for (size_t begin = 0; begin < count; begin += 2 * width) {
      const size_t middle = std::min(begin + width, count);
      const size_t end = std::min(begin + 2 * width, count);
      size_t left = begin;
      size_t right = middle;
      for (size_t i = begin; i < end; ++i) {
        const bool take_right = left == middle || (right < end && before(order[right], order[left]));
        merged[i] = order[take_right ? right++ : left++];
      }
    }
    order.swap(merged);
  }
  return order;
}

bool compare(Runtime& rt, Op op, const Value& left, const Value& right) {
  // NaN makes every order comparison false, so >= is not the opposite of <.
  const bool numbers = left.is_number() && right.is_number();
  const bool unordered = numbers && (std::isnan(left.number()) || std::isnan(right.number()));
  switch (op) {
    case Op::kEqual: return equals(rt, left, right);
    case Op::kNotEqual: return !equals(rt, left, right);
    case Op::kLess: return less(rt, left, right);
    case Op::kGreater: return less(rt, right, left);
    case Op::kLessEqual: return !unordered && !less(rt, right, left);
    case Op::kGreaterEqual: return !unordered && !less(rt, left, right);
    case Op::kIn: return contains(rt, right, left);
    default: return !contains(rt, right, left);
  }
}

bool contains(Runtime& rt, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) {
      if (item.is_undefined()) rt.fail("{}", item.reason());
      rt.fail("'in' with a text on the right needs a text on the left, saw {}", type_name(item));
    }
    rt.spend_search(container.text().size(), item.text().size());
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is_dict()) {
    if (!Dict::can_be_key(item)) {
      if (item.is_undefined()) return false;
      rt.fail("a value of type {} cannot be a key", type_name(item));
    }
    return container.dict().find(item) != nullptr;
  }
  for (const Value& candidate : iterate(rt, container)) {
    if (equals(rt, candidate, item)) return true;
  }
  return false;
}

}  // namespace oag::jinja
