#pragma once

#include <span>

#include "engine/device/device.h"

namespace oag {

// The backends linked into this build, in order of preference (engine/device/backend_list.inc).
std::span<const Backend* const> default_backends();

}  // namespace oag
