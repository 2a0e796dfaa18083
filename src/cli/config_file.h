#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace oag::cli {

// Sets what a JSON file says for the options of `command` that the command line left out. Its keys are the
// long names of options without their dashes; a value is a text, a number, true, or a list of those; a
// positional is called by its name in small letters. Errors: kCorruptData or kInvalidArgument naming the file
// and the key.
void apply_config_file(CLI::App& command, const std::string& path);

}  // namespace oag::cli
