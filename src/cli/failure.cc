#include "cli/failure.h"

#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <new>
#include <system_error>

#include "base/error.h"
#include "cli/command.h"
#include "cli/output.h"

namespace oag::cli {
namespace {

bool is_cancelled(const std::exception& error) {
  const auto* own = dynamic_cast<const Error*>(&error);
  return own != nullptr && own->code() == ErrorCode::kCancelled;
}

}  // namespace

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

int tell_failure(const std::exception& error) {
  if (const std::string text = failure_text(error); !text.empty()) print_stderr("oag: {}\n", text);
  return is_cancelled(error) ? kExitInterrupted : kExitFailure;
}

void print_json_failure(std::string_view command, const std::exception& error) {
  const std::string text = failure_text(error);
  if (text.empty() || std::ferror(stdout) != 0) return;
  const std::string json = json_text(
      {{"schema", "oag.error/1"}, {"command", command}, {"cancelled", is_cancelled(error)}, {"error", text}});
  // What cannot be written changes nothing: the command has failed already.
  std::fwrite(json.data(), 1, json.size(), stdout);
  std::fflush(stdout);
}

}  // namespace oag::cli
