#include "cli/failure.h"

#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <new>
#include <system_error>

#include "base/error.h"
#include "cli/output.h"

namespace oag::cli {

std::string failure_text(const std::exception& error) {
  if (const auto* own = dynamic_cast<const Error*>(&error))
    return own->code() == ErrorCode::kCancelled ? "cancelled" : printable(own->what());
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr)
    return "memory: the system gives this process no more (ulimit -v); a smaller model, --ctx or --kv needs "
           "less";
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    return printable(fmt::format("{}: cannot be looked at: {}; check the path and its permissions",
                                 file->path1().string(), file->code().message()));
  }
  if (const auto* system = dynamic_cast<const std::system_error*>(&error)) {
    const std::error_code code = system->code();
    if (code.value() == EPIPE) return "";
    if (code.value() == EAGAIN) {
      return "threads: the system gives this process no more of them; use fewer (--threads) or raise the "
             "limit "
             "(ulimit -u)";
    }
    // fmt::print throws these, and only standard output is written with it.
    return fmt::format("{}{}", std::ferror(stdout) != 0 ? "standard output: cannot write: " : "",
                       code.message());
  }
  return fmt::format("internal error: {}", printable(error.what()));
}

}  // namespace oag::cli
