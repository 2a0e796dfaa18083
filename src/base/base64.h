#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace oag {

// Decodes standard base64 (RFC 4648, section 4) strictly: only its alphabet, padded to whole groups of four,
// the unused bits of the last group zero. At most `max_bytes` come out; a longer text is refused before
// anything is allocated. `where` names the source. Errors: kCorruptData (with the offset), kInvalidArgument
// when too long.
std::vector<std::byte> decode_base64(std::string_view text, std::string_view where, size_t max_bytes);

// Standard base64, padded.
std::string encode_base64(std::string_view bytes);

}  // namespace oag
