#include "service/serve/request_log.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/log.h"

namespace oag {
namespace {

constexpr std::string_view kProbed[] = {"/healthz", "/health", "/readyz", "/progressz", "/metrics"};

LogLevel level_of(const HttpRecord& record) {
  if (record.status >= 500) return LogLevel::kWarning;
  const bool probed = std::ranges::find(kProbed, std::string_view(record.path)) != std::end(kProbed);
  return probed && record.status < 400 ? LogLevel::kDebug : LogLevel::kInfo;
}

}  // namespace

void log_request(const HttpRecord& record) {
  constexpr size_t kMostMethodBytes = 16, kMostPathBytes = 200;
  log(level_of(record), "{} {} {} {} {:.0f} ms{}{}{}", record.peer,
      record.method.empty() ? "-" : std::string_view(record.method).substr(0, kMostMethodBytes),
      record.path.empty() ? "-" : std::string_view(record.path).substr(0, kMostPathBytes),
      record.status > 0 ? std::to_string(record.status) : "-", record.milliseconds,
      record.whole ? "" : " cut", record.note.empty() ? "" : " ", record.note);
}

void log_warnings(std::string_view id, std::span<const std::string> warnings) {
  constexpr size_t kMost = 8, kMostBytes = 200;
  for (const std::string& warning : warnings.first(std::min(kMost, warnings.size())))
    log(LogLevel::kInfo, "{}: {}", id, std::string_view(warning).substr(0, kMostBytes));
  if (warnings.size() > kMost) log(LogLevel::kInfo, "{}: {} more warnings", id, warnings.size() - kMost);
}

}  // namespace oag
