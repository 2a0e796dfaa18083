#include <fmt/format.h>

#include "engine/graph/graph.h"

namespace oag {
namespace {

ValueType container(TypeKind kind, DType dtype, ValueType element, DType key) {
  return {kind, dtype, std::nullopt, std::make_shared<const ValueType>(std::move(element)), key};
}

std::optional<Shape> join_shapes(const std::optional<Shape>& a, const std::optional<Shape>& b,
                                 const std::string& hint) {
  if (!a || !b || a->size() != b->size()) return std::nullopt;
  Shape joined = *a;
  for (size_t d = 0; d < joined.size(); ++d) {
    if (joined[d] != (*b)[d]) joined[d] = Dim::symbol(fmt::format("{}.d{}", hint, d));
  }
  return joined;
}

}  // namespace

ValueType ValueType::sequence(ValueType element) {
  return container(TypeKind::kSequence, DType::kSequence, std::move(element), DType::kUndefined);
}

ValueType ValueType::optional(ValueType element) {
  return container(TypeKind::kOptional, DType::kOptional, std::move(element), DType::kUndefined);
}

ValueType ValueType::map(DType key, ValueType element) {
  return container(TypeKind::kMap, DType::kMap, std::move(element), key);
}

bool ValueType::includes(const ValueType& other) const {
  if (kind != other.kind || key != other.key) return false;
  if (dtype != other.dtype && dtype != DType::kUndefined) return false;
  if (shape && (!other.shape || *shape != *other.shape)) return false;
  return element == nullptr || (other.element != nullptr && element->includes(*other.element));
}

std::optional<ValueType> join_types(const ValueType& a, const ValueType& b, const std::string& hint) {
  if (a.includes(b)) return a;
  if (b.includes(a)) return b;
  if (a.kind != b.kind || a.dtype != b.dtype || a.key != b.key) return std::nullopt;
  ValueType joined{a.kind, a.dtype, join_shapes(a.shape, b.shape, hint), nullptr, a.key};
  if (a.element != nullptr && b.element != nullptr) {
    auto element = join_types(*a.element, *b.element, hint);
    if (!element) return std::nullopt;
    joined.element = std::make_shared<const ValueType>(std::move(*element));
  }
  return joined;
}

std::string to_string(const ValueType& type) {
  const auto element = [&] { return type.element ? to_string(*type.element) : std::string("?"); };
  switch (type.kind) {
    case TypeKind::kState:
      return type.shape ? fmt::format("state {}{}", dtype_name(type.dtype), to_string(*type.shape)) : "state";
    case TypeKind::kSequence: return fmt::format("sequence({})", element());
    case TypeKind::kOptional: return fmt::format("optional({})", element());
    case TypeKind::kMap: return fmt::format("map({}, {})", dtype_name(type.key), element());
    case TypeKind::kTensor: break;
  }
  if (type.dtype == DType::kUndefined) return "?";
  return std::string(dtype_name(type.dtype)) + (type.shape ? to_string(*type.shape) : "[...]");
}

}  // namespace oag
