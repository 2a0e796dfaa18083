#include "service/net/transfer_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/disk_space.h"
#include "base/error.h"

namespace oag {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

std::filesystem::path folder_of(const std::filesystem::path& file) {
  const auto parent = file.parent_path();
  return parent.empty() ? std::filesystem::path(".") : parent;
}

}  // namespace

void AtomicFileSink::start(std::optional<uint64_t> announced_bytes) {
  if (announced_bytes) require_disk_space(folder_of(destination_), *announced_bytes);
  file_.emplace(destination_);
}

PartialFileSink::PartialFileSink(std::filesystem::path partial, std::filesystem::path destination)
    : partial_(std::move(partial)), destination_(std::move(destination)) {
  fd_ = ::open(partial_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd_ < 0) fail_io("open");
}

PartialFileSink::~PartialFileSink() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (size_bytes_ == 0) ::unlink(partial_.c_str());
}

void PartialFileSink::take_up(const std::function<void(std::span<const std::byte>)>& feed) {
  std::vector<std::byte> chunk(kReadBytes);
  for (;;) {
    const ssize_t got = ::read(fd_, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_io("read");
    if (got == 0) return;
    size_bytes_ += static_cast<uint64_t>(got);
    feed(std::span(chunk).first(static_cast<size_t>(got)));
  }
}

void PartialFileSink::start(std::optional<uint64_t> announced_bytes) {
  drop();
  if (announced_bytes) require_disk_space(folder_of(partial_), *announced_bytes);
}

void PartialFileSink::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) fail_io("write");
    size_bytes_ += static_cast<uint64_t>(put);
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
}

void PartialFileSink::drop() {
  if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) != 0) fail_io("truncate");
  size_bytes_ = 0;
}

void PartialFileSink::commit() {
  if (::fsync(fd_) != 0) fail_io("flush");
  ::close(fd_);
  fd_ = -1;
  if (::rename(partial_.c_str(), destination_.c_str()) != 0) fail_io("rename");
}

void PartialFileSink::fail_io(const char* what) const {
  fail(ErrorCode::kIo, partial_.string(), "cannot {}: {}", what, std::strerror(errno));
}

}  // namespace oag
