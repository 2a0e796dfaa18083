#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace oag::cli {

// What is told about an error that ends a command: one line that names the subject and, where there is one,
// the remedy; empty where nobody is left to tell, because the reader of standard output has gone.
std::string failure_text(const std::exception& error);

// Tells it on standard error; returns the command's exit code.
int tell_failure(const std::exception& error);

// The object that --json prints instead of a result (docs/schemas/error.json), where somebody can read it.
void print_json_failure(std::string_view command, const std::exception& error);

}  // namespace oag::cli
