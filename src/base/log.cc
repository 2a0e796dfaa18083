#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <string>

namespace oag {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kOff: return spdlog::level::off;
  }
  return spdlog::level::off;
}

std::optional<LogLevel> level_of_environment() {
  const char* wanted = std::getenv("OAG_LOG");
  return wanted == nullptr ? std::nullopt : log_level_from_name(wanted);
}

std::shared_ptr<spdlog::logger> make_logger() {
  auto logger =
      std::make_shared<spdlog::logger>("oag", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern("oag: %^%l%$: %v");
  logger->set_level(spdlog::level::warn);
  if (const auto wanted = level_of_environment()) logger->set_level(to_spdlog(*wanted));
  return logger;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = make_logger();
  return *instance;
}

}  // namespace

std::optional<LogLevel> log_level_from_name(std::string_view name) {
  constexpr std::string_view kNames[] = {"debug", "info", "warning", "error", "off"};
  const auto found = std::ranges::find(kNames, name);
  if (found == std::end(kNames)) return {};
  return static_cast<LogLevel>(found - std::begin(kNames));
}

void set_log_level(LogLevel level) {
  logger().set_level(to_spdlog(level));
}

void set_log_for_service() {
  logger().set_formatter(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$: %v",
                                                                     spdlog::pattern_time_type::utc));
  if (!level_of_environment()) logger().set_level(spdlog::level::info);
}

bool log_enabled(LogLevel level) {
  return logger().should_log(to_spdlog(level));
}

// What comes from outside may stand in a message; it stays on the message's line and moves no cursor.
void log_message(LogLevel level, std::string_view message) {
  std::string line;
  line.reserve(message.size());
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F)
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
    else
      line += c;
  }
  logger().log(to_spdlog(level), spdlog::string_view_t(line));
}

}  // namespace oag
