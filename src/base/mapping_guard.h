#pragma once

#include <cstddef>

namespace oag {

// Turns SIGBUS inside a guarded mapping into zero pages and a flag. A file that is truncated while mapped
// would otherwise end the process. Faults outside guarded ranges keep their previous handling.

// Returns a slot, or -1 when the table is full (the mapping is then simply not guarded).
int guard_mapping(std::byte* begin, size_t size_bytes);
void unguard_mapping(int slot);
bool mapping_damaged(int slot);

}  // namespace oag
