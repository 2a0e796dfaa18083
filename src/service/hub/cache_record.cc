#include "service/hub/cache_record.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSchema = "oag.cache-record/1";
constexpr size_t kMaxRecordBytes = 4096;

fs::path record_path(const fs::path& file) {
  return notes_folder(file.parent_path()) / (file.filename().string() + ".json");
}

bool look(const fs::path& file, CacheRecord& record) {
  struct stat st{};
  if (::stat(file.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
  record.size_bytes = static_cast<uint64_t>(st.st_size);
  record.modified_ns = int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
  return true;
}

}  // namespace

std::filesystem::path notes_folder(const std::filesystem::path& cache_folder) {
  return cache_folder / ".oag";
}

std::optional<CacheRecord> read_cache_record(const fs::path& file) {
  return read_cache_record(file, record_path(file));
}

std::optional<CacheRecord> read_cache_record(const fs::path& file, const fs::path& path) {
  CacheRecord now;
  if (!look(file, now)) return std::nullopt;
  try {
    const Json json = parse_json(read_file(path, kMaxRecordBytes), path.string());
    if (json.at("schema") != kSchema || json.at("bytes") != now.size_bytes ||
        json.at("modified_ns") != now.modified_ns) {
      return std::nullopt;
    }
    now.sha256 = json.at("sha256").get<std::string>();
    now.origin_sha256 = json.at("origin_sha256").get<std::string>();
    return now;
  } catch (const Error&) {
    return std::nullopt;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

void write_cache_record(const fs::path& file, const std::string& sha256, const std::string& origin_sha256) {
  write_cache_record(file, record_path(file), sha256, origin_sha256);
}

void write_cache_record(const fs::path& file, const fs::path& note, const std::string& sha256,
                        const std::string& origin_sha256) {
  CacheRecord now;
  if (!look(file, now)) fail(ErrorCode::kIo, file.string(), "vanished while it was looked at");
  Json json;
  json["schema"] = kSchema;
  json["bytes"] = now.size_bytes;
  json["modified_ns"] = now.modified_ns;
  json["sha256"] = sha256;
  json["origin_sha256"] = origin_sha256;
  AtomicFile out(note);
  out.write(json.dump(1) + "\n");
  out.commit();
}

CacheLock::CacheLock(const fs::path& file) {
  const fs::path folder = notes_folder(file.parent_path());
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    fail(ErrorCode::kIo, folder.string(), "cannot create the folder: {}; OAG_MODELS can name another",
         error.message());
  }
  path_ = folder / (file.filename().string() + ".lock");
  open();
}

void CacheLock::open() {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd_ < 0) fail(ErrorCode::kIo, path_.string(), "cannot open: {}", std::strerror(errno));
}

CacheLock::~CacheLock() {
  if (fd_ >= 0) ::close(fd_);
}

// Whether the file that is open still is the one that others would lock.
bool CacheLock::is_current() const {
  struct stat own{}, there{};
  return ::fstat(fd_, &own) == 0 && ::stat(path_.c_str(), &there) == 0 && own.st_ino == there.st_ino &&
         own.st_dev == there.st_dev;
}

void CacheLock::remove_file() {
  ::unlink(path_.c_str());
}

bool CacheLock::try_lock() {
  for (;;) {
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) {
      if (is_current()) return true;
      // Whoever held it took the file away.
      ::close(fd_);
      open();
      continue;
    }
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) fail(ErrorCode::kIo, path_.string(), "cannot lock: {}", std::strerror(errno));
  }
}

}  // namespace oag
