#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace oag::cli {

// Prints one JSON document on standard output. Bytes that are not UTF-8 become U+FFFD.
void print_json(const Json& json);

// `text` fit for one line of a terminal: control characters are written as escapes (\n, \x1b), bytes that are
// not UTF-8 as \xNN. Texts out of model files pass through here, lest they drive the terminal.
std::string printable(std::string_view text);

// The same over several lines: newlines and tabs stay as they are.
std::string printable_lines(std::string_view text);

// printable() between double quotes, with quotes and backslashes escaped.
std::string quoted(std::string_view text);

// "134,515,008"
std::string format_count(uint64_t count);

}  // namespace oag::cli
