#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace oag {

// Keys keep the order in which they were written: outputs read as they were composed.
using Json = nlohmann::ordered_json;

// Parses outside text. `where` names the source in the error. Errors: kCorruptData with line and column, also
// when nesting is deeper than 128 (a hostile document must not exhaust the stack of whoever walks it).
Json parse_json(std::string_view text, std::string_view where);

// The same where text that is no such document is nothing unusual.
std::optional<Json> find_json(std::string_view text);
// parse_json() for documents in which a key that stands twice in an object is an error, not the last one's.
Json parse_json_with_unique_keys(std::string_view text, std::string_view where);

}  // namespace oag
