// Zip archives from outside: the directory, member headers and deflate data.
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "service/hub/zip_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Bounds the work of inputs whose many entries share one piece of data.
  constexpr size_t kMaxExtracted = 4;
  try {
    const oag::ZipReader reader(std::as_bytes(std::span(data, size)), "input");
    for (size_t i = 0; i < reader.members().size() && i < kMaxExtracted; ++i) {
      const oag::ZipMember& member = reader.members()[i];
      uint64_t written_bytes = 0;
      try {
        reader.extract(member, [&](std::span<const std::byte> piece) { written_bytes += piece.size(); });
        if (written_bytes != member.size_bytes) __builtin_trap();
      } catch (const oag::Error&) {
      }
    }
  } catch (const oag::Error&) {
  }
  return 0;
}
