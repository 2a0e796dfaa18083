#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "engine/formats/printable.h"

namespace oag {

// Reads a GGUF header front to back; every read is checked against the end of the bytes.
class GgufCursor {
 public:
  // `name` is the file's name in errors; both must outlive the cursor.
  GgufCursor(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  size_t offset() const { return offset_; }
  size_t remaining() const { return bytes_.size() - offset_; }

  // Says in later errors what is being read, such as "metadata key tokenizer.ggml.tokens".
  void set_context(std::string context) { context_ = std::move(context); }

  // `what` names the value in the error.
  template <typename T>
  T read(const char* what) {
    if (remaining() < sizeof(T)) fail_short(what, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  std::span<const std::byte> read_bytes(size_t count, const char* what) {
    if (remaining() < count) fail_short(what, count);
    const auto slice = bytes_.subspan(offset_, count);
    offset_ += count;
    return slice;
  }

  // A 64-bit length and that many bytes.
  std::string_view read_string(const char* what) {
    const size_t begin = offset_;
    const auto length = read<uint64_t>(what);
    if (length > remaining()) {
      fail_at(begin, "{} has a length of {}, expected at most the {} bytes that are left in the file", what,
              length, remaining());
    }
    const auto slice = read_bytes(length, what);
    return {reinterpret_cast<const char*>(slice.data()), slice.size()};
  }

  // A 64-bit count of things that take at least `least_bytes` each, hence cannot be more than the rest of the
  // file.
  uint64_t read_count(const char* what, size_t least_bytes, uint64_t limit);

  template <typename... Args>
  [[noreturn]] void fail_at(size_t offset, fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kCorruptData, name_, "at byte {}{}{}: {}", offset, context_.empty() ? "" : ", ", context_,
         fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  [[noreturn]] void fail_short(const char* what, size_t count) const;

  std::span<const std::byte> bytes_;
  std::string_view name_;
  std::string context_;
  size_t offset_ = 0;
};

}  // namespace oag
