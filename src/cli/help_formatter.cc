#include "cli/help_formatter.h"

#include <algorithm>

namespace oag::cli {
namespace {

constexpr size_t kColumn = 34;  // where descriptions begin

// CLI11 names types "TEXT", "INT:INT in [1 - 4096]", "TEXT:{f32,f16}".
std::string placeholder(const std::string& type) {
  if (const size_t open = type.find('{'); open != std::string::npos) {
    std::string choices = type.substr(open + 1, type.find('}') - open - 1);
    std::replace(choices.begin(), choices.end(), ',', '|');
    return choices;
  }
  if (type.starts_with("INT") || type.starts_with("UINT")) return "N";
  if (type.starts_with("FLOAT")) return "X";
  return type.substr(0, type.find(':'));
}

}  // namespace

HelpFormatter::HelpFormatter() {
  column_width(kColumn);
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  if (option->get_positional() || option->get_type_size() == 0) return "";
  const std::string value = placeholder(option->get_type_name());
  return value.empty() ? "" : " " + value;
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
  std::string value = option->get_default_str();
  std::erase(value, '[');
  std::erase(value, ']');
  return option->get_description() + (value.empty() ? "" : " (default: " + value + ")");
}

}  // namespace oag::cli
