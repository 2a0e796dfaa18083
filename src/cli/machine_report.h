#pragma once

#include <string>

#include "base/json.h"
#include "engine/device/device.h"

namespace oag::cli {

// "Linux x86_64"
std::string platform();

// What oag.bench/1 says of the machine: platform, device, instruction set and measured limits.
Json machine_json(const Device& device, const MachineLimits& limits);

// The same in three lines for people.
std::string machine_lines(const Device& device, const MachineLimits& limits);

}  // namespace oag::cli
