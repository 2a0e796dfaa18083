#pragma once

#include <cstddef>
#include <string_view>

namespace oag {

// Bytes of the character that `text` (UTF-8) begins with when a terminal or a reader of lines acts on it: C0
// and C1 controls, line separators, marks that turn the direction of writing. 0 when it is none of them.
size_t control_size(std::string_view text);

}  // namespace oag
