#include "llm/bundle/sampling_defaults.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/log.h"

namespace oag {
namespace {

struct Number {
  const char* name;  // in generation_config.json
  const char* key;
  double least, most;  // a lower value counts as the least, as engines take -1 for "off"
  std::optional<float> SamplingDefaults::* member;
};

constexpr Number kNumbers[] = {
    {"temperature", "general.sampling.temp", 0, 100, &SamplingDefaults::temperature},
    {"top_p", "general.sampling.top_p", 0, 1, &SamplingDefaults::top_p},
    {"min_p", "general.sampling.min_p", 0, 1, &SamplingDefaults::min_p},
    {"repetition_penalty", "general.sampling.penalty_repeat", 0.01, 100,
     &SamplingDefaults::repetition_penalty},
};
constexpr const char* kTopKName = "top_k";
constexpr const char* kTopKKey = "general.sampling.top_k";
constexpr int64_t kMostTopK = int64_t{1} << 30;

// A number, or none with a warning; `shown` is what stands in the file.
std::optional<double> in_range(std::optional<double> value, double most, const std::string& where,
                               std::string_view name, const std::string& shown) {
  if (value && std::isfinite(*value) && *value <= most) return value;
  log(LogLevel::kWarning, "{}: {} is {}, expected a number up to {:g}; it is left out", where, name, shown,
      most);
  return {};
}

std::optional<double> json_number(const Json& config, const char* name, double most,
                                  const std::string& where) {
  const auto found = config.find(name);
  if (found == config.end() || found->is_null()) return {};
  const auto value = found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
  return in_range(value, most, where, name, found->dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::optional<double> key_number(const GgufMetadata& metadata, const char* key, double most) {
  const GgufValue* found = metadata.find(key);
  if (found == nullptr) return {};
  std::optional<double> value;
  if (const auto* number = std::get_if<double>(&found->data)) value = *number;
  if (const auto* number = std::get_if<int64_t>(&found->data)) value = static_cast<double>(*number);
  if (const auto* number = std::get_if<uint64_t>(&found->data)) value = static_cast<double>(*number);
  return in_range(value, most, metadata.where(), key, found->describe());
}

template <typename Find>
SamplingDefaults read(const Find& find) {
  SamplingDefaults defaults;
  for (const Number& number : kNumbers) {
    if (const std::optional<double> value = find(number.name, number.key, number.most))
      defaults.*number.member = static_cast<float>(std::max(*value, number.least));
  }
  if (const std::optional<double> value = find(kTopKName, kTopKKey, static_cast<double>(kMostTopK)))
    defaults.top_k = static_cast<int64_t>(std::max(*value, 0.0));
  return defaults;
}

}  // namespace

SamplingDefaults read_generation_config(const Json& config, const std::string& where) {
  SamplingDefaults defaults = read(
      [&](const char* name, const char*, double most) { return json_number(config, name, most, where); });
  if (const auto draws = config.find("do_sample"); draws != config.end() && *draws == false)
    defaults.temperature = 0.0f;
  return defaults;
}

SamplingDefaults read_sampling_keys(const GgufMetadata& metadata) {
  return read([&](const char*, const char* key, double most) { return key_number(metadata, key, most); });
}

Json generation_config_json(const SamplingDefaults& defaults) {
  // The shortest decimals that are the same float.
  const auto decimal = [](float value) { return std::stod(fmt::format("{}", value)); };
  Json config = Json::object();
  const bool greedy = defaults.temperature == 0.0f;
  for (const Number& number : kNumbers) {
    const std::optional<float>& value = defaults.*number.member;
    if (value && !(greedy && number.member == &SamplingDefaults::temperature))
      config[number.name] = decimal(*value);
  }
  if (defaults.top_k) config[kTopKName] = *defaults.top_k;
  if (defaults.temperature) config["do_sample"] = !greedy;
  return config;
}

std::vector<GgufMetadata::Entry> sampling_keys(const SamplingDefaults& defaults) {
  std::vector<GgufMetadata::Entry> keys;
  if (defaults.top_k) keys.push_back({kTopKKey, GgufValue::of(static_cast<int32_t>(*defaults.top_k))});
  for (const Number& number : kNumbers) {
    if (const std::optional<float>& value = defaults.*number.member)
      keys.push_back({number.key, GgufValue::of(*value)});
  }
  return keys;
}

}  // namespace oag
