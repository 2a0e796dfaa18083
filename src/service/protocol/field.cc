#include "service/protocol/field.h"

#include <algorithm>

#include "service/protocol/json_shape.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

void read_field(const FieldTable::Entry& entry, const Json& value, bool strict, Request& request) {
  const Field& field = *entry.field;
  const std::string name(field.name);
  if (field.use == FieldUse::kUnneeded) {
    if (std::find(entry.neutral.begin(), entry.neutral.end(), value) != entry.neutral.end()) return;
    reject("unsupported_parameter", name, "is not supported{}{}; leave it out",
           field.about.empty() ? "" : ": ", field.about);
  }
  std::vector<std::string> unknown;
  check_shape(entry.schema, value, name, &unknown);
  for (const std::string& path : unknown) {
    if (strict)
      reject("unknown_parameter", path.substr(0, 128),
             "is not known; the server was started with --strict-fields");
    request.warnings.push_back(fmt::format("the field {} is not known", shown_name(path)));
  }
  if (field.use == FieldUse::kOldName)
    request.warnings.push_back(fmt::format("{} is an old name: use {}", name, field.better));
  if (field.read != nullptr) field.read(value, request);
}

Json or_null(Json shape) {
  return {{"anyOf", {std::move(shape), {{"type", "null"}}}}};
}

// As check_shape takes it: members that may be left out may be null.
Json with_optional_nulls(const Json& schema) {
  if (!schema.is_object()) return schema;
  Json out = schema;
  for (const char* inner : {"items", "additionalProperties"}) {
    if (const auto found = out.find(inner); found != out.end()) *found = with_optional_nulls(*found);
  }
  if (const auto branches = out.find("anyOf"); branches != out.end()) {
    for (Json& branch : *branches) branch = with_optional_nulls(branch);
  }
  const auto properties = out.find("properties");
  if (properties == out.end()) return out;
  const Json required = schema.value("required", Json::array());
  for (auto& [name, member] : properties->items()) {
    member = with_optional_nulls(member);
    if (std::find(required.begin(), required.end(), Json(name)) == required.end()) member = or_null(member);
  }
  return out;
}

}  // namespace

std::string shown_name(std::string_view name) {
  return Json(name.substr(0, 64)).dump(-1, ' ', true, Json::error_handler_t::replace);
}

FieldTable::FieldTable(std::vector<std::span<const Field>> lists, std::vector<std::string_view> required)
    : required_(std::move(required)) {
  for (const auto& list : lists) {
    for (const Field& field : list) {
      if (!by_name_.emplace(field.name, entries_.size()).second) continue;
      entries_.push_back({&field, parse_json(field.schema, field.name),
                          field.neutral.empty() ? Json::array() : parse_json(field.neutral, field.name)});
    }
  }
}

void FieldTable::read(const Json& body, bool strict, Request& request) const {
  if (!body.is_object())
    reject("invalid_type", "", "the request's body is {}, expected a JSON object", described(body));
  for (const std::string_view name : required_) {
    const auto found = body.find(name);
    if (found == body.end() || found->is_null()) reject("missing_required_parameter", name, "is missing");
  }
  // In the tables' order.
  std::vector<const Json*> values(entries_.size(), nullptr);
  for (const auto& [name, value] : body.items()) {
    const auto known = by_name_.find(name);
    if (known != by_name_.end()) {
      if (!value.is_null()) values[known->second] = &value;
      continue;
    }
    if (strict)
      reject("unknown_parameter", name.substr(0, 64),
             "is not known; the server was started with --strict-fields");
    request.warnings.push_back(fmt::format("the field {} is not known and was left out", shown_name(name)));
  }
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Field& field = *entries_[i].field;
    const auto better = field.use == FieldUse::kOldName ? by_name_.find(field.better) : by_name_.end();
    if (values[i] == nullptr || better == by_name_.end() || values[better->second] == nullptr) continue;
    if (*values[i] != *values[better->second])
      reject("invalid_value", field.name, "is an old name of {}, which says otherwise; leave one out",
             field.better);
  }
  for (const FieldUse use :
       {FieldUse::kOldName, FieldUse::kHonoured, FieldUse::kNoEffect, FieldUse::kUnneeded}) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (values[i] != nullptr && entries_[i].field->use == use)
        read_field(entries_[i], *values[i], strict, request);
    }
  }
}

Json FieldTable::schema() const {
  Json properties = Json::object();
  for (const Entry& entry : entries_) {
    Json shape = with_optional_nulls(entry.schema);
    const bool required = std::find(required_.begin(), required_.end(), entry.field->name) != required_.end();
    if (entry.field->use == FieldUse::kUnneeded)
      shape = entry.neutral.empty() ? Json{{"type", "null"}} : Json{{"enum", entry.neutral}};
    if (!required) shape = or_null(shape);
    std::string about(entry.field->about);
    if (entry.field->use == FieldUse::kNoEffect) about += about.empty() ? "No effect." : " No effect.";
    if (entry.field->use == FieldUse::kOldName) {
      about += fmt::format("{}Old name of {}.", about.empty() ? "" : " ", entry.field->better);
      shape["deprecated"] = true;
    }
    if (!about.empty()) shape["description"] = about;
    properties[std::string(entry.field->name)] = std::move(shape);
  }
  Json required = Json::array();
  for (const std::string_view name : required_) required.push_back(std::string(name));
  return {{"type", "object"}, {"required", required}, {"properties", properties}};
}

}  // namespace oag
