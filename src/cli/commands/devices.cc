// oag devices: where this machine can compute.
#include <fmt/format.h>

#include "api/backends.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace oag::cli {
namespace {

// Other engines have no memory of their own.
std::string memory_text(uint64_t bytes) {
  return bytes == 0 ? "-" : format_bytes(bytes);
}

int devices(bool json) {
  std::vector<DeviceProperties> found;
  for (const Backend* backend : default_backends()) {
    const auto own = backend->discover();
    found.insert(found.end(), own.begin(), own.end());
  }
  if (json) {
    Json list = Json::array();
    for (const DeviceProperties& device : found) {
      Json sets = Json::array();
      for (const VariantState& state : device.variant_states) {
        sets.push_back({{"name", state.name},
                        {"supported", state.supported},
                        {"self_test", state.supported ? Json(state.wrong.empty()) : Json(nullptr)},
                        {"wrong", state.wrong.empty() ? Json(nullptr) : Json(state.wrong)},
                        {"used", state.used}});
      }
      list.push_back({{"name", device.name},
                      {"description", device.description},
                      {"architecture", device.architecture},
                      {"identity", device.identity},
                      {"variants", device.variants},
                      {"unusable", device.unusable.empty() ? Json(nullptr) : Json(device.unusable)},
                      {"instruction_sets", std::move(sets)},
                      {"compute_units", device.compute_units},
                      {"memory_bytes", device.memory_bytes},
                      {"free_memory_bytes", device.free_memory_bytes}});
    }
    print_json({{"schema", "oag.devices/1"}, {"devices", std::move(list)}});
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows = {
      {"device", "description", "architecture", "variants", "memory", "free"}};
  for (const DeviceProperties& device : found) {
    rows.push_back({device.name, printable(device.description), device.architecture,
                    fmt::format("{}", fmt::join(device.variants, ", ")), memory_text(device.memory_bytes),
                    memory_text(device.free_memory_bytes)});
  }
  fmt::print("{}", format_table(rows));
  rows = {{"compiled for", "in this processor", "self-test", "used"}};
  for (const DeviceProperties& device : found) {
    for (const VariantState& state : device.variant_states) {
      const std::string result = state.wrong.empty() ? "passed" : "FAILED: " + state.wrong;
      rows.push_back({state.name, state.supported ? "yes" : "no", state.supported ? result : "-",
                      state.used ? "yes" : "no"});
    }
  }
  if (rows.size() > 1) fmt::print("\n{}", format_table(rows));
  for (const DeviceProperties& device : found) {
    if (!device.unusable.empty()) print_stderr("oag: {}\n", printable(device.unusable));
  }
  return kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("devices", "List what this machine can compute on");
  command->footer(
      "--device of other commands takes a name from this list; another variant goes after a\n"
      "colon: cpu:baseline.");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print one JSON object (docs/schemas/devices.json)");
  command->callback([json, &exit_code] { exit_code = devices(*json); });
}

}  // namespace

extern constinit const Command kDevicesCommand = {declare};

}  // namespace oag::cli
