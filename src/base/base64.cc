#include "base/base64.h"

#include <array>
#include <cstdint>

#include "base/error.h"

namespace oag {
namespace {

constexpr uint8_t kNoDigit = 0xFF;

constexpr std::array<uint8_t, 256> digit_values() {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (size_t i = 0; i < kAlphabet.size(); ++i)
    values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
  return values;
}

constexpr std::array<uint8_t, 256> kDigits = digit_values();

[[noreturn]] void fail_at(std::string_view where, size_t offset, uint8_t byte) {
  fail(ErrorCode::kCorruptData, where,
       "byte {:#04x} at offset {} of the base64 text is no digit of A-Z a-z 0-9 + /", byte, offset);
}

}  // namespace

std::vector<std::byte> decode_base64(std::string_view text, std::string_view where, size_t max_bytes) {
  if (text.size() % 4 != 0)
    fail(ErrorCode::kCorruptData, where,
         "base64 text of {} characters is cut off or not padded with '=' to a multiple of 4", text.size());
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const size_t size = text.size() / 4 * 3 - padding;
  if (size > max_bytes)
    fail(ErrorCode::kInvalidArgument, where, "base64 text holds {} bytes, the limit is {}", size, max_bytes);

  std::vector<std::byte> out;
  out.reserve(size);
  const size_t digits = text.size() - padding;
  uint32_t bits = 0;
  for (size_t i = 0; i < digits; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    const uint8_t digit = kDigits[byte];
    if (digit == kNoDigit) fail_at(where, i, byte);
    bits = bits << 6 | digit;
    if (i % 4 == 0) continue;
    // After the second, third and fourth digit of a group 4, 2 and 0 bits are left over.
    const uint32_t left = 6 - 2 * static_cast<uint32_t>(i % 4);
    out.push_back(static_cast<std::byte>(bits >> left));
    bits &= (1u << left) - 1;
  }
  if (bits != 0)
    fail(ErrorCode::kCorruptData, where,
         "the base64 text ends with bits that belong to no byte: it was cut or changed");
  return out;
}

std::string encode_base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = bytes.size() - at < 3 ? bytes.size() - at : 3;
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i) out += i <= count ? kAlphabet[group >> (18 - 6 * i) & 63u] : '=';
  }
  return out;
}

}  // namespace oag
