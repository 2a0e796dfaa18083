#pragma once

#include <string>
#include <string_view>

namespace oag {

// Outside text made fit for a one-line message: the characters of 80 bytes; what drives a
// terminal and what is no UTF-8 as \xNN.
std::string printable(std::string_view text);

}  // namespace oag
