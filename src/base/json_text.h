#pragma once

#include <cstddef>
#include <string_view>

namespace oag {

// A hostile document must not exhaust the stack of whoever walks it.
inline constexpr int kMaxJsonDepth = 128;

// The errors of reading JSON text. `position` counts the bytes read, the wrong one included.
[[noreturn]] void fail_json_syntax(std::string_view text, size_t position, std::string_view where);
[[noreturn]] void fail_json_number(std::string_view where);
[[noreturn]] void fail_json_depth(std::string_view where);

}  // namespace oag
