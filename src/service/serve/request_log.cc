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
  constexpr size_t kMostPathBytes = 200;
  log(level_of(record), "{} {} {} {} {:.0f} ms{}{}{}", record.peer,
      record.method.empty() ? "-" : record.method,
      record.path.empty() ? "-" : std::string_view(record.path).substr(0, kMostPathBytes),
      record.status > 0 ? std::to_string(record.status) : "-", record.milliseconds,
      record.whole ? "" : " cut", record.note.empty() ? "" : " ", record.note);
}

}  // namespace oag
