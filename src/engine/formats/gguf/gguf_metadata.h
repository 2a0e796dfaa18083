#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/formats/gguf/gguf_value.h"

namespace oag {

// The key-value part of a GGUF file, in file order. Immutable, hence thread safe.
//
// Two getters a type: get_… for keys that must be there (error kNotFound), find_… for those that may be
// absent. Both fail with kCorruptData when the value has another type or does not fit; errors name file, key,
// seen and expected. Views and spans that a getter returns live as long as this object.
class GgufMetadata {
 public:
  struct Entry {
    std::string key;
    GgufValue value;
  };

  GgufMetadata() = default;
  // `where` names the file in errors. Errors: kCorruptData when a key stands twice.
  GgufMetadata(std::string where, std::vector<Entry> entries);

  const std::string& where() const { return where_; }
  const std::vector<Entry>& entries() const { return entries_; }
  // Null when absent.
  const GgufValue* find(std::string_view key) const;

  // Any integer type whose value fits.
  uint64_t get_u64(std::string_view key) const;
  int64_t get_i64(std::string_view key) const;
  // f32 or f64.
  double get_f64(std::string_view key) const;
  bool get_bool(std::string_view key) const;
  std::string_view get_string(std::string_view key) const;
  std::vector<std::string_view> get_string_array(std::string_view key) const;
  // Arrays of any integer type whose values fit.
  std::vector<int32_t> get_i32_array(std::string_view key) const;
  // Arrays of f32 or f64.
  std::vector<float> get_f32_array(std::string_view key) const;

  std::optional<uint64_t> find_u64(std::string_view key) const;
  std::optional<int64_t> find_i64(std::string_view key) const;
  std::optional<double> find_f64(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  std::optional<std::string_view> find_string(std::string_view key) const;
  std::optional<std::vector<std::string_view>> find_string_array(std::string_view key) const;
  std::optional<std::vector<int32_t>> find_i32_array(std::string_view key) const;
  std::optional<std::vector<float>> find_f32_array(std::string_view key) const;

 private:
  const GgufArray& array(std::string_view key, const GgufValue& value, std::string_view expected) const;
  [[noreturn]] void fail_type(std::string_view key, const GgufValue& value, std::string_view expected) const;
  [[noreturn]] void fail_missing(std::string_view key, std::string_view expected) const;

  std::string where_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> by_key_;  // indices into entries_, sorted by key
};

}  // namespace oag
