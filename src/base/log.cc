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

// Bytes of the control character, line separator or change of direction that `text` begins with; 0: of none.
size_t unsafe_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  if (byte(0) < 0x20 || byte(0) == 0x7F) return 1;
  if (byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) <= 0x9F) return 2;  // U+0080 to U+009F
  if (byte(0) != 0xE2) return 0;
  const bool separates = byte(1) == 0x80 && byte(2) >= 0xA8 && byte(2) <= 0xAE;  // U+2028 to U+202E
  const bool isolates = byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9;   // U+2066 to U+2069
  return separates || isolates ? 3 : 0;
}

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
    const size_t unsafe = unsafe_bytes(message);
    for (const char c : message.substr(0, unsafe))
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", static_cast<unsigned char>(c));
    if (unsafe == 0) line += message.front();
    message.remove_prefix(std::max<size_t>(unsafe, 1));
  }
  logger().log(to_spdlog(level), spdlog::string_view_t(line));
}

}  // namespace oag
