#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/mapping_guard.h"

namespace oag {
namespace {

int64_t modification_time_ns(const struct stat& st) {
  return int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
}

[[noreturn]] void fail_errno(const std::filesystem::path& path, const char* what) {
  const int error = errno;
  fail(error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path.string(), "{}: {}", what,
       std::strerror(error));
}

// For the whole pages of a range. It is advice: a system without it does as it always does.
void advise(std::span<const std::byte> range, int advice) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(range.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<uintptr_t>(range.data() + range.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

// Closes `fd`.
std::string read_all(int fd, const std::filesystem::path& path, size_t limit_bytes) {
  std::string text;
  char chunk[1 << 16];
  for (;;) {
    const ssize_t got = ::read(fd, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      ::close(fd);
      fail(ErrorCode::kIo, path.string(), "cannot read: {}", std::strerror(error));
    }
    if (got == 0) break;
    text.append(chunk, static_cast<size_t>(got));
    if (text.size() > limit_bytes) {
      ::close(fd);
      fail(ErrorCode::kInvalidArgument, path.string(), "is larger than the limit of {} bytes", limit_bytes);
    }
  }
  ::close(fd);
  return text;
}

// A new file of this name with six more characters, open for writing. Its mode is that of any new file: the
// process's mask, which threads share, is the system's to apply.
int create_beside(const std::string& prefix, std::string& path) {
  constexpr std::string_view kCharacters = "abcdefghijklmnopqrstuvwxyz234567";
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    unsigned char random[6];
    if (::getentropy(random, sizeof random) != 0) return -1;
    path = prefix;
    for (const unsigned char byte : random) path += kCharacters[byte % kCharacters.size()];
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

// So that a name survives a power failure. File systems that cannot do it are left as they are.
void flush_folder_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  // A pipe without a writer would keep a blocking open() waiting for one.
  file->fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file->fd_ < 0) fail_errno(path, "cannot open");
  struct stat st{};
  if (::fstat(file->fd_, &st) != 0) fail_errno(path, "cannot stat");
  if (!S_ISREG(st.st_mode)) fail(ErrorCode::kIo, path.string(), "is not a regular file");
  file->size_bytes_ = static_cast<size_t>(st.st_size);
  file->modified_ns_ = modification_time_ns(st);
  if (file->size_bytes_ == 0) return file;
  void* data = ::mmap(nullptr, file->size_bytes_, PROT_READ, MAP_PRIVATE, file->fd_, 0);
  if (data == MAP_FAILED) fail_errno(path, "cannot map");
  file->data_ = static_cast<std::byte*>(data);
  file->guard_slot_ = guard_mapping(file->data_, file->size_bytes_);
  return file;
}

MappedFile::~MappedFile() {
  if (guard_slot_ >= 0) unguard_mapping(guard_slot_);
  if (data_ != nullptr) ::munmap(data_, size_bytes_);
  if (fd_ >= 0) ::close(fd_);
}

bool MappedFile::damaged() const {
  return guard_slot_ >= 0 && mapping_damaged(guard_slot_);
}

bool MappedFile::changed_since_open() const {
  struct stat st{};
  if (::fstat(fd_, &st) != 0) return true;
  return static_cast<size_t>(st.st_size) != size_bytes_ || modification_time_ns(st) != modified_ns_;
}

void MappedFile::release_pages(std::span<const std::byte> range) const {
  advise(range, MADV_DONTNEED);
}

void MappedFile::expect_lookups(std::span<const std::byte> range) const {
  advise(range, MADV_NOHUGEPAGE);
  advise(range, MADV_RANDOM);
}

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

uint64_t file_size_bytes(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

std::string read_file(const std::filesystem::path& path, size_t limit_bytes) {
  // A pipe without a writer would keep a blocking open() waiting for one.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail_errno(path, "cannot open");
  struct stat st{};
  if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    ::close(fd);
    fail(ErrorCode::kIo, path.string(), "is not a regular file");
  }
  return read_all(fd, path, limit_bytes);
}

std::string read_stream(const std::filesystem::path& path, size_t limit_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_errno(path, "cannot open");
  return read_all(fd, path, limit_bytes);
}

AtomicFile::AtomicFile(std::filesystem::path final_path, Unfinished unfinished)
    : final_path_(std::move(final_path)), unfinished_(unfinished) {
  const std::filesystem::path folder = final_path_.parent_path();
  if (!folder.empty() && !is_there(folder)) {
    fail(ErrorCode::kIo, final_path_.string(), "the folder {} does not exist; make it first or name another",
         folder.string());
  }
  if (unfinished_ == Unfinished::kKeep) {
    open_kept();
    return;
  }
  std::string path;
  fd_ = create_beside(final_path_.string() + ".part.", path);
  if (fd_ < 0) fail_errno(final_path_, "cannot create a temporary file beside it");
  temporary_path_ = path;
}

void AtomicFile::open_kept() {
  temporary_path_ = final_path_.string() + ".part";
  const int fd = ::open(temporary_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) fail_errno(final_path_, "cannot create a temporary file beside it");
  struct stat st{};
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(fd);
    fail(ErrorCode::kBusy, temporary_path_.string(), "another process is writing this file");
  }
  if (::fstat(fd, &st) != 0 || ::lseek(fd, 0, SEEK_END) < 0) {
    ::close(fd);
    fail_errno(temporary_path_, "cannot go on with it");
  }
  size_bytes_ = static_cast<uint64_t>(st.st_size);
  fd_ = fd;
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  if (unfinished_ == Unfinished::kRemove) ::unlink(temporary_path_.c_str());
  ::close(fd_);
}

void AtomicFile::truncate(uint64_t size_bytes) {
  if (::ftruncate(fd_, static_cast<off_t>(size_bytes)) != 0 ||
      ::lseek(fd_, static_cast<off_t>(size_bytes), SEEK_SET) < 0) {
    fail_errno(temporary_path_, "cannot shorten");
  }
  size_bytes_ = size_bytes;
}

void AtomicFile::read(uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(temporary_path_, "cannot read");
    if (got == 0)
      fail(ErrorCode::kIo, temporary_path_.string(), "ends before byte {}", offset + bytes.size());
    offset += static_cast<uint64_t>(got);
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_errno(temporary_path_, "cannot write");
    bytes = bytes.subspan(static_cast<size_t>(put));
    size_bytes_ += static_cast<uint64_t>(put);
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail_errno(temporary_path_, "cannot flush to disk");
  if (::rename(temporary_path_.c_str(), final_path_.c_str()) != 0)
    fail_errno(final_path_, "cannot rename to");
  flush_folder_of(final_path_);
  ::close(fd_);
  fd_ = -1;
}

}  // namespace oag
