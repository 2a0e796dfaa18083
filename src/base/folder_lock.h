#pragma once

#include <filesystem>

namespace oag {

// The right of one process, and of one part of it, to write into a folder; it ends with the object or with
// the process and leaves no file.
class FolderLock {
 public:
  // Errors: kBusy when another has it; kIo, kNotFound. A file system without locks gives it to all.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace oag
