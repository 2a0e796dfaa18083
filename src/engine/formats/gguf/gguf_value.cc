#include "engine/formats/gguf/gguf_value.h"

#include <fmt/core.h>

namespace oag {
namespace {

// Calls `convert` with element i as its own type; values are loaded byte by byte, whatever their alignment.
template <typename R, typename Convert>
R with_element(const GgufArray& array, size_t i, Convert convert) {
  const auto load = [&]<typename T>(T value) {
    std::memcpy(&value, array.numbers.data() + i * sizeof(T), sizeof(T));
    return convert(value);
  };
  switch (array.element) {
    case GgufType::kU8:
    case GgufType::kBool: return load(uint8_t{});
    case GgufType::kI8: return load(int8_t{});
    case GgufType::kU16: return load(uint16_t{});
    case GgufType::kI16: return load(int16_t{});
    case GgufType::kU32: return load(uint32_t{});
    case GgufType::kI32: return load(int32_t{});
    case GgufType::kU64: return load(uint64_t{});
    case GgufType::kI64: return load(int64_t{});
    case GgufType::kF32: return load(float{});
    case GgufType::kF64: return load(double{});
    case GgufType::kString:
    case GgufType::kArray: break;
  }
  return R{};
}

}  // namespace

size_t GgufArray::size() const {
  if (element == GgufType::kString) return strings.size();
  if (element == GgufType::kArray) return arrays.size();
  return numbers.size() / gguf_type_bytes(element);
}

int64_t GgufArray::integer(size_t i) const {
  return with_element<int64_t>(*this, i, [](auto value) {
    // A float is not an integer array's element; saying 0 keeps a misuse defined.
    if constexpr (std::is_floating_point_v<decltype(value)>)
      return int64_t{0};
    else
      return static_cast<int64_t>(value);
  });
}

double GgufArray::number(size_t i) const {
  return with_element<double>(*this, i, [](auto value) { return static_cast<double>(value); });
}

GgufValue GgufValue::of_strings(std::span<const std::string_view> texts) {
  GgufArray array;
  array.element = GgufType::kString;
  array.strings.reserve(texts.size());
  for (const std::string_view text : texts) array.strings.push_back(text);
  return of(std::move(array));
}

std::string GgufValue::describe() const {
  if (const auto* array = std::get_if<GgufArray>(&data)) {
    return fmt::format("array of {} {}", array->size(), gguf_type_name(array->element));
  }
  const std::string_view name = gguf_type_name(type);
  if (const auto* value = std::get_if<uint64_t>(&data)) return fmt::format("{} {}", name, *value);
  if (const auto* value = std::get_if<int64_t>(&data)) return fmt::format("{} {}", name, *value);
  if (const auto* value = std::get_if<double>(&data)) return fmt::format("{} {}", name, *value);
  if (const auto* value = std::get_if<bool>(&data)) return fmt::format("{} {}", name, *value);
  return std::string(name);
}

}  // namespace oag
