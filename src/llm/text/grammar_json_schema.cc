#include "llm/text/grammar_json_schema.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "llm/text/grammar_json_merge.h"
#include "llm/text/grammar_json_numbers.h"
#include "llm/text/grammar_json_strings.h"
#include "llm/text/grammar_json_text.h"

namespace oag {
namespace {

using Expression = GrammarRules::Expression;
using Rule = GrammarRules::Rule;

constexpr int kMaxSchemaDepth = 128;
// Schemas read, each use of one counted: bounds what nested anyOf inside allOf can multiply to.
constexpr int kMaxSchemasRead = 20'000;
// Values inside the schemas read, likewise: bounds the time that joining large schemas takes.
constexpr size_t kMaxSchemaWeight = 3'000'000;
constexpr size_t kMaxSchemaErrorPath = 300;

size_t weight(const Json& value) {
  size_t total = 1;
  if (value.is_structured()) {
    for (const Json& item : value) total += weight(item);
  }
  return total;
}

class SchemaReader {
 public:
  SchemaReader(const Json& root, JsonWhitespace whitespace, GrammarRules& rules)
      : root_(root), rules_(rules), json_(rules, whitespace) {}

  Rule read_root(const std::string& where) { return target_rule(root_, where); }

 private:
  // Schemas that $ref leads to are rules, so that they can contain themselves.
  Rule target_rule(const Json& schema, const std::string& where) {
    const auto [found, is_new] = targets_.try_emplace(&schema, 0);
    if (is_new) {
      const Rule rule = found->second = rules_.add_rule(where.substr(0, kMaxSchemaErrorPath), true);
      rules_.set_body(rule, read(schema, where, 0));
    }
    return targets_.at(&schema);
  }

  Expression read(const Json& schema, const std::string& where, int depth) {
    if (depth > kMaxSchemaDepth) {
      fail(ErrorCode::kUnsupported, where.substr(0, kMaxSchemaErrorPath),
           "schemas are nested deeper than {}, or contain themselves through allOf", kMaxSchemaDepth);
    }
    weight_ += weight(schema);
    if (++read_ > kMaxSchemasRead || weight_ > kMaxSchemaWeight) {
      fail(ErrorCode::kUnsupported, where.substr(0, kMaxSchemaErrorPath),
           "the schema is too large: more than {} schemas or {} values to look at", kMaxSchemasRead,
           kMaxSchemaWeight);
    }
    if (schema.is_boolean()) return schema.get<bool>() ? json_.value() : nothing();
    if (!schema.is_object()) {
      fail(ErrorCode::kInvalidArgument, where, "a schema must be an object, true or false, is {}",
           schema.type_name());
    }
    Json rest = constraints_of(schema, where);
    if (rest.size() == 1 && rest.contains("$ref")) {
      return rules_.rule(
          target_rule(resolve_reference(root_, rest["$ref"], where), rest["$ref"].get<std::string>()));
    }
    if (rest.contains("$ref") || rest.contains("allOf")) return read_joined(std::move(rest), where, depth);
    for (const char* keyword : {"anyOf", "oneOf"}) {
      if (rest.contains(keyword)) return read_any_of(std::move(rest), keyword, where, depth);
    }
    if (rest.contains("nullable") && rest["nullable"] == true && rest.contains("type")) {
      rest.erase("nullable");
      if (rest.contains("enum") || rest.contains("const")) {
        // Null is a value like the others: OpenAPI 3.0.3 wants it listed too.
        Json& type = rest["type"];
        if (!type.is_array()) type = Json::array({type});
        type.push_back("null");
        return read_plain(rest, where, depth);
      }
      return rules_.either({read(rest, where, depth + 1), rules_.literal("null")});
    }
    return read_plain(rest, where, depth);
  }

