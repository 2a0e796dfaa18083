#pragma once

#include <string>
#include <string_view>

namespace oag {

// The printable alphabet in which GPT-2 vocabularies write raw bytes: bytes 33-126, 161-172 and 174-255 stand
// for themselves as code points, the other 68, in order, are U+0100 and up (space is U+0120, line feed
// U+010A).

// Appends the letters of `bytes`.
void append_alphabet(std::string& out, std::string_view bytes);

// Appends the bytes that a token's text stands for. Characters outside the alphabet, which only odd
// vocabularies hold, are appended as they are.
void append_alphabet_bytes(std::string& out, std::string_view token_text);

}  // namespace oag
