#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace oag {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// Messages below `level` are dropped. The default is kWarning; OAG_LOG=debug|info|warning|error|off overrides
// it.
void set_log_level(LogLevel level);
bool log_enabled(LogLevel level);

// Writes one line to standard error. Thread safe. Prompts, keys and tokens never belong here.
void log_message(LogLevel level, std::string_view message);

template <typename... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_message(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace oag