  // Joins what a reference and the parts of allOf ask for with the keywords beside them.
  Expression read_joined(Json rest, const std::string& where, int depth) {
    std::vector<Json> parts;
    if (const auto reference = rest.find("$ref"); reference != rest.end()) {
      parts.push_back(resolve_reference(root_, *reference, where));
      rest.erase("$ref");
    } else {
      parts = list_of(rest, "allOf", where);
      rest.erase("allOf");
    }
    for (const Json& part : parts) {
      if (part == true) continue;
      if (part == false) return nothing();
      if (!part.is_object())
        fail(ErrorCode::kInvalidArgument, where, "a schema must be an object, true or false");
      rest = join(rest, constraints_of(part, where), where);
    }
    return read(rest, where, depth + 1);
  }

  // As merge_schemas, for schemas that may still have $ref, allOf and choices: those are kept for later.
  static Json join(const Json& a, const Json& b, const std::string& where) {
    Json left = a, right = b, later = Json::array();
    for (Json* side : {&left, &right}) {
      for (const char* keyword : {"$ref", "allOf"}) {
        const auto found = side->find(keyword);
        if (found == side->end()) continue;
        if (keyword == std::string_view("$ref")) {
          later.push_back({{"$ref", *found}});
        } else if (found->is_array()) {
          later.insert(later.end(), found->begin(), found->end());
        } else {
          fail(ErrorCode::kInvalidArgument, where, "\"allOf\" must be a list of schemas");
        }
        side->erase(keyword);
      }
    }
    for (const char* keyword : {"anyOf", "oneOf"}) {
      if (!left.contains(keyword) || !right.contains(keyword)) continue;
      // A choice on both sides: one of them becomes the other kind of choice, which is read after it.
      const char* other = keyword == std::string_view("anyOf") ? "oneOf" : "anyOf";
      if (left.contains(other) || right.contains(other)) {
        fail(ErrorCode::kUnsupported, where, "more than two \"anyOf\" or \"oneOf\" that must hold together");
      }
      right[other] = right[keyword];
      right.erase(keyword);
    }
    Json merged = merge_schemas(left, right, where);
    if (!later.empty()) merged["allOf"] = later;
    return merged;
  }

  std::vector<Json> list_of(const Json& schema, const char* keyword, const std::string& where) const {
    const Json& list = schema[keyword];
    if (!list.is_array() || list.empty()) {
      fail(ErrorCode::kInvalidArgument, where, "\"{}\" must be a list that is not empty", keyword);
    }
    return {list.begin(), list.end()};
  }

  // Each choice joined with the keywords beside the list; oneOf is read like anyOf.
  Expression read_any_of(Json rest, const char* keyword, const std::string& where, int depth) {
    const std::vector<Json> choices = list_of(rest, keyword, where);
    rest.erase(keyword);
    std::vector<Expression> ways;
    for (size_t i = 0; i < choices.size(); ++i) {
      const std::string path = where + "/" + keyword + "/" + std::to_string(i);
      if (rest.empty() || choices[i] == false) {
        ways.push_back(read(choices[i], path, depth + 1));
      } else if (choices[i] == true) {
        ways.push_back(read(rest, where, depth + 1));
      } else if (choices[i].is_object()) {
        ways.push_back(read(join(rest, constraints_of(choices[i], path), path), path, depth + 1));
      } else {
        fail(ErrorCode::kInvalidArgument, path, "a schema must be an object, true or false");
      }
    }
    return rules_.either(ways);
  }

  Expression read_plain(const Json& schema, const std::string& where, int depth) {
    if (schema.contains("enum") || schema.contains("const")) return read_values(schema, where);
    std::vector<Expression> ways;
    for (const std::string& type : types_of(schema, where)) {
      if (type == "object") {
        ways.push_back(read_object(schema, where, depth));
      } else if (type == "array") {
        ways.push_back(read_array(schema, where, depth));
      } else if (type == "string") {
        ways.push_back(read_string_schema(schema, where, json_, rules_));
      } else if (type == "number" || type == "integer") {
        ways.push_back(read_number(schema, type == "integer", where));
      } else if (type == "boolean") {
        ways.push_back(rules_.literal("true"));
        ways.push_back(rules_.literal("false"));
      } else {
        ways.push_back(rules_.literal("null"));
      }
    }
    return ways.empty() ? nothing() : rules_.either(ways);
  }

