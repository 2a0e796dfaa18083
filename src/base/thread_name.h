#pragma once

namespace oag {

// Names the calling thread, for profilers and debuggers; the system keeps 15 characters.
void name_thread(const char* name);

}  // namespace oag
