#include "llm/text/grammar_json_merge.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/error.h"

namespace oag {
namespace {

constexpr std::string_view kConstraints[] = {"type",
                                             "enum",
                                             "const",
                                             "anyOf",
                                             "oneOf",
                                             "allOf",
                                             "$ref",
                                             "nullable",
                                             "properties",
                                             "required",
                                             "additionalProperties",
                                             "minProperties",
                                             "maxProperties",
                                             "items",
                                             "prefixItems",
                                             "minItems",
                                             "maxItems",
                                             "minLength",
                                             "maxLength",
                                             "pattern",
                                             "format",
                                             "minimum",
                                             "maximum",
                                             "exclusiveMinimum",
                                             "exclusiveMaximum"};

constexpr std::string_view kAnnotations[] = {"title",
                                             "description",
                                             "default",
                                             "examples",
                                             "example",
                                             "deprecated",
                                             "readOnly",
                                             "writeOnly",
                                             "$schema",
                                             "$id",
                                             "$comment",
                                             "$defs",
                                             "definitions",
                                             "$anchor",
                                             "$vocabulary",
                                             "contentEncoding",
                                             "contentMediaType",
                                             "contentSchema",
                                             "discriminator",
                                             "xml",
                                             "externalDocs",
                                             "enumNames",
                                             "enumDescriptions",
                                             "markdownDescription",
                                             "propertyOrdering",
                                             "$dynamicAnchor"};

template <size_t N>
bool is_one_of(std::string_view name, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Keywords that some values of theirs make empty.
bool says_nothing(std::string_view keyword, const Json& value) {
  if (keyword == "uniqueItems" || keyword == "nullable") return value == false;
  if (keyword == "unevaluatedProperties" || keyword == "unevaluatedItems") return value == true;
  if (keyword == "patternProperties" || keyword == "dependentRequired" || keyword == "dependentSchemas" ||
      keyword == "dependencies") {
    return value.is_object() && value.empty();
  }
  return false;
}

std::string unescape_pointer(std::string_view text) {
  std::string key;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3) {
      key += static_cast<char>(byte);
      i += 2;
    } else {
      key += text[i];
    }
  }
  std::string unescaped;
  for (size_t i = 0; i < key.size(); ++i) {
    const bool escaped = key[i] == '~' && i + 1 < key.size() && (key[i + 1] == '0' || key[i + 1] == '1');
    unescaped += escaped ? (key[i + 1] == '0' ? '~' : '/') : key[i];
    i += escaped;
  }
  return unescaped;
}

Json all_of(const Json& a, const Json& b) {
  if (a == b || b == true) return a;
  if (a == true) return b;
  if (a == false || b == false) return false;
  return Json{{"allOf", Json::array({a, b})}};
}

Json type_list(const Json& type) {
  return type.is_array() ? type : Json::array({type});
}

Json common_types(const Json& a, const Json& b) {
  const Json left = type_list(a), right = type_list(b);
  const auto has = [](const Json& list, const char* name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  Json common = Json::array();
  for (const Json& type : left) {
    const bool in_right = std::find(right.begin(), right.end(), type) != right.end();
    if (in_right || (type == "integer" && has(right, "number"))) {
      common.push_back(type);
    } else if (type == "number" && has(right, "integer")) {
      common.push_back("integer");
    }
  }
  return common;
}

Json common_values(const Json& a, const Json& b) {
  Json common = Json::array();
  for (const Json& value : a) {
    if (std::find(b.begin(), b.end(), value) != b.end()) common.push_back(value);
  }
  return common;
}

// Properties that one side alone names must also hold for the other's additionalProperties.
Json merge_properties(const Json& a, const Json& b) {
  static const Json kNone = Json::object();
  const auto properties = [](const Json& schema) -> const Json& {
    return schema.contains("properties") ? schema["properties"] : kNone;
  };
  const auto additional = [](const Json& schema) { return schema.value("additionalProperties", Json(true)); };
  Json merged = Json::object();
  for (const auto& [name, schema] : properties(a).items()) {
    const bool in_both = properties(b).contains(name);
    merged[name] = all_of(schema, in_both ? properties(b)[name] : additional(b));
  }
  for (const auto& [name, schema] : properties(b).items()) {
    if (!properties(a).contains(name)) merged[name] = all_of(schema, additional(a));
  }
  return merged;
}

}  // namespace

const Json& resolve_reference(const Json& root, const Json& reference, std::string_view where) {
  if (!reference.is_string()) fail(ErrorCode::kInvalidArgument, where, "$ref must be a string");
  const std::string text = reference.get<std::string>();
  if (!text.starts_with('#') || (text.size() > 1 && text[1] != '/')) {
    fail(ErrorCode::kUnsupported, where,
         "$ref \"{}\" leads out of this schema or to an anchor; use \"#/$defs/…\"", text.substr(0, 200));
  }
  const Json* at = &root;
  for (size_t begin = 2; begin <= text.size();) {
    const size_t end = std::min(text.find('/', begin), text.size());
    const std::string key = unescape_pointer(std::string_view(text).substr(begin, end - begin));
    const Json* next = nullptr;
    if (at->is_object() && at->contains(key)) next = &(*at)[key];
    if (at->is_array()) {
      size_t index = 0;
      const auto parsed = std::from_chars(key.data(), key.data() + key.size(), index);
      if (parsed.ec == std::errc() && parsed.ptr == key.data() + key.size() && index < at->size())
        next = &(*at)[index];
    }
    if (next == nullptr) {
      fail(ErrorCode::kInvalidArgument, where, "$ref \"{}\" leads nowhere: there is no \"{}\"",
           text.substr(0, 200), key);
    }
    at = next;
    begin = end + 1;
  }
  return *at;
}

Json constraints_of(const Json& schema, std::string_view where) {
  Json constraints = Json::object();
  for (const auto& [keyword, value] : schema.items()) {
    if (is_one_of(keyword, kAnnotations) || keyword.starts_with("x-") || says_nothing(keyword, value))
      continue;
    if (!is_one_of(keyword, kConstraints)) {
      fail(ErrorCode::kUnsupported, where, "the keyword \"{}\" cannot be enforced; remove it",
           keyword.substr(0, 100));
    }
    constraints[keyword] = value;
  }
  return constraints;
}

Json merge_schemas(const Json& a, const Json& b, std::string_view where) {
  Json merged = a;
  for (const auto& [keyword, value] : b.items()) {
    if (!merged.contains(keyword)) {
      merged[keyword] = value;
      continue;
    }
    Json& mine = merged[keyword];
    if (mine == value && keyword != "properties" && keyword != "additionalProperties") continue;
    if (keyword == "type") {
      mine = common_types(mine, value);
    } else if (keyword == "enum" && mine.is_array() && value.is_array()) {
      mine = common_values(mine, value);
    } else if (keyword == "const") {
      mine = Json();
      merged["enum"] = Json::array();  // two values at once: none
    } else if (keyword == "required" && mine.is_array() && value.is_array()) {
      mine.insert(mine.end(), value.begin(), value.end());
    } else if (keyword == "properties" || keyword == "additionalProperties") {
      continue;  // below, together
    } else if (keyword == "items") {
      mine = all_of(mine, value);
    } else if (keyword.starts_with("min") || keyword == "exclusiveMinimum") {
      if (mine < value) mine = value;
    } else if (keyword.starts_with("max") || keyword == "exclusiveMaximum") {
      if (value < mine) mine = value;
    } else {
      fail(ErrorCode::kUnsupported, where, "two different \"{}\" that must hold together cannot be merged",
           keyword);
    }
  }
  if (a.contains("const") && b.contains("const") && a["const"] != b["const"]) merged.erase("const");
  if ((a.contains("prefixItems") != b.contains("prefixItems")) &&
      (a.contains("items") || b.contains("items")) && (a.contains("prefixItems") ? b : a).contains("items")) {
    fail(ErrorCode::kUnsupported, where,
         "\"prefixItems\" and \"items\" that must hold together cannot be merged");
  }
  for (const Json* side : {&a, &b}) {
    if (side->contains("properties") && !(*side)["properties"].is_object()) {
      fail(ErrorCode::kInvalidArgument, where, "\"properties\" must be an object");
    }
  }
  if (a.contains("properties") || b.contains("properties")) merged["properties"] = merge_properties(a, b);
  if (a.contains("additionalProperties") && b.contains("additionalProperties")) {
    merged["additionalProperties"] = all_of(a["additionalProperties"], b["additionalProperties"]);
  }
  return merged;
}

}  // namespace oag