  // Without "type", keywords that speak of one kind of value stand for it: a list of properties describes an
  // object. Without those, every type.
  static std::vector<std::string> types_of(const Json& schema, const std::string& where) {
    static constexpr std::string_view kTypes[] = {"object",  "array",   "string", "number",
                                                  "integer", "boolean", "null"};
    std::vector<std::string> types;
    if (const auto type = schema.find("type"); type != schema.end()) {
      for (const Json& name : type->is_array() ? *type : Json::array({*type})) {
        if (!name.is_string() ||
            std::find(std::begin(kTypes), std::end(kTypes), name.get<std::string>()) == std::end(kTypes)) {
          fail(ErrorCode::kInvalidArgument, where, "the type {} is not one of JSON schema",
               name.dump().substr(0, 100));
        }
        types.push_back(name.get<std::string>());
      }
      return types;
    }
    static constexpr std::pair<std::string_view, std::string_view> kImplied[] = {
        {"properties", "object"},       {"required", "object"},        {"additionalProperties", "object"},
        {"minProperties", "object"},    {"maxProperties", "object"},   {"items", "array"},
        {"prefixItems", "array"},       {"minItems", "array"},         {"maxItems", "array"},
        {"minLength", "string"},        {"maxLength", "string"},       {"pattern", "string"},
        {"format", "string"},           {"minimum", "number"},         {"maximum", "number"},
        {"exclusiveMinimum", "number"}, {"exclusiveMaximum", "number"}};
    for (const auto& [keyword, type] : kImplied) {
      if (schema.contains(keyword) && std::find(types.begin(), types.end(), type) == types.end())
        types.emplace_back(type);
    }
    if (types.empty()) types = {"object", "array", "string", "number", "boolean", "null"};
    return types;
  }

  Expression read_values(const Json& schema, const std::string& where) {
    std::vector<Json> values;
    if (schema.contains("const")) values.push_back(schema["const"]);
    if (const auto list = schema.find("enum"); list != schema.end()) {
      if (!list->is_array()) fail(ErrorCode::kInvalidArgument, where, "\"enum\" must be a list");
      const bool has_const = !values.empty();
      if (has_const && std::find(list->begin(), list->end(), values[0]) == list->end()) values.clear();
      if (!has_const) values.assign(list->begin(), list->end());
    }
    for (const auto& [keyword, value] : schema.items()) {
      if (keyword != "enum" && keyword != "const" && keyword != "type" && keyword != "nullable") {
        fail(ErrorCode::kUnsupported, where,
             "\"{}\" beside \"enum\" or \"const\" is not supported; list the values that fit", keyword);
      }
    }
    if (schema.contains("type")) {
      const auto types = types_of(schema, where);
      std::erase_if(values, [&](const Json& value) {
        return std::none_of(types.begin(), types.end(),
                            [&](const auto& type) { return has_type(value, type); });
      });
    }
    std::vector<Expression> ways;
    for (const Json& value : values) ways.push_back(json_.exactly(value));
    return ways.empty() ? nothing() : rules_.either(ways);
  }

  static bool has_type(const Json& value, std::string_view type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "number") return value.is_number();
    if (type == "integer") return value.is_number_integer();
    return type == "boolean" ? value.is_boolean() : value.is_null();
  }

  Expression read_number(const Json& schema, bool whole, const std::string& where) {
    std::optional<NumberBound> low, high;
    const auto bound = [&](const char* keyword) -> std::optional<NumberBound> {
      if (!schema.contains(keyword)) return std::nullopt;
      return read_bound(schema[keyword], keyword[0] == 'e', where + "/" + keyword);
    };
    // Of an inclusive and an exclusive bound the tighter one counts.
    const auto tighter = [&](const char* inclusive, const char* exclusive, bool is_low) {
      const auto a = bound(inclusive), b = bound(exclusive);
      if (!a || !b) return a ? a : b;
      const bool b_is_tighter =
          is_low ? !(schema[exclusive] < schema[inclusive]) : !(schema[inclusive] < schema[exclusive]);
      return b_is_tighter ? b : a;
    };
    low = tighter("minimum", "exclusiveMinimum", true);
    high = tighter("maximum", "exclusiveMaximum", false);
    if (!low && !high) return whole ? json_.integer() : json_.number();
    return rules_.rule(rules_.add_rule("range", numbers_between(low, high, whole, rules_), true));
  }

