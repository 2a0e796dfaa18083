// Policies from files: rules that can be asked, or oag::Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "engine/session/placement_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const oag::PlacementPolicy policy =
        oag::parse_policy(std::string_view(reinterpret_cast<const char*>(data), size), "policy");
    for (const oag::PlacementPolicy::Rule& rule : policy.rules) {
      if (rule.engine.empty()) __builtin_trap();
      oag::fits(rule, "models/m.onnx", "com.microsoft.FusedGemm", "block/0/conv");
    }
  } catch (const oag::Error&) {
  }
  return 0;
}
