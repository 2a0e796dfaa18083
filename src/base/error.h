#pragma once

#include <fmt/core.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace oag {

// What kind of thing went wrong; the C API and HTTP statuses are derived from it.
enum class ErrorCode {
  kInvalidArgument,   // the caller's request or option is wrong
  kNotFound,          // a file, name or tensor that should exist does not
  kCorruptData,       // a file or message contradicts itself or its format
  kUnsupported,       // well formed, but this build cannot do it
  kOutOfMemory,       // does not fit; the message says how much would
  kIo,                // the operating system refused a read or a write
  kNetwork,           // a peer could not be reached or answered wrongly
  kCancelled,         // stopped on request
  kDeadlineExceeded,  // ran past its deadline
  kInternal,          // a bug of ours
  kBusy,              // a queue is full; the same may be taken later
};

// "invalid argument", "corrupt data", …
std::string_view error_code_name(ErrorCode code);

// The one exception type for bad input. `where` names the file, option, tensor or node; `message` says what
// was seen, what was expected and what to do. what() is "where: message", one line.
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string where, std::string message);

  const char* what() const noexcept override { return line_.c_str(); }
  ErrorCode code() const { return code_; }
  const std::string& where() const { return where_; }
  const std::string& message() const { return message_; }

 private:
  ErrorCode code_;
  std::string where_;
  std::string message_;
  std::string line_;
};

// Throws Error with a formatted message.
template <typename... Args>
[[noreturn]] void fail(ErrorCode code, std::string_view where, fmt::format_string<Args...> format,
                       Args&&... args) {
  throw Error(code, std::string(where), fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace oag
