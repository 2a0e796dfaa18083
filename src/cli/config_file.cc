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
    // CLI11 begins with the option's name, which `where` ends with.
    std::string why = error.what();
    const std::string name = option.get_name() + ": ";
    if (why.starts_with(name)) why.erase(0, name.size());
    fail(ErrorCode::kInvalidArgument, where, "{}", why);
  }
}

// A file says which form it is of, so that a later form can be told apart.
void check_schema(const Json& document, const std::string& expected, const std::string& where) {
  const auto schema = document.find("schema");
  if (schema == document.end())
    fail(ErrorCode::kInvalidArgument, where, "lacks \"schema\": \"{}\"", expected);
  if (*schema != expected)
    fail(ErrorCode::kUnsupported, where, "is of schema {}, expected \"{}\"", schema->dump(), expected);
}

}  // namespace

void apply_config_file(CLI::App& command, const std::string& path) {
  const std::string where = printable(path);
  const Json document = parse_json(read_file(path, kMostBytes), where);
  if (!document.is_object())
    fail(ErrorCode::kInvalidArgument, where, "is {}, expected an object of options", document.type_name());
  check_schema(document, "oag." + command.get_name() + "/1", where);
  for (const auto& [key, value] : document.items()) {
    if (key == "$schema" || key == "schema") continue;
    CLI::Option* option = find_option(command, key);
    if (option == nullptr || key == "config" || key == "help")
      fail(ErrorCode::kInvalidArgument, where + ": " + printable(key),
           "is no option; `oag {} --help` lists them", command.get_name());
    if (option->count() == 0) set(*option, value, where + ": " + printable(key));
  }
}

}  // namespace oag::cli
