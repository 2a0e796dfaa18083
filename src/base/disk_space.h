#pragma once

#include <cstdint>
#include <filesystem>

namespace oag {

// Bytes that this user can still write on the file system that holds `folder`, which must exist. Errors: kIo.
uint64_t free_disk_bytes(const std::filesystem::path& folder);

// Errors: kIo, with both numbers, when fewer than `needed_bytes` are free.
void require_disk_space(const std::filesystem::path& folder, uint64_t needed_bytes);

}  // namespace oag
