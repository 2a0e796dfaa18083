#include "api/c_status.h"

#include <algorithm>
#include <cstring>

namespace openautoglm {
namespace {

// The thread's last error line, cut where it is too long.
thread_local char last_error[1024] = "";

}  // namespace

oag_status failed(oag_status status, std::string_view line) noexcept {
  const size_t size = std::min(line.size(), sizeof last_error - 1);
  std::memcpy(last_error, line.data(), size);
  last_error[size] = 0;
  return status;
}

}  // namespace openautoglm

extern "C" {

const char* oag_last_error(void) {
  return openautoglm::last_error;
}

const char* oag_status_name(oag_status status) {
  switch (status) {
    case OAG_OK: return "ok";
    case OAG_ERROR_INVALID_ARGUMENT: return "invalid argument";
    case OAG_ERROR_NOT_FOUND: return "not found";
    case OAG_ERROR_CORRUPT_DATA: return "corrupt data";
    case OAG_ERROR_UNSUPPORTED: return "unsupported";
    case OAG_ERROR_OUT_OF_MEMORY: return "out of memory";
    case OAG_ERROR_IO: return "I/O error";
    case OAG_ERROR_NETWORK: return "network error";
    case OAG_ERROR_CANCELLED: return "cancelled";
    case OAG_ERROR_DEADLINE_EXCEEDED: return "deadline exceeded";
    case OAG_ERROR_INTERNAL: return "internal error";
    case OAG_ERROR_BUSY: return "busy";
    case OAG_ERROR_BUFFER_TOO_SMALL: return "buffer too small";
    default: return "unknown status";
  }
}

const char* oag_version(void) {
  return openautoglm::version().data();
}

}  // extern "C"
