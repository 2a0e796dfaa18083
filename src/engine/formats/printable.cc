#include "engine/formats/printable.h"

#include <fmt/format.h>

#include "base/control_characters.h"

namespace oag {
namespace {

// Bytes of the UTF-8 character that `text` begins with; 1 where it begins with none.
size_t character_size(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  size_t size = 1;
  if (first >= 0xc2 && first < 0xe0) size = 2;
  if (first >= 0xe0 && first < 0xf0) size = 3;
  if (first >= 0xf0 && first < 0xf5) size = 4;
  if (size > text.size()) return 1;
  for (const char c : text.substr(1, size - 1)) {
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) return 1;
  }
  return size;
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr size_t kLimit = 80;
  std::string shown;
  size_t at = 0;
  while (at < text.size() && at < kLimit) {
    const std::string_view rest = text.substr(at), character = rest.substr(0, character_size(rest));
    const bool is_text = character.size() > 1 || static_cast<unsigned char>(character[0]) < 0x80;
    if (is_text && control_size(character) == 0) {
      shown += character;
    } else {
      for (const char c : character) shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    at += character.size();
  }
  if (at < text.size()) shown += "…";
  return shown;
}

}  // namespace oag
