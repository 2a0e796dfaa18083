#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "service/hub/model_index.h"

namespace oag {

enum class PullStage { kWaiting, kDownloading, kUnpacking, kVerifying, kCopying };

// "waiting for another pull", "downloading", …
std::string_view pull_stage_name(PullStage stage);

struct PullProgress {
  PullStage stage;
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;  // 0 while unknown
};

// What a pull of a model of a Hugging Face compatible hub did.
struct RepositoryPull {
  std::filesystem::path path;  // the snapshot's folder, or the GGUF file in it
  std::string commit;
  size_t files = 0;  // that make up the model
  uint64_t bytes = 0;
  size_t fetched_files = 0;  // of them, those that were not there already
  uint64_t fetched_bytes = 0;
  bool from_cache = false;  // the hub was not asked or could not be reached
};

struct PullOptions {
  bool force = false;                                    // fetch again what is there already
  std::function<void(const PullProgress&)> on_progress;  // from the calling thread; may throw to stop
  const std::atomic<bool>* cancel = nullptr;
  // Looks at a file that came from a path or URL before it takes its place in the cache; throws an Error when
  // it is no model.
  std::function<void(const std::filesystem::path&)> check;

  // For a model of a hub: globs of the files to take and to leave out, and where to put what was done.
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  RepositoryPull* repository = nullptr;
};

enum class CacheState {
  kAbsent,
  kVerified,    // its checksum was right, and the file was not touched since
  kUnverified,  // right size, checksum not looked at
  kDamaged,     // wrong size
};

struct ModelListing {
  std::string
      name;  // the known name, the file's name for a model that came from a path or URL, or hf:ORG/NAME
  std::string title;
  std::string license;
  bool known = false;
  std::filesystem::path path;  // where it stands, or would stand, in the cache
  uint64_t size_bytes = 0;
  CacheState state = CacheState::kAbsent;
};

// Model names and the cache folder behind them. The folder holds model files alone; what the hub notes about
// them (locks, checksums that were found right) stands in its subfolder .oag. Several processes may share it.
// Models of a Hugging Face compatible hub stand in a folder of their own, which other tools share.
class Hub {
 public:
  // Without a shared folder no model is found or listed there.
  Hub(ModelIndex index, std::filesystem::path cache_folder, std::filesystem::path shared_folder = {});

  // With the index of ModelIndex::load() and the folders of default_cache_folder() and
  // huggingface_cache_folder().
  static Hub open();

  const ModelIndex& index() const { return index_; }
  const std::filesystem::path& cache_folder() const { return cache_folder_; }

  // The file or folder that MODEL means: a known name that was pulled, an existing path, hf:ORG/NAME or
  // ORG/NAME in the shared folder, a file in the cache by its name with or without ending; in this order. A
  // known model's checksum is looked at when it was not yet. Errors: kNotFound, saying what to do;
  // kCorruptData for a damaged file in the cache.
  std::filesystem::path resolve(std::string_view model) const;

  // Brings a model into the cache: a known name, a path (copied), a URL or hf:ORG/NAME (into the shared
  // folder). A file that is there and right is not fetched again unless forced, and another file of the same
  // name is replaced only then. A known model that is there and right needs no right to write to the folder.
  // Pulls of one model wait for each other; a pull that was interrupted starts over and removes what the
  // earlier one left. Errors: kNotFound, kNetwork, kIo (disk full: with numbers), kCorruptData,
  // kInvalidArgument, kCancelled. Nothing but a complete, right file ever stands under the final name.
  std::filesystem::path pull(std::string_view spec, const PullOptions& options = {}) const;

  // Every known model, then the other files of the cache, then the models of the shared folder. Reads no
  // file's content.
  std::vector<ModelListing> list() const;

 private:
  std::filesystem::path cached_path(std::string_view file_name) const { return cache_folder_ / file_name; }

  ModelIndex index_;
  std::filesystem::path cache_folder_;
  std::filesystem::path shared_folder_;
};

// OAG_MODELS, else $XDG_CACHE_HOME/openautoglm/models, else ~/.cache/openautoglm/models. Errors:
// kInvalidArgument when none of the three variables is set.
std::filesystem::path default_cache_folder();

}  // namespace oag
