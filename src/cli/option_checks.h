#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace oag::cli {

// Checks of an option's text before it is converted, for CLI::Option::check. What they say quotes the text as
// it was given.

// A decimal whole number in [low, high].
CLI::Validator whole_number(int64_t low, uint64_t high);

// Decimal whole numbers in [low, high] between commas, such as "1,4,8"; none is left out.
CLI::Validator whole_number_list(int64_t low, uint64_t high);

// The numbers of a text that whole_number_list has accepted.
std::vector<int64_t> read_whole_number_list(std::string_view text);

// A decimal number in [low, high]; neither NaN nor infinite.
CLI::Validator number(double low, double high);

// Any text but the empty one.
CLI::Validator not_empty();

// Ends the command with exit code 2: an option's value cannot be what the user means.
template <typename... Args>
[[noreturn]] void usage_error(std::string_view option, fmt::format_string<Args...> format, Args&&... args) {
  throw CLI::ValidationError(std::string(option), fmt::format(format, std::forward<Args>(args)...));
}

// Why the command line was refused, in one line; `app` is what refused it.
std::string usage_text(const CLI::App& app, const CLI::ParseError& error);

}  // namespace oag::cli
