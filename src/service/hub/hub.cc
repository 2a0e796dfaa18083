#include "service/hub/hub.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "service/hub/cache_record.h"
#include "service/hub/huggingface_cache.h"
#include "service/hub/huggingface_pull.h"
#include "service/hub/pull_job.h"
#include "service/net/sha256.h"
#include "service/net/url.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// Files that a model may be; everything else in the folder is not ours to list.
std::vector<fs::path> cached_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (it->is_regular_file(error) && !name.starts_with('.') && name.find(".part.") == std::string::npos) {
      files.push_back(it->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

CacheState state_of(const fs::path& file, const ModelFile* expected) {
  if (!is_file(file)) return CacheState::kAbsent;
  if (expected != nullptr && file_size_bytes(file) != expected->size_bytes) return CacheState::kDamaged;
  const auto record = read_cache_record(file);
  const bool right = record && (expected == nullptr || record->sha256 == expected->sha256);
  return right ? CacheState::kVerified : CacheState::kUnverified;
}

// A known model's file: right, or an error. A checksum that is computed here is noted, where the folder lets
// us.
void check_cached(const fs::path& file, const KnownModel& model) {
  const CacheState state = state_of(file, &model.file);
  if (state == CacheState::kVerified) return;
  const std::string digest = state == CacheState::kUnverified ? sha256_file(file) : "";
  if (digest != model.file.sha256) {
    fail(ErrorCode::kCorruptData, file.string(), "is damaged ({}); run: oag pull --force {}",
         state == CacheState::kDamaged
             ? fmt::format("{} bytes, expected {}", file_size_bytes(file), model.file.size_bytes)
             : fmt::format("SHA-256 {}, expected {}", digest, model.file.sha256),
         model.name);
  }
  try {
    write_cache_record(file, digest, "");
  } catch (const Error& error) {
    log(LogLevel::kDebug, "{}", error.what());
  }
}

// The models of the shared folder that could be run; it also holds what is none of ours.
void list_shared(const HuggingFaceCache& cache, std::vector<ModelListing>& listings) {
  const auto add = [&](const CachedRepository& entry, const Selection& model) {
    uint64_t size_bytes = 0;
    for (const HubFile& file : model.files) size_bytes += file.size_bytes;
    const std::string selector = model.model.empty() ? "" : ":" + model.model;
    listings.push_back({entry.name.text() + selector, "", "", false,
                        cache.snapshot(entry.name.repository, entry.commit) / model.model, size_bytes,
                        CacheState::kUnverified});
  };
  for (const CachedRepository& entry : cache.list()) {
    const auto files = cache.files_of(entry.name.repository, entry.commit);
    for (const Selection& model : gguf_models(files)) add(entry, model);
    try {
      const Selection model = select_model(files, {}, "");
      if (model.model.empty()) add(entry, model);
    } catch (const Error&) {
      // No weights that can be read, or several GGUFs, which are listed one by one.
    }
  }
}

}  // namespace

std::string_view pull_stage_name(PullStage stage) {
  switch (stage) {
    case PullStage::kWaiting: return "waiting for another pull";
    case PullStage::kDownloading: return "downloading";
    case PullStage::kUnpacking: return "unpacking";
    case PullStage::kVerifying: return "verifying";
    case PullStage::kCopying: return "copying";
  }
  return "working";
}

std::filesystem::path default_cache_folder() {
  if (const std::string chosen = environment("OAG_MODELS"); !chosen.empty()) return chosen;
  // The base directory specification says to pass over relative paths.
  if (const std::string cache = environment("XDG_CACHE_HOME"); cache.starts_with('/')) {
    return fs::path(cache) / "openautoglm" / "models";
  }
  if (const std::string home = environment("HOME"); !home.empty()) {
    return fs::path(home) / ".cache" / "openautoglm" / "models";
  }
  fail(ErrorCode::kInvalidArgument, "OAG_MODELS",
       "is not set, nor is HOME; set it to a folder for model files");
}

Hub::Hub(ModelIndex index, std::filesystem::path cache_folder, std::filesystem::path shared_folder)
    : index_(std::move(index)),
      cache_folder_(std::move(cache_folder)),
      shared_folder_(std::move(shared_folder)) {}

Hub Hub::open() {
  return Hub(ModelIndex::load(), default_cache_folder(), huggingface_cache_folder());
}

std::filesystem::path Hub::resolve(std::string_view model) const {
  const KnownModel* known = index_.find(model);
  if (known != nullptr && is_file(cached_path(known->file.name))) {
    check_cached(cached_path(known->file.name), *known);
    return cached_path(known->file.name);
  }
  if (is_there(model)) return fs::path(model);
  if (known != nullptr) {
    fail(ErrorCode::kNotFound, model, "is a known model that is not here yet; run: oag pull {}", known->name);
  }
  const auto hub_name = shared_folder_.empty() ? std::nullopt : parse_huggingface_name(model);
  if (hub_name) {
    if (const auto path = HuggingFaceCache(shared_folder_).resolve(*hub_name)) return *path;
    if (model.starts_with("hf:")) {
      fail(ErrorCode::kNotFound, model, "is not here yet; run: oag pull {}", model);
    }
  }
  for (const fs::path& file : cached_files(cache_folder_)) {
    if (file.filename() == model || file.stem() == model) return file;
  }
  fail(ErrorCode::kNotFound, redact_urls(model), "{}", describe_unknown(index_, model));
}

std::filesystem::path Hub::pull(std::string_view spec, const PullOptions& options) const {
  const bool of_hub = spec.starts_with("hf:");
  if (!of_hub && !(options.include.empty() && options.exclude.empty())) {
    fail(ErrorCode::kInvalidArgument, redact_urls(spec),
         "is one file, of which nothing can be included or excluded; that is for hf:ORG/NAME");
  }
  if (!of_hub) return pull_model(index_, cache_folder_, spec, options);
  const RepositoryPull done =
      pull_huggingface(huggingface_settings(), *parse_huggingface_name(spec), options);
  if (options.repository != nullptr) *options.repository = done;
  return done.path;
}

std::vector<ModelListing> Hub::list() const {
  std::vector<ModelListing> listings;
  std::set<fs::path> known_files;
  for (const KnownModel& model : index_.models()) {
    const fs::path path = cached_path(model.file.name);
    known_files.insert(path);
    const CacheState state = state_of(path, &model.file);
    const uint64_t size = state == CacheState::kAbsent ? model.file.size_bytes : file_size_bytes(path);
    listings.push_back({model.name, model.title, model.license, true, path, size, state});
  }
  for (const fs::path& path : cached_files(cache_folder_)) {
    if (known_files.contains(path)) continue;
    listings.push_back(
        {path.filename().string(), "", "", false, path, file_size_bytes(path), state_of(path, nullptr)});
  }
  if (!shared_folder_.empty()) list_shared(HuggingFaceCache(shared_folder_), listings);
  return listings;
}

}  // namespace oag
