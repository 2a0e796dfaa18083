#include "service/protocol/json_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "service/protocol/request_error.h"

namespace oag {
namespace {

constexpr double kIntegerLimit = 9223372036854775808.0;  // 2^63

// A number without a fraction is an integer however it was written.
bool is_whole(const Json& value) {
  if (value.is_number_integer()) return true;
  if (!value.is_number_float()) return false;
  const double number = value.get<double>();
  return std::trunc(number) == number && std::abs(number) < kIntegerLimit;
}

// A whole number that no 64-bit integer holds: such are read as floats.
bool is_too_large(const Json& value) {
  return value.is_number_float() && std::abs(value.get<double>()) >= kIntegerLimit;
}

bool has_type(const Json& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return is_whole(value);
  if (type == "number") return value.is_number();
  return value.is_null();
}

std::string_view type_words(std::string_view type) {
  if (type == "object") return "an object";
  if (type == "array") return "a list";
  if (type == "string") return "a text";
  if (type == "boolean") return "true or false";
  if (type == "integer") return "a whole number";
  if (type == "number") return "a number";
  return "null";
}

// The types that a schema names, those of its alternatives included; empty: any.
std::vector<std::string> types_of(const Json& schema) {
  std::vector<std::string> types;
  if (const auto type = schema.find("type"); type != schema.end()) {
    if (type->is_string()) return {type->get<std::string>()};
    for (const Json& one : *type) types.push_back(one);
  } else if (const auto any = schema.find("anyOf"); any != schema.end()) {
    for (const Json& branch : *any) {
      for (std::string& one : types_of(branch)) {
        if (std::find(types.begin(), types.end(), one) == types.end()) types.push_back(std::move(one));
      }
    }
  }
  return types;
}

std::string joined_types(const std::vector<std::string>& types) {
  std::string words;
  for (size_t i = 0; i < types.size(); ++i) {
    if (i > 0) words += i + 1 == types.size() ? " or " : ", ";
    words += type_words(types[i]);
  }
  return words;
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
}

std::string shown(const Json& value) {
  constexpr size_t kMost = 60;
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMost) {
    size_t cut = kMost;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0u) == 0x80u) --cut;
    text = text.substr(0, cut) + "…";
  }
  return text;
}

void check_bounds(const Json& schema, double seen, std::string_view low, std::string_view high,
                  const std::string& path, std::string_view unit) {
  const auto least = schema.find(low), most = schema.find(high);
  const bool below = least != schema.end() && !(seen >= least->get<double>());
  const bool above = most != schema.end() && !(seen <= most->get<double>());
  if (!below && !above) return;
  const std::string range = least != schema.end() && most != schema.end()
                                ? fmt::format("{} to {}", least->dump(), most->dump())
                            : below ? fmt::format("at least {}", least->dump())
                                    : fmt::format("at most {}", most->dump());
  reject("invalid_value", path, "is {}{}, expected {}", seen, unit, range);
}

// An object of another kind than the known ones lacks what they require: its kind is what is wrong with it.
void check_kind(const Json& schema, const Json& value, const std::string& path) {
  const auto properties = schema.find("properties");
  const auto kind = value.find("type");
  if (properties == schema.end() || kind == value.end() || kind->is_null()) return;
  const auto kinds = properties->find("type");
  if (kinds != properties->end() && kinds->contains("enum"))
    check_shape(*kinds, *kind, path.empty() ? "type" : path + ".type");
}

