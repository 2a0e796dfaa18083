#include "base/error.h"

namespace oag {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid argument";
    case ErrorCode::kNotFound: return "not found";
    case ErrorCode::kCorruptData: return "corrupt data";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kOutOfMemory: return "out of memory";
    case ErrorCode::kIo: return "I/O error";
    case ErrorCode::kNetwork: return "network error";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kDeadlineExceeded: return "deadline exceeded";
    case ErrorCode::kInternal: return "internal error";
    case ErrorCode::kBusy: return "busy";
  }
  return "unknown error";
}

Error::Error(ErrorCode code, std::string where, std::string message)
    : code_(code), where_(std::move(where)), message_(std::move(message)) {
  line_ = where_.empty() ? message_ : where_ + ": " + message_;
}

}  // namespace oag
