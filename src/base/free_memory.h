#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace oag {

// Bytes of memory that this process can still take now: what the system has available, and no more than the
// control groups of the process leave (memory.max of version 2, memory.limit_in_bytes of version 1; file
// pages in use count as free, they can be dropped), less what this process has been promised already
// (PromisedMemory). Nothing when neither is known. `root` is where proc/ and
// sys/ lie; other roots are for tests. Sources: proc(5); Documentation/admin-guide/cgroup-{v2,v1/memory}.rst
// of Linux.
std::optional<uint64_t> free_memory_bytes(const std::filesystem::path& root = "/");

}  // namespace oag
