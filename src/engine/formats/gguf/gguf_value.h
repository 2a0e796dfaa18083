#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "engine/formats/gguf/gguf_types.h"

namespace oag {

// A list of strings in one buffer: a vocabulary costs its text plus 8 bytes an entry.
class GgufStrings {
 public:
  void reserve(size_t count) { ends_.reserve(count); }
  void push_back(std::string_view text) {
    text_.append(text);
    ends_.push_back(text_.size());
  }
  size_t size() const { return ends_.size(); }
  std::string_view operator[](size_t i) const {
    const uint64_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(text_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string text_;
  std::vector<uint64_t> ends_;
};

// An array of metadata. Exactly one of the three stores is in use, as `element` says.
struct GgufArray {
  GgufType element = GgufType::kU8;
  std::vector<std::byte> numbers;  // every type but strings and arrays: the values as they stand in the file
  GgufStrings strings;
  std::vector<GgufArray> arrays;

  size_t size() const;
  // Element i of a numeric array, converted. Precondition: i < size(), element is neither string nor array.
  // integer() is exact for every integer type but u64 above 2^63 - 1; bools are 0 and 1.
  int64_t integer(size_t i) const;
  double number(size_t i) const;
};

// A metadata value and the exact type that it has in the file.
struct GgufValue {
  GgufType type = GgufType::kU8;
  // u8..u64: uint64_t; i8..i64: int64_t; f32, f64: double; the rest as named.
  std::variant<uint64_t, int64_t, double, bool, std::string, GgufArray> data;

  static GgufValue of(std::string_view text) { return {GgufType::kString, std::string(text)}; }
  static GgufValue of(const char* text) { return of(std::string_view(text)); }
  static GgufValue of(GgufArray array) { return {GgufType::kArray, std::move(array)}; }
  template <typename T>
    requires std::is_arithmetic_v<T>
  static GgufValue of(T number);
  // An array whose element type follows from T.
  template <typename T>
    requires std::is_arithmetic_v<T>
  static GgufValue of_array(std::span<const T> values);
  static GgufValue of_strings(std::span<const std::string_view> texts);

  // For messages: "u32 7", "string", "array of 3 f32".
  std::string describe() const;
};

template <typename T>
constexpr GgufType gguf_type_of() {
  if constexpr (std::same_as<T, bool>) return GgufType::kBool;
  if constexpr (std::same_as<T, float>) return GgufType::kF32;
  if constexpr (std::same_as<T, double>) return GgufType::kF64;
  if constexpr (std::is_unsigned_v<T>) {
    return sizeof(T) == 1   ? GgufType::kU8
           : sizeof(T) == 2 ? GgufType::kU16
           : sizeof(T) == 4 ? GgufType::kU32
                            : GgufType::kU64;
  }
  return sizeof(T) == 1   ? GgufType::kI8
         : sizeof(T) == 2 ? GgufType::kI16
         : sizeof(T) == 4 ? GgufType::kI32
                          : GgufType::kI64;
}

template <typename T>
  requires std::is_arithmetic_v<T>
GgufValue GgufValue::of(T number) {
  GgufValue value;
  value.type = gguf_type_of<T>();
  if constexpr (std::same_as<T, bool>) {
    value.data = number;
  } else if constexpr (std::is_floating_point_v<T>) {
    value.data = static_cast<double>(number);
  } else if constexpr (std::is_unsigned_v<T>) {
    value.data = static_cast<uint64_t>(number);
  } else {
    value.data = static_cast<int64_t>(number);
  }
  return value;
}

template <typename T>
  requires std::is_arithmetic_v<T>
GgufValue GgufValue::of_array(std::span<const T> values) {
  static_assert(sizeof(bool) == 1);
  GgufArray array;
  array.element = gguf_type_of<T>();
  array.numbers.resize(values.size_bytes());
  if (!values.empty()) std::memcpy(array.numbers.data(), values.data(), values.size_bytes());
  return of(std::move(array));
}

}  // namespace oag
