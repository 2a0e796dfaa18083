#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace oag {

struct UnzipRequest {
  std::filesystem::path archive;
  std::string member;                 // its exact name inside the archive
  std::filesystem::path destination;  // the member's own name plays no part in it
  std::string sha256;                 // of the member, 64 lower-case hex digits; empty when unknown
  uint64_t max_bytes = uint64_t{1} << 40;
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> on_progress;  // may throw to stop
  const std::atomic<bool>* cancel = nullptr;
};

// Extracts one member of a zip file. The destination appears only when size, CRC-32 and SHA-256 are right.
// Errors: kNotFound, kCorruptData, kUnsupported, kIo, kCancelled.
void unzip(const UnzipRequest& request);

}  // namespace oag