  struct Property {
    Expression member;
    bool required;
  };

  Expression read_object(const Json& schema, const std::string& where, int depth) {
    const std::set<std::string> required = required_of(schema, where);
    const Json additional = schema.value("additionalProperties", Json(true));
    if (!additional.is_boolean() && !additional.is_object()) {
      fail(ErrorCode::kInvalidArgument, where, "\"additionalProperties\" must be a schema");
    }
    const uint32_t min = read_count(schema, "minProperties", 0, where);
    const uint32_t max = read_count(schema, "maxProperties", kUnbounded, where);
    std::vector<std::string> names;
    std::vector<Property> properties;
    const Json named = schema.value("properties", Json::object());
    if (!named.is_object()) fail(ErrorCode::kInvalidArgument, where, "\"properties\" must be an object");
    const auto add = [&](const std::string& name, const Json& property, const std::string& path) {
      const Expression value = read(property, path, depth + 1);
      names.push_back(name);
      properties.push_back({json_.key_and_value(name, value), required.contains(name)});
    };
    for (const auto& [name, property] : named.items()) add(name, property, where + "/properties/" + name);
    for (const std::string& name : required) {
      if (!named.contains(name)) add(name, additional, where + "/required/" + name);
    }
    check_member_counts(min, max, required.size(), names.size(), additional, where);
    if (names.empty() && min == 0 && max == kUnbounded && additional == true) return json_.object();
    std::optional<Expression> more;
    if (additional != false) {
      const Expression value = read(additional, where + "/additionalProperties", depth + 1);
      more = rules_.sequence({json_.string_except(names), json_.colon(), value});
    }
    const Expression members =
        names.empty() ? free_members(more, min, max) : listed_members(properties, more);
    const Rule rule = rules_.add_rule(
        where.substr(0, kMaxSchemaErrorPath),
        rules_.sequence({rules_.literal("{"), json_.blank(), members, rules_.literal("}")}), true);
    return rules_.rule(rule);
  }

  static std::set<std::string> required_of(const Json& schema, const std::string& where) {
    std::set<std::string> required;
    const Json list = schema.value("required", Json::array());
    if (!list.is_array()) fail(ErrorCode::kInvalidArgument, where, "\"required\" must be a list of names");
    for (const Json& name : list) {
      if (!name.is_string()) fail(ErrorCode::kInvalidArgument, where, "\"required\" must be a list of names");
      required.insert(name.get<std::string>());
    }
    return required;
  }

  // Counts are enforced where the members' names cannot repeat or where any number fits.
  static void check_member_counts(uint32_t min, uint32_t max, size_t required, size_t listed,
                                  const Json& additional, const std::string& where) {
    const bool min_holds = min <= required || (listed == 0 && min <= 1);
    const bool max_holds = max == kUnbounded || listed == 0 || (additional == false && listed <= max);
    if (!min_holds || !max_holds) {
      fail(ErrorCode::kUnsupported, where,
           "\"minProperties\" and \"maxProperties\" beside a list of properties that does not imply them");
    }
  }

  // With the blank behind the last member.
  Expression free_members(std::optional<Expression> more, uint32_t min, uint32_t max) {
    if (!more || max == 0) return rules_.literal("");
    const uint32_t rest = max == kUnbounded ? kUnbounded : max - 1;
    const Expression members = rules_.sequence(
        {*more, rules_.repeat(rules_.sequence({json_.comma(), *more}), 0, rest), json_.blank()});
    return min == 0 ? rules_.optional(members) : members;
  }

