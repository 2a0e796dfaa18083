// oag version: what this program is made of.
#include <fmt/format.h>

#include "api/backends.h"
#include "cli/command.h"
#include "cli/output.h"
#include "engine/backends/cpu/isa.h"

namespace oag::cli {
namespace {

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif

std::vector<std::string> names(std::span<const cpu::Isa> isas) {
  std::vector<std::string> texts;
  for (const cpu::Isa isa : isas) texts.emplace_back(cpu::isa_name(isa));
  return texts;
}

int version(bool json) {
  std::vector<std::string> backends;
  for (const Backend* backend : default_backends()) backends.emplace_back(backend->name);
  const auto compiled = names(cpu::compiled_isas()), available = names(cpu::available_isas());
  if (json) {
    print_json({{"schema", "oag.version/1"},
                {"version", OAG_VERSION},
                {"compiler", kCompiler},
                {"build_type", OAG_BUILD_TYPE},
                {"backends", backends},
                {"instruction_sets", {{"compiled", compiled}, {"available", available}}}});
    return kExitOk;
  }
  fmt::print("oag {}\n", OAG_VERSION);
  fmt::print("compiler          {}, {}\n", kCompiler, OAG_BUILD_TYPE);
  fmt::print("backends          {}\n", fmt::join(backends, ", "));
  fmt::print("instruction sets  {} (this processor has {})\n", fmt::join(compiled, ", "),
             fmt::join(available, ", "));
  return kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("version", "Show the version and what was compiled in");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print one JSON object (docs/schemas/version.json)");
  command->callback([json, &exit_code] { exit_code = version(*json); });
}

}  // namespace

extern constinit const Command kVersionCommand = {declare};

}  // namespace oag::cli
