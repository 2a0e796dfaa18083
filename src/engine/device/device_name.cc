#include "engine/device/device_name.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace oag {
namespace {

constexpr std::array<std::string_view, 4> kEngines = {"oag", "onnxruntime", "openvino", "tensorrt"};

// Splits `text` at `separator`; the part behind it is moved to `tail`, which must then not be empty.
std::string_view split_off(std::string_view text, char separator, std::string& tail, std::string_view whole) {
  const size_t at = text.find(separator);
  if (at == std::string_view::npos) return text;
  tail = text.substr(at + 1);
  if (tail.empty() || at == 0) {
    fail(ErrorCode::kInvalidArgument, "device",
         "\"{}\" has an empty part; write ENGINE[@VERSION][/DEVICE[:VARIANT]]", whole);
  }
  return text.substr(0, at);
}

}  // namespace

DeviceName parse_device_name(std::string_view text) {
  DeviceName name;
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) || std::string_view("._-@/:").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!std::all_of(text.begin(), text.end(), allowed)) {
    fail(ErrorCode::kInvalidArgument, "device", "\"{}\" has characters that no device name has", text);
  }
  if (text.empty()) return name;
  std::string device;
  std::string_view head = split_off(text, '/', device, text);
  if (device.empty()) {
    std::string version;
    const std::string_view engine = split_off(head, '@', version, text);
    if (std::find(kEngines.begin(), kEngines.end(), engine) != kEngines.end()) {
      name.engine = engine;
      name.version = version;
      return name;
    }
    device = head;
  } else {
    name.engine = split_off(head, '@', name.version, text);
  }
  name.device = split_off(device, ':', name.variant, text);
  return name;
}

}  // namespace oag
