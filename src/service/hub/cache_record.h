#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace oag {

// What the hub noted about a cached file when it found it right. It counts only while size and time still
// match.
struct CacheRecord {
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
  std::string sha256;
  std::string
      origin_sha256;  // of the address or path it came from, which may hold secrets; empty for a known model
};

// The note beside `file` in its folder's .oag subfolder; nothing when there is none, when it cannot be read,
// or when the file changed since.
std::optional<CacheRecord> read_cache_record(const std::filesystem::path& file);
// The same with the note at a place of the caller's choice.
std::optional<CacheRecord> read_cache_record(const std::filesystem::path& file,
                                             const std::filesystem::path& note);

// Notes the file as it stands now. Errors: kIo.
void write_cache_record(const std::filesystem::path& file, const std::string& sha256,
                        const std::string& origin_sha256);
void write_cache_record(const std::filesystem::path& file, const std::filesystem::path& note,
                        const std::string& sha256, const std::string& origin_sha256);

// Excludes other processes (and threads) from one cached file for as long as it lives.
class CacheLock {
 public:
  // Creates the folders when needed. Errors: kIo.
  explicit CacheLock(const std::filesystem::path& file);

  // The same over a lock file of another's choice, in a folder that exists. Errors: kIo.
  static CacheLock at(const std::filesystem::path& lock_file) { return CacheLock(LockFile{lock_file}); }

  ~CacheLock();
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;

  // False when another holds it. Errors: kIo.
  bool try_lock();

  // Takes the lock's file away; the lock is still held. Precondition: try_lock() gave it.
  void remove_file();

 private:
  struct LockFile {
    const std::filesystem::path& path;
  };
  explicit CacheLock(LockFile file) : path_(file.path) { open(); }

  void open();
  bool is_current() const;

  std::filesystem::path path_;
  int fd_ = -1;
};

// The hub's own subfolder of a cache folder.
std::filesystem::path notes_folder(const std::filesystem::path& cache_folder);

}  // namespace oag
