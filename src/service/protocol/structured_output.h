#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "service/protocol/request.h"

namespace oag {

// One way to say what an answer has to match: `kind` is "json" (a schema, as an object or as text), "regex",
// "choice" or "grammar"; `field` is what the request calls it. Errors: RequestError for a second way beside
// another one, or a schema that is no JSON.
void read_guide(std::string_view kind, const std::string& field, const Json& value, StructuredOutput& output);

// The object structured_outputs. Errors: as read_guide; RequestError for one without a way.
void read_structured_outputs(const Json& value, StructuredOutput& output);

// The object response_format: text, json_object or json_schema. Errors: RequestError.
void read_response_format(const Json& value, StructuredOutput& output);

// vLLM's repetition_detection.
void read_repetition_detection(const Json& value, Request& request);

}  // namespace oag
