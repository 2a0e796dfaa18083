#include "service/protocol/structured_output.h"

#include <algorithm>

#include "service/protocol/json_shape.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

using Kind = StructuredOutput::Kind;

void take(StructuredOutput& output, Kind kind, const std::string& field) {
  if (output.kind != Kind::kNone) {
    reject("invalid_value", field, "says what the answer has to match, as {} does; one of them is enough",
           output.field);
  }
  output.kind = kind;
  output.field = field;
}

Json schema_of(const Json& value, const std::string& field) {
  if (!value.is_string()) return value;
  try {
    return parse_json(value.get_ref<const std::string&>(), field);
  } catch (const Error& error) {
    reject("invalid_value", field, "is a text that is no JSON schema: {}", error.message());
  }
}

}  // namespace

void read_guide(std::string_view kind, const std::string& field, const Json& value,
                StructuredOutput& output) {
  if (kind == "json") {
    take(output, Kind::kJsonSchema, field);
    output.schema = schema_of(value, field);
  } else if (kind == "choice") {
    take(output, Kind::kChoice, field);
    output.choices = value.get<std::vector<std::string>>();
  } else {
    take(output, kind == "regex" ? Kind::kRegex : Kind::kGrammar, field);
    output.text = value.get<std::string>();
  }
}

void read_structured_outputs(const Json& value, StructuredOutput& output) {
  for (const auto& [kind, one] : value.items()) {
    const std::string field = "structured_outputs." + kind;
    if (one.is_null()) continue;
    if (kind == "json" || kind == "regex" || kind == "choice" || kind == "grammar") {
      read_guide(kind, field, one, output);
    } else if (kind == "json_object") {
      if (one == true) take(output, Kind::kJsonObject, field);
    } else if (kind == "disable_any_whitespace") {
      output.compact = one == true;
    } else {
      reject("unknown_parameter", field,
             "is not known; known are json, regex, choice, grammar, json_object and disable_any_whitespace");
    }
  }
  if (output.kind == Kind::kNone)
    reject("invalid_value", "structured_outputs",
           "says nothing: expected json, regex, choice, grammar or json_object");
}

void read_response_format(const Json& value, StructuredOutput& output) {
  const std::string type = value.value("type", "");
  if (type == "text") return;
  if (type == "json_object") {
    take(output, Kind::kJsonObject, "response_format");
    return;
  }
  if (type != "json_schema") {
    reject("invalid_value", "response_format.type", "is {}, expected text, json_object or json_schema",
           described(value["type"]));
  }
  const auto format = value.find("json_schema");
  if (format == value.end() || !format->is_object())
    reject("missing_required_parameter", "response_format.json_schema", "is missing");
  const auto schema = format->find("schema");
  if (schema == format->end() || schema->is_null())
    reject("missing_required_parameter", "response_format.json_schema.schema", "is missing");
  read_guide("json", "response_format.json_schema.schema", *schema, output);
}

void read_repetition_detection(const Json& value, Request& request) {
  const int64_t most = member_or<int64_t>(value, "max_pattern_size", 0);
  if (most == 0) return;  // vLLM's way to switch it off
  RepetitionDetection detection;
  detection.max_pattern = most;
  detection.min_pattern = std::max<int64_t>(1, member_or<int64_t>(value, "min_pattern_size", 1));
  detection.min_count = member_or<int64_t>(value, "min_count", 4);
  if (detection.min_pattern > detection.max_pattern)
    reject("invalid_value", "repetition_detection.min_pattern_size", "is above max_pattern_size");
  std::get<TextRequest>(request.payload).repetition = detection;
}

}  // namespace oag