  // Members in the schema's order, the additional ones last. What may follow a written member is a rule for
  // each place, so that lists of optional properties take linear room.
  Expression listed_members(const std::vector<Property>& properties, std::optional<Expression> more) {
    Expression rest = json_.blank();
    if (more) {
      rest = rules_.sequence({rules_.repeat(rules_.sequence({json_.comma(), *more}), 0, kUnbounded), rest});
    }
    std::vector<Expression> behind(properties.size() + 1, 0);  // by the number of properties passed
    behind.back() = rules_.rule(rules_.add_rule("members", rest, true));
    for (size_t i = properties.size(); i-- > 1;) {
      const Expression member = rules_.sequence({json_.comma(), properties[i].member});
      const Expression from_here =
          rules_.sequence({properties[i].required ? member : rules_.optional(member), behind[i + 1]});
      behind[i] = rules_.rule(rules_.add_rule("members", from_here, true));
    }
    std::vector<Expression> ways;
    bool may_be_empty = true;
    for (size_t i = 0; i < properties.size() && may_be_empty; ++i) {
      ways.push_back(rules_.sequence({properties[i].member, behind[i + 1]}));
      may_be_empty = !properties[i].required;
    }
    if (may_be_empty) {
      if (more) ways.push_back(rules_.sequence({*more, behind.back()}));
      ways.push_back(rules_.literal(""));
    }
    return rules_.either(ways);
  }

  Expression read_array(const Json& schema, const std::string& where, int depth) {
    const uint32_t min = read_count(schema, "minItems", 0, where);
    const uint32_t max = read_count(schema, "maxItems", kUnbounded, where);
    const Json items = schema.value("items", Json(true));
    if (items.is_array()) {
      fail(ErrorCode::kUnsupported, where,
           "a list of schemas in \"items\" belongs to older drafts; use \"prefixItems\"");
    }
    if (!schema.contains("prefixItems") && min == 0 && max == kUnbounded && items == true)
      return json_.array();
    std::vector<Expression> first;
    if (schema.contains("prefixItems")) {
      const auto list = list_of(schema, "prefixItems", where);
      for (size_t i = 0; i < list.size() && i < max; ++i) {
        first.push_back(read(list[i], where + "/prefixItems/" + std::to_string(i), depth + 1));
      }
    }
    std::optional<Expression> item;
    if (items != false) item = read(items, where + "/items", depth + 1);
    const Expression members = read_items(first, item, min, max);
    return rules_.rule(rules_.add_rule(
        where.substr(0, kMaxSchemaErrorPath),
        rules_.sequence({rules_.literal("["), json_.blank(), members, rules_.literal("]")}), true));
  }

  // Items with the blank behind the last; the first ones by their place.
  Expression read_items(const std::vector<Expression>& first, std::optional<Expression> item, uint32_t min,
                        uint32_t max) {
    if (min > max) return nothing();
    if (max == 0) return rules_.literal("");
    const auto places = static_cast<uint32_t>(first.size());
    const uint32_t fewest = min > std::max(places, 1u) ? min - std::max(places, 1u) : 0;
    const uint32_t most = max == kUnbounded ? kUnbounded : max - std::min(max, std::max(places, 1u));
    Expression tail = json_.blank();
    if (item) {
      const Expression more = rules_.sequence({json_.comma(), *item});
      if (most > 0) tail = rules_.sequence({rules_.repeat(more, fewest, most), tail});
    } else if (fewest > 0) {
      return nothing();
    }
    for (uint32_t i = places; i-- > 1;) {
      const Expression rest = rules_.sequence({json_.comma(), first[i], tail});
      tail = i >= min ? rules_.either({rest, json_.blank()}) : rest;
    }
    if (places == 0 && !item) return min == 0 ? rules_.literal("") : nothing();
    const Expression all = rules_.sequence({places > 0 ? first[0] : *item, tail});
    return min == 0 ? rules_.optional(all) : all;
  }

  Expression nothing() { return rules_.chars({}); }

  const Json& root_;
  GrammarRules& rules_;
  JsonText json_;
  std::map<const Json*, Rule> targets_;
  int read_ = 0;
  size_t weight_ = 0;
};

}  // namespace

GrammarRules::Rule read_json_schema(const Json& schema, std::string_view where, JsonWhitespace whitespace,
                                    GrammarRules& rules) {
  return SchemaReader(schema, whitespace, rules).read_root(std::string(where));
}

}  // namespace oag
