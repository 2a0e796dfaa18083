#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace oag {

// One object of a config.json, whose values are asked for by key; null counts as absent. Errors: kCorruptData
// and kUnsupported naming the key.
class ConfigReader {
 public:
  ConfigReader(const Json& object, std::string_view where) : object_(object), where_(where) {}

  const Json* find(std::string_view key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  std::optional<int64_t> find_size(std::string_view key, int64_t limit) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number_integer() || !fits(*value, limit))
      refuse(key, fmt::format("is {}, expected a whole number from 1 to {}", shown(*value), limit));
    return value->get<int64_t>();
  }
  int64_t size(std::string_view key, int64_t limit) const {
    if (const auto found = find_size(key, limit)) return *found;
    fail(ErrorCode::kCorruptData, where_, "has no {}, which a model of this type needs", key);
  }
  // The same where 0 is a number like others.
  int64_t count(std::string_view key, int64_t limit, int64_t fallback) const {
    const Json* value = find(key);
    if (value != nullptr && value->is_number_unsigned() && value->get<uint64_t>() == 0) return 0;
    return find_size(key, limit).value_or(fallback);
  }
  std::optional<double> find_number(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) refuse(key, fmt::format("is {}, expected a number", shown(*value)));
    return value->get<double>();
  }
  double number(std::string_view key, double fallback) const { return find_number(key).value_or(fallback); }
  std::optional<bool> find_bool(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) refuse(key, fmt::format("is {}, expected true or false", shown(*value)));
    return value->get<bool>();
  }
  std::optional<std::string> find_text(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) refuse(key, fmt::format("is {}, expected a text", shown(*value)));
    return value->get<std::string>();
  }
  std::optional<ConfigReader> find_object(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_object()) refuse(key, fmt::format("is {}, expected an object", shown(*value)));
    return ConfigReader(*value, where_);
  }

  // What is wrong with a key's value, and that this build cannot do what it asks for.
  [[noreturn]] void refuse(std::string_view key, const std::string& message) const {
    fail(ErrorCode::kCorruptData, where_, "{} {}", key, message);
  }
  [[noreturn]] void unsupported(std::string_view key, const std::string& message) const {
    fail(ErrorCode::kUnsupported, where_, "{} {}", key, message);
  }
  std::string_view where() const { return where_; }

  static std::string shown(const Json& value) {
    const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    return text.size() <= 60 ? text : text.substr(0, 60) + "…";
  }

 private:
  static bool fits(const Json& value, int64_t limit) {
    return value.is_number_unsigned() && value.get<uint64_t>() >= 1 &&
           value.get<uint64_t>() <= static_cast<uint64_t>(limit);
  }

  const Json& object_;
  std::string_view where_;
};

inline void refuse_quantised(const ConfigReader& top) {
  const auto quantisation = top.find_object("quantization_config");
  if (!quantisation) return;
  const std::string method = quantisation->find_text("quant_method").value_or("an unnamed method");
  top.unsupported(
      "quantization_config",
      fmt::format("says that the weights are quantised by {}, which is not supported; use the model in "
                  "bf16 or f16, or a GGUF of it",
                  method.substr(0, 64)));
}

}  // namespace oag
