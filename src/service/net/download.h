#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "service/net/http_call.h"

namespace oag {

struct DownloadRequest {
  std::string url;                    // https, or http from this machine or with a known checksum
  bool plain_http = false;            // the user asked for http, whatever machine it is
  std::filesystem::path destination;  // replaced when it exists; its folder must exist
  std::string sha256;                 // 64 lower-case hex digits, or empty when unknown
  std::string git_blob_id;            // 40 lower-case hex digits, or empty; needs expected_bytes

  // Collects the bytes here; after an error they stay, and a later download of the same content goes on
  // behind them. Needs a checksum, which alone tells whether the two halves are of one file; one download at
  // a time.
  std::filesystem::path partial;

  // Sent to the address's own scheme, host and port alone, and no more once a redirect led elsewhere.
  std::vector<std::pair<std::string, std::string>> origin_headers;

  // Sees the answer for whose sake the download is about to fail, and whether the address itself gave it or
  // one that it redirects to; may throw an error that says more.
  std::function<void(const HttpHead&, bool at_origin)> on_refusal;
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
// nothing is left of it, `partial` excepted. A broken connection is resumed when the server gave a strong
// ETag, else the file is started over. Blocks the calling thread. Errors: kInvalidArgument (address),
// kNetwork, kCorruptData (size or checksum), kIo (disk), kNotFound (404, 410), kCancelled. Messages name the
// address without its secrets.
DownloadResult download(const DownloadRequest& request);

struct FetchedText {
  std::string text;
  std::string link;  // the answer's Link header
};

// The same for a short text, which is kept in memory: `destination` and `partial` are not looked at.
FetchedText fetch_text(const DownloadRequest& request);

}  // namespace oag
