#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace oag {

// A 64-bit checksum that finds torn and half-written data; no defence against intent. The same for any split
// into pieces.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes);
  uint64_t value() const;

 private:
  static constexpr size_t kStride = 32;

  void mix(const std::byte* stride);

  std::array<uint64_t, kStride / 8> lanes_ = {1, 2, 3, 4};
  std::array<std::byte, kStride> rest_ = {};
  size_t rest_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

uint64_t checksum_of(std::string_view text);

// The file beside an unfinished GGUF that says which tensors it holds completely: a line "oag-gguf 1 HEADER
// INPUTS" with checksums of the header and of what the caller calls its inputs, then "INDEX CHECKSUM" per
// tensor.
class GgufJournal {
 public:
  explicit GgufJournal(std::filesystem::path path) : path_(std::move(path)) {}
  ~GgufJournal();
  GgufJournal(const GgufJournal&) = delete;
  GgufJournal& operator=(const GgufJournal&) = delete;

  // The checksums of the first tensors, as far as the file tells them for this header and these inputs.
  // A file that is missing, damaged or about something else gives none.
  std::vector<uint64_t> read(uint64_t header, uint64_t inputs) const;

  // Starts the file anew with the given tensors. Errors: kIo.
  void restart(uint64_t header, uint64_t inputs, std::span<const uint64_t> tensors);
  // The next tensor is complete. Errors: kIo.
  void add(uint64_t checksum);
  void remove();

 private:
  std::string first_line(uint64_t header, uint64_t inputs) const;
  void append(const std::string& text);

  std::filesystem::path path_;
  int fd_ = -1;
  size_t count_ = 0;
};

}  // namespace oag
