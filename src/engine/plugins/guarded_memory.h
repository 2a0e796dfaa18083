#pragma once

#include <cstddef>
#include <cstring>

#include "engine/tensor/tensor.h"

namespace oag {

// Memory of a plugin between two fields of known bytes, by which it is seen what wrote outside.
class GuardedMemory {
 public:
  static constexpr size_t kGuardBytes = 256;  // a multiple of the alignment

  // Bytes to allocate for `size_bytes` of use.
  static size_t with_guards(size_t size_bytes) { return size_bytes + 2 * kGuardBytes; }

  // `memory` has with_guards(size_bytes).
  GuardedMemory(std::byte* memory, size_t size_bytes) : memory_(memory), size_bytes_(size_bytes) {
    std::memset(front(), kMark, kGuardBytes);
    std::memset(back(), kMark, kGuardBytes);
  }

  std::byte* data() const { return memory_ + kGuardBytes; }
  // "before", "behind" or null: where something wrote.
  const char* written() const {
    return !is_whole(front()) ? "before" : !is_whole(back()) ? "behind" : nullptr;
  }

 private:
  static constexpr unsigned char kMark = 0xA5;

  std::byte* front() const { return memory_; }
  std::byte* back() const { return memory_ + kGuardBytes + size_bytes_; }
  static bool is_whole(const std::byte* field) {
    for (size_t i = 0; i < kGuardBytes; ++i) {
      if (field[i] != std::byte{kMark}) return false;
    }
    return true;
  }

  std::byte* memory_;
  size_t size_bytes_;
};

}  // namespace oag
