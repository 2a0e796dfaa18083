#include "engine/formats/printable.h"

#include <fmt/format.h>

namespace oag {

std::string printable(std::string_view text) {
  constexpr size_t kLimit = 80;
  std::string shown;
  for (const char c : text.substr(0, kLimit)) {
    if (c >= ' ' && c <= '~') {
      shown += c;
    } else {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  if (text.size() > kLimit) shown += "…";
  return shown;
}

}  // namespace oag
