#include "cli/config_file.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/output.h"

namespace oag::cli {
namespace {

constexpr size_t kMostBytes = size_t{1} << 20;

CLI::Option* find_option(CLI::App& command, const std::string& key) {
  for (CLI::Option* option : command.get_options()) {
    std::string positional = option->get_name(true, false);
    std::ranges::transform(positional, positional.begin(), [](unsigned char c) { return std::tolower(c); });
    if (option->check_lname(key) || (option->get_positional() && positional == key)) return option;
  }
  return nullptr;
}

std::string text_of(const Json& value, const std::string& where) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  fail(ErrorCode::kInvalidArgument, where,
       "is {}, expected a text, a number, true, false, or a list of those", value.type_name());
}

void set(CLI::Option& option, const Json& value, const std::string& where) {
  const bool is_flag = option.get_items_expected_max() == 0;
  if (is_flag && value == false) return;
  if (value.is_array()) {
    for (const Json& item : value) option.add_result(text_of(item, where));
  } else {
    option.add_result(text_of(value, where));
  }
  try {
    option.run_callback();
  } catch (const CLI::Error& error) {
    fail(ErrorCode::kInvalidArgument, where, "{}", error.what());
  }
}

}  // namespace

void apply_config_file(CLI::App& command, const std::string& path) {
  const std::string where = printable(path);
  const Json document = parse_json(read_file(path, kMostBytes), where);
  if (!document.is_object())
    fail(ErrorCode::kInvalidArgument, where, "is {}, expected an object of options", document.type_name());
  for (const auto& [key, value] : document.items()) {
    if (key == "$schema") continue;
    if (key == "schema") {
      const std::string expected = "oag." + command.get_name() + "/1";
      if (value != expected)
        fail(ErrorCode::kUnsupported, where, "is of schema {}, expected \"{}\"", value.dump(), expected);
      continue;
    }
    CLI::Option* option = find_option(command, key);
    if (option == nullptr || key == "config" || key == "help")
      fail(ErrorCode::kInvalidArgument, where + ": " + printable(key),
           "is no option; `oag {} --help` lists them", command.get_name());
    if (option->count() == 0) set(*option, value, where + ": " + printable(key));
  }
}

}  // namespace oag::cli
