#include "llm/text/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "llm/text/unicode.h"

namespace oag {
namespace {

constexpr uint32_t kAlphabetEnd = 256 + 68;

struct Tables {
  std::array<uint16_t, 256> letter_of_byte{};
  std::array<int16_t, kAlphabetEnd> byte_of_letter{};
};

constexpr Tables make_tables() {
  Tables tables;
  for (int16_t& byte : tables.byte_of_letter) byte = -1;
  uint16_t next = 256;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    const uint16_t letter = printable ? static_cast<uint16_t>(b) : next++;
    tables.letter_of_byte[b] = letter;
    tables.byte_of_letter[letter] = static_cast<int16_t>(b);
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

void append_alphabet(std::string& out, std::string_view bytes) {
  for (const char c : bytes) append_utf8(out, kTables.letter_of_byte[static_cast<uint8_t>(c)]);
}

void append_alphabet_bytes(std::string& out, std::string_view token_text) {
  while (!token_text.empty()) {
    const DecodedChar decoded = decode_utf8_leniently(token_text);
    const int byte = decoded.code_point < kAlphabetEnd ? kTables.byte_of_letter[decoded.code_point] : -1;
    if (byte >= 0) {
      out.push_back(static_cast<char>(byte));
    } else {
      out.append(token_text.substr(0, decoded.size_bytes));
    }
    token_text.remove_prefix(decoded.size_bytes);
  }
}

}  // namespace oag
