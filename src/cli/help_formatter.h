#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace oag::cli {

// --help with short placeholders ("N", "f32|f16|q8_0"), and the default value at the end of the description.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter();
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
};

}  // namespace oag::cli
