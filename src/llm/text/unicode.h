#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace oag {

// Classes of code points that pre-tokenizers ask for; a code point may have several. Unicode 16, as
// the tokenizers package has it.
enum CharClass : uint16_t {
  kOther = 0,
  kLetter = 1,       // \p{L}
  kNumber = 2,       // \p{N}
  kMark = 4,         // \p{M}
  kPunctuation = 8,  // \p{P}
  kSymbol = 16,      // \p{S}
  kWhitespace = 32,  // \s, the White_Space property
  kNewline = 64,     // carriage return or line feed, which are whitespace too
  kUpper = 128,      // \p{Lu} and \p{Lt}, which are letters too
  kLower = 256,      // \p{Ll}, likewise
};

// The CharClass bits of a code point.
uint16_t char_class(uint32_t code_point);

inline constexpr uint32_t kReplacementChar = 0xFFFD;

struct DecodedChar {
  uint32_t code_point;
  uint32_t size_bytes;  // always at least 1
};

// Decodes the sequence at the front of a non-empty text. A sequence counts when its lead byte and its number
// of continuation bytes fit and its value is at most U+10FFFF, even when it is overlong or a surrogate;
// otherwise one byte is taken as U+FFFD. That is the rule of llama.cpp (unicode_cpt_from_utf8), whose token
// ids ours must equal.
DecodedChar decode_utf8_leniently(std::string_view text);

// Appends the UTF-8 form of a code point of at most U+10FFFF (a surrogate gives three bytes, as in CESU-8).
void append_utf8(std::string& out, uint32_t code_point);

// True for well-formed UTF-8 (Unicode table 3-7: nothing overlong, no surrogates).
bool is_valid_utf8(std::string_view text);

// Every character decoded leniently and written again: bytes that form no sequence become U+FFFD, one each.
// Valid text is returned unchanged.
std::string repair_utf8(std::string_view text);

// Normalization form C of repaired text, as the tokenizers package does it: characters that came after
// Unicode 10 or so stay where they are and compose with nothing. Surrogates become U+FFFD. O(n log n) however
// marks are stacked.
std::string normalize_nfc(std::string_view text);

// Normalization form D of repaired text; likewise.
std::string normalize_nfd(std::string_view text);

// Turns a byte stream, cut anywhere, into well-formed UTF-8. Ill-formed bytes become U+FFFD, one for each
// maximal subpart, as the WHATWG Encoding standard's UTF-8 decoder does it.
class Utf8Stream {
 public:
  // Appends to `out` what became complete; an unfinished sequence of at most three bytes is held back.
  void push(std::string_view bytes, std::string& out);

  // Ends the stream: an unfinished sequence becomes U+FFFD. The stream can be used again afterwards.
  void flush(std::string& out);

 private:
  char held_[4] = {};
  uint8_t held_bytes_ = 0;
  uint8_t needed_bytes_ = 0;
  // Range that the next continuation byte must be in; narrower than 80..BF only after E0, ED, F0 and F4.
  uint8_t lower_ = 0x80;
  uint8_t upper_ = 0xBF;
};

}  // namespace oag
