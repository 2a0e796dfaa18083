#pragma once

#include <fmt/core.h>

#include <optional>
#include <string_view>
#include <utility>

namespace oag {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// "debug", "info", "warning", "error" or "off".
std::optional<LogLevel> log_level_from_name(std::string_view name);

// Messages below `level` are dropped. The default is kWarning; OAG_LOG=debug|info|warning|error|off overrides
// it.
void set_log_level(LogLevel level);

// For programs that run for long, to be called before there are other threads: lines begin with the time
// (UTC), messages from kInfo on are shown where OAG_LOG says nothing else, and a standard error that nobody
// reads loses lines instead of holding the program up.
void set_log_for_service();
bool log_enabled(LogLevel level);

// Writes one line to standard error. Thread safe. Prompts, keys and tokens never belong here.
void log_message(LogLevel level, std::string_view message);

template <typename... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_message(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace oag
