#include "engine/formats/gguf/gguf_metadata.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace oag {
namespace {

bool is_integer_type(GgufType type) {
  return type != GgufType::kF32 && type != GgufType::kF64 && type != GgufType::kBool &&
         type != GgufType::kString && type != GgufType::kArray;
}

}  // namespace

GgufMetadata::GgufMetadata(std::string where, std::vector<Entry> entries)
    : where_(std::move(where)), entries_(std::move(entries)), by_key_(entries_.size()) {
  const auto key_of = [this](uint32_t i) -> std::string_view { return entries_[i].key; };
  std::iota(by_key_.begin(), by_key_.end(), 0u);
  std::ranges::sort(by_key_, {}, key_of);
  const auto twin = std::ranges::adjacent_find(by_key_, {}, key_of);
  if (twin != by_key_.end()) {
    fail(ErrorCode::kCorruptData, where_, "metadata key {} stands twice, expected once", key_of(*twin));
  }
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto key_of = [this](uint32_t i) -> std::string_view { return entries_[i].key; };
  const auto at = std::ranges::lower_bound(by_key_, key, {}, key_of);
  return at != by_key_.end() && key_of(*at) == key ? &entries_[*at].value : nullptr;
}

void GgufMetadata::fail_type(std::string_view key, const GgufValue& value, std::string_view expected) const {
  fail(ErrorCode::kCorruptData, where_, "metadata key {} is {}, expected {}", key, value.describe(),
       expected);
}

void GgufMetadata::fail_missing(std::string_view key, std::string_view expected) const {
  fail(ErrorCode::kNotFound, where_, "metadata key {} is missing, expected {}", key, expected);
}

const GgufArray& GgufMetadata::array(std::string_view key, const GgufValue& value,
                                     std::string_view expected) const {
  const auto* array = std::get_if<GgufArray>(&value.data);
  if (array == nullptr) fail_type(key, value, expected);
  return *array;
}

std::optional<uint64_t> GgufMetadata::find_u64(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<uint64_t>(&value->data)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value->data); number != nullptr && *number >= 0) {
    return static_cast<uint64_t>(*number);
  }
  fail_type(key, *value, "an integer of 0 or more");
}

std::optional<int64_t> GgufMetadata::find_i64(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<int64_t>(&value->data)) return *number;
  if (const auto* number = std::get_if<uint64_t>(&value->data);
      number != nullptr && *number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return static_cast<int64_t>(*number);
  }
  fail_type(key, *value, "a 64-bit signed integer");
}

std::optional<double> GgufMetadata::find_f64(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<double>(&value->data)) return *number;
  fail_type(key, *value, "a float");
}

std::optional<bool> GgufMetadata::find_bool(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* flag = std::get_if<bool>(&value->data)) return *flag;
  fail_type(key, *value, "a bool");
}

std::optional<std::string_view> GgufMetadata::find_string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(&value->data)) return *text;
  fail_type(key, *value, "a string");
}

std::optional<std::vector<std::string_view>> GgufMetadata::find_string_array(std::string_view key) const {
  constexpr std::string_view kExpected = "an array of strings";
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const GgufArray& texts = array(key, *value, kExpected);
  if (texts.element != GgufType::kString) fail_type(key, *value, kExpected);
  std::vector<std::string_view> list(texts.size());
  for (size_t i = 0; i < list.size(); ++i) list[i] = texts.strings[i];
  return list;
}

std::optional<std::vector<int32_t>> GgufMetadata::find_i32_array(std::string_view key) const {
  constexpr std::string_view kExpected = "an array of integers";
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const GgufArray& numbers = array(key, *value, kExpected);
  if (!is_integer_type(numbers.element)) fail_type(key, *value, kExpected);
  std::vector<int32_t> list(numbers.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const int64_t number = numbers.integer(i);
    const bool wrapped = numbers.element == GgufType::kU64 && number < 0;
    if (wrapped || number != static_cast<int32_t>(number)) {
      fail(ErrorCode::kCorruptData, where_,
           "metadata key {}: element {} does not fit a 32-bit signed integer", key, i);
    }
    list[i] = static_cast<int32_t>(number);
  }
  return list;
}

std::optional<std::vector<float>> GgufMetadata::find_f32_array(std::string_view key) const {
  constexpr std::string_view kExpected = "an array of floats";
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const GgufArray& numbers = array(key, *value, kExpected);
  if (numbers.element != GgufType::kF32 && numbers.element != GgufType::kF64)
    fail_type(key, *value, kExpected);
  std::vector<float> list(numbers.size());
  for (size_t i = 0; i < list.size(); ++i) list[i] = static_cast<float>(numbers.number(i));
  return list;
}

uint64_t GgufMetadata::get_u64(std::string_view key) const {
  if (const auto found = find_u64(key)) return *found;
  fail_missing(key, "an integer of 0 or more");
}

int64_t GgufMetadata::get_i64(std::string_view key) const {
  if (const auto found = find_i64(key)) return *found;
  fail_missing(key, "a 64-bit signed integer");
}

double GgufMetadata::get_f64(std::string_view key) const {
  if (const auto found = find_f64(key)) return *found;
  fail_missing(key, "a float");
}

bool GgufMetadata::get_bool(std::string_view key) const {
  if (const auto found = find_bool(key)) return *found;
  fail_missing(key, "a bool");
}

std::string_view GgufMetadata::get_string(std::string_view key) const {
  if (const auto found = find_string(key)) return *found;
  fail_missing(key, "a string");
}

std::vector<std::string_view> GgufMetadata::get_string_array(std::string_view key) const {
  if (auto found = find_string_array(key)) return *std::move(found);
  fail_missing(key, "an array of strings");
}

std::vector<int32_t> GgufMetadata::get_i32_array(std::string_view key) const {
  if (auto found = find_i32_array(key)) return *std::move(found);
  fail_missing(key, "an array of integers");
}

std::vector<float> GgufMetadata::get_f32_array(std::string_view key) const {
  if (auto found = find_f32_array(key)) return *std::move(found);
  fail_missing(key, "an array of floats");
}

}  // namespace oag
