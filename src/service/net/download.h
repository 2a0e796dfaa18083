#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace oag {

struct DownloadRequest {
  std::string url;                    // https, or http from this machine or with a known sha256
  std::filesystem::path destination;  // replaced when it exists; its folder must exist
  std::string sha256;                 // 64 lower-case hex digits, or empty when unknown
  std::optional<uint64_t> expected_bytes;
  uint64_t max_bytes = uint64_t{1} << 40;

  // Called from the calling thread after each piece; the total is 0 while unknown. May throw to stop.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> on_progress;
  const std::atomic<bool>* cancel = nullptr;  // looked at every 50 ms

  std::chrono::milliseconds connect_timeout{15'000};
  std::chrono::milliseconds stall_timeout{30'000};  // the longest wait for the next byte
  int max_redirects = 10;
  int max_attempts = 4;  // in a row without getting further by at least 1 MiB
  std::chrono::milliseconds retry_delay{
      500};  // doubles with every attempt; a server's Retry-After up to 30 s counts
};

struct DownloadResult {
  uint64_t bytes = 0;
  std::string sha256;
  double seconds = 0;
};

// Fetches a file. It stands under its final name only when its size and checksum are right; after any error
// nothing is left of it. A broken connection is resumed when the server gave a strong ETag, else the file is
// started over. Blocks the calling thread. Errors: kInvalidArgument (address), kNetwork, kCorruptData (size
// or checksum), kIo (disk), kNotFound (404, 410), kCancelled. Messages name the address without its secrets.
DownloadResult download(const DownloadRequest& request);

}  // namespace oag
