#include "cli/machine_report.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include "cli/output.h"

namespace oag::cli {
namespace {

std::string instruction_set(const Device& device) {
  const std::string_view name = device.name();
  const size_t colon = name.find(':');
  return std::string(colon == std::string_view::npos ? "" : name.substr(colon + 1));
}

}  // namespace

std::string platform() {
  utsname name{};
  return ::uname(&name) == 0 ? fmt::format("{} {}", name.sysname, name.machine) : "unknown";
}

Json machine_json(const Device& device, const MachineLimits& limits) {
  return {{"platform", platform()},
          {"device", device.properties().description},
          {"isa", instruction_set(device)},
          {"bandwidth_gb_s", limits.bandwidth_gb_s},
          {"f32_gflop_s", limits.f32_gflop_s},
          {"int8_gop_s", limits.int8_gop_s}};
}

std::string machine_lines(const Device& device, const MachineLimits& limits) {
  return fmt::format(
      "platform   {}\ndevice     {}, {}\n"
      "machine    reads {:.1f} GB/s, computes {:.0f} GFLOP/s in f32, {:.0f} Gop/s in int8\n",
      platform(), device.name(), printable(device.properties().description), limits.bandwidth_gb_s,
      limits.f32_gflop_s, limits.int8_gop_s);
}

}  // namespace oag::cli
