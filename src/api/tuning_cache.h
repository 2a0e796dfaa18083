#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "llm/generate/autotune.h"

namespace oag {

// What --autotune has chosen, by machine and model, in one JSON file. A file that cannot be read as such is
// warned of, taken as empty and written anew.
class TuningCache {
 public:
  explicit TuningCache(std::filesystem::path path) : path_(std::move(path)) {}

  std::optional<TuningCandidate> find(const std::string& machine, const std::string& model) const;
  // Replaces what was there for them. What cannot be written is warned of.
  void store(const std::string& machine, const std::string& model, const TuningCandidate& choice) const;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// $XDG_CACHE_HOME/openautoglm/autotune.json, else ~/.cache/openautoglm/autotune.json; empty when neither
// variable is set.
std::filesystem::path tuning_cache_path();

}  // namespace oag
