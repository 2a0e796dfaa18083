#pragma once

#include <string>
#include <string_view>

namespace oag {

// ENGINE[@VERSION][/DEVICE[:VARIANT]]: "oag/cpu:avx2", "onnxruntime@1.16". A bare device means oag/DEVICE.
struct DeviceName {
  std::string engine = "oag";
  std::string version;
  std::string device;   // "" for the engine's own choice
  std::string variant;  // "" for the best
};

// Errors: kInvalidArgument when a part is empty or has characters other than letters, digits, '.', '_' and
// '-'.
DeviceName parse_device_name(std::string_view text);

}  // namespace oag
