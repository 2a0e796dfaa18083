// oag version: what this program is made of.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/output.h"
#if OAG_ENGINE
#include "api/backends.h"
#include "engine/backends/cpu/isa.h"
#endif

namespace oag::cli {
namespace {

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif

struct Parts {
  std::vector<std::string> backends, compiled_isas, available_isas;  // none in a build without the engine
};

#if OAG_ENGINE
std::vector<std::string> names(std::span<const cpu::Isa> isas) {
  std::vector<std::string> texts;
  for (const cpu::Isa isa : isas) texts.emplace_back(cpu::isa_name(isa));
  return texts;
}

Parts parts() {
  Parts parts;
  for (const Backend* backend : default_backends()) parts.backends.emplace_back(backend->name);
  parts.compiled_isas = names(cpu::compiled_isas());
  parts.available_isas = names(cpu::available_isas());
  return parts;
}
#else
Parts parts() {
  return {};
}
#endif

int version(bool json) {
  const auto [backends, compiled, available] = parts();
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
  if (backends.empty()) {
    fmt::print("engine            not in this build\n");
    return kExitOk;
  }
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
