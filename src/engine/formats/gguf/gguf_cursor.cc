#include "engine/formats/gguf/gguf_cursor.h"

#include <algorithm>

namespace oag {

uint64_t GgufCursor::read_count(const char* what, size_t least_bytes, uint64_t limit) {
  const size_t begin = offset_;
  const auto count = read<uint64_t>(what);
  const uint64_t most = std::min<uint64_t>(limit, remaining() / least_bytes);
  if (count > most) {
    fail_at(begin, "{} is {}, expected at most {} ({} bytes are left in the file)", what, count, most,
            remaining());
  }
  return count;
}

void GgufCursor::fail_short(const char* what, size_t count) const {
  fail_at(offset_,
          "the file ends within {}: {} bytes are left, expected {}; was it cut short? fetch it again", what,
          remaining(), count);
}

}  // namespace oag
