#include "base/disk_space.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace oag {

uint64_t free_disk_bytes(const std::filesystem::path& folder) {
  struct statvfs stats{};
  if (::statvfs(folder.c_str(), &stats) != 0) {
    fail(ErrorCode::kIo, folder.string(), "cannot ask for free disk space: {}", std::strerror(errno));
  }
  return uint64_t{stats.f_bavail} * stats.f_frsize;
}

void require_disk_space(const std::filesystem::path& folder, uint64_t needed_bytes) {
  const uint64_t free_bytes = free_disk_bytes(folder);
  if (free_bytes >= needed_bytes) return;
  fail(ErrorCode::kIo, folder.string(),
       "needs {:.1f} MB of free disk space, {:.1f} MB are available; free some space",
       static_cast<double>(needed_bytes) / 1e6, static_cast<double>(free_bytes) / 1e6);
}

}  // namespace oag
