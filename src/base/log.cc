#include "base/log.h"

#include <limits.h>
#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>

#include "base/control_characters.h"

namespace oag {
namespace {

// Standard error of a program that must not hang where nobody reads it: what a pipe or a terminal has no room
// for is left out, and counted.
class PatientSink final : public spdlog::sinks::base_sink<std::mutex> {
 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (!has_room()) {
      ++lost_;
      return;
    }
    if (lost_ > 0)
      put(fmt::format("{} lines of the log were lost: nobody read them\n", std::exchange(lost_, 0)));
    put({line.data(), line.size()});
  }

  void flush_() override {}

  // For as much as PIPE_BUF, if poll() says so.
  static bool has_room() {
    pollfd look{STDERR_FILENO, POLLOUT, 0};
    return ::poll(&look, 1, 0) > 0 && (look.revents & POLLOUT) != 0;
  }

  static void put(std::string_view line) {
    constexpr std::string_view kCut = "...\n";
    std::string shown(line.substr(0, PIPE_BUF / 2));
    if (shown.size() < line.size()) shown.replace(shown.size() - kCut.size(), kCut.size(), kCut);
    std::ignore = ::write(STDERR_FILENO, shown.data(), shown.size());
  }

  size_t lost_ = 0;
};

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
  logger().sinks() = {std::make_shared<PatientSink>()};
  logger().set_formatter(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %l: %v",
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
  while (!message.empty()) {
    const size_t control = control_size(message);
    for (const char c : message.substr(0, control))
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", static_cast<unsigned char>(c));
    if (control == 0) line += message.front();
    message.remove_prefix(std::max<size_t>(control, 1));
  }
  logger().log(to_spdlog(level), spdlog::string_view_t(line));
}

}  // namespace oag