void check_object(const Json& schema, const Json& value, const std::string& path,
                  std::vector<std::string>* unknown) {
  check_kind(schema, value, path);
  const auto required = schema.find("required");
  for (const Json& name : required != schema.end() ? *required : Json::array()) {
    const auto found = value.find(name.get_ref<const std::string&>());
    if (found == value.end()) {
      reject("missing_required_parameter",
             path.empty() ? name.get<std::string>() : path + "." + name.get<std::string>(), "is missing");
    }
  }
  const auto properties = schema.find("properties");
  const auto others = schema.find("additionalProperties");
  for (const auto& [name, member] : value.items()) {
    const std::string inner = path.empty() ? name : path + "." + name;
    const auto known = properties != schema.end() ? properties->find(name) : Json::const_iterator{};
    if (properties != schema.end() && known != properties->end()) {
      const bool may_be_left_out = required == schema.end() || std::find(required->begin(), required->end(),
                                                                         Json(name)) == required->end();
      if (!(member.is_null() && may_be_left_out)) check_shape(*known, member, inner, unknown);
    } else if (others != schema.end() && others->is_object()) {
      check_shape(*others, member, inner, unknown);
    } else if (others != schema.end() && *others == false) {
      reject("unknown_parameter", inner, "is not known");
    } else if (properties != schema.end() && others == schema.end() && !member.is_null() &&
               unknown != nullptr && unknown->size() < kMostUnknown) {
      unknown->push_back(inner);
    }
  }
}

void check_any(const Json& branches, const Json& value, const std::string& path,
               std::vector<std::string>* unknown) {
  const Json* of_its_type = nullptr;
  for (const Json& branch : branches) {
    const std::vector<std::string> types = types_of(branch);
    const bool fits = types.empty() || std::any_of(types.begin(), types.end(),
                                                   [&](const auto& type) { return has_type(value, type); });
    if (!fits) continue;
    of_its_type = &branch;
    try {
      std::vector<std::string> of_this;
      check_shape(branch, value, path, &of_this);
      if (unknown != nullptr) std::ranges::move(of_this, std::back_inserter(*unknown));
      return;
    } catch (const RequestError&) {
      continue;  // the last one of its type says what is wrong
    }
  }
  if (of_its_type != nullptr) check_shape(*of_its_type, value, path);
  reject("invalid_type", path, "is {}, expected {}", described(value),
         joined_types(types_of({{"anyOf", branches}})));
}

}  // namespace

std::string described(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_string()) return "a text";
  return shown(value);
}

void check_shape(const Json& schema, const Json& value, const std::string& path,
                 std::vector<std::string>* unknown) {
  if (const auto any = schema.find("anyOf"); any != schema.end()) {
    check_any(*any, value, path, unknown);
    return;
  }
  const std::vector<std::string> types = types_of(schema);
  if (types.size() == 1 && types.front() == "integer" && is_too_large(value)) {
    check_bounds(schema, value.get<double>(), "minimum", "maximum", path, "");
    reject("invalid_value", path, "is {}, expected a whole number of 64 bits", shown(value));
  }
  if (!types.empty() &&
      std::none_of(types.begin(), types.end(), [&](const auto& type) { return has_type(value, type); })) {
    reject("invalid_type", path, "is {}, expected {}", described(value), joined_types(types));
  }
  if (const auto values = schema.find("enum"); values != schema.end()) {
    if (std::find(values->begin(), values->end(), value) == values->end()) {
      std::vector<std::string> known;
      for (const Json& one : *values) known.push_back(one.dump());
      reject("invalid_value", path, "is {}, expected one of {}", shown(value), fmt::join(known, ", "));
    }
  }
  if (value.is_number()) check_bounds(schema, value.get<double>(), "minimum", "maximum", path, "");
  if (value.is_string()) {
    check_bounds(schema, static_cast<double>(characters(value.get_ref<const std::string&>())), "minLength",
                 "maxLength", path, " characters long");
  }
  if (value.is_array()) {
    check_bounds(schema, static_cast<double>(value.size()), "minItems", "maxItems", path, " items long");
    if (const auto items = schema.find("items"); items != schema.end()) {
      for (size_t i = 0; i < value.size(); ++i)
        check_shape(*items, value[i], fmt::format("{}[{}]", path, i), unknown);
    }
  }
  if (value.is_object()) check_object(schema, value, path, unknown);
}

Json parse_body(std::string_view body) {
  if (body.empty()) reject("invalid_json", "", "the request has no body, expected a JSON object");
  try {
    return parse_json_with_unique_keys(body, "the request's body");
  } catch (const RequestError&) {
    throw;
  } catch (const Error& error) {
    reject("invalid_json", "", "{}", error.what());
  }
}

}  // namespace oag
