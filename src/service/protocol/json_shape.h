#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace oag {

// Checks `value` against a JSON Schema of the keywords that this API's descriptions use: type, enum, const,
// minimum, maximum, minLength, maxLength, minItems, maxItems, items, properties, required,
// additionalProperties, anyOf; others are descriptions. `path` names the value in errors, as in
// "messages[2].role". A property that is null counts as left out, as in OpenAI's API. Errors: RequestError
// with the code invalid_type, invalid_value, missing_required_parameter or unknown_parameter.
//
// Where a schema lists properties and says nothing of additional ones, those that it does not list, null
// aside, are added to `unknown` by their paths, the first kMostUnknown of them.
void check_shape(const Json& schema, const Json& value, const std::string& path,
                 std::vector<std::string>* unknown = nullptr);
inline constexpr size_t kMostUnknown = 16;

// A body of a request. Errors: RequestError with the code invalid_json.
Json parse_body(std::string_view body);

// "a text", "a list", …: what a value is, for messages.
std::string described(const Json& value);

// The member `name` of an object; `otherwise` where it is missing or null.
template <typename T>
T member_or(const Json& object, const char* name, T otherwise) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? otherwise : found->get<T>();
}

}  // namespace oag
