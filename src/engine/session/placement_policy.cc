#include "engine/session/placement_policy.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/json.h"

namespace oag {
namespace {

constexpr std::array<std::string_view, 3> kEngines = {"oag", "onnxruntime", "openvino"};
constexpr std::string_view kSchema = "oag.policy/1";

[[noreturn]] void refuse(const std::string& where, std::string_view seen, std::string_view expected) {
  fail(ErrorCode::kInvalidArgument, where, "is {}, expected {}", seen, expected);
}

std::string text_of(const Json& value, const std::string& where) {
  if (!value.is_string()) refuse(where, value.type_name(), "a text");
  auto text = value.get<std::string>();
  if (text.empty()) refuse(where, "empty", "a text");
  return text;
}

std::string engine_of(const Json& value, const std::string& where) {
  std::string name = text_of(value, where);
  if (std::ranges::find(kEngines, name) == kEngines.end())
    refuse(where, value.dump(), fmt::format("one of {}", fmt::join(kEngines, ", ")));
  return name;
}

PlacementPolicy::Rule parse_rule(const Json& value, const std::string& where) {
  if (!value.is_object())
    refuse(where, value.type_name(),
           "an object such as {\"operator\": \"Conv\", \"engine\": \"onnxruntime\"}");
  PlacementPolicy::Rule rule;
  for (const auto& [key, item] : value.items()) {
    const std::string place = where + "." + key;
    if (key == "model") {
      rule.model = text_of(item, place);
    } else if (key == "operator") {
      rule.op = text_of(item, place);
    } else if (key == "node") {
      rule.node = text_of(item, place);
    } else if (key == "engine") {
      rule.engine = engine_of(item, place);
    } else {
      fail(ErrorCode::kInvalidArgument, place,
           "is no key of a rule, expected model, operator, node or engine");
    }
  }
  if (rule.engine.empty())
    fail(ErrorCode::kInvalidArgument, where, "has no \"engine\", expected one of {}",
         fmt::join(kEngines, ", "));
  return rule;
}

const Json& list_of(const Json& value, const std::string& where) {
  if (!value.is_array()) refuse(where, value.type_name(), "a list");
  return value;
}

void set(PlacementPolicy& policy, const std::string& key, const Json& value, const std::string& where) {
  if (key == "rules") {
    for (const Json& item : list_of(value, where)) {
      const size_t number = policy.rules.size() + 1;
      policy.rules.push_back(parse_rule(item, fmt::format("{}[{}]", where, number - 1)));
      policy.rules.back().name = fmt::format("rule {} of the policy", number);
    }
  } else if (key == "fallback") {
    policy.fallback.clear();
    for (const Json& item : list_of(value, where)) {
      const std::string place = fmt::format("{}[{}]", where, policy.fallback.size());
      policy.fallback.push_back(engine_of(item, place));
      if (policy.fallback.back() == "oag") refuse(place, "oag itself", "another engine");
    }
  } else if (key == "plugins") {
    for (const Json& item : list_of(value, where))
      policy.plugins.push_back(text_of(item, fmt::format("{}[{}]", where, policy.plugins.size())));
  } else {
    fail(ErrorCode::kInvalidArgument, where, "is no key of a policy, expected rules, fallback or plugins");
  }
}

bool fits_glob(const std::string& glob, const std::string& text) {
  return glob.empty() || ::fnmatch(glob.c_str(), text.c_str(), 0) == 0;
}

}  // namespace

PlacementPolicy parse_policy(std::string_view text, const std::string& where) {
  const Json document = parse_json_with_unique_keys(text, where);
  if (!document.is_object()) refuse(where, document.type_name(), "an object with \"schema\" and \"rules\"");
  const auto schema = document.find("schema");
  if (schema == document.end()) fail(ErrorCode::kInvalidArgument, where, "lacks \"schema\": \"{}\"", kSchema);
  if (*schema != kSchema)
    fail(ErrorCode::kUnsupported, where, "is of schema {}, expected \"{}\"", schema->dump(), kSchema);
  PlacementPolicy policy;
  for (const auto& [key, value] : document.items()) {
    if (key != "schema" && key != "$schema") set(policy, key, value, where + ": " + key);
  }
  return policy;
}

bool fits(const PlacementPolicy::Rule& rule, std::string_view model, const std::string& op,
          const std::string& node) {
  const std::string path(model);
  return (fits_glob(rule.model, path) || fits_glob(rule.model, path.substr(path.rfind('/') + 1))) &&
         fits_glob(rule.op, op) && fits_glob(rule.node, node);
}

}  // namespace oag
