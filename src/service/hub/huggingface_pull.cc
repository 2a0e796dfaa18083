#include "service/hub/huggingface_pull.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <tuple>

#include "base/disk_space.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "service/hub/cache_record.h"
#include "service/hub/huggingface_cache.h"
#include "service/hub/huggingface_source.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSpareDiskBytes = uint64_t{16} << 20;  // what a pull leaves free besides its own files
constexpr size_t kParallelFiles = 4;
constexpr auto kPollInterval = std::chrono::milliseconds(50);
constexpr auto kLockPollInterval = std::chrono::milliseconds(100);

// A hub may list more than 2^64 bytes: sums end at 2^62.
void add_bytes(uint64_t& total, uint64_t bytes) {
  total += std::min(bytes, (uint64_t{1} << 62) - total);
}

uint64_t total_bytes(const std::vector<HubFile>& files) {
  uint64_t total = 0;
  for (const HubFile& file : files) add_bytes(total, file.size_bytes);
  return total;
}

// The files of one pull, fetched by a few threads; the calling thread reports and watches for a cancel.
class FileSet {
 public:
  FileSet(const HuggingFaceSource& source, const HuggingFaceCache& cache, const std::string& repository,
          const std::string& commit, std::vector<HubFile> files, const PullOptions& options)
      : source_(source),
        cache_(cache),
        repository_(repository),
        commit_(commit),
        files_(std::move(files)),
        options_(options),
        done_(files_.size()) {}

  // Returns when no thread is left. Errors: the first that happened.
  void fetch() {
    total_ = total_bytes(files_);
    std::vector<std::thread> threads;
    active_ = std::min(kParallelFiles, files_.size());
    try {
      for (size_t i = 0; i < std::min(kParallelFiles, files_.size()); ++i) {
        threads.emplace_back([this] { work(); });
      }
      watch();
    } catch (...) {
      note_failure(std::current_exception());
    }
    for (std::thread& thread : threads) thread.join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void note_failure(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    stop_ = true;
  }

  void work() {
    try {
      for (size_t i = next_++; i < files_.size(); i = next_++) {
        check_stop();
        fetch_file(i);
      }
    } catch (...) {
      note_failure(std::current_exception());
    }
    const std::lock_guard lock(mutex_);
    --active_;
    finished_.notify_all();
  }

  void watch() {
    std::unique_lock lock(mutex_);
    while (active_ > 0) {
      finished_.wait_for(lock, kPollInterval);
      if (options_.cancel != nullptr && options_.cancel->load()) stop_ = true;
      const bool all_wait = active_ > 0 && waiting_ == active_;
      lock.unlock();
      report(all_wait ? PullStage::kWaiting : PullStage::kDownloading);
      lock.lock();
    }
  }

  void report(PullStage stage) const {
    if (!options_.on_progress || stop_) return;
    uint64_t done = 0;
    for (const auto& bytes : done_) done += bytes;
    options_.on_progress({stage, done, total_});
  }

  void wait_for(CacheLock& lock) {
    if (lock.try_lock()) return;
    ++waiting_;
    while (!stop_ && !lock.try_lock()) std::this_thread::sleep_for(kLockPollInterval);
    --waiting_;
    check_stop();
  }

  // A file that is not even begun ends a pull that is stopped, like one in the middle.
  void check_stop() const {
    if (stop_)
      fail(ErrorCode::kCancelled, repository_,
           "stopped on request; what came is kept, and the same command goes on from there");
  }

  void fetch_file(size_t i) {
    const HubFile& file = files_[i];
    CacheLock lock = CacheLock::at(cache_.lock_file(repository_, file));
    wait_for(lock);
    // Another pull may have brought it while we waited.
    if (options_.force || !cache_.has_blob(repository_, file, {{}, &stop_})) {
      if (options_.force) {
        std::error_code ignored;
        fs::remove(cache_.partial(repository_, file), ignored);
      }
      source_.fetch({.file = file,
                     .commit = commit_,
                     .partial = cache_.partial(repository_, file),
                     .destination = cache_.blob(repository_, file),
                     .on_progress = [this, i](uint64_t done) { done_[i] = done; },
                     .cancel = &stop_});
      cache_.note_right(repository_, file);
    }
    cache_.put_file(repository_, commit_, file);
    done_[i] = file.size_bytes;
  }

  const HuggingFaceSource& source_;
  const HuggingFaceCache& cache_;
  const std::string& repository_;
  const std::string& commit_;
  const std::vector<HubFile> files_;
  const PullOptions& options_;
  uint64_t total_ = 0;

  std::vector<std::atomic<uint64_t>> done_;  // bytes of each file
  std::atomic<size_t> next_{0};
  std::atomic<size_t> waiting_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable finished_;
  size_t active_ = 0;           // under the mutex
  std::exception_ptr failure_;  // under the mutex
};

// How far a look at a file that is here has come.
ContentWatch watch_of(const HubFile& file, const PullOptions& options) {
  ContentWatch watch;
  watch.cancel = options.cancel;
  if (!options.on_progress) return watch;
  watch.on_progress = [&](uint64_t done) {
    options.on_progress({PullStage::kVerifying, done, file.size_bytes});
  };
  return watch;
}

RepositoryPull use_cached(const HuggingFaceCache& cache, const HuggingFaceName& name,
                          const PullOptions& options) {
  const auto commit = cache.commit_of(name);
  if (!commit) {
    fail(ErrorCode::kNotFound, name.text(),
         "is not in the cache {}, and the network is not to be asked "
         "(HF_HUB_OFFLINE)",
         cache.folder().string());
  }
  RepositoryPull result;
  result.from_cache = true;
  result.commit = *commit;
  const Selection selection = cache.select(name, *commit, {name.selector, options.include, options.exclude});
  const fs::path folder = cache.snapshot(name.repository, *commit);
  result.path = selection.model.empty() ? folder : folder / selection.model;
  for (const HubFile& file : selection.files) {
    if (cache.has_file(name.repository, *commit, file, watch_of(file, options))) continue;
    std::error_code ignored;
    const bool there = fs::exists(folder / file.path, ignored);
    fail(there ? ErrorCode::kCorruptData : ErrorCode::kNotFound, name.text(),
         "is here in part, {} is {}; pull it when the network can be asked", file.path,
         there ? "damaged" : "missing");
  }
  result.files = selection.files.size();
  result.bytes = total_bytes(selection.files);
  return result;
}

}  // namespace

