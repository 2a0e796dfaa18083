#pragma once

#include <string>
#include <string_view>

namespace oag {

// Outside text made fit for a one-line message: at most 80 bytes, everything but printable ASCII as \xNN.
std::string printable(std::string_view text);

}  // namespace oag
