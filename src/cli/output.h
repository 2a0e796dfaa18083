#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"

namespace oag::cli {

// Writes to standard error and flushes. Everything that a command writes there goes through here: that nobody
// can read it does not change how the command ends, so a failure is ignored.
void write_stderr(std::string_view text);

template <typename... Args>
void print_stderr(fmt::format_string<Args...> format, Args&&... args) {
  write_stderr(fmt::format(format, std::forward<Args>(args)...));
}

// A JSON document as it is printed, newline included. Bytes that are not UTF-8 become U+FFFD.
std::string json_text(const Json& json);

// Prints one JSON document on standard output.
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