RepositoryPull pull_huggingface(const HuggingFaceSettings& settings, const HuggingFaceName& name,
                                const PullOptions& options) {
  const HuggingFaceCache cache(settings.cache_folder);
  if (settings.offline) return use_cached(cache, name, options);
  HuggingFaceSource source(settings, name, options.cancel);
  HubListing listing;
  try {
    listing = source.list();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNetwork || source.was_refused() || !cache.commit_of(name)) throw;
    log(LogLevel::kWarning, "{}; the copy in the cache is used", error.what());
    return use_cached(cache, name, options);
  }
  const Selection selection =
      select_model(listing.files, {name.selector, options.include, options.exclude}, name.text());
  RepositoryPull result;
  result.commit = listing.commit;
  result.files = selection.files.size();
  result.bytes = total_bytes(selection.files);
  const fs::path folder = cache.snapshot(name.repository, listing.commit);
  result.path = selection.model.empty() ? folder : folder / selection.model;

  std::vector<HubFile> missing;
  uint64_t needed_bytes = 0;
  for (const HubFile& file : selection.files) {
    const ContentWatch watch = watch_of(file, options);
    if (!options.force && cache.has_file(name.repository, listing.commit, file, watch)) continue;
    const uint64_t here = std::min(file_size_bytes(cache.partial(name.repository, file)), file.size_bytes);
    if (options.force || !cache.has_blob(name.repository, file, watch))
      add_bytes(needed_bytes, file.size_bytes - here);
    missing.push_back(file);
  }
  result.fetched_files = missing.size();
  result.fetched_bytes = total_bytes(missing);
  if (!missing.empty()) {
    cache.make_folders(name.repository);
    cache.note_tree(name.repository, listing.commit, listing.files);
    require_disk_space(cache.folder(), needed_bytes + kSpareDiskBytes);
    // The largest first: they end at about the same time.
    std::sort(missing.begin(), missing.end(), [](const HubFile& a, const HubFile& b) {
      return std::tie(b.size_bytes, a.path) < std::tie(a.size_bytes, b.path);
    });
    FileSet(source, cache, name.repository, listing.commit, std::move(missing), options).fetch();
    cache.write_ref(name, listing.commit);
  } else {
    if (!cache.tree_of(name.repository, listing.commit))
      cache.note_tree(name.repository, listing.commit, listing.files);
    if (cache.commit_of(name) == listing.commit) return result;
    cache.make_folders(name.repository);
    cache.write_ref(name, listing.commit);
  }
  return result;
}

}  // namespace oag
