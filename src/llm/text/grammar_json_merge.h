#pragma once

#include <string_view>

#include "base/json.h"

namespace oag {

// Where `reference` ("#", "#/$defs/x") leads in `root`. Errors: kUnsupported for references to other
// documents and anchors, kInvalidArgument for ones that lead nowhere.
const Json& resolve_reference(const Json& root, const Json& reference, std::string_view where);

// The schema that both schemas must hold for. Neither may have $ref or allOf. Errors: kUnsupported for
// keywords that have no joint form.
Json merge_schemas(const Json& a, const Json& b, std::string_view where);

// The keywords that say something about values, annotations and definitions left out. Errors: kUnsupported
// for keywords that cannot be enforced or are unknown, naming them behind `where`.
Json constraints_of(const Json& schema, std::string_view where);

}  // namespace oag
